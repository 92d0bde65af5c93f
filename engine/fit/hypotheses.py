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

NEAREST = 0.3
"""Metres before the camera at which somebody stands at least when a fit begins."""


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
    """What to try per person: the bodies there were, and the start, turned to each of its facings.

    `first` must be of the shapes of `state`, so that the start stands where it is seen.
    """
    starts: list[tuple[Tensor, Tensor, Tensor]] = []
    if warm is not None:
        starts.append((state.rotation, first.rotmats, state.placement))
    for angle in first.facings:
        turned = _turned(first.rotmats, first.up, angle)
        starts.append((matrix_to_6d(turned), turned, placement_of(first.pelvis)))
    if warm is not None:
        held = ~movable[None, :, None]
        starts = [
            (
                torch.where(held[..., None], state.rotation, r),
                t,
                torch.where(held, state.placement, p),
            )
            for r, t, p in starts
        ]
    people, tries = len(first.rotmats), len(starts)
    rotation = torch.cat([r for r, _, _ in starts])
    owner = torch.arange(people).repeat(tries)
    return Hypotheses(
        state=replace(
            state,
            betas=state.betas.repeat(tries, 1),
            rotation=rotation,
            placement=torch.cat([p for _, _, p in starts]),
        ),
        owner=owner,
        pose_target=torch.cat([t for _, t, _ in starts]),
        first=torch.arange(people),
    )


def placement_of(pelvis: Float[Tensor, "P F 3"]) -> Float[Tensor, "P F 3"]:
    """`FitState.placement` of pelvises in the camera frame, metres."""
    depth = pelvis[..., 2:].clamp_min(NEAREST)
    return torch.cat([pelvis[..., :2] / depth, depth.log()], dim=-1)


def _turned(rotmats: Tensor, up: Tensor, angle: float) -> Tensor:
    """Every body turned about the vertical through its pelvis."""
    if angle == 0.0:
        return rotmats
    turn = axis_angle_to_matrix(up / up.norm() * angle)
    return torch.cat([(turn @ rotmats[:, :, 0])[:, :, None], rotmats[:, :, 1:]], dim=2)
