"""One background thread with answers in the GUI thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

from PySide6.QtCore import QObject, Signal

from engine.errors import EngineError

log = logging.getLogger(__name__)
T = TypeVar("T")


class Background(QObject):
    """Runs work one after the other; `then` or `otherwise` is called in the GUI thread.

    `executor` may be one that runs at once, for tests.
    """

    _settled = Signal(object)

    def __init__(
        self, name: str, parent: QObject | None = None, executor: Executor | None = None
    ) -> None:
        super().__init__(parent)
        self._executor = executor or ThreadPoolExecutor(1, thread_name_prefix=name)
        self._closed = False
        self._settled.connect(self._call)

    def run(
        self,
        work: Callable[[], T],
        then: Callable[[T], None],
        otherwise: Callable[[str], None],
    ) -> None:
        """`otherwise` gets one sentence; what was not foreseen is logged with its traceback."""
        if self._closed:
            return

        def finished(future: Future[T]) -> None:
            if not self._closed:
                self._settled.emit(lambda: _settle(future, then, otherwise))

        self._executor.submit(work).add_done_callback(finished)

    def shutdown(self, last: Callable[[], object] | None = None) -> None:
        """Finish what was asked, then `last`; nothing is delivered any more."""
        if self._closed:
            return
        self._closed = True
        if last is not None:
            self._executor.submit(last)
        self._executor.shutdown(wait=True)

    @staticmethod
    def _call(settle: Callable[[], None]) -> None:
        settle()


def _settle(future: Future[T], then: Callable[[T], None], otherwise: Callable[[str], None]) -> None:
    error = future.exception()
    if error is None:
        then(future.result())
    elif isinstance(error, EngineError):
        otherwise(str(error))
    else:
        log.error("unforeseen failure in the background", exc_info=error)
        otherwise(f"This did not work ({type(error).__name__}: {error}). The log has the details.")
