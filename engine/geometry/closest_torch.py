"""Closest points of a mesh in plain torch, on any device: for CUDA, where Warp's CPU kernel is not.

Every point meets every triangle of its mesh, in chunks that keep memory bounded. Distances to the
triangles' centres rule most of them out; what is left is measured exactly. Inside is where the
generalised winding number (Jacobson et al. 2013), the sum of the triangles' solid angles (van
Oosterom and Strackee 1983), is above a half: what Warp's kernel answers by a ray.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.geometry.proximity import REACH, ClosestPoints
from engine.geometry.triangles import closest_on_triangles

PAIRS = 1 << 21
"""Points times triangles whose solid angles are looked at together: some 300 MB. Of distances,
which take less, four times as many."""
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

    def closest(
        self, points: Float[np.ndarray, "N 3"], max_distance: float = REACH
    ) -> ClosestPoints:
        """Closest points of the mesh; found within `max_distance` (m) only."""
        assert self._triangles is not None, "move() the mesh before a query"
        everywhere = self._tensor(points)
        mesh = torch.zeros(len(points), dtype=torch.long, device=self._device)
        return _closest(everywhere, mesh, self._triangles[None], (max_distance, max_distance))

    def closest_of_each(
        self,
        meshes: Float[np.ndarray, "W V 3"],
        points: list[Float[np.ndarray, "_ 3"]],
        outside: float = REACH,
    ) -> ClosestPoints:
        """See `SurfaceQuery`. All are asked together: a GPU takes little longer for many."""
        mesh = np.repeat(np.arange(len(points)), [len(some) for some in points])
        return _closest(
            self._tensor(np.concatenate([np.zeros((0, 3), np.float32), *points])),
            torch.from_numpy(mesh).to(self._device),
            self._tensor(meshes)[:, self._faces],
            (REACH, outside),
        )

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array, np.float32), device=self._device)


def winding_number(
    points: Float[Tensor, "N 3"], triangles: Float[Tensor, "T 3 3"] | Float[Tensor, "N T 3 3"]
) -> Float[Tensor, "N"]:
    """How often a surface (one for all points, or one for each) goes round each point: 1 inside a
    closed one that faces outwards."""
    a, b, c = (triangles[..., corner, :] - points[:, None] for corner in range(3))
    la, lb, lc = a.norm(dim=-1), b.norm(dim=-1), c.norm(dim=-1)
    volume = (a * torch.linalg.cross(b, c)).sum(-1)
    below = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return torch.atan2(volume, below).sum(-1) / (2 * math.pi)


def _closest(
    points: Float[Tensor, "N 3"],
    mesh: Int[Tensor, "N"],
    triangles: Float[Tensor, "W T 3 3"],
    reach: tuple[float, float],
) -> ClosestPoints:
    """Of points and the meshes that they are asked of, within metres for points inside and for all
    others."""
    if not len(points):
        return ClosestPoints(mesh, points, mesh.bool(), mesh.bool())
    point, face = _candidates(points, mesh, triangles)
    nearest = triangles[mesh[point], face]
    _, weights = closest_on_triangles(points[point][:, None], nearest[:, None])
    on_surface = (nearest * weights[:, 0, :, None]).sum(dim=1)
    squared = (on_surface - points[point]).square().sum(-1)
    least = squared.new_full((len(points),), torch.inf)
    least = least.scatter_reduce(0, point, squared, "amin")
    # Of several that are as near, as where triangles meet, the first: the same every time.
    row = torch.arange(len(point), device=points.device)
    row = torch.where(squared == least[point], row, len(row))
    best = torch.full_like(mesh, len(row)).scatter_reduce(0, point, row, "amin")
    found = least <= reach[0] ** 2
    corners = triangles.flatten(1, 2)
    low, high = corners.amin(1)[mesh], corners.amax(1)[mesh]
    inside = ((points >= low) & (points <= high)).all(-1) & found
    asked = torch.nonzero(inside)[:, 0]
    for part in asked.split(max(1, PAIRS // triangles.shape[1])):
        inside[part] = winding_number(points[part], triangles[mesh[part]]) > 0.5
    found = inside | (least <= reach[1] ** 2)
    return ClosestPoints(torch.where(found, face[best], 0), weights[best, 0], inside, found)


def _candidates(
    points: Float[Tensor, "N 3"], mesh: Int[Tensor, "N"], triangles: Float[Tensor, "W T 3 3"]
) -> tuple[Int[Tensor, "M"], Int[Tensor, "M"]]:
    """Pairs of a point and a triangle of its mesh that may be the closest.

    A centre is on its triangle, so no triangle is needed whose sphere lies beyond the next centre.
    """
    centres = triangles.mean(dim=2)
    radii = (triangles - centres[:, :, None]).norm(dim=-1).amax(dim=-1)
    step, found = max(1, 4 * PAIRS // triangles.shape[1]), []
    for first in range(0, len(points), step):
        part = slice(first, first + step)
        away = (points[part, None] - centres[mesh[part]]).norm(dim=-1)
        near = away - radii[mesh[part]] <= away.amin(dim=1, keepdim=True) + _ROUNDING
        found.append(near.nonzero() + near.new_tensor([first, 0], dtype=torch.long))
    point, face = torch.cat(found).unbind(1)
    return point, face
