"""Signed distance between two bodies: how deep one is inside the other, and where.

The queries run in Warp's winding-number kernel (one thread on the CPU), or in plain torch on other
devices (`engine.geometry.closest_torch`); the closest points are rebuilt in torch from face and
barycentric coordinates, so that gradients reach both meshes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from engine.aside import pause

REACH = 0.6
"""Metres within which closest points are looked for: more than bodies penetrate each other."""


@dataclass(frozen=True)
class ClosestPoints:
    """For N query points, the closest point of a mesh as (face, barycentric coordinates)."""

    face: Int[Tensor, "N"]
    barycentric: Float[Tensor, "N 3"]
    inside: Bool[Tensor, "N"]
    found: Bool[Tensor, "N"]
    """False where nothing lies within the search distance."""

    def to(self, device: torch.device | str) -> ClosestPoints:
        moved = (self.face, self.barycentric, self.inside, self.found)
        return ClosestPoints(*(tensor.to(device) for tensor in moved))


@runtime_checkable
class SurfaceQuery(Protocol):
    """Closest-point queries against one watertight mesh whose vertices move."""

    def move(self, vertices: Float[np.ndarray, "V 3"]) -> None:
        """Set the vertices (metres)."""

    def closest(
        self, points: Float[np.ndarray, "N 3"], max_distance: float = REACH
    ) -> ClosestPoints:
        """Closest points of the mesh; keep `max_distance` (m) above the deepest penetration."""

    def closest_of_each(
        self, meshes: Float[np.ndarray, "W V 3"], points: list[Float[np.ndarray, "_ 3"]]
    ) -> ClosestPoints:
        """Of points for each of several meshes, within `REACH`, one answer after the other. The
        mesh is left as it falls out."""


def surface_query(
    faces: Int[np.ndarray, "T 3"], vertex_count: int, device: torch.device | str = "cpu"
) -> SurfaceQuery:
    """Warp's on the CPU, plain torch anywhere else; answers lie on the device."""
    if torch.device(device).type == "cpu":
        return MeshQuery(faces, vertex_count)
    from engine.geometry.closest_torch import TorchMeshQuery

    return TorchMeshQuery(faces, vertex_count, device)


class MeshQuery:
    """A `SurfaceQuery` by Warp, on the CPU."""

    def __init__(self, faces: Int[np.ndarray, "T 3"], vertex_count: int) -> None:
        from engine.geometry import closest_kernel  # slow to import, compiled at first use

        self._closest = closest_kernel.closest
        self._wp: Any = closest_kernel.wp
        wp = self._wp
        self._points = wp.zeros(vertex_count, dtype=wp.vec3, device="cpu")
        self._faces = wp.array(np.asarray(faces, np.int32).ravel(), dtype=wp.int32, device="cpu")
        self._mesh: Any = None

    def move(self, vertices: Float[np.ndarray, "V 3"]) -> None:
        """Set the vertices (metres). The first call builds the tree, later ones refit it."""
        wp = self._wp
        wp.copy(self._points, wp.array(np.ascontiguousarray(vertices, np.float32), dtype=wp.vec3))
        if self._mesh is None:
            self._mesh = wp.Mesh(self._points, self._faces, support_winding_number=True)
        else:
            self._mesh.refit()

    def closest(
        self, points: Float[np.ndarray, "N 3"], max_distance: float = REACH
    ) -> ClosestPoints:
        """Closest points of the mesh; keep `max_distance` (m) above the deepest penetration."""
        wp, count = self._wp, len(points)
        query = wp.array(np.ascontiguousarray(points, np.float32), dtype=wp.vec3, device="cpu")
        face = wp.zeros(count, dtype=wp.int32, device="cpu")
        u, v, sign = (wp.zeros(count, dtype=float, device="cpu") for _ in range(3))
        assert self._mesh is not None, "move() the mesh before a query"
        wp.launch(
            self._closest,
            dim=count,
            inputs=[self._mesh.id, query, max_distance],
            outputs=[face, u, v, sign],
            device="cpu",
        )
        index = torch.from_numpy(face.numpy().astype(np.int64))
        uv = torch.from_numpy(np.stack([u.numpy(), v.numpy()], axis=1))
        weights = torch.cat([uv, 1 - uv.sum(1, keepdim=True)], dim=1)
        found = index >= 0
        inside = found & torch.from_numpy(sign.numpy() < 0)
        return ClosestPoints(index.clamp_min(0), weights, inside, found)

    def closest_of_each(
        self, meshes: Float[np.ndarray, "W V 3"], points: list[Float[np.ndarray, "_ 3"]]
    ) -> ClosestPoints:
        """See `SurfaceQuery`."""
        found = [_of_none()]
        for mesh, some in zip(meshes, points, strict=True):
            if len(some):
                self.move(mesh)
                found.append(self.closest(some))
        columns = zip(*(vars(one).values() for one in found), strict=True)
        return ClosestPoints(*map(torch.cat, columns))


