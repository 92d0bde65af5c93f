"""What the prior is told besides the noisy state: 2D, known states, proxemics, heights, gravity.

Each part can be left out for any joint, frame or person, so that one network gives the first 3D
from 2D, fills frames or a person that nobody saw, obeys a distance, and knows motion without any of
it. Where states before or after a frame are known, what these let expect is told too ("between"),
and the network answers the difference from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from engine.prior.motion_code import (
    GROUPS,
    ROTATION,
    SHAPE,
    SIZE,
    SeenInView,
    View,
    expected_offset,
    seen_in_view,
    shown_to,
    spread_groups,
)
from engine.prior.proxemics import FEATURES, Proxemics
from engine.prior.windows import Seen

SEEN_FEATURES = 26 * 3 + 4
FADING = 8.0
"""Frames in which a speed fades beyond the last known frame."""
MEAN_HEIGHT, HEIGHT_SPREAD = 1.7, 0.1
"""Metres; of the numbers that the network gets."""
FRAME_FEATURES = SIZE + GROUPS + 2 + SEEN_FEATURES + FEATURES
"""Per person and frame, without the noisy state."""
WINDOW_FEATURES = 2 + 4 + 1 + 1
"""Per person: height and flag, up in the view and flag, whether the person is seen, whether there
is a partner."""


@dataclass(frozen=True)
class Condition:
    """For B windows of P people and F frames, ready for the network."""

    frames: Float[Tensor, "B P F N"]
    """`FRAME_FEATURES` numbers."""
    windows: Float[Tensor, "B P M"]
    """`WINDOW_FEATURES` numbers."""
    known: Float[Tensor, "B P F 160"]
    """1 where the state is known."""
    state: Float[Tensor, "B P F 160"]
    """The known state, 0 elsewhere."""
    base: Float[Tensor, "B P F 160"]
    """What the network's answer is added to."""
    partner: Float[Tensor, "B"]
    """1 where people see each other, 0 where the cross-attention is cut."""


@dataclass(frozen=True)
class Told:
    """What is told of B windows, before it is put into the network's numbers."""

    view: View
    seen: Seen
    state: Float[Tensor, "B P F 160"]
    """Anything where it is not known."""
    known: Float[Tensor, "B P F 26"]
    """1 or 0 for each group of the state."""
    proxemics: Proxemics
    heights: Float[Tensor, "B P"]
    """Metres, standing; NaN where unknown."""
    up: Float[Tensor, "B 3"]
    """In the camera's frame; NaN where unknown."""
    partner: Float[Tensor, "B"]
    """1 where people see each other, 0 where everybody is looked at alone."""

    @classmethod
    def nothing(cls, view: View, people: int, frames: int) -> Told:
        """Nothing is told but the camera, and that people see each other if there are several."""
        count, like = len(view.log_extent), view.log_extent
        device = like.device
        return cls(
            view=view,
            seen=Seen.nothing(count, people, frames, device),
            state=like.new_zeros(count, people, frames, SIZE),
            known=like.new_zeros(count, people, frames, GROUPS),
            proxemics=Proxemics.nothing(count, people, frames, device),
            heights=like.new_full((count, people), torch.nan),
            up=like.new_full((count, 3), torch.nan),
            partner=like.new_full((count,), float(people > 1)),
        )


def condition(told: Told) -> Condition:
    """The network's numbers."""
    seen = seen_in_view(told.seen, told.view)
    shown = shown_to(told.partner)
    known = spread_groups(told.known)
    state = torch.nan_to_num(told.state) * known * shown
    between, spans = between_known(state, told.known)
    base = _base(seen, told.view) * shown
    inside = spread_groups(spans)
    base = between * inside + base * (1 - inside)
    near = torch.stack([told.known.mean(-1), spans.mean(-1)], dim=-1)
    proxemics = told.proxemics.features() * told.partner[:, None, None, None]
    frames = [between * inside, told.known, near, seen.features, proxemics]
    return Condition(
        torch.cat(frames, dim=-1), _window_features(told, seen), known, state, base, told.partner
    )


def _base(seen: SeenInView, view: View) -> Float[Tensor, "B P F 160"]:
    """The placement that 2D gives a body of mean size, upright nothing else."""
    there = seen.there[..., None]
    place = seen.place * there
    everybody = there.amin(1, keepdim=True)
    offset = expected_offset(place, view) * everybody
    count, people, frames = seen.features.shape[:3]
    rest = place.new_zeros(count, people, ROTATION + SHAPE)
    base = torch.cat([rest, place, offset], dim=-1)
    return base[:, :, None].expand(-1, -1, frames, -1)


