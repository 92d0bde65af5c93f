"""Long work reaches the window through one warm worker process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from app.jobs import Job, Jobs
from tests.app import steps


@pytest.fixture
def jobs(qapp) -> Iterator[Jobs]:
    jobs = Jobs(warm_modules=(), grace_seconds=0.5)
    yield jobs
    jobs.shutdown()


def job(task, **arguments) -> Job:
    return Job("test", "Counting", task, arguments)


def run(qtbot, jobs, work: Job):
    with qtbot.waitSignal(jobs.finished, timeout=20_000) as ended:
        jobs.submit(work)
    return ended.args[1]


def test_the_value_that_the_generator_returns_arrives(qtbot, jobs):
    assert run(qtbot, jobs, job(steps.count, stop=5)) == 10


def test_one_process_serves_all_jobs_at_low_priority(qtbot, jobs):
    first, second = (run(qtbot, jobs, job(steps.pid)) for _ in range(2))
    assert first == second
    assert first[0] != os.getpid()
    assert first[1] >= min(19, os.nice(0) + 10)


def test_progress_is_a_mailbox_that_drops_what_nobody_had_time_to_read(qtbot, jobs):
    seen: list[int] = []

    def read_slowly(_, number):
        seen.append(number)
        time.sleep(0.02)

    jobs.progressed.connect(read_slowly)
    run(qtbot, jobs, job(steps.count, stop=2000))
    assert seen == sorted(set(seen))
    assert 1 <= len(seen) < 200


def test_jobs_run_one_after_the_other_in_order(qtbot, jobs):
    ended = []
    jobs.finished.connect(lambda done, value: ended.append(value))
    for stop in (4, 3, 2):
        jobs.submit(job(steps.count, stop=stop))
    assert len(jobs.waiting) == 2
    qtbot.waitUntil(lambda: len(ended) == 3, timeout=20_000)
    assert ended == [6, 3, 1]


def test_cancelling_answers_at_once_and_closes_the_generator(qtbot, jobs, tmp_path):
    tidied = tmp_path / "tidied"
    work = job(steps.count_and_tidy, stop=100_000, tidied=tidied)
    with qtbot.waitSignal(jobs.progressed, timeout=20_000):
        jobs.submit(work)
    pid = jobs.worker_pid
    asked = time.perf_counter()
    with qtbot.waitSignal(jobs.cancelled, timeout=200):
        jobs.cancel(work)
    assert time.perf_counter() - asked < 0.2
    qtbot.waitUntil(tidied.exists, timeout=2000)
    assert run(qtbot, jobs, job(steps.count, stop=3)) == 3
    assert jobs.worker_pid == pid, "a job that stops by itself costs no restart"


def test_a_job_that_does_not_stop_loses_its_process(qtbot, jobs):
    work = job(steps.stuck)
    with qtbot.waitSignal(jobs.progressed, timeout=20_000):
        jobs.submit(work)
    qtbot.wait(200)  # until it is stuck: what has just told its progress can still hear
    pid = jobs.worker_pid
    jobs.cancel(work)
    assert run(qtbot, jobs, job(steps.count, stop=3)) == 3
    assert jobs.worker_pid != pid


def test_a_waiting_job_can_be_cancelled(qtbot, jobs):
    first, second = job(steps.count, stop=50, pause=0.01), job(steps.count, stop=3)
    with qtbot.waitSignal(jobs.finished, timeout=20_000) as ended:
        jobs.submit(first)
        jobs.submit(second)
        jobs.cancel(second)
    assert ended.args[0] is first
    assert jobs.running is None


def test_the_death_of_the_worker_is_one_sentence_and_a_new_worker(qtbot, jobs):
    work = job(steps.stuck)
    with qtbot.waitSignal(jobs.progressed, timeout=20_000):
        jobs.submit(work)
    with qtbot.waitSignal(jobs.failed, timeout=5000) as failure:
        os.kill(jobs.worker_pid, signal.SIGKILL)
    assert failure.args[0] is work
    assert "Counting stopped" in failure.args[1]
    assert "nothing saved is lost" in failure.args[1]
    assert run(qtbot, jobs, job(steps.count, stop=3)) == 3


def test_an_expected_failure_speaks_for_itself(qtbot, jobs):
    with qtbot.waitSignal(jobs.failed, timeout=20_000) as failure:
        jobs.submit(job(steps.raise_expected))
    assert failure.args[1] == "Only one person is in view. Draw a box around the other."


def test_an_unexpected_failure_is_logged_with_its_traceback(qtbot, jobs, caplog):
    with qtbot.waitSignal(jobs.failed, timeout=20_000) as failure:
        jobs.submit(job(steps.raise_unexpected))
    assert "ZeroDivisionError: a bug" in failure.args[1]
    assert 'raise ZeroDivisionError("a bug")' in caplog.text


def test_a_result_that_cannot_travel_is_a_failure_not_a_hang(qtbot, jobs):
    with qtbot.waitSignal(jobs.failed, timeout=20_000):
        jobs.submit(job(steps.return_lambda))
    assert run(qtbot, jobs, job(steps.count, stop=3)) == 3


def test_an_argument_that_cannot_travel_is_a_failure_not_a_hang(qtbot, jobs):
    with qtbot.waitSignal(jobs.failed, timeout=20_000):
        jobs.submit(job(steps.count, stop=lambda: None))
    assert run(qtbot, jobs, job(steps.count, stop=3)) == 3


def test_after_shutdown_no_process_is_started(qtbot, jobs):
    jobs.shutdown()
    jobs.warm_up()
    qtbot.wait(100)
    assert jobs.worker_pid is None


def test_shutdown_ends_the_process_even_in_the_middle_of_a_job(qtbot, jobs):
    with qtbot.waitSignal(jobs.progressed, timeout=20_000):
        jobs.submit(job(steps.stuck))
    pid = jobs.worker_pid
    jobs.shutdown()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_progress_is_told_ten_times_a_second_at_most_and_the_newest(qtbot, jobs):
    """Each report makes the views work; more of them would cost playback frames."""
    told: list[tuple[float, int]] = []
    jobs.progressed.connect(lambda _, number: told.append((time.perf_counter(), number)))
    run(qtbot, jobs, job(steps.count, stop=100, pause=0.005))
    gaps = [later - sooner for (sooner, _), (later, _) in pairwise(told)]
    assert len(told) >= 3
    assert min(gaps) > 0.05, "the worker's answer takes no time, the pause before asking does"
    assert told[-1][1] > 50
