"""Coarser meshes out of the same vertices: symmetric half-edge collapse on the left half.

A collapse moves no vertex, it only removes one, so that shape directions, weights and landmarks
of the vertices that remain hold exactly. Cost: quadric error (Garland and Heckbert 1997), plus
what keeps vertices evenly spread and removes them first where shape and skinning change least.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from engine.body.building.mesh import border_edges, vertex_areas

_SPACING = 5e-3
_ATTRIBUTES = 1e-4
_WEIGHTS_SHARE = 0.5
_LARGEST_TURN_COSINE = 0.35
_THINNEST_TRIANGLE = 0.12
"""Twice the area over the square of the longest edge."""


@dataclass(frozen=True)
class HalfMesh:
    """A left half; a vertex off the seam counts twice in the whole mesh."""

    vertices: Float[np.ndarray, "V 3"]
    triangles: Int[np.ndarray, "T 3"]
    seam: Bool[np.ndarray, "V"]
    attributes: Float[np.ndarray, "V A"]
    """What should change little between a removed vertex and its stand-in."""
    locked: frozenset[int]
    """Vertices that stay at every level."""


def collapse_attributes(
    weights: Float[np.ndarray, "V 24"], directions: Float[np.ndarray, "B V 3"]
) -> Float[np.ndarray, "V A"]:
    """Skinning weights and shape directions of each vertex, on one scale."""
    flat = np.moveaxis(directions, 0, 1).reshape(len(weights), -1)
    return np.concatenate([weights * _WEIGHTS_SHARE, flat], 1)


def levels_of_detail(mesh: HalfMesh, targets: tuple[int, ...]) -> list[Int[np.ndarray, "T 3"]]:
    """Triangles of the half for each number of vertices (of the whole mesh), in falling order."""
    collapse = _Collapse(mesh)
    return [collapse.down_to(target) for target in targets]


class _Collapse:
    """The mesh while it shrinks. Plain lists and floats: the work is on single vertices."""

    def __init__(self, mesh: HalfMesh) -> None:
        self._mesh = mesh
        self._seam: list[bool] = mesh.seam.tolist()
        self._positions = mesh.vertices
        self._triangles: list[tuple[int, ...]] = [tuple(t) for t in mesh.triangles.tolist()]
        self._around: list[set[int]] = [set() for _ in mesh.vertices]
        for index, triangle in enumerate(self._triangles):
            for vertex in triangle:
                self._around[vertex].add(index)
        self._quadrics = _quadrics(mesh)
        areas = vertex_areas(mesh.vertices, mesh.triangles)
        self._areas = areas * np.where(mesh.seam, 2, 1)
        self._version = [0] * len(mesh.vertices)
        self._alive = {int(v) for v in np.unique(mesh.triangles)}
        self._count = sum(1 if self._seam[v] else 2 for v in self._alive)
        self._heap: list[tuple[float, int, int, int]] = []
        for vertex in sorted(self._alive):
            self._offer(vertex)

    def down_to(self, target: int) -> np.ndarray:
        """Collapse the cheapest edges until the whole mesh has at most so many vertices (or none
        may go any more)."""
        while self._heap and self._count > target:
            _, gone, stays, version = heapq.heappop(self._heap)
            current = version == self._version[gone] and gone in self._alive
            if current and stays in self._alive and self._may_collapse(gone, stays):
                self._collapse(gone, stays)
        living = sorted(set().union(*(self._around[v] for v in self._alive)))
        return np.array([self._triangles[index] for index in living])

    def _neighbours(self, vertex: int) -> set[int]:
        return {v for index in self._around[vertex] for v in self._triangles[index]} - {vertex}

    def _offer(self, gone: int) -> None:
        """Put every collapse of a vertex into the queue; earlier offers of it are void."""
        self._version[gone] += 1
        if gone in self._mesh.locked:
            return
        stay = [v for v in sorted(self._neighbours(gone)) if self._seam[v] or not self._seam[gone]]
        if not stay:
            return
        points = np.concatenate([self._positions[stay], np.ones((len(stay), 1))], 1)
        quadrics = self._quadrics[gone] + self._quadrics[stay]
        moved = ((self._positions[stay] - self._positions[gone]) ** 2).sum(1)
        changed = ((self._mesh.attributes[stay] - self._mesh.attributes[gone]) ** 2).sum(1)
        costs = np.einsum("ki,kij,kj->k", points, quadrics, points)
        costs += self._areas[gone] * (_SPACING * moved + _ATTRIBUTES * changed)
        for cost, stays in zip(costs.tolist(), stay, strict=True):
            heapq.heappush(self._heap, (cost, gone, stays, self._version[gone]))

    def _may_collapse(self, gone: int, stays: int) -> bool:
        """The surface stays a manifold, turns no face over and gets no slivers."""
        shared = self._around[gone] & self._around[stays]
        if not shared or len(self._neighbours(gone) & self._neighbours(stays)) != len(shared):
            return False
        if self._seam[gone] and len(shared) != 1:
            return False  # a vertex of the seam slides along the seam only
        for index in self._around[gone] - shared:
            before = self._triangles[index]
            after = tuple(stays if v == gone else v for v in before)
            if all(self._seam[v] for v in after) or not self._keeps_shape(before, after):
                return False
        return True

    def _keeps_shape(self, before: tuple[int, ...], after: tuple[int, ...]) -> bool:
        old, _ = _normal(self._positions[list(before)])
        new, longest = _normal(self._positions[list(after)])
        old_length, new_length = np.linalg.norm(old), np.linalg.norm(new)
        return bool(
            new_length > 1e-12
            and old @ new >= _LARGEST_TURN_COSINE * old_length * new_length
            and new_length >= _THINNEST_TRIANGLE * longest
        )

    def _collapse(self, gone: int, stays: int) -> None:
        for index in self._around[gone]:
            triangle = self._triangles[index]
            if stays in triangle:
                for vertex in triangle:
                    if vertex != gone:
                        self._around[vertex].discard(index)
            else:
                self._triangles[index] = tuple(stays if v == gone else v for v in triangle)
                self._around[stays].add(index)
        self._around[gone] = set()
        self._quadrics[stays] += self._quadrics[gone]
        self._areas[stays] += self._areas[gone]
        self._alive.discard(gone)
        self._count -= 1 if self._seam[gone] else 2
        for vertex in (stays, *sorted(self._neighbours(stays))):
            self._offer(vertex)


def _normal(corners: np.ndarray) -> tuple[np.ndarray, float]:
    """Normal of twice the area, and the squared longest edge."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = corners.tolist()
    ux, uy, uz, vx, vy, vz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
    wx, wy, wz = cx - bx, cy - by, cz - bz
    normal = np.array([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx])
    longest = max(ux * ux + uy * uy + uz * uz, vx * vx + vy * vy + vz * vz, wx * wx + wy * wy + wz * wz)  # fmt: skip  # noqa: E501
    return normal, longest


