"""The diffusion process: cosine schedule, x0-prediction, DDIM in a few steps.

Nichol and Dhariwal 2021 ("Improved Denoising Diffusion Probabilistic Models") for the schedule,
Song et al. 2021 ("Denoising Diffusion Implicit Models") for sampling. At the last level nothing of
the state is left, and the network is shown zeros in its place: what it answers there is the mean
of all motion that fits what it is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

STEPS = 100
_OFFSET = 0.008


def signal_share(step: Int[Tensor, "B"]) -> Float[Tensor, "B"]:
    """alpha_bar: the share of the state's variance that is left after `step` (0 to STEPS - 1);
    exactly 0 at the last."""
    part = (step + 1).float() / STEPS
    start = math.cos(_OFFSET / (1 + _OFFSET) * math.pi / 2) ** 2
    left = ((part + _OFFSET) / (1 + _OFFSET) * math.pi / 2).cos().square() / start
    return torch.where(step >= STEPS - 1, torch.zeros_like(left), left)


def level_of(step: Int[Tensor, "B"]) -> Float[Tensor, "B"]:
    """The step as the network is told it, 0 to 1."""
    return (step + 1).float() / STEPS


def noised(
    state: Float[Tensor, "B *rest"], noise: Float[Tensor, "B *rest"], step: Int[Tensor, "B"]
) -> Float[Tensor, "B *rest"]:
    """The state after so many steps of noise; zeros after the last."""
    share = signal_share(step).view(-1, *[1] * (state.ndim - 1))
    return (share.sqrt() * state + (1 - share).sqrt() * noise) * (share > 0)


def ddim_steps(count: int) -> list[int]:
    """`count` (1 to `STEPS`) of the steps, evenly from the last one down to no noise."""
    return torch.linspace(STEPS - 1, -1, count + 1).round().long()[:-1].tolist()


def ddim(
    predict: Callable[[Float[Tensor, "B *rest"], int], Float[Tensor, "B *rest"]],
    noise: Float[Tensor, "B *rest"],
    count: int,
) -> Float[Tensor, "B *rest"]:
    """The state that `predict(noisy, step)` and deterministic DDIM steps lead to from `noise`.

    With one step: what is predicted of nothing but the condition.
    """
    steps = ddim_steps(count)
    share = [float(signal_share(torch.tensor([step]))[0]) for step in steps]
    current, predicted = noise, noise
    for index, step in enumerate(steps):
        shown = current if share[index] > 0 else torch.zeros_like(current)
        predicted = predict(shown, step)
        if index + 1 == len(steps):
            break
        error = (
            current
            if share[index] == 0
            else ((current - math.sqrt(share[index]) * predicted) / math.sqrt(1 - share[index]))
        )
        current = math.sqrt(share[index + 1]) * predicted + math.sqrt(1 - share[index + 1]) * error
    return predicted
