"""Runs a suite: cases are made, fitted and scored in processes of their own.

Every row of the table (a configuration at a level) is fitted by a fresh process with one thread,
which is given what a fit may know and nothing else; so its seconds and its peak of memory are those
of the fits, and no row disturbs the next. Truth and metrics stay in other processes.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import queue
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from engine.benchmark.configurations import Way
from engine.benchmark.levels import LEVELS
from engine.benchmark.perceived import filmed, perceived
from engine.benchmark.suites import Suite
from engine.device import seconds_on
from engine.errors import CannotFitError
from engine.files import FitFile
from engine.fit.problem import FitProblem
from engine.metrics import bodies_of, score, truth_row
from engine.structures import Constraints, Observations, VideoInfo
from engine.synthesis.cases import make_case
from engine.synthesis.order import SynthesisOrder

PROCESSES = min(2, os.cpu_count() or 1)
_THREADS = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"
_POLL = 0.2
"""Seconds between two looks at how far the processes are."""


@dataclass(frozen=True)
class BenchmarkProgress:
    stage: str
    fraction: float
    remaining_seconds: float | None = None


@dataclass(frozen=True)
class BenchCase:
    """A case as the benchmark needs it: nothing that is drawn."""

    name: str
    order: SynthesisOrder
    truth: FitFile
    observations: Mapping[str, Observations]
    """By how they were made: "clean", "detector", "filmed", "perceived"."""
    K: Float[np.ndarray, "3 3"]
    heights: tuple[float, ...]
    """Metres, standing."""
    video: VideoInfo | None = None
    """What was drawn, for the level that is given it."""

    def problem(self, level: str) -> FitProblem:
        """What a fit is told at a level."""
        told = LEVELS[level]
        return FitProblem(
            self.observations[told.observations],
            K=self.K,
            focal_source="file",
            constraints=Constraints(heights=self.heights if told.heights else ()),
            video=self.video if told.observations == "filmed" else None,
        )


@dataclass(frozen=True)
class Fitted:
    """What one configuration made of the cases at one level."""

    configuration: str
    level: str
    fits: tuple[FitFile | None, ...]
    """In the order of the cases; None where the observations did not determine the people."""
    seconds: tuple[float, ...]
    """Of the processor, for each case; of the clock where a GPU computed."""
    peak_mb: float
    """Largest resident memory of the process that did nothing but these fits, in 10^6 bytes; where
    a GPU computed, what lay on it."""


@dataclass(frozen=True)
class CaseScore:
    """One case of one row, in numbers."""

    case: BenchCase
    configuration: str
    level: str
    """Empty for the truth."""
    metrics: Mapping[str, float] | None
    """None where it could not be fitted."""
    seconds_per_frame: float
    peak_mb: float


TRUTH = "truth"
"""The row of the truth itself: what it penetrates, touches and skates by."""
Run = Generator[BenchmarkProgress, None, list[CaseScore]]


def run_suite(
    suite: Suite,
    configurations: Mapping[str, Way],
    levels: Sequence[str],
    *,
    processes: int = PROCESSES,
    cache: Path | None = None,
    surfaces: bool = True,
) -> Run:
    """Scores of the truth and of every configuration at every level, case by case.

    `cache` is where perceived cases are kept, by default the user's cache. `processes` 0 does all
    the work in this one. Without `surfaces` no mesh is looked at: much faster, and what is measured
    on skin is NaN. Raises InputError for motion that no case can be made of.
    """
    kinds = tuple(dict.fromkeys(LEVELS[level].observations for level in levels))
    rows = list(itertools.product(configurations, levels))
    count = len(suite.orders)
    work = _Work(processes, total=count * (len(kinds) + len(rows)) + 1)
    made = [(_made, (order, kinds, cache)) for order in suite.orders]
    cases = yield from work.done("Making cases", made, ticks=len(kinds))
    jobs = []
    for name, level in rows:
        problems = [case.problem(level) for case in cases]
        jobs.append((_fitted, (name, level, configurations[name], problems)))
    fitted = yield from work.done("Fitting", jobs, ticks=count, fresh=True)
    scores = []
    for index, case in enumerate(cases):
        mine = [(f.configuration, f.level, f.fits[index]) for f in fitted]
        scores.append((_scored, (case.truth, mine, surfaces)))
    scored = yield from work.done("Comparing with the truth", scores, ticks=0)
    return list(_scores(cases, fitted, scored))


def fit_suite(
    suite: Suite,
    configurations: Mapping[str, Way],
    levels: Sequence[str],
    *,
    processes: int = PROCESSES,
    cache: Path | None = None,
) -> Generator[BenchmarkProgress, None, tuple[list[BenchCase], list[Fitted]]]:
    """The cases, and what every configuration made of them at every level, without any score.

    As `run_suite`, which scores them.
    """
    kinds = tuple(dict.fromkeys(LEVELS[level].observations for level in levels))
    rows = list(itertools.product(configurations, levels))
    count = len(suite.orders)
    work = _Work(processes, total=count * (len(kinds) + len(rows)))
    made = [(_made, (order, kinds, cache)) for order in suite.orders]
    cases = yield from work.done("Making cases", made, ticks=len(kinds))
    jobs = []
    for name, level in rows:
        problems = [case.problem(level) for case in cases]
        jobs.append((_fitted, (name, level, configurations[name], problems)))
    fitted = yield from work.done("Fitting", jobs, ticks=count, fresh=True)
    return cases, fitted


def _scores(
    cases: Sequence[BenchCase],
    fitted: Sequence[Fitted],
    scored: Sequence[list[Mapping[str, float] | None]],
) -> Iterator[CaseScore]:
    nothing = float("nan")
    for case, rows in zip(cases, scored, strict=True):
        yield CaseScore(case, TRUTH, "", rows[0], nothing, nothing)
    for number, row in enumerate(fitted, start=1):
        for index, case in enumerate(cases):
            per_frame = row.seconds[index] / case.truth.motion.frame_count
            yield CaseScore(
                case, row.configuration, row.level, scored[index][number], per_frame, row.peak_mb
            )


# -- what the processes do -----------------------------------------------------------------------


def _made(order: SynthesisOrder, kinds: Sequence[str], cache: Path | None) -> BenchCase:
    case = _returned(make_case(order))
    observations = {
        "clean": replace(case.clean, masks=None, others=None),
        "detector": case.detector,
    }
    truth = case.truth.fit
    _tick()
    video = None
    if "filmed" in kinds:
        shown = filmed(order, case.detector, case.truth.masks, cache)
        video, observations["filmed"] = _returned(shown)
        _tick()
    if "perceived" in kinds:
        observations["perceived"] = _returned(perceived(order, bodies_of(truth), case.K, cache))
        _tick()
    return BenchCase(
        case.name, order, truth, observations, case.K, tuple(case.truth.heights.tolist()), video
    )


def _fitted(name: str, level: str, configuration: Way, problems: Sequence[FitProblem]) -> Fitted:
    fits: list[FitFile | None] = []
    seconds, device = [], configuration.device
    for problem in problems:
        began = seconds_on(device)
        try:
            fits.append(configuration.fit(problem))
        except CannotFitError:
            fits.append(None)
        seconds.append(seconds_on(device) - began)
        _tick()
    peak = _peak_mb() if device == "cpu" else torch.cuda.max_memory_allocated() / 1e6
    return Fitted(name, level, tuple(fits), tuple(seconds), peak)


def _scored(
    truth: FitFile, predictions: Sequence[tuple[str, str, FitFile | None]], surfaces: bool = True
) -> list[Mapping[str, float] | None]:
    """The truth's own row, then one for each prediction."""
    bodies, quick = bodies_of(truth), not surfaces
    rows = [None if fit is None else score(bodies_of(fit), bodies, quick=quick)
            for _, _, fit in predictions]  # fmt: skip
    return [truth_row(bodies, quick), *rows]