def _quadrics(mesh: HalfMesh) -> Float[np.ndarray, "V 4 4"]:
    """Squared distance to the planes around each vertex, weighted by area.

    Edges of the seam add the plane through the edge that is square to x = 0, so that the seam
    keeps its own outline.
    """
    quadrics = np.zeros((len(mesh.vertices), 4, 4))
    a, b, c = mesh.vertices[mesh.triangles.T]
    normals = np.cross(b - a, c - a)
    doubled = np.linalg.norm(normals, axis=1)
    planes = _planes(normals, a)
    terms = planes[:, :, None] * planes[:, None] * (doubled / 2)[:, None, None]
    for corner in mesh.triangles.T:
        np.add.at(quadrics, corner, terms)

    edges = np.array(border_edges(mesh.triangles), int).reshape(-1, 2)
    start, along = mesh.vertices[edges[:, 0]], np.diff(mesh.vertices[edges], axis=1)[:, 0]
    planes = _planes(np.cross(along, [1.0, 0, 0]), start)
    terms = planes[:, :, None] * planes[:, None] * (along**2).sum(1)[:, None, None]
    for end in edges.T:
        np.add.at(quadrics, end, terms)
    return quadrics


def _planes(normals: np.ndarray, points: np.ndarray) -> np.ndarray:
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return np.concatenate([normals, -(normals * points).sum(1, keepdims=True)], 1)
