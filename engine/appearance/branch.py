"""The appearance branch: avatars learnt while the motion holds still, and what pictures cost the
motion while the avatars do."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from engine.appearance.avatar import Avatar, gaussians_of
from engine.appearance.costs import picture_costs
from engine.appearance.footage import Footage
from engine.appearance.gaussians import Anchors, Gaussians
from engine.aside import pause
from engine.body.smpl import PosedBody
from engine.config import AppearanceConfig

WIDEST = 1.5
"""Factor on the scales of Gaussians while avatars begin to be learnt: first blurred, then sharp."""
WIDE_UNTIL = 0.5
"""Share of the epochs after which scales are as decoded."""
LAST_RATE = 0.1
"""Learning rates of the last epoch, as a share of the first one's."""
FEW = 8
"""Pictures that are all looked at, however many could be left out."""
TOGETHER = 8
"""Pictures rendered together: what bounds the memory."""


@dataclass(frozen=True)
class LearningProgress:
    fraction: float
    cost: float
    """Mean cost of the last epoch's pictures, weighted."""


def widening(epoch: int, epochs: int) -> float:
    """Factor on scales in an epoch: from `WIDEST` down to exactly 1, and 1 in the last epoch."""
    until = max(1, round(WIDE_UNTIL * (epochs - 1)))
    return WIDEST + (1.0 - WIDEST) * min(1.0, epoch / until) if epochs > 1 else 1.0


def rate_factor(epoch: int, epochs: int) -> float:
    """Factor on the learning rates in an epoch, all its steps alike: from 1 down to `LAST_RATE`."""
    return float(LAST_RATE ** (epoch / max(1, epochs - 1)))


def learn_avatars(
    footage: Footage,
    posed: PosedBody,
    config: AppearanceConfig,
    avatars: Mapping[int, Avatar] | None = None,
    fixed: Set[int] = frozenset(),
) -> Generator[LearningProgress, None, tuple[Avatar, ...]]:
    """Learn what each person looks like; the bodies (camera frame of each frame) hold still.

    Adam over the pictures, one after the other in random order. `avatars`, by person: to go on
    with, or to leave as they are where the person is one of `fixed`; others begin grey. The same
    input and `config.seed` give the same avatars.
    """
    generator = torch.Generator().manual_seed(config.seed)
    people = _first(avatars or {}, posed, config, generator)
    learners = [person for p, person in enumerate(people) if p not in fixed]
    if learners:
        optimizer = torch.optim.Adam(_groups(learners, config))
        device = posed.transforms.device
        anchors, held = Anchors.load(posed.model.name, config.density, device), _held(posed)
        rows = evenly(len(footage), config.learning_frames)
        for epoch in range(config.epochs):
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * rate_factor(epoch, config.epochs)
            widen, costs = widening(epoch, config.epochs), []
            for row in rows[torch.randperm(len(rows), generator=generator).numpy()].tolist():
                optimizer.zero_grad()
                look = gaussians_of(people, widen)
                seen = _seen(footage, row, held, look, config)
                (seen + restraint(look, anchors, people, config)).backward()
                optimizer.step()
                costs.append(float(seen.detach()))
                share = (epoch + len(costs) / len(rows)) / config.epochs
                yield LearningProgress(share, float(np.mean(costs)))
    for person in people:
        person.latent.requires_grad_(False)
        person.decoder.requires_grad_(False)
    return people


