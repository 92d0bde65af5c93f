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
    bodies = _Bodies(motion, skin_offsets)
    model = bodies.models[0]
    search = MeshQuery(model.data.faces, model.vertex_count), _parts(model)
    for sigma in np.geomspace(*DEPTH_SIGMA, ROUNDS).tolist():
        with torch.no_grad():
            _, skins = bodies.posed()
        hits = list(_hits([skin.numpy() for skin in skins], model.faces, search))
        # Once they are apart the change alone draws them back, until they touch.
        if not bodies.have_moved and not any((_depth(hit, skins) > SLACK).any() for hit in hits):
            break
        bodies.settle(hits, sigma)
    return bodies.separated(motion)


class _Bodies:
    """Poses and places of the people, and how they have been changed."""

    def __init__(self, motion: BodyMotion, skin_offsets: Sequence[np.ndarray]) -> None:
        self.models = [_with_skin(offsets) for offsets in skin_offsets]
        self.have_moved = False
        self._betas = torch.from_numpy(np.asarray(motion.betas, np.float32))
        poses = np.concatenate([motion.global_orient[:, :, None], motion.body_pose], axis=2)
        self._start = axis_angle_to_matrix(torch.from_numpy(poses.astype(np.float32)))
        self._place = torch.from_numpy(np.ascontiguousarray(motion.transl, np.float32))
        self._turn = torch.zeros(*self._start.shape[:3], 3, requires_grad=True)
        self._shift = torch.zeros(self._place.shape, requires_grad=True)
        with torch.no_grad():
            self._before, _ = self.posed()

    def posed(self) -> tuple[Float[Tensor, "P F 24 3"], list[Tensor]]:
        """Joints, and each person's skin (F, V, 3)."""
        rotmats = self._start @ axis_angle_to_matrix(self._turn)
        posed = self.models[0].pose(self._betas, rotmats, self._place + self._shift)
        return posed.joints, [model.skin(posed)[p] for p, model in enumerate(self.models)]

    def settle(self, hits: list[_Hit], sigma: float) -> None:
        """A few steps towards less depth and less change."""
        variables = [self._turn, self._shift]
        optimiser = torch.optim.LBFGS(variables, max_iter=ITERATIONS, line_search_fn="strong_wolfe")

        def cost() -> Tensor:
            optimiser.zero_grad()
            joints, skins = self.posed()
            total = _change(joints - self._before, self._turn)
            for hit in hits:
                total = total + _depth_cost(hit, skins, sigma)
            total.backward()
            return total

        optimiser.step(cost)
        self.have_moved = True

    def separated(self, motion: BodyMotion) -> Separated:
        with torch.no_grad():
            joints, _ = self.posed()
            turned = matrix_to_axis_angle(self._start @ axis_angle_to_matrix(self._turn)).numpy()
            transl = (self._place + self._shift).numpy()
        moved = (joints - self._before).norm(dim=-1).mean(dim=-1).numpy().astype(np.float64)
        changed = replace(
            motion, global_orient=turned[:, :, 0], body_pose=turned[:, :, 1:], transl=transl
        )
        return Separated(changed, moved)


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


def _parts(model: BodyModel) -> Parts:
    return Parts(model.data.weights.argmax(axis=1))


def _with_skin(offsets: Float[np.ndarray, "V 3"]) -> BodyModel:
    model = BodyModel.load(OPEN_BODY, DENSITY)
    fine, coarse = load_body_data(OPEN_BODY, "7k"), load_body_data(OPEN_BODY, DENSITY)
    _, index = cKDTree(fine.v_template).query(coarse.v_template)
    moved = torch.from_numpy(np.asarray(offsets[index], np.float32))
    return replace(model, v_template=model.v_template + moved)
