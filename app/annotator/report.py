"""From played clips to numbers: a row per step, the mean curve, and what each gesture gained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import numpy as np

from app.annotator.curator import Looking
from app.annotator.gestures import KINDS
from app.annotator.play import Played, Step
from app.number_rows import Row
from engine.fit.as_file import fit_file
from engine.metrics import METRICS, Bodies, bodies_of, score
from engine.structures import FitResult, Outcome

CURVE = (
    "mpjpe_mm", "pa_mpjpe_mm", "pair_pa_mpjpe_mm", "inter_mm", "relative_depth_mm", "pcc_5cm",
    "contact_f1_regions", "ordinal_depth", "penetration_mean_mm", "idf1",
)  # fmt: skip
"""Columns of the printed curve; the JSON has all metrics."""
SPOILT_MM = 0.5
"""Millimetres of Pair-PA by which a gesture must change the bodies to count as one that did."""


@dataclass(frozen=True)
class Point:
    """One step of one clip, measured."""

    clip: str
    looking: Looking
    frames: int
    step: Step
    engine_seconds: float
    """Processor seconds of all fits after the first."""
    metrics: Mapping[str, float]

    @property
    def per_100_frames(self) -> float:
        return 100 * self.step.gestures / self.frames


def measured(clip: Played, truth: Bodies, looking: Looking, step: Step, spent: float) -> Point:
    """A step against the truth. `spent`: processor seconds of the re-fits up to it."""
    state = step.state
    assert state.motion is not None and state.camera is not None and state.diagnostics is not None
    result = FitResult(state.motion, state.camera, state.diagnostics, Outcome.CONVERGED)
    found = bodies_of(fit_file(result, clip.observations.layout))
    metrics = score(found, truth, labelled=state.constraints.contacts)
    return Point(clip.name, looking, clip.observations.frame_count, step, spent, metrics)


def step_rows(points: Iterable[Point]) -> list[Row]:
    """A row per step of each clip."""
    return [
        {
            "row": "step",
            "looking": p.looking,
            "clip": p.clip,
            "gestures": p.step.gestures,
            "gestures_per_100_frames": p.per_100_frames,
            "gesture": p.step.kind,
            "frame": p.step.frame,
            "found": p.step.found,
            "refit_frames": None if p.step.refitted is None else len(p.step.refitted),
            "kept": p.step.kept,
            "outcome": None if p.step.outcome is None else p.step.outcome.value,
            "fit_seconds": p.step.cpu_seconds,
            "engine_seconds": p.engine_seconds,
            **p.metrics,
        }
        for p in points
    ]


def curve_rows(points: Sequence[Point]) -> list[Row]:
    """The mean over clips after 0, 1, 2, ... gestures per 100 frames, for each way of looking.

    A clip of 64 frames is taken after 0.64 times as many gestures, rounded.
    """
    rows: list[Row] = []
    for looking in dict.fromkeys(p.looking for p in points):
        games = _games([p for p in points if p.looking == looking])
        most = min(int(game[-1].per_100_frames) for game in games)
        for per_100 in range(most + 1):
            rows.append(_mean_row(looking, per_100, [_after(game, per_100) for game in games]))
    return rows


def _mean_row(looking: str, per_100: int, points: Sequence[Point]) -> Row:
    return {
        "row": "mean",
        "looking": looking,
        "gestures_per_100_frames": per_100,
        "clips": len(points),
        "engine_seconds_per_100_frames": fmean(100 * p.engine_seconds / p.frames for p in points),
        **{name: _mean([p.metrics[name] for p in points]) for name in METRICS},
    }


def gain_rows(points: Sequence[Point]) -> list[Row]:
    """What a gesture of each kind changed, on average, with the re-fit that followed it."""
    rows: list[Row] = []
    for looking in dict.fromkeys(p.looking for p in points):
        games = _games([p for p in points if p.looking == looking])
        turns = [pair for game in games for pair in pairwise(game)]
        for kind in KINDS:
            mine = [(before, after) for before, after in turns if after.step.kind == kind]
            if mine:
                rows.append(_gain_row(looking, kind, mine))
    return rows


def _gain_row(looking: str, kind: str, turns: Sequence[tuple[Point, Point]]) -> Row:
    def change(name: str) -> float:
        return _mean([b.metrics[name] - a.metrics[name] for a, b in turns])

    worse = [_pair(b) > _pair(a) + SPOILT_MM for a, b in turns]
    return {
        "row": "gain",
        "looking": looking,
        "gesture": kind,
        "made": len(turns),
        "made_worse": sum(worse),
        "fit_seconds": fmean(after.step.cpu_seconds for _, after in turns),
        **{name: change(name) for name in METRICS if not name.startswith("frames")},
    }


def _pair(point: Point) -> float:
    return point.metrics["pair_pa_mpjpe_mm"]


def _games(points: Sequence[Point]) -> list[list[Point]]:
    """The steps of each clip, in order."""
    by_clip: dict[str, list[Point]] = {}
    for point in points:
        by_clip.setdefault(point.clip, []).append(point)
    return list(by_clip.values())


def _after(game: Sequence[Point], per_100: int) -> Point:
    """The clip after so many gestures per 100 frames."""
    return game[min(round(per_100 * game[0].frames / 100), len(game) - 1)]


def _mean(values: Sequence[float]) -> float:
    """Over what is known; NaN where nothing is."""
    known = [value for value in values if np.isfinite(value)]
    return fmean(known) if known else float("nan")
