"""The main window: puts the views, the panels and the actions together.

It holds no knowledge of its own. What is looked at lives in `ViewState`, what was said lives in
the store behind `Operations`, long work runs behind `Jobs`; the controllers (`Editing`, `Fitting`,
`Playback`, `Projects`) turn gestures into calls of those, and the views follow `ViewState`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QSize, Qt, QUrl
from PySide6.QtGui import QCloseEvent, QDesktopServices, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QDockWidget,
    QInputDialog,
    QMainWindow,
    QSplitter,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app import actions, menus
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
from app.panel import Panel
from app.person_menu import PersonMenu
from app.playback import Playback
from app.preferences import Preferences, PreferencesDialog
from app.projects import Projects
from app.proxies import Proxies
from app.proxy_cache import folder_beside
from app.redetection import corrections_since_detection
from app.review_panel import ReviewPanel
from app.status import StatusLine
from app.theme import theme
from app.timeline import Timeline
from app.view_state import Tool, ViewState
from engine.structures import VideoInfo

STATE_VERSION = 1
"""Raised when the docks change, so that an old arrangement is not forced on new ones."""
FIRST_SIZE = QSize(1440, 900)
FRAME = QSize(8, 48)
"""Pixels that a window manager draws around a window, roughly; Qt knows only once it is shown."""


EDIT, VIDEO = "edit", "video"
"""Topics of messages about the shown clip: an edit that was refused, a frame that was not read."""


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
        menus.list_docks(self, self.docks.values())
        self.tool_bar = menus.fill_tool_bar(self, self.actions_by_id)
        self._connect()
        self._apply_preferences()
        self._refresh_actions()
        self._refresh_title()
        self._restore()
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
        self.notifications: Notifications = Notifications()
        self.status: StatusLine = StatusLine(self.view_state, self.jobs)

    def _make_panels(self) -> None:
        self.people: IdentityPanel = IdentityPanel(self.view_state, self.actions_by_id)
        self.contacts: ContactPanel = ContactPanel(self.view_state, self.actions_by_id)
        self.fit: FitPanel = FitPanel(self.view_state, self.jobs, self.actions_by_id)
        self.review: ReviewPanel = ReviewPanel(self.view_state, self.actions_by_id)
        self.history: HistoryPanel = HistoryPanel(self.actions_by_id)

    def _arrange(self) -> None:
        views = QSplitter(Qt.Orientation.Horizontal)
        views.addWidget(self.frame_view)
        views.addWidget(self.mesh_view)
        views.setSizes([600, 500])
        views.setChildrenCollapsible(False)
        desk = QSplitter(Qt.Orientation.Vertical)
        desk.addWidget(views)
        desk.addWidget(self.timeline)
        desk.setStretchFactor(0, 1)
        desk.setStretchFactor(1, 0)
        desk.setChildrenCollapsible(False)
        self.splitters = {"views": views, "desk": desk}
        self.pages = QStackedWidget()
        self.empty_state = EmptyState(self.actions_by_id, self.preferences)
        self.pages.addWidget(self.empty_state)
        self.pages.addWidget(desk)
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.notifications)
        column.addWidget(self.pages, 1)
        self.setCentralWidget(centre)
        self.setStatusBar(self.status)
        self._arrange_docks()

    def _arrange_docks(self) -> None:
        left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
        self.panels = (self.people, self.contacts, self.fit, self.review, self.history)
        self.docks = {
            "Clips": self._dock("Clips", self.clip_browser),
            "Annotate": self._dock("Annotate", _tabs(self.people, self.contacts, self.fit)),
            "Judge": self._dock("Judge", _tabs(self.review, self.history)),
        }
        for area, name in ((left, "Clips"), (right, "Annotate"), (right, "Judge")):
            self.addDockWidget(area, self.docks[name])
        for corner in (Qt.Corner.BottomLeftCorner, Qt.Corner.TopLeftCorner):
            self.setCorner(corner, left)
        for corner in (Qt.Corner.BottomRightCorner, Qt.Corner.TopRightCorner):
            self.setCorner(corner, right)
        both = [self.docks["Clips"], self.docks["Annotate"]]
        self.resizeDocks(both, [230, 310], Qt.Orientation.Horizontal)

    def _dock(self, title: str, widget: QWidget) -> QDockWidget:
        dock = QDockWidget(title, self)
        dock.setObjectName(title)
        dock.setWidget(widget)
        if isinstance(widget, QTabWidget):
            dock.setTitleBarWidget(QWidget())  # the tabs are title enough
        return dock

    def show_panel(self, panel: Panel) -> None:
        """Bring a panel to the front, wherever it is docked."""
        for dock in self.docks.values():
            tabs = dock.widget()
            if isinstance(tabs, QTabWidget) and tabs.indexOf(panel) >= 0:
                dock.show()
                tabs.setCurrentWidget(panel)

    def _connect(self) -> None:
        operations, view_state = self.operations, self.view_state
        operations.changed.connect(self._on_changed)
        operations.failed.connect(lambda why: self.notifications.error(why, EDIT))
        operations.failed.connect(self.frame_view.drop_pending)
        view_state.clip_id_changed.connect(self._on_clip_id_changed)
        view_state.playing_changed.connect(lambda _: self._request_frame())
        view_state.candidate_changed.connect(lambda _: self._refresh_actions())
        view_state.tool_changed.connect(self._on_tool_changed)
        self._on_tool_changed(view_state.tool)
        self.decoder.decoded.connect(self._on_decoded)
        self.decoder.failed.connect(lambda _, why: self.notifications.error(why, VIDEO))
        self.projects.project_opened.connect(self._on_project_opened)
        self.projects.clip_added.connect(self.fitting.detect)
        self.projects.exported.connect(self._on_exported)
        edits, work = (self.editing, self.correcting, self.review), (self.fitting, self.imports)
        for speaker in (*edits, *work, self.projects):
            if hasattr(speaker, "hinted"):
                speaker.hinted.connect(self.status.hint)
            if hasattr(speaker, "done"):
                speaker.done.connect(self.status.hint)
            if hasattr(speaker, "problem"):
                speaker.problem.connect(self.notifications.error)
                speaker.attempted.connect(self.notifications.clear)
        self.fitting.noticed.connect(self.notifications.info)
        self.fitting.stopped.connect(
            lambda text, go_on: self.notifications.info(text, ("Go on", go_on))
        )
        self.status.cancel_requested.connect(self.fitting.cancel)
        for signal in (self.jobs.started, self.jobs.queue_changed):
            signal.connect(lambda *_: self._refresh_actions())
        self.key_filter.in_vain.connect(self._on_key_in_vain)
        self.key_filter.committed.connect(self.frame_view.setFocus)
        self.projects.noticed.connect(self.notifications.info)
        self.proxies.cached_changed.connect(self.timeline.set_cached)
        self.proxies.noticed.connect(self.status.hint)
        self._connect_gestures()

    def _connect_gestures(self) -> None:
        """Intents of the views, and who carries them out."""
        self._connect_corrections()
        for view in (self.frame_view, self.mesh_view):
            view.body_clicked.connect(self._on_body_clicked)
            view.region_clicked.connect(self.editing.pick_region)
        self.clip_browser.files_dropped.connect(self._open_dropped)
        self.clip_browser.import_requested.connect(self.projects.ask_for_videos)
        self.timeline.selection_made.connect(self._on_selection_made)
        self.timeline.contact_interval_changed.connect(self.editing.move_contact)
        self.people.renamed.connect(self.editing.rename)
        self.people.height_set.connect(self.editing.set_height)
        self.contacts.changed.connect(self.editing.change_contact)
        self.contacts.removed.connect(self.editing.remove_contact)
        self.fit.focal_set.connect(self.editing.set_focal)
        self.review.sent_back.connect(lambda why: self.editing.review("sent back", why))
        self.history.revision_chosen.connect(self.editing.go_to_revision)
        self.empty_state.project_chosen.connect(self.projects.open)

    def _connect_corrections(self) -> None:
        view, correcting = self.frame_view, self.correcting
        view.keypoint_dragged.connect(correcting.move_keypoint)
        view.keypoint_hidden.connect(correcting.hide_keypoint)
        view.box_drawn.connect(correcting.draw_box)
        view.mask_painted.connect(correcting.paint_mask)
        view.menu_requested.connect(self.person_menu.open)
        view.other_clicked.connect(self._on_other_clicked)
        self.people.others.clicked.connect(self._on_other_clicked)
        self.people.others.assigned.connect(self._on_other_assigned)
        self.people.others.menu_requested.connect(self.person_menu.open)

    # -- what changed ---------------------------------------------------------------------------

    def _on_changed(self, update: Update) -> None:
        view_state = self.view_state
        view_state.clips = update.clips
        snapshot = update.snapshot
        if view_state.clip_id is None and update.clips:
            view_state.clip_id = update.clips[0].id
        if snapshot is not None and snapshot.clip_id == view_state.clip_id:
            self._snapshot = snapshot
            view_state.set_state(snapshot.state, update.changes)
            self.history.take(snapshot)
            self.people.show_corrections(
                corrections_since_detection(snapshot.history, snapshot.head)
            )
        if update.changes is not None:
            self.notifications.clear(EDIT)
        self.fitting.take(update)
        self.pages.setCurrentIndex(1 if update.clips else 0)
        self._refresh_actions()
        self._refresh_title()

    def _on_project_opened(self, info: Any) -> None:
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
        self.pages.setCurrentIndex(0)
        self._refresh_actions()
        self._refresh_title()

    def _on_clip_id_changed(self, clip_id: int | None) -> None:
        for topic in (EDIT, VIDEO, topic_of(self._shown_clip_id)):
            self.notifications.clear(topic)
        self._shown_clip_id = clip_id
        self._snapshot = None
        self.fitting.show_clip()
        self.history.take(None)
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

    def _on_body_clicked(self, person: int, *_: object) -> None:
        if self.view_state.tool == "depth":
            self.editing.put_in_front(person)
        else:
            self.select_person(person)

    def _on_other_clicked(self, other: int) -> None:
        same = self.view_state.selected_other == other
        self.view_state.selected_other = None if same else other

    def _on_other_assigned(self, other: int, person: int) -> None:
        self.view_state.selected_other = other
        self.correcting.assign(person)

    def _on_selection_made(self, frames: Any) -> None:
        self.view_state.selection = frames

    def _on_exported(self, sentence: str, folder: Path) -> None:
        url = QUrl.fromLocalFile(str(folder))
        self.notifications.success(sentence, ("Open folder", lambda: QDesktopServices.openUrl(url)))

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

    def scale_brush(self, factor: float) -> None:
        self.view_state.brush_radius *= factor

    def show_before(self, before: bool) -> None:
        self.view_state.show_before = before

    def set_overlays(self, visible: bool) -> None:
        self.view_state.overlays_visible = visible

    def send_back(self) -> None:
        self.show_panel(self.review)
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

    def _on_key_in_vain(self, name: str) -> None:
        spec = next(spec for spec in actions.ACTIONS if spec.id == name)
        self.status.hint(obstacle(spec, self._situation()))

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
        self._open_dropped(paths)

    def _open_dropped(self, paths: list[Path]) -> None:
        self.projects.open_dropped(self.imports.open_dropped(paths))

    def _restore(self) -> None:
        room = self.screen().availableSize() - FRAME
        self.resize(FIRST_SIZE.boundedTo(room))
        self.restoreGeometry(self.preferences.state("geometry"))
        self.restoreState(self.preferences.state("docks"), STATE_VERSION)
        for name, splitter in self.splitters.items():
            splitter.restoreState(self.preferences.state(name))

    def closeEvent(self, event: QCloseEvent) -> None:
        """Everything is saved already: end the work and the threads."""
        self.preferences.keep_state("geometry", self.saveGeometry())
        self.preferences.keep_state("docks", self.saveState(STATE_VERSION))
        for name, splitter in self.splitters.items():
            self.preferences.keep_state(name, splitter.saveState())
        self.view_state.playing = False
        self.proxies.shutdown()
        self.jobs.shutdown()
        self.decoder.shutdown()
        self.projects.shutdown()
        self.operations.shutdown()
        super().closeEvent(event)


def _tabs(*panels: Panel) -> QTabWidget:
    tabs = QTabWidget()
    tabs.setDocumentMode(True)
    for panel in panels:
        tabs.addTab(panel, panel.title)
    tabs.tabBar().setFocusPolicy(Qt.FocusPolicy.NoFocus)
    tabs.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return tabs
