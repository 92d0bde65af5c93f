"""Who is nearer to the camera, and by how much. Camera frame: z is the depth, metres."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from engine.metrics.joints import PELVIS

ORDINAL_MARGIN = 0.10
"""Metres: frames in which the true pelvises' depths differ by less have no order to be right about.
"""


def depth_differences(joints: Float[np.ndarray, "2 F J 3"]) -> Float[np.ndarray, "F"]:
    """Depth of the second person's pelvis less that of the first."""
    return np.asarray(joints[1, :, PELVIS, 2] - joints[0, :, PELVIS, 2])


def ordinal_hits(
    joints: Float[np.ndarray, "2 F J 3"], truth: Float[np.ndarray, "2 F J 3"]
) -> Float[np.ndarray, "F"]:
    """1 where the one in front is the right one, 0 where not, NaN where the truth's pelvises are
    nearer than `ORDINAL_MARGIN` in depth or a person is not known.

    Source: Chen et al., "Single-Image Depth Perception in the Wild", NIPS 2016 (ordinal relations).
    """
    mine, true = depth_differences(joints), depth_differences(truth)
    hits = (np.sign(mine) == np.sign(true)).astype(float)
    return np.where(np.isfinite(mine) & (abs(true) >= ORDINAL_MARGIN), hits, np.nan)


def relative_depth_errors(
    joints: Float[np.ndarray, "2 F J 3"], truth: Float[np.ndarray, "2 F J 3"]
) -> Float[np.ndarray, "F"]:
    """How wrong the difference in depth of the two pelvises is, metres."""
    return np.asarray(abs(depth_differences(joints) - depth_differences(truth)))
