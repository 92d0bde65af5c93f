"""Descent in the coordinates in which the objective is round.

With all but poses and places held, the Gauss-Newton matrix of a window has bands (`curvature`). Its
factor gives Newton's step, beside walls that are met on the way (`walls`), and changes the
variables so that the matrix becomes the identity, in which L-BFGS (Nocedal and Wright 2006,
algorithm 7.4) goes on and learns what the matrix left out: terms of any kind may be added.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from engine.aside import aside
from engine.device import out_of_memory
from engine.fit.banded import Bands, Factor
from engine.fit.jacobian import FREEDOM, TURNS, Jacobian, moved
from engine.fit.state import FitState, Posed, detached
from engine.fit.walls import Walls, step_beside

Cost = Callable[[FitState], dict[str, Tensor]]
DAMPING = 1.0, 100.0
"""Added to the stiffness of each turn (per rad^2) and of each place: an evidence of nothing."""
HISTORY = 10
ENOUGH = 1e-4
"""Share of the promised decrease that a step must bring (Armijo)."""
SHORTEST = 1e-3
"""Share of a step below which nothing shorter is tried."""


@dataclass(frozen=True)
class Point:
    """The cost of a move, and where it leads."""

    value: float
    gradient: Float[Tensor, "M n"]
    parts: dict[str, float]
    state: FitState


class Moves:
    """Small turns and shifts of everybody in the M frames from the first that may move to the last:
    n numbers a frame, of what is not held throughout; 0 is the state itself."""

    def __init__(
        self,
        state: FitState,
        posed: Posed,
        jacobian: Jacobian,
        movable: Bool[Tensor, "F"],
        *,
        whole: bool = False,
    ) -> None:
        """`whole`: people are moved, nobody is bent. `state` has upright rotations."""
        self._state, self._rotmats = state, posed.rotmats.detach()
        self._people = len(state.betas)
        self.frames = slice(*_span(movable))
        """That may move, and those between."""
        every = torch.arange(self._people * FREEDOM, device=movable.device)
        self._unknowns = every.unflatten(0, (-1, FREEDOM))[:, TURNS if whole else 0 :].flatten()
        moving = movable[self.frames].float()[:, None]
        self.free: Float[Tensor, "M n"] = moving.repeat(1, len(self._unknowns))
        self._joints = jacobian.joints[:, self.frames]

    def zeros(self) -> Float[Tensor, "M n"]:
        return torch.zeros_like(self.free)

    def at(self, move: Float[Tensor, "M n"], cost: Cost) -> Point:
        """The cost after a move, and its gradient in it."""
        move = move.detach().requires_grad_()
        first, last = self.frames.start, self._rotmats.shape[1] - self.frames.stop
        whole = torch.nn.functional.pad(self._by_person(move), (0, 0, first, last))
        state = moved(self._state, self._rotmats, whole)
        costs = cost(state)
        total = torch.stack(list(costs.values())).sum()
        (gradient,) = torch.autograd.grad(total, move)
        parts = {name: float(value.detach()) for name, value in costs.items()}
        return Point(float(total.detach()), gradient, parts, detached(state))

    def freed(self, bands: Bands) -> Bands:
        """A matrix over all frames, damped, of what may move."""
        first, last = self.frames.start, self.frames.stop
        damping = self.free.new_full((self._people, FREEDOM), DAMPING[0])
        damping[:, TURNS:] = DAMPING[1]
        inside = Bands(
            bands.here[first:last],
            bands.next[first : last - 1],
            bands.after[first : max(first, last - 2)],
        )
        return inside.of(self._unknowns).freed(self.free, damping.flatten()[self._unknowns])

    def walls(self, walls: Walls) -> Walls:
        """Those in the frames that may move, with their derivatives in a move."""
        inside = walls.within(self.frames)
        return replace(inside, row=inside.row.flatten(1)[:, self._unknowns])

    @torch.no_grad()
    def way(self, move: Float[Tensor, "M n"]) -> float:
        """How far a small move takes joints, metres: the 95th percentile."""
        by_person = self._by_person(move)
        distance = torch.einsum("pfnij,pfj->pfni", self._joints, by_person).norm(dim=-1)
        moving = distance[:, self.free.any(1)]
        return float(np.percentile(moving.cpu().numpy(), 95)) if moving.numel() else 0.0

    def _by_person(self, values: Tensor) -> Float[Tensor, "P M 75"]:
        whole = values.new_zeros(len(values), self._people * FREEDOM)
        whole = whole.index_copy(1, self._unknowns, values * self.free)
        by_person: Tensor = whole.unflatten(1, (self._people, FREEDOM)).transpose(0, 1)
        return by_person


def newton_step(
    moves: Moves, bands: Bands, begin: Point, walls: Walls
) -> Generator[None, None, tuple[Factor, Float[Tensor, "M n"]]]:
    """The step from `begin`, which is no move, to the least of its quadratic model beside the
    walls; and the factor of the model's matrix there. In steps."""
    matrix, beside = moves.freed(bands), moves.walls(walls)
    return (yield from step_beside(matrix, begin.gradient, beside, moves.free, _factor))


