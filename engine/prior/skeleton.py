"""The joints of the open body from orientations, without the chain of matrices: the prior's body.

With every joint's orientation given in one frame a bone is turned by its upper joint's orientation
alone, and a joint is the sum of the bones between it and the pelvis: one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from engine.body.chain import PARENTS, chained, from_root
from engine.body.joints import SMPL_JOINTS
from engine.body.smpl import BodyModel

__all__ = ["HEAD", "Skeleton", "chained", "relative"]
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
        return from_root(rotations, rest[..., None, :, :])


def relative(orientations: Float[Tensor, "*batch 24 3 3"]) -> Float[Tensor, "*batch 24 3 3"]:
    """Rotations relative to the parents; the root's stays in the frame of the orientations."""
    parents = PARENTS.to(orientations.device)
    local = orientations.index_select(-3, parents).mT @ orientations[..., 1:, :, :]
    return torch.cat([orientations[..., :1, :, :], local], dim=-3)
