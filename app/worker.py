"""The worker process: runs one generator at a time and posts its newest progress.

It is spawned by `app.jobs` at low priority and stays warm between jobs. The far end of the pipe
speaks plain tuples:

    to the worker      ("run", id, payload)   payload: pickled (task, arguments)
                       ("more", id)           the last progress was consumed, send the next
                       ("cancel", id)         close the generator at its next yield
                       ("stop",)
    from the worker    ("ready",)
                       ("progress", id, value)
                       ("done", id, value)    what the generator returned
                       ("closed", id)         cancelled, its `finally` blocks have run
                       ("failed", id, Failure)

Only the standard library is imported here until a task asks for more, so that the window may
import this module too.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

NICENESS = 10
WARM_MODULES = ("engine.fit.solver", "engine.perception.pipeline")

Task = Callable[..., Generator[Any, None, Any]]


@dataclass(frozen=True)
class Failure:
    """Why a job raised: `expected` failures speak for themselves, others belong in the log."""

    message: str
    expected: bool
    traceback: str


def main(connection: Connection, warm_modules: tuple[str, ...] = WARM_MODULES) -> None:
    """Serve jobs until told to stop or until the window's end of the pipe is gone."""
    _step_back()
    for name in warm_modules:
        with contextlib.suppress(Exception):  # the job that needs it will say what is missing
            importlib.import_module(name)
    desk = _Desk(connection)
    desk.start()
    desk.send(("ready",))
    while (job := desk.jobs.get()) is not None:
        _run(desk, *job)


def _step_back() -> None:
    """Leave the processor to the window: low priority, one thread for numerics."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in the terminal is the window's to hear
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    if hasattr(os, "nice"):
        os.nice(NICENESS)


class _Desk:
    """The worker's end of the pipe: an inbox of jobs and a mailbox that holds one progress."""

    def __init__(self, connection: Connection) -> None:
        self.jobs: queue.SimpleQueue[tuple[int, bytes] | None] = queue.SimpleQueue()
        self._connection = connection
        self._cancelled: set[int] = set()
        self._lock = threading.Lock()
        self._newest: tuple[int, Any] | None = None
        self._reader_waits = True

    def start(self) -> None:
        threading.Thread(target=self._listen, name="worker-inbox", daemon=True).start()

    def send(self, message: tuple[Any, ...]) -> None:
        with self._lock:
            self._connection.send(message)

    def is_cancelled(self, job_id: int) -> bool:
        return job_id in self._cancelled

    def post(self, job_id: int, progress: Any) -> None:
        """Replace the progress in the mailbox; send it at once where the window waits for one."""
        with self._lock:
            self._newest = (job_id, progress)
            if self._reader_waits:
                self._deliver()

    def close(self, message: tuple[Any, ...]) -> None:
        """Send a job's last message; progress that nobody read is moot by now."""
        with self._lock:
            self._newest = None
            self._reader_waits = True
            self._connection.send(message)

    def _deliver(self) -> None:
        if self._newest is not None:
            self._reader_waits = False
            newest, self._newest = self._newest, None
            self._connection.send(("progress", *newest))

    def _listen(self) -> None:
        try:
            while self._obey(self._connection.recv()):
                pass
        except (EOFError, OSError):
            os._exit(0)  # the window is gone, and with it all that the running job is for

    def _obey(self, message: tuple[Any, ...]) -> bool:
        """False when it was told to stop."""
        match message:
            case ("run", job_id, payload):
                self.jobs.put((job_id, payload))
            case ("cancel", job_id):
                self._cancelled.add(job_id)
            case ("more", _):
                with self._lock:
                    self._reader_waits = True
                    self._deliver()
            case ("stop",):
                self.jobs.put(None)
                return False
        return True


def _run(desk: _Desk, job_id: int, payload: bytes) -> None:
    try:
        task, arguments = pickle.loads(payload)
        closed, value = _drive(desk, job_id, task(**arguments))
        message = ("closed", job_id) if closed else ("done", job_id, value)
    except Exception as error:
        message = ("failed", job_id, _failure(error))
    try:
        desk.close(message)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        desk.close(("failed", job_id, _failure(error)))


def _drive(desk: _Desk, job_id: int, steps: Generator[Any, None, Any]) -> tuple[bool, Any]:
    """Iterate to the end: (False, returned value), or (True, None) where it was cancelled."""
    try:
        while not desk.is_cancelled(job_id):
            desk.post(job_id, next(steps))
    except StopIteration as stop:
        return False, stop.value
    finally:
        steps.close()
    return True, None


def _failure(error: Exception) -> Failure:
    from engine.errors import EngineError

    expected = isinstance(error, EngineError)
    message = str(error) if expected else f"{type(error).__name__}: {error}"
    return Failure(message, expected, traceback.format_exc())


# Tasks. Each is a generator of progress that takes plain values and imports what it needs.


def perceive(
    video: Any, request: Mapping[str, Any], scratch: Path | None = None
) -> Generator[Any, None, Any]:
    """Find two people in a video: `engine.perception.perceive`."""
    _one_torch_thread()
    from engine.perception import perceive as run
    from engine.perception.request import PerceptionRequest

    return (yield from run(video, PerceptionRequest(**request), scratch))


def fit(problem: Mapping[str, Any], config: Mapping[str, Any]) -> Generator[Any, None, Any]:
    """Fit two bodies: `engine.fit.solver.solve`."""
    _one_torch_thread()
    from engine.config import FitConfig
    from engine.fit.problem import FitProblem
    from engine.fit.solver import solve

    return (yield from solve(FitProblem(**problem), FitConfig(**config)))


def _one_torch_thread() -> None:
    import torch

    torch.set_num_threads(1)
