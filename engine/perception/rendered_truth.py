"""The truth of a rendered clip as perception is compared with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.perception.truth import PerceptionTruth, read_truth
from engine.synthesis.truth import Truth
from engine.synthesis.truth import read_truth as read_rendered

_BOX_ROOM = 0.03
"""Room around the true keypoints of a rendered body, as a share of the longer side."""


def rendered_truth(path: Path) -> PerceptionTruth:
    """From a truth.npz of `engine.synthesis`."""
    return from_drawn(read_rendered(path))


def from_drawn(drawn: Truth) -> PerceptionTruth:
    """From the truth of a synthetic clip, drawn or not."""
    size = drawn.fit.camera.image_size
    points = drawn.keypoints2d
    low, high = points.min(axis=2), points.max(axis=2)
    room = _BOX_ROOM * (high - low).max(axis=-1, keepdims=True)
    boxes = np.concatenate([low - room, high + room], axis=-1)
    boxes = np.clip(boxes, 0, np.tile(size, 2))
    boxes[~drawn.present] = np.nan
    return PerceptionTruth(points, drawn.visibility, boxes, size, drawn.masks)


def any_truth(path: Path) -> PerceptionTruth:
    """From either kind of truth.npz."""
    try:
        return read_truth(path)
    except InputError:
        return rendered_truth(path)
