"""From round to round: what creeps arrives sooner, and nothing ends higher for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from engine.body.smpl import BodyModel
from engine.fit import course as module
from engine.fit.course import MOST, Course, further
from engine.fit.jacobian import FREEDOM, move_between, moved
from engine.fit.labels import Labels
from engine.fit.rounds import Found, Round, settle
from engine.fit.setting import Setting
from engine.fit.state import Anchor, FitState, Posed
from engine.structures import FitProgress, Outcome
from tests.engine.fit.conftest import run
from tests.engine.fit.test_newton import EVERY, SMOOTH, seen_exactly, standing_still

Map = Callable[[Tensor], Tensor]


@pytest.fixture(scope="module")
def still() -> FitState:
    return standing_still()


@pytest.fixture(scope="module")
def setting(still: FitState) -> Setting:
    body = BodyModel.load("open-body", "1k2")
    evidence, _ = seen_exactly(body, still)
    held = dict.fromkeys(("shape_free", "up_free", "floor_free", "focal_free"), False)
    config = replace(SMOOTH, contact_rounds=200)
    return Setting(body, evidence, Anchor(), EVERY, config, Labels(body, (), EVERY), **held)


def rounds(setting: Setting, still: FitState, work: Map, cost: Map, count: int) -> list[float]:
    """Costs of where rounds end that move placements by `work`."""
    course, ends = Course.at(setting, still), []
    for _ in range(count):
        if course.refused(float(cost(course.state.placement - still.placement))):
            continue
        state = course.state
        course.go(
            replace(state, placement=still.placement + work(state.placement - still.placement))
        )
        ends.append(float(cost(course.end.placement - still.placement)))
    return ends


def test_a_linear_contraction_is_solved_in_few_rounds(setting: Setting, still: FitState) -> None:
    def work(off: Tensor) -> Tensor:
        return 0.002 + 0.8 * (off - 0.002)

    def cost(off: Tensor) -> Tensor:
        return (off - 0.002).square().sum()

    costs = rounds(setting, still, work, cost, 4)
    plain = float(cost(torch.zeros_like(still.placement))) * 0.8**8
    assert costs[-1] < 1e-4 * plain


def test_two_rates_at_once_are_faster_than_without(setting: Setting, still: FitState) -> None:
    rate = torch.linspace(0.3, 0.9, still.placement.numel()).reshape(still.placement.shape)

    def work(off: Tensor) -> Tensor:
        return 0.01 + rate * (off - 0.01)

    def cost(off: Tensor) -> Tensor:
        return ((off - 0.01).square() * (1 - rate)).sum()

    costs = rounds(setting, still, work, cost, 12)
    plain = cost(0.01 - 0.01 * rate**12)
    assert costs[-1] < 0.2 * float(plain)


@pytest.mark.parametrize("seed", range(8))
def test_what_is_extrapolated_is_kept_only_where_it_leads_down(
    setting: Setting, still: FitState, seed: int
) -> None:
    """Rounds that go down a bumpy valley by steps of random length, each by itself never up."""
    generator = torch.Generator().manual_seed(seed)

    def cost(off: Tensor) -> Tensor:
        return 1e4 * (off.square() + 1e-4 * (1 + (200 * off + seed).sin())).sum()

    def work(off: Tensor) -> Tensor:
        off = off.detach().requires_grad_()
        (slope,) = torch.autograd.grad(cost(off), off)
        step = 1e-4 * float(torch.rand(1, generator=generator)) * slope
        while cost(off - step) > cost(off):
            step = step / 2
        return (off - step).detach()

    shifted = replace(still, placement=still.placement + 0.02)
    course, begins = Course.at(setting, shifted), []
    for _ in range(15):
        begin = float(cost(course.state.placement - still.placement))
        if course.refused(begin):
            continue
        begins.append(begin)
        course.go(
            replace(
                course.state,
                placement=still.placement + work(course.state.placement - still.placement),
            )
        )
    for earlier, begin in zip(pairwise(begins), begins[2:], strict=False):
        assert begin <= max(earlier) * (1 + 1e-4)
    assert begins[-1] < begins[0]


def test_a_place_that_costs_more_is_given_up_for_where_the_round_ended(
    setting: Setting, still: FitState
) -> None:
    course = Course.at(setting, still)
    for cost, shift in ((2.0, 0.001), (1.0, 0.0018)):
        assert not course.refused(cost)
        course.go(replace(still, placement=still.placement + shift))
    assert float((course.state.placement - course.end.placement).max()) > 0.0005
    assert course.refused(3.0)
    torch.testing.assert_close(course.state.placement, course.end.placement)
    assert not course.refused(3.0), "a round that ended there by itself is gone on from"
    assert Course.at(setting, still).refused(float("nan")) is False, "nothing to go back to"


def test_how_much_is_still_to_come_is_what_a_geometric_series_leaves() -> None:
    way = torch.tensor([[0.3, -0.1], [0.0, 0.2]])
    for rate in (0.1, 0.5, 0.75):
        assert further(way, rate * way) == pytest.approx(rate / (1 - rate), rel=1e-4)
    assert further(way, 0.99 * way) == MOST
    assert further(way, -0.5 * way) == 0
    assert further(way, way.flip(0).flip(1) * torch.tensor([1.0, -1.0])) < 0.5


def test_moves_between_states_lead_there(setting: Setting, still: FitState) -> None:
    generator = torch.Generator().manual_seed(3)
    shape = (*still.placement.shape[:2], FREEDOM)
    rotmats = setting.posed(still).rotmats
    move = 0.1 * torch.randn(shape, generator=generator)
    there = moved(still, rotmats, move)
    back = move_between(still, there, (rotmats, setting.posed(there).rotmats))
    torch.testing.assert_close(back, move, atol=1e-5, rtol=1e-4)


def creeping(aim: Tensor, rate: float) -> Callable[[Posed], Found]:
    """Draws the first person a share of the way to where it wants to be, anew each round."""

    def search(posed: Posed) -> Found:
        target = aim + rate * (posed.transl[0, :, 0].detach() - aim)
        return lambda now: {"pull": 1e6 * (now.transl[0, :, 0] - target).square().sum()}

    return search


def test_a_fit_that_creeps_does_not_say_that_it_has_arrived_before_it_has(
    setting: Setting, still: FitState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounds that come nearer by a fifth each time: 0.5 mm in a round leave 2 mm."""
    aim = setting.posed(still).transl[0, :, 0] + 0.02

    def told(stage: str, costs: dict[str, float], state: FitState, units: float) -> FitProgress:
        spent.append(stage)
        return FitProgress(stage, 0.0, None, costs)

    ends = []
    for most in (MOST, 0.0):
        monkeypatch.setattr(module, "MOST", most)
        spent: list[str] = []
        plan = Round("Creeping", (creeping(aim, 0.8),), 200)
        state, outcome = run(settle(setting, still, plan, told))
        off = float((setting.posed(state).transl[0, :, 0] - aim).abs().max())
        ends.append((off, len(spent)))
        assert outcome is Outcome.CONVERGED
    (off, count), (plain_off, plain_count) = ends
    assert off < setting.config.settled
    assert count < 0.5 * plain_count
    assert plain_off > setting.config.settled, "a small step was taken for the last"


def test_nobody_is_taken_further_than_was_looked(setting: Setting, still: FitState) -> None:
    course = Course.at(setting, still)
    for cost, shift in ((2.0, 0.05), (1.0, 0.09)):
        assert not course.refused(cost)
        course.go(replace(still, placement=still.placement + shift))
    ends = (setting.posed(state).joints for state in (course.end, course.state))
    assert 0.009 < float(torch.stack([*ends]).diff(dim=0).norm(dim=-1).max()) < 0.0105
