"""`bench annotator`: how far a curator comes with a number of gestures."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from math import ceil
from typing import Any

from app.annotator.curator import Looking
from app.annotator.play import Game, Played, play
from app.annotator.report import Point, measured
from engine.metrics import bodies_of
from engine.synthesis.cases import Case, make_case
from engine.synthesis.detector import found_in_drawn_boxes
from engine.synthesis.order import SynthesisOrder


@dataclass(frozen=True)
class Progress:
    """How far the games are."""

    stage: str
    fraction: float
    remaining_seconds: float | None = None


@dataclass(frozen=True)
class Contest:
    """The same clips played in several ways."""

    orders: tuple[SynthesisOrder, ...]
    per_100_frames: float = 14.0
    looking: tuple[Looking, ...] = ("ranked", "random")
    seed: int = 0


def bench_annotator(contest: Contest) -> Generator[Progress, None, list[Point]]:
    """Plays every clip in every way; returns all steps, measured. Raises InputError."""
    points: list[Point] = []
    total = len(contest.orders) * len(contest.looking)
    for number, order in enumerate(contest.orders):
        yield Progress(f"making clip {number + 1} of {len(contest.orders)}", len(points) / 1e9)
        clip = played(_returned(make_case(order)))
        truth = bodies_of(clip.truth.fit)
        for way, looking in enumerate(contest.looking):
            gestures = ceil(contest.per_100_frames * clip.observations.frame_count / 100)
            spent = 0.0
            for step in play(clip, Game(gestures, looking, contest.seed)):
                spent += step.cpu_seconds if step.gestures else 0.0
                points.append(measured(clip, truth, looking, step, spent))
                done = number * len(contest.looking) + way + step.gestures / (gestures + 1)
                yield Progress(f"{clip.name}, {looking}", done / total)
    return points


def played(case: Case) -> Played:
    """A case as a curator gets it: with what a detector found."""
    boxed = found_in_drawn_boxes(case.truth, case.truth.seed)
    return Played(case.name, case.truth, case.detector, boxed, case.K)


def _returned(work: Generator[Any, None, Case]) -> Case:
    while True:
        try:
            next(work)
        except StopIteration as stop:
            case: Case = stop.value
            return case
