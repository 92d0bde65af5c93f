"""What each model says of each person of one frame: witnesses, kept apart until all frames spoke.

Where people overlap, each is looked at once more with the other painted over in grey. Nothing here
decides where a joint is: `engine.perception.fusion` does, over the whole window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import combinations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from engine.perception.detection import (
    PERSON_HEIGHTS,
    box_heights,
    clip_box,
    iou,
    keypoint_box,
    oks,
    pad_box,
    part_colors,
    union,
)
from engine.perception.keypoints import coco_of
from engine.perception.runtime import BlazePose, PoseModels, Region
from engine.perception.segmentation import cover, limb_mask

Image = UInt8[np.ndarray, "H W 3"]

VIEW_SIDE = 640
"""Longer side in pixels of the part of the frame around the people, as the models see it."""
PERSON_SIDE = 300
"""Unless people would be smaller in it than this."""
_CONVERGED = 0.5
"""Two looks this alike (OKS) describe one person, not two."""
_SURE_TORSO = 0.25
"""Least confidence of shoulders and hips that tell how a body leans."""
_MASK_SIDE = 256
"""Longer side in pixels of a kept mask."""


class Source(IntEnum):
    """Whose look a witness is."""

    MULTIPOSE = 0
    THUNDER = 1
    BLAZEPOSE = 2
    CROWDED_BLAZEPOSE = 3
    """BlazePose at a picture with somebody else in reach, who is not painted over."""


@dataclass(frozen=True)
class Sighting:
    """What tracking knows of a person in a frame, in pixels of the frame."""

    box: Float[np.ndarray, "4"]
    pose: Float[np.ndarray, "17 3"] | None = None
    """COCO-17 as detected, or between detections as the neighbours say; None: only the box."""
    variants: Float[np.ndarray, "_ 17 3"] | None = None
    """The detector's keypoints, one per scale; None where the detector did not see the person."""

    @property
    def detected(self) -> bool:
        return self.variants is not None


@dataclass(frozen=True)
class SoftMask:
    """Probability of a person inside a window of the frame, shrunk."""

    window: tuple[int, int, int, int]
    """x, y, width, height in pixels of the frame."""
    values: UInt8[np.ndarray, "h w"]
    """0..255."""


@dataclass(frozen=True)
class Witnesses:
    """What W looks say of one person in one frame, in pixels of the frame."""

    box: Float[np.ndarray, "4"]
    detected: bool
    points: Float[np.ndarray, "W 17 3"]
    """COCO-17: x, y, confidence of the model itself."""
    sources: tuple[Source, ...]
    """Whose look each witness is; BlazePose's B looks come first."""
    presence: Float[np.ndarray, "B"]
    """How sure each of BlazePose's looks is that there is a person at all."""
    landmarks: Float[np.ndarray, "B 33 3"]
    """What BlazePose sees beyond COCO-17."""
    colors: Float[np.ndarray, "W 10 4"]
    """What lies along each body part, if the witness is right (`detection.part_colors`)."""
    mask: SoftMask | None = field(default=None, compare=False)

    @property
    def size(self) -> float:
        """The longer side of the box in pixels."""
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1], 1.0))


Heard = Sequence[Witnesses | None]
"""One frame: each person's witnesses, or None for who is not looked for."""


@dataclass(frozen=True)
class _View:
    """The part of a frame around the people, shrunk."""

    image: Image
    origin: tuple[int, int]
    scale: float

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height in pixels of the view."""
        return self.image.shape[1], self.image.shape[0]

    @classmethod
    def around(cls, frame: Image, boxes: Sequence[Float[np.ndarray, "4"]]) -> _View:
        window = clip_box(pad_box(union(boxes), 0.3), frame.shape[1], frame.shape[0])
        x0, y0, x1, y1 = (int(v) for v in window)
        x0, y0 = min(x0, frame.shape[1] - 2), min(y0, frame.shape[0] - 2)
        x1, y1 = max(x1, x0 + 2), max(y1, y0 + 2)
        part = frame[y0:y1, x0:x1]
        # People who stand far apart must not become small.
        tall = float(np.median(box_heights(np.stack(boxes))))
        scale = min(1.0, max(VIEW_SIDE / max(part.shape[:2]), PERSON_SIDE / max(tall, 1.0)))
        if scale < 1.0:
            size = max(2, round(part.shape[1] * scale)), max(2, round(part.shape[0] * scale))
            part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA))
        return cls(np.ascontiguousarray(part), (x0, y0), scale)

    def points(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2 or 3) of the frame in the view."""
        moved = np.array(points, np.float64)
        moved[..., :2] = (moved[..., :2] - self.origin) * self.scale
        return moved

    def frame_points(self, points: np.ndarray) -> np.ndarray:
        moved = np.array(points, np.float64)
        moved[..., :2] = moved[..., :2] / self.scale + self.origin
        return moved

    def box(self, box: Float[np.ndarray, "4"]) -> Float[np.ndarray, "4"]:
        return np.asarray(self.points(box.reshape(2, 2)).ravel())


