"""Two people on a stage: what may be changed of their motion, and what they look like after it.

Motion is changed by slow cosines in time only, so nothing jerks: each joint's turn and each
person's shift is a sum of the first few columns of the discrete cosine transform. Person 1 may
also stand a little elsewhere throughout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.body.data import OPEN_BODY
from engine.body.joints import SMPL_JOINTS
from engine.body.regions import region_vertices
from engine.body.smpl import BodyModel, PosedBody
from engine.geometry.rotations import axis_angle_to_matrix
from engine.motion.contact.bases import FEET, FPS, Bases
from engine.motion.contact.catalogue import Span

DENSITY = "1k2"
FASTEST = 2.2
"""Hertz of the fastest cosine by which motion is changed."""
STAND_SIGMA = 0.1
"""Metres that person 1 may stand elsewhere as easily as anything else by its own sigma."""
SHIFT_SIGMA = 0.04
_STIFF = {"pelvis": 0.08, "hip": 0.12, "knee": 0.12, "ankle": 0.12, "foot": 0.03, "collar": 0.2,
          "shoulder": 0.9, "elbow": 0.9, "wrist": 0.45, "hand": 0.05, "spine": 0.18, "neck": 0.2,
          "head": 0.2}  # fmt: skip
"""Radians by which each kind of joint may leave the captured motion: arms do as they are asked."""


def turn_sigmas() -> Float[Tensor, "24 1"]:
    by_name = [next(s for part, s in _STIFF.items() if part in name) for name in SMPL_JOINTS]
    return torch.tensor(by_name)[:, None]


@dataclass(frozen=True)
class Patch:
    """A region as a small plate fixed to the bone that carries most of it."""

    joint: int
    centre: Float[Tensor, "3"]
    normal: Float[Tensor, "3"]


class Stage:
    """The variables, and the bodies as they stand."""

    def __init__(self, bases: Bases) -> None:
        self.bases = bases
        self.model = BodyModel.load(OPEN_BODY, DENSITY)
        frames = bases.rotmats.shape[1]
        self.seconds = torch.arange(frames) / FPS
        self._cosines = _cosines(frames)
        count = self._cosines.shape[1]
        self.turn = torch.zeros(2, count, 24, 3, requires_grad=True)
        self.shift = torch.zeros(2, count, 3, requires_grad=True)
        self.stand = torch.zeros(2, requires_grad=True)
        self._sigmas = turn_sigmas()
        self._rest = self.model.rest_vertices(bases.betas)
        self.feet = bases.joints[:, :, FEET]

    @property
    def variables(self) -> list[Tensor]:
        return [self.turn, self.shift, self.stand]

    def turns(self) -> Float[Tensor, "2 F 24 3"]:
        """Radians by which each joint is turned from the captured motion."""
        return torch.einsum("fk,pkjc->pfjc", self._cosines, self.turn) * self._sigmas

    def shifts(self) -> Float[Tensor, "2 F 3"]:
        return torch.einsum("fk,pkc->pfc", self._cosines, self.shift) * SHIFT_SIGMA

    def moved_to(self) -> Float[Tensor, "2 3"]:
        """By how much each person stands elsewhere throughout, metres."""
        x, z = self.stand * STAND_SIGMA
        zero = torch.zeros(())
        return torch.stack([torch.zeros(3), torch.stack([x, zero, z])])

    def posed(self) -> PosedBody:
        rotmats = self.bases.rotmats @ axis_angle_to_matrix(self.turns())
        place = self.bases.transl + self.shifts() + self.moved_to()[:, None]
        return self.model.pose(self.bases.betas, rotmats, place)

    def patch(self, person: int, region: str) -> Patch:
        """A region in a person's rest pose."""
        index = torch.from_numpy(region_vertices(self.model, region))
        joint = int(self.model.weights[index].sum(0).argmax())
        rest = self._rest[person]
        normal = torch.nn.functional.normalize(
            _normals(rest, self.model.faces)[index].sum(0), dim=0
        )
        return Patch(joint, rest[index].mean(0), normal)

    def window(self, span: Span) -> Float[Tensor, "F"]:
        """1 while it lasts, 0 otherwise."""
        return ((self.seconds >= span.start) & (self.seconds <= span.stop)).float()


def at(posed: PosedBody, person: int, patch: Patch) -> tuple[Tensor, Tensor]:
    """Centre (F, 3) and outward normal (F, 3) of a patch."""
    transform = posed.transforms[person, :, patch.joint]
    rotation = transform[..., :3]
    return rotation @ patch.centre + transform[..., 3], rotation @ patch.normal


def _cosines(frames: int) -> Float[Tensor, "F K"]:
    """Columns of the DCT-II up to `FASTEST`, of root mean square 1."""
    count = max(2, math.ceil(2 * frames / FPS * FASTEST))
    order, time = torch.arange(count), torch.arange(frames)
    basis = torch.cos(math.pi * (time[:, None] + 0.5) * order[None] / frames)
    return basis / basis.square().mean(0).sqrt()


def _normals(vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "T 3"]) -> Float[Tensor, "V 3"]:
    a, b, c = vertices[faces.T]
    face = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total.index_add_(0, faces[:, corner], face)
    return torch.nn.functional.normalize(total, dim=-1)
