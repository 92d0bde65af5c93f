"""What a training window is told and what it must answer: the tasks that one network learns.

Every window is dealt one of four tasks: bodies from 2D, hidden frames from those around them, a
hidden person from the partner, and motion from nothing or from a few words. Within each, parts are
left out at random, so that at use everything may be missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from engine.prior.condition import Told
from engine.prior.diffusion import STEPS
from engine.prior.motion_code import GROUPS, pack, view_of
from engine.prior.proxemics import Proxemics, measure
from engine.prior.skeleton import Skeleton
from engine.prior.windows import PairWindows, Seen


@dataclass(frozen=True)
class LessonShares:
    """How often what is taught and told."""

    estimate: float = 0.45
    """Bodies from 2D."""
    infill: float = 0.2
    """Hidden frames of everybody between (or after, or before) known ones."""
    react: float = 0.1
    """A hidden person from the known partner; for people who are alone this is `free`."""
    no_state: float = 0.6
    """Of estimates, infills and reactions: begun from nothing of the state (the last level)."""
    seen_too: float = 0.25
    """Of infills and reactions: 2D of what is hidden is there as well."""
    gap: float = 0.25
    """Of estimates: 2D is missing for a while, for one person or for all."""
    unseen_person: float = 0.06
    """Of estimates: 2D of one person is missing for the whole window."""
    some_known: float = 0.08
    """Of estimates: some joints' orientations, or shape, or placement are known."""
    proxemics: float = 0.12
    """Each of zone, distances and facing is told, in estimates."""
    proxemics_free: float = 0.5
    """The same in the other tasks."""
    heights: float = 0.35
    up: float = 0.2
    """Gravity is told, in estimates."""
    up_free: float = 0.8
    """The same in the other tasks."""
    apart: float = 0.12
    """Pairs whose attention to the partner is cut."""


@dataclass(frozen=True)
class Lesson:
    """B windows, what they are told, and from which step of noise they are to be told apart."""

    told: Told
    state: Float[Tensor, "B P F 160"]
    """The truth."""
    step: Int[Tensor, "B"]


def lesson(
    windows: PairWindows,
    seen: Seen,
    skeleton: Skeleton,
    *,
    heights: Float[Tensor, "B P"],
    shares: LessonShares,
    generator: torch.Generator,
) -> Lesson:
    """Deal tasks to windows. `heights` in metres."""
    deal = _Deal(generator, *windows.pelvis.shape[:3])
    task = deal.uniform()
    estimate = task < shares.estimate
    infill = ~estimate & (task < shares.estimate + shares.infill)
    react = ~estimate & ~infill & (task < shares.estimate + shares.infill + shares.react)
    react &= torch.tensor(deal.people > 1)
    free = ~estimate & ~infill & ~react
    someone = deal.someone()
    known = _known(deal, shares, (estimate, infill, react), someone)
    there = _seen_frames(deal, shares, (estimate, infill | react), someone)
    partial = Seen(seen.rays * there[..., None, None], seen.confidence * there[..., None])
    view = view_of(partial, windows)
    state = pack(windows, view)
    step = deal.steps()
    step = torch.where(~free & deal.chance(shares.no_state), STEPS - 1, step)
    said = torch.where(estimate, shares.proxemics, shares.proxemics_free)
    up = torch.where(estimate, shares.up, shares.up_free)
    told = Told(
        view=view,
        seen=partial,
        state=state,
        known=known,
        proxemics=_said(measure(windows, skeleton), deal, said),
        heights=heights.masked_fill(~deal.chance(shares.heights)[:, None], torch.nan),
        up=windows.up.masked_fill(~(deal.uniform() < up)[:, None], torch.nan),
        partner=1.0 - (deal.chance(shares.apart) | torch.tensor(deal.people < 2)).float(),
    )
    return Lesson(told, state, step)


@dataclass(frozen=True)
class _Deal:
    """Random choices for B windows of P people and F frames."""

    generator: torch.Generator
    count: int
    people: int
    frames: int

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(self.count, *shape, generator=self.generator)

    def chance(self, share: float, *shape: int) -> Bool[Tensor, "B *shape"]:
        return self.uniform(*shape) < share

    def steps(self) -> Int[Tensor, "B"]:
        return (self.uniform() * STEPS).long()

    def someone(self) -> Bool[Tensor, "B P 1"]:
        """One person of each window."""
        who = (self.uniform(1) * self.people).long()
        return (torch.arange(self.people) == who)[..., None]

    def span(self, shortest: float, longest: float) -> Bool[Tensor, "B 1 F"]:
        """A stretch of frames of each window, of a share of its length between two."""
        length = (shortest + (longest - shortest) * self.uniform(1)) * self.frames
        # One in three reaches the end or the beginning of the window.
        first = self.uniform(1) * (self.frames - length) * 1.4 - 0.2 * (self.frames - length)
        frame = torch.arange(self.frames) + 0.5
        return ((frame > first) & (frame < first + length))[:, None]


def _known(
    deal: _Deal, shares: LessonShares, tasks: tuple[Tensor, ...], someone: Tensor
) -> Float[Tensor, "B P F 26"]:
    """Which groups of the state are known."""
    estimate, infill, react = (task[:, None, None] for task in tasks)
    hidden = deal.span(0.1, 0.8).expand(-1, deal.people, -1)
    # Now and then single frames or one person alone are hidden.
    scattered = deal.chance(0.6, deal.people, deal.frames)
    hidden = torch.where(deal.chance(0.15)[:, None, None], scattered, hidden)
    only_one = deal.chance(0.2)[:, None, None]
    hidden = torch.where(only_one, hidden & someone, hidden)
    around = infill & ~hidden
    partner = react & ~someone.expand(-1, -1, deal.frames)
    frames = (around | partner)[..., None].expand(-1, -1, -1, GROUPS).clone()
    # Who a hidden person is, is mostly known from the frames around.
    frames[..., 24] |= (infill & deal.chance(0.7)[:, None, None]).expand(frames.shape[:3])
    some = estimate & deal.chance(shares.some_known)[:, None, None]
    groups = deal.chance(0.3, 1, 1, GROUPS)
    frames |= some[..., None] & groups
    return frames.float()


def _seen_frames(
    deal: _Deal, shares: LessonShares, tasks: tuple[Tensor, ...], someone: Tensor
) -> Float[Tensor, "B P F"]:
    """In which frames 2D of whom is there."""
    estimate, others = (task[:, None, None] for task in tasks)
    there = estimate | (others & deal.chance(shares.seen_too)[:, None, None])
    there = there.expand(-1, deal.people, deal.frames).clone()
    gap = deal.span(0.1, 0.7) & deal.chance(shares.gap)[:, None, None]
    gap = torch.where(deal.chance(0.5)[:, None, None], gap & someone, gap)
    there &= ~gap
    if deal.people > 1:
        there &= ~(someone & deal.chance(shares.unseen_person)[:, None, None])
    return there.float()


def _said(truth: Proxemics, deal: _Deal, share: Float[Tensor, "B"]) -> Proxemics:
    """What is said of proxemics: each word in a share of windows, half of the time for a while."""
    while_ = deal.span(0.3, 1.0)[:, 0] | deal.chance(0.5)[:, None]

    def word() -> Bool[Tensor, "B F"]:
        return (deal.uniform() < share)[:, None] & while_

    # Two in five windows are told nothing at all.
    quiet = deal.chance(0.4)[:, None]
    return truth.only(*(word() & ~quiet for _ in range(4)))
