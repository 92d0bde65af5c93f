"""The people of one frame: several models look at each of them, and what they say is fused.

Where people overlap, each is looked at once more with the other painted over in grey. The region
that BlazePose looks at follows the person from frame to frame, so that somebody whom the detector
loses in an embrace is still followed for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from engine.perception.detection import clip_box, iou, keypoint_box, oks, pad_box, union
from engine.perception.keypoints import coco_of, fuse, halpe26
from engine.perception.ownership import settle_limbs
from engine.perception.runtime import BlazePose, PoseModels, Region
from engine.perception.segmentation import cover, crop_to_person, divide

Image = UInt8[np.ndarray, "H W 3"]

VIEW_SIDE = 640
"""Longer side in pixels of the part of the frame around the people, as the models see it."""
_MIN_PRESENCE = 0.5
_CONVERGED = 0.5
"""Two looks this alike (OKS) describe one person, not two."""
_UNDETECTED = 0.6
"""Confidence factor for a person whom the detector did not see in this frame."""
_MULTIPOSE, _THUNDER, _BLAZE = 1.8, 1.0, 0.9


@dataclass(frozen=True)
class Sighting:
    """What tracking knows of a person in a frame, in pixels of the frame."""

    colors: Float[np.ndarray, "10 4"]
    """What the person's body parts look like in the whole clip."""
    box: Float[np.ndarray, "4"] | None = None
    """Detected or drawn; None where the person was not found."""
    variants: Float[np.ndarray, "_ 17 3"] | None = None
    """The detector's keypoints, one per scale."""


@dataclass(frozen=True)
class Following:
    """What is carried from a frame to the next about a person."""

    box: Float[np.ndarray, "4"]
    region: Region
    missed: int
    """Frames since the detector last saw the person."""
    coco: Float[np.ndarray, "17 3"]
    """The joints as they were."""


@dataclass(frozen=True)
class Person:
    """One person of one frame, in pixels of the frame."""

    keypoints: Float[np.ndarray, "26 3"]
    box: Float[np.ndarray, "4"]
    mask: Bool[np.ndarray, "h w"]
    """Inside a window of the frame."""
    mask_origin: tuple[int, int]
    """x, y of the window in the frame."""
    following: Following


@dataclass(frozen=True)
class _View:
    """The part of a frame around the people, shrunk to at most VIEW_SIDE pixels."""

    image: Image
    origin: tuple[int, int]
    size: tuple[int, int]
    """Width and height in pixels of the frame."""
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
        scale = min(1.0, VIEW_SIDE / max(part.shape[:2]))
        if scale < 1.0:
            size = max(2, round(part.shape[1] * scale)), max(2, round(part.shape[0] * scale))
            part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA))
        return cls(np.ascontiguousarray(part), (x0, y0), (x1 - x0, y1 - y0), scale)

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

    def region(self, region: Region) -> Region:
        x, y = self.points(np.array([region.x, region.y]))
        return replace(region, x=float(x), y=float(y), side=region.side * self.scale)

    def frame_region(self, region: Region) -> Region:
        x, y = self.frame_points(np.array([region.x, region.y]))
        return replace(region, x=float(x), y=float(y), side=region.side / self.scale)


@dataclass(frozen=True)
class _Subject:
    """A person who may be in this frame, in pixels of the view."""

    person: int
    sighting: Sighting
    before: Following | None
    box: Float[np.ndarray, "4"]
    looks: tuple[BlazePose, ...] = ()
    """BlazePose's looks; the first one is at the picture as it is."""
    coco: Float[np.ndarray, "17 3"] | None = None
    """Fused COCO-17."""

    @property
    def size(self) -> float:
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1], 1.0))

    @property
    def detected(self) -> bool:
        return self.sighting.box is not None


