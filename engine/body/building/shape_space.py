"""Ten shape directions: principal components of a population in the rest pose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg
from jaxtyping import Bool, Float, Int

from engine.body.building.mesh import vertex_areas
from engine.body.building.skinning_weights import MIRRORED_JOINTS
from engine.body.building.surface import Skin, symmetrized
from engine.body.data import SHAPE_COUNT

_BLOCK = 3000
"""Coordinates handled at a time."""


@dataclass(frozen=True)
class ShapeSpace:
    """Symmetric mean and directions; betas have unit variance in the population."""

    mean: Float[np.ndarray, "V 3"]
    directions: Float[np.ndarray, "B V 3"]
    joints: Float[np.ndarray, "24 3"]
    joint_directions: Float[np.ndarray, "B 24 3"]
    explained: float
    """Share of the area-weighted variance that the directions explain."""


def principal_shapes(
    people: Float[np.ndarray, "n V 3"],
    joints: Float[np.ndarray, "n 24 3"],
    faces: Int[np.ndarray, "T 3"],
    skin: Skin,
) -> ShapeSpace:
    """Principal components, weighted by area so that the dense face and hands do not dominate."""
    count = len(people)
    mean = symmetrized(people.mean(0, dtype=np.float64), skin.mirror)
    centered = (people - people.mean(0, dtype=np.float64).astype(people.dtype)).reshape(count, -1)
    area = vertex_areas(mean, faces)
    weight = np.repeat(area / area.sum(), 3)[None]
    gram = np.zeros((count, count))
    for block, block_weight in zip(_blocks(centered), _blocks(weight), strict=True):
        gram += (block * block_weight) @ block.T / count
    values, vectors = np.linalg.eigh(gram)
    strongest = np.argsort(-values)[:SHAPE_COUNT]
    scores = vectors[:, strongest] * np.sqrt(count)

    regressed = [scores.T @ block / count for block in _blocks(centered)]
    directions = np.concatenate(regressed, 1).reshape(SHAPE_COUNT, -1, 3)
    directions = symmetrized(directions, skin.mirror)
    joint_changes = np.einsum("nk,njc->kjc", scores, joints - joints.mean(0)) / count
    heights = people[:, :, 1].max(1) - people[:, :, 1].min(1)
    signs = _signs(scores, heights, directions, mean, np.unique(faces))[:, None, None]
    return ShapeSpace(
        mean=mean,
        directions=directions * signs,
        joints=symmetric_joints(joints.mean(0)),
        joint_directions=symmetric_joints(joint_changes) * signs,
        explained=float(values[strongest].sum() / np.trace(gram)),
    )


def _blocks(columns: np.ndarray) -> Iterator[np.ndarray]:
    """Parts of the columns in double precision: all of them at once would take a gigabyte."""
    for start in range(0, columns.shape[1], _BLOCK):
        yield columns[:, start : start + _BLOCK].astype(np.float64)


def symmetric_joints(joints: Float[np.ndarray, "*n 24 3"]) -> Float[np.ndarray, "*n 24 3"]:
    return symmetrized(joints, np.array(MIRRORED_JOINTS))


def _signs(
    scores: np.ndarray,
    heights: np.ndarray,
    directions: np.ndarray,
    mean: np.ndarray,
    used: np.ndarray,
) -> np.ndarray:
    """Positive betas are taller where a direction is about height, else of larger girth."""
    signs = []
    for score, direction in zip(scores.T, directions, strict=True):
        correlation = np.corrcoef(score, heights)[0, 1]
        outwards = np.sign(mean - [0, 0, 0.03]) * [1, 0, 1]
        girth = (direction * outwards)[used].mean()
        signs.append(np.sign(correlation) if abs(correlation) > 0.5 else np.sign(girth))
    return np.array(signs)


def smooth_patch(
    fields: Float[np.ndarray, "k V 3"],
    patch: Bool[np.ndarray, "V"],
    half: Int[np.ndarray, "T 3"],
    mirror: Int[np.ndarray, "V"],
) -> Float[np.ndarray, "k V 3"]:
    """Replace a patch of the left half (and its image) by the harmonic fill of its border.

    Linear in the vertices, so that mean and directions may be smoothed alike.
    """
    count = len(mirror)
    edges = half[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    ones = np.ones(len(edges))
    adjacency = sp.coo_matrix((ones, edges.T), shape=(count, count)).tocsr()
    adjacency = ((adjacency + adjacency.T) > 0).astype(np.float64)
    laplacian = (sp.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency).tocsr()
    inside, outside = np.flatnonzero(patch), np.flatnonzero(~patch)
    solver = scipy.sparse.linalg.splu(laplacian[inside][:, inside].tocsc())
    border = laplacian[inside][:, outside]
    smoothed = fields.copy()
    for field in smoothed:
        field[inside] = solver.solve(-(border @ field[outside]))
        field[mirror[inside]] = field[inside] * np.array([-1.0, 1.0, 1.0])
    return smoothed


def grow(
    patch: Bool[np.ndarray, "V"], half: Int[np.ndarray, "T 3"], rings: int
) -> Bool[np.ndarray, "V"]:
    """The patch and the vertices up to so many edges away from it."""
    patch = patch.copy()
    for _ in range(rings):
        patch[np.unique(half[patch[half].any(1)])] = True
    return patch
