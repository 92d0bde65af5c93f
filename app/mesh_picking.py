"""Which triangle is under the mouse, in the 3D view and on the projected bodies in the video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer

Faces = Integer[np.ndarray, "T 3"]


@dataclass(frozen=True)
class Hit:
    """Where a ray meets a mesh first."""

    mesh: int
    """Index in the sequence of meshes."""
    face: int
    depth: float
    """Metres along the ray, or from the camera's plane."""


def pick_ray(
    origin: Float[np.ndarray, "3"],
    direction: Float[np.ndarray, "3"],
    meshes: Sequence[tuple[Float[np.ndarray, "V 3"], Faces] | None],
) -> Hit | None:
    """The first surface on a ray (Moeller and Trumbore 1997, both sides of a triangle count)."""
    hits = []
    for index, mesh in enumerate(meshes):
        if mesh is None:
            continue
        found = _first_on_ray(origin, direction, *mesh)
        if found is not None:
            hits.append(Hit(index, *found))
    return min(hits, key=lambda hit: hit.depth, default=None)


def _first_on_ray(
    origin: np.ndarray, direction: np.ndarray, vertices: np.ndarray, faces: np.ndarray
) -> tuple[int, float] | None:
    # Only triangles whose corners surround the ray can be hit: seen along the ray, that is a test
    # of bounding boxes in two dimensions, which leaves a few dozen of them for the full formula.
    side = np.cross(direction, [0.0, 1.0, 0.0] if abs(direction[1]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    flat = ((vertices - origin) @ np.stack([side, np.cross(direction, side)], 1)).astype(float)
    near = _around(flat, faces)
    a, b, c = (vertices[faces[near, k]].astype(float) for k in range(3))
    edge1, edge2 = b - a, c - a
    p = np.cross(direction, edge2)
    determinant = np.einsum("tc,tc->t", edge1, p)
    with np.errstate(divide="ignore", invalid="ignore"):
        s = origin - a
        u = np.einsum("tc,tc->t", s, p) / determinant
        q = np.cross(s, edge1)
        v = q @ direction / determinant
        t = np.einsum("tc,tc->t", edge2, q) / determinant
        inside = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 1e-9)
    if not inside.any():
        return None
    best = np.flatnonzero(inside)[np.argmin(t[inside])]
    return int(near[best]), float(t[best])


def pick_projected(
    x: float,
    y: float,
    meshes: Sequence[tuple[Float[np.ndarray, "V 3"], Faces] | None],
) -> Hit | None:
    """The nearest triangle over a pixel, for meshes of (x px, y px, depth m) vertices."""
    hits = []
    for index, mesh in enumerate(meshes):
        if mesh is None:
            continue
        vertices, faces = mesh
        flat = vertices[:, :2].astype(float) - (x, y)
        near = _around(flat, faces)
        near = near[(vertices[faces[near], 2] > 0).all(1)]
        a, b, c = (flat[faces[near, k]] for k in range(3))
        weights = np.stack([_twice_area(b, c), _twice_area(c, a), _twice_area(a, b)], 1)
        total = weights.sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = weights / total[:, None]
        inside = (weights >= 0).all(1)
        if inside.any():
            depth = (weights * vertices[faces[near], 2]).sum(1)
            best = np.flatnonzero(inside)[np.argmin(depth[inside])]
            hits.append(Hit(index, int(near[best]), float(depth[best])))
    return min(hits, key=lambda hit: hit.depth, default=None)


def _around(flat: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Triangles whose bounding box holds the origin of the plane."""
    inside = np.ones(len(faces), bool)
    for axis in range(2):
        corner = (flat[:, axis] > 0)[faces]
        inside &= corner.any(1) & ~corner.all(1)
    return np.flatnonzero(inside)


def _twice_area(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
