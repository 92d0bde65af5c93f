"""The cosine schedule, and DDIM."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from engine.prior.diffusion import STEPS, ddim, ddim_steps, level_of, noised, signal_share
from tests.engine.prior.people import generator

ALL = torch.arange(STEPS)


def test_the_signal_fades_from_nearly_all_to_nothing() -> None:
    share = signal_share(ALL)
    assert (share.diff() < 0).all()
    assert float(share[0]) > 0.99
    assert float(share[-1]) == 0.0
    assert float(share[STEPS // 2 - 1]) == pytest.approx(0.5, abs=0.02)


def test_it_is_the_published_cosine() -> None:
    step = 30
    part = (step + 1) / STEPS
    cosine = math.cos((part + 0.008) / 1.008 * math.pi / 2) ** 2
    start = math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    assert float(signal_share(torch.tensor([step]))[0]) == pytest.approx(cosine / start, rel=1e-5)


def test_levels_run_from_a_step_to_one() -> None:
    assert level_of(ALL)[[0, -1]].tolist() == pytest.approx([1 / STEPS, 1.0])


def test_noise_keeps_the_variance_and_hides_the_state_more_and_more() -> None:
    by = generator()
    state = torch.randn(STEPS, 4000, generator=by)
    noisy = noised(state, torch.randn(STEPS, 4000, generator=by), ALL)
    assert torch.allclose(noisy[:-1].var(1), torch.ones(STEPS - 1), atol=0.1)
    assert (noisy[-1] == 0).all()
    likeness = (noisy * state).mean(1)
    assert torch.allclose(likeness, signal_share(ALL).sqrt(), atol=0.1)


@pytest.mark.parametrize("count", [1, 2, 5, 20, STEPS])
def test_steps_begin_at_the_last_and_go_down(count: int) -> None:
    steps = ddim_steps(count)
    assert len(steps) == count
    assert steps[0] == STEPS - 1
    assert all(a > b for a, b in pairwise(steps))


@pytest.mark.parametrize("count", [1, 2, 7, 50])
def test_with_an_oracle_the_truth_comes_out(count: int) -> None:
    truth = torch.randn(3, 5, generator=generator())
    found = ddim(lambda noisy, step: truth, torch.randn(3, 5, generator=generator(1)), count)
    assert torch.equal(found, truth)


def test_an_oracle_is_shown_the_truth_at_the_level_it_is_told() -> None:
    truth = torch.randn(2, 2000, generator=generator())
    noise = torch.randn(2, 2000, generator=generator(1))
    shown = {}

    def oracle(noisy: torch.Tensor, step: int) -> torch.Tensor:
        shown[step] = noisy
        return truth

    ddim(oracle, noise, 5)
    first, *others = shown
    assert (shown[first] == 0).all()
    for step in others:
        expected = noised(truth, noise, torch.tensor([step, step]))
        assert torch.allclose(shown[step], expected, atol=1e-4)


def test_one_step_is_the_prediction_from_nothing() -> None:
    asked = []

    def predict(noisy: torch.Tensor, step: int) -> torch.Tensor:
        asked.append((step, float(noisy.abs().max())))
        return noisy + 3.0

    assert (ddim(predict, torch.randn(2, 2, generator=generator()), 1) == 3.0).all()
    assert asked == [(STEPS - 1, 0.0)]


def test_a_gaussian_is_sampled_with_its_own_spread() -> None:
    """With the exact denoiser of N(2, 0.5^2) many samples have that mean and that spread."""
    mean, spread = 2.0, 0.5

    def exact(noisy: torch.Tensor, step: int) -> torch.Tensor:
        share = float(signal_share(torch.tensor([step]))[0])
        gain = math.sqrt(share) * spread**2 / (share * spread**2 + 1 - share)
        return mean + gain * (noisy - math.sqrt(share) * mean)

    samples = ddim(exact, torch.randn(4000, 1, generator=generator()), 100)
    assert float(samples.mean()) == pytest.approx(mean, abs=0.05)
    assert float(samples.std()) == pytest.approx(spread, rel=0.1)
