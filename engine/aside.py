"""Work that cannot be cut into steps, done while a generator goes on breathing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Result = TypeVar("Result")
BREATH = 0.05
"""Seconds."""
_here = threading.local()


class Left(BaseException):
    """Raised in work whose result nobody waits for any more.

    No Exception: what only deals with errors is not to take it for one.
    """


def aside(work: Callable[[], Result]) -> Generator[None, None, Result]:
    """What `work` returns or raises; a breath every so often until then.

    It is done in a thread, of which only one is at work: the caller waits. Closed meanwhile, the
    generator is gone at once; the work ends where it next calls `pause`, and nobody hears of it.
    """
    left = threading.Event()

    def watched() -> Result:
        _here.left = left
        return work()

    pool = ThreadPoolExecutor(1, thread_name_prefix="aside")
    try:
        doing = pool.submit(watched)
        while not wait([doing], BREATH).done:
            yield None
        return doing.result()
    finally:
        left.set()
        pool.shutdown(wait=False)


def pause() -> None:
    """A place at which work may be given up: raises Left in a thread of `aside` whose caller has
    gone, and does nothing elsewhere."""
    left: threading.Event | None = getattr(_here, "left", None)
    if left is not None and left.is_set():
        raise Left