def _of_none() -> ClosestPoints:
    none = torch.zeros(0, dtype=torch.long)
    return ClosestPoints(none, torch.zeros(0, 3), none.bool(), none.bool())


def surface_points(
    vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "T 3"], closest: ClosestPoints
) -> Float[Tensor, "N 3"]:
    """The closest points again, differentiable with respect to the mesh's vertices."""
    corners = vertices[faces[closest.face]]
    return (corners * closest.barycentric[..., None]).sum(dim=1)


def box_overlap(
    a: Float[np.ndarray, "F V 3"], b: Float[np.ndarray, "F V 3"], margin: float = 0.0
) -> Bool[np.ndarray, "F"]:
    """Frames in which the axis-aligned boxes of two bodies come within `margin` metres."""
    low = np.maximum(a.min(axis=1), b.min(axis=1))
    high = np.minimum(a.max(axis=1), b.max(axis=1))
    overlap: np.ndarray = ((high - low) > -margin).all(axis=1)
    return overlap


class Parts:
    """Boxes around the parts of a body, to skip points that cannot lie inside it.

    A cross-section of a limb or of the trunk lies within the box of its own surface, so a point
    inside the body is inside one of the boxes, up to a margin where parts meet.
    """

    MARGIN = 0.03
    """Metres."""

    def __init__(self, part_of_vertex: Int[np.ndarray, "V"]) -> None:
        self._order = np.argsort(part_of_vertex, kind="stable")
        in_order = part_of_vertex[self._order]
        self._starts = np.flatnonzero(np.diff(in_order, prepend=in_order[0] - 1))

    def around(
        self, mesh: Float[np.ndarray, "V 3"], points: Float[np.ndarray, "N 3"]
    ) -> np.ndarray:
        """Indices of the points in one of the boxes."""
        in_order = mesh[self._order]
        low = np.minimum.reduceat(in_order, self._starts) - self.MARGIN
        high = np.maximum.reduceat(in_order, self._starts) + self.MARGIN
        within = (points[:, None] >= low) & (points[:, None] <= high)
        return np.flatnonzero(np.any(np.all(within, axis=2), axis=1))


def penetration_depth(
    a: Float[np.ndarray, "F V 3"],
    b: Float[np.ndarray, "F V 3"],
    faces: Int[np.ndarray, "T 3"],
    parts: Parts,
) -> Float[np.ndarray, "F"]:
    """Deepest penetration between two bodies of one topology per frame, in metres (0 = none).

    True depth: the largest distance from a vertex of one body that lies inside the other (by
    generalised winding number, Jacobson et al. 2013) to the other's surface, both ways.
    """
    depth = np.zeros(len(a))
    query = MeshQuery(faces, a.shape[1])
    face_index = torch.from_numpy(np.asarray(faces, np.int64))
    for frame in np.flatnonzero(box_overlap(a, b)):
        pause()
        for mesh, other in ((a[frame], b[frame]), (b[frame], a[frame])):
            points = other[parts.around(mesh, other)]
            if not len(points):
                continue
            query.move(mesh)
            closest = query.closest(points)
            if not bool(closest.inside.any()):
                continue
            on_surface = surface_points(
                torch.from_numpy(np.ascontiguousarray(mesh, np.float32)), face_index, closest
            ).numpy()
            distance = np.linalg.norm(points - on_surface, axis=1)
            depth[frame] = max(depth[frame], float(distance[closest.inside.numpy()].max()))
    return depth
