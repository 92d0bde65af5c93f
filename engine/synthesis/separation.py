"""Takes bodies out of each other: captured people on other people's bodies interpenetrate.

The poses are changed as little as keeps the bodies apart: closest points are found anew a few
times, and between them a penalty on depth is minimised together with the change of the joints, of
the rotations, and of both from frame to frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from engine.body.data import OPEN_BODY, load_body_data
from engine.body.smpl import BodyModel
from engine.geometry.proximity import MeshQuery, Parts, box_overlap
from engine.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from engine.structures import BodyMotion

DENSITY = "2k5"
SLACK = 0.001
"""Metres of penetration that are left alone: flesh gives way."""
JOINT_SIGMA, TURN_SIGMA = 0.03, 0.15
DEPTH_SIGMA = 0.003, 0.0002
"""What weighs alike: metres that a joint moves, radians, and metres that a vertex is too deep: at
first, and in the last round."""
UNSTEADY_JOINT, UNSTEADY_TURN = 0.003, 0.02
"""Change of these from one frame to the next that weighs as much."""
NEIGHBOURHOOD = 0.02
"""Metres outside a body within which vertices are watched, so that what parts does not go on."""
ROUNDS, ITERATIONS = 20, 8


@dataclass(frozen=True)
class Separated:
    motion: BodyMotion
    displacement_m: Float[np.ndarray, "P F"]
    """Mean distance that the joints were moved."""


@dataclass(frozen=True)
class _Hit:
    """Vertices of one body inside another, or just outside it, in all frames."""

    inner: int
    outer: int
    frame: Int[Tensor, "N"]
    vertex: Int[Tensor, "N"]
    corners: Int[Tensor, "N 3"]
    """Of the face of the outer body that is closest."""
    barycentric: Float[Tensor, "N 3"]
    outwards: Float[Tensor, "N 3"]


def separate(motion: BodyMotion, skin_offsets: Sequence[Float[np.ndarray, "V 3"]]) -> Separated:
    """The motion with its bodies (their skins included) taken out of each other.

    `skin_offsets` are those of the 7,000-vertex body's vertices (see engine.synthesis.figures).
    """
    models = [_with_skin(offsets) for offsets in skin_offsets]
    base = models[0]
    betas = torch.from_numpy(np.asarray(motion.betas, np.float32))
    poses = np.concatenate([motion.global_orient[:, :, None], motion.body_pose], axis=2)
    start = axis_angle_to_matrix(torch.from_numpy(poses.astype(np.float32)))
    place = torch.from_numpy(np.ascontiguousarray(motion.transl, np.float32))
    turn = torch.zeros(*start.shape[:3], 3, requires_grad=True)
    shift = torch.zeros(place.shape, requires_grad=True)
    before = base.joints(betas, start, place).detach()

    def bodies() -> tuple[Tensor, list[Tensor]]:
        posed = base.pose(betas, start @ axis_angle_to_matrix(turn), place + shift)
        return posed.joints, [m.skin(posed)[p] for p, m in enumerate(models)]

    search = (
        MeshQuery(base.data.faces, base.vertex_count),
        Parts(base.data.weights.argmax(axis=1)),
    )
    for sigma in np.geomspace(*DEPTH_SIGMA, ROUNDS).tolist():
        with torch.no_grad():
            _, skins = bodies()
        hits = list(_hits([skin.numpy() for skin in skins], base.faces, search))
        if not any(bool((_depth(hit, skins) > SLACK).any()) for hit in hits) and not bool(
            turn.any()
        ):
            break
        optimiser = torch.optim.LBFGS(
            [turn, shift], max_iter=ITERATIONS, line_search_fn="strong_wolfe"
        )

        def cost(hits: list[_Hit] = hits, sigma: float = sigma) -> Tensor:
            turn.grad = shift.grad = None
            joints, skins = bodies()
            total = _change(joints - before, turn)
            for hit in hits:
                total = total + _depth_cost(hit, skins, sigma)
            total.backward()
            return total

        optimiser.step(cost)
    with torch.no_grad():
        rotmats = start @ axis_angle_to_matrix(turn)
        moved = (base.joints(betas, rotmats, place + shift) - before).norm(dim=-1).mean(-1)
        solved = matrix_to_axis_angle(rotmats).numpy()
    separated = replace(
        motion,
        global_orient=solved[:, :, 0],
        body_pose=solved[:, :, 1:],
        transl=(place + shift).detach().numpy(),
    )
    return Separated(separated, moved.numpy().astype(np.float64))


def _change(moved: Float[Tensor, "P F 24 3"], turn: Float[Tensor, "P F 24 3"]) -> Tensor:
    total = (moved / JOINT_SIGMA).square().sum() + (turn / TURN_SIGMA).square().sum()
    total = total + (moved.diff(dim=1) / UNSTEADY_JOINT).square().sum()
    return total + (turn.diff(dim=1) / UNSTEADY_TURN).square().sum()


def _depth_cost(hit: _Hit, skins: list[Tensor], sigma: float) -> Tensor:
    """Depth along the direction in which each vertex lies deepest, both bodies free to move."""
    return ((_depth(hit, skins) - SLACK).clamp_min(0) / sigma).square().sum()


def _depth(hit: _Hit, skins: list[Tensor]) -> Float[Tensor, "N"]:
    """Metres inside, negative outside."""
    inside = skins[hit.inner][hit.frame, hit.vertex]
    outer = skins[hit.outer][hit.frame[:, None], hit.corners]
    surface = (outer * hit.barycentric[..., None]).sum(dim=1)
    return ((surface - inside) * hit.outwards).sum(dim=-1)


def _hits(
    skins: list[np.ndarray], faces: Int[Tensor, "T 3"], search: tuple[MeshQuery, Parts]
) -> Iterator[_Hit]:
    for a, b in combinations(range(len(skins)), 2):
        frames = np.flatnonzero(box_overlap(skins[a], skins[b]))
        for inner, outer in ((a, b), (b, a)):
            found = [
                _hits_in_frame(frame, skins[inner][frame], skins[outer][frame], faces, search)
                for frame in frames.tolist()
            ]
            if sum(len(vertex) for _, vertex, *_ in found):
                yield _Hit(inner, outer, *map(torch.cat, zip(*found, strict=True)))


def _hits_in_frame(
    frame: int,
    points: Float[np.ndarray, "V 3"],
    mesh: Float[np.ndarray, "V 3"],
    faces: Int[Tensor, "T 3"],
    search: tuple[MeshQuery, Parts],
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Frame, vertex, closest corners, barycentric coordinates and way out of each vertex."""
    query, parts = search
    candidates = parts.around(mesh, points)
    query.move(mesh)
    closest = query.closest(points[candidates])
    corners, weights = faces[closest.face], closest.barycentric
    surface = (torch.from_numpy(mesh)[corners] * weights[..., None]).sum(dim=1)
    away = surface - torch.from_numpy(points[candidates])
    sign = torch.where(closest.inside, 1.0, -1.0)[:, None]
    kept = closest.found & (closest.inside | (away.norm(dim=-1) < NEIGHBOURHOOD))
    vertex = torch.from_numpy(candidates)[kept]
    outwards = torch.nn.functional.normalize(sign * away, dim=-1)[kept]
    return torch.full_like(vertex, frame), vertex, corners[kept], weights[kept], outwards


def _with_skin(offsets: Float[np.ndarray, "V 3"]) -> BodyModel:
    model = BodyModel.load(OPEN_BODY, DENSITY)
    fine, coarse = load_body_data(OPEN_BODY, "7k"), load_body_data(OPEN_BODY, DENSITY)
    _, index = cKDTree(fine.v_template).query(coarse.v_template)
    moved = torch.from_numpy(np.asarray(offsets[index], np.float32))
    return replace(model, v_template=model.v_template + moved)
