from __future__ import annotations

import numpy as np
import pytest

from engine.body.joints import COCO17, HALPE26, mirrored
from engine.perception.keypoints import (
    agree_on_sides,
    drop_outliers,
    fuse,
    halpe26,
    swap_sides,
    untangle_sides,
)
from engine.perception.runtime import BlazePose, Region

SIZE = 400.0


def standing(x: float = 300.0) -> np.ndarray:
    """A person of 400 px who faces the camera: x, y, confidence of COCO-17."""
    left = {
        "eye": (8, -170), "ear": (15, -165), "shoulder": (45, -110), "elbow": (60, -50),
        "wrist": (65, 5), "hip": (25, 0), "knee": (28, 95), "ankle": (30, 185),
    }  # fmt: skip
    points = np.zeros((17, 3))
    for index, name in enumerate(COCO17):
        side, _, joint = name.partition("_")
        dx, dy = (0, -160) if name == "nose" else left[joint]
        points[index] = (x + (dx if side != "right" else -dx), 300 + dy, 0.9)
    return points


def walking(frames: int = 40) -> np.ndarray:
    """(F, 26, 3): a person who walks to the right, feet and head included."""
    result = np.zeros((frames, 26, 3))
    for f in range(frames):
        coco = standing(200 + 3 * f)
        result[f, :17] = coco
        result[f, 17:20] = [(200 + 3 * f, y, 0.8) for y in (110, 190, 300)]
        for name in ("big_toe", "small_toe", "heel"):
            for side, ankle in (("left", 15), ("right", 16)):
                result[f, HALPE26.index(f"{side}_{name}")] = coco[ankle] + (5, 12, -0.2)
    return result


class TestFusion:
    def test_agreeing_witnesses_give_their_place_with_confidence(self):
        noise = np.random.default_rng(0).normal(0, 2, (4, 17, 2))
        witnesses = [standing() + np.pad(n, ((0, 0), (0, 1))) for n in noise]
        fused = fuse(witnesses, [1.0] * 4, SIZE)
        assert np.abs(fused[:, :2] - standing()[:, :2]).max() < 4
        assert fused[:, 2].min() > 0.8

    def test_one_witness_that_errs_is_outvoted(self):
        wrong = standing()
        wrong[9, :2] += (120, -90)
        fused = fuse([standing(), standing(), wrong], [1.0] * 3, SIZE)
        np.testing.assert_allclose(fused[9, :2], standing()[9, :2], atol=1)
        assert 0.5 < fused[9, 2] < 0.65

    def test_a_joint_that_all_guess_apart_has_low_confidence(self):
        witnesses = [standing() for _ in range(4)]
        for index, points in enumerate(witnesses):
            points[9] = (100 + 150 * index, 80 * index, 0.4)
        assert fuse(witnesses, [1.0] * 4, SIZE)[9, 2] < 0.15

    def test_a_joint_that_nobody_saw_is_empty(self):
        witnesses = [standing(), standing()]
        for points in witnesses:
            points[10, 2] = 0
        fused = fuse(witnesses, [1.0] * 2, SIZE)
        assert np.isnan(fused[10, :2]).all()
        assert fused[10, 2] == 0

    def test_the_past_breaks_a_tie_but_moves_nothing(self):
        here, there = standing(), standing()
        here[9, :2], there[9, :2] = (200, 300), (400, 300)
        past = standing()
        for place, near in ((200, (206, 297)), (400, (391, 304))):
            past[9, :2] = near
            fused = fuse([here, there], [1.0] * 2, SIZE, past)
            np.testing.assert_allclose(fused[9, :2], (place, 300), atol=0.5)
            assert fused[9, 2] < 0.5
        far = fuse([here, here, there], [1.0] * 3, SIZE, past)  # the past is not a third witness
        np.testing.assert_allclose(far[9, :2], (200, 300), atol=0.5)

    def test_a_witness_with_left_and_right_exchanged_is_turned_round(self):
        turned = standing()[np.array(mirrored(COCO17))]
        agreed = agree_on_sides(np.stack([standing(), turned, standing()]), np.ones(3))
        for points in agreed:
            np.testing.assert_array_equal(points[5:], standing()[5:])

    def test_exchanged_legs_alone_are_turned_round_alone(self):
        turned = swap_sides(standing(), range(11, 17))
        agreed = agree_on_sides(np.stack([turned, standing(), standing()]), np.array([1.1, 1, 1]))
        np.testing.assert_array_equal(agreed[0, 5:], standing()[5:])


