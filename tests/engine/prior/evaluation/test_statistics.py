"""Numbers of pairs that are plain to see: apart, in each other, with a broken knee, standing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from engine.body.smpl import BodyModel
from engine.prior.dataset import chained
from engine.prior.evaluation.statistics import broken_limits, statistics
from engine.prior.windows import PairWindows

FRAMES = 8


def standing(apart: float, count: int = 2) -> PairWindows:
    """People at rest side by side, arms out, so many metres from pelvis to pelvis."""
    pelvis = torch.tensor([[-apart / 2, 0, 4.0], [apart / 2, 0, 4.0]])
    return PairWindows(
        torch.eye(3).expand(count, 2, FRAMES, 24, 3, 3),
        pelvis[None, :, None].expand(count, 2, FRAMES, 3),
        torch.zeros(count, 2, 10),
        torch.tensor([0.0, 1, 0]).expand(count, 3),
    )


def bent(windows: PairWindows, joint: int, angle: float) -> PairWindows:
    """A joint of the second person turned about x."""
    local = windows.local_rotations.clone()
    turn = torch.tensor(angle)
    local[:, 1, :, joint, 1, 1] = local[:, 1, :, joint, 2, 2] = turn.cos()
    local[:, 1, :, joint, 1, 2], local[:, 1, :, joint, 2, 1] = -turn.sin(), turn.sin()
    return replace(windows, rotations=chained(local))


def test_people_apart_do_not_touch(body: BodyModel) -> None:
    found = statistics(standing(3.0), body)
    assert (found.contact, found.deep, found.broken) == (0, 0, 0)
    assert found.pelvis_m == pytest.approx((3, 3, 3))
    assert found.head_m == pytest.approx((3, 3, 3))
    assert found.acceleration_m_s2 == pytest.approx(0, abs=1e-3)
    assert found.facing == pytest.approx(0, abs=1e-5)


def test_people_in_each_other_are_deep(body: BodyModel) -> None:
    found = statistics(standing(0.15), body)
    assert (found.contact, found.deep) == (1, 1)
    assert 50 < found.depth_mm < 200


def test_two_centimetres_are_contact_and_four_are_not(body: BodyModel) -> None:
    skin = body.v_template[:, 0]
    reach = float(skin.max() - skin.min())  # from finger tip to finger tip
    assert statistics(standing(reach + 0.01), body).contact == 1
    near = statistics(standing(reach + 0.04), body)
    assert near.contact == 0 and near.deep == 0


def test_a_knee_that_bends_forwards_is_broken_and_backwards_is_not(body: BodyModel) -> None:
    knee, hand = 4, 22
    assert statistics(bent(standing(3.0), knee, -0.6), body).broken == 0.5
    assert statistics(bent(standing(3.0), knee, 0.6), body).broken == 0
    assert not broken_limits(bent(standing(3.0), hand, 1.0)).any()


def test_acceleration_is_that_of_a_fall(body: BodyModel) -> None:
    time = torch.arange(FRAMES) / 30
    fall = torch.zeros(FRAMES, 3)
    fall[:, 1] = -9.81 / 2 * time**2
    windows = standing(3.0)
    found = statistics(replace(windows, pelvis=windows.pelvis + fall), body)
    assert found.acceleration_m_s2 == pytest.approx(9.81, abs=0.01)


def test_quantiles_are_over_all_frames(body: BodyModel) -> None:
    pair = [standing(1.0, 19), standing(2.0, 1)]
    both = PairWindows(
        *(torch.cat([getattr(w, name) for w in pair]) for name in
          ("rotations", "pelvis", "betas", "up"))
    )  # fmt: skip
    low, middle, high = statistics(both, body).pelvis_m
    assert low == middle == pytest.approx(1)
    assert 1 <= high <= 2
