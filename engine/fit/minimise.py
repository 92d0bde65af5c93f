"""L-BFGS over the parameters of a fit, preconditioned in time.

Motion is smooth, so the objective is far stiffer for fast changes than for slow ones and plain
descent crawls. The optimiser therefore moves cosine coefficients in time (DCT-II), each scaled by
what the smoothness terms allow at its frequency; held frames are masked after the transform.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from engine.aside import aside, pause
from engine.fit.state import FitState, scaled, unscaled

Cost = Callable[[FitState], dict[str, Tensor]]
CORNER_HZ = 2.0
"""Where smoothness and evidence are about equally stiff."""
IN_TIME = ("rotation", "placement")
"""Parameters with a frame axis (the second)."""


def time_basis(frames: int, step_seconds: float) -> Float[Tensor, "F F"]:
    """Orthonormal cosines over time (columns), scaled by 1 / sqrt(1 + (f / corner)^4).

    The square of the second derivative grows with the fourth power of the frequency f in Hz.
    """
    order = torch.arange(frames, dtype=torch.float64)
    angle = math.pi * (order[:, None] + 0.5) * order[None, :] / frames
    cosines = torch.cos(angle) * math.sqrt(2 / frames)
    cosines[:, 0] /= math.sqrt(2)
    hertz = order / (2 * frames * step_seconds)
    return (cosines / torch.sqrt(1 + (hertz / CORNER_HZ) ** 4)).float()


class Minimiser:
    """Runs L-BFGS with strong Wolfe line search in short stretches, so that a caller can look."""

    iterations_per_report = 5

    def __init__(
        self,
        state: FitState,
        masks: dict[str, Tensor],
        cost: Cost,
        *,
        basis: Float[Tensor, "F F"],
        tolerance: float,
    ) -> None:
        self._base = scaled(state)
        self._masks = masks
        self._basis = basis
        self._cost = cost
        self._tolerance = tolerance
        self._moves = {
            name: torch.zeros_like(value, requires_grad=True)
            for name, value in self._base.items()
            if bool(masks[name].any())
        }
        self._optimizer = torch.optim.LBFGS(
            list(self._moves.values()),
            lr=1.0,
            max_iter=1,
            max_eval=30,  # else torch allows a line search one evaluation, and takes its step
            history_size=20,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )
        self._last: dict[str, float] = {}
        self._seen: deque[tuple[Tensor, Tensor, list[Tensor], dict[str, float]]] = deque(maxlen=8)

    @property
    def state(self) -> FitState:
        """Where it is now, detached."""
        with torch.no_grad():
            return self._current()

    def run(self, iterations: int) -> Iterator[dict[str, float] | None]:
        """Yields the cost of each term after each stretch, and None between two iterations; stops
        early once it has converged."""
        previous = float("inf")
        for _ in range(-(-iterations // self.iterations_per_report)):
            for iteration in range(self.iterations_per_report):
                if iteration:
                    yield None
                total = (yield from aside(self._iterated)).item()
            yield self._last
            if previous - total < self._tolerance * abs(total):
                return
            previous = total

    def _iterated(self) -> Tensor:
        cost: Tensor = self._optimizer.step(self._closure)
        return cost

    def _current(self) -> FitState:
        values = dict(self._base)
        for name, move in self._moves.items():
            if name in IN_TIME:
                move = torch.einsum("fg,pg...->pf...", self._basis, move)
            values[name] = values[name] + move * self._masks[name]
        return unscaled(values)

    def _closure(self) -> Tensor:
        """The cost and its gradient, looked up where they were computed last: an iteration begins
        where the one before ended."""
        place = torch.cat([move.detach().flatten() for move in self._moves.values()])
        for at, value, gradients, costs in self._seen:
            if torch.equal(at, place):
                for move, gradient in zip(self._moves.values(), gradients, strict=True):
                    move.grad = gradient.clone()
                self._last = costs
                return value
        pause()
        self._optimizer.zero_grad()
        terms = self._cost(self._current())
        total = torch.stack(list(terms.values())).sum()
        total.backward()
        costs = {name: float(c.detach()) for name, c in terms.items()}
        gradients = [move.grad.clone() for move in self._moves.values() if move.grad is not None]
        self._seen.append((place, total.detach(), gradients, costs))
        self._last = costs
        return total.detach()