class TestHalpe26:
    def blaze(self, ankle_shift: float = 0.0) -> BlazePose:
        landmarks = np.full((33, 3), 0.9)
        landmarks[:, :2] = 0
        for left, offset in ((27, (0, 0)), (29, (-8, 10)), (31, (20, 14))):
            for side in (0, 1):
                landmarks[left + side, :2] = standing()[15 + side, :2] + offset
                landmarks[left + side, 0] += ankle_shift
        region = Region(0.0, 0.0, 1.0)
        return BlazePose(landmarks, 1.0, region, region, np.zeros((256, 256), np.float32))

    def test_the_first_seventeen_are_coco_and_the_middles_are_means(self):
        points = halpe26(standing(), [self.blaze()], SIZE)
        np.testing.assert_array_equal(points[:17], standing())
        np.testing.assert_allclose(points[HALPE26.index("neck"), :2], (300, 190))
        np.testing.assert_allclose(points[HALPE26.index("hip"), :2], (300, 300))
        head = points[HALPE26.index("head")]
        assert head[1] < standing()[:, 1].min()

    def test_feet_hang_on_the_fused_ankles(self):
        points = halpe26(standing(), [self.blaze(ankle_shift=4.0)], SIZE)
        toe = points[HALPE26.index("left_big_toe")]
        np.testing.assert_allclose(toe[:2], standing()[15, :2] + (20, 14))
        assert toe[2] > 0.5

    def test_a_look_that_missed_the_ankle_says_nothing_of_the_foot(self):
        points = halpe26(standing(), [self.blaze(ankle_shift=150.0)], SIZE)
        assert points[HALPE26.index("left_heel"), 2] < 0.01

    def test_small_toes_are_empty(self):
        points = halpe26(standing(), [self.blaze()], SIZE)
        for name in ("left_small_toe", "right_small_toe"):
            assert np.isnan(points[HALPE26.index(name), :2]).all()
            assert points[HALPE26.index(name), 2] == 0


class TestOverTime:
    sizes = np.full(40, SIZE)

    @pytest.mark.parametrize("frames", [[7], [3, 4, 5, 6], [39], [0], [10, 20, 21]])
    def test_exchanged_frames_are_put_right(self, frames):
        truth = walking()
        tangled = truth.copy()
        tangled[frames] = tangled[frames][:, np.array(mirrored(HALPE26))]
        np.testing.assert_array_equal(untangle_sides(tangled, self.sizes), truth)

    def test_exchanged_legs_are_put_right_without_the_arms(self):
        truth = walking()
        tangled = truth.copy()
        lower = np.array([11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 25])
        tangled[12:15, lower] = truth[12:15][:, np.array(mirrored(HALPE26))[lower]]
        np.testing.assert_array_equal(untangle_sides(tangled, self.sizes), truth)

    def test_what_most_frames_say_is_kept(self):
        mirrored_walk = walking()[:, np.array(mirrored(HALPE26))]
        np.testing.assert_array_equal(untangle_sides(mirrored_walk, self.sizes), mirrored_walk)

    def test_gaps_stay_gaps(self):
        points = walking()
        points[5:30] = (np.nan, np.nan, 0.0)
        cleaned = drop_outliers(untangle_sides(points, self.sizes), self.sizes)
        np.testing.assert_array_equal(cleaned, points)

    def test_a_leap_is_dropped_and_its_neighbours_stay(self):
        points = walking()
        points[20, 9, :2] += (150, -60)
        cleaned = drop_outliers(points, self.sizes)
        assert np.isnan(cleaned[20, 9, :2]).all()
        assert cleaned[20, 9, 2] == 0
        kept = np.ones((40, 26), bool)
        kept[20, 9] = False
        np.testing.assert_array_equal(cleaned[kept], points[kept])

    def test_fast_steady_motion_is_no_leap(self):
        points = walking()
        points[:, 9, 0] += 25.0 * np.arange(40)
        np.testing.assert_array_equal(drop_outliers(points, self.sizes), points)
