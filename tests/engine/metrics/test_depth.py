"""Who is in front: +z is away from the camera."""

from __future__ import annotations

import numpy as np

from engine.metrics.depth import ORDINAL_MARGIN, ordinal_hits, relative_depth_errors


def pelvises(first: list[float], second: list[float]) -> np.ndarray:
    joints = np.zeros((2, len(first), 24, 3))
    joints[0, :, 0, 2], joints[1, :, 0, 2] = first, second
    return joints


def test_the_nearer_one_is_right_or_wrong() -> None:
    truth = pelvises([3, 3, 3], [4, 4, 4])
    found = pelvises([2, 5, 3], [2.1, 4.9, 3])
    np.testing.assert_array_equal(ordinal_hits(found, truth), [1, 0, 0])


def test_frames_in_which_nobody_is_clearly_in_front_do_not_count() -> None:
    near, far = ORDINAL_MARGIN - 0.001, ORDINAL_MARGIN + 0.001
    truth = pelvises([3, 3, 3], [3 + near, 3 - near, 3 + far])
    np.testing.assert_array_equal(ordinal_hits(truth, truth), [np.nan, np.nan, 1])


def test_unknown_people_have_no_order() -> None:
    truth = pelvises([3], [4])
    assert np.isnan(ordinal_hits(truth * np.nan, truth)).all()


def test_relative_depth_forgives_a_shift_of_both() -> None:
    truth, found = pelvises([3, 3], [4, 4]), pelvises([5, 3], [6, 3.8])
    np.testing.assert_allclose(relative_depth_errors(found, truth), [0, 0.2])
