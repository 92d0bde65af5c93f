"""Imports of other tools' detections and cameras: read in the worker, shown, then taken in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from annotations.records import Changes, ClipRecord, ClipState
from app.import_dialog import ImportDialog, Said, parsed_size
from app.import_preview import Look, redrawn, try_look
from app.jobs import Job, Jobs
from app.operations import Operations
from app.preferences import Preferences
from app.view_state import ViewState
from engine.errors import InputError

if TYPE_CHECKING:
    from annotations.importers.imported import ImportOptions
    from annotations.store import Store

SUFFIXES = frozenset({".json", ".npz", ".txt", ".csv", ".yml", ".yaml", ".xml"})
"""Of files that are no videos but may be detections or cameras."""
_ONE_OF_MANY = ("_keypoints.json", ".png")
"""Ends of files that stand for the folder that they are in."""
_LOOKED_AT = 500
"""Entries of a folder, to tell what it is."""
_JOB = "import"
_TOPIC = "detections"


@dataclass
class _Order:
    """An import that is being looked at."""

    path: Path
    clip: ClipRecord
    dialog: ImportDialog
    said: Said
    job: Job | None = None


class Imports(QObject):
    """One import at a time: its dialog, its jobs, its one undo step."""

    done = Signal(str)
    problem = Signal(str, str)
    """A sentence, and its topic."""
    attempted = Signal(str)
    """A topic: what was said of an earlier attempt is no longer so."""

    def __init__(
        self,
        view_state: ViewState,
        operations: Operations,
        jobs: Jobs,
        preferences: Preferences,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._view_state = view_state
        self._operations = operations
        self._jobs = jobs
        self._preferences = preferences
        self._window = window
        self._order: _Order | None = None
        jobs.finished.connect(self._on_finished)
        jobs.failed.connect(self._on_failed)
        jobs.cancelled.connect(self._on_cancelled)
        jobs.progressed.connect(self._on_progressed)

    @property
    def dialog(self) -> ImportDialog | None:
        """The dialog that is open."""
        return self._order.dialog if self._order is not None else None

    def ask_for_file(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in sorted(SUFFIXES | {".png"}))
        name, _ = QFileDialog.getOpenFileName(
            self._window,
            "Import detections or a camera (of a folder, any file in it)",
            self._preferences.folder("imports"),
            f"Detections and cameras ({patterns});;All files (*)",
        )
        if name:
            self._preferences.keep_folder("imports", Path(name))
            self.open(as_import(Path(name)))

    def open_dropped(self, paths: Iterable[Path]) -> list[Path]:
        """Takes the first import among dropped files; returns the files that are none."""
        imports, rest = [], []
        for path in map(Path, paths):
            (imports if is_import(path) else rest).append(path)
        if imports:
            self.open(as_import(imports[0]))
        return rest

    def open(self, path: Path) -> None:
        """Look at a file for the clip on show."""
        clip, state = self._view_state.clip, self._view_state.state
        self.attempted.emit(_TOPIC)
        if clip is None or state is None:
            why = f"{path.name} belongs to a clip. Import its video first, then drop it again."
            self.problem.emit(why, _TOPIC)
            return
        if self._order is not None:
            self._order.dialog.reject()
        colors = tuple(identity.color for identity in state.identities)
        dialog = ImportDialog(path.name, colors, self._window)
        self._order = order = _Order(path, clip, dialog, Said())
        dialog.asked.connect(self._read)
        dialog.people_chosen.connect(self._redraw)
        dialog.accepted.connect(self._take_in)
        dialog.finished.connect(lambda _: self._close(order))
        dialog.open()
        self._read(order.said)

    # -- reading --------------------------------------------------------------------------------

    def _read(self, said: Said) -> None:
        order = self._order
        if order is None:
            return
        order.said = said
        try:
            options = _options(said, self._view_state.state)
        except InputError as error:
            order.dialog.show_problem(str(error))
            return
        arguments = {"path": order.path, "video": order.clip.video, "options": options}
        self._submit(Job(_JOB, f"Reading {order.path.name}", try_look, arguments))

    def _redraw(self, people: Sequence[str]) -> None:
        order = self._order
        if order is None or order.dialog.found is None:
            return
        arguments = {"found": order.dialog.found, "people": tuple(people)}
        self._submit(Job(_JOB, f"Drawing {order.path.name}", redrawn, arguments))

    def _submit(self, job: Job) -> None:
        if self._order is None:
            return
        if self._order.job is not None:
            earlier, self._order.job = self._order.job, None
            self._jobs.cancel(earlier)
        self._order.job = job
        self._jobs.submit(job)

    def _mine(self, job: Job) -> _Order | None:
        return self._order if self._order is not None and self._order.job is job else None

    def _on_progressed(self, job: Job, progress: Any) -> None:
        if (order := self._mine(job)) is not None:
            order.dialog.show_progress(progress.fraction)

    def _on_finished(self, job: Job, result: Look | str) -> None:
        order = self._mine(job)
        if order is None:
            return
        order.job = None
        if isinstance(result, str):
            order.dialog.show_problem(result)
            return
        from annotations.importers.summary import summary_lines
        from annotations.importers.taking import effect

        state = self._view_state.state
        has_detections = state is not None and state.observations is not None
        order.dialog.show_look(
            result, summary_lines(result.found), effect(result.found, has_detections)
        )

    def _on_failed(self, job: Job, message: str) -> None:
        if (order := self._mine(job)) is not None:
            order.job = None
            order.dialog.show_problem(message)

    def _on_cancelled(self, job: Job) -> None:
        if (order := self._mine(job)) is not None:
            order.job = None
            order.dialog.show_problem("Reading was cancelled.")

    # -- taking in ------------------------------------------------------------------------------

    def _take_in(self) -> None:
        order = self._order
        if order is None or order.dialog.found is None:
            return
        found, clip_id = order.dialog.found, order.clip.id

        def mutate(store: Store) -> Changes:
            from annotations.importers.taking import take_in

            return take_in(store, clip_id, found)

        def taken(update: Any) -> None:
            advice = {
                "keypoints": "Shift+E fits the bodies to it.",
                "masks": "Shift+E fits the bodies to it.",
                "boxes": "Detect the people to make use of it.",
                "camera": "Shift+E fits with it.",
            }[found.kind]
            self.done.emit(f"{update.changes.label}. {advice} Ctrl+Z undoes it.")

        self._operations.edit(mutate, taken, lambda why: self.problem.emit(why, _TOPIC))

    def _close(self, order: _Order) -> None:
        if order.job is not None:
            job, order.job = order.job, None
            self._jobs.cancel(job)
        if self._order is order:
            self._order = None
        order.dialog.deleteLater()


def _options(said: Said, state: ClipState | None) -> ImportOptions:
    from annotations.importers.imported import ImportOptions

    factors, resolution = parsed_size(said.size)
    observations = state.observations if state is not None else None
    return ImportOptions(
        person_count=2 if state is None else len(state.identities),
        offset=said.offset,
        scale=factors,
        resolution=resolution,
        sequence=said.sequence or None,
        known_boxes=None if observations is None else observations.boxes,
    )


def as_import(path: Path) -> Path:
    """The folder, where a file is one of many that belong together."""
    return path.parent if path.name.lower().endswith(_ONE_OF_MANY) else path


def is_import(path: Path) -> bool:
    """Whether a dropped file or folder is detections or a camera rather than a video."""
    if not path.is_dir():
        return path.suffix.lower() in SUFFIXES
    with os.scandir(path) as entries:
        names = sorted(entry.name for entry in islice(entries, _LOOKED_AT))
    if any(name.endswith(".json") or name == "cameras.txt" for name in names):
        return True
    if any((path / place).is_file() for place in ("gt/gt.txt", "det/det.txt")):
        return True
    pngs = [name for name in names if name.lower().endswith(".png")]
    if pngs:
        return _is_mask(path / pngs[0])
    inner = [path / name for name in names[:8] if (path / name).is_dir()]
    return any(is_import(folder) for folder in inner)


def _is_mask(path: Path) -> bool:
    """A palette or grey levels: labels. Colours: a frame of a video."""
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG",)) as image:
            return image.mode in ("1", "L", "P")
    except (OSError, SyntaxError, ValueError):
        return False
