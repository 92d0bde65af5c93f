"""Scores of observations that are wrong in known ways: every number is worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.body.joints import COCO17, mirrored
from engine.errors import InputError
from engine.perception.evaluation import compare, score
from engine.perception.truth import PerceptionTruth, Visibility, read_truth, write_truth
from engine.structures import Observations, RunLengthMask

FRAMES, SIDE = 10, 400.0
MIRROR = list(mirrored(COCO17))
# x to the image's right, y down, in boxes of 100 x 400: a person who faces the camera.
POSE = np.array(
    [(50, 30), (60, 20), (40, 20), (75, 30), (25, 30), (90, 80), (10, 80), (98, 140), (2, 140),
     (99, 200), (1, 200), (80, 210), (20, 210), (85, 300), (15, 300), (88, 390), (12, 390)],
    float,
)  # fmt: skip


def truth(gap: float = 500.0) -> PerceptionTruth:
    """Two people side by side, all joints visible."""
    points = np.stack([np.tile(POSE + np.array([x, 0.0]), (FRAMES, 1, 1)) for x in (0.0, gap)])
    boxes = np.stack([np.tile((x, 0.0, x + 100, SIDE), (FRAMES, 1)) for x in (0.0, gap)])
    levels = np.full(points.shape[:3], Visibility.VISIBLE, np.uint8)
    return PerceptionTruth(points, levels, boxes, (800, 400))


def seen(true: PerceptionTruth, confidence: float = 0.8) -> Observations:
    """Observations that are exactly right."""
    return Observations(
        keypoints2d=true.keypoints2d.copy(),
        confidence=np.full(true.visibility.shape, confidence),
        layout="coco17",
        boxes=true.boxes.copy(),
        times=np.arange(FRAMES) / 30,
        image_size=true.image_size,
    )


def scores(true: PerceptionTruth, observed: Observations):
    return score([compare(true, observed)])


def test_what_is_exactly_right_has_no_fault():
    found = scores(truth(), seen(truth()))
    assert (found.missed, found.swapped, found.switches, found.idf1) == (0, 0, 0, 1)
    assert found.all_levels.pck_5 == found.all_levels.reported == found.all_levels.sure_right == 1
    assert found.all_levels.joints == 2 * FRAMES * 17
    assert found.limbs_exchanged == 0


def test_the_numbers_of_the_rows_do_not_matter_as_long_as_they_stay():
    turned = seen(truth())
    turned = replace(turned, keypoints2d=turned.keypoints2d[::-1], boxes=turned.boxes[::-1])
    found = scores(truth(), turned)
    assert (found.swapped, found.all_levels.pck_5, found.idf1) == (0, 1, 1)


def test_lengths_are_shares_of_the_longer_side_of_the_true_box():
    observed = seen(truth())
    observed.keypoints2d[0, :, 9, 1] += 0.04 * SIDE
    observed.keypoints2d[0, :, 10, 1] += 0.06 * SIDE
    observed.keypoints2d[1, :, 10, 1] += 0.11 * SIDE
    found = scores(truth(), observed).all_levels
    assert found.pck_5 == pytest.approx(1 - 2 / 34)
    assert found.pck_10 == pytest.approx(1 - 1 / 34)


def test_a_joint_that_is_not_reported_is_wrong_but_not_claimed():
    observed = seen(truth())
    observed.confidence[0, :, 9] = 0.0
    observed.keypoints2d[1, :, 9] = np.nan
    found = scores(truth(), observed).all_levels
    assert found.pck_5 == found.reported == found.sure == pytest.approx(32 / 34)
    assert found.sure_right == 1


def test_joints_are_counted_by_how_they_are_hidden():
    true = truth()
    true.visibility[0, :, 9] = Visibility.OCCLUDED
    true.visibility[0, :, 10] = Visibility.SELF_OCCLUDED
    true.visibility[1, :, 10] = Visibility.OUTSIDE
    true.keypoints2d[1, :, 9] = np.nan
    observed = seen(truth())
    observed.keypoints2d[0, :5, 9] += SIDE
    levels = scores(true, observed).levels
    assert levels[Visibility.OCCLUDED].joints == FRAMES
    assert levels[Visibility.OCCLUDED].pck_10 == 0.5
    assert levels[Visibility.SELF_OCCLUDED].pck_5 == 1
    assert levels[Visibility.VISIBLE].joints == 30 * FRAMES


def test_confidence_is_compared_with_how_often_it_is_right():
    observed = seen(truth(), confidence=0.5)
    observed.confidence[0] = 0.95
    observed.keypoints2d[0, :, :10, 1] -= 0.07 * SIDE
    found = scores(truth(), observed)
    assert found.all_levels.sure == 0.5
    assert found.all_levels.sure_right == pytest.approx(7 / 17)
    by_bin = {round(b.low, 1): b for b in found.reliability if b.joints}
    assert set(by_bin) == {0.5, 0.9}
    assert by_bin[0.5].right == 1
    assert by_bin[0.9].right == pytest.approx(7 / 17)


def test_a_person_is_missed_where_nothing_observed_is_like_them():
    observed = seen(truth())
    observed.keypoints2d[1, 2:5], observed.boxes[1, 2:5] = np.nan, np.nan
    observed.keypoints2d[1, 7], observed.boxes[1, 7] = 0.0, (700, 300, 800, 400)
    found = scores(truth(), observed)
    assert found.missed == pytest.approx(4 / 20)
    # IDTP 16, IDFN 4, and the false box of frame 7 is IDFP.
    assert found.idf1 == pytest.approx(2 * 16 / (2 * 16 + 1 + 4))


def test_a_person_who_is_not_in_the_picture_cannot_be_missed():
    true = truth()
    true.visibility[1, :4] = Visibility.OUTSIDE
    true.boxes[1, :4] = np.nan
    observed = seen(truth())
    observed.boxes[1, :4], observed.confidence[1, :4] = np.nan, 0.0
    found = scores(true, observed)
    assert (found.missed, found.person_frames, found.idf1) == (0, 16, 1)


def test_frames_with_exchanged_people_are_swaps_and_both_ends_are_switches():
    observed = seen(truth())
    for array in (observed.keypoints2d, observed.boxes):
        array[:, 3:6] = array[::-1, 3:6].copy()
    found = scores(truth(), observed)
    assert found.swapped == pytest.approx(0.3)
    assert found.switches == 2
    assert found.all_levels.pck_5 == pytest.approx(0.7)
    assert found.missed == 0
    assert found.idf1 == pytest.approx(0.7)


def test_people_who_overlap_are_not_called_swapped_for_a_small_error():
    observed = seen(truth(gap=20.0))
    observed.keypoints2d[0] += 3.0
    assert scores(truth(gap=20.0), observed).swapped == 0


def test_limbs_of_the_wrong_side_are_told_from_limbs_that_are_merely_off():
    observed = seen(truth())
    observed.keypoints2d[0, :, [13, 14, 15, 16]] = observed.keypoints2d[0, :, [14, 13, 16, 15]]
    observed.keypoints2d[1, :, 7:11, 1] += 0.2 * SIDE
    found = scores(truth(), observed)
    assert found.limbs_exchanged == pytest.approx(2 / 8)


def test_limbs_whose_sides_coincide_are_not_judged():
    true = truth()
    true.keypoints2d[0, :, [9, 10, 15, 16]] = 200.0
    compared = compare(true, seen(true))
    np.testing.assert_array_equal(compared.limbs_known[0], False)
    np.testing.assert_array_equal(compared.limbs_known[1], True)


def test_masks_are_compared_where_the_truth_has_one():
    square, half = np.zeros((8, 8), bool), np.zeros((8, 8), bool)
    square[:4, :4], half[:4, :2] = True, True
    coded = [RunLengthMask.encode(m) for m in (square, half)]
    empty = (None,) * (FRAMES - 2)
    true = replace(truth(), masks=((coded[0], coded[0], *empty), (None,) * FRAMES))
    observed = replace(seen(truth()), masks=((coded[1], None, *empty), (coded[0],) * FRAMES))
    assert scores(true, observed).mask_iou == pytest.approx((0.5 + 0.0) / 2)
    assert np.isnan(scores(truth(), observed).mask_iou)
    assert np.isnan(scores(true, seen(true)).mask_iou)


def test_clips_are_pooled_by_joints_and_frames():
    wrong = seen(truth())
    wrong.keypoints2d[:] += (0, 0.2 * SIDE)
    both = score([compare(truth(), seen(truth())), compare(truth().part(slice(0, 5)), _cut(wrong))])
    assert both.all_levels.pck_5 == pytest.approx(2 / 3)
    assert both.person_frames == 30


def _cut(observed: Observations) -> Observations:
    return replace(
        observed,
        keypoints2d=observed.keypoints2d[:, :5],
        confidence=observed.confidence[:, :5],
        boxes=observed.boxes[:, :5],
        times=observed.times[:5],
    )


def test_too_few_rows_are_refused_in_a_sentence():
    alone = seen(truth())
    alone = replace(
        alone,
        keypoints2d=alone.keypoints2d[:1],
        confidence=alone.confidence[:1],
        boxes=alone.boxes[:1],
    )
    with pytest.raises(InputError, match="expected 2 rows"):
        compare(truth(), alone)


def test_a_truth_file_is_read_back(tmp_path):
    true = truth()
    true.keypoints2d[0, 3, 9] = np.nan
    true.visibility[0, 3, 9] = Visibility.UNKNOWN
    write_truth(tmp_path / "truth.npz", true)
    again = read_truth(tmp_path / "truth.npz")
    np.testing.assert_allclose(again.keypoints2d, true.keypoints2d)
    np.testing.assert_array_equal(again.visibility, true.visibility)
    np.testing.assert_array_equal(again.scored, true.scored)
    assert again.image_size == true.image_size


def test_a_truth_file_of_the_wrong_shape_is_refused(tmp_path):
    np.savez(
        tmp_path / "truth.npz",
        keypoints2d=np.zeros((2, 4, 17, 2)),
        visibility=np.zeros((2, 5, 17), np.uint8),
        boxes=np.zeros((2, 4, 4)),
        image_size=np.array([8, 8]),
    )
    with pytest.raises(InputError, match="the shape of visibility"):
        read_truth(tmp_path / "truth.npz")
