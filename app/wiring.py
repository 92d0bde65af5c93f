"""Who hears whom: the gestures of the views and panels, and the controllers that carry them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.main_window import MainWindow

EDIT, VIDEO = "edit", "video"
"""Topics of messages about the shown clip: an edit that was refused, a frame that was not read."""


def connect_gestures(window: MainWindow) -> None:
    """What somebody does in a view or a panel becomes a call of a controller."""
    editing, projects = window.editing, window.projects
    for view in (window.frame_view, window.mesh_view):
        view.body_clicked.connect(window.click_body)
        view.region_clicked.connect(editing.pick_region)
        view.region_missed.connect(editing.miss_region)
    window.clip_browser.files_dropped.connect(window.open_dropped)
    window.clip_browser.import_requested.connect(projects.ask_for_videos)
    window.timeline.selection_made.connect(window.select_frames)
    window.timeline.contact_interval_changed.connect(editing.move_contact)
    window.people.renamed.connect(editing.rename)
    window.people.height_set.connect(editing.set_height)
    window.contacts.changed.connect(editing.change_contact)
    window.contacts.removed.connect(editing.remove_contact)
    window.fit.focal_set.connect(editing.set_focal)
    window.fit.appearance_set.connect(window.set_appearance)
    window.proxemics.said.connect(editing.stand)
    window.proxemics.taken_back.connect(editing.take_back_standing)
    window.review.swaps.accepted.connect(window.correcting.accept_swap)
    window.review.swaps.turned_down.connect(editing.turn_down)
    window.correcting.swapped.connect(window.offer_refit)
    window.review.sent_back.connect(lambda why: editing.review("sent back", why))
    window.history.revision_chosen.connect(editing.go_to_revision)
    window.empty_state.project_chosen.connect(projects.open)
    window.status.cancel_requested.connect(window.fitting.cancel)
    _connect_corrections(window)


def _connect_corrections(window: MainWindow) -> None:
    view, correcting = window.frame_view, window.correcting
    view.keypoint_dragged.connect(correcting.move_keypoint)
    view.keypoint_hidden.connect(correcting.hide_keypoint)
    view.box_drawn.connect(correcting.draw_box)
    view.mask_painted.connect(correcting.paint_mask)
    view.menu_requested.connect(window.person_menu.open)
    view.other_clicked.connect(window.click_other)
    others = window.people.others
    others.clicked.connect(window.click_other)
    others.assigned.connect(window.assign_other)
    others.menu_requested.connect(window.person_menu.open)


def connect_messages(window: MainWindow) -> None:
    """What the controllers have to say: in passing below, what matters above the views."""
    notifications, hint = window.notifications, window.status.hint
    window.operations.failed.connect(window.say_refused)
    window.decoder.failed.connect(lambda _, why: notifications.error(why, VIDEO))
    for speaker in (window.editing, window.correcting, window.review, window.fitting):
        speaker.hinted.connect(hint)
    for speaker in (window.editing, window.correcting, window.fitting):
        speaker.done.connect(hint)
    for speaker in (window.imports, window.projects):
        speaker.done.connect(hint)
    for speaker in (window.fitting, window.imports, window.projects):
        speaker.problem.connect(notifications.error)
        speaker.attempted.connect(notifications.clear)
    window.fitting.noticed.connect(notifications.info)
    window.fitting.stopped.connect(lambda text, go_on: notifications.info(text, ("Go on", go_on)))
    window.projects.noticed.connect(notifications.info)
    window.projects.exported.connect(window.say_exported)
    window.proxies.noticed.connect(hint)
    window.key_filter.in_vain.connect(window.say_why_not)
