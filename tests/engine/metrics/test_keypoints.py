"""2D keypoints: pixels, boxes, similarity."""

from __future__ import annotations

import numpy as np
import pytest

from engine.body.joints import COCO_SIGMAS
from engine.metrics.keypoints import (
    box_iou,
    keypoint_errors,
    longer_sides,
    object_keypoint_similarity,
)


def test_an_error_is_a_distance_and_what_is_missing_has_none() -> None:
    truth, found = np.zeros((1, 1, 17, 2)), np.zeros((1, 1, 17, 2))
    found[0, 0, 0], found[0, 0, 1] = (3, 4), np.nan
    errors = keypoint_errors(found, truth)[0, 0]
    assert errors[0] == 5
    assert np.isnan(errors[1]) and (errors[2:] == 0).all()


def test_boxes_overlap_by_area():
    a, b = np.array([0.0, 0, 2, 2]), np.array([1.0, 0, 3, 2])
    assert box_iou(a, b) == pytest.approx(2 / 6)
    assert box_iou(a, np.full(4, np.nan)) == 0
    assert box_iou(a, a + 10) == 0


def test_the_longer_side_of_a_box() -> None:
    np.testing.assert_array_equal(longer_sides(np.array([[0.0, 1, 5, 3], [0, 0, 1, 9]])), [5, 9])


def test_similarity_is_that_of_coco() -> None:
    """exp(-d^2 / (2 area (2 sigma)^2)), on a box whose body fills 0.53 of it."""
    truth, found = np.zeros((1, 1, 17, 2)), np.zeros((1, 1, 17, 2))
    found[0, 0, :, 0] = 20
    boxes = np.array([[[0.0, 0, 100, 400]]])
    counts = np.zeros((1, 1, 17), bool)
    counts[..., [5, 9]] = True
    got = object_keypoint_similarity(truth, counts, boxes, found)
    area = 0.53 * 100 * 400
    expected = np.exp(-(20**2) / (2 * area * (2 * COCO_SIGMAS[[5, 9]]) ** 2)).mean()
    assert got.shape == (1, 1, 1)
    assert got[0, 0, 0] == pytest.approx(expected)


def test_a_missing_keypoint_adds_nothing_to_the_similarity() -> None:
    truth = np.zeros((1, 1, 17, 2))
    found = truth.copy()
    found[0, 0, :8] = np.nan
    boxes, counts = np.array([[[0.0, 0, 10, 10]]]), np.ones((1, 1, 17), bool)
    assert object_keypoint_similarity(truth, counts, boxes, found)[0, 0, 0] == pytest.approx(9 / 17)
