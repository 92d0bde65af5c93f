"""All questions, asked of networks side by side on all kinds of held-out motion: flat rows."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from engine.benchmark.running import PROCESSES, CaseScore, Run
from engine.benchmark.table import Row
from engine.body.smpl import BodyModel
from engine.prior.evaluation import estimating, infilling, partners
from engine.prior.evaluation.calibration import calibrations, drawn
from engine.prior.evaluation.held_out import HeldOut, evenly, filmed, held_out
from engine.prior.evaluation.statistics import DENSITY, PairStatistics, statistics
from engine.prior.prior import Prior
from engine.prior.skeleton import Skeleton
from engine.prior.windows import PairWindows

RECORDED = "recorded"
Result = TypeVar("Result")


@dataclass(frozen=True)
class Extent:
    """How much is looked at."""

    quick: bool = False
    """The benchmark's quick suites, and fewer levels."""
    windows: int = 200
    """Of each kind of motion, at most: hidden frames and hidden people."""
    partner_windows: int = 200
    """The same: partners told apart."""
    samples: int = 64
    """For each wish."""
    drawn: int = 128
    """Samples that nothing is asked of."""
    processes: int = PROCESSES
    """That estimate and score; 0 is this one."""


FULL = Extent()
QUICK = Extent(quick=True, windows=12, partner_windows=24, samples=8, drawn=16, processes=0)
METHODS = (*estimating.BASELINES.values(), *infilling.INTERPOLATIONS, RECORDED)
"""Names of rows that are no network's."""
DRAWN_FRAMES = 64
STRIDE = 16
"""Frames between the starts of windows with hidden frames."""


@dataclass(frozen=True)
class EvaluationProgress:
    stage: str
    fraction: float
    remaining_seconds: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """Rows with the columns `method` (a network's name, or a baseline's) and `motion` (a kind)."""

    numbers: list[Row]
    """As estimator, infiller, at telling partners; a row has the columns its method can have."""
    calibration: list[Row]
    """Asked for a zone, a distance, a facing."""
    pairs: list[Row]
    """What pairs look like that nothing is asked of, beside recorded ones."""
    drawn: Mapping[str, PairWindows]
    """The samples of `pairs`, by network."""


Work = Generator[EvaluationProgress, None, Result]


def evaluate(
    networks: Mapping[str, Path | None], motion: Path | None, extent: Extent = FULL
) -> Work[Evaluation]:
    """Judge networks, by name and weight file (None: the one that ships), on the generated contact
    that ships and on a folder of prepared motion.

    Raises InputError for a file that is no prior's or a folder without motion of two people for
    validation, WeightError where no prior ships.
    """
    # Files are refused before the work.
    priors = {name: Prior.load(path) for name, path in networks.items()}
    found = held_out(motion)
    clock = _Clock(total=len(found) * (8 + 6 * len(priors)) + 12 * len(priors))
    numbers: list[Row] = []
    for one in found:
        numbers += yield from _estimates(networks, one, extent, clock)
        numbers += yield from _hidden(priors, one, extent, clock)
    body = BodyModel.load(density=DENSITY)
    calibration: list[Row] = []
    pairs: list[Row] = []
    for one in found:
        yield clock.step(f"Measuring {one.kind} motion", 2)
        pairs.append(_recorded(one, body, extent))
    samples: dict[str, PairWindows] = {}
    for name, prior in priors.items():
        stage = f"Asking {name} for distances"
        work = calibrations(prior, Skeleton.of(body), extent.samples)
        kept = yield from clock.during(stage, work, 6)
        calibration += [{"method": name, **asdict(row)} for row in kept]
        yield clock.step(f"Drawing from {name}", 2)
        samples[name] = drawn(prior, extent.drawn, DRAWN_FRAMES)
        yield clock.step(f"Measuring what {name} drew", 4)
        pairs.append(_pair_row(name, "samples", statistics(samples[name], body)))
    return Evaluation(_merged(numbers), calibration, pairs, samples)


