"""Descent in the coordinates in which the objective is round.

With all but poses and places held, the Gauss-Newton matrix of a window has bands (`curvature`). Its
factor changes the variables so that this matrix becomes the identity, in which L-BFGS (Nocedal and
Wright 2006, algorithm 7.4) begins with Newton's step and learns what the matrix left out: terms of
any kind may be added.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from engine.aside import aside
from engine.device import out_of_memory
from engine.fit.banded import Bands, Factor, Whitened
from engine.fit.jacobian import FREEDOM, TURNS, Jacobian, moved
from engine.fit.state import FitState, Posed, detached

Cost = Callable[[FitState], dict[str, Tensor]]
DAMPING = 1.0, 100.0
"""Added to the stiffness of each turn (per rad^2) and of each place: an evidence of nothing."""
HISTORY = 10
ENOUGH = 1e-4
"""Share of the promised decrease that a step must bring (Armijo)."""
SHORTEST = 1e-3
"""Share of a step below which nothing shorter is tried."""


class Coordinates:
    """Numbers y, one for each freedom of the M frames from the first that may move to the last; 0
    is the state itself."""

    def __init__(
        self,
        state: FitState,
        rotmats: Float[Tensor, "P F 24 3 3"],
        part: slice,
        free: Float[Tensor, "M n"],
        *,
        joints: Float[Tensor, "P M 24 3 75"],
        factor: Factor,
    ) -> None:
        """Use `of`."""
        self._state, self._rotmats, self._part = state, rotmats, part
        self._free, self._joints, self._factor = free, joints, factor
        self._people = len(rotmats)

    @classmethod
    def of(
        cls,
        state: FitState,
        posed: Posed,
        jacobian: Jacobian,
        bands: Bands,
        movable: Bool[Tensor, "F"],
        *,
        whole: bool = False,
    ) -> Generator[None, None, Coordinates]:
        """In steps. `whole`: people are moved, nobody is bent. `state` has upright rotations."""
        people = len(state.betas)
        first, last = _span(movable)
        part = slice(first, last)
        free = state.betas.new_ones(people, FREEDOM)
        if whole:
            free[:, :TURNS] = 0
        damping = torch.full_like(free, DAMPING[0])
        damping[:, TURNS:] = DAMPING[1]
        rows = movable[part].float()[:, None] * free.flatten()
        inside = Bands(
            bands.here[first:last],
            bands.next[first : last - 1],
            bands.after[first : max(first, last - 2)],
        )
        factor = yield from _factor(inside, rows, damping.flatten())
        rotmats = posed.rotmats.detach()
        return cls(state, rotmats, part, rows, joints=jacobian.joints[:, part], factor=factor)

    def zeros(self) -> Float[Tensor, "M n"]:
        return torch.zeros_like(self._free)

    def state(self, y: Float[Tensor, "M n"]) -> FitState:
        """The bodies at y, differentiable in it."""
        inside = self._move(Whitened.apply(y, self._factor))
        before, after = self._part.start, len(self._rotmats[0]) - self._part.stop
        whole = torch.nn.functional.pad(inside, (0, 0, before, after))
        there: FitState = moved(self._state, self._rotmats, whole)
        return there

    @torch.no_grad()
    def way(self, y: Float[Tensor, "M n"]) -> float:
        """How far a small step moves joints, metres: the 95th percentile."""
        move = self._move(self._factor.backward_solve(y))
        distance = torch.einsum("pfnij,pfj->pfni", self._joints, move).norm(dim=-1)
        moving = distance[:, self._free.any(1)]
        return float(np.percentile(moving.cpu().numpy(), 95)) if moving.numel() else 0.0

    def _move(self, values: Tensor) -> Float[Tensor, "P M 75"]:
        by_person: Tensor = (values * self._free).unflatten(1, (self._people, FREEDOM))
        return by_person.transpose(0, 1)


def _factor(bands: Bands, free: Tensor, damping: Tensor) -> Generator[None, None, Factor]:
    """Damped further where rounding has made the matrix indefinite."""
    for power in range(5):
        try:
            return (yield from Factor.of(bands.held(free, damping * 100.0**power)))
        except RuntimeError as error:  # LinAlgError, which torch does not export
            if out_of_memory(error):
                raise
    nothing = Bands.zeros(len(free), free.shape[1], free.device)
    return (yield from Factor.of(nothing.held(free, damping)))


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


def descend(coordinates: Coordinates, cost: Cost, iterations: int) -> Iterator[Step | None]:
    """L-BFGS with backtracking; ends early where no step leads down. None comes while it is still
    looking: pictures of a whole window take longer to draw than anybody should wait. The way of
    the first step is infinite where the state itself costs no finite number."""

    def at(y: Tensor) -> tuple[float, Tensor, dict[str, float], FitState]:
        y = y.detach().requires_grad_()
        state = coordinates.state(y)
        costs = cost(state)
        total = torch.stack(list(costs.values())).sum()
        (gradient,) = torch.autograd.grad(total, y)
        parts = {name: float(value.detach()) for name, value in costs.items()}
        return float(total.detach()), gradient, parts, detached(state)

    y = coordinates.zeros()
    value, gradient, parts, state = yield from aside(partial(at, y))
    if not np.isfinite(value):
        yield Step(state, parts, np.inf)
        return
    pairs: list[tuple[Tensor, Tensor]] = []
    for _ in range(iterations):
        direction = _direction(gradient, pairs)
        slope = float((direction * gradient).sum())
        share = 1.0
        while True:
            there = yield from aside(partial(at, y + share * direction))
            yield None
            if np.isfinite(there[0]) and there[0] <= value + ENOUGH * share * slope:
                break
            curve = there[0] - value - share * slope
            best = -slope * share / (2 * curve) if np.isfinite(curve) and curve > 0 else 0.1
            share *= min(0.5, max(0.1, best))
            if share < SHORTEST or slope >= 0:
                yield Step(state, parts, 0.0)
                return
        move = share * direction
        pairs.append((move, there[1] - gradient))
        pairs = [pair for pair in pairs[-HISTORY:] if float((pair[0] * pair[1]).sum()) > 1e-10]
        y = y + move
        value, gradient, parts, state = there
        yield Step(state, parts, coordinates.way(move))


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
