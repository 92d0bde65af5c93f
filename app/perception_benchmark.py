"""Perception beside plain ways to do it, on clips whose truth is known: `bench perception`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from app import cli_progress
from engine.errors import InputError
from engine.perception import PeopleNotFoundError, PerceptionRequest, perceive
from engine.perception.baselines import BASELINES
from engine.perception.evaluation import (
    RIGHT,
    SURE,
    Comparison,
    PerceptionScores,
    compare,
    score,
)
from engine.perception.rendered_truth import rendered_truth
from engine.perception.truth import PerceptionTruth, Visibility, read_truth
from engine.structures import FrameRange, Observations, VideoInfo
from engine.video import probe
from engine.weights import find

QUICK_FRAMES = 24
REAL, RENDERED = "reach, four views (real)", "rendered clips"
DYAD = "Dyad"
_LEVELS = {
    Visibility.VISIBLE: "visible",
    Visibility.SELF_OCCLUDED: "behind own body",
    Visibility.OCCLUDED: "behind the other",
}

Method = Callable[[VideoInfo, FrameRange, int], Observations]


@dataclass(frozen=True)
class BenchClip:
    """A video and what is true of it."""

    name: str
    video: VideoInfo
    truth: PerceptionTruth


@dataclass(frozen=True)
class Result:
    """What one way of doing it came to on one suite."""

    suite: str
    method: str
    frames: int
    seconds_per_frame: float
    """CPU seconds, loading the models included."""
    scores: PerceptionScores
    lost_clips: tuple[str, ...]
    """Clips in which it found nobody or not everybody."""


@dataclass(frozen=True)
class Look:
    """Observations of one clip as one method gave them, for pictures."""

    clip: BenchClip
    method: str
    frames: FrameRange
    observations: Observations
    """Of these frames."""
    truth: PerceptionTruth
    """Of these frames."""


def real_clips() -> list[BenchClip]:
    """The four views of the reach that ship with Dyad. Raises WeightError."""
    names = ("sample-reach", *(f"perception-bench-cam0{view}" for view in (2, 3, 4)))
    return [
        BenchClip(
            f"cam0{view}",
            probe(find(name).path),
            read_truth(find(f"perception-bench-cam0{view}-truth").path),
        )
        for view, name in enumerate(names, start=1)
    ]


def rendered_clips(folder: Path) -> list[BenchClip]:
    """The clips that `synth` drew into a folder. Raises InputError where there is none."""
    folders = sorted(path.parent for path in folder.glob("*/truth.npz"))
    if not folders:
        raise InputError(
            f"There are no rendered clips in {folder}",
            expected="folders with video.mp4 and truth.npz",
            advice="Draw some: python3 main.py synth --help",
        )
    return [
        BenchClip(path.name, probe(path / "video.mp4"), rendered_truth(path / "truth.npz"))
        for path in folders
    ]


def methods() -> dict[str, Method]:
    """What is compared, by name; the last one is Dyad's own."""
    return {**BASELINES, DYAD: _perceive}


def _perceive(video: VideoInfo, frames: FrameRange, count: int) -> Observations:
    request = PerceptionRequest(frames=frames, person_count=count)
    return cli_progress.run(perceive(video, request), stream=sys.stderr)


def run_suites(
    suites: Mapping[str, Sequence[BenchClip]],
    ways: Mapping[str, Method],
    quick: bool,
    seen: Callable[[Look], None] = lambda look: None,
) -> Iterator[Result]:
    """One result for each way and suite, as they come. `seen` is given every clip's look."""
    for suite, clips in suites.items():
        for name, way in ways.items():
            compared: list[Comparison] = []
            lost: list[str] = []
            frames, spent = 0, 0.0
            for clip in clips:
                span = span_of(clip, quick)
                began = time.process_time()
                try:
                    observations = way(clip.video, span, clip.truth.person_count)
                except PeopleNotFoundError:
                    lost.append(clip.name)
                    observations = nobody(clip)
                spent += time.process_time() - began
                frames += len(span)
                look = Look(
                    clip, name, span, part(observations, span), clip.truth.part(span.as_slice())
                )
                compared.append(compare(look.truth, look.observations))
                seen(look)
            yield Result(suite, name, frames, spent / frames, score(compared), tuple(lost))


def nobody(clip: BenchClip) -> Observations:
    """Observations of a clip in which nothing was found."""
    shape = (clip.truth.person_count, clip.video.frame_count)
    return Observations(
        np.full((*shape, 17, 2), np.nan),
        np.zeros((*shape, 17)),
        "coco17",
        np.full((*shape, 4), np.nan),
        clip.video.times,
        clip.video.image_size,
        ((None,) * shape[1],) * shape[0],
    )