@dataclass(frozen=True)
class _Subject:
    """A person who is looked at, in pixels of the view."""

    person: int
    box: Float[np.ndarray, "4"]
    pose: Float[np.ndarray, "17 3"] | None
    variants: Float[np.ndarray, "_ 17 3"]
    detected: bool
    looks: tuple[BlazePose, ...] = ()
    """BlazePose's looks; the first one is at the picture as it is."""

    @property
    def size(self) -> float:
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1], 1.0))

    @property
    def first(self) -> Float[np.ndarray, "17 3"]:
        return coco_of(self.looks[0])


def hear(
    models: PoseModels,
    frame: Image,
    sightings: Sequence[Sighting | None],
    beside: Sequence[Float[np.ndarray, "17 3"]] = (),
) -> list[Witnesses | None]:
    """Let every model look at every person of a frame; None for one who is not looked for.

    `beside` are the poses of other people, who are painted over where they overlap.
    """
    heard: list[Witnesses | None] = [None] * len(sightings)
    sought = [(p, s) for p, s in enumerate(sightings) if s is not None]
    if not sought:
        return heard
    view = _View.around(frame, [s.box for _, s in sought])
    subjects = _look(models, view, [_subject(view, p, s) for p, s in sought])
    strangers = [_stranger(view, pose) for pose in beside]
    lab = np.asarray(cv2.cvtColor(view.image, cv2.COLOR_RGB2LAB))
    for subject in subjects:
        image = _without_others(view, subject, [*subjects, *strangers])
        heard[subject.person] = _question(models, view, (image, lab), subject)
    return heard


def _stranger(view: _View, pose: Float[np.ndarray, "17 3"]) -> _Subject:
    """Somebody who is not looked at, only painted over."""
    seen = view.points(pose)
    return _Subject(-1, keypoint_box(seen), seen, seen[None], True)


def _subject(view: _View, person: int, sighting: Sighting) -> _Subject:
    variants = sighting.variants if sighting.variants is not None else np.zeros((0, 17, 3))
    return _Subject(
        person,
        view.box(sighting.box),
        None if sighting.pose is None else view.points(sighting.pose),
        view.points(variants),
        sighting.detected,
    )


def _look(models: PoseModels, view: _View, subjects: Sequence[_Subject]) -> list[_Subject]:
    """BlazePose on each person, told apart where two looks fell onto the same one."""
    looks = models.blazepose(view.image, [_start_region(s) for s in subjects])
    looked = [replace(s, looks=(look,)) for s, look in zip(subjects, looks, strict=True)]
    for i, j in combinations(range(len(looked)), 2):
        if oks(looked[i].first, looked[j].first) > _CONVERGED:
            fit = {k: iou(keypoint_box(looked[k].first), looked[k].box) for k in (i, j)}
            loser, winner = (i, j) if fit[i] < fit[j] else (j, i)
            covered = cover(view.image, looked[winner].looks[0].image_mask(view.image_size))
            region = Region.of_box(looked[loser].box, 1.25)
            again = models.blazepose(covered, [region])[0]
            looked[loser] = replace(looked[loser], looks=(again,))
    return looked


def _start_region(subject: _Subject) -> Region:
    """From the detection, not from the last look: in an embrace that slides onto the other one."""
    if subject.pose is not None:
        return _region_of_pose(subject.pose, subject.box)
    return Region.of_box(subject.box, 1.25)


def _region_of_pose(points: Float[np.ndarray, "17 3"], box: Float[np.ndarray, "4"]) -> Region:
    """The square around a pose in the frame of its torso, which it turns upright."""
    hips, shoulders = points[[11, 12], :2].mean(axis=0), points[[5, 6], :2].mean(axis=0)
    along = shoulders - hips
    seen = points[points[:, 2] > 0.2, :2]
    if len(seen) < 6 or not np.isfinite(along).all():
        return Region.of_box(box, 1.25)
    # Hips that are out of the picture or hidden do not tell which way the body leans.
    sure = points[[5, 6, 11, 12], 2].min() > _SURE_TORSO
    angle = float(np.arctan2(along[0], -along[1])) if sure else 0.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    upright = (seen - hips) @ turn
    low, high = upright.min(axis=0), upright.max(axis=0)
    x, y = hips + turn @ ((low + high) / 2)
    return Region(float(x), float(y), float((high - low).max() * 1.3 + 1.0), angle)


