"""Long work for the window: one warm worker process, progress as a mailbox, cancel, restart.

`Jobs` lives in the GUI thread and is the only road between the window and long computations. It
keeps a queue, of which one job runs at a time. A relay thread owns the process and its pipe, so
the GUI never waits for either. What crosses the pipe are frozen values and NumPy arrays.
"""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import pickle
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from app import worker

log = logging.getLogger(__name__)

GRACE_SECONDS = 3.0
"""How long a cancelled job may take to reach its next step before its process is ended."""

PACE_MILLISECONDS = 100
"""Between two reports of progress: more often would cost the views frames and tell nobody more."""

_ids = itertools.count(1)


@dataclass(frozen=True)
class Job:
    """One piece of long work: a task of `app.worker` and what it is told."""

    kind: str
    label: str
    """Shown while it runs, e.g. "Fitting reach, frames 120–180"."""
    task: worker.Task
    arguments: Mapping[str, Any] = field(repr=False)
    clip_id: int | None = None
    context: Any = field(default=None, repr=False)
    """What the one who asked needs to know when it ends; stays in the window."""
    id: int = field(default_factory=lambda: next(_ids))


class Jobs(QObject):
    """Queue of jobs with one running. All signals arrive in the GUI thread.

    A job ends with exactly one of `finished`, `failed` and `cancelled`. `cancelled` follows a
    `cancel` at once; the process is given `grace_seconds` to comply before it is replaced.
    """

    started = Signal(object)
    progressed = Signal(object, object)
    finished = Signal(object, object)
    failed = Signal(object, str)
    cancelled = Signal(object)
    queue_changed = Signal()
    _arrived = Signal()

    def __init__(
        self,
        parent: QObject | None = None,
        *,
        warm_modules: tuple[str, ...] = worker.WARM_MODULES,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        super().__init__(parent)
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._occupied_by: int | None = None
        self._mail: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._arrived.connect(self._read_mail)
        self._pace = QTimer(self, singleShot=True, interval=PACE_MILLISECONDS)
        self._pace.timeout.connect(self._ask_for_more)
        self._relay = _Relay(self._post, warm_modules, grace_seconds)

    # -- asking ---------------------------------------------------------------------------------

    @property
    def running(self) -> Job | None:
        return self._running

    @property
    def waiting(self) -> tuple[Job, ...]:
        return tuple(self._waiting)

    @property
    def worker_pid(self) -> int | None:
        """Process id of the worker, None while there is none."""
        return self._relay.pid

    def warm_up(self) -> None:
        """Start the worker now, so that the first job does not wait for it."""
        self._relay.tell(("warm",))

    def submit(self, job: Job) -> Job:
        self._waiting.append(job)
        self.queue_changed.emit()
        self._start_next()
        return job

    def cancel(self, job: Job) -> None:
        """Cancel a waiting or running job; one that has ended is left alone."""
        if job in self._waiting:
            self._waiting.remove(job)
        elif self._running is job:
            self._running = None
            self._relay.tell(("cancel", job.id))
        else:
            return
        self.cancelled.emit(job)
        self.queue_changed.emit()

    def cancel_clip(self, clip_id: int, kind: str | None = None) -> None:
        """Cancel all jobs of a clip (of one kind)."""
        mine = [*self._waiting, *([self._running] if self._running else [])]
        for job in mine:
            if job.clip_id == clip_id and kind in (None, job.kind):
                self.cancel(job)

    def shutdown(self) -> None:
        """End the worker; what ran is lost, as if cancelled."""
        self._waiting.clear()
        self._running = None
        self._pace.stop()
        self._relay.shutdown()

    # -- the relay's messages -------------------------------------------------------------------

    def _start_next(self) -> None:
        if self._running or self._occupied_by is not None or not self._waiting:
            return
        job = self._waiting.popleft()
        self._running, self._occupied_by = job, job.id
        self._relay.tell(("run", job.id, job.task, dict(job.arguments)))
        self.started.emit(job)
        self.queue_changed.emit()

    def _post(self, message: tuple[Any, ...]) -> None:
        """Called in the relay thread."""
        self._mail.put(message)
        self._arrived.emit()

    def _read_mail(self) -> None:
        match self._mail.get():
            case ("progress", job_id, value):
                if self._running and self._running.id == job_id:
                    self.progressed.emit(self._running, value)
                    self._pace.start()
            case ("done", job_id, value):
                if job := self._release(job_id):
                    self.finished.emit(job, value)
            case ("failed", job_id, failure):
                if job := self._release(job_id):
                    self.failed.emit(job, _say(job, failure))
            case ("closed", job_id):
                self._release(job_id)
            case ("died", exit_code):
                self._bury(exit_code)
        self._start_next()

    def _ask_for_more(self) -> None:
        """The newest progress, which the worker has kept until now."""
        if self._running is not None:
            self._relay.tell(("more", self._running.id))

    def _release(self, job_id: int) -> Job | None:
        """The worker is free again; the job, unless it was cancelled meanwhile."""
        if self._occupied_by == job_id:
            self._occupied_by = None
        job, self._running = self._running, None
        if job is None or job.id != job_id:
            self._running = job
            return None
        self.queue_changed.emit()
        return job

    def _bury(self, exit_code: int | None) -> None:
        job, self._running, self._occupied_by = self._running, None, None
        reason = _cause_of_death(exit_code)
        if job is None:
            log.warning("the idle worker process ended %s", reason)
            return
        message = (
            f"{job.label} stopped: its process ended {reason}. "
            "A new one is ready; nothing saved is lost."
        )
        log.error(message)
        self.failed.emit(job, message)
        self.queue_changed.emit()


def _say(job: Job, failure: worker.Failure) -> str:
    if failure.expected:
        return failure.message
    log.error("%s failed\n%s", job.label, failure.traceback)
    return f"{job.label} failed unexpectedly ({failure.message}). The log has the details."


def _cause_of_death(exit_code: int | None) -> str:
    if exit_code == -signal.SIGKILL:
        return "by force (it may have run out of memory)"
    if exit_code is not None and exit_code < 0:
        return f"on signal {signal.Signals(-exit_code).name}"
    return f"with exit code {exit_code}"


class _Relay:
    """A thread that owns the worker process, its pipe, and the clock of a cancellation."""

    def __init__(
        self,
        post: Callable[[tuple[Any, ...]], None],
        warm_modules: tuple[str, ...],
        grace_seconds: float,
    ) -> None:
        self._post = post
        self._warm_modules = warm_modules
        self._grace_seconds = grace_seconds
        self._orders: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._wake_reader, self._wake_writer = multiprocessing.Pipe(duplex=False)
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._ready = False
        self._outbox: deque[tuple[Any, ...]] = deque()
        self._current: int | None = None
        self._kill_at: float | None = None
        self._thread: threading.Thread | None = None
        self._is_over = False

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None else None

    def tell(self, order: tuple[Any, ...]) -> None:
        """From the GUI thread: never waits. Nothing is done any more after `shutdown`."""
        if self._is_over:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="jobs-relay", daemon=True)
            self._thread.start()
        self._orders.put(order)
        self._wake_writer.send_bytes(b".")

    def shutdown(self) -> None:
        if self._thread is not None:
            self.tell(("stop",))
        self._is_over = True
        if self._thread is None:
            return
        self._thread.join(self._grace_seconds)
        if self._thread.is_alive() and (process := self._process):
            process.kill()  # the relay is held up by a worker that does not read
            self._thread.join()
        self._thread = None

    # -- in the relay thread --------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._serve():
                pass
        finally:
            self._end_process()

    def _serve(self) -> bool:
        """Wait for one thing to happen and deal with it; False when it is time to stop."""
        sources: list[Any] = [self._wake_reader]
        if self._process is not None and self._connection is not None:
            sources += [self._connection, self._process.sentinel]
        timeout = None if self._kill_at is None else max(0.0, self._kill_at - time.monotonic())
        happened = wait(sources, timeout)
        if self._wake_reader in happened:
            self._wake_reader.recv_bytes()
            if not self._obey(self._orders.get()):
                return False
        if self._connection is not None and self._connection in happened:
            self._receive()
        elif self._process is not None and self._process.sentinel in happened:
            self._mourn()
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._replace()
        return True

    def _obey(self, order: tuple[Any, ...]) -> bool:
        match order:
            case ("stop",):
                return False
            case ("warm",):
                self._ensure_process()
            case ("run", job_id, task, arguments):
                self._hand_over(job_id, task, arguments)
            case ("cancel", job_id) if job_id == self._current:
                self._send(order)
                self._kill_at = time.monotonic() + self._grace_seconds
            case ("more", job_id) if job_id == self._current:
                self._send(order)
        return True

    def _hand_over(self, job_id: int, task: worker.Task, arguments: Mapping[str, Any]) -> None:
        try:
            payload = pickle.dumps((task, arguments), pickle.HIGHEST_PROTOCOL)
            self._start_process()
        except (TypeError, AttributeError, pickle.PicklingError, OSError) as error:
            text = f"it cannot be handed to the worker: {error}"
            self._post(("failed", job_id, worker.Failure(text, False, text)))
        else:
            self._current = job_id
            self._send(("run", job_id, payload))

    def _ensure_process(self) -> None:
        """Start ahead of need; where that fails, the next job tries again and says so."""
        try:
            self._start_process()
        except OSError:
            log.exception("the worker process cannot be started")

    def _start_process(self) -> None:
        if self._process is not None:
            return
        context = multiprocessing.get_context("spawn")
        connection, far_end = context.Pipe()
        process = context.Process(
            target=worker.main,
            args=(far_end, self._warm_modules),
            name="dyad-worker",
            daemon=True,
        )
        try:
            process.start()
        except BaseException:
            connection.close()
            raise
        finally:
            far_end.close()
        self._process, self._connection, self._ready = process, connection, False

    def _send(self, message: tuple[Any, ...]) -> None:
        self._outbox.append(message)
        if self._ready:
            self._flush()

    def _flush(self) -> None:
        while self._outbox and self._connection is not None:
            try:
                self._connection.send(self._outbox[0])
            except OSError:
                return  # it died: the sentinel says so next
            self._outbox.popleft()

    def _receive(self) -> None:
        assert self._connection is not None
        try:
            message = self._connection.recv()
        except (EOFError, OSError):
            self._mourn()
            return
        if message == ("ready",):
            self._ready = True
            self._flush()
            return
        if message[0] != "progress":
            self._current = None
            self._kill_at = None
        self._post(message)

    def _mourn(self) -> None:
        """The process died by itself: say so and start another."""
        was_ready = self._ready
        exit_code = self._end_process()
        self._post(("died", exit_code))
        if was_ready:  # one that dies at start would die again and again
            self._ensure_process()

    def _replace(self) -> None:
        """A cancelled job did not stop in time: end its process and start another."""
        cancelled = self._current
        log.warning("job %s did not stop within %.1f s", cancelled, self._grace_seconds)
        if self._process is not None:
            self._process.kill()
        self._end_process()
        if cancelled is not None:
            self._post(("closed", cancelled))
        self._ensure_process()

    def _end_process(self) -> int | None:
        process, connection = self._process, self._connection
        patience = 0.5 if self._ready else 0.0  # one that still starts cannot hear yet
        self._process = self._connection = None
        self._ready, self._current, self._kill_at = False, None, None
        self._outbox.clear()
        if connection is not None:
            connection.close()  # a worker between jobs leaves by itself at the end of its pipe
        if process is None:
            return None
        process.join(patience)
        if process.is_alive():
            process.kill()
            process.join()
        exit_code = process.exitcode
        process.close()
        return exit_code
