"""Are exchanged people found? Drawn clips in which the two are exchanged for a while, or are not.

A clip is drawn once and kept in the user's cache. Keypoints are as noisy as a detector's
(`engine.synthesis.detector`), without the exchanges that it makes by itself, so that the truth is
known. Masks, which avatars are learnt with, are the true ones. An exchange begins and ends where
the people's boxes overlap, or lasts until the clip ends; at half of its ends one of the two is not
seen for a while, as when trackers lose somebody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool

import engine
from engine.benchmark import refit
from engine.benchmark.suites import Suite, order_key
from engine.config import AppearanceConfig, FitConfig
from engine.fit.identity import overlap, propose_swaps
from engine.fit.problem import FitProblem
from engine.fit.solver import solve
from engine.stamped_cache import cache_folder
from engine.structures import FitProgress, FrameRange, Observations, SwapProposal, VideoInfo
from engine.synthesis.clip import TRUTH, VIDEO, synthesize
from engine.synthesis.detector import PairNoise, detector_observations
from engine.synthesis.order import SynthesisOrder, SynthesisProgress
from engine.synthesis.truth import Truth, read_truth
from engine.video import probe

SIDE = 480
"""Longer side of the drawn pictures in pixels."""
FRAMES = 64
SAME_CLOTHES_EVERY = 3
FOUND = 0.5
"""Intersection over union of frames from which a proposal is of an exchange."""
SHORTEST, LONGEST = 6, 0.45
"""Frames, and share of the clip, that an exchange lasts."""
LOST_SHARE, LOST_SECONDS = 0.5, (0.1, 0.9)
"""How often somebody is lost where the names change, and for how long."""
VARIANTS = 3
"""What is made of a clip: one without an exchange, the others with one or two."""
_CODE = "synthesis", "body"
Row = dict[str, str | int | float | None]


@dataclass(frozen=True)
class Clip:
    """A drawn clip."""

    name: str
    video: VideoInfo
    truth: Truth
    same_clothes: bool


@dataclass(frozen=True)
class Trial:
    """A clip whose people were exchanged over some frames."""

    clip: Clip
    observations: Observations
    exchanged: tuple[FrameRange, ...]


@dataclass(frozen=True)
class Judged:
    """What came of one trial."""

    trial: Trial
    proposals: tuple[SwapProposal, ...]

    @property
    def found(self) -> int:
        """Exchanges that a proposal covers."""
        return sum(
            any(iou(one, p.frames) >= FOUND for p in self.proposals) for one in self.trial.exchanged
        )

    @property
    def right(self) -> int:
        """Proposals that are of an exchange."""
        return sum(
            any(iou(one, p.frames) >= FOUND for one in self.trial.exchanged) for p in self.proposals
        )


def iou(a: FrameRange, b: FrameRange) -> float:
    shared = max(0, min(a.stop, b.stop) - max(a.start, b.start))
    return shared / max(len(a) + len(b) - shared, 1)


def bench_clips(
    suite: Suite, folder: Path | None = None, *, avatars: bool = False
) -> Generator[SynthesisProgress, None, list[Row]]:
    """Rows for the joints alone and with clothes: of all clips, and of those in which people wear
    different clothes. `avatars`: and for what a fit with avatars proposes, which takes a minute for
    every trial. Clips are kept in `folder`, else in the user's cache."""
    trials: list[Trial] = []
    orders = small_orders(suite)
    for index, order in enumerate(orders):
        clip = yield from drawn(order, folder)
        trials += trials_of(clip, index)
        done = (index + 1) / len(orders)
        yield SynthesisProgress(f"Clip {index + 1} of {len(orders)}", done)
    rows: list[Row] = []
    for evidence, looks in (("joints", False), ("joints and clothes", True)):
        rows += _rows(evidence, [judged(trial, looks=looks) for trial in trials])
    if avatars:
        rows += _rows("joints, clothes and avatars", (yield from _fitted(trials)))
    return rows


def _fitted(trials: Sequence[Trial]) -> Generator[SynthesisProgress, None, list[Judged]]:
    found = []
    for index, trial in enumerate(trials):
        work = fitted(trial)
        while True:
            try:
                share = next(work).fraction
            except StopIteration as stop:
                found.append(stop.value)
                break
            done = (index + share) / len(trials)
            yield SynthesisProgress(f"Fit {index + 1} of {len(trials)}", done)
    return found


def _rows(evidence: str, found: Sequence[Judged]) -> list[Row]:
    unlike = [one for one in found if not one.trial.clip.same_clothes]
    return [
        {"evidence": evidence, "clips": clips, **row_of(part)}
        for clips, part in (("all", found), ("different clothes", unlike))
    ]


def small_orders(suite: Suite) -> list[SynthesisOrder]:
    """The suite's orders in small pictures; every third with both people in the same clothes."""
    orders = []
    for index, order in enumerate(suite.orders):
        camera = order.camera
        scale = SIDE / max(camera.width, camera.height)
        width, height = (2 * round(side * scale / 2) for side in (camera.width, camera.height))
        orders.append(
            replace(
                order,
                camera=replace(camera, width=width, height=height),
                similar=index % SAME_CLOTHES_EVERY == SAME_CLOTHES_EVERY - 1,
            )
        )
    return orders


