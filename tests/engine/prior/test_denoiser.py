"""The network: shapes, symmetries, and what it must not depend on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.prior.condition import Told, condition
from engine.prior.denoiser import Denoised, Denoiser, DenoiserConfig
from engine.prior.motion_code import GROUPS, SIZE, pack, view_of_windows
from engine.prior.windows import PairWindows, Seen
from tests.engine.prior.people import generator, people, seen

SMALL = DenoiserConfig(width=32, blocks=2, heads=4, modulation=16)


@pytest.fixture(scope="module")
def network() -> Denoiser:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = Denoiser(SMALL)
        for parameter in network.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)  # nothing is at its start
    return network.eval()


def told(windows: PairWindows, whole: Seen | None = None) -> Told:
    people, frames = windows.pelvis.shape[1:3]
    nothing = Told.nothing(view_of_windows(windows), people, frames)
    return replace(nothing, seen=whole or seen(windows), state=pack(windows, nothing.view))


@torch.no_grad()
def answer(network: Denoiser, told: Told, level: float = 0.5, seed: int = 1) -> Denoised:
    noisy = torch.randn(told.state.shape, generator=generator(seed))
    return ask(network, noisy, told, level)


@torch.no_grad()
def ask(network: Denoiser, noisy: Tensor, told: Told, level: float = 0.5) -> Denoised:
    found: Denoised = network(noisy, torch.full((len(noisy),), level), condition(told))
    return found


@pytest.mark.parametrize("persons", [1, 2, 3])
@pytest.mark.parametrize("frames", [16, 32, 64])
def test_any_number_of_people_and_of_frames(network: Denoiser, persons: int, frames: int) -> None:
    found = answer(network, told(people(2, persons, frames)))
    assert found.state.shape == (2, persons, frames, SIZE)
    assert found.log_variance.shape == (2, persons, frames, 24)
    assert torch.allclose(found.up.norm(dim=-1), torch.ones(2), atol=1e-5)
    assert torch.isfinite(found.state).all()


@pytest.mark.parametrize("persons", [2, 3])
def test_people_in_another_order_get_the_same_answers(network: Denoiser, persons: int) -> None:
    windows = people(persons=persons)
    order = [*range(1, persons), 0]
    before = told(windows)
    after = replace(
        before,
        seen=Seen(before.seen.rays[:, order], before.seen.confidence[:, order]),
        state=before.state[:, order],
    )
    noisy = torch.randn(before.state.shape, generator=generator())
    first, second = ask(network, noisy, before), ask(network, noisy[:, order], after)
    assert torch.allclose(second.state, first.state[:, order], atol=1e-4)
    assert torch.allclose(second.log_variance, first.log_variance[:, order], atol=1e-4)
    assert torch.allclose(second.up, first.up, atol=1e-4)


def test_the_partner_matters_unless_cut(network: Denoiser) -> None:
    before = told(people())
    noisy = torch.randn(before.state.shape, generator=generator())
    changed = noisy.clone()
    changed[:, 1] += 1.0
    assert not torch.allclose(
        ask(network, noisy, before).state[:, 0], ask(network, changed, before).state[:, 0]
    )
    cut = replace(before, partner=torch.zeros(3))
    assert torch.equal(ask(network, noisy, cut).state[:, 0], ask(network, changed, cut).state[:, 0])


def test_cut_in_some_windows_is_cut_in_these_alone(network: Denoiser) -> None:
    before = told(people())
    noisy = torch.randn(before.state.shape, generator=generator())
    some = ask(network, noisy, replace(before, partner=torch.tensor([1.0, 0.0, 1.0]))).state
    all_of_them = ask(network, noisy, before).state
    none = ask(network, noisy, replace(before, partner=torch.zeros(3))).state
    assert torch.allclose(some[[0, 2]], all_of_them[[0, 2]], atol=1e-5)
    assert torch.allclose(some[1], none[1], atol=1e-5)


def test_who_is_cut_from_the_partner_is_answered_as_somebody_alone(network: Denoiser) -> None:
    pair = told(people())
    cut = replace(pair, partner=torch.zeros(3))
    alone = replace(
        Told.nothing(pair.view, 1, 16),
        seen=Seen(pair.seen.rays[:, :1], pair.seen.confidence[:, :1]),
        state=pair.state[:, :1],
    )
    noisy = torch.randn(pair.state.shape, generator=generator())
    together = ask(network, noisy, cut).state[:, :1]
    assert torch.allclose(together, ask(network, noisy[:, :1], alone).state, atol=1e-4)


def test_a_network_without_the_partner_never_knows_of_one() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = Denoiser(replace(SMALL, partner=False)).eval()
    assert not any("partner" in name for name, _ in network.named_parameters())
    before = told(people())
    noisy = torch.randn(before.state.shape, generator=generator())
    changed = noisy.clone()
    changed[:, 1] += 1.0
    first, second = ask(network, noisy, before), ask(network, changed, before)
    assert torch.equal(first.state[:, 0], second.state[:, 0])


def test_known_values_are_answered_as_they_are_whatever_the_noise(network: Denoiser) -> None:
    known = (torch.rand(3, 2, 16, GROUPS, generator=generator()) < 0.5).float()
    before = replace(told(people()), known=known)
    ready = condition(before)
    for seed in (1, 2):
        found = answer(network, before, seed=seed).state
        assert torch.equal(found * ready.known, before.state * ready.known)


def test_noise_where_the_state_is_known_changes_nothing(network: Denoiser) -> None:
    known = torch.zeros(3, 2, 16, GROUPS)
    known[:, :, :5] = 1
    before = replace(told(people()), known=known)
    noisy = torch.randn(before.state.shape, generator=generator())
    other = noisy.clone()
    other[:, :, :5] = 7.0
    assert torch.equal(ask(network, noisy, before).state, ask(network, other, before).state)


def test_the_level_of_noise_and_the_time_matter(network: Denoiser) -> None:
    before = told(people())
    noisy = torch.randn(before.state.shape, generator=generator())
    low, high = (ask(network, noisy, before, level).state for level in (0.1, 0.9))
    assert not torch.allclose(low, high, atol=1e-3)
    backwards = ask(network, noisy.flip(2), before).state.flip(2)
    assert not torch.allclose(ask(network, noisy, before).state, backwards, atol=1e-3)


def test_the_network_of_a_known_shape_is_of_the_documented_size() -> None:
    count = sum(parameter.numel() for parameter in Denoiser().parameters())
    assert count == pytest.approx(2.4e6, rel=0.05)


@pytest.mark.parametrize(
    ("name", "value"),
    [("width", "31"), ("blocks", "0"), ("blocks", "65"), ("heads", "-1"), ("width", "many")],
)
def test_absurd_shapes_are_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError):
        DenoiserConfig.from_text({**SMALL.as_text(), name: value})


def test_a_shape_survives_as_text() -> None:
    for config in (SMALL, DenoiserConfig(), replace(SMALL, partner=False)):
        assert DenoiserConfig.from_text(config.as_text()) == config
    with pytest.raises(KeyError):
        DenoiserConfig.from_text({})
