"""Small tasks for the worker process in tests; the worker imports them by name."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from pathlib import Path

from engine.errors import CannotFitError


def count(stop: int, pause: float = 0.0) -> Generator[int, None, int]:
    """Yield 0..stop-1, return the sum."""
    for number in range(stop):
        time.sleep(pause)
        yield number
    return stop * (stop - 1) // 2


def count_and_tidy(stop: int, tidied: Path) -> Generator[int, None, int]:
    """As `count`, and leaves a file behind when it is closed or ends."""
    try:
        return (yield from count(stop, 0.01))
    finally:
        tidied.touch()


def stuck() -> Generator[int, None, None]:
    """Never reaches a second step."""
    yield 0
    time.sleep(600)


def raise_expected() -> Generator[int, None, None]:
    yield 0
    raise CannotFitError("Only one person is in view", advice="Draw a box around the other.")


def raise_unexpected() -> Generator[int, None, None]:
    yield 0
    raise ZeroDivisionError("a bug")


def return_lambda() -> Generator[int, None, object]:
    yield 0
    return lambda: None


def pid() -> Generator[int, None, tuple[int, int]]:
    """Process id and niceness."""
    yield 0
    return os.getpid(), os.nice(0)