def evenly(count: int, most: int) -> Int[np.ndarray, "N"]:
    """At most `most` of 0, 1, ... `count` - 1."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _seen(
    footage: Footage, row: int, posed: PosedBody, look: Gaussians, config: AppearanceConfig
) -> Float[Tensor, ""]:
    """Cost of one picture, its terms in the proportion that they have for the motion."""
    device = posed.transforms.device
    anchors = Anchors.load(posed.model.name, config.density, device)
    frame = torch.from_numpy(footage.frames[row : row + 1]).to(device)
    means = anchors.skin(posed, look.offsets, frame)
    costs = picture_costs(means, look, footage.shown([row], device), config)
    each = [value.sum() for value in costs.weighted(config).values()]
    total = torch.stack([*each, means.sum() * 0]).sum()
    return total / (config.photometric or config.identity or 1.0)


def restraint(
    look: Gaussians, anchors: Anchors, avatars: Sequence[Avatar], config: AppearanceConfig
) -> Float[Tensor, ""]:
    """Avatars stay near the skin, their Gaussians of one size, their latents small."""
    scale = (look.scales / anchors.spacing).log()
    latent = torch.stack([avatar.latent.square().mean() for avatar in avatars]).mean()
    return (
        config.offset * (look.offsets / 0.02).square().sum(-1).mean()
        + config.scale * (scale - scale.mean(1, keepdim=True)).square().mean()
        + config.latent * latent
    )


def _first(
    avatars: Mapping[int, Avatar],
    posed: PosedBody,
    config: AppearanceConfig,
    generator: torch.Generator,
) -> tuple[Avatar, ...]:
    """An avatar for everybody, each in storage of its own."""
    people = []
    for person in range(len(posed.betas)):
        avatar = Avatar.new(posed.model.name, config.density, generator)
        if (given := avatars.get(person)) is not None:
            avatar.latent.copy_(given.latent.detach())
            avatar.decoder.load_state_dict(given.decoder.state_dict())
        people.append(avatar.on(posed.transforms.device))
    return tuple(people)


def _groups(avatars: Sequence[Avatar], config: AppearanceConfig) -> list[dict[str, Any]]:
    latents = [avatar.latent.requires_grad_() for avatar in avatars]
    weights = [value for avatar in avatars for value in avatar.decoder.parameters()]
    return [
        {"params": latents, "lr": config.latent_rate, "initial_lr": config.latent_rate},
        {"params": weights, "lr": config.decoder_rate, "initial_lr": config.decoder_rate},
    ]


def _held(posed: PosedBody) -> PosedBody:
    return PosedBody(
        posed.model, posed.betas.detach(), posed.rotmats.detach(), posed.transforms.detach(),
        posed.joints.detach(),
    )  # fmt: skip


class PictureTerm:
    """What the pictures cost the motion while the looks are fixed.

    Every `config.stride`-th frame of the clip is looked at, and the same ones by every fit of it:
    what is descended stays what it is, and a re-fit finds what the fit before it found. The motion
    is smooth, so the frames between follow.
    """

    def __init__(
        self,
        footage: Footage,
        look: Gaussians,
        config: AppearanceConfig,
        *,
        body: str,
        movable: Bool[Tensor, "F"],
        time: Float[Tensor, "F"],
        first: int = 0,
    ) -> None:
        """`first`: which frame of the clip the window begins with."""
        self._footage, self._look, self._config = footage, look.detach(), config
        self._anchors = Anchors.load(body, config.density, time.device)
        all_rows = np.flatnonzero(movable.cpu().numpy()[footage.frames])
        self._rows = _looked_at(all_rows, first + footage.frames[all_rows], config.stride)
        self._frames: Int[Tensor, "B"] = torch.from_numpy(footage.frames[self._rows]).to(
            time.device
        )
        self._share = time[self._frames] * (len(all_rows) / max(1, len(self._rows)))

    def __bool__(self) -> bool:
        return len(self._rows) > 0 and bool(self._config.photometric or self._config.identity)

    def __call__(self, posed: PosedBody) -> Float[Tensor, ""]:
        """The weighted cost of bodies in the camera frame of each frame."""
        means = self._anchors.skin(posed, self._look.offsets, self._frames)
        total: Tensor = _InParts.apply(means, self._few)
        return total

    def _few(self, means: Float[Tensor, "P b N 3"], part: slice) -> Float[Tensor, ""]:
        shown = self._footage.shown(self._rows[part].tolist(), means.device)
        costs = picture_costs(means, self._look, shown, self._config).weighted(self._config)
        each = [(value * self._share[part]).sum() for value in costs.values()]
        return torch.stack([*each, means.sum() * 0]).sum()


def _looked_at(
    rows: Int[np.ndarray, "S"], frames: Int[np.ndarray, "S"], stride: int
) -> Int[np.ndarray, "B"]:
    """Those rows whose frames (of the clip) are multiples of `stride`; all where there are few."""
    if len(rows) <= FEW:
        return rows
    chosen = rows[frames % stride == 0]
    # Where people are seen in the frames between alone, these must do.
    return chosen if 2 * stride * len(chosen) >= len(rows) else rows[::stride]


class _InParts(torch.autograd.Function):
    """A sum over pictures, a few at a time, whose gradient is computed along with it: what a
    picture needs is freed before the next, and L-BFGS wants both anyway."""

    @staticmethod
    def forward(
        ctx: Any, means: Tensor, few: Callable[[Tensor, slice], Tensor]
    ) -> Float[Tensor, ""]:
        total, gradient = means.new_zeros(()), torch.empty_like(means)
        for start in range(0, means.shape[1], TOGETHER):
            pause()
            part = slice(start, start + TOGETHER)
            with torch.enable_grad():
                some = means[:, part].detach().requires_grad_()
                cost = few(some, part)
            (gradient[:, part],) = torch.autograd.grad(cost, some)
            total += cost.detach()
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return above * gradient, None
