"""What a placed joint says of the detections around it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.fit.edits import GROSS, MEMORY_S, with_edits
from engine.structures import KeypointEdit, Observations

FRAMES, WRIST = 90, 9
SIDE = 200.0


@pytest.fixture
def seen() -> Observations:
    """Two people whose joints move on straight lines, detected exactly, at 30 frames a second."""
    times = np.arange(FRAMES) / 30
    lots = np.random.default_rng(0)
    start, pace = lots.uniform(0, 200, (2, 1, 26, 2)), lots.uniform(-20, 20, (2, 1, 26, 2))
    return Observations(
        keypoints2d=start + pace * times[:, None, None],
        confidence=np.full((2, FRAMES, 26), 0.9),
        layout="halpe26",
        boxes=np.broadcast_to([0.0, 0.0, 120.0, SIDE], (2, FRAMES, 4)).copy(),
        times=times,
        image_size=(640, 480),
    )


def placed(seen: Observations, frame: int, off: tuple[float, float], **more) -> KeypointEdit:
    """Person 1's left wrist, so far from where it was detected (shares of the box)."""
    x, y = seen.keypoints2d[1, frame, WRIST] + SIDE * np.array(off)
    return KeypointEdit(1, frame, WRIST, float(x), float(y), **more)


def shift(seen: Observations, edits: list[KeypointEdit]) -> np.ndarray:
    """By how much the wrist's detections were moved, shares of the box."""
    told = with_edits(seen, edits)
    return (told.keypoints2d - seen.keypoints2d)[1, :, WRIST] / SIDE


def belief(seen: Observations, edits: list[KeypointEdit]) -> np.ndarray:
    """What is left of the weight of the wrist's detections."""
    return np.square(with_edits(seen, edits).confidence / seen.confidence)[1, :, WRIST]


def test_nothing_said_changes_nothing(seen):
    assert with_edits(seen, []) is seen
    elsewhere = [KeypointEdit(2, 0, 0, 1.0, 1.0), KeypointEdit(0, FRAMES, 0, 1.0, 1.0)]
    assert with_edits(seen, elsewhere) is seen
    coco = replace(
        seen, layout="coco17", keypoints2d=seen.keypoints2d[:, :, :17],
        confidence=seen.confidence[:, :, :17],
    )  # fmt: skip
    assert with_edits(coco, [KeypointEdit(0, 0, 17, 1.0, 1.0)]) is coco


def test_an_edit_is_exact_in_its_own_frame(seen):
    edits = [placed(seen, 20, (0.03, 0)), placed(seen, 21, (0, 0.2)), placed(seen, 40, (-0.03, 0))]
    hidden = placed(seen, 50, (0.0, 0.0), visible=False)
    told = with_edits(seen, [*edits, hidden])
    for edit in edits:
        assert told.keypoints2d[1, edit.frame, WRIST].tolist() == [edit.x, edit.y]
        assert told.confidence[1, edit.frame, WRIST] == 1
    assert told.confidence[1, 50, WRIST] == 0


def test_neighbours_are_moved_alike_and_less_the_further_away_they_are(seen):
    moved = shift(seen, [placed(seen, 45, (0.04, -0.02))])
    size = np.linalg.norm(moved, axis=1)
    assert size[44] > 0.8 * size[45]
    assert (np.diff(size[:46]) > 0).all() and (np.diff(size[45:]) < 0).all()
    np.testing.assert_allclose(moved[30] / size[30], np.array([2, -1]) / np.sqrt(5), atol=1e-6)
    later = 45 + round(30 * MEMORY_S)
    assert size[later] == pytest.approx(size[46] * np.exp(-(later - 46) / 30 / MEMORY_S), rel=1e-6)


def test_a_few_time_constants_away_nothing_is_left(seen):
    seen = replace(seen, times=seen.times * 3)
    moved = shift(seen, [placed(seen, 0, (0.04, 0))])
    assert abs(moved[-1]).max() < 0.04 * np.exp(-8)


def test_between_two_edits_one_goes_over_into_the_other(seen):
    moved = shift(seen, [placed(seen, 30, (0.04, 0)), placed(seen, 40, (-0.04, 0))])[:, 0]
    assert (np.diff(moved[30:41]) < 0).all()
    assert abs(moved[35]) < 0.003
    same = shift(seen, [placed(seen, 30, (0.04, 0)), placed(seen, 40, (0.04, 0))])[:, 0]
    alone = shift(seen, [placed(seen, 30, (0.04, 0))])[:, 0]
    assert same[35] > alone[35] + 0.003


def test_a_second_edit_of_the_same_offset_counts_less_than_the_first(seen):
    """They measure one process."""
    far = shift(seen, [placed(seen, 30, (0.03, 0)), placed(seen, 31, (0.03, 0))])[40, 0]
    one = shift(seen, [placed(seen, 30, (0.03, 0))])[40, 0]
    assert one < far < 1.3 * one


def test_the_order_of_edits_does_not_matter(seen):
    edits = [placed(seen, 20, (0.03, 0)), placed(seen, 33, (0, 0.3)), placed(seen, 40, (-0.02, 0))]
    first, second = with_edits(seen, edits), with_edits(seen, edits[::-1])
    np.testing.assert_array_equal(first.keypoints2d, second.keypoints2d)
    np.testing.assert_array_equal(first.confidence, second.confidence)


