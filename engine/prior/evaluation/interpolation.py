"""Hidden frames filled in without learning anything: the baselines of an infiller."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from engine.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from engine.prior.skeleton import chained
from engine.prior.windows import PairWindows


def linear(
    points: Float[Tensor, "B P F *rest"], hidden: Bool[Tensor, "F"]
) -> Float[Tensor, "B P F *rest"]:
    """Values of the hidden frames on the straight line between the known ones around them."""
    low, high, part = _around(hidden)
    part = part.view(-1, *[1] * (points.ndim - 3))
    return torch.lerp(points[:, :, low], points[:, :, high], part)


def cubic(
    points: Float[Tensor, "B P F *rest"], hidden: Bool[Tensor, "F"]
) -> Float[Tensor, "B P F *rest"]:
    """Values of the hidden frames on the cubic that leaves and meets the known ones at the speed
    that they have there (Hermite); at the ends of the window, on the straight line."""
    low, high, part = _around(hidden)
    known = torch.nn.functional.pad(~hidden, (1, 1))
    frames = len(hidden)
    moving = ((part > 0) & known[low] & known[high + 2]).view(-1, *[1] * (points.ndim - 3))
    part = part.view(-1, *[1] * (points.ndim - 3))
    span = (high - low).view_as(part)
    before, after = points[:, :, low], points[:, :, high]
    leaving = (before - points[:, :, (low - 1).clamp_min(0)]) * span
    meeting = (points[:, :, (high + 1).clamp_max(frames - 1)] - after) * span
    curved = (
        (2 * part**3 - 3 * part**2 + 1) * before
        + (part**3 - 2 * part**2 + part) * leaving
        + (3 * part**2 - 2 * part**3) * after
        + (part**3 - part**2) * meeting
    )
    return torch.where(moving, curved, linear(points, hidden))


def spherical(windows: PairWindows, hidden: Bool[Tensor, "F"]) -> PairWindows:
    """Rotations relative to the parents turn at one rate from the known frame before to the one
    after (Shoemake 1985), the pelvis goes straight."""
    low, high, part = _around(hidden)
    local = windows.local_rotations
    before, after = local[:, :, low], local[:, :, high]
    turn = matrix_to_axis_angle(before.mT @ after)
    between = before @ axis_angle_to_matrix(turn * part[:, None, None])
    return replace(windows, rotations=chained(between), pelvis=linear(windows.pelvis, hidden))


def _around(hidden: Bool[Tensor, "F"]) -> tuple[Tensor, Tensor, Tensor]:
    """Of each frame the known ones before and after it and the share of the way; at the ends of
    the window, where there is none on one side, the nearest twice."""
    known = (~hidden).nonzero()[:, 0]
    frames = torch.arange(len(hidden))
    after = torch.searchsorted(known, frames).clamp_max(len(known) - 1)
    before = (torch.searchsorted(known, frames, right=True) - 1).clamp_min(0)
    low, high = known[before], known[after]
    low, high = torch.minimum(low, high), torch.maximum(low, high)
    part = (frames - low) / (high - low).clamp_min(1)
    return low, high, part.clamp(0, 1)
