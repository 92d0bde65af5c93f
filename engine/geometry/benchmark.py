"""Our closest points and depths beside trimesh's, in one run: `python3 main.py bench proximity`.

Two posed bodies that overlap, in a few frames. Asked of both: the closest points of one body's
surface for all vertices of the other, their signed distances, and how deep the two are in each
other. Times are the processor's, the median over frames. trimesh answers with an R-tree and takes
the sign from the nearest face or from rays; ours is how often the surface goes round the point
(winding number). The two differ where a body is in itself, as in an armpit: there the points are
counted and their signs are not compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
import trimesh
from jaxtyping import Bool, Float, Int

from engine.body.data import OPEN_BODY
from engine.body.smpl import BodyModel
from engine.fit.interaction import body_parts
from engine.geometry.proximity import MeshQuery, Parts, penetration_depth, surface_points
from engine.geometry.rotations import axis_angle_to_matrix

Result = TypeVar("Result")
FAR = 3.0
"""Metres within which all points find their surface."""
APART = (0.17, 0.12, 0.27)
"""Metres from one pelvis to the other, who face each other; the first is not timed."""


def bench_proximity(quick: bool = False) -> list[dict[str, int | float]]:
    """A row per density: milliseconds of either, and by how much the two differ.

    move: to take over the vertices of a frame (ours refits its tree, trimesh builds one).
    closest: closest points of all vertices. signed: their signed distances. depth: the deepest
    penetration, everything that it takes. closest_diff_mm and signed_diff_mm are the largest
    differences of distances, sign_differs the share of points that only one calls inside.
    `quick` takes the two coarser densities; the full one would keep trimesh busy for minutes.
    """
    densities = ("1k2", "2k5") if quick else ("1k2", "2k5", "7k")
    return [_bench_density(BodyModel.load(OPEN_BODY, density)) for density in densities]


@dataclass(frozen=True)
class _Answer:
    """What one of them says of the points of a body against the surface of another."""

    distance: Float[np.ndarray, "V"]
    """Metres, positive."""
    inside: Bool[np.ndarray, "V"]
    depth: float
    milliseconds: tuple[float, float, float, float]
    """Move, closest, signed, depth."""

    @property
    def signed(self) -> Float[np.ndarray, "V"]:
        return np.where(self.inside, -self.distance, self.distance)


def _bench_density(body: BodyModel) -> dict[str, int | float]:
    faces = body.faces.numpy()
    query, parts = MeshQuery(faces, body.vertex_count), body_parts(body)
    answers = [
        (_ours(query, parts, faces, *pair), _trimesh(faces, *pair)) for pair in _pairs(body)
    ][1:]
    spent = np.array([[one.milliseconds for one in both] for both in answers])
    dyad, other = np.median(spent, axis=0)
    row: dict[str, int | float] = {"vertices": body.vertex_count}
    for index, name in enumerate(("move", "closest", "signed", "depth")):
        row |= {f"{name}_dyad_ms": dyad[index], f"{name}_trimesh_ms": other[index]}
    agree = [ours.inside == theirs.inside for ours, theirs in answers]
    row["closest_diff_mm"] = 1e3 * max(np.abs(a.distance - b.distance).max() for a, b in answers)
    row["signed_diff_mm"] = 1e3 * max(
        np.abs(a.signed - b.signed)[same].max() for (a, b), same in zip(answers, agree, strict=True)
    )
    row["depth_mm"] = 1e3 * max(ours.depth for ours, _ in answers)
    row["depth_diff_mm"] = 1e3 * max(abs(a.depth - b.depth) for a, b in answers)
    row["sign_differs"] = 1 - float(np.mean(agree))
    return row


def _pairs(body: BodyModel) -> list[tuple[np.ndarray, np.ndarray]]:
    """Vertices (V, 3) of both bodies, a pair for each distance; always the same ones."""
    generator = torch.Generator().manual_seed(0)
    pose = 0.1 * torch.randn(2, len(APART), 24, 3, generator=generator)
    pose[:, :, 0] = 0
    pose[1, :, 0, 1] = torch.pi
    transl = torch.zeros(2, len(APART), 3)
    transl[1, :, 2] = torch.tensor(APART)
    vertices = body.vertices(torch.zeros(2, 10), axis_angle_to_matrix(pose), transl).numpy()
    return list(zip(vertices[0], vertices[1], strict=True))


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    began = time.process_time()
    done = work()
    return done, 1e3 * (time.process_time() - began)


def _ours(
    query: MeshQuery,
    parts: Parts,
    faces: Int[np.ndarray, "T 3"],
    mesh: Float[np.ndarray, "V 3"],
    points: Float[np.ndarray, "V 3"],
) -> _Answer:
    corners, index = torch.from_numpy(mesh), torch.from_numpy(faces)

    def closest() -> tuple[Float[np.ndarray, "V"], Bool[np.ndarray, "V"]]:
        found = query.closest(points, FAR)
        on_surface = surface_points(corners, index, found).numpy()
        return np.linalg.norm(points - on_surface, axis=1), found.inside.numpy()

    _, moved = _timed(lambda: query.move(mesh))
    (distance, inside), asked = _timed(closest)
    depth, deep = _timed(lambda: penetration_depth(mesh[None], points[None], faces, parts)[0])
    # The sign comes with the closest point.
    return _Answer(distance, inside, float(depth), (moved, asked, asked, deep))


def _trimesh(
    faces: Int[np.ndarray, "T 3"], mesh: Float[np.ndarray, "V 3"], points: Float[np.ndarray, "V 3"]
) -> _Answer:
    def moved(vertices: np.ndarray) -> trimesh.Trimesh:
        made = trimesh.Trimesh(vertices, faces, process=False)
        _ = made.triangles_tree
        return made

    def depth() -> float:
        both = ((moved(mesh), points), (moved(points), mesh))
        deepest = [float(trimesh.proximity.signed_distance(*ask).max()) for ask in both]
        return max(0.0, *deepest)

    surface, built = _timed(lambda: moved(mesh))
    (_, distance, _), asked = _timed(lambda: trimesh.proximity.closest_point(surface, points))
    signed, ray = _timed(lambda: trimesh.proximity.signed_distance(surface, points))
    deepest, deep = _timed(depth)
    return _Answer(distance, signed > 0, float(deepest), (built, asked, ray, deep))
