"""Perception beside plain ways to do it, on clips whose truth is known: `bench perception`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from app import cli_progress
from app.number_rows import Row, Value, print_table
from engine.errors import InputError
from engine.perception import PeopleNotFoundError, PerceptionRequest, perceive
from engine.perception.baselines import BASELINES
from engine.perception.evaluation import (
    NEAR,
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
LEVELS = {
    Visibility.VISIBLE: "visible",
    Visibility.SELF_OCCLUDED: "self_occluded",
    Visibility.OCCLUDED: "occluded",
}

Method = Callable[[VideoInfo, FrameRange, int], Observations]


@dataclass(frozen=True)
class BenchProgress:
    stage: str
    fraction: float
    remaining_seconds: float | None


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


def run_suite(
    suite: str,
    clips: Sequence[BenchClip],
    ways: Mapping[str, Method],
    quick: bool,
    seen: Callable[[Look], None] = lambda look: None,
) -> Generator[BenchProgress, None, list[Result]]:
    """Returns a result for each way. `seen` is given every clip's look."""
    results = []
    began = time.monotonic()
    for number, (name, way) in enumerate(ways.items()):
        compared: list[Comparison] = []
        lost: list[str] = []
        frames, spent = 0, 0.0
        for index, clip in enumerate(clips):
            fraction = (number + index / len(clips)) / len(ways)
            left = (time.monotonic() - began) * (1 / fraction - 1) if fraction else None
            yield BenchProgress(f"{name}, {clip.name}", fraction, left)
            span = span_of(clip, quick)
            busy = time.process_time()
            try:
                observations = way(clip.video, span, clip.truth.person_count)
            except PeopleNotFoundError:
                lost.append(clip.name)
                observations = nobody(clip)
            spent += time.process_time() - busy
            frames += len(span)
            look = Look(
                clip, name, span, part(observations, span), clip.truth.part(span.as_slice())
            )
            compared.append(compare(look.truth, look.observations))
            seen(look)
        results.append(Result(suite, name, frames, spent / frames, score(compared), tuple(lost)))
    return results


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

PEOPLE = ("method", "missed", "swapped", "switches", "idf1", "limbs_exchanged", "mask_iou")


def row_of(result: Result) -> Row:
    """All numbers of a result. Shares are in 0..1; NaN where there is nothing to say.

    `pck_5_visible` and their like are of the joints of one level of occlusion, `right_at_0.7` is
    the share of right ones among joints reported with confidence 0.7 to 0.8.
    """
    scores = result.scores
    row: dict[str, Value] = {
        "suite": result.suite,
        "method": result.method,
        "frames": result.frames,
        "people": scores.person_frames,
        "missed": scores.missed,
        "swapped": scores.swapped,
        "switches": scores.switches,
        "idf1": scores.idf1,
        "limbs_exchanged": scores.limbs_exchanged,
        "mask_iou": scores.mask_iou,
        "seconds_per_frame": result.seconds_per_frame,
    }
    levels = {name: scores.levels[level] for level, name in LEVELS.items()}
    for name, level in (levels | {"all": scores.all_levels}).items():
        row |= {f"{field}_{name}": value for field, value in asdict(level).items()}
    for share in scores.reliability:
        row |= {
            f"right_at_{share.low:.1f}": share.right,
            f"joints_at_{share.low:.1f}": share.joints,
        }
    return row | {"lost_clips": ", ".join(result.lost_clips)}


def print_suite(rows: Sequence[Row]) -> None:
    """Tables of one suite: people and identities, joints by occlusion, how far to trust them."""
    first, last, names = rows[0], rows[-1], (*LEVELS.values(), "all")
    print(f"\n{first['suite']}: {first['frames']} frames, {first['people']} people in them\n")
    print_table(rows, (*PEOPLE, "seconds_per_frame"))
    print(f"\nJoints within {RIGHT:.0%} and {NEAR:.0%} of the box\n")
    print_table(rows, ("method", *(f"{of}_{name}" for of in ("pck_5", "pck_10") for name in names)))
    print(f"\nJoints reported with more than {SURE}, and the share of them that is right\n")
    sure = (f"{of}_{name}" for of in ("sure", "sure_right") for name in names)
    print_table(rows, ("method", *sure))
    print("\nThe share that is right of joints reported with such confidence and up to 0.1 more\n")
    at = [name for name in last if name.startswith(("right_at", "joints_at"))]
    print_table([last], ["method", *sorted(at, reverse=True)])
    print()
    for row in rows:
        if row["lost_clips"]:
            print(f"{row['method']} lost {row['lost_clips']}")


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
