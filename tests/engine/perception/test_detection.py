from __future__ import annotations

import numpy as np
import pytest

from engine.perception.detection import (
    NOBODY,
    color_distance,
    iou,
    keypoint_box,
    merge,
    oks,
    search,
    union,
    with_drawn_box,
)


def test_iou_of_boxes():
    unit = np.array([0.0, 0, 10, 10])
    assert iou(unit, unit) == 1
    assert iou(unit, np.array([5.0, 0, 15, 10])) == pytest.approx(1 / 3)
    assert iou(unit, unit + 20) == 0
    assert iou(unit, np.full(4, np.nan)) == 0


def test_oks_is_one_for_equal_poses_and_falls_with_distance():
    pose = np.random.default_rng(0).uniform(0, 200, (17, 3))
    pose[:, 2] = 1
    apart = [oks(pose, pose + np.array([shift, 0, 0])) for shift in (0, 3, 10, 30, 100)]
    assert apart[0] == pytest.approx(1)
    assert (np.diff(apart) < 0).all()


def test_the_union_leaves_gaps_out():
    boxes = np.array([[0, 5, 10, 10], [np.nan] * 4, [3, 2, 20, 8]])
    np.testing.assert_array_equal(union(boxes), (0, 2, 20, 10))


def test_the_box_of_a_pose_ignores_unseen_joints():
    pose = np.tile([50.0, 50.0, 0.9], (17, 1))
    pose[1] = (150, 250, 0.9)
    pose[2] = (900, 900, 0.05)
    box = keypoint_box(pose)
    assert box[2] < 200
    assert box[3] < 300


def test_everybody_in_the_sample_is_found_the_prominent_ones_first(models, sample_frames):
    found = search(models, sample_frames[0])
    middles = [(box[0] + box[2]) / 2 for box in found.boxes]
    assert len(found) == 3
    assert sorted(round(x) for x in middles[:2]) == pytest.approx([408, 759], abs=60)
    assert middles[2] < 160  # the bystander


def test_people_in_a_small_part_of_a_large_frame_are_found(models, sample_frames):
    canvas = np.full((2160, 3840, 3), 90, np.uint8)
    canvas[600:1080, 1500:1772] = sample_frames[0][::4, ::4]
    found = search(models, canvas)
    middles = sorted((box[0] + box[2]) / 2 for box in found.boxes[:2])
    np.testing.assert_allclose(middles, (1500 + 408 / 4, 1500 + 759 / 4), atol=25)


def test_clothes_tell_people_apart_and_stay_the_same_over_time(models, sample_frames):
    early, late = (search(models, sample_frames[i]) for i in (0, 20))
    by_x = [np.argsort(d.boxes[:2, 0]) for d in (early, late)]
    man, woman = (
        [d.colors[o[i]] for d, o in zip((early, late), by_x, strict=True)] for i in (0, 1)
    )
    assert color_distance(man[0], man[1]) < 0.4
    assert color_distance(woman[0], woman[1]) < 0.4
    assert color_distance(man[0], woman[1]) > 0.7


def test_a_black_frame_holds_nobody(models):
    assert len(search(models, np.zeros((270, 480, 3), np.uint8))) == 0
    assert len(merge(np.zeros((8, 8, 3), np.uint8), np.zeros((0, 56)))) == 0


def test_a_drawn_box_makes_a_detection_where_the_detector_saw_none(models, sample_frames):
    box = np.array([206.0, 335, 600, 1140])
    drawn = with_drawn_box(models, sample_frames[0], NOBODY, box)
    assert len(drawn) == 1
    np.testing.assert_array_equal(drawn.boxes[0], box)
    detected = search(models, sample_frames[0])
    assert max(oks(drawn.keypoints[0], points) for points in detected.keypoints) > 0.5


def test_a_drawn_box_around_a_detection_changes_nothing(models, sample_frames):
    found = search(models, sample_frames[0])
    assert with_drawn_box(models, sample_frames[0], found, found.boxes[0] + 5) is found
