"""How much of a round's way is gone, where correspondences make frames go to and fro.

A round moves bodies to where the points that were found at its beginning want them. A limb that is
caught between two others finds other points there, which send it back: the rounds repeat each other
for good. Taking a part of the way (under-relaxation: Krasnosel'skii 1955, Mann 1953) leaves the
places in which rounds rest what they are, and makes such frames come to rest between the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from engine.fit.jacobian import move_between, moved
from engine.fit.setting import Setting
from engine.fit.state import FitState

BACK = -0.3
"""Cosine between the ways of two rounds below which a frame goes back."""
LEAST = 0.25
"""Share of the way that is always gone."""


@dataclass
class Relaxation:
    """What a stage remembers of its rounds."""

    share: Float[Tensor, "F"]
    """Of the way, that each frame goes."""
    way: Float[Tensor, "P F 24 3"] | None = None
    """Gone by the joints in the round before, metres."""

    @classmethod
    def none(cls, setting: Setting) -> Relaxation:
        """At first everything is gone."""
        return cls(torch.ones(len(setting.movable), device=setting.movable.device))

    @torch.no_grad()
    def relaxed(self, setting: Setting, before: FitState, after: FitState) -> FitState:
        """Between the states at the beginning and at the end of a round: half as near to the latter
        as it was where the round goes back, twice as near where it does not. `before` has upright
        rotations."""
        old, new = (setting.posed(state) for state in (before, after))
        way = new.joints - old.joints
        if self.way is not None:
            doubled = (2 * self.share).clamp_max(1.0)
            halved = (0.5 * self.share).clamp_min(LEAST)
            self.share = torch.where(_cosine(way, self.way) < BACK, halved, doubled)
        share = _smoothed(self.share)[:, None]
        self.way = way * share[..., None]
        move = move_between(before, after, (old.rotmats, new.rotmats))
        return moved(before, old.rotmats, move * share)


def _cosine(a: Float[Tensor, "P F N 3"], b: Float[Tensor, "P F N 3"]) -> Float[Tensor, "F"]:
    """Between the ways of all joints, with the frames near by; 0 where nothing moves."""
    product, aa, bb = (_smoothed((x * y).sum((0, 2, 3))) for x, y in ((a, b), (a, a), (b, b)))
    return product / (aa * bb).sqrt().clamp_min(1e-12)


def _smoothed(values: Float[Tensor, "F"]) -> Float[Tensor, "F"]:
    """Mean with two frames on each side, the nearer the more: neighbours must stay together."""
    kernel = values.new_tensor([1.0, 2.0, 3.0, 2.0, 1.0]) / 9
    padded = torch.nn.functional.pad(values[None, None], (2, 2), mode="replicate")
    return torch.nn.functional.conv1d(padded, kernel[None, None])[0, 0]