def drawn(
    order: SynthesisOrder, folder: Path | None = None
) -> Generator[SynthesisProgress, None, Clip]:
    """The clip of an order, drawn unless it is kept in `folder` (else the user's cache)."""
    place = (folder or cache_folder() / "benchmark") / f"clip-{_key(order)}"
    if not (place / TRUTH).exists():
        yield from synthesize(replace(order, out=place))
    truth = read_truth(place / TRUTH)
    span = f" {order.frames.start}:{order.frames.stop}" if order.frames else ""
    name = f"{order.motion.stem}{span} seed {order.seed}"
    return Clip(name, probe(place / VIDEO), truth, order.similar)


def trials_of(clip: Clip, seed: int, variants: int = VARIANTS) -> list[Trial]:
    """The clip without an exchange, and with one or two where its people's boxes overlap."""
    quiet = PairNoise(mistaken=0.0, exchanged=0.0)
    plain = detector_observations(clip.truth, seed, pair_noise=quiet)
    plain = replace(plain, masks=clip.truth.masks)
    found = [Trial(clip, plain, ())]
    generator = np.random.default_rng([seed, 6])
    for number in range(1, variants):
        spans = _spans(plain, 1 + (number + seed) % 2, generator)
        if spans:
            found.append(Trial(clip, exchanged(plain, spans, generator), spans))
    return found


def exchanged(
    observations: Observations, spans: Sequence[FrameRange], generator: np.random.Generator
) -> Observations:
    """The first two people exchanged over the spans; at some of their ends one of them is lost."""
    for span in spans:
        observations = refit.exchanged(observations, span)
    points, confidence = observations.keypoints2d.copy(), observations.confidence.copy()
    boxes = observations.boxes.copy()
    masks = None if observations.masks is None else [list(row) for row in observations.masks]
    for edge in (edge for span in spans for edge in (span.start, span.stop)):
        if edge < observations.frame_count and generator.random() < LOST_SHARE:
            lost = generator.uniform(*LOST_SECONDS)
            away = np.abs(observations.times - observations.times[edge]) < lost / 2
            row = int(generator.integers(2))
            points[row, away], confidence[row, away], boxes[row, away] = np.nan, 0.0, np.nan
            if masks is not None:
                masks[row] = [
                    None if gone else mask for gone, mask in zip(away, masks[row], strict=True)
                ]
    return replace(
        observations,
        keypoints2d=points,
        confidence=confidence,
        boxes=boxes,
        masks=None if masks is None else tuple(map(tuple, masks)),
    )


def _spans(
    observations: Observations, count: int, generator: np.random.Generator
) -> tuple[FrameRange, ...]:
    """Stretches whose ends lie where the boxes overlap, apart from each other."""
    frames = observations.frame_count
    meeting = np.flatnonzero(_meets(observations))
    spans: list[FrameRange] = []
    most = int(LONGEST * frames / count)
    for _ in range(200):
        if len(meeting) < 2 or len(spans) == count:
            break
        start = int(generator.choice(meeting))
        ends = [*meeting.tolist(), frames] if start > frames // 2 else meeting.tolist()
        stop = int(generator.choice(ends))
        clear = all(start > s.stop + SHORTEST or stop < s.start - SHORTEST for s in spans)
        if start > 0 and SHORTEST <= stop - start <= most and clear:
            spans.append(FrameRange(start, stop))
    return tuple(sorted(spans, key=lambda span: span.start))


def _meets(observations: Observations) -> Bool[np.ndarray, "F"]:
    return np.asarray(overlap(observations.boxes[:2]) > 0)


def judged(trial: Trial, *, looks: bool = True) -> Judged:
    """What is proposed for a trial; without `looks` the video is not looked at."""
    return Judged(trial, propose_swaps(trial.observations, trial.clip.video if looks else None))


def fitted(trial: Trial) -> Generator[FitProgress, None, Judged]:
    """What a fit with avatars proposes."""
    camera = trial.clip.truth.fit.camera
    problem = FitProblem(
        trial.observations, K=camera.K, focal_source="file", video=trial.clip.video
    )
    result = yield from solve(problem, FitConfig(appearance=AppearanceConfig()))
    return Judged(trial, result.swaps)


def row_of(found: Sequence[Judged]) -> Row:
    """Shares over trials; None where there is nothing to count."""
    injected = sum(len(one.trial.exchanged) for one in found)
    proposed = sum(len(one.proposals) for one in found)
    calm = [one for one in found if not one.trial.exchanged]
    return {
        "trials": len(found),
        "without_exchange": len(calm),
        "exchanges": injected,
        "proposals": proposed,
        "found": sum(one.found for one in found) / injected if injected else None,
        "right": sum(one.right for one in found) / proposed if proposed else None,
        "false_in_calm": sum(len(one.proposals) for one in calm),
    }


def _key(order: SynthesisOrder) -> str:
    return hashlib.sha256(f"{order_key(order)} {_code_digest()}".encode()).hexdigest()[:32]


@cache
def _code_digest() -> str:
    """Of the sources by which a clip is drawn."""
    root = Path(engine.__path__[0])
    files = sorted(path for name in _CODE for path in (root / name).rglob("*.py"))
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()
