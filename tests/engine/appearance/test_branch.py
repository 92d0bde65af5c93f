"""Learning avatars with the motion held, and what pictures then say of the motion."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from engine.appearance.avatar import avatar_to_bytes, gaussians_of
from engine.appearance.branch import (
    LAST_RATE,
    PictureTerm,
    _looked_at,
    evenly,
    learn_avatars,
    rate_factor,
    widening,
)
from engine.appearance.costs import picture_costs
from engine.body.smpl import PosedBody
from tests.engine.appearance.conftest import CONFIG, Filmed


def run(work: Generator[Any, None, Any]) -> tuple[list[Any], Any]:
    told = []
    while True:
        try:
            told.append(next(work))
        except StopIteration as stop:
            return told, stop.value


@pytest.fixture(scope="module")
def learnt(pair: Filmed) -> tuple[list[Any], Any]:
    return run(learn_avatars(pair.footage, pair.posed, replace(CONFIG, epochs=8)))


def test_avatars_come_to_look_like_the_people(learnt: tuple[list[Any], Any]) -> None:
    progress, avatars = learnt
    assert progress[-1].cost < 0.35 * progress[0].cost
    red, blue = gaussians_of(avatars).colors.mean(1)
    assert red[0] > red[2] + 0.2 and blue[2] > blue[0] + 0.2
    assert [p.fraction for p in progress] == sorted(p.fraction for p in progress)


def test_every_part_of_everybody_is_learnt(learnt: tuple[list[Any], Any], pair: Filmed) -> None:
    """Latents and decoders of both; none of it is shared."""
    config = replace(CONFIG, epochs=0)
    _, fresh = run(learn_avatars(pair.footage, pair.posed, config))
    storages = set()
    for before, after in zip(fresh, learnt[1], strict=True):
        assert not torch.equal(before.latent, after.latent)
        for old, new in zip(before.decoder.parameters(), after.decoder.parameters(), strict=True):
            assert not torch.equal(old, new)
        storages |= {v.data_ptr() for v in (after.latent, *after.decoder.parameters())}
    assert len(storages) == 2 * 7


def test_the_same_seed_gives_the_same_avatars(pair: Filmed) -> None:
    def bytes_of(seed: int) -> list[bytes]:
        config = replace(CONFIG, epochs=1, seed=seed)
        _, avatars = run(learn_avatars(pair.footage, pair.posed, config))
        return [avatar_to_bytes(avatar) for avatar in avatars]

    assert bytes_of(3) == bytes_of(3)
    assert bytes_of(3) != bytes_of(4)


def test_who_is_known_stays_as_known(learnt: tuple[list[Any], Any], pair: Filmed) -> None:
    known = dict(enumerate(learnt[1]))
    config = replace(CONFIG, epochs=1)
    _, avatars = run(learn_avatars(pair.footage, pair.posed, config, known, frozenset({0})))
    assert avatar_to_bytes(avatars[0]) == avatar_to_bytes(known[0])
    assert avatar_to_bytes(avatars[1]) != avatar_to_bytes(known[1])
    told, everybody = run(learn_avatars(pair.footage, pair.posed, config, known, frozenset({0, 1})))
    assert not told
    assert avatar_to_bytes(everybody[1]) == avatar_to_bytes(known[1])


def test_learning_leaves_the_bodies_alone(pair: Filmed) -> None:
    transforms = pair.posed.transforms.clone().requires_grad_()
    posed = replace(pair.posed, transforms=transforms)
    run(learn_avatars(pair.footage, posed, replace(CONFIG, epochs=1)))
    assert transforms.grad is None


def test_rates_fall_from_epoch_to_epoch_and_not_within(
    pair: Filmed, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    step = torch.optim.Adam.step

    def spied(self: torch.optim.Adam, *rest: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *rest)

    monkeypatch.setattr(torch.optim.Adam, "step", spied)
    run(learn_avatars(pair.footage, pair.posed, CONFIG))
    assert len(rates) == 3 * 4
    each = np.array(rates).reshape(3, 4) / CONFIG.latent_rate
    assert (each == each[:, :1]).all()
    assert each[:, 0] == pytest.approx([1.0, LAST_RATE**0.5, LAST_RATE])


@pytest.mark.parametrize("epochs", [1, 2, 3, 6, 40])
def test_scales_and_rates_reach_their_ends(epochs: int) -> None:
    ramp = [widening(epoch, epochs) for epoch in range(epochs)]
    assert ramp[-1] == pytest.approx(1.0) and ramp == sorted(ramp, reverse=True)
    assert rate_factor(0, epochs) == 1.0
    if epochs > 1:
        assert ramp[0] > 1.0
        assert rate_factor(epochs - 1, epochs) == pytest.approx(LAST_RATE)


def test_pictures_are_spread_evenly() -> None:
    assert evenly(3, 40).tolist() == [0, 1, 2]
    assert evenly(101, 3).tolist() == [0, 50, 100]
    assert evenly(0, 40).tolist() == []


# -- what pictures cost the motion -----------------------------------------------------------------


def term(pair: Filmed, first: int = 0, **changes: Any) -> PictureTerm:
    config = replace(CONFIG, **changes)
    movable = torch.ones(4, dtype=torch.bool)
    return PictureTerm(
        pair.footage, pair.look, config,
        body="open-body", movable=movable, time=torch.ones(4), first=first,
    )  # fmt: skip


def shifted(posed: PosedBody, metres: torch.Tensor) -> PosedBody:
    """The first person, moved."""
    move = torch.zeros(2, 1, 1, 3, 1)
    move[0, 0, 0, :, 0] = 1
    by = move * metres.view(3, 1)
    blank = torch.zeros(*posed.transforms.shape[:-1], 3)
    return replace(posed, transforms=posed.transforms + torch.cat([blank, by.expand(
        *posed.transforms.shape[:-1], 1)], -1))  # fmt: skip


def test_bodies_in_their_places_cost_next_to_nothing(pair: Filmed) -> None:
    cost = term(pair)
    at_truth = float(cost(pair.posed))
    for axis in range(2):
        for side in (-0.04, 0.04):
            aside = torch.zeros(3).index_fill(0, torch.tensor(axis), side)
            assert float(cost(shifted(pair.posed, aside))) > 10 * at_truth + 1


def test_the_gradient_leads_back(pair: Filmed) -> None:
    """And is that of finite differences."""
    cost = term(pair)
    place = torch.tensor([0.04, -0.02, 0.0], requires_grad=True)
    cost(shifted(pair.posed, place)).backward()
    assert place.grad is not None
    assert place.grad[0] > 0 > place.grad[1]
    step = 1e-3
    for axis in range(2):
        up, down = (
            float(cost(shifted(pair.posed, place.detach() + sign * step * torch.eye(3)[axis])))
            for sign in (1, -1)
        )
        assert float(place.grad[axis]) == pytest.approx((up - down) / (2 * step), rel=0.15)


def looked_at(pair: Filmed, **changes: Any) -> set[int]:
    """The frames whose bodies a term pulls at."""
    moved = pair.posed.transforms.clone().requires_grad_()
    term(pair, **changes)(replace(pair.posed, transforms=moved)).backward()
    assert moved.grad is not None
    return set(torch.nonzero(moved.grad.abs().sum((0, 2, 3, 4)))[:, 0].tolist())


def test_the_same_frames_of_the_clip_are_looked_at_wherever_a_window_begins(
    pair: Filmed, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert looked_at(pair) == {0, 1, 2, 3}, "few are all looked at"
    monkeypatch.setattr("engine.appearance.branch.FEW", 1)
    assert [looked_at(pair, first=first) for first in range(3)] == [{0, 2}, {1, 3}, {0, 2}]
    assert looked_at(pair, stride=1) == {0, 1, 2, 3}


def test_frames_between_speak_where_people_are_seen_in_no_others() -> None:
    rows, frames = np.arange(40), np.arange(40) * 4 + 1
    assert _looked_at(rows, frames, 4).tolist() == list(range(0, 40, 4))


def test_the_cost_of_few_frames_stands_for_all(
    pair: Filmed, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = shifted(pair.posed, torch.tensor([0.04, 0.0, 0.0]))
    every = float(term(pair)(aside))
    monkeypatch.setattr("engine.appearance.branch.FEW", 1)
    assert float(term(pair)(aside)) == pytest.approx(every, rel=0.1)


def test_frames_that_hold_still_are_not_looked_at(pair: Filmed) -> None:
    movable = torch.tensor([False, True, False, False])
    spoken = PictureTerm(
        pair.footage, pair.look, CONFIG, body="open-body", movable=movable, time=torch.ones(4)
    )
    moved = pair.posed.transforms.clone().requires_grad_()
    spoken(replace(pair.posed, transforms=moved)).backward()
    assert moved.grad is not None
    assert moved.grad[:, 1].abs().sum() > 0
    assert (moved.grad[:, [0, 2, 3]] == 0).all()
    nobody = PictureTerm(
        pair.footage, pair.look, CONFIG,
        body="open-body", movable=torch.zeros(4, dtype=torch.bool), time=torch.ones(4),
    )  # fmt: skip
    assert not nobody


def test_terms_without_weight_are_not_computed(
    pair: Filmed, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = pair.footage.shown([0])
    means = pair.anchors.skin(pair.posed, pair.look.offsets, torch.tensor([0]))
    some = picture_costs(means, pair.look, shown, replace(CONFIG, identity=0.0))
    assert some.identity is None and some.appearance is not None
    some = picture_costs(means, pair.look, shown, replace(CONFIG, photometric=0.0))
    assert some.identity is not None and some.appearance is None
    monkeypatch.setattr("engine.appearance.costs.draw", None)
    nothing = replace(CONFIG, photometric=0.0, identity=0.0)
    assert picture_costs(means, pair.look, shown, nothing).weighted(nothing) == {}
    assert not term(pair, photometric=0.0, identity=0.0)


def test_costs_do_not_depend_on_how_many_pictures_are_drawn_together(
    pair: Filmed, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = shifted(pair.posed, torch.tensor([0.03, 0.0, 0.0]))
    together = float(term(pair)(aside))
    monkeypatch.setattr("engine.appearance.branch.TOGETHER", 1)
    assert float(term(pair)(aside)) == pytest.approx(together, rel=1e-5)
