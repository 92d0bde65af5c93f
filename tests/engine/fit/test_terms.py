"""Each term is zero at the truth and grows the right way."""

from __future__ import annotations

import math

import pytest
import torch

from engine.fit import terms
from engine.geometry.rotations import axis_angle_to_matrix


def bent(joint: int, axis: list[float]) -> torch.Tensor:
    pose = torch.zeros(1, 1, 24, 3)
    pose[0, 0, joint] = torch.tensor(axis)
    return terms.joint_limits(axis_angle_to_matrix(pose)).sum()


def test_reprojection_is_measured_in_units_of_the_noise():
    K = torch.tensor([[1000.0, 0, 500], [0, 1000.0, 500]])
    point = torch.tensor([[[[0.1, 0.2, 2.0]]]])
    observed = torch.tensor([[[[553.0, 604.0]]]])  # 3 and 4 pixels beside (550, 600)
    squared = terms.reprojection(point, observed, K, torch.tensor([[5.0]]))
    assert squared.item() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    ("joint", "natural", "broken"),
    [
        (4, [1.2, 0, 0], [-0.6, 0, 0]),
        (5, [1.2, 0, 0], [-0.6, 0, 0]),
        (18, [0, -1.2, 0], [0, 0.6, 0]),
        (19, [0, 1.2, 0], [0, -0.6, 0]),
        (12, [0.3, 0.4, 0], [0, 1.9, 0]),
        (7, [0.4, 0, 0], [0, 0, 1.8]),
    ],
)
def test_joints_bend_the_way_people_do(joint: int, natural: list[float], broken: list[float]):
    assert bent(joint, natural) < 1e-3
    assert bent(joint, broken) > 0.1


def test_a_joint_turned_right_round_is_not_mistaken_for_one_at_rest():
    assert bent(12, [0, math.pi - 1e-3, 0]) > 1.0


def test_acceleration_does_not_depend_on_the_spacing_of_frames():
    times = torch.tensor([0.0, 0.1, 0.15, 0.35, 0.4])
    falling = (-0.5 * 9.81 * times**2)[None, :, None]
    found = terms.acceleration(falling, times[1:] - times[:-1])
    torch.testing.assert_close(found, torch.full_like(found, -9.81), atol=1e-3, rtol=0)


def test_feet_may_stand_on_the_floor_but_not_in_it():
    height = torch.tensor([0.05, 0.0, -0.04])
    assert terms.below_floor(height).tolist() == pytest.approx([0, 0, 4])
    assert terms.on_floor(torch.tensor(10.0), 5.0) <= 25, "someone who jumps is not pulled down"


def test_who_is_behind_whom_pulls_the_less_the_more_it_is_mistaken():
    expected = torch.tensor([0.3, 0.3, 0.3, 0.3])
    metres = torch.tensor([0.3, 0.45, 0.15, 30.0])
    cost = terms.behind(metres, expected, torch.full((4,), 0.15))
    assert cost[:3].tolist() == pytest.approx([0.0, 0.9, 0.9])
    assert cost[3] == pytest.approx(9.0, rel=0.01)


def test_depth_order_is_satisfied_with_a_margin():
    front, back = torch.tensor([3.0, 3.0, 3.0]), torch.tensor([3.1, 3.0, 2.9])
    assert terms.depth_order(front, back).tolist() == pytest.approx([0, 1, 9], abs=1e-4)


def test_skin_may_overlap_by_the_slack():
    depth = torch.tensor([0.005, 0.010, 0.030])
    assert terms.penetration(depth, slack=0.010).tolist() == pytest.approx([0, 0, 4], abs=1e-4)


def test_labels_pull_together_or_keep_apart():
    distance = torch.tensor([0.0, 0.025, 0.1])
    assert terms.contact(distance).tolist() == pytest.approx([0, 4, 48], abs=1e-3)
    assert terms.no_contact(distance, 0.03).tolist() == pytest.approx([9, 0.25, 0], abs=1e-4)
