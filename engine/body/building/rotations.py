"""Small rotation constructors in NumPy for rest-pose work; arrays have the shape (..., 3)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def unit(vector: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    return np.asarray(vector / np.linalg.norm(vector, axis=-1, keepdims=True))


def about(
    axis: Float[np.ndarray, "*#n 3"], angle: Float[np.ndarray, "*#n"] | float
) -> Float[np.ndarray, "*#n 3 3"]:
    """Rotation about an axis by an angle in radians."""
    skew = _hat(unit(axis))
    angle = np.asarray(angle)[..., None, None]
    rotation: np.ndarray = np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew
    return rotation


def swing(
    start: Float[np.ndarray, "*#n 3"], end: Float[np.ndarray, "*#n 3"]
) -> Float[np.ndarray, "*#n 3 3"]:
    """The smallest rotation that turns one direction into another (not its opposite)."""
    start, end = np.broadcast_arrays(unit(start), unit(end))
    skew = _hat(np.cross(start, end))
    cosine = (start * end).sum(-1)[..., None, None]
    rotation: np.ndarray = np.eye(3) + skew + skew @ skew / (1 + cosine)
    return rotation


def frame(
    direction: Float[np.ndarray, "*#n 3"], hinge: Float[np.ndarray, "*#n 3"]
) -> Float[np.ndarray, "*#n 3 3"]:
    """Columns: the direction, the hinge made orthogonal to it, and their cross product."""
    x = unit(direction)
    y = unit(hinge - (hinge * x).sum(-1, keepdims=True) * x)
    x, y = np.broadcast_arrays(x, y)
    return np.stack([x, y, np.cross(x, y)], -1)


def angle_about(
    axis: Float[np.ndarray, "*#n 3"], rotation: Float[np.ndarray, "*#n 3 3"]
) -> Float[np.ndarray, "*#n"]:
    """Signed angle of a rotation about the unit axis it is known to turn around."""
    skew = rotation - np.swapaxes(rotation, -1, -2)
    sine = np.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], -1)
    cosine = np.trace(rotation, axis1=-2, axis2=-1) - 1
    return np.asarray(np.arctan2((sine * axis).sum(-1), cosine))


def _hat(vector: np.ndarray) -> np.ndarray:
    x, y, z = np.moveaxis(vector, -1, 0)
    zero = np.zeros_like(x)
    rows = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1)
    return rows.reshape(*vector.shape, 3)
