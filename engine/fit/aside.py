"""Work that cannot be cut into steps, done while a generator goes on breathing."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Result = TypeVar("Result")
BREATH = 0.05
"""Seconds."""


def aside(work: Callable[[], Result]) -> Generator[None, None, Result]:
    """What `work` returns or raises; a breath every so often until then.

    It is done in a thread, of which only one is at work: the caller waits. Closed meanwhile, the
    generator is gone at once; the work ends by itself, and nobody hears of its result.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="fit-aside")
    try:
        doing = pool.submit(work)
        while not wait([doing], BREATH).done:
            yield None
        return doing.result()
    finally:
        pool.shutdown(wait=False)