def estimate(
    models: PoseModels,
    frame: Image,
    sightings: Sequence[Sighting],
    followed: Sequence[Following | None],
    patience: int,
) -> list[Person | None]:
    """Every person of a frame; None for one who is neither seen nor can be followed.

    `patience` is how many frames a person is followed without being detected.
    """
    people: list[Person | None] = [None] * len(sightings)
    boxes = {
        p: box
        for p, (sighting, before) in enumerate(zip(sightings, followed, strict=True))
        if (box := _expected_box(sighting, before, patience)) is not None
    }
    if not boxes:
        return people
    view = _View.around(frame, list(boxes.values()))
    subjects = [_Subject(p, sightings[p], followed[p], view.box(box)) for p, box in boxes.items()]
    subjects = _distinct(_look(models, view, subjects), _first_pose)
    subjects = [_fuse(models, view, subject, subjects) for subject in subjects]
    subjects = _distinct(subjects, _fused_pose)
    for subject, person in zip(subjects, _finish(view, subjects), strict=True):
        people[subject.person] = person
    return people


def _expected_box(
    sighting: Sighting, before: Following | None, patience: int
) -> Float[np.ndarray, "4"] | None:
    if sighting.box is not None:
        return sighting.box
    return before.box if before is not None and before.missed < patience else None


def _first_pose(subject: _Subject) -> Float[np.ndarray, "17 3"]:
    return coco_of(subject.looks[0])


def _fused_pose(subject: _Subject) -> Float[np.ndarray, "17 3"]:
    assert subject.coco is not None
    return subject.coco


def _distinct(
    subjects: Sequence[_Subject], pose: Callable[[_Subject], Float[np.ndarray, "17 3"]]
) -> list[_Subject]:
    """Those who were detected, and those whom the models alone still see as somebody else."""
    kept = []
    for subject in subjects:
        others = [oks(pose(subject), pose(other)) for other in subjects if other is not subject]
        somebody = subject.looks[0].presence > _MIN_PRESENCE
        if subject.detected or (somebody and max(others, default=0.0) < _CONVERGED):
            kept.append(subject)
    return kept


def _look(models: PoseModels, view: _View, subjects: Sequence[_Subject]) -> list[_Subject]:
    """BlazePose on each person, told apart where two looks fell onto the same one."""
    looks = models.blazepose(view.image, [_start_region(view, s) for s in subjects])
    looked = [replace(s, looks=(look,)) for s, look in zip(subjects, looks, strict=True)]
    for i, j in combinations(range(len(looked)), 2):
        if oks(_first_pose(looked[i]), _first_pose(looked[j])) > _CONVERGED:
            fit = {k: iou(keypoint_box(_first_pose(looked[k])), looked[k].box) for k in (i, j)}
            loser, winner = (i, j) if fit[i] < fit[j] else (j, i)
            covered = cover(view.image, looked[winner].looks[0].image_mask(view.image_size))
            region = Region.of_box(looked[loser].box, 1.25)
            again = models.blazepose(covered, [region])[0]
            looked[loser] = replace(looked[loser], looks=(again,))
    return looked


def _start_region(view: _View, subject: _Subject) -> Region:
    """From the detection; where there is none, where BlazePose last expected the person.

    The detection comes first even though following is smoother: in an embrace the region that
    follows one person slides over onto the other within a few frames.
    """
    if subject.sighting.variants is not None:
        return _region_of_pose(view.points(subject.sighting.variants[0]), subject.box)
    if subject.before is not None and subject.sighting.box is None:
        return view.region(subject.before.region)
    return Region.of_box(subject.box, 1.25)


def _region_of_pose(points: Float[np.ndarray, "17 3"], box: Float[np.ndarray, "4"]) -> Region:
    """The square around a pose in the frame of its torso, which it turns upright."""
    hips, shoulders = points[[11, 12], :2].mean(axis=0), points[[5, 6], :2].mean(axis=0)
    along = shoulders - hips
    angle = float(np.arctan2(along[0], -along[1]))
    seen = points[points[:, 2] > 0.2, :2]
    if len(seen) < 6 or not np.isfinite(angle):
        return Region.of_box(box, 1.25)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    upright = (seen - hips) @ turn
    low, high = upright.min(axis=0), upright.max(axis=0)
    x, y = hips + turn @ ((low + high) / 2)
    return Region(float(x), float(y), float((high - low).max() * 1.3 + 1.0), angle)


