"""Rounds of descent: where they end, also where what is found anew contradicts itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.body.smpl import BodyModel
from engine.fit import course
from engine.fit.labels import Labels
from engine.fit.relaxation import LEAST, Relaxation
from engine.fit.rounds import Found, Round, settle
from engine.fit.setting import Setting
from engine.fit.state import Anchor, FitState, Posed
from engine.structures import FitProgress, Outcome
from tests.engine.fit.conftest import run
from tests.engine.fit.test_newton import EVERY, FRAMES, SMOOTH, seen_exactly, standing_still

CONFIG = replace(SMOOTH, contact_rounds=30)
LENGTH = 0.02
"""Metres that a search sends the first person across the middle."""


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load("open-body", "1k2")


@pytest.fixture(scope="module")
def still() -> FitState:
    return standing_still()


@pytest.fixture(scope="module")
def setting(body: BodyModel, still: FitState) -> Setting:
    evidence, _ = seen_exactly(body, still)
    held = dict.fromkeys(("shape_free", "up_free", "floor_free", "focal_free"), False)
    return Setting(body, evidence, Anchor(), EVERY, CONFIG, Labels(body, (), EVERY), **held)


def across(middle: Tensor) -> Callable[[Posed], Found]:
    """Sends the first person, in every frame, to the other side of where it was seen."""

    def search(posed: Posed) -> Found:
        side = torch.sign(posed.transl[0, :, 0] - middle)
        target = middle - LENGTH * torch.where(side == 0, 1.0, side)
        return lambda now: {"pull": 1e6 * (now.transl[0, :, 0] - target).square().sum()}

    return search


def ended(setting: Setting, state: FitState) -> tuple[float, float, Outcome]:
    """How far from the middle the first person ends, how far the last round moved it (metres), and
    how it ended."""
    middle, ends = setting.posed(state).transl[0, :, 0], []

    def told(stage: str, costs: dict[str, float], now: FitState, units: float) -> FitProgress:
        ends.append(setting.posed(now).transl[0, :, 0])
        return FitProgress(stage, 0.0, None, costs)

    plan = Round("To and fro", (across(middle),), CONFIG.contact_rounds)
    found, outcome = run(settle(setting, state, plan, told))
    off = setting.posed(found).transl[0, :, 0] - middle
    return float(off.abs().max()), float((ends[-1] - ends[-2]).abs().max()), outcome


def test_rounds_that_send_people_to_and_fro_come_to_rest_between(
    setting: Setting, still: FitState, monkeypatch: pytest.MonkeyPatch
) -> None:
    off, _, _ = ended(setting, still)
    assert off < 0.6 * LENGTH
    monkeypatch.setattr(course, "PATIENCE", CONFIG.contact_rounds)
    _, unslowed, outcome = ended(setting, still)
    assert outcome is Outcome.STEP_LIMIT
    assert unslowed > 1.5 * LENGTH


def test_nothing_that_agrees_with_itself_is_slowed_down(setting: Setting, still: FitState) -> None:
    relaxation = Relaxation.none(setting)
    for number in range(1, 4):
        there = replace(still, placement=still.placement + 0.01 * number)
        before = replace(still, placement=still.placement + 0.01 * (number - 1))
        gone = relaxation.relaxed(setting, before, there)
        torch.testing.assert_close(gone.placement, there.placement)
        torch.testing.assert_close(gone.rotation, there.rotation)


def test_frames_that_go_back_go_less_far_each_time_and_recover(
    setting: Setting, still: FitState
) -> None:
    relaxation, forth = Relaxation.none(setting), replace(still, placement=still.placement + 0.01)
    shares = []
    for here, there in [(still, forth), (forth, still)] * 2:
        gone = relaxation.relaxed(setting, here, there)
        way = there.placement - here.placement
        shares.append(float(((gone.placement - here.placement) / way).mean()))
    assert shares == pytest.approx([1.0, 0.5, LEAST, LEAST], abs=1e-3)
    for expected in (0.5, 1.0):
        gone = relaxation.relaxed(setting, forth, still)
        assert float((gone.placement - forth.placement).mean()) == pytest.approx(
            -0.01 * expected, rel=1e-3
        )


def test_a_limb_that_goes_back_holds_up_its_own_frames_alone(
    setting: Setting, still: FitState
) -> None:
    assert FRAMES == 5
    relaxation, shift = Relaxation.none(setting), torch.zeros_like(still.placement)
    shift[:, 0] = 0.01
    forth = replace(still, placement=still.placement + shift)
    relaxation.relaxed(setting, still, forth)
    relaxation.relaxed(setting, forth, still)
    assert relaxation.share[0] == 0.5 and relaxation.share[4] == 1.0
