"""Closest points of a mesh in plain torch, on any device: for CUDA, where Warp's CPU kernel is not.

Every point meets every triangle, in chunks that keep memory bounded. Distances to the triangles'
centres rule most of them out; what is left is measured exactly. Inside is where the generalised
winding number (Jacobson et al. 2013), the sum of the triangles' solid angles (van Oosterom and
Strackee 1983), is above a half: the same question that Warp's kernel answers by a tree.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from engine.geometry.proximity import ClosestPoints
from engine.geometry.triangles import closest_on_triangles

PAIRS = 1 << 20
"""Points times triangles that are looked at together: at most some 400 MB."""
_ROUNDING = 1e-5
"""Metres by which a bound on a distance may be wrong in float32."""


class TorchMeshQuery:
    """What `engine.geometry.proximity.MeshQuery` does, on a device; answers lie there too."""

    def __init__(
        self, faces: Int[np.ndarray, "T 3"], vertex_count: int, device: torch.device | str = "cpu"
    ) -> None:
        self._device = torch.device(device)
        self._faces = torch.tensor(np.asarray(faces, np.int64), device=self._device)
        self._vertex_count = vertex_count
        self._triangles: Float[Tensor, "T 3 3"] | None = None

    def move(self, vertices: Float[np.ndarray, "V 3"]) -> None:
        """Set the vertices (metres)."""
        assert len(vertices) == self._vertex_count, "the mesh keeps its vertices"
        self._triangles = self._tensor(vertices)[self._faces]

    def closest(self, points: Float[np.ndarray, "N 3"], max_distance: float = 0.6) -> ClosestPoints:
        """Closest points of the mesh; found within `max_distance` (m) only."""
        assert self._triangles is not None, "move() the mesh before a query"
        everywhere = self._tensor(points)
        step = max(1, PAIRS // len(self._triangles))
        parts = [
            _closest(part, self._triangles, max_distance)
            for part in everywhere.split(step)
            if len(part)
        ]
        if not parts:
            none = torch.zeros(0, dtype=torch.long, device=self._device)
            return ClosestPoints(none, everywhere, none.bool(), none.bool())
        return ClosestPoints(*map(torch.cat, zip(*parts, strict=True)))

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array, np.float32), device=self._device)


def winding_number(
    points: Float[Tensor, "N 3"], triangles: Float[Tensor, "T 3 3"]
) -> Float[Tensor, "N"]:
    """How often a surface goes round each point: 1 inside a closed one that faces outwards."""
    a, b, c = (triangles[:, corner] - points[:, None] for corner in range(3))
    la, lb, lc = a.norm(dim=-1), b.norm(dim=-1), c.norm(dim=-1)
    volume = (a * torch.linalg.cross(b, c)).sum(-1)
    below = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return torch.atan2(volume, below).sum(-1) / (2 * math.pi)


def _closest(
    points: Float[Tensor, "N 3"], triangles: Float[Tensor, "T 3 3"], max_distance: float
) -> tuple[Int[Tensor, "N"], Float[Tensor, "N 3"], Bool[Tensor, "N"], Bool[Tensor, "N"]]:
    """Of some points: face, barycentric coordinates, inside, found."""
    point, face = _candidates(points, triangles)
    _, weights = closest_on_triangles(points[point][:, None], triangles[face][:, None])
    on_surface = (triangles[face] * weights[:, 0, :, None]).sum(dim=1)
    squared = (on_surface - points[point]).square().sum(-1)
    least = squared.new_full((len(points),), torch.inf)
    least = least.scatter_reduce(0, point, squared, "amin")
    # Of several that are as near, as where triangles meet, the first: the same every time.
    row = torch.arange(len(point), device=points.device)
    row = torch.where(squared == least[point], row, len(row))
    best = torch.full_like(points[:, 0], len(row), dtype=torch.long)
    best = best.scatter_reduce(0, point, row, "amin")
    found = least <= max_distance**2
    inside = torch.zeros_like(found)
    corners = triangles.flatten(0, 1)
    within = ((points >= corners.amin(0)) & (points <= corners.amax(0))).all(-1) & found
    inside[within] = winding_number(points[within], triangles) > 0.5
    return torch.where(found, face[best], 0), weights[best, 0], inside, found


def _candidates(
    points: Float[Tensor, "N 3"], triangles: Float[Tensor, "T 3 3"]
) -> tuple[Int[Tensor, "M"], Int[Tensor, "M"]]:
    """Pairs of a point and a triangle that may be the closest.

    A centre is on its triangle, so no triangle is needed whose sphere lies beyond the next centre.
    """
    centres = triangles.mean(dim=1)
    radii = (triangles - centres[:, None]).norm(dim=-1).amax(dim=-1)
    away = torch.cdist(points, centres, compute_mode="donot_use_mm_for_euclid_dist")
    near = away - radii <= away.amin(dim=1, keepdim=True) + _ROUNDING
    point, face = near.nonzero(as_tuple=True)
    return point, face