def _without_others(view: _View, subject: _Subject, subjects: Sequence[_Subject]) -> Image:
    """The view with everybody painted over who overlaps the person, except where that is theirs."""
    image = view.image
    for other in subjects:
        overlap = iou(pad_box(other.box, 0.03), pad_box(subject.box, 0.03)) > 0
        if other is not subject and overlap:
            mine, theirs = (s.looks[0].image_mask(view.image_size) for s in (subject, other))
            image = cover(image, theirs - mine)
    return image


def _fuse(
    models: PoseModels, view: _View, subject: _Subject, subjects: Sequence[_Subject]
) -> _Subject:
    """Let every model say where the person's joints are, and fuse what they say."""
    image = _without_others(view, subject, subjects)
    looks = subject.looks
    if image is not view.image:
        looks += tuple(models.blazepose(image, [looks[0].next_region]))
    witnesses = [coco_of(look) for look in looks]
    weights = [_BLAZE * look.presence for look in looks]
    variants = () if subject.sighting.variants is None else tuple(subject.sighting.variants)
    # Alone and seen by the detector at every scale, a person needs no second opinion.
    clear = image is view.image and len(variants) > 1
    for scale in (1.15,) if clear else (1.05, 1.3):
        witnesses.append(models.thunder(image, Region.of_box(subject.box, scale)))
        weights.append(_THUNDER)
    for variant in variants:
        witnesses.append(view.points(variant))
        weights.append(_MULTIPOSE / len(variants))
    before = None if subject.before is None else view.points(subject.before.coco)
    fused = fuse(witnesses, weights, subject.size, before)
    if not subject.detected:
        fused[:, 2] *= _UNDETECTED
    return replace(subject, looks=looks, coco=fused)


def _finish(view: _View, subjects: Sequence[_Subject]) -> list[Person]:
    """Contested limbs settled, feet and head added, masks divided, all back in the frame."""
    poses = settle_limbs(
        view.image,
        [_fused_pose(s) for s in subjects],
        [s.sighting.colors for s in subjects],
        [s.size for s in subjects],
    )
    joints = [halpe26(pose, s.looks, s.size) for pose, s in zip(poses, subjects, strict=True)]
    soft = [_soft_mask(s.looks, view.image_size) for s in subjects]
    masks = divide(soft, joints)
    return [
        _person(view, subject, points, mask)
        for subject, points, mask in zip(subjects, joints, masks, strict=True)
    ]


def _soft_mask(looks: Sequence[BlazePose], size: tuple[int, int]) -> Float[np.ndarray, "H W"]:
    """Mean of the looks' masks, each counted only where it looked: none cuts off a head or foot."""
    total = np.sum([look.image_mask(size) for look in looks], axis=0)
    covered = np.zeros(size[::-1], np.uint8)
    for look in looks:
        seen = np.zeros_like(covered)
        cv2.fillConvexPoly(seen, np.rint(look.region.corners).astype(np.int32), 1)
        covered += seen
    return np.asarray(total / np.maximum(covered, 1), np.float32)


def _person(
    view: _View,
    subject: _Subject,
    joints: Float[np.ndarray, "26 3"],
    mask: Bool[np.ndarray, "H W"],
) -> Person:
    found = _joint_box(joints)
    tight = pad_box(found, 0.03) if np.isfinite(found).all() else subject.box
    box = view.frame_points(tight.reshape(2, 2)).ravel()
    kept = crop_to_person(mask, pad_box(tight, 0.12)).astype(np.uint8)
    before = subject.before
    missed = 0 if subject.detected or before is None else before.missed + 1
    keypoints = view.frame_points(joints)
    region = view.frame_region(subject.looks[0].next_region)
    return Person(
        keypoints=keypoints,
        box=box,
        mask=np.asarray(cv2.resize(kept, view.size, interpolation=cv2.INTER_LINEAR)) > 0,
        mask_origin=view.origin,
        following=Following(box, region, missed, keypoints[:17]),
    )


def _joint_box(points: Float[np.ndarray, "26 3"]) -> Float[np.ndarray, "4"]:
    """Box of the joints found, the top of the head and the feet among them."""
    seen = points[points[:, 2] > 0.15, :2]
    if not len(seen):
        return np.full(4, np.nan)
    return np.concatenate([seen.min(axis=0), seen.max(axis=0)])