def span_of(clip: BenchClip, quick: bool) -> FrameRange:
    """All frames, or a few in the middle."""
    count = clip.video.frame_count
    start = max(0, (count - QUICK_FRAMES) // 2) if quick else 0
    return FrameRange(start, min(count, start + QUICK_FRAMES) if quick else count)


def part(observations: Observations, frames: FrameRange) -> Observations:
    """Some frames of observations, the people only."""
    span, masks = frames.as_slice(), observations.masks
    return replace(
        observations,
        keypoints2d=observations.keypoints2d[:, span],
        confidence=observations.confidence[:, span],
        boxes=observations.boxes[:, span],
        times=observations.times[span],
        masks=None if masks is None else tuple(row[span] for row in masks),
        others=None,
        cuts=(),
    )


# -- what is printed ------------------------------------------------------------------------------


def table(results: Sequence[Result]) -> list[str]:
    """Lines of one suite: people and identities, joints by occlusion, how far to trust them."""
    first = results[0]
    lines = [
        f"{first.suite}: {first.frames} frames, {first.scores.person_frames} people in them",
        "",
        f"{'':<22}{'missed':>8}{'swapped':>9}{'switches':>10}{'IDF1':>8}{'sides':>8}{'masks':>8}"
        f"{'CPU s/frame':>13}",
    ]
    for r in results:
        s = r.scores
        lines.append(
            f"{r.method:<22}{_percent(s.missed):>8}{_percent(s.swapped):>9}{s.switches:>10}"
            f"{_percent(s.idf1):>8}{_percent(s.limbs_exchanged):>8}{_percent(s.mask_iou):>8}"
            f"{r.seconds_per_frame:>13.3f}"
        )
    lines += [
        "",
        f"joints within {RIGHT:.0%} (10%) of the box; of those above {SURE} so many right",
    ]
    lines.append(f"{'':<22}" + "".join(f"{name:>22}" for name in (*_LEVELS.values(), "all")))
    for r in results:
        levels = [*(r.scores.levels[v] for v in _LEVELS), r.scores.all_levels]
        pck = [f"{_percent(v.pck_5)} ({_percent(v.pck_10)})" for v in levels]
        sure = [f"{_percent(v.sure_right)} of {_percent(v.sure)}" for v in levels]
        lines.append(f"{r.method:<22}" + "".join(f"{cell:>22}" for cell in pck))
        lines.append(f"{'  sure':<22}" + "".join(f"{cell:>22}" for cell in sure))
    counts = [*(first.scores.levels[v].joints for v in _LEVELS), first.scores.all_levels.joints]
    lines.append(f"{'joints':<22}" + "".join(f"{count:>22}" for count in counts))
    lines += [f"{r.method} lost {', '.join(r.lost_clips)}" for r in results if r.lost_clips]
    return [*lines, *reliability_lines(results[-1]), ""]


def reliability_lines(result: Result) -> list[str]:
    """Confidence of reported joints beside the share of them that is right."""
    bins = [b for b in result.scores.reliability if b.joints]
    return [
        "",
        f"{result.method}: confidence " + "".join(f"{b.low:>5.1f}-{b.high:.1f}" for b in bins),
        f"{'':<{len(result.method)}}  right      "
        + "".join(f"{_percent(b.right):>8}" for b in bins),
        f"{'':<{len(result.method)}}  joints     " + "".join(f"{b.joints:>8}" for b in bins),
    ]


def truth_lines() -> list[str]:
    """The error of the real clips' truth, as it was written beside it."""
    rows = json.loads(find("perception-bench-error").path.read_text(encoding="utf-8"))
    change = [row["change, median share of box"] for row in rows.values()]
    worst = [row["change, 95 % share of box"] for row in rows.values()]
    known = [row["known"] for row in rows.values()]
    return [
        "The truth was made from the four views; leaving out the view that is measured moves it by"
        f" {min(change):.1%} to {max(change):.1%} of the box (median; 95 % of joints by less than"
        f" {max(worst):.1%}). {min(known):.0%} to {max(known):.0%} of the joints are known."
    ]


def as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Results as plain values; None for what there is nothing to say of."""
    rows = []
    for result in results:
        row = asdict(result)
        levels = {v.name.lower(): asdict(s) for v, s in result.scores.levels.items()}
        row["scores"]["levels"] = levels
        rows.append(_plain(row))
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{share:.1%}"
