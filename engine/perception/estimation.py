"""The people of one frame: several models look at each of them, and what they say is fused.

Where people overlap, each is looked at once more with the other painted over in grey. The region
that BlazePose looks at follows the person from frame to frame, so that somebody whom the detector
loses in an embrace is still followed for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
_CONVERGED = 0.55
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
    boxes: list[Float[np.ndarray, "4"] | None] = [
        sighting.box
        if sighting.box is not None
        else (before.box if before is not None and before.missed < patience else None)
        for sighting, before in zip(sightings, followed, strict=True)
    ]
    present = [p for p, box in enumerate(boxes) if box is not None]
    people: list[Person | None] = [None] * len(boxes)
    if not present:
        return people
    known = [box for box in boxes if box is not None]
    view = _View.around(frame, known)
    local = [view.box(box) for box in known]
    looks = _first_looks(models, view, local, [sightings[p] for p in present],
                         [followed[p] for p in present])  # fmt: skip
    keep = _keep(looks, [sightings[p] for p in present])
    present, local = [present[i] for i in keep], [local[i] for i in keep]
    looks = [looks[i] for i in keep]
    coco = []
    second: list[list[BlazePose]] = []
    for i, p in enumerate(present):
        points, extra = _all_witnesses(models, view, i, local, looks, sightings[p])
        coco.append(points)
        second.append(extra)
    sizes = [_size(box) for box in local]
    coco = settle_limbs(view.image, coco, [sightings[p].colors for p in present], sizes)
    full = [halpe26(c, s, z) for c, s, z in zip(coco, second, sizes, strict=True)]
    masks = _masks(view, looks, full)
    for i, p in enumerate(present):
        people[p] = _person(view, full[i], masks[i], looks[i], sightings[p], followed[p], local[i])
    return people


def _size(box: Float[np.ndarray, "4"]) -> float:
    return float(max(box[2] - box[0], box[3] - box[1], 1.0))


def _first_looks(
    models: PoseModels,
    view: _View,
    boxes: Sequence[Float[np.ndarray, "4"]],
    sightings: Sequence[Sighting],
    followed: Sequence[Following | None],
) -> list[BlazePose]:
    """BlazePose on each person, told apart where two looks fell onto the same one."""
    regions = [
        _start_region(view, box, s, f) for box, s, f in zip(boxes, sightings, followed, strict=True)
    ]
    looks = models.blazepose(view.image, regions)
    for i in range(len(looks)):
        for j in range(i):
            if oks(coco_of(looks[i]), coco_of(looks[j])) > _CONVERGED:
                loser = min((i, j), key=lambda p: iou(keypoint_box(coco_of(looks[p])), boxes[p]))
                winner = i + j - loser
                covered = _cover_others(view, looks, boxes, loser, [winner])
                region = Region.of_box(boxes[loser], 1.25)
                looks[loser] = models.blazepose(covered, [region])[0]
    return looks


def _start_region(
    view: _View, box: Float[np.ndarray, "4"], sighting: Sighting, before: Following | None
) -> Region:
    """Where BlazePose last expected the person, if that still fits; else from the detection."""
    if before is not None:
        region = view.region(before.region)
        centre = (box[:2] + box[2:]) / 2
        near = np.hypot(region.x - centre[0], region.y - centre[1]) < 0.25 * _size(box)
        if near and 0.8 < region.side / _size(box) < 2.0:
            return region
    if sighting.variants is not None:
        return _region_of_pose(view.points(sighting.variants[0]), box)
    return Region.of_box(box, 1.25)


def _region_of_pose(points: Float[np.ndarray, "17 3"], box: Float[np.ndarray, "4"]) -> Region:
    """The square around a pose in the frame of its torso, which it turns upright."""
    hips, shoulders = points[[11, 12], :2].mean(axis=0), points[[5, 6], :2].mean(axis=0)
    along = shoulders - hips
    angle = float(np.arctan2(along[0], -along[1]))
    seen = points[points[:, 2] > 0.2, :2]
    if len(seen) < 6 or not np.isfinite(angle):
        return Region.of_box(box, 1.25)
    cos, sin = np.cos(angle), np.sin(angle)
    upright = (seen - hips) @ np.array([[cos, -sin], [sin, cos]])
    low, high = upright.min(axis=0), upright.max(axis=0)
    x, y = hips + np.array([[cos, -sin], [sin, cos]]) @ ((low + high) / 2)
    return Region(float(x), float(y), float((high - low).max() * 1.3 + 1.0), angle)


def _keep(looks: Sequence[BlazePose], sightings: Sequence[Sighting]) -> list[int]:
    """Those who were detected, and those whom BlazePose alone still sees as somebody else."""
    kept = []
    for i, (look, sighting) in enumerate(zip(looks, sightings, strict=True)):
        others = [oks(coco_of(look), coco_of(o)) for j, o in enumerate(looks) if j != i]
        alone = look.presence > _MIN_PRESENCE and max(others, default=0.0) < _CONVERGED
        if sighting.box is not None or alone:
            kept.append(i)
    return kept


def _cover_others(
    view: _View,
    looks: Sequence[BlazePose],
    boxes: Sequence[Float[np.ndarray, "4"]],
    person: int,
    others: Sequence[int] | None = None,
) -> Image:
    """The view with everybody painted over who overlaps the person, except where that is theirs."""
    height, width = view.image.shape[:2]
    own = looks[person].image_mask((width, height)) if others is None else np.float32(0.0)
    image = view.image
    for other in others if others is not None else range(len(looks)):
        if other != person and iou(pad_box(boxes[other], 0.03), pad_box(boxes[person], 0.03)) > 0:
            image = cover(image, looks[other].image_mask((width, height)) - own)
    return image


def _all_witnesses(
    models: PoseModels,
    view: _View,
    person: int,
    boxes: Sequence[Float[np.ndarray, "4"]],
    looks: Sequence[BlazePose],
    sighting: Sighting,
) -> tuple[Float[np.ndarray, "17 3"], list[BlazePose]]:
    """Fused COCO-17 in the view, and BlazePose's looks at the person."""
    box, blaze = boxes[person], [looks[person]]
    image = _cover_others(view, looks, boxes, person)
    if image is not view.image:
        blaze += models.blazepose(image, [looks[person].next_region])
    witnesses = [coco_of(look) for look in blaze]
    weights = [_BLAZE * look.presence for look in blaze]
    # Alone and seen by the detector at every scale, a person needs no second opinion.
    clear = image is view.image and sighting.variants is not None and len(sighting.variants) > 1
    for scale in (1.15,) if clear else (1.05, 1.3):
        witnesses.append(models.thunder(image, Region.of_box(box, scale)))
        weights.append(_THUNDER)
    if sighting.variants is not None:
        for variant in sighting.variants:
            witnesses.append(view.points(variant))
            weights.append(_MULTIPOSE / len(sighting.variants))
    fused = fuse(witnesses, weights, _size(box))
    if sighting.box is None:
        fused[:, 2] *= _UNDETECTED
    return fused, blaze


