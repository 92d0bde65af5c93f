"""The joints of the open body from orientations, without the chain of matrices: the prior's body.

With every joint's orientation given in one frame a bone is turned by its upper joint's orientation
alone, and a joint is the sum of the bones between it and the pelvis: one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from engine.body.joints import SMPL_JOINTS, SMPL_PARENTS
from engine.body.kinematics import LEVEL_STEPS
from engine.body.smpl import BodyModel

PARENTS = list(SMPL_PARENTS[1:])
HEAD = SMPL_JOINTS.index("head")


@dataclass(frozen=True)
class Skeleton:
    """Rest joints as a function of shape."""

    J_template: Float[Tensor, "24 3"]
    J_shapedirs: Float[Tensor, "24 3 10"]

    @classmethod
    def of(cls, body: BodyModel) -> Skeleton:
        return cls(body.J_template, body.J_shapedirs)

    def rest(self, betas: Float[Tensor, "*batch 10"]) -> Float[Tensor, "*batch 24 3"]:
        """Joints at rest, metres."""
        return self.J_template + torch.einsum("jcs,...s->...jc", self.J_shapedirs, betas)

    def joints(
        self, rotations: Float[Tensor, "*batch F 24 3 3"], betas: Float[Tensor, "*batch 10"]
    ) -> Float[Tensor, "*batch F 24 3"]:
        """Joints relative to the pelvis, from orientations in the frame that is asked for."""
        rest = self.rest(betas)
        bones = (rest[..., 1:, :] - rest[..., PARENTS, :])[..., None, :, :, None]
        turned = (rotations[..., PARENTS, :, :] @ bones)[..., 0]
        joints: Tensor = _CHAIN.to(turned) @ turned
        return joints


def relative(orientations: Float[Tensor, "*batch 24 3 3"]) -> Float[Tensor, "*batch 24 3 3"]:
    """Rotations relative to the parents; the root's stays in the frame of the orientations."""
    local = orientations[..., PARENTS, :, :].mT @ orientations[..., 1:, :, :]
    return torch.cat([orientations[..., :1, :, :], local], dim=-3)


def chained(local: Float[Tensor, "*batch 24 3 3"]) -> Float[Tensor, "*batch 24 3 3"]:
    """Orientations of the joints from their rotations relative to the parents (see `relative`)."""
    levels = [local[..., :1, :, :]]
    for step in LEVEL_STEPS:
        above = levels[-1][..., step.parents_in_level, :, :]
        levels.append(above @ local[..., step.joints, :, :])
    return torch.cat(levels, dim=-3)


def _chain() -> Float[Tensor, "24 23"]:
    """1 where a bone (named by its lower joint, 1 to 23) lies between the pelvis and a joint."""
    rows = torch.zeros(len(SMPL_PARENTS), len(SMPL_PARENTS))
    for joint in range(1, len(SMPL_PARENTS)):
        rows[joint] = rows[SMPL_PARENTS[joint]]
        rows[joint, joint] = 1
    return rows[:, 1:]


_CHAIN = _chain()
