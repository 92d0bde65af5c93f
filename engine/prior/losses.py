"""What the prior is trained by: terms on the state and on the bodies that it stands for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from engine.prior.denoiser import Denoised
from engine.prior.lessons import Lesson
from engine.prior.motion_code import (
    OFFSET,
    PLACE,
    ROTATION,
    SHAPE,
    View,
    pelvis_of,
    rotations_of,
)
from engine.prior.skeleton import Skeleton, relative

_INTERACTING = [0, 4, 5, 7, 8, 12, 15, 16, 17, 18, 19, 20, 21]
"""Pelvis, knees, ankles, neck, head, shoulders, elbows, wrists."""


@dataclass(frozen=True)
class LossWeights:
    state: float = 1.0
    """Mean squared error of the state."""
    rotation: float = 1.0
    """Chord of each orientation, 2 sqrt(2) sin(angle / 2)."""
    local: float = 0.5
    """The same relative to the parents."""
    root: float = 2.0
    """The same of the pelvis."""
    joints: float = 8.0
    """Distance of joints relative to the own pelvis, metres."""
    placed: float = 4.0
    """Distance of joints relative to the people's common middle, metres."""
    velocity: float = 8.0
    """Difference of joints' true frame-to-frame movement, metres."""
    interaction: float = 4.0
    """Difference of the distances between joints of the one and joints of the other, metres."""
    reprojection: float = 4.0
    """Joints in the image, in metres at their depth."""
    depth: float = 1.0
    """Logarithm of the people's common depth."""
    up: float = 1.0
    """Chord of the direction against gravity."""
    uncertainty: float = 0.02
    """Likelihood of the rotations' errors; teaches the variance alone."""


@dataclass(frozen=True)
class _Bodies:
    """In the virtual camera."""

    rotations: Float[Tensor, "B P F 24 3 3"]
    joints: Float[Tensor, "B P F 24 3"]
    """Relative to the pelvis."""
    pelvis: Float[Tensor, "B P F 3"]

    @classmethod
    def of(cls, state: Float[Tensor, "B P F 160"], view: View, skeleton: Skeleton) -> _Bodies:
        sixd, betas, place, offset = state.split([ROTATION, SHAPE, PLACE, OFFSET], dim=-1)
        rotations = rotations_of(sixd)
        return cls(
            rotations,
            skeleton.joints(rotations, betas.mean(2)),
            pelvis_of(place, offset, view),
        )

    @property
    def placed(self) -> Float[Tensor, "B P F 24 3"]:
        return self.joints + self.pelvis[..., None, :]


def losses(
    answer: Denoised, lesson: Lesson, skeleton: Skeleton, up: Float[Tensor, "B 3"]
) -> dict[str, Float[Tensor, "B"]]:
    """Unweighted terms of each window; `up` in the camera's frame, the truth."""
    view, partner = lesson.told.view, lesson.told.partner
    truth = _Bodies.of(lesson.state, view, skeleton)
    guess = _Bodies.of(answer.state, view, skeleton)
    wrong = (answer.state - lesson.state).square()
    metric = wrong[..., -OFFSET:].mean((1, 2, 3)) * partner
    rest = wrong[..., : ROTATION + SHAPE + PLACE].mean((1, 2, 3))
    chord = _chord(guess.rotations, truth.rotations)
    local = _chord(relative(guess.rotations), relative(truth.rotations))
    apart = guess.joints - truth.joints
    true_up = (view.R_virtual_camera @ up[..., None])[..., 0]
    angle = local.detach().square() / 2
    variance = (angle * (-answer.log_variance).exp() + answer.log_variance) / 2
    return {
        "state": rest + metric,
        "rotation": chord[..., 1:].mean((1, 2, 3)),
        "local": local[..., 1:].mean((1, 2, 3)),
        "root": chord[..., 0].mean((1, 2)),
        "joints": _norm(apart).mean((1, 2, 3)),
        **_placement(guess, truth, partner),
        "up": (answer.up - true_up).norm(dim=-1),
        "uncertainty": variance.mean((1, 2, 3)),
    }


def _placement(guess: _Bodies, truth: _Bodies, partner: Tensor) -> dict[str, Tensor]:
    placed, true_placed = guess.placed, truth.placed
    # The common depth is a term of its own: metres along the ray would drown the rest.
    middle = guess.pelvis.mean(1, keepdim=True) - truth.pelvis.mean(1, keepdim=True)
    relative = placed - true_placed - middle[..., None, :]
    moved = placed.diff(dim=2) - true_placed.diff(dim=2)
    planar = placed[..., :2] / placed[..., 2:].clamp_min(0.2)
    true_planar = true_placed[..., :2] / true_placed[..., 2:].clamp_min(0.2)
    reach = truth.pelvis[..., 2].clamp_min(0.2)[..., None, None]
    depth = guess.pelvis[..., 2].mean(1).clamp_min(0.05).log()
    depth = depth - truth.pelvis[..., 2].mean(1).clamp_min(0.05).log()
    return {
        "placed": _norm(relative).mean((1, 2, 3)) * partner,
        "velocity": (_norm(moved[..., :2]) + 0.3 * moved[..., 2].abs()).mean((1, 2, 3)),
        "interaction": _interaction(placed, true_placed) * partner,
        "reprojection": _norm((planar - true_planar) * reach).mean((1, 2, 3)),
        "depth": depth.abs().mean(1),
    }


def _interaction(
    placed: Float[Tensor, "B P F 24 3"], truth: Float[Tensor, "B P F 24 3"]
) -> Float[Tensor, "B"]:
    """Mean difference of the joint-to-joint distances between the first person and the next."""
    if placed.shape[1] < 2:
        return placed.new_zeros(len(placed))
    # Every second frame: neighbours teach the same.
    guess, true = (v[:, :, ::2, _INTERACTING] for v in (placed, truth))

    def matrix(v: Tensor) -> Tensor:
        return _norm(v[:, 0, :, :, None] - v[:, 1, :, None])

    return (matrix(guess) - matrix(true)).abs().mean((1, 2, 3))


def _norm(vector: Float[Tensor, "*batch N"]) -> Float[Tensor, "*batch"]:
    return (vector.square().sum(-1) + 1e-8).sqrt()


def _chord(
    first: Float[Tensor, "*batch 3 3"], second: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch"]:
    return ((first - second).square().sum((-1, -2)) + 1e-6).sqrt()


def weighted(terms: dict[str, Tensor], weights: LossWeights) -> Float[Tensor, "B"]:
    """The weighted sum."""
    return torch.stack([getattr(weights, name) * value for name, value in terms.items()]).sum(0)
