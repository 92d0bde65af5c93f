"""The store thread: every query and every edit of the project runs there, one after the other.

An edit names a mutator of `annotations.store.Store`. When it is committed, one signal carries its
`Changes` together with what the window shows afterwards, both read in the same turn, so that no
view ever sees a half-old state. The GUI thread never waits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from PySide6.QtCore import QObject, Signal

from annotations.records import Changes, ClipRecord, ClipState, RevisionRecord
from engine.errors import EngineError, InputError

if TYPE_CHECKING:
    from annotations.store import ProjectInfo, Store

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class ClipSnapshot:
    """What the window knows of a clip at one revision."""

    clip_id: int
    state: ClipState
    head: RevisionRecord
    history: tuple[RevisionRecord, ...]
    undo_label: str | None
    redo_label: str | None


@dataclass(frozen=True)
class Update:
    """One committed edit (or, with `changes` None, one clip that was asked for)."""

    changes: Changes | None
    clips: tuple[ClipRecord, ...]
    snapshot: ClipSnapshot | None


class Operations(QObject):
    """Asks the store on its own thread. Signals and callbacks arrive in the GUI thread."""

    opened = Signal(object)
    """ProjectInfo of the project that is open now, None after `close`."""
    changed = Signal(object)
    """Update, once per committed edit."""
    failed = Signal(str)
    """One sentence about an edit or query that did not happen."""
    _delivered = Signal(object)

    def __init__(self, parent: QObject | None = None, executor: Executor | None = None) -> None:
        super().__init__(parent)
        self._executor = executor or ThreadPoolExecutor(1, thread_name_prefix="store")
        self._store: Store | None = None
        self._delivered.connect(self._deliver)
        self._shut_down = False

    # -- projects -------------------------------------------------------------------------------

    def open(
        self,
        path: Path,
        *,
        author: str = "",
        then: Callable[[Any], None] | None = None,
        otherwise: Callable[[str], None] | None = None,
    ) -> None:
        """Open a project file; the one that is open stays open where that fails."""

        def work() -> ProjectInfo:
            from annotations.store import Store

            return self._adopt(Store.open(path, author=author))

        self._run(work, self._after_opening(then), otherwise)

    def create(
        self,
        path: Path,
        *,
        body: str = "open-body",
        author: str = "",
        then: Callable[[Any], None] | None = None,
        otherwise: Callable[[str], None] | None = None,
    ) -> None:
        """Make a new project file and open it."""

        def work() -> ProjectInfo:
            from annotations.store import Store

            path.parent.mkdir(parents=True, exist_ok=True)
            return self._adopt(Store.create(path, body=body, author=author))

        self._run(work, self._after_opening(then), otherwise)

    def _adopt(self, store: Store) -> ProjectInfo:
        """In the store thread."""
        if self._store is not None:
            self._store.close()
        self._store = store
        return store.info()

    def _after_opening(self, then: Callable[[Any], None] | None) -> Callable[[ProjectInfo], None]:
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
        otherwise: Callable[[str], None] | None = None,
    ) -> None:
        """Run a query in the store thread and hand its answer to `then` in the GUI thread."""
        self._run(lambda: query(self._open_store()), then, otherwise)

    def edit(
        self,
        mutate: Callable[[Store], Changes | None],
        then: Callable[[Update], None] | None = None,
        otherwise: Callable[[str], None] | None = None,
    ) -> None:
        """Run a mutator; when it is committed `changed` is emitted, then `then` is called.

        A mutator that finds nothing to do returns None, and nothing is announced.
        """

        def work() -> Update | None:
            store = self._open_store()
            changes = mutate(store)
            return None if changes is None else _update(store, changes, changes.clip_id)

        def announce(update: Update | None) -> None:
            if update is None:
                return
            self.changed.emit(update)
            if then is not None:
                then(update)

        self._run(work, announce, otherwise)

    def show(self, clip_id: int | None) -> None:
        """Read a clip (and the list of clips); arrives as a `changed` without changes."""

        def work() -> Update:
            return _update(self._open_store(), None, clip_id)

        self._run(work, self.changed.emit, None)

    def close(self) -> None:
        """Close the project after everything asked so far."""

        def work() -> None:
            if self._store is not None:
                self._store.close()
                self._store = None

        self._run(work, lambda _: self.opened.emit(None), None)

    def shutdown(self) -> None:
        """Finish what was asked, close the project and end the thread."""
        if self._shut_down:
            return
        self._shut_down = True

        def work() -> None:
            if self._store is not None:
                self._store.close()
                self._store = None

        self._executor.submit(work)
        self._executor.shutdown(wait=True)

    # -- threads --------------------------------------------------------------------------------

    def _open_store(self) -> Store:
        if self._store is None:
            raise InputError("No project is open", advice="Open a project or import a video.")
        return self._store

    def _run(
        self,
        work: Callable[[], T],
        then: Callable[[T], None],
        otherwise: Callable[[str], None] | None,
    ) -> None:
        if self._shut_down:
            return

        def finished(future: Future[T]) -> None:
            if not self._shut_down:
                self._delivered.emit(lambda: self._settle(future, then, otherwise))

        self._executor.submit(work).add_done_callback(finished)

    def _settle(
        self,
        future: Future[T],
        then: Callable[[T], None],
        otherwise: Callable[[str], None] | None,
    ) -> None:
        error = future.exception()
        if error is None:
            then(future.result())
            return
        if isinstance(error, EngineError):
            message = str(error)
        else:
            log.error("the store failed", exc_info=error)
            message = f"The project could not be changed ({type(error).__name__}: {error})."
        (otherwise or self.failed.emit)(message)

    @staticmethod
    def _deliver(settle: Callable[[], None]) -> None:
        settle()


def _update(store: Store, changes: Changes | None, clip_id: int | None) -> Update:
    snapshot = None if clip_id is None else _snapshot(store, clip_id)
    return Update(changes, store.clips(), snapshot)


def _snapshot(store: Store, clip_id: int) -> ClipSnapshot:
    return ClipSnapshot(
        clip_id,
        store.state(clip_id),
        store.head(clip_id),
        store.history(clip_id),
        store.can_undo(clip_id),
        store.can_redo(clip_id),
    )
