"""Signed distance between two bodies: how deep one is inside the other, and where.

The queries run in a Warp kernel (one thread on the CPU), or in plain torch on other devices
(`engine.geometry.closest_torch`); the closest points are rebuilt in torch from face and barycentric
coordinates, so that gradients reach both meshes. Inside is where the surface goes round a point
more than once forwards than backwards (winding number), which bodies that reach into themselves
need.
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

TREES = 16
"""Meshes that are asked in one go: each has a tree of its own, which takes 2 ms to build."""


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
        self,
        meshes: Float[np.ndarray, "W V 3"],
        points: list[Float[np.ndarray, "_ 3"]],
        outside: float = REACH,
    ) -> ClosestPoints:
        """Of points for each of several meshes, one answer after the other: of points inside within
        `REACH`, of others within `outside` metres, which makes the search short. The mesh is left
        as it falls out."""


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

        self._closed = is_closed(faces)
        self._closest = closest_kernel.closest if self._closed else closest_kernel.closest_of_open
        self._wp: Any = closest_kernel.wp
        self._faces = self._array(np.asarray(faces, np.int32).ravel())
        self._vertex_count = vertex_count
        self._first: Float[np.ndarray, "V 3"] | None = None
        """Whose trees all others are like: then all choose alike where two faces are as near."""
        self._meshes: list[tuple[Float[np.ndarray, "V 3"], Any]] = []
        """Vertices, and the tree over them, which reads them where they are."""

    def move(self, vertices: Float[np.ndarray, "V 3"]) -> None:
        """Set the vertices (metres). The first call builds the tree, later ones refit it."""
        self._move(0, vertices)

    def closest(
        self, points: Float[np.ndarray, "N 3"], max_distance: float = REACH
    ) -> ClosestPoints:
        """Closest points of the mesh; keep `max_distance` (m) above the deepest penetration."""
        assert self._meshes, "move() the mesh before a query"
        return self._asked([points], (max_distance, max_distance))

    def closest_of_each(
        self,
        meshes: Float[np.ndarray, "W V 3"],
        points: list[Float[np.ndarray, "_ 3"]],
        outside: float = REACH,
    ) -> ClosestPoints:
        """See `SurfaceQuery`."""
        asked = [index for index, some in enumerate(points) if len(some)]
        found = [_of_none()]
        for first in range(0, len(asked), TREES):
            part = asked[first : first + TREES]
            for slot, index in enumerate(part):
                self._move(slot, meshes[index])
            found.append(self._asked([points[index] for index in part], (REACH, outside)))
        columns = zip(*(vars(one).values() for one in found), strict=True)
        return ClosestPoints(*map(torch.cat, columns))

    def _move(self, slot: int, vertices: Float[np.ndarray, "V 3"]) -> None:
        assert len(vertices) == self._vertex_count, "the mesh keeps its vertices"
        if self._first is None:
            self._first = np.array(vertices, np.float32, order="C")
        while slot >= len(self._meshes):
            self._meshes.append(self._tree(self._first.copy()))
        kept, tree = self._meshes[slot]
        kept[:] = vertices
        tree.refit()

    def _tree(self, vertices: Float[np.ndarray, "V 3"]) -> tuple[Float[np.ndarray, "V 3"], Any]:
        # Solid angles cost a refit nine times what boxes do; closed surfaces need none.
        angles = not self._closed
        points = self._array(vertices, self._wp.vec3)
        return vertices, self._wp.Mesh(points, self._faces, support_winding_number=angles)

    def _asked(
        self, points: list[Float[np.ndarray, "_ 3"]], reach: tuple[float, float]
    ) -> ClosestPoints:
        """Of points for each of the first meshes, as `closest_kernel.closest` says."""
        ids = np.array([tree.id for _, tree in self._meshes[: len(points)]], np.uint64)
        mesh_of = np.repeat(np.arange(len(points), dtype=np.int32), [len(some) for some in points])
        every = np.ascontiguousarray(np.concatenate(points), np.float32)
        face, uv = np.empty(len(every), np.int32), np.zeros((2, len(every)), np.float32)
        inside = np.zeros(len(every), bool)
        self._wp.launch(
            self._closest,
            dim=len(every),
            inputs=[
                *(self._array(each) for each in (ids, mesh_of)),
                self._array(every, self._wp.vec3),
                self._wp.vec2(*reach),
            ],
            outputs=[self._array(each) for each in (face, *uv, inside)],
            device="cpu",
        )
        index, weights = torch.from_numpy(face).long(), torch.from_numpy(uv).T
        weights = torch.cat([weights, 1 - weights.sum(1, keepdim=True)], dim=1)
        return ClosestPoints(index.clamp_min(0), weights, torch.from_numpy(inside), index >= 0)

    def _array(self, values: np.ndarray, dtype: Any = Any) -> Any:
        """The same memory in Warp's terms."""
        return self._wp.array(values, dtype=dtype, device="cpu", copy=False)


def _of_none() -> ClosestPoints:
    none = torch.zeros(0, dtype=torch.long)
    return ClosestPoints(none, torch.zeros(0, 3), none.bool(), none.bool())


def is_closed(faces: Int[np.ndarray, "T 3"]) -> bool:
    """Whether every edge is run along as often one way as the other: nothing has a border."""
    begin = np.asarray(faces, np.int64).ravel()
    end = np.roll(faces, -1, axis=1).ravel()
    edge = np.minimum(begin, end) * (1 + int(begin.max(initial=0))) + np.maximum(begin, end)
    _, edge = np.unique(edge, return_inverse=True)
    return not np.bincount(edge, weights=np.where(begin < end, 1, -1)).any()


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
        near = np.flatnonzero(_within(points, low.min(axis=0)[None], high.max(axis=0)[None])[0])
        return near[_within(points[near], low, high).any(axis=0)]


def _within(
    points: Float[np.ndarray, "N 3"],
    low: Float[np.ndarray, "B 3"],
    high: Float[np.ndarray, "B 3"],
) -> Bool[np.ndarray, "B N"]:
    """Which boxes hold which points."""
    within = np.ones((len(low), len(points)), bool)
    for axis, value in enumerate(points.T):
        within &= (value >= low[:, axis, None]) & (value <= high[:, axis, None])
    return within


def penetration_depth(
    a: Float[np.ndarray, "F V 3"],
    b: Float[np.ndarray, "F V 3"],
    faces: Int[np.ndarray, "T 3"],
    parts: Parts,
) -> Float[np.ndarray, "F"]:
    """Deepest penetration between two bodies of one topology per frame, in metres (0 = none).

    True depth: the largest distance from a vertex of one body that lies inside the other (by
    winding number) to the other's surface, both ways.
    """
    depth = np.zeros(len(a))
    query = MeshQuery(faces, a.shape[1])
    face_index = torch.from_numpy(np.asarray(faces, np.int64))
    for frame in np.flatnonzero(box_overlap(a, b)):
        pause()
        for mesh, other in ((a[frame], b[frame]), (b[frame], a[frame])):
            points = other[parts.around(mesh, other)]
            closest = query.closest_of_each(mesh[None], [points], outside=0.0)
            vertices = torch.from_numpy(np.ascontiguousarray(mesh, np.float32))
            on_surface = surface_points(vertices, face_index, closest).numpy()
            distance = np.linalg.norm(points - on_surface, axis=1)[closest.inside.numpy()]
            depth[frame] = max(depth[frame], distance.max(initial=0.0))
    return depth