def between_known(
    state: Float[Tensor, "B P F 160"], known: Float[Tensor, "B P F 26"]
) -> tuple[Float[Tensor, "B P F 160"], Float[Tensor, "B P F 26"]]:
    """What neighbouring known frames let expect of every frame, and where there are such frames.

    Between two known ones the cubic that passes through both at the speeds they have there
    (Hermite's), where a speed is not known that of the straight line; beyond the first and the
    last, that frame, moved on at a speed that fades.
    """
    near = _neighbours(known)
    first, last = state.gather(2, near.low), state.gather(2, near.high)
    length = (near.high - near.low).clamp_min(1)
    straight = (last - first) / length
    leaving = torch.where(
        near.before_low, first - state.gather(2, (near.low - 1).clamp_min(0)), straight
    )
    after = (near.high + 1).clamp_max(state.shape[2] - 1)
    arriving = torch.where(near.after_high, state.gather(2, after) - last, straight)
    u = near.since_low / length
    cubic = (
        (2 * u**3 - 3 * u**2 + 1) * first
        + (u**3 - 2 * u**2 + u) * leaving * length
        + (3 * u**2 - 2 * u**3) * last
        + (u**3 - u**2) * arriving * length
    )
    # With one side alone, low and high are the same frame.
    speed = torch.where(near.since_low > 0, leaving, -arriving)
    moved = first + speed * FADING * (1 - (-near.since_low.abs() / FADING).exp())
    expected = torch.where(near.low < near.high, cubic, moved) * near.inside
    return expected, near.groups


@dataclass(frozen=True)
class _Neighbours:
    """Of every value of the state, the nearest known frames; (B, P, F, 160) each."""

    low: Tensor
    """Before the frame or in it; the one after where there is none before."""
    high: Tensor
    inside: Tensor
    """1 where there is any, else 0."""
    groups: Float[Tensor, "B P F 26"]
    """The same of every group."""
    since_low: Tensor
    """Frames since `low`, negative before it."""
    before_low: Tensor
    """Whether the frame before `low` is known too."""
    after_high: Tensor


def _neighbours(known: Float[Tensor, "B P F 26"]) -> _Neighbours:
    frames = known.shape[2]
    index = torch.arange(frames, device=known.device).view(1, 1, frames, 1).expand_as(known)
    there = known > 0.5
    before = torch.where(there, index, -1).cummax(2).values
    after = torch.where(there, index, frames).flip(2).cummin(2).values.flip(2)
    low = torch.where(before >= 0, before, after).clamp(0, frames - 1)
    high = torch.where(after < frames, after, before).clamp(0, frames - 1)
    before_low = there.gather(2, (low - 1).clamp_min(0)) & (low > 0)
    after_high = there.gather(2, (high + 1).clamp_max(frames - 1)) & (high < frames - 1)
    inside = ((before >= 0) | (after < frames)).float()
    return _Neighbours(
        low=spread_groups(low.float()).long(),
        high=spread_groups(high.float()).long(),
        inside=spread_groups(inside),
        groups=inside,
        since_low=spread_groups((index - low).float()),
        before_low=spread_groups(before_low.float()) > 0.5,
        after_high=spread_groups(after_high.float()) > 0.5,
    )


def _window_features(told: Told, seen: SeenInView) -> Float[Tensor, "B P M"]:
    people = told.heights.shape[1]
    has_height = ~told.heights.isnan()
    height = torch.where(has_height, (told.heights - MEAN_HEIGHT) / HEIGHT_SPREAD, 0.0)
    has_up = ~told.up.isnan().any(-1)
    up = (told.view.R_virtual_camera @ torch.nan_to_num(told.up)[..., None])[..., 0]
    shared = torch.cat([up * has_up[:, None], has_up.float()[:, None]], dim=-1)
    shared = shared[:, None].expand(-1, people, -1)
    partner = told.partner[:, None].expand(-1, people)
    return torch.cat(
        [
            torch.stack([height, has_height.float()], dim=-1),
            shared,
            torch.stack([seen.there, partner], dim=-1),
        ],
        dim=-1,
    )
