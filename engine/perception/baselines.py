"""Plain ways to find two people in a video, to measure `perceive` against; used for nothing else.

`multipose_alone` is the detector by itself. `fused_frame_by_frame` lets three models look at each
person in every frame and takes the densest cluster of what they say; both go forward through the
video once, give each detection to the nearest person of the frame before, and know nothing of
the frames to come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float, UInt8

from engine.errors import InputError
from engine.perception.keypoints import COCO_OF_BLAZE
from engine.perception.runtime import BlazePose, PoseModels, Region
from engine.structures import FrameRange, Observations, VideoInfo
from engine.video import VideoReader

Image = UInt8[np.ndarray, "H W 3"]
Pose = Float[np.ndarray, "17 3"]
SIDES = (256, 384, 544, 768)
"""Longer sides in pixels of the frame as MultiPose sees it."""
_MIN_SCORE, _SEEN = 0.2, 0.2
_SAME = 0.08
"""Poses this close (mean distance of joints, share of the body) are one person at two scales."""
_LOST = 1.0
"""A detection further than this share of the body from every person is nobody's."""
_AGREE = 0.04
"""Witnesses agree on a joint within about this share of the body."""
_GREY = 128
_PRESENT = 0.5


@dataclass(frozen=True)
class _Found:
    """People of one frame, surest first."""

    poses: list[Pose]
    scores: list[float]


def multipose_alone(video: VideoInfo, frames: FrameRange, count: int = 2) -> Observations:
    """MultiPose at whichever scale is surest of `count` people, frame by frame."""
    models = PoseModels()
    people: list[Pose | None] = [None] * count
    rows = _Rows.empty(video, count)
    with VideoReader(video) as reader:
        for f, image in reader.frames(frames):
            scales = [_people(models, image, side) for side in SIDES]
            best = max(scales, key=lambda found: sum(found.scores[:count]))
            chosen = _nearest(people, best.poses)
            for p, index in enumerate(chosen):
                if index is not None:
                    people[p] = best.poses[index]
                    rows.put(p, f, best.poses[index])
    return rows.observations(video)


def fused_frame_by_frame(video: VideoInfo, frames: FrameRange, count: int = 2) -> Observations:
    """MultiPose at all scales, BlazePose and Thunder, fused joint by joint in every frame."""
    models = PoseModels()
    people: list[Pose | None] = [None] * count
    regions: list[Region | None] = [None] * count
    rows = _Rows.empty(video, count)
    with VideoReader(video) as reader:
        for f, image in reader.frames(frames):
            groups = _groups([_people(models, image, side) for side in SIDES])
            chosen = _nearest(people, [group[0] for group in groups])
            seen = [[] if index is None else groups[index] for index in chosen]
            looks = _looks(models, image, seen, regions)
            for p, look in enumerate(looks):
                if look is None:
                    continue
                covered = _without(image, [o for q, o in enumerate(looks) if o and q != p], look)
                pose = _fused(models, covered, seen[p], look)
                people[p], regions[p] = pose, look.next_region
                rows.put(p, f, pose)
    return rows.observations(video)


BASELINES: Mapping[str, Callable[[VideoInfo, FrameRange, int], Observations]] = MappingProxyType(
    {"MultiPose alone": multipose_alone, "fused, frame by frame": fused_frame_by_frame}
)


def _people(models: PoseModels, image: Image, side: int) -> _Found:
    rows = models.multipose(image, min(1.0, side / max(image.shape[:2])))
    rows = rows[rows[:, 55] > _MIN_SCORE]
    rows = rows[np.argsort(-rows[:, 55], kind="stable")]
    return _Found([row[:51].reshape(17, 3) for row in rows], rows[:, 55].tolist())


def _groups(scales: Sequence[_Found]) -> list[list[Pose]]:
    """What all scales saw of each person, the person with most support first."""
    pairs = [
        (s, pose) for found in scales for pose, s in zip(found.poses, found.scores, strict=True)
    ]
    groups: list[list[Pose]] = []
    support: list[float] = []
    for score, pose in sorted(pairs, key=lambda pair: -pair[0]):
        near = [i for i, group in enumerate(groups) if _apart(group[0], pose) < _SAME]
        if near:
            groups[near[0]].append(pose)
            support[near[0]] += score
        else:
            groups.append([pose])
            support.append(score)
    return [groups[i] for i in np.argsort(-np.array(support), kind="stable").tolist()]


def _nearest(people: Sequence[Pose | None], poses: Sequence[Pose]) -> list[int | None]:
    """Each person's pose: the closest pair first. New people are the surest left, left to right."""
    chosen: list[int | None] = [None] * len(people)
    pairs = [
        (_apart(before, pose), p, i)
        for p, before in enumerate(people)
        if before is not None
        for i, pose in enumerate(poses)
    ]
    for distance, p, i in sorted(pairs):
        if distance < _LOST and chosen[p] is None and i not in chosen:
            chosen[p] = i
    new = [p for p, before in enumerate(people) if before is None]
    rest = [i for i in range(len(poses)) if i not in chosen][: len(new)]
    rest.sort(key=lambda i: float(poses[i][:, 0].mean()))
    if len(rest) == len(new):
        for p, i in zip(new, rest, strict=True):
            chosen[p] = i
    return chosen


