"""Does a prior know who belongs together? True partners against partners from elsewhere."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from engine.prior.dataset import MotionLibrary, WorldWindows
from engine.prior.evaluation.held_out import filmed, seen_from, taken
from engine.prior.evaluation.setting_down import SetDown, set_down
from engine.prior.windows import RATE, PairWindows

FRAMES, STRIDE = 64, 15
"""Of a window, and from one to the next."""
NEAREST, FURTHEST = 1.0, 2.0
"""Seconds by which a partner of the same trial is early or late."""
DRAWS = 2
"""Noises that a loss is the mean of; the same for all candidates."""
TRIED = 6
"""Other recordings that are tried until a partner can be set down."""
_BATCH = 32
_SEED = 23


@runtime_checkable
class Judge(Protocol):
    """What `engine.prior.prior.Prior` is here."""

    def denoising_loss(
        self, windows: PairWindows, *, generator: torch.Generator
    ) -> Float[Tensor, "B"]:
        """How badly noise is taken off each window. The noise comes from the generator alone."""
        ...

    def information(
        self, windows: PairWindows, *, generator: torch.Generator
    ) -> Float[Tensor, "B"]:
        """How much knowing the partner helps to take the noise off each of two people."""
        ...


Candidates = Int[Tensor, "B C"]
"""For each window others whose partner may be set down in it, in the order in which they are tried;
-1 where there are no more."""


def same_trial(windows: WorldWindows, stride: int = STRIDE) -> Candidates:
    """Windows of the same clip `NEAREST` to `FURTHEST` seconds away: for one window the early
    ones first, for the next the late ones, nearer and further ones in turn. The windows are
    `stride` frames apart."""
    steps = [
        sign * away
        for away in range(1, int(FURTHEST * RATE / stride) + 1)
        if away * stride >= NEAREST * RATE
        for sign in (1, -1)
    ]
    count = len(windows.pelvis)
    table = torch.full((count, len(steps)), -1)
    for i in range(count):
        order = [steps[(i + k) % len(steps)] for k in range(len(steps))]
        there = [i + step for step in order if 0 <= i + step < count]
        chosen = [j for j in there if windows.clips[i] == windows.clips[j]]
        table[i, : len(chosen)] = torch.tensor(chosen, dtype=torch.long)
    return table


def other_trials(windows: WorldWindows, library: MotionLibrary) -> Candidates:
    """Windows of other recordings (of key poses: of other sequences), `TRIED` for each window."""
    names = [f"{c.name} {c.first}" if c.posed else c.name for c in library.clips]
    trials = [names[clip] for clip in windows.clips.tolist()]
    count = len(trials)
    table = torch.full((count, TRIED), -1)
    for i in range(count):
        # From far off in the list, and another one for every window.
        order = [(i + count // 2 + k) % count for k in range(count)]
        chosen = [j for j in order if trials[j] != trials[i]][:TRIED]
        table[i, : len(chosen)] = torch.tensor(chosen, dtype=torch.long)
    return table


@dataclass(frozen=True)
class Told:
    """How often the true partner was told from another one. Shares in 0..1; NaN without windows."""

    windows: int
    """Comparisons: each window once for each person replaced."""
    unmatched: int
    """Left out: no other partner could be set down with distance and facing kept."""
    by_loss: float
    """Share in which the true pair has the smaller denoising loss."""
    by_information: float
    """Share in which knowing of each other helps the true pair more: the denoising loss of either
    with the partner cut over that with the partner given (`Prior.information`)."""


@dataclass(frozen=True)
class Scores:
    """Of B windows."""

    loss: Float[Tensor, "B"]
    information: Float[Tensor, "B"]


@torch.no_grad()
def scores(prior: Judge, windows: PairWindows, draws: int = DRAWS) -> Scores:
    """Denoising losses, and what the partners tell of each other; the same noise for all windows
    that are compared."""
    loss: list[Tensor] = []
    information: list[Tensor] = []
    for index in torch.arange(len(windows.pelvis)).split(_BATCH):
        part = windows.select(taken(index))
        for measure, found in ((prior.denoising_loss, loss), (prior.information, information)):
            generator = torch.Generator().manual_seed(_SEED + int(index[0]))
            drawn = [measure(part, generator=generator) for _ in range(draws)]
            found.append(torch.stack(drawn).mean(0))
    return Scores(torch.cat(loss), torch.cat(information))


def told_apart(
    prior: Judge,
    windows: WorldWindows,
    candidates: Candidates,
    chosen: Int[Tensor, "N"],
) -> Generator[float, None, Told]:
    """In the chosen windows, true partners against those of other windows, set down with distance
    and facing kept, each person replaced in turn, before the same camera. Yields the share that is
    done."""
    seen, views = filmed(windows.select(taken(chosen)))
    mine = scores(prior, seen)
    people = range(windows.pelvis.shape[1])
    yield 1 / (len(people) + 1)
    wins: list[tuple[Tensor, Tensor]] = []
    for person in people:
        other = replaced(windows, candidates, chosen, person)
        theirs = scores(prior, seen_from(other.windows, views))
        by_loss = _won(theirs.loss - mine.loss, other.kept)
        wins.append((by_loss, _won(mine.information - theirs.information, other.kept)))
        yield (person + 2) / (len(people) + 1)
    by_loss, by_information = (torch.cat(parts) for parts in zip(*wins, strict=True))
    left_out = len(people) * len(chosen) - len(by_loss)
    return Told(len(by_loss), left_out, _mean(by_loss), _mean(by_information))


def replaced(
    windows: WorldWindows, candidates: Candidates, chosen: Int[Tensor, "N"], person: int
) -> SetDown:
    """Every chosen window with a person from the first of its candidates who can be set down in
    it."""
    truth = windows.select(taken(chosen))
    result = SetDown(truth, torch.zeros(len(chosen), dtype=torch.bool))
    for elsewhere in candidates[chosen].T:
        left = (~result.kept & (elsewhere >= 0)).nonzero()[:, 0]
        if not len(left):
            continue
        tried = set_down(truth.select(taken(left)), windows.select(taken(elsewhere[left])), person)
        result = result.where(left[tried.kept], tried.only(tried.kept))
    return result


def _won(lead: Float[Tensor, "B"], kept: Bool[Tensor, "B"]) -> Float[Tensor, "N"]:
    """1 where the true pair leads, 0 where it does not, a half where both are the same."""
    return (0.5 * (1 + lead.sign()))[kept]


def _mean(values: Tensor) -> float:
    return float(values.mean()) if len(values) else float("nan")
