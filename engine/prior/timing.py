"""When windows look at the clips that they are cut from, and what is between two key poses."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from engine.prior.windows import RATE

KEY_SECONDS = 0.4, 1.2
"""Between these, key poses posed by hand follow each other; they have no timing of their own."""


class Times(NamedTuple):
    """When B windows of F frames look at their clips, whose frames or key poses are steps apart."""

    position: Float[Tensor, "B F"]
    """Frames or key poses, fractions of them too."""
    before: Float[Tensor, "B F"]
    """Duration of the step in which that is, over its and the previous step's; 1 in the first."""
    after: Float[Tensor, "B F"]
    """The same with the next step; 1 in the last."""


def even_times(position: Float[Tensor, "B F"], lengths: Int[Tensor, "B"]) -> Times:
    """Where all steps of a clip last as long; `lengths` are the clips' frames."""
    last = lengths[:, None] - 2
    step = torch.minimum(position.floor().long(), last)
    return Times(position, torch.where(step == 0, 1.0, 0.5), torch.where(step == last, 1.0, 0.5))


def keyed_times(lengths: Int[Tensor, "B"], frames: int, generator: torch.Generator) -> Times:
    """Where each key pose comes as long after the one before as is drawn for it.

    Windows begin at random; where the clip is too short, it is played as slowly as it must be.
    """
    last = lengths - 1
    shape = (len(lengths), int(last.max()))
    gaps = uniform(shape, KEY_SECONDS[0] * RATE, KEY_SECONDS[1] * RATE, generator)
    gaps = gaps * (torch.arange(shape[1]) < last[:, None])
    gaps = gaps * ((frames - 1) / gaps.sum(1, keepdim=True)).clamp_min(1.0)
    reached = F.pad(gaps.cumsum(1), (1, 0))
    room = (reached[:, -1:] - (frames - 1)).clamp_min(0)
    when = torch.rand(len(lengths), 1, generator=generator) * room + torch.arange(frames)
    step = (torch.searchsorted(reached, when, right=True) - 1).clamp_min(0)
    step = torch.minimum(step, last[:, None] - 1)
    around = F.pad(gaps, (1, 1))
    earlier, gap, later = (around.gather(1, step + shift) for shift in range(3))
    part = ((when - reached.gather(1, step)) / gap).clamp(0, 1)
    return Times(step + part, gap / (gap + earlier), gap / (gap + later))


def spline_shares(times: Times) -> Float[Tensor, "B F 4"]:
    """Shares of the steps -1, 0, 1 and 2 in what is between 0 and 1, where `position` is: Hermite's
    cubic whose slope at a step is that of the line between its neighbours (Catmull and Rom 1974).
    """
    part = times.position
    square, cube = part**2, part**3
    begins, ends = 2 * cube - 3 * square + 1, 3 * square - 2 * cube
    leaves, arrives = (cube - 2 * square + part) * times.before, (cube - square) * times.after
    return torch.stack([-leaves, begins - arrives, ends + leaves, arrives], dim=-1)


def uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    """Random numbers between two."""
    return low + (high - low) * torch.rand(shape, generator=generator)
