"""Several starts per person, to be compared over the whole window."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.fit.state import FitState
from engine.geometry.rotations import axis_angle_to_matrix, matrix_to_6d
from engine.perception.initialization import Start3D


@dataclass(frozen=True)
class Hypotheses:
    """Several starts per person, stacked on the person axis."""

    state: FitState
    owner: Int[Tensor, "H"]
    """Which person each hypothesis is about."""
    pose_target: Float[Tensor, "H F 24 3 3"]
    first: Int[Tensor, "P"]
    """One hypothesis per person, to show meanwhile."""

    @property
    def count(self) -> int:
        return len(self.owner)


def hypotheses(
    first: Start3D,
    state: FitState,
    warm: np.ndarray | None,
    movable: Tensor,
) -> Hypotheses:
    """What to try per person: the start, the start turned to its facings, the bodies there were."""
    starts: list[tuple[Tensor, Tensor]] = []
    if warm is not None:
        starts.append((state.rotation, first.rotmats))
    for angle in first.facings:
        turned = _turned(first.rotmats, first.up, angle)
        starts.append((matrix_to_6d(turned), turned))
    if warm is not None:
        held = ~movable[None, :, None, None]
        starts = [(torch.where(held, state.rotation, r), t) for r, t in starts]
    people, tries = len(first.rotmats), len(starts)
    rotation = torch.cat([r for r, _ in starts])
    owner = torch.arange(people).repeat(tries)
    return Hypotheses(
        state=replace(
            state,
            betas=state.betas.repeat(tries, 1),
            rotation=rotation,
            placement=state.placement.repeat(tries, 1, 1),
        ),
        owner=owner,
        pose_target=torch.cat([t for _, t in starts]),
        first=torch.arange(people),
    )


def _turned(rotmats: Tensor, up: Tensor, angle: float) -> Tensor:
    """Every body turned about the vertical through its pelvis."""
    if angle == 0.0:
        return rotmats
    turn = axis_angle_to_matrix(up / up.norm() * angle)
    return torch.cat([(turn @ rotmats[:, :, 0])[:, :, None], rotmats[:, :, 1:]], dim=2)
