"""Work in one piece, beside which a generator goes on breathing."""

from __future__ import annotations

import threading
import time

import pytest

from engine.aside import BREATH, Left, aside, pause
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
        if thread.name.startswith("aside"):
            thread.join(5)


def test_work_whose_caller_has_gone_ends_where_it_pauses():
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        try:
            while True:
                pause()
        except Exception:  # who deals with errors does not stop it from ending
            pass
        except Left:
            ended.set()
            raise

    going = aside(work)
    next(going)
    assert begun.wait(5) and not ended.is_set()
    going.close()
    assert ended.wait(5)


def test_a_pause_is_nothing_to_work_that_somebody_waits_for():
    pause()
    assert run(aside(lambda: pause())) is None
    going = aside(lambda: threading.Event().wait(0.1))
    next(going)
    going.close()
    pause()
