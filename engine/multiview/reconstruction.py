"""True 2D joints for clips that several calibrated cameras filmed at once.

    python -m engine.multiview VIDEOS CALIBRATION OUT

VIDEOS is a folder of synchronous videos, one a camera, in the order of the cameras' names;
CALIBRATION a Qualisys .qca.txt; OUT gets NAME-truth.npz for every video and error.json. The 2D
models look at every view, what they say is put into space where views agree, and the points in
space are drawn back into each view: so a joint has a place also where nobody can see it there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from engine.errors import InputError
from engine.multiview.cameras import adjust, project, read_qualisys
from engine.multiview.occlusion import body_box, visibility
from engine.multiview.trajectories import Evidence, Trajectories, bone_lengths, solve
from engine.multiview.witnesses import Sighting, find_people, first_points, gather, look, match
from engine.multiview.witnesses import settled as settled_joints
from engine.perception.runtime import PoseModels
from engine.perception.truth import SCORED, PerceptionTruth, Visibility, write_truth
from engine.structures import Camera, VideoInfo
from engine.video import VideoReader, probe

MIN_SUPPORT = 0.1
"""Weight from which a view's witnesses count as agreeing with a joint."""
MIN_OTHERS = 2
"""Other views that must agree on a joint before it is true in a view."""
MAX_CHANGE = 0.05
"""A joint that moves further without the view's own witnesses, as a share of the body's box, is
not known there: the view would be measured by its own opinion."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Reconstruction:
    """P people in space, V views, F frames, COCO-17."""

    cameras: tuple[Camera, ...]
    """As corrected."""
    points: Float[np.ndarray, "P F 17 3"]
    support: Float[np.ndarray, "P F 17 V"]
    left_out: Float[np.ndarray, "V P F 17 3"]
    """The same without the witnesses of each view."""


def reconstruct(
    videos: Sequence[VideoInfo], cameras: Sequence[Camera], count: int, say: Say
) -> Reconstruction:
    """The people of synchronous videos in space. Raises InputError where they do not fit."""
    _check(videos, cameras)
    seconds = float(np.median(np.diff(videos[0].times)))
    models = PoseModels()
    found = [_find(models, video, say) for video in videos]
    chosen = match(cameras, found, count)
    evidence = [_first_round(found, chosen[p]) for p in range(count)]
    cameras = _corrected(cameras, evidence)
    chosen = match(cameras, found, count)
    evidence = [_first_round(found, chosen[p]) for p in range(count)]
    rough = [solve(cameras, e, first_points(cameras, e), seconds) for e in evidence]
    looks = [_look(models, v, (c, rough), say) for v, c in zip(videos, cameras, strict=True)]
    evidence = [_joined(e, [view[p] for view in looks]) for p, e in enumerate(evidence)]
    cameras = _corrected(cameras, evidence)
    say("Solving for paths in space")
    solved = [_solved(cameras, e, seconds) for e in evidence]
    return Reconstruction(
        tuple(cameras),
        np.stack([whole.points for whole, _ in solved]),
        np.stack([whole.support for whole, _ in solved]),
        np.stack([left_out for _, left_out in solved], axis=1),
    )


def _check(videos: Sequence[VideoInfo], cameras: Sequence[Camera]) -> None:
    if len(videos) != len(cameras) or len(videos) < 3:
        raise InputError(
            "There must be one video for each of at least three cameras",
            expected=f"{max(3, len(cameras))} videos",
            received=f"{len(videos)}",
        )
    for video, camera in zip(videos, cameras, strict=True):
        if video.frame_count != videos[0].frame_count or video.image_size != camera.image_size:
            raise InputError(
                f"{Path(video.path).name} does not fit",
                expected=f"{videos[0].frame_count} frames of {camera.image_size}",
                received=f"{video.frame_count} of {video.image_size}",
            )


def _find(models: PoseModels, video: VideoInfo, say: Say) -> list[list[Sighting]]:
    say(f"Looking for people in {Path(video.path).name}")
    with VideoReader(video) as reader:
        return [find_people(models, image) for _, image in reader.frames()]


def _look(
    models: PoseModels, video: VideoInfo, known: tuple[Camera, Sequence[Trajectories]], say: Say
) -> list[list[Sighting]]:
    """[person][frame] of a view, each looked at where the first round puts them."""
    say(f"Looking closely at {Path(video.path).name}")
    camera, people = known
    guesses = [project(camera, person.points)[0] for person in people]
    with VideoReader(video) as reader:
        seen = [
            [look(models, image, guess[f]) for guess in guesses] for f, image in reader.frames()
        ]
    return [list(row) for row in zip(*seen, strict=True)]


def _first_round(found: Sequence[Sequence[Sequence[Sighting]]], chosen: np.ndarray) -> Evidence:
    silent = np.full_like(next(p for view in found for row in view for p in row), np.nan)
    return gather(
        [
            [
                row[m] if m >= 0 else silent
                for row, m in zip(view, chosen[:, v].tolist(), strict=True)
            ]
            for v, view in enumerate(found)
        ]
    )


def _joined(first: Evidence, looks: Sequence[Sequence[Sighting]]) -> Evidence:
    """Both rounds' witnesses: each slot was filled by one of them."""
    second = gather(looks)
    took = second.weight > 0
    return Evidence(
        np.where(took[..., None], second.pixels, first.pixels),
        np.where(took, second.weight, first.weight),
    )