class _Clock:
    """How far all is, in parts that take about the same time."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._began = total, 0.0, time.monotonic()

    def step(self, stage: str, parts: int) -> EvaluationProgress:
        """Something begins that takes so many parts."""
        progress = self._at(stage, 0.0)
        self._done += parts
        return progress

    def during(self, stage: str, work: Generator[float, None, Result], parts: int) -> Work[Result]:
        """Work that yields its share, told as a part of all."""
        try:
            yield self._at(stage, 0.0)
            while True:
                share = next(work)
                yield self._at(stage, share * parts)
        except StopIteration as stop:
            self._done += parts
            result: Result = stop.value
            return result
        finally:
            work.close()

    def _at(self, stage: str, more: float) -> EvaluationProgress:
        share = min(0.99, (self._done + more) / self._total)
        spent = time.monotonic() - self._began
        left = spent * (1 / share - 1) if share > 0.02 else None
        return EvaluationProgress(stage, share, left)


def _estimates(
    networks: Mapping[str, Path | None], motion: HeldOut, extent: Extent, clock: _Clock
) -> Work[list[Row]]:
    suite = estimating.suite_of_kind(motion, extent.quick)
    work = estimating.estimating(networks, suite, extent.quick, extent.processes)
    shares = _shares(work)
    scores = yield from clock.during(f"Estimating {motion.kind} motion", shares, 6)
    return estimating.estimate_rows(suite, scores, motion.kind)


def _shares(work: Run) -> Generator[float, None, list[CaseScore]]:
    """The work, telling only its share."""
    try:
        while True:
            yield next(work).fraction
    except StopIteration as stop:
        scores: list[CaseScore] = stop.value
        return scores
    finally:
        work.close()


def _hidden(
    priors: Mapping[str, Prior], motion: HeldOut, extent: Extent, clock: _Clock
) -> Work[list[Row]]:
    """Rows of hidden frames, hidden people and partners told apart."""
    windows = motion.windows(infilling.FRAMES, STRIDE, extent.windows)
    seen, _ = filmed(windows)
    skeleton = Skeleton.of(BodyModel.load(density=DENSITY))
    names: Row = {"motion": motion.kind, "infill_windows": len(seen.pelvis)}
    plain = infilling.interpolated_errors(seen, skeleton)
    rows: list[Row] = [{"method": m, **names, **found} for m, found in plain.items()]
    best = {name: min(plain[m][name] for m in infilling.PLAIN) for name in plain["linear"]}
    for name, prior in priors.items():
        stage = f"Hiding frames of {motion.kind} motion from {name}"
        found = yield from clock.during(stage, infilling.infilled_errors(prior, seen, skeleton), 2)
        changes = {infilling.change_of(k): v / best[k] - 1 for k, v in found.items() if best[k]}
        stage = f"Hiding people of {motion.kind} motion from {name}"
        alone = yield from clock.during(stage, infilling.reaction_errors(prior, seen, skeleton), 2)
        told = yield from _told(prior, motion, extent, clock)
        rows.append({"method": name, **names, **found, **changes, **alone, **told})
    return rows


def _told(prior: Prior, motion: HeldOut, extent: Extent, clock: _Clock) -> Work[Row]:
    """Shares of windows in which the true partner is told from another one."""
    windows = motion.windows(partners.FRAMES, partners.STRIDE, 10**6)
    chosen = evenly(len(windows.pelvis), extent.partner_windows)
    row: Row = {}
    tables = {
        "same_trial": partners.same_trial(windows),
        "other_trials": partners.other_trials(windows, motion.library),
    }
    for name, candidates in tables.items():
        stage = f"Exchanging partners in {motion.kind} motion"
        work = partners.told_apart(prior, windows, candidates, chosen)
        told = yield from clock.during(stage, work, 1)
        row |= {
            f"{name}_right": told.by_loss,
            f"{name}_right_by_information": told.by_information,
            f"{name}_windows": told.windows,
            f"{name}_left_out": told.unmatched,
        }
    return row


def _recorded(motion: HeldOut, body: BodyModel, extent: Extent) -> Row:
    seen, _ = filmed(motion.windows(DRAWN_FRAMES, STRIDE, extent.drawn))
    return _pair_row(RECORDED, motion.kind, statistics(seen, body))


def _pair_row(method: str, motion: str, found: PairStatistics) -> Row:
    low, middle, high = found.pelvis_m
    nearest, between, furthest = found.head_m
    return {
        "method": method,
        "motion": motion,
        "windows": found.windows,
        "pelvis_5_m": low,
        "pelvis_50_m": middle,
        "pelvis_95_m": high,
        "head_5_m": nearest,
        "head_50_m": between,
        "head_95_m": furthest,
        "facing": found.facing,
        "contact_share": found.contact,
        "deep_share": found.deep,
        "depth_mm": found.depth_mm,
        "limits_broken_share": found.broken,
        "acceleration_m_s2": found.acceleration_m_s2,
    }


def _merged(rows: Sequence[Row]) -> list[Row]:
    """One row for each method and motion, in the order of the motions."""
    found: dict[tuple[object, object], Row] = {}
    for row in rows:
        found.setdefault((row["method"], row["motion"]), {}).update(row)
    return list(found.values())
