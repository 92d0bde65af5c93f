"""2D keypoints against the true ones, in pixels. P people, Q other rows, F frames, K keypoints."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from engine.body.joints import COCO_SIGMAS

RIGHT = 0.05
"""A keypoint is right within this share of the longer side of the person's true box."""
_BODY_SHARE = 0.53
"""Of the box that the body fills: COCO's stand-in for the segment's area."""


def keypoint_errors(
    points: Float[np.ndarray, "P F K 2"], truth: Float[np.ndarray, "P F K 2"]
) -> Float[np.ndarray, "P F K"]:
    """Distances in pixels; NaN where either is missing."""
    return np.asarray(np.linalg.norm(points - truth, axis=-1))


def longer_sides(boxes: Float[np.ndarray, "*N 4"]) -> Float[np.ndarray, "*N"]:
    """Of boxes x0, y0, x1, y1, pixels."""
    sides: np.ndarray = (boxes[..., 2:] - boxes[..., :2]).max(axis=-1)
    return sides


def object_keypoint_similarity(
    truth: Float[np.ndarray, "P F 17 2"],
    counts: Bool[np.ndarray, "P F 17"],
    boxes: Float[np.ndarray, "P F 4"],
    points: Float[np.ndarray, "Q F 17 2"],
) -> Float[np.ndarray, "P Q F"]:
    """OKS of every true person with every other row, over the keypoints that count; one that is
    missing adds nothing. 0..1.

    Source: COCO's keypoint evaluation and its constants, with the share of the (true) box that a
    body fills in place of the segment's area.
    """
    area = _BODY_SHARE * np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)
    squared = ((truth[:, None] - points[None]) ** 2).sum(axis=-1)
    spread = 2 * np.maximum(area, 1.0)[:, None, :, None] * (2 * COCO_SIGMAS) ** 2
    near = np.nan_to_num(np.exp(-squared / spread)) * counts[:, None]
    return np.asarray(near.sum(axis=-1) / np.maximum(counts.sum(axis=-1), 1)[:, None])


def box_iou(a: Float[np.ndarray, "*#N 4"], b: Float[np.ndarray, "*#N 4"]) -> np.ndarray:
    """Intersection over union of boxes x0, y0, x1, y1; 0 where one is NaN."""
    shared = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.nan_to_num(np.clip(shared, 0, None)).prod(axis=-1)
    total = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    return np.asarray(shared / np.where(total > 0, total, np.inf))
