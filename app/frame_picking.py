"""Who and what is under the mouse in the frame view: joints, bodies, bones, boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from app import frame_evidence as evidence
from app.overlay_items import Skeleton

GRIP = 11.0
"""View pixels around a joint in which the mouse takes it."""
BONE_GRIP = 6.0
"""View pixels around a bone of somebody else in which the mouse finds them."""


def nearest_skeleton(
    skeletons: Sequence[Skeleton | None],
    bones: Sequence[tuple[int, int]],
    at: tuple[float, float],
) -> int | None:
    """Whose joint is within `GRIP` of a point, else whose bone is within `BONE_GRIP`."""
    joint = evidence.nearest_joint(skeletons, at, GRIP)
    if joint is not None:
        return joint[0]
    best, best_distance = None, BONE_GRIP
    for index, skeleton in enumerate(skeletons):
        if skeleton is None or not bones:
            continue
        distance = float(np.nanmin(_bone_distances(skeleton.points, bones, at), initial=np.inf))
        if distance < best_distance:
            best, best_distance = index, distance
    return best


def _bone_distances(
    points: Float[np.ndarray, "K 2"], bones: Sequence[tuple[int, int]], at: tuple[float, float]
) -> Float[np.ndarray, "B"]:
    """Distance from a point to each bone in pixels; NaN where an end is not known."""
    starts, ends = points[[a for a, _ in bones]], points[[b for _, b in bones]]
    along = ends - starts
    length2 = np.maximum((along**2).sum(1), 1e-12)
    share = np.clip(((np.array(at) - starts) * along).sum(1) / length2, 0, 1)
    return np.hypot(*(starts + share[:, None] * along - np.array(at)).T)


def smallest_box(
    boxes: Sequence[Float[np.ndarray, "4"] | None], at: tuple[float, float]
) -> int | None:
    """Index of the smallest box that holds a point."""
    best: tuple[float, int] | None = None
    for index, box in enumerate(boxes):
        if box is not None and box[0] <= at[0] <= box[2] and box[1] <= at[1] <= box[3]:
            area = float((box[2] - box[0]) * (box[3] - box[1]))
            best = min(best or (area, index), (area, index))
    return None if best is None else best[1]