def _looks(
    models: PoseModels,
    image: Image,
    seen: Sequence[Sequence[Pose]],
    regions: Sequence[Region | None],
) -> list[BlazePose | None]:
    """BlazePose twice on each person: where it expects them, then where that look leads."""
    looks: list[BlazePose | None] = []
    for poses, region in zip(seen, regions, strict=True):
        start = region if not poses else Region.of_box(_box(poses[0]), 1.25)
        if start is None:
            looks.append(None)
            continue
        first = models.blazepose(image, [start])[0]
        second = models.blazepose(image, [first.next_region])[0]
        best = max((first, second), key=lambda look: look.presence)
        looks.append(best if poses or best.presence > _PRESENT else None)
    return looks


def _without(image: Image, others: Sequence[BlazePose], look: BlazePose) -> Image:
    """The picture with the others painted over in grey, except where the person is too."""
    size = (image.shape[1], image.shape[0])
    mine = look.image_mask(size)
    for other in others:
        theirs: Bool[np.ndarray, "H W"] = other.image_mask(size) > np.maximum(mine, _PRESENT)
        image = np.where(theirs[..., None], np.uint8(_GREY), image)
    return image


def _fused(models: PoseModels, image: Image, seen: Sequence[Pose], look: BlazePose) -> Pose:
    """Each joint at the densest cluster of the witnesses, its confidence their share there."""
    blaze = look.landmarks[list(COCO_OF_BLAZE)]
    box = _box(seen[0] if seen else blaze)
    thunder = [models.thunder(image, Region.of_box(box, scale)) for scale in (1.05, 1.3)]
    stack = np.stack([*seen, blaze, *thunder])
    weights = np.array([1.8 / max(len(seen), 1)] * len(seen) + [0.9 * look.presence, 1.0, 1.0])
    votes = stack[..., 2] * weights[:, None]
    size = float(max(box[2] - box[0], box[3] - box[1]))
    near = _kernel(stack[:, None, :, :2] - stack[None, ..., :2], size)
    top = np.einsum("ijk,jk->ik", near, votes).argmax(axis=0)
    at = stack[top, np.arange(17), :2]
    pull = votes * _kernel(stack[..., :2] - at, size)
    total = pull.sum(axis=0)
    at = (pull[..., None] * stack[..., :2]).sum(axis=0) / np.maximum(total, 1e-9)[:, None]
    return np.column_stack([at, np.clip(total / weights.sum(), 0.0, 1.0)])


def _kernel(offset: Float[np.ndarray, "... 2"], size: float) -> Float[np.ndarray, "..."]:
    return np.asarray(np.exp(-(offset**2).sum(axis=-1) / (2 * (_AGREE * size) ** 2)))


def _apart(a: Pose, b: Pose) -> float:
    """Mean distance of the joints that both saw, as a share of the first body's size."""
    weight = np.minimum(a[:, 2], b[:, 2]) + 1e-6
    distance = np.linalg.norm(a[:, :2] - b[:, :2], axis=1)
    box = _box(a)
    size = max(box[2] - box[0], box[3] - box[1], 1.0)
    return float((weight * distance).sum() / weight.sum() / size)


def _box(pose: Pose) -> Float[np.ndarray, "4"]:
    """Around the joints that are seen, with room for the head, hands and feet."""
    seen = pose[pose[:, 2] > _SEEN, :2]
    seen = seen if len(seen) > 2 else pose[:, :2]
    low, high = seen.min(axis=0), seen.max(axis=0)
    margin = 0.05 * float((high - low).max())
    return np.concatenate([low - margin, high + margin])


@dataclass(frozen=True)
class _Rows:
    """Observations while they are filled."""

    keypoints2d: Float[np.ndarray, "P F 17 2"]
    confidence: Float[np.ndarray, "P F 17"]
    boxes: Float[np.ndarray, "P F 4"]

    @classmethod
    def empty(cls, video: VideoInfo, count: int) -> _Rows:
        if count < 1:
            raise InputError("Nobody to look for", expected="1 person or more", received=str(count))
        shape = (count, video.frame_count)
        return cls(
            np.full((*shape, 17, 2), np.nan), np.zeros((*shape, 17)), np.full((*shape, 4), np.nan)
        )

    def put(self, person: int, frame: int, pose: Pose) -> None:
        self.keypoints2d[person, frame] = pose[:, :2]
        self.confidence[person, frame] = pose[:, 2]
        self.boxes[person, frame] = _box(pose)

    def observations(self, video: VideoInfo) -> Observations:
        return Observations(
            self.keypoints2d, self.confidence, "coco17", self.boxes, video.times, video.image_size
        )