def _returned(work: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value


def _peak_mb() -> float:
    """Largest resident memory of this process so far; NaN where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


# -- processes -----------------------------------------------------------------------------------


_ticks: Any = None
"""The queue in which a process says that it has finished a part of its job; None in this one."""


def _tick() -> None:
    if _ticks is not None:
        _ticks.put(1)


def _begin(ticks: Any) -> None:
    """The first thing that a process does."""
    import torch

    global _ticks
    _ticks = ticks
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the process that started it
    torch.set_num_threads(1)


Job = tuple[Callable[..., Any], tuple[Any, ...]]


class _Work:
    """Does jobs in processes, in turn, and says how much of everything is done."""

    def __init__(self, processes: int, total: int) -> None:
        self._processes, self._total = processes, total
        self._done, self._began = 0, time.monotonic()

    def done(
        self, stage: str, jobs: Sequence[Job], *, ticks: int, fresh: bool = False
    ) -> Generator[BenchmarkProgress, None, list[Any]]:
        """Results in the order of the jobs, each of which ticks so many times. `fresh`: each job
        has a process of its own."""
        yield self._progress(stage)
        if not self._processes:
            results: list[Any] = []
            for function, arguments in jobs:
                results.append(function(*arguments))
                self._done += ticks
                yield self._progress(f"{stage}: {len(results)} of {len(jobs)}")
            return results
        context = multiprocessing.get_context("spawn")
        heard = context.Queue()
        each = 1 if fresh else None
        others = set(multiprocessing.active_children())
        with (
            _one_thread(),
            ProcessPoolExecutor(
                self._processes, context, _begin, (heard,), max_tasks_per_child=each
            ) as pool,
        ):
            futures = [pool.submit(function, *arguments) for function, arguments in jobs]
            try:
                yield from self._watched(stage, futures, heard, ticks)
                return [future.result() for future in futures]
            except BaseException:  # stopped, or a job failed: the rest is not waited for
                for future in futures:
                    future.cancel()
                for process in set(multiprocessing.active_children()) - others:
                    process.terminate()
                raise

    def _watched(
        self, stage: str, futures: Sequence[Future[Any]], heard: Any, ticks: int
    ) -> Iterator[BenchmarkProgress]:
        before, told, waiting = self._done, 0, set(futures)
        while waiting:
            finished, waiting = wait(waiting, _POLL, FIRST_COMPLETED)
            for future in finished:
                future.result()  # one that failed ends the run
            with contextlib.suppress(queue.Empty):
                while True:
                    told += heard.get_nowait()
            # What a process says may arrive after its result.
            done = len(futures) - len(waiting)
            self._done = before + max(told, ticks * done)
            yield self._progress(f"{stage}: {done} of {len(futures)}")

    def _progress(self, stage: str) -> BenchmarkProgress:
        share = min(0.99, self._done / self._total)
        spent = time.monotonic() - self._began
        return BenchmarkProgress(stage, share, spent * (1 / share - 1) if share > 0.02 else None)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started meanwhile compute with one thread each."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