def test_other_joints_and_people_stay(seen):
    told = with_edits(seen, [placed(seen, 20, (0.03, 0)), placed(seen, 40, (0.3, 0))])
    same = np.ones((2, FRAMES, 26), bool)
    same[1, :, WRIST] = False
    np.testing.assert_array_equal(told.keypoints2d[same], seen.keypoints2d[same])
    np.testing.assert_array_equal(told.confidence[same], seen.confidence[same])


@pytest.mark.parametrize("off", [(0.04, 0.0), (0.3, 0.0)])
def test_nothing_goes_across_a_cut(seen, off):
    seen = replace(seen, cuts=(46,))
    edits = [placed(seen, 45, off)]
    assert not shift(seen, edits)[46:].any()
    np.testing.assert_array_equal(belief(seen, edits)[46:], 1)


def test_where_nothing_was_detected_nothing_is_made_up(seen):
    points = seen.keypoints2d.copy()
    points[1, 40:50, WRIST] = np.nan
    gap = replace(seen, keypoints2d=points)
    told = with_edits(gap, [placed(seen, 45, (0.02, 0)), placed(seen, 30, (0.02, 0))])
    assert np.isfinite(told.keypoints2d[1, 45, WRIST]).all()
    assert np.isnan(told.keypoints2d[1, [44, 46], WRIST]).all()
    only = with_edits(gap, [placed(seen, 45, (0.02, 0))])
    np.testing.assert_array_equal(only.keypoints2d[1, :40], gap.keypoints2d[1, :40])


class TestOfSomethingElse:
    """A detection that is far from the joint."""

    OFF = (0.2, 0.0)

    def test_neighbours_are_doubted_for_a_while_and_not_moved(self, seen):
        edits = [placed(seen, 45, self.OFF)]
        left = belief(seen, edits)
        assert left[44] < 0.3 and left[46] < 0.3 and left[75] > 0.95
        moved = shift(seen, edits)
        assert not np.delete(moved, 45, axis=0).any()

    def test_those_that_are_back_at_the_joint_are_believed(self, seen):
        points = seen.keypoints2d.copy()
        points[1, 40:47, WRIST] += SIDE * np.array(self.OFF)
        jumping = replace(seen, keypoints2d=points)
        x, y = seen.keypoints2d[1, 43, WRIST]
        left = belief(jumping, [KeypointEdit(1, 43, WRIST, float(x), float(y))])
        assert left[[39, 47]].min() > 0.95
        assert left[[42, 44]].max() < 0.3

    def test_the_next_edit_ends_the_doubt(self, seen):
        left = belief(seen, [placed(seen, 45, self.OFF), placed(seen, 46, (0.001, 0))])
        assert left[44] < 0.3 and left[47] == 1

    def test_what_is_a_little_off_is_not_doubted(self, seen):
        left = belief(seen, [placed(seen, 45, (0.99 * GROSS, 0))])
        assert np.delete(left, 45).min() == 1


def test_around_a_hidden_joint_detections_are_doubted(seen):
    left = belief(seen, [placed(seen, 45, (0, 0), visible=False)])
    assert left[44] < 0.1 and (np.diff(left[45:]) > 0).all() and left[-1] > 0.9
    ended = belief(seen, [placed(seen, 45, (0, 0), visible=False), placed(seen, 50, (0, 0))])
    assert ended[51] == 1 and ended[49] < 0.3


def test_edits_that_are_in_the_observations_already_move_nothing(seen):
    edits = [placed(seen, 20, (0.03, 0)), placed(seen, 60, (0.3, 0))]
    once = with_edits(seen, edits)
    np.testing.assert_allclose(with_edits(once, edits).keypoints2d, once.keypoints2d)
    np.testing.assert_array_equal(with_edits(once, edits).confidence, once.confidence)


def test_it_removes_most_of_an_error_that_is_made_for_a_while(seen):
    """Of offsets like those of a detector, drawn from the process that is assumed, the mean square
    that is left around edits is what the posterior says: less than a third within 0.1 s."""
    lots = np.random.default_rng(1)
    apart = abs(seen.times[:, None] - seen.times)
    wander = np.linalg.cholesky(np.exp(-apart / MEMORY_S) + 1e-9 * np.eye(FRAMES))
    before, after = [], []
    for _ in range(200):
        error = 0.015 * wander @ lots.normal(size=(FRAMES, 2))
        wrong = seen.keypoints2d.copy()
        wrong[1, :, WRIST] += SIDE * error
        edits = [placed(seen, frame, (0, 0)) for frame in (15, 45, 75)]
        told = with_edits(replace(seen, keypoints2d=wrong), edits)
        near = [12, 18, 42, 48, 72, 78]
        left = (told.keypoints2d - seen.keypoints2d)[1, near, WRIST] / SIDE
        before.append(np.square(error[near]).mean())
        after.append(np.square(left).mean())
    assert np.mean(after) < np.mean(before) / 3
