"""Each reason is 1 where a frame begins to be suspicious."""

from __future__ import annotations

import numpy as np
import pytest

from engine.fit import reasons
from engine.structures import FrameRange, SwapProposal

TIMES = np.arange(40) / 30


def still(frames: int = 40) -> np.ndarray:
    """Two people who stand, joints in metres."""
    joints = np.random.default_rng(0).normal(0, 0.5, (2, 1, 24, 3))
    return np.repeat(joints, frames, axis=1)


def test_a_miss_stands_out_from_what_the_clip_usually_gives():
    miss = np.full((2, 40), 0.01)
    miss[0, 7] = 0.06
    miss[1] += np.random.default_rng(1).normal(0, 0.004, 40)
    found = reasons.reprojection(miss)
    assert found[0, 7] == pytest.approx(2.0)
    assert (np.delete(found[0], 7) < 1).all() and (found[1] < 1).all()


def test_a_clip_that_misses_everywhere_is_no_list_of_every_frame():
    miss = 0.08 + np.random.default_rng(1).normal(0, 0.01, (2, 40))
    assert (reasons.reprojection(miss) >= 1).mean() < 0.1


def test_what_was_not_seen_is_not_suspicious():
    miss = np.full((2, 40), np.nan)
    assert np.isnan(reasons.reprojection(miss)).all()


def test_contact_that_was_said_is_broken_by_a_gap_and_its_absence_by_touch():
    gap = reasons.Gap(0, 1, FrameRange(2, 5), np.array([0.0, reasons.OPEN_CONTACT, 0.09]))
    apart = reasons.Gap(0, 1, FrameRange(8, 10), np.array([reasons.CLEARANCE, 0.0]))
    found = reasons.contact([gap], [apart], (2, 12))
    assert found[0, 2:5] == pytest.approx([0, 1, 3]) and found[1, 8:10] == pytest.approx([0, 1])
    assert np.isnan(found[:, [0, 1, 5, 6, 7, 10, 11]]).all()


def test_a_body_that_jumps_jerks_there_and_nowhere_else():
    joints = still()
    joints[0, 20:] += [0.1, 0.0, 0.0]
    found = reasons.jerk(joints, TIMES)
    assert (found[0, [19, 20]] > 1).all()
    assert (np.delete(found[0], [0, 19, 20, 39]) < 1e-6).all()
    assert np.isnan(found[:, [0, 39]]).all()


def test_a_cut_is_no_jerk():
    joints = still()
    joints[:, 20:] += 3.0
    found = reasons.jerk(joints, TIMES, cuts=(20,))
    assert np.nanmax(found) < 1e-6


@pytest.mark.parametrize("rate", [15.0, 30.0, 60.0, 120.0])
def test_acceleration_is_the_same_at_every_rate(rate):
    times = np.arange(0, 1.5, 1 / rate)
    joints = np.zeros((1, len(times), 24, 3))
    joints[..., 1] = 0.5 * 8.0 * times[None, :, None] ** 2
    found = reasons.accelerations(joints, times)[0]
    known = np.isfinite(found)
    assert known.mean() > 0.8
    assert found[known] == pytest.approx(8.0, rel=0.15)


def test_a_depth_that_nothing_else_tells_is_expected_to_cost_half_of_its_flip():
    """With no other knowledge both orders are as likely: 2 |depth| times one half."""
    assert reasons.flip_cost(np.array(0.3), np.array(0.0), np.array(0.01)) == pytest.approx(0.3)
    sure = reasons.flip_cost(np.array(0.3), np.array(0.3), np.array(0.01))
    assert sure < 1e-6
    against = reasons.flip_cost(np.array(0.3), np.array(-0.3), np.array(0.01))
    assert against == pytest.approx(0.6)


def test_what_one_of_three_measures_says_of_depth_is_enough():
    nothing, some = np.zeros((2, 3)), np.full((2, 3), np.nan)
    fast = np.full((2, 3), reasons.APPROACH)
    assert reasons.depth_flip(nothing, some, fast) == pytest.approx(1.0)
    assert reasons.depth_flip(np.full((2, 3), 0.2), nothing, nothing) == pytest.approx(2.0)


def test_a_proposed_exchange_marks_its_frames_for_both():
    swap = SwapProposal(0, 2, FrameRange(3, 6), cost_before=50.0, cost_after=26.0)
    found = reasons.identity([swap], 12.0, (3, 10))
    assert found[0, 3:6] == pytest.approx(2.0) and found[2, 3:6] == pytest.approx(2.0)
    assert found[1].sum() == 0 and found[:, [2, 6]].sum() == 0


def test_a_fit_is_outside_the_prior_by_its_own_deviations():
    deviations = np.full((1, 2, 24), reasons.UNLIKELY)
    found = reasons.prior(deviations, np.array([[0.0, 6.0]]))
    assert found[0] == pytest.approx([1.0, 3.0])


def test_what_concerns_a_pair_is_the_worst_of_its_people():
    pairs = {(0, 1): np.array([1.0, np.nan]), (1, 2): np.array([3.0, 0.5])}
    found = reasons.worst_of_pairs(pairs, (3, 2))
    np.testing.assert_array_equal(found, [[1.0, np.nan], [3.0, 0.5], [3.0, 0.5]])