def _without_others(view: _View, subject: _Subject, subjects: Sequence[_Subject]) -> Image:
    """The view with everybody painted over who overlaps the person, except where that is theirs.

    What is the person's is told by the limbs that the detector saw: a mask of one of two people
    who touch runs over onto the other.
    """
    image = view.image
    for other in subjects:
        overlap = iou(pad_box(other.box, 0.03), pad_box(subject.box, 0.03)) > 0
        if other is subject or not overlap:
            continue
        mine = subject.looks[0].image_mask(view.image_size)
        if subject.detected and subject.pose is not None:
            mine = limb_mask(subject.pose, view.image_size, subject.size)
        theirs = np.zeros_like(mine)
        if other.looks:
            theirs = other.looks[0].image_mask(view.image_size)
        if other.detected and other.pose is not None:
            theirs = np.maximum(theirs, limb_mask(other.pose, view.image_size, other.size))
        image = cover(image, np.clip(theirs - mine, 0.0, 1.0))
    return image


def _question(
    models: PoseModels, view: _View, pictures: tuple[Image, Image], subject: _Subject
) -> Witnesses:
    """Everything that the models say of one person.

    `pictures` are the view with others painted over, and the whole view as CIE L*a*b*.
    """
    image, lab = pictures
    looks, variants = subject.looks, subject.variants
    crowded = image is not view.image
    sources = [Source.CROWDED_BLAZEPOSE if crowded else Source.BLAZEPOSE]
    if crowded:
        looks += tuple(models.blazepose(image, [looks[0].next_region]))
        sources.append(Source.BLAZEPOSE)
        if not subject.detected:
            variants = _detect_covered(models, image, subject)
    points = [coco_of(look) for look in looks]
    for region in _thunder_regions(subject, variants, crowded):
        points.append(models.thunder(image, region))
        sources.append(Source.THUNDER)
    points += list(variants)
    sources += [Source.MULTIPOSE] * len(variants)
    return Witnesses(
        box=view.frame_points(subject.box.reshape(2, 2)).ravel(),
        detected=subject.detected,
        points=view.frame_points(np.stack(points)),
        sources=tuple(sources),
        presence=np.array([look.presence for look in looks]),
        landmarks=view.frame_points(np.stack([look.landmarks for look in looks])),
        colors=np.stack([part_colors(lab, p, seen=0.05) for p in points]),
        mask=_soft_mask(view, subject, looks),
    )


def _thunder_regions(
    subject: _Subject, variants: Float[np.ndarray, "_ 17 3"], crowded: bool
) -> list[Region]:
    """Where Thunder looks: turned with the body, and upright, as it errs differently on the two.

    Alone and seen by the detector at every scale, a person needs no second opinion.
    """
    pose = variants[0] if len(variants) else subject.pose
    turned = _region_of_pose(subject.first if pose is None else pose, subject.box)
    if not crowded and len(variants) > 1:
        return [turned]
    return [turned, Region.of_box(subject.box, 1.3)]


def _detect_covered(
    models: PoseModels, image: Image, subject: _Subject
) -> Float[np.ndarray, "_ 17 3"]:
    """The person whom the detector missed, looked for with the others painted over."""
    x0, y0, x1, y1 = clip_box(pad_box(subject.box, 0.2), image.shape[1], image.shape[0]).astype(int)
    if x1 - x0 < 8 or y1 - y0 < 8:
        return subject.variants
    scale = min(PERSON_HEIGHTS[-1] / subject.size, 4.0)
    people = models.multipose(image[y0:y1, x0:x1], scale)
    people = people[people[:, 55] > 0.15]
    points = people[:, :51].reshape(-1, 17, 3) + np.array([x0, y0, 0.0])
    fits = [iou(keypoint_box(p), subject.box) for p in points]
    if not fits or max(fits) < 0.4:
        return subject.variants
    return np.asarray(points[int(np.argmax(fits))][None])


def _soft_mask(view: _View, subject: _Subject, looks: Sequence[BlazePose]) -> SoftMask | None:
    """Mean of the looks' masks, each counted only where it looked: none cuts off a head or foot."""
    width, height = view.image_size
    x0, y0, x1, y1 = (int(v) for v in clip_box(pad_box(subject.box, 0.15), width, height))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    total = np.zeros((height, width), np.float32)
    covered = np.zeros((height, width), np.uint8)
    for look in looks:
        total += look.image_mask(view.image_size)
        seen = np.zeros_like(covered)
        cv2.fillConvexPoly(seen, np.rint(look.region.corners).astype(np.int32), 1)
        covered += seen
    mean = np.asarray((total / np.maximum(covered, 1))[y0:y1, x0:x1], np.float32)
    shrink = min(1.0, _MASK_SIDE / max(mean.shape))
    if shrink < 1.0:
        mean = np.asarray(
            cv2.resize(mean, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.float32
        )
    low, high = np.rint(view.frame_points(np.array([[x0, y0], [x1, y1]], np.float64))).astype(int)
    window = (int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
    return SoftMask(window, np.rint(np.clip(mean, 0, 1) * 255).astype(np.uint8))
