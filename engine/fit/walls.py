"""Steps beside walls: residuals that cost nothing on one side.

A vertex inside the other body costs the square of its depth, outside nothing. Newton's step knows
only those that are inside where it begins: it runs into others, and is drawn back by some that have
long let go. Which of them will count at its end is found by solving again with those that the last
solution ran into (semismooth Newton: Hintermueller, Ito and Kunisch 2003, "The primal-dual active
set strategy as a semismooth Newton method").
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.fit.banded import Bands, Factor
from engine.fit.jacobian import FREEDOM, Jacobian
from engine.fit.state import Posed

SOLUTIONS = 3
"""Of one step: more find few walls more, which have moved by the next step."""
FEW = 0.01
"""Share of the walls that may still change sides."""
HALVINGS = 12
"""Of the way to a solution, when the place with the least cost is looked for on it."""


@dataclass(frozen=True)
class Walls:
    """Residuals that look at one frame each, and cost half their square while they are positive."""

    frame: Int[Tensor, "N"]
    row: Float[Tensor, "N *n"]
    """Derivatives of the values: by everybody's 75 numbers, or by those alone that may change."""
    value: Float[Tensor, "N"]
    """Where the step begins."""

    @classmethod
    def none(cls, transl: Float[Tensor, "P F 3"]) -> Walls:
        """Of so many people, on their device."""
        frame = torch.zeros(0, dtype=torch.long, device=transl.device)
        return cls(frame, transl.new_zeros(0, len(transl), FREEDOM), transl.new_zeros(0))

    @classmethod
    def together(cls, parts: Sequence[Walls]) -> Walls:
        return cls(
            torch.cat([part.frame for part in parts]),
            torch.cat([part.row for part in parts]),
            torch.cat([part.value for part in parts]),
        )

    def within(self, frames: slice) -> Walls:
        """Those of some frames, counted from the first of them."""
        inside = (self.frame >= frames.start) & (self.frame < frames.stop)
        return Walls(self.frame[inside] - frames.start, self.row[inside], self.value[inside])


@runtime_checkable
class OneSided(Protocol):
    """A term that has walls."""

    def walls(self, posed: Posed, jacobian: Jacobian) -> Walls: ...


def walls_of(found: Sequence[object], posed: Posed, jacobian: Jacobian) -> Walls:
    """Of all terms that have some."""
    none = Walls.none(posed.transl)
    parts = [term.walls(posed, jacobian) for term in found if isinstance(term, OneSided)]
    return Walls.together([none, *parts])


@torch.no_grad()
def step_beside(
    matrix: Bands,
    gradient: Float[Tensor, "M n"],
    walls: Walls,
    free: Float[Tensor, "M n"],
    factored: Callable[[Bands], Generator[None, None, Factor]],
) -> Generator[None, None, tuple[Factor, Float[Tensor, "M n"]]]:
    """The step to the least cost, and the factor of the matrix with the walls that count there.

    `matrix` is without walls; `gradient` is of everything, walls with their values included. Each
    solution is gone towards only while the cost falls (Hintermueller, Ito and Kunisch 2003 take
    all of it): one that runs far into new walls would let go of half of those that hold.
    """
    rows = walls.row.flatten(1) * free[walls.frame]
    counting = walls.value > 0
    smooth = gradient.index_add(
        0, walls.frame[counting], -rows[counting] * walls.value[counting, None]
    )
    step, value = torch.zeros_like(gradient), walls.value
    for _ in range(SOLUTIONS):
        frame, row = walls.frame[counting], rows[counting]
        factor = yield from factored(matrix.plus(frame, row) if len(frame) else matrix)
        pull = smooth.index_add(0, frame, row * walls.value[counting, None]) * free
        way = factor.backward_solve(factor.forward_solve(-pull)) * free - step
        yield None
        # L^T of a move squared is what the matrix says of it, with the walls that it counts.
        turned, along = factor.forward(way), (rows * way[walls.frame]).sum(1)
        gone = (value - walls.value)[counting]
        slope = (smooth * way).sum() + (factor.forward(step) * turned).sum()
        slope = slope - (gone * along[counting]).sum()
        stiff = turned.square().sum() - along[counting].square().sum()
        share = _least(float(slope), float(stiff), value, along)
        step, value = step + share * way, value + share * along
        met = value > 0
        if int((met != counting).sum()) <= FEW * len(met):
            break
        counting = met
    return factor, step


def _least(
    slope: float, stiff: float, value: Float[Tensor, "N"], along: Float[Tensor, "N"]
) -> float:
    """The share of a way (0..1) at which slope x + stiff x^2 / 2 and the half squares of what is
    positive of value + along x are least together: the derivative only rises, and is bisected."""

    def rising(share: float) -> float:
        met = (value + share * along).clamp_min(0)
        return slope + share * stiff + float((met * along).sum())

    low, high = 0.0, 1.0
    if rising(high) <= 0:
        return high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
