"""Procrustes analysis: the rotation, scale and shift that bring points nearest to others."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def procrustes_aligned(
    points: Float[np.ndarray, "*N J 3"], target: Float[np.ndarray, "*N J 3"]
) -> Float[np.ndarray, "*N J 3"]:
    """`points` under the similarity transform (no reflection) that is nearest to `target` in the
    least-squares sense, for each set of J points; NaN where either has a NaN.

    Source: Umeyama, "Least-squares estimation of transformation parameters between two point
    patterns", PAMI 1991.
    """
    known = np.isfinite(points).all(axis=(-2, -1)) & np.isfinite(target).all(axis=(-2, -1))
    aligned = np.full(target.shape, np.nan)
    if not known.any():
        return aligned
    source, goal = points[known].astype(np.float64), target[known].astype(np.float64)
    source_mean, goal_mean = source.mean(axis=-2, keepdims=True), goal.mean(axis=-2, keepdims=True)
    source, goal = source - source_mean, goal - goal_mean
    U, singular, Vt = np.linalg.svd(np.swapaxes(goal, -1, -2) @ source)
    turn = np.ones(singular.shape)
    turn[..., 2] = np.sign(np.linalg.det(U) * np.linalg.det(Vt))
    rotation = (U * turn[..., None, :]) @ Vt
    spread = np.maximum((source**2).sum(axis=(-2, -1)), np.finfo(float).tiny)
    scale = (singular * turn).sum(axis=-1) / spread
    moved = scale[..., None, None] * source @ np.swapaxes(rotation, -1, -2)
    aligned[known] = moved + goal_mean
    return aligned
