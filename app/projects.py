"""Projects and their clips: open, create, import, export, the sample.

Every question that needs a dialog is asked here; what follows from the answer can be called
without one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QStandardPaths, Signal
from PySide6.QtWidgets import QFileDialog, QInputDialog, QWidget

from annotations.records import Changes
from app.background import Background
from app.operations import Operations, Told, Update
from app.preferences import Preferences
from app.view_state import ViewState
from engine.structures import VideoInfo

if TYPE_CHECKING:
    from annotations.exporters import ExportReport
    from annotations.store import Store
    from engine.body.user_body import BodyChoice, RefusedBody

SUFFIX = ".dyad"
VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".mts")
SAMPLE_VIDEO = Path(__file__).resolve().parent.parent / "weights" / "sample" / "reach.mp4"


class Projects(QObject):
    """Opens and fills projects; says when a clip should be detected."""

    clip_added = Signal(object)
    """ClipRecord of a video that has just joined the project."""
    project_opened = Signal(object)
    """ProjectInfo."""
    problem = Signal(str, str)
    """A sentence, and its topic: what was tried."""
    attempted = Signal(str)
    """A topic: what was said of an earlier attempt is no longer so."""
    done = Signal(str)
    noticed = Signal(str)
    """What a user should know of a video that was imported."""
    exported = Signal(str, object)
    """A sentence, and the folder."""

    def __init__(
        self,
        view_state: ViewState,
        operations: Operations,
        preferences: Preferences,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._view_state = view_state
        self._operations = operations
        self._preferences = preferences
        self._window = window
        self._files = Background("files", self)
        self.path: Path | None = None
        """The open project's file."""
        self._waiting: list[VideoInfo] = []
        operations.opened.connect(self._on_opened)

    def shutdown(self) -> None:
        self._files.shutdown()

    def _trying(self, topic: str) -> Told:
        """Announces an attempt; returns whom to tell why it failed."""
        self.attempted.emit(topic)
        return lambda sentence: self.problem.emit(sentence, topic)

    # -- dialogs --------------------------------------------------------------------------------

    def ask_for_videos(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in VIDEO_SUFFIXES)
        names, _ = QFileDialog.getOpenFileNames(
            self._window,
            "Import videos",
            self._preferences.folder("videos"),
            f"Videos ({patterns});;All files (*)",
        )
        if names:
            self._preferences.keep_folder("videos", Path(names[0]))
            self.import_videos(Path(name) for name in names)

    def ask_for_new(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self._window,
            "New project",
            str(Path(self._preferences.folder("projects") or default_folder()) / f"new{SUFFIX}"),
            f"Dyad projects (*{SUFFIX})",
        )
        if name:
            path = Path(name) if name.endswith(SUFFIX) else Path(name + SUFFIX)
            self._preferences.keep_folder("projects", path)
            told = self._trying("project")
            self._files.run(_bodies, lambda bodies: self._ask_for_body(path, *bodies), told)

    def _ask_for_body(
        self, path: Path, bodies: list[BodyChoice], refused: list[RefusedBody]
    ) -> None:
        """A project keeps its body for good, so it is asked where there is a choice."""
        for file in refused:
            why = f"{file.path.name} cannot be used as a body. {file.reason}"
            self.problem.emit(why, "body")
        chosen = bodies[0]
        if len(bodies) > 1:
            words = [f"{body.name}: {body.note}" for body in bodies]
            answer, ok = QInputDialog.getItem(
                self._window, "New project", "The body of all its fits", words, 0, False
            )
            if not ok:
                return
            chosen = bodies[words.index(answer)]
        self.create(path, body=chosen.name, body_sha256=chosen.sha256)

    def ask_for_project(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self._window,
            "Open project",
            self._preferences.folder("projects") or str(default_folder()),
            f"Dyad projects (*{SUFFIX});;All files (*)",
        )
        if name:
            self._preferences.keep_folder("projects", Path(name))
            self.open(Path(name))

    def ask_for_export(self) -> None:
        def with_formats(formats: tuple[str, ...]) -> None:
            chosen, ok = QInputDialog.getItem(
                self._window, "Export", "Format of the accepted clips", list(formats), 0, False
            )
            if not ok:
                return
            folder = QFileDialog.getExistingDirectory(
                self._window, "Export into folder", self._preferences.folder("export")
            )
            if folder:
                self._preferences.keep_folder("export", Path(folder))
                self.export(chosen, Path(folder))

        self._operations.ask(lambda _: _export_formats(), with_formats)

    def ask_for_splits(self) -> None:
        seed, ok = QInputDialog.getInt(
            self._window,
            "Assign splits",
            "Clips of one video, and of one pair of people, stay together:\n"
            "70 % train, 15 % validation, 15 % test. Seed:",
            0,
            0,
        )
        if ok:
            self.assign_splits(seed)

    # -- projects -------------------------------------------------------------------------------

    def open(self, path: Path, then: Callable[[], object] | None = None) -> None:
        self._operations.open(
            path.expanduser(),
            author=self._preferences.author,
            then=lambda _: then() if then is not None else None,
            otherwise=self._trying("project"),
        )

    def create(
        self,
        path: Path,
        then: Callable[[], object] | None = None,
        *,
        body: str = "open-body",
        body_sha256: str = "",
    ) -> None:
        self._operations.create(
            path,
            body=body,
            body_sha256=body_sha256,
            author=self._preferences.author,
            then=lambda _: then() if then is not None else None,
            otherwise=self._trying("project"),
        )

    def open_dropped(self, paths: Iterable[Path]) -> None:
        """Files from a drop or the command line: a project is opened, videos are imported."""
        videos = []
        for path in map(Path, paths):
            if path.suffix.lower() == SUFFIX:
                self.open(path)
            else:
                videos.append(path)
        if videos:
            self.import_videos(videos)

    def _on_opened(self, info: Any) -> None:
        self.path = Path(info.path) if info is not None else None
        if self.path is not None:
            self._preferences.remember(self.path)
        self.project_opened.emit(info)

    # -- clips ----------------------------------------------------------------------------------

    def import_videos(self, paths: Iterable[Path]) -> None:
        """Read each video and add it to the project; without one, to one beside the video."""
        told = self._trying("import")
        for path in paths:
            self._files.run(partial(_probe, path), partial(self._add_to_a_project, told), told)

    def _add_to_a_project(self, told: Told, video: VideoInfo) -> None:
        if self.path is not None:
            self._add(video, told)
            return
        self._waiting.append(video)
        if len(self._waiting) > 1:
            return  # the project of the first video is being opened; this one joins it

        def opened(_: object) -> None:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                self._add(each, told)

        def refused(message: str) -> None:
            self._waiting = []
            told(message)

        place = project_beside(Path(video.path))
        open_or_create = self._operations.open if place.exists() else self._operations.create
        open_or_create(place, author=self._preferences.author, then=opened, otherwise=refused)

    def _add(self, video: VideoInfo, told: Told) -> None:
        """A video that the project has already is shown, not added again."""

        def mutate(store: Store) -> Changes:
            for clip in store.clips():
                if clip.video.sha256 == video.sha256:
                    return Changes("show", clip.id, label=f"{clip.name} is in this project already")
            return store.add_clip(video)

        def added(update: Update) -> None:
            changes = update.changes
            clip = next((c for c in update.clips if changes and c.id == changes.clip_id), None)
            if changes is None or clip is None:
                return
            self._view_state.clip_id = clip.id
            if changes.kind == "import":
                if video.note:
                    self.noticed.emit(f"{clip.name}: {video.note}")
                self.clip_added.emit(clip)
            else:
                self.done.emit(f"{changes.label}.")

        self._operations.edit(mutate, added, told)

    def next_clip(self, waiting_only: bool = False) -> None:
        """Show the next clip; with `waiting_only` the next one that nobody has accepted."""
        clips = self._view_state.clips
        here = next((i for i, c in enumerate(clips) if c.id == self._view_state.clip_id), -1)
        onward = [*clips[here + 1 :], *clips[: here + 1]]
        if waiting_only:
            onward = [clip for clip in onward if clip.status not in ("accepted", "unusable")]
        if onward:
            self._view_state.clip_id = onward[0].id
        else:
            self.done.emit("Every clip of the project has a verdict.")

    # -- the sample -----------------------------------------------------------------------------

    def open_sample(self) -> None:
        """Open the bundled clip in a project of its own in the user's data folder."""
        place = sample_project()
        if place.exists():
            self.open(place)
        elif not SAMPLE_VIDEO.exists():
            told = self._trying("project")
            told("The bundled sample clip is missing; install Dyad again.")
        else:
            self.create(place, lambda: self._fill_sample())

    def _fill_sample(self) -> None:
        from app.sample import fill

        def filled(update: Update) -> None:
            if not update.clips:
                return
            clip = update.clips[0]
            self._view_state.clip_id = clip.id
            if clip.status == "new":
                self.clip_added.emit(clip)

        self._operations.edit(fill, filled, self._trying("project"))

    # -- the way out ----------------------------------------------------------------------------

    def export(self, format: str, folder: Path) -> None:
        def work(store: Store) -> ExportReport:
            from annotations.exporters import export

            return export(store, format, folder)

        def written(report: ExportReport) -> None:
            self.exported.emit(_spoken_report(report), folder)

        self._operations.ask(work, written, self._trying("export"))

    def assign_splits(self, seed: int) -> None:
        def assigned(_: Update) -> None:
            self._operations.ask(lambda store: store.splits(), self._say_splits)

        self._operations.edit(lambda store: store.assign_splits(seed), assigned)

    def _say_splits(self, splits: Any) -> None:
        counts: dict[str, int] = {}
        for assignment in splits:
            counts[assignment.split] = counts.get(assignment.split, 0) + 1
        spoken = ", ".join(f"{count} {name}" for name, count in counts.items()) or "no clips"
        self.done.emit(f"Splits assigned: {spoken}.")


def _probe(path: Path) -> VideoInfo:
    from engine.video import probe

    return probe(path)


def _bodies() -> tuple[list[BodyChoice], list[RefusedBody]]:
    from engine.body.user_body import scan_bodies

    return scan_bodies()


def _export_formats() -> tuple[str, ...]:
    from annotations.exporters import EXPORTERS

    return tuple(EXPORTERS)


def _spoken_report(report: ExportReport) -> str:
    clips = len(report.clips)
    text = f"Exported {report.frame_count} frames of {clips} clip{'s' if clips != 1 else ''}"
    left_out = "; ".join(f"{name}: {reason}" for name, reason in report.skipped.items())
    return f"{text} to {report.folder}." + (f" Left out: {left_out}." if left_out else "")


def default_folder() -> Path:
    """Where projects go when nothing else is said."""
    return Path.home() / "Dyad"


def project_beside(video: Path) -> Path:
    """The project of a video that is opened on its own: beside it where that can be written."""
    folder = video.parent if os.access(video.parent, os.W_OK) else default_folder()
    return folder / f"{video.stem}{SUFFIX}"


def sample_project() -> Path:
    data = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppDataLocation)
    return Path(data) / f"sample{SUFFIX}"
