from __future__ import annotations

import numpy as np
import pytest

from engine.body.joints import COCO17, HALPE26, mirrored
from engine.perception.keypoints import (
    NO_LOOKS,
    FootLooks,
    agree_on_sides,
    coco_of,
    halpe26,
    side_order,
    swap_sides,
)
from engine.perception.runtime import BlazePose, Region
from tests.engine.perception.made_up import SIZE, standing, walking

MIRROR = np.array(mirrored(COCO17))
LEGS = np.arange(11, 17)


class TestSidesOfAFrame:
    def test_a_witness_with_left_and_right_exchanged_is_turned_round(self):
        turned = standing()[MIRROR]
        agreed = agree_on_sides(np.stack([standing(), turned, standing()]), np.ones(3))
        for points in agreed:
            np.testing.assert_array_equal(points[5:], standing()[5:])

    def test_exchanged_legs_alone_are_turned_round_alone(self):
        turned = swap_sides(standing(), range(11, 17))
        agreed = agree_on_sides(np.stack([turned, standing(), standing()]), np.array([1.1, 1, 1]))
        np.testing.assert_array_equal(agreed[0, 5:], standing()[5:])

    def test_the_weight_of_the_witnesses_decides_not_their_number(self):
        turned = standing()[MIRROR]
        agreed = agree_on_sides(np.stack([turned, standing(), turned]), np.array([0.3, 1.5, 0.3]))
        for points in agreed:
            np.testing.assert_array_equal(points[5:], standing()[5:])

    def test_a_person_seen_from_the_side_is_left_as_seen(self):
        noise = np.random.default_rng(1).normal(0, 3, (3, 17, 2))
        edge_on = np.tile(standing(), (3, 1, 1))
        edge_on[..., 0] = 300 + 0.05 * (edge_on[..., 0] - 300)
        edge_on[..., :2] += noise
        np.testing.assert_array_equal(agree_on_sides(edge_on, np.ones(3)), edge_on)


class TestHalpe26:
    def looks(self, ankle_shift: float = 0.0, exchanged: bool = False) -> FootLooks:
        landmarks = np.full((33, 3), 0.9)
        landmarks[:, :2] = 0
        for left, offset in ((27, (0, 0)), (29, (-8, 10)), (31, (20, 14))):
            for side in (0, 1):
                mine = 1 - side if exchanged else side
                outward = (offset[0] * (1 - 2 * side), offset[1])
                landmarks[left + mine, :2] = standing()[15 + side, :2] + outward
                landmarks[left + mine, 0] += ankle_shift
        return FootLooks(landmarks[None], np.ones(1))

    def test_the_first_seventeen_are_coco_and_the_middles_are_means(self):
        points = halpe26(standing(), self.looks(), SIZE)
        np.testing.assert_array_equal(points[:17], standing())
        np.testing.assert_allclose(points[HALPE26.index("neck"), :2], (300, 190))
        np.testing.assert_allclose(points[HALPE26.index("hip"), :2], (300, 300))
        head = points[HALPE26.index("head")]
        assert head[1] < standing()[:, 1].min()

    @pytest.mark.parametrize("exchanged", [False, True])
    def test_feet_hang_on_the_fused_ankles(self, exchanged):
        points = halpe26(standing(), self.looks(4.0, exchanged), SIZE)
        for side, ankle, outward in (("left", 15, 20), ("right", 16, -20)):
            toe = points[HALPE26.index(f"{side}_big_toe")]
            np.testing.assert_allclose(toe[:2], standing()[ankle, :2] + (outward, 14))
            assert toe[2] > 0.5

    def test_a_foot_is_no_surer_than_its_ankle(self):
        coco = standing()
        coco[15, 2] = 0.2
        points = halpe26(coco, self.looks(), SIZE)
        assert points[HALPE26.index("left_heel"), 2] <= 0.2 < points[HALPE26.index("right_heel"), 2]

    def test_a_look_that_missed_the_ankle_says_nothing_of_the_foot(self):
        points = halpe26(standing(), self.looks(150.0), SIZE)
        assert points[HALPE26.index("left_heel"), 2] < 0.01

    def test_without_looks_there_are_no_feet(self):
        points = halpe26(standing(), NO_LOOKS, SIZE)
        assert np.isnan(points[20:, :2]).all() and (points[20:, 2] == 0).all()

    def test_a_joint_that_is_not_there_takes_its_middle_along(self):
        coco = standing()
        coco[5] = (np.nan, np.nan, 0.0)
        points = halpe26(coco, NO_LOOKS, SIZE)
        for name in ("left_shoulder", "neck", "head"):
            assert np.isnan(points[HALPE26.index(name), :2]).all()
            assert points[HALPE26.index(name), 2] == 0

    def test_small_toes_are_empty(self):
        points = halpe26(standing(), self.looks(), SIZE)
        for name in ("left_small_toe", "right_small_toe"):
            assert np.isnan(points[HALPE26.index(name), :2]).all()
            assert points[HALPE26.index(name), 2] == 0

    def test_blazepose_s_landmarks_that_coco_has(self):
        landmarks = np.zeros((33, 3))
        landmarks[[0, 11, 12, 15, 28], 0] = (1, 2, 3, 4, 5)
        region = Region(0.0, 0.0, 1.0)
        look = BlazePose(landmarks, 1.0, region, region, np.zeros((256, 256), np.float32))
        names = ("nose", "left_shoulder", "right_shoulder", "left_wrist", "right_ankle")
        assert coco_of(look)[[COCO17.index(n) for n in names], 0].tolist() == [1, 2, 3, 4, 5]


class TestSidesOverTime:
    sizes = np.full(40, SIZE)

    def put_right(self, points: np.ndarray) -> np.ndarray:
        order = side_order(points, self.sizes)
        return np.take_along_axis(points, order[..., None], axis=1)

    @pytest.mark.parametrize("frames", [[7], [3, 4, 5, 6], [39], [0], [10, 20, 21]])
    def test_exchanged_frames_are_put_right(self, frames):
        truth = walking(40)
        tangled = truth.copy()
        tangled[frames] = tangled[frames][:, MIRROR]
        np.testing.assert_array_equal(self.put_right(tangled), truth)

    def test_exchanged_legs_are_put_right_without_the_arms(self):
        truth = walking(40)
        tangled = truth.copy()
        tangled[12:15, LEGS] = truth[12:15][:, MIRROR[LEGS]]
        np.testing.assert_array_equal(self.put_right(tangled), truth)

    def test_what_most_frames_say_is_kept(self):
        mirrored_walk = walking(40)[:, MIRROR]
        np.testing.assert_array_equal(self.put_right(mirrored_walk), mirrored_walk)

    def test_across_a_gap_it_is_still_the_same_person(self):
        truth = walking(40)
        truth[5:9] = (np.nan, np.nan, 0.0)
        tangled = truth.copy()
        tangled[9:12] = truth[9:12][:, MIRROR]
        np.testing.assert_array_equal(self.put_right(tangled), truth)

    def test_nobody_at_all_stays_nobody(self):
        points = np.full((40, 17, 3), np.nan)
        points[..., 2] = 0.0
        np.testing.assert_array_equal(side_order(points, self.sizes), [np.arange(17)] * 40)