def _factor(matrix: Bands) -> Generator[None, None, Factor]:
    """Damped further where rounding has made the matrix indefinite."""
    unit = torch.eye(matrix.here.shape[-1]).to(matrix.here)
    for power in range(5):
        more = replace(matrix, here=matrix.here + 100.0**power * unit) if power else matrix
        try:
            return (yield from Factor.of(more))
        except RuntimeError as error:  # LinAlgError, which torch does not export
            if out_of_memory(error):
                raise
    frames, size = matrix.here.shape[:2]
    alone = Bands.zeros(frames, size, unit.device)
    return (yield from Factor.of(replace(alone, here=unit.expand_as(alone.here))))


def _span(movable: Bool[Tensor, "F"]) -> tuple[int, int]:
    where = torch.nonzero(movable)[:, 0]
    return int(where[0]), int(where[-1]) + 1


@dataclass
class Step:
    """Where a descent is after an iteration."""

    state: FitState
    costs: dict[str, float]
    way: float
    """Metres that joints moved in it, the 95th percentile; 0 where no step led down."""


def descend(
    moves: Moves,
    cost: Cost,
    begin: Point,
    model: tuple[Factor, Float[Tensor, "M n"]],
    iterations: int,
) -> Iterator[Step | None]:
    """From `begin`, which is no move, by the step that its model says first, then by L-BFGS; each
    is halved until it leads down. Ends early where none does. None comes while it is still looking:
    pictures of a whole window take longer to draw than anybody should wait.
    """
    factor, first = model
    y, gradient, here = moves.zeros(), factor.forward_solve(begin.gradient * moves.free), begin
    pairs: list[tuple[Tensor, Tensor]] = []
    for iteration in range(iterations):
        direction = _direction(gradient, pairs) if iteration else factor.forward(first)
        if float((direction * gradient).sum()) >= 0:
            direction, pairs = -gradient, []
        slope = float((direction * gradient).sum())
        share = 1.0
        while True:
            move = factor.backward_solve(y + share * direction)
            there = yield from aside(partial(moves.at, move, cost))
            yield None
            if np.isfinite(there.value) and there.value <= here.value + ENOUGH * share * slope:
                break
            curve = there.value - here.value - share * slope
            best = -slope * share / (2 * curve) if np.isfinite(curve) and curve > 0 else 0.1
            share *= min(0.5, max(0.1, best))
            if share < SHORTEST or slope >= 0:
                yield Step(here.state, here.parts, 0.0)
                return
        change = factor.forward_solve(there.gradient * moves.free) - gradient
        pairs.append((share * direction, change))
        pairs = [pair for pair in pairs[-HISTORY:] if float((pair[0] * pair[1]).sum()) > 1e-10]
        y, gradient, here = y + share * direction, gradient + change, there
        way = moves.way(factor.backward_solve(share * direction))
        yield Step(here.state, here.parts, way)


def _direction(gradient: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The two loops of L-BFGS, from the identity."""
    direction, shares = -gradient, []
    for move, change in reversed(pairs):
        share = float((move * direction).sum() / (move * change).sum())
        direction = direction - share * change
        shares.append(share)
    for (move, change), share in zip(pairs, reversed(shares), strict=True):
        back = float((change * direction).sum() / (move * change).sum())
        direction = direction + (share - back) * move
    return direction
