"""A partner from elsewhere stands as the true one stood, and moves as elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from engine.prior.dataset import WorldWindows
from engine.prior.evaluation.held_out import taken
from engine.prior.evaluation.setting_down import (
    DISTANCE_TOLERANCE,
    FACING_TOLERANCE,
    SetDown,
    set_down,
)
from engine.prior.proxemics import Proxemics, measure
from engine.prior.skeleton import Skeleton
from engine.prior.windows import PairWindows
from tests.engine.prior.evaluation.conftest import walkers


def proxemics(windows: WorldWindows, skeleton: Skeleton) -> Proxemics:
    """In the world, whose vertical is y."""
    up = torch.tensor([0.0, 1.0, 0.0]).expand(len(windows.pelvis), 3)
    pair = PairWindows(windows.rotations, windows.pelvis, windows.betas, up)
    return measure(pair, skeleton)


@pytest.fixture(scope="module")
def truth() -> WorldWindows:
    return walkers(6).select(lambda v: v[:4])


@pytest.fixture(scope="module")
def elsewhere() -> WorldWindows:
    return walkers(6).select(lambda v: v[2:])


@pytest.mark.parametrize("person", [0, 1])
def test_mean_distance_and_facing_are_kept_as_the_prior_measures_them(
    truth: WorldWindows, elsewhere: WorldWindows, skeleton: Skeleton, person: int
) -> None:
    found = set_down(truth, elsewhere, person)
    assert found.kept.all()
    was, now = proxemics(truth, skeleton), proxemics(found.windows, skeleton)
    apart = was.pelvis_distance.mean(1) - now.pelvis_distance.mean(1)
    assert apart.abs().max() < DISTANCE_TOLERANCE
    assert (was.facing.mean(2) - now.facing.mean(2)).abs().max() < FACING_TOLERANCE


@pytest.mark.parametrize("person", [0, 1])
def test_the_partner_is_moved_as_a_rigid_whole_on_the_floor(
    truth: WorldWindows, elsewhere: WorldWindows, person: int
) -> None:
    found = set_down(truth, elsewhere, person).windows
    other = 1 - person
    assert (found.pelvis[:, other] == truth.pelvis[:, other]).all()
    assert (found.rotations[:, other] == truth.rotations[:, other]).all()
    before, after = elsewhere.pelvis[:, person], found.pelvis[:, person]
    torch.testing.assert_close(after[..., 1], before[..., 1])
    torch.testing.assert_close(
        torch.cdist(after, after), torch.cdist(before, before), atol=2e-3, rtol=0
    )
    turn = found.rotations[:, person] @ elsewhere.rotations[:, person].mT
    torch.testing.assert_close(turn, turn[:, :1, :1].expand_as(turn), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        turn[:, 0, 0, 1], torch.tensor([0.0, 1, 0]).expand(4, 3), atol=1e-5, rtol=0
    )


def test_the_true_partner_is_set_down_where_the_partner_is(truth: WorldWindows) -> None:
    found = set_down(truth, truth, 1)
    assert found.kept.all()
    torch.testing.assert_close(found.windows.pelvis, truth.pelvis, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.windows.rotations, truth.rotations, atol=1e-4, rtol=0)


def test_the_partner_brings_the_own_body_along(truth: WorldWindows) -> None:
    tall = replace(truth, betas=torch.ones_like(truth.betas))
    betas = set_down(truth, tall, 0).windows.betas
    assert (betas[:, 0] == 1).all() and (betas[:, 1] == 0).all()


def test_where_facing_cannot_be_kept_it_is_said(truth: WorldWindows) -> None:
    """Who spins cannot be turned so as to look at somebody all the time."""
    spinning = truth.rotations.clone()
    angle = torch.linspace(0, 6 * torch.pi, truth.pelvis.shape[2])
    spinning[:, 1, :, 0, 0, 2], spinning[:, 1, :, 0, 2, 2] = angle.sin(), angle.cos()
    found = set_down(truth, replace(truth, rotations=spinning), 1)
    assert not found.kept.any()


def test_pairs_are_put_among_others(truth: WorldWindows, elsewhere: WorldWindows) -> None:
    nothing = SetDown(truth, torch.zeros(4, dtype=torch.bool))
    some = set_down(truth, elsewhere, 0).only(torch.tensor([True, False, True, False]))
    index = torch.tensor([0, 2])
    both = nothing.where(index, some)
    assert both.kept.tolist() == [True, False, True, False]
    torch.testing.assert_close(both.windows.pelvis[index], some.windows.pelvis)
    left = torch.tensor([1, 3])
    torch.testing.assert_close(both.windows.pelvis[left], truth.select(taken(left)).pelvis)