def _corrected(cameras: Sequence[Camera], evidence: Sequence[Evidence]) -> list[Camera]:
    pixels, weight = (
        np.concatenate(arrays) for arrays in zip(*map(settled_joints, evidence), strict=True)
    )
    few = np.arange(0, len(pixels), max(1, len(pixels) // 800))
    return adjust(cameras, pixels[few], weight[few])


def _solved(
    cameras: Sequence[Camera], evidence: Evidence, seconds: float
) -> tuple[Trajectories, Float[np.ndarray, "V F 17 3"]]:
    """The paths by all views, and by all but each."""
    start = first_points(cameras, evidence)
    lengths = bone_lengths(solve(cameras, evidence, start, seconds).points)
    whole = solve(cameras, evidence, start, seconds, lengths)
    left_out = []
    for v in range(len(cameras)):
        weight = evidence.weight.copy()
        weight[v] = 0.0
        without = replace(evidence, weight=weight)
        left_out.append(
            solve(cameras, without, first_points(cameras, without), seconds, lengths).points
        )
    return whole, np.stack(left_out)


def truth_of_view(scene: Reconstruction, view: int, in_front: Sequence[int]) -> PerceptionTruth:
    """What is true in one view; joints on which the other views do not agree are unknown."""
    camera = scene.cameras[view]
    people, frames = scene.points.shape[:2]
    drawn = project(camera, scene.points)[0]
    boxes = np.array([[body_box(camera, x) for x in person] for person in scene.points])
    levels = np.stack(
        [visibility(camera, scene.points[:, f], in_front) for f in range(frames)], axis=1
    )
    levels[~known_joints(scene, view)] = Visibility.UNKNOWN
    assert levels.shape[:2] == (people, frames)
    return PerceptionTruth(drawn, levels, boxes, camera.image_size)


def known_joints(scene: Reconstruction, view: int) -> Bool[np.ndarray, "P F 17"]:
    """Joints that enough other views agree on, and that stay where they are without this one."""
    others = np.delete(scene.support, view, axis=-1) > MIN_SUPPORT
    change = view_change(scene, view)
    return np.asarray((others.sum(axis=-1) >= MIN_OTHERS) & (change <= MAX_CHANGE))


def view_change(scene: Reconstruction, view: int) -> Float[np.ndarray, "P F 17"]:
    """How far each joint moves in a view when the view's witnesses are left out, as a share of the
    longer side of the person's box."""
    camera = scene.cameras[view]
    moved = project(camera, scene.points)[0] - project(camera, scene.left_out[view])[0]
    boxes = np.array([[body_box(camera, x) for x in person] for person in scene.points])
    side = np.maximum(boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1])
    change = np.linalg.norm(moved, axis=-1) / side[..., None]
    return np.asarray(np.where(np.isfinite(change), change, np.inf))


def error_report(scene: Reconstruction, truths: Sequence[PerceptionTruth]) -> dict[str, object]:
    """The truth's own error: how far its COCO joints move in each view without that view."""
    rows: dict[str, object] = {}
    for view, truth in enumerate(truths):
        change = view_change(scene, view)
        kept = np.isin(truth.visibility, SCORED)
        hidden = truth.visibility == Visibility.OCCLUDED
        rows[f"view {view + 1}"] = {
            "known": round(float(kept.mean()), 4),
            "behind other": int((kept & hidden).sum()),
            "change, median share of box": round(float(np.median(change[kept])), 4),
            "change, 95 % share of box": round(float(np.quantile(change[kept], 0.95)), 4),
        }
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser("engine.multiview", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("videos", type=Path, help="folder of synchronous videos")
    parser.add_argument("calibration", type=Path, help="Qualisys .qca.txt")
    parser.add_argument("out", type=Path, help="folder for the truth")
    parser.add_argument("--people", type=int, default=2)
    parser.add_argument(
        "--in-front", type=int, nargs="*", default=[], metavar="PERSON",
        help="people (from 1) who were laid over the pictures and hide everybody else",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    videos = [probe(path) for path in sorted(given.videos.glob("*.mp4"))]
    scene = reconstruct(videos, read_qualisys(given.calibration), given.people, print)
    in_front = [person - 1 for person in given.in_front]
    truths = [truth_of_view(scene, view, in_front) for view in range(len(videos))]
    given.out.mkdir(parents=True, exist_ok=True)
    for video, truth in zip(videos, truths, strict=True):
        write_truth(given.out / f"{Path(video.path).stem}-truth.npz", truth)
    report = error_report(scene, truths)
    (given.out / "error.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))
