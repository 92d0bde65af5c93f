"""The store thread: every query and every edit of the project runs there, one after the other.

An edit names a mutator of `annotations.store.Store`. When it is committed, one signal carries its
`Changes` together with what the window shows afterwards, both read in the same turn, so that no
view ever sees a half-old state. The GUI thread never waits.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, Signal

from annotations.records import (
    Changes,
    ClipRecord,
    ClipState,
    FitRecord,
    ProjectInfo,
    RevisionRecord,
)
from app.background import Background
from engine.errors import InputError

if TYPE_CHECKING:
    from annotations.store import Store

T = TypeVar("T")
Told = Callable[[str], None]
"""Gets one sentence about what did not happen."""


@dataclass(frozen=True)
class ClipSnapshot:
    """What the window knows of a clip at one revision."""

    clip_id: int
    state: ClipState
    head: RevisionRecord
    history: tuple[RevisionRecord, ...]
    undo_label: str | None
    redo_label: str | None
    fit: FitRecord | None = None
    """The newest fit that the revision descends from."""


@dataclass(frozen=True)
class Update:
    """One committed edit (or, with `changes` None, one clip that was asked for)."""

    changes: Changes | None
    clips: tuple[ClipRecord, ...]
    snapshot: ClipSnapshot | None


class Operations(QObject):
    """Asks the store on its own thread. Signals and callbacks arrive in the GUI thread."""

    opened = Signal(object)
    """ProjectInfo of the project that is open now."""
    changed = Signal(object)
    """Update, once per committed edit and once per `show`."""
    failed = Signal(str)
    """One sentence about an edit or query that did not happen."""

    def __init__(self, parent: QObject | None = None, executor: Executor | None = None) -> None:
        super().__init__(parent)
        self._thread = Background("store", self, executor)
        self._store: Store | None = None

    # -- projects -------------------------------------------------------------------------------

    def open(
        self,
        path: Path,
        *,
        author: str = "",
        then: Callable[[ProjectInfo], object] | None = None,
        otherwise: Told | None = None,
    ) -> None:
        """Open a project file; the one that is open stays open where that fails."""

        def work() -> ProjectInfo:
            from annotations.store import Store

            return self._adopt(Store.open(path, author=author))

        self._thread.run(work, self._announcer(then), otherwise or self.failed.emit)

    def create(
        self,
        path: Path,
        *,
        body: str = "open-body",
        body_sha256: str = "",
        author: str = "",
        then: Callable[[ProjectInfo], object] | None = None,
        otherwise: Told | None = None,
    ) -> None:
        """Make a new project file and open it. No checksum: that of the body as it ships."""

        def work() -> ProjectInfo:
            from annotations.store import Store

            path.parent.mkdir(parents=True, exist_ok=True)
            return self._adopt(
                Store.create(path, body=body, body_sha256=body_sha256, author=author)
            )

        self._thread.run(work, self._announcer(then), otherwise or self.failed.emit)

    def shutdown(self) -> None:
        """Finish what was asked, close the project and end the thread."""
        self._thread.shutdown(self._drop_store)

    def _adopt(self, store: Store) -> ProjectInfo:
        self._drop_store()
        self._store = store
        return store.info()

    def _drop_store(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def _announcer(
        self, then: Callable[[ProjectInfo], object] | None
    ) -> Callable[[ProjectInfo], None]:
        def announce(info: ProjectInfo) -> None:
            self.opened.emit(info)
            if then is not None:
                then(info)

        return announce

    # -- asking and editing ---------------------------------------------------------------------

    def ask(
        self,
        query: Callable[[Store], T],
        then: Callable[[T], None],
        otherwise: Told | None = None,
    ) -> None:
        """Run a query in the store thread and hand its answer to `then` in the GUI thread."""
        self._thread.run(lambda: query(self._required()), then, otherwise or self.failed.emit)

    def edit(
        self,
        mutate: Callable[[Store], Changes | None],
        then: Callable[[Update], None] | None = None,
        otherwise: Told | None = None,
    ) -> None:
        """Run a mutator; when it is committed `changed` is emitted, then `then` is called.

        A mutator that finds nothing to do returns None, and nothing is announced.
        """

        def work() -> Update | None:
            store = self._required()
            changes = mutate(store)
            return None if changes is None else _update(store, changes, changes.clip_id)

        def announce(update: Update | None) -> None:
            if update is None:
                return
            self.changed.emit(update)
            if then is not None:
                then(update)

        self._thread.run(work, announce, otherwise or self.failed.emit)

    def show(self, clip_id: int | None) -> None:
        """Read a clip and the list of clips; arrives as `changed` without changes."""
        self._thread.run(
            lambda: _update(self._required(), None, clip_id),
            self.changed.emit,
            self.failed.emit,
        )

    def _required(self) -> Store:
        if self._store is None:
            raise InputError("No project is open", advice="Open a project or import a video.")
        return self._store


def snapshot_of(store: Store, clip_id: int) -> ClipSnapshot:
    """What the window shows of a clip; read in the store thread."""
    return ClipSnapshot(
        clip_id,
        store.state(clip_id),
        store.head(clip_id),
        store.history(clip_id),
        store.can_undo(clip_id),
        store.can_redo(clip_id),
        store.last_fit(clip_id),
    )


def _update(store: Store, changes: Changes | None, clip_id: int | None) -> Update:
    snapshot = None if clip_id is None else snapshot_of(store, clip_id)
    return Update(changes, store.clips(), snapshot)
