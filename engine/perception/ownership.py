"""Whose limb is it: where two people's joints fall onto the same pixels, clothes decide.

In an embrace a model sees one forearm and gives it to both people. Its colour, compared with what
each person's forearm looked like while they were apart, tells whose it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from engine.perception.detection import PARTS, lab_distance, part_colors

_LIMBS = tuple(part for part in range(len(PARTS)) if len(PARTS[part]) == 2)
_OTHER_SIDE = {2: 3, 3: 2, 4: 5, 5: 4, 6: 7, 7: 6, 8: 9, 9: 8}
_SAME_PLACE = 0.07
"""Joints closer than this share of the body's size are in the same place."""
_SHARPNESS = 3.0
_FLOOR = 0.15
"""The confidence that a limb of the wrong colour keeps."""


def settle_limbs(
    image: UInt8[np.ndarray, "H W 3"],
    poses: Sequence[Float[np.ndarray, "17 3"]],
    colors: Sequence[Float[np.ndarray, "10 4"]],
    sizes: Sequence[float],
) -> list[Float[np.ndarray, "17 3"]]:
    """Poses (COCO-17) with less confidence in limbs that look like somebody else's.

    `colors` are the people's typical part colours, as `detection.part_colors` gives them.
    """
    settled = [pose.copy() for pose in poses]
    lab: UInt8[np.ndarray, "H W 3"] | None = None
    for p, pose in enumerate(poses):
        for q, other in enumerate(poses):
            contested = [] if p == q else _contested(pose, other, sizes[p])
            if not contested:
                continue
            if lab is None:
                lab = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2LAB))
            seen = part_colors(lab, pose, seen=0.0)
            for part in contested:
                factor = _belongs(seen, part, colors[p], colors[q])
                settled[p][PARTS[part][1], 2] *= factor
    return settled


def _contested(
    pose: Float[np.ndarray, "17 3"], other: Float[np.ndarray, "17 3"], size: float
) -> list[int]:
    """Limbs whose far end lies where the other person has the same kind of joint."""
    parts = []
    for part in _LIMBS:
        ends = PARTS[part][1], PARTS[_OTHER_SIDE[part]][1]
        far = pose[ends[0]]
        apart = [np.hypot(*(far[:2] - other[end, :2])) for end in ends if other[end, 2] > 0.1]
        if far[2] > 0 and min(apart, default=np.inf) < _SAME_PLACE * size:
            parts.append(part)
    return parts


def _belongs(
    seen: Float[np.ndarray, "10 4"],
    part: int,
    own: Float[np.ndarray, "10 4"],
    other: Float[np.ndarray, "10 4"],
) -> float:
    """Factor in _FLOOR..1: 1 where the limb looks like the person's own, or nothing tells."""
    mine, theirs = (_typical(colors, part) for colors in (own, other))
    if mine is None or theirs is None or seen[part, 3] <= 0:
        return 1.0
    to_mine, to_theirs = (float(lab_distance(seen[part], c)) for c in (mine, theirs))
    share = 1.0 / (1.0 + np.exp(_SHARPNESS * (to_mine - to_theirs)))
    return float(np.clip(2.0 * share, _FLOOR, 1.0))


def _typical(colors: Float[np.ndarray, "10 4"], part: int) -> Float[np.ndarray, "4"] | None:
    """The part's colour, or that of the same part of the other side."""
    for candidate in (part, _OTHER_SIDE[part]):
        if colors[candidate, 3] > 0.2:
            return np.asarray(colors[candidate])
    return None
