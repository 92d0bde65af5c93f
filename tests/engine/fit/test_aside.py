"""Work in one piece, beside which a generator goes on breathing."""

from __future__ import annotations

import threading
import time

import pytest

from engine.fit.aside import BREATH, aside
from tests.engine.fit.conftest import run


def test_what_the_work_returns_or_raises_comes_through():
    assert run(aside(lambda: 7)) == 7
    with pytest.raises(MemoryError, match="full"):
        run(aside(lambda: full()))


def full() -> None:
    raise MemoryError("full")


def test_there_is_a_breath_every_so_often_and_closing_does_not_wait():
    go = threading.Event()
    work = aside(lambda: go.wait(20))
    assert [next(work) for _ in range(3)] == [None] * 3
    began = time.perf_counter()
    work.close()
    assert time.perf_counter() - began < 10 * BREATH, "the work itself would take 20 s"
    go.set()
    for thread in threading.enumerate():
        if thread.name.startswith("fit-aside"):
            thread.join(5)
