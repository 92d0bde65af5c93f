"""Keypoints that masks give to somebody else count for little.

Masks fail where people overlap, so within the overlap of two boxes only a mask that a person drew
says anything. Elsewhere a joint that lies on the other's mask, and away from its own person's, was
found on the wrong body.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np
from jaxtyping import Bool, Float

from engine.structures import Constraints, Observations, RunLengthMask

DOUBT = 0.1
"""Factor on the confidence of a keypoint that masks give to somebody else."""
REACH = 0.04
"""Around a mask, as a share of the longer side of the person's box: outlines are that rough."""
_AROUND = np.array([(0, 0), *((np.cos(a), np.sin(a)) for a in np.arange(8) * np.pi / 4)])


def gated(observations: Observations, constraints: Constraints) -> Observations:
    """The observations with less confidence in keypoints that are on somebody else's mask.

    As they were where there are no masks. Where a person drew a mask it stands in for what was
    found, and its own person's keypoints away from it are doubted too.
    """
    drawn = {(edit.person, edit.frame): edit.mask for edit in constraints.mask_edits}
    if observations.masks is None and not drawn:
        return observations
    confidence = observations.confidence.copy()
    for person, frame, doubted in _doubted(observations, drawn):
        confidence[person, frame, doubted] *= DOUBT
    return replace(observations, confidence=confidence)


def _doubted(
    observations: Observations, drawn: dict[tuple[int, int], RunLengthMask]
) -> Iterator[tuple[int, int, Bool[np.ndarray, "K"]]]:
    people, frames = range(observations.person_count), range(observations.frame_count)
    found = observations.masks
    for frame in frames:
        masks = [drawn.get((p, frame)) or (found[p][frame] if found else None) for p in people]
        boxes = observations.boxes[:, frame]
        points = np.nan_to_num(observations.keypoints2d[:, frame], nan=-1.0)
        near = [_near(mask, points[p], boxes[p]) for p, mask in enumerate(masks)]
        for person in people:
            if (person, frame) in drawn:
                yield person, frame, ~near[person]
        for person, other in permutations(people, 2):
            mask = masks[other]
            if mask is None or (person, frame) in drawn:
                continue
            on_other = inside(mask, points[person])
            if (other, frame) not in drawn:
                both = _within(points[person], boxes[person]) & _within(
                    points[person], boxes[other]
                )
                on_other &= ~both
            yield person, frame, on_other & ~near[person]


def inside(mask: RunLengthMask, points: Float[np.ndarray, "*n 2"]) -> Bool[np.ndarray, "*n"]:
    """Which points (pixels; 0..1 is the first one) lie on a mask, without decoding it."""
    height, width = mask.size
    column, row = np.floor(points[..., 0]), np.floor(points[..., 1])
    there = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place = np.where(there, column * height + row, 0)
    run = np.searchsorted(np.cumsum(mask.counts), place, side="right")
    return np.asarray(there & (run % 2 == 1), bool)


def _near(
    mask: RunLengthMask | None, points: Float[np.ndarray, "K 2"], box: Float[np.ndarray, "4"]
) -> Bool[np.ndarray, "K"]:
    """Which points lie on a mask or a little beside it."""
    if mask is None:
        return np.zeros(len(points), bool)
    longest = float(np.nan_to_num(max(box[2] - box[0], box[3] - box[1]), nan=0.0))
    return np.asarray(inside(mask, points[:, None] + REACH * longest * _AROUND).any(axis=1))


def _within(points: Float[np.ndarray, "K 2"], box: Float[np.ndarray, "4"]) -> Bool[np.ndarray, "K"]:
    return np.asarray(((points >= box[:2]) & (points <= box[2:])).all(axis=1), bool)
