"""The main window: puts the views, the panels and the actions together.

It holds no knowledge of its own. What is looked at lives in `ViewState`, what was said lives in
the store behind `Operations`, long work runs behind `Jobs`; the controllers (`Editing`, `Fitting`,
`Playback`, `Projects`) turn gestures into calls of those, and the views follow `ViewState`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QUrl
from PySide6.QtGui import QCloseEvent, QDesktopServices, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QInputDialog,
    QMainWindow,
    QWidget,
)

from annotations.ranges import spoken
from app import actions, menus
from app.arrangement import Arrangement
from app.availability import Situation, obstacle
from app.clip_browser import ClipBrowser
from app.clip_titles import clip_title
from app.contact_panel import ContactPanel
from app.correcting import Correcting
from app.decoder import Decoder, identity
from app.editing import Editing
from app.empty_state import EmptyState
from app.fit_panel import FitPanel
from app.fitting import Fitting, topic_of
from app.frame_view import FrameView
from app.help import HelpDialog
from app.history_panel import HistoryPanel
from app.identity_panel import IdentityPanel
from app.imports import Imports
from app.jobs import Jobs
from app.key_filter import KeyFilter, is_text_field
from app.mesh_view import MeshView
from app.notifications import Notifications
from app.operations import ClipSnapshot, Operations, Update
from app.palette import CommandPalette
from app.person_menu import PersonMenu
from app.playback import Playback
from app.preferences import Preferences, PreferencesDialog
from app.projects import Projects
from app.proxemics_panel import ProxemicsPanel
from app.proxies import Proxies
from app.proxy_cache import folder_beside
from app.redetection import corrections_since_detection
from app.review_panel import ReviewPanel
from app.status import StatusLine
from app.theme import theme
from app.timeline import Timeline
from app.view_state import Tool, ViewState
from app.wiring import EDIT, VIDEO, connect_gestures, connect_messages
from engine.structures import FrameRange, VideoInfo


class MainWindow(QMainWindow):
    """One window, one project."""

    def __init__(
        self,
        preferences: Preferences | None = None,
        operations: Operations | None = None,
        jobs: Jobs | None = None,
        log_file: Path | None = None,
    ) -> None:
        super().__init__()
        self.preferences: Preferences = preferences or Preferences()
        self.log_file = log_file
        self.view_state: ViewState = ViewState(self)
        self.operations: Operations = operations or Operations(self)
        self.jobs: Jobs = jobs or Jobs(self)
        self.decoder: Decoder = Decoder(self)
        self.proxies: Proxies = Proxies(self.view_state, self.decoder, self)
        self.playback: Playback = Playback(self.view_state, self)
        self.editing: Editing = Editing(self.view_state, self.operations, self)
        self.correcting: Correcting = Correcting(self.view_state, self.operations, self)
        self.fitting: Fitting = Fitting(self.view_state, self.operations, self.jobs, self)
        self.projects: Projects = Projects(self.view_state, self.operations, self.preferences, self)
        self.imports: Imports = Imports(
            self.view_state, self.operations, self.jobs, self.preferences, self
        )
        self._snapshot: ClipSnapshot | None = None
        self._shown_clip_id: int | None = None
        self._shown_project: Path | None = None
        self._situation_shown: Situation | None = None
        self._make_views()
        scopes: dict[actions.Scope, QWidget] = {
            "frame view": self.frame_view,
            "3D view": self.mesh_view,
        }
        self.actions_by_id = actions.build(self, scopes)
        self.key_filter = KeyFilter(self, self.actions_by_id)
        self.person_menu: PersonMenu = PersonMenu(self.frame_view, self.correcting)
        self._make_panels()
        self._arrange()
        menus.fill_menu_bar(self, self.actions_by_id)
        menus.list_docks(self, self.arrangement.docks.values())
        self.tool_bar = menus.fill_tool_bar(self, self.actions_by_id)
        self._connect()
        self._apply_preferences()
        self._refresh_actions()
        self._refresh_title()
        self.arrangement.restore(self.preferences)
        self.setAcceptDrops(True)

    # -- construction ---------------------------------------------------------------------------

    def _make_views(self) -> None:
        self.frame_view: FrameView = FrameView(self.view_state)
        # Before the 3D view hears of it: OpenGL then draws the bodies over the video first, and
        # those of the 3D view while the frame view is being painted.
        self.view_state.frame_changed.connect(lambda _: self._request_frame())
        self.mesh_view: MeshView = MeshView(self.view_state)
        self.timeline: Timeline = Timeline(self.view_state)
        self.clip_browser: ClipBrowser = ClipBrowser(self.view_state)
        self.notifications: Notifications = Notifications(
            lambda: self.frame_view.is_busy or self.timeline.is_busy
        )
        self.status: StatusLine = StatusLine(self.view_state, self.jobs)

    def _make_panels(self) -> None:
        self.people: IdentityPanel = IdentityPanel(self.view_state, self.actions_by_id)
        self.contacts: ContactPanel = ContactPanel(self.view_state, self.actions_by_id)
        self.proxemics: ProxemicsPanel = ProxemicsPanel(self.view_state, self.actions_by_id)
        self.fit: FitPanel = FitPanel(self.view_state, self.jobs, self.actions_by_id)
        self.review: ReviewPanel = ReviewPanel(self.view_state, self.actions_by_id)
        self.history: HistoryPanel = HistoryPanel(self.actions_by_id)

    def _arrange(self) -> None:
        self.empty_state = EmptyState(self.actions_by_id, self.preferences)
        self.arrangement = Arrangement(self, self.notifications, self.empty_state)
        self.arrangement.put_views((self.frame_view, self.mesh_view), self.timeline)
        said = (self.people, self.contacts, self.proxemics, self.fit)
        judged = (self.review, self.history)
        self.arrangement.put_docks(self.clip_browser, said, judged)
        self.setStatusBar(self.status)

    def _connect(self) -> None:
        operations, view_state = self.operations, self.view_state
        operations.changed.connect(self._on_changed)
        operations.failed.connect(self.frame_view.drop_pending)
        view_state.clip_id_changed.connect(self._on_clip_id_changed)
        view_state.playing_changed.connect(lambda _: self._request_frame())
        view_state.candidate_changed.connect(lambda _: self._refresh_actions())
        view_state.tool_changed.connect(self._on_tool_changed)
        self._on_tool_changed(view_state.tool)
        self.decoder.decoded.connect(self._on_decoded)
        self.projects.project_opened.connect(self._on_project_opened)
        self.projects.clip_added.connect(self.fitting.detect)
        self.proxies.cached_changed.connect(self.timeline.set_cached)
        for signal in (self.jobs.started, self.jobs.queue_changed):
            signal.connect(lambda *_: self._refresh_actions())
        self.key_filter.committed.connect(self.frame_view.setFocus)
        connect_gestures(self)
        connect_messages(self)

    # -- what changed ---------------------------------------------------------------------------

    def _on_changed(self, update: Update) -> None:
        view_state = self.view_state
        view_state.clips = update.clips
        snapshot = update.snapshot
        if view_state.clip_id is None and update.clips:
            self._go_where_left(update)
        if snapshot is not None and snapshot.clip_id == view_state.clip_id:
            self._snapshot = snapshot
            view_state.set_state(snapshot.state, update.changes)
            self.history.take(snapshot)
            self.fit.show_fit(snapshot.fit)
            self.people.show_corrections(
                corrections_since_detection(snapshot.history, snapshot.head)
            )
        if update.changes is not None:
            self.notifications.clear(EDIT)
        self.fitting.take(update)
        self.arrangement.show_desk(bool(update.clips))
        self._refresh_actions()
        self._refresh_title()

    def _go_where_left(self, update: Update) -> None:
        """The clip and frame of the last time; the first ones of a project that is new here."""
        path = self.projects.path
        place = self.preferences.place(path) if path is not None else None
        known = {clip.id for clip in update.clips}
        if place is None or place[0] not in known:
            place = (update.clips[0].id, 0)
        self.view_state.clip_id, self.view_state.frame = place

    def _keep_place(self) -> None:
        """Of the project that is shown, which is not the one that was just opened."""
        clip = self.view_state.clip_id
        if self._shown_project is not None and clip is not None:
            self.preferences.keep_place(self._shown_project, clip, self.view_state.frame)

    def _on_project_opened(self, info: Any) -> None:
        self._keep_place()
        self._shown_project = self.projects.path
        self.notifications.clear_topics()
        self.fitting.forget()
        self.proxies.open_project(self.projects.path)
        self._snapshot = None
        self.history.take(None)
        self.view_state.clips = ()
        self.view_state.clip_id = None
        if info is not None:
            self.fitting.body = info.body
            self.fitting.scratch = folder_beside(info.path) / "perception"
            self.operations.show(None)
        self.empty_state.refresh(has_project=info is not None)
        self.arrangement.show_desk(False)
        self._refresh_actions()
        self._refresh_title()

    def _on_clip_id_changed(self, clip_id: int | None) -> None:
        for topic in (EDIT, VIDEO, topic_of(self._shown_clip_id)):
            self.notifications.clear(topic)
        self._shown_clip_id = clip_id
        self._snapshot = None
        self.fitting.show_clip()
        self.history.take(None)
        self.fit.show_fit(None)
        self.status.clear_hint()
        if clip_id is not None:
            self.operations.show(clip_id)
            self._request_frame()
        self._refresh_actions()
        self._refresh_title()

    def _on_tool_changed(self, tool: Tool) -> None:
        menus.mark_tool(self.tool_bar, self.actions_by_id, tool)

    def _request_frame(self) -> None:
        clip = self.view_state.clip
        if clip is not None:
            reduction = self.frame_view.reduction
            self.decoder.request(clip.video, self.view_state.frame, reduction)

    def _on_decoded(self, video: VideoInfo, index: int, image: np.ndarray) -> None:
        clip = self.view_state.clip
        if clip is not None and identity(clip.video) == identity(video):
            self.notifications.clear(VIDEO)
            self.frame_view.set_frame_image(index, image)
            self.people.others.take_picture(index, image)

    # -- commands of the window itself ----------------------------------------------------------

    def escape(self) -> None:
        """Leave what is nearest: the reason field, a picked region, the tool, a message, what is
        selected."""
        view_state = self.view_state
        focused = self.focusWidget()
        if self.review.escape() or is_text_field(focused):
            self.frame_view.setFocus()
        elif view_state.picked_region is not None:
            view_state.picked_region = None
        elif view_state.tool != "select":
            view_state.tool = "select"
        elif self.notifications.close_newest():
            pass
        elif view_state.selected_contact is not None:
            view_state.selected_contact = None
        elif view_state.selection is not None:
            view_state.selection = None
        else:
            view_state.selected_person = view_state.selected_other = None
        self.status.clear_hint()

    def click_body(self, person: int) -> None:
        """A click on a body: who is in front while the depth tool is on, else the selection."""
        if self.view_state.tool == "depth":
            self.editing.put_in_front(person)
        else:
            self.select_person(person)

    def click_other(self, other: int) -> None:
        """Select somebody else; again to deselect."""
        same = self.view_state.selected_other == other
        self.view_state.selected_other = None if same else other

    def assign_other(self, other: int, person: int) -> None:
        """Somebody else is one of the clip's people."""
        self.view_state.selected_other = other
        self.correcting.assign(person)

    def select_frames(self, frames: FrameRange) -> None:
        self.view_state.selection = frames

    def set_tool(self, tool: Tool) -> None:
        self.view_state.picked_region = None
        self.view_state.tool = tool

    def select_person(self, person: int) -> None:
        """Select a person; again to deselect."""
        same = self.view_state.selected_person == person
        self.view_state.selected_person = None if same else person

    def select_other(self) -> None:
        """Select somebody else who is seen in this frame; again for the next one."""
        seen = [i for i, s in enumerate(self.frame_view.other_skeletons()) if s is not None]
        chosen = self.view_state.selected_other
        later = [other for other in seen if chosen is not None and other > chosen]
        if seen:
            self.view_state.selected_other = (later or seen)[0]
        else:
            self.status.hint("Nobody else was found in this frame.")

    def remove_or_ask(self) -> None:
        """Remove the selected contact; else ask what the selected skeleton is."""
        contact = self.view_state.selected_contact
        if contact is not None:
            self.editing.remove_contact(contact)
        else:
            self.person_menu.open_selected()

    def scale_brush(self, factor: float) -> None:
        self.view_state.brush_radius *= factor

    def show_before(self, before: bool) -> None:
        self.view_state.show_before = before

    def set_overlays(self, visible: bool) -> None:
        self.view_state.overlays_visible = visible

    def send_back(self) -> None:
        self.arrangement.show_panel(self.review)
        self.review.ask_reason()

    def accept_and_go_on(self) -> None:
        self.editing.review("accepted", then=lambda: self.projects.next_clip(waiting_only=True))

    def ask_for_frame(self) -> None:
        last = self.view_state.frame_count - 1
        frame, ok = QInputDialog.getInt(
            self, "Go to frame", f"Frame (0 to {last})", self.view_state.frame, 0, last
        )
        if ok:
            self.view_state.playing = False
            self.view_state.frame = frame
        self.frame_view.setFocus()

    def show_palette(self) -> None:
        CommandPalette(self, self.actions_by_id).exec()

    def show_help(self) -> None:
        HelpDialog(self).exec()

    def show_preferences(self) -> None:
        if PreferencesDialog(self.preferences, self).exec():
            self._apply_preferences()

    def set_appearance(self, is_on: bool) -> None:
        """Whether fits compare the pictures too."""
        self.preferences.appearance = self.fitting.appearance = is_on

    def offer_refit(self, frames: FrameRange) -> None:
        """People were swapped where a fit proposed it: the bodies there are of who was who."""
        self.notifications.info(
            f"Swapped, {spoken(frames)}. The bodies there were fitted to who was who before.",
            ("Fit again", lambda: self.fitting.refit_near(frames.start)),
        )

    def say_refused(self, why: str) -> None:
        """An edit was refused: what was said of an earlier one is no longer of interest."""
        self.notifications.clear(EDIT)
        self.notifications.error(why, EDIT)

    def say_exported(self, sentence: str, folder: Path) -> None:
        url = QUrl.fromLocalFile(str(folder))
        self.notifications.success(sentence, ("Open folder", lambda: QDesktopServices.openUrl(url)))

    def say_why_not(self, name: str) -> None:
        """The key of a command was pressed that cannot be used now."""
        spec = next(spec for spec in actions.ACTIONS if spec.id == name)
        self.status.hint(obstacle(spec, self._situation()))

    def show_log(self) -> None:
        if self.log_file is not None and self.log_file.exists():
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.log_file)))
        else:
            self.status.hint("Nothing has been logged.")

    def _apply_preferences(self) -> None:
        theme().scheme = self.preferences.scheme
        self.playback.loop = self.preferences.loop
        self.proxies.limit = int(self.preferences.cache_gigabytes * 1e9)
        self.fitting.fit_after_detection = self.preferences.fit_after_detection
        self.fitting.parts = self.preferences.parts
        self.fitting.initializer = self.preferences.part("body_initializer")
        self.fitting.appearance = self.preferences.appearance
        self.fitting.device = self.preferences.device
        self.fit.show_appearance(self.preferences.appearance)

    # -- the window itself ----------------------------------------------------------------------

    def _situation(self) -> Situation:
        snapshot = self._snapshot
        state = snapshot.state if snapshot is not None else None
        return Situation(
            project=self.projects.path is not None,
            clip=self.view_state.clip_id is not None,
            people=state is not None and state.observations is not None,
            bodies=state is not None and state.motion is not None,
            candidate=self.view_state.candidate is not None,
            detecting=self.fitting.is_running("detect"),
            fitting=self.fitting.is_running("fit"),
            working=self.jobs.running is not None,
            undo=snapshot.undo_label if snapshot is not None else None,
            redo=snapshot.redo_label if snapshot is not None else None,
        )

    def _refresh_actions(self) -> None:
        """What can be done now; the tip of what cannot says why."""
        now = self._situation()
        if now == self._situation_shown:
            return
        self._situation_shown = now
        for spec in actions.ACTIONS:
            why_not = obstacle(spec, now)
            action = self.actions_by_id[spec.id]
            action.setEnabled(not why_not)
            action.setToolTip("\n".join(filter(None, (actions.tooltip(spec), why_not))))
        menus.name_step(self.actions_by_id["undo"], "Undo", now.undo)
        menus.name_step(self.actions_by_id["redo"], "Redo", now.redo)

    def _refresh_title(self) -> None:
        clip, project = self.view_state.clip, self.projects.path
        title = clip_title(clip, self.view_state.clips) if clip is not None else ""
        parts = [title, project.name if project else "", "Dyad"]
        self.setWindowTitle(" — ".join(part for part in parts if part))
        self.setWindowFilePath(str(project) if project is not None else "")

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [Path(u.toLocalFile()) for u in event.mimeData().urls() if u.isLocalFile()]
        event.acceptProposedAction()
        self.open_dropped(paths)

    def open_dropped(self, paths: list[Path]) -> None:
        self.projects.open_dropped(self.imports.open_dropped(paths))

    def closeEvent(self, event: QCloseEvent) -> None:
        """Everything is saved already: end the work and the threads."""
        self.arrangement.keep(self.preferences)
        self._keep_place()
        self.view_state.playing = False
        self.proxies.shutdown()
        self.jobs.shutdown()
        self.decoder.shutdown()
        self.projects.shutdown()
        self.operations.shutdown()
        super().closeEvent(event)
