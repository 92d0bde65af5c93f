"""L-BFGS over a dictionary of tensors, of which some entries are held."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from engine.fit.state import FitState, unscaled

Cost = Callable[[dict[str, Tensor]], dict[str, Tensor]]


class Minimiser:
    """Runs L-BFGS with strong Wolfe line search in short stretches, so that a caller can look."""

    iterations_per_report = 5

    def __init__(
        self,
        parameters: dict[str, Tensor],
        masks: dict[str, Tensor],
        cost: Cost,
        tolerance: float,
    ) -> None:
        self._parameters = {k: v.requires_grad_(True) for k, v in parameters.items()}
        self._masks = masks
        self._cost = cost
        self._tolerance = tolerance
        moving = [v for k, v in self._parameters.items() if bool(masks[k].any())]
        self._optimizer = torch.optim.LBFGS(
            moving,
            lr=1.0,
            max_iter=self.iterations_per_report,
            history_size=12,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )
        self._last: dict[str, float] = {}
        self.converged = False

    @property
    def state(self) -> FitState:
        """Where it is now, detached."""
        return unscaled({k: v.detach().clone() for k, v in self._parameters.items()})

    def run(self, iterations: int) -> Iterator[dict[str, float]]:
        """Yields the cost of each term after each stretch; stops early once it has converged."""
        previous = float("inf")
        for _ in range(-(-iterations // self.iterations_per_report)):
            total = self._optimizer.step(self._closure).item()  # type: ignore[no-untyped-call]
            yield self._last
            if previous - total < self._tolerance * abs(total):
                self.converged = True
                return
            previous = total

    def _closure(self) -> Tensor:
        self._optimizer.zero_grad()
        costs = self._cost(self._parameters)
        total = torch.stack(list(costs.values())).sum()
        total.backward()  # type: ignore[no-untyped-call]
        for name, value in self._parameters.items():
            if value.grad is not None:
                value.grad.mul_(self._masks[name]).nan_to_num_(0.0)
        self._last = {name: float(c.detach()) for name, c in costs.items()}
        return total
