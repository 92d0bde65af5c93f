"""How points of a body move with its pose and place, in closed form.

A body has 75 degrees of freedom a frame: a small turn of each joint (24 axis-angle vectors in the
joint's own axes, `R exp(w)`), and the three numbers of its placement (`FitState.placement`). A turn
of joint k about an axis moves a point by the cross product of that axis and the point's lever: the
way from the joint to those parts of the point that hang on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.body.joints import SMPL_JOINTS, SMPL_PARENTS
from engine.fit.state import FitState, Posed
from engine.geometry.rotations import (
    axis_angle_to_matrix,
    hat,
    matrix_to_6d,
    matrix_to_axis_angle,
    sixd_to_matrix,
)

JOINTS = len(SMPL_JOINTS)
TURNS = 3 * JOINTS
FREEDOM = TURNS + 3
"""Of one person in one frame."""


def _hanging() -> Float[Tensor, "24 24"]:
    """1 where joint j (column) is joint k (row) or hangs on it."""
    below = np.eye(JOINTS)
    for joint, parent in enumerate(SMPL_PARENTS):
        while parent >= 0:
            below[parent, joint] = 1
            parent = SMPL_PARENTS[parent]
    return torch.tensor(below, dtype=torch.float32)


HANGING = _hanging()


@dataclass(frozen=True)
class Skin:
    """N points, each of one person in one frame, as weighted places in the axes of the joints."""

    person: Int[Tensor, "N"]
    frame: Int[Tensor, "N"]
    rest: Float[Tensor, "N 24 4"]
    """Homogeneous rest position times the weight of each joint, added up over vertices."""


class Jacobian:
    """Of everybody in every frame, at one state."""

    def __init__(self, state: FitState, posed: Posed) -> None:
        body = posed.body
        self._transforms = body.transforms.detach()
        self._joints = body.joints.detach()
        self._rotations = self._transforms[..., :3]
        self._body, self._posed = body, posed
        u, v, log_depth = state.placement.unbind(-1)
        depth, none = log_depth.exp(), torch.zeros_like(u)
        zoom = state.log_focal.exp()
        columns = [[depth, none, u * depth], [none, depth, v * depth], [none, none, depth * zoom]]
        self.places: Float[Tensor, "P F 3 3"] = torch.stack(
            [torch.stack(row, -1) for row in columns], -2
        )
        """Camera frame: metres of everything per unit of placement."""

    @cached_property
    def joints(self) -> Float[Tensor, "P F 24 3 75"]:
        """Of the joints, camera frame, metres per radian and unit of placement."""
        return self._whole(self._joint_levers)

    @cached_property
    def keypoints(self) -> Float[Tensor, "P F 26 3 75"]:
        """Of Halpe-26, camera frame."""
        model, regressor = self._body.model.landmark_model
        rest = model.rest_vertices(self._body.betas).detach()
        homogeneous = torch.cat([rest, torch.ones_like(rest[..., :1])], -1)
        weighted = model.weights[None, :, :, None] * homogeneous[:, :, None]
        moved = torch.einsum("pfjik,pnjk->pfnji", self._transforms, weighted)
        marks = self._levers(moved, model.weights[None, None])
        levers = torch.cat([self._joint_levers, marks], dim=2)
        return self._whole(torch.einsum("kn,pfnji->pfkji", regressor, levers))

    def skin(
        self,
        vertices: Int[Tensor, "N C"],
        share: Float[Tensor, "N C"],
        person: int,
        frame: Int[Tensor, "N"],
        model: object = None,
    ) -> Skin:
        """Points of one person that are mixtures of vertices (of a part of the body)."""
        part = self._body.model if model is None else model
        rest = part.rest_vertices(self._body.betas[person])[vertices]  # type: ignore[attr-defined]
        homogeneous = torch.cat([rest, torch.ones_like(rest[..., :1])], -1) * share[..., None]
        weights = part.weights[vertices]  # type: ignore[attr-defined]
        rows = torch.full_like(frame, person)
        return Skin(rows, frame, torch.einsum("ncj,nck->njk", weights, homogeneous).detach())

    def along(self, skin: Skin, direction: Float[Tensor, "N 3"]) -> Float[Tensor, "N 75"]:
        """How points move along directions (camera frame)."""
        transforms = self._transforms[skin.person, skin.frame]
        joints = self._joints[skin.person, skin.frame]
        moved = (transforms @ skin.rest[..., None])[..., 0]
        hanging = HANGING.to(moved)
        on_me = hanging @ moved
        share = skin.rest[..., 3] @ hanging.T
        lever = on_me - share[..., None] * joints
        turning = torch.linalg.cross(lever, direction[:, None].expand_as(lever), dim=-1)
        turns = (turning[..., None, :] @ transforms[..., :3])[..., 0, :].flatten(1)
        whole = skin.rest[..., 3].sum(1)[:, None, None] * self.places[skin.person, skin.frame]
        return torch.cat([turns, (direction[:, None] @ whole)[:, 0]], -1)

    @cached_property
    def _joint_levers(self) -> Float[Tensor, "P F 24 24 3"]:
        """Of each joint (third axis) about each joint (fourth)."""
        between = self._joints[:, :, :, None] - self._joints[:, :, None]
        return between * HANGING.to(between).T[..., None]

    def _levers(
        self, moved: Float[Tensor, "P F N 24 3"], weights: Float[Tensor, "1 1 N 24"]
    ) -> Float[Tensor, "P F N 24 3"]:
        hanging = HANGING.to(moved)
        share = (weights @ hanging.T)[..., None]
        return hanging @ moved - share * self._joints[:, :, None]

    def _whole(self, levers: Float[Tensor, "P F N 24 3"]) -> Float[Tensor, "P F N 3 75"]:
        """Every point moves with its person's place, and with its levers."""
        turns = hat(levers).mT @ self._rotations[:, :, None]
        turns = turns.transpose(3, 4).flatten(4)
        places = self.places[:, :, None].expand(*turns.shape[:3], 3, 3)
        return torch.cat([turns, places], -1)

    @cached_property
    def sixd(self) -> Float[Tensor, "P F 24 6 3"]:
        """Of the 6D rotations, per radian of the joint's own turn."""
        rotmats = self._posed.rotmats.detach()
        axes = hat(torch.eye(3)[:2].to(rotmats)).mT  # w x e = -hat(e) w
        return (rotmats[..., None, :, :] @ axes).flatten(-3, -2)


def upright(state: FitState) -> FitState:
    """The same bodies, with 6D rotations that are the columns of their matrices."""
    return replace(state, rotation=matrix_to_6d(sixd_to_matrix(state.rotation)))


def moved(
    state: FitState, rotmats: Float[Tensor, "P F 24 3 3"], move: Float[Tensor, "P F 75"]
) -> FitState:
    """The state after small turns and shifts, differentiable in `move`. `rotmats` are its own."""
    turns = axis_angle_to_matrix(move[..., :TURNS].unflatten(-1, (JOINTS, 3)))
    return replace(
        state,
        rotation=matrix_to_6d(rotmats @ turns),
        placement=state.placement + move[..., TURNS:],
    )


def move_between(
    before: FitState,
    after: FitState,
    rotmats: tuple[Float[Tensor, "P F 24 3 3"], Float[Tensor, "P F 24 3 3"]],
) -> Float[Tensor, "P F 75"]:
    """The turns and shifts that lead from one state to another, for `moved`. `rotmats` are
    theirs."""
    turns = matrix_to_axis_angle(rotmats[0].mT @ rotmats[1]).flatten(2)
    return torch.cat([turns, after.placement - before.placement], dim=-1)
