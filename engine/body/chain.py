"""Orientations and places along the joint tree.

Rotations are multiplied level by level. With them known, every bone is turned by its upper joint's
alone, and a joint is the sum of the bones between it and the root: one matrix product for all.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from engine.body.joints import SMPL_PARENTS
from engine.body.kinematics import LEVEL_STEPS

_SIZES = [1, *(len(step.parents) for step in LEVEL_STEPS)]
_PARENTS_IN_LEVEL = [torch.tensor(step.parents_in_level) for step in LEVEL_STEPS]
PARENTS = torch.tensor(SMPL_PARENTS[1:])
"""Of joints 1 to 23."""


def chained(local: Float[Tensor, "*batch 24 3 3"]) -> Float[Tensor, "*batch 24 3 3"]:
    """Orientations of the joints from their rotations relative to the parents."""
    first, *rest = local.split(_SIZES, dim=-3)
    levels = [first]
    for turn, parents in zip(rest, _PARENTS_IN_LEVEL, strict=True):
        levels.append(levels[-1].index_select(-3, parents.to(turn.device)) @ turn)
    return torch.cat(levels, dim=-3)


def from_root(
    orientations: Float[Tensor, "*batch 24 3 3"], rest: Float[Tensor, "*#batch 24 3"]
) -> Float[Tensor, "*batch 24 3"]:
    """The way from the root to each joint, whose rest positions are given."""
    parents = PARENTS.to(rest.device)
    bones = rest[..., 1:, :] - rest.index_select(-2, parents)
    turned = (orientations.index_select(-3, parents) @ bones[..., None]).squeeze(-1)
    joints: Tensor = _BETWEEN.to(turned) @ turned
    return joints


def _between() -> Float[Tensor, "24 23"]:
    """1 where a bone (named by its lower joint, 1 to 23) lies between the root and a joint."""
    rows = torch.zeros(len(SMPL_PARENTS), len(SMPL_PARENTS))
    for joint in range(1, len(SMPL_PARENTS)):
        rows[joint] = rows[SMPL_PARENTS[joint]]
        rows[joint, joint] = 1
    return rows[:, 1:]


_BETWEEN = _between()