def _masks(
    view: _View, looks: Sequence[BlazePose], keypoints: Sequence[Float[np.ndarray, "26 3"]]
) -> list[Bool[np.ndarray, "H W"]]:
    height, width = view.image.shape[:2]
    masks = divide([look.image_mask((width, height)) for look in looks], keypoints)
    boxes = [pad_box(_joint_box(points), 0.1) for points in keypoints]
    return [crop_to_person(mask, box) for mask, box in zip(masks, boxes, strict=True)]


def _joint_box(points: Float[np.ndarray, "26 3"]) -> Float[np.ndarray, "4"]:
    """Box of the joints found, the top of the head and the feet among them."""
    seen = points[points[:, 2] > 0.15, :2]
    if not len(seen):
        return np.full(4, np.nan)
    return np.concatenate([seen.min(axis=0), seen.max(axis=0)])


def _person(
    view: _View,
    keypoints: Float[np.ndarray, "26 3"],
    mask: Bool[np.ndarray, "H W"],
    look: BlazePose,
    sighting: Sighting,
    before: Following | None,
    box: Float[np.ndarray, "4"],
) -> Person:
    tight = pad_box(_joint_box(keypoints), 0.03)
    tight = np.where(np.isfinite(tight), tight, box)
    in_frame = view.frame_points(tight.reshape(2, 2)).ravel()
    missed = 0 if sighting.box is not None or before is None else before.missed + 1
    large = cv2.resize(mask.astype(np.uint8), view.size, interpolation=cv2.INTER_LINEAR)
    return Person(
        keypoints=view.frame_points(keypoints),
        box=in_frame,
        mask=np.asarray(large) > 0,
        mask_origin=view.origin,
        following=Following(in_frame, view.frame_region(look.next_region), missed),
    )
