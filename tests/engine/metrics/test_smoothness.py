"""Derivatives by time, whatever the frame rate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from engine.metrics.smoothness import (
    FEET,
    STANCE_SPEED,
    acceleration_errors,
    accelerations,
    in_still_frame,
    skating_speeds,
)

steps = st.lists(st.floats(0.01, 0.1), min_size=3, max_size=12)


def along_x(x: np.ndarray) -> np.ndarray:
    """Joints (1, F, 24, 3) that all move along x."""
    joints = np.zeros((1, len(x), 24, 3))
    joints[..., 0] = x[:, None]
    return joints


@settings(max_examples=40, deadline=None)
@given(steps, st.floats(-5, 5))
def test_a_parabola_has_its_acceleration_at_any_frame_rate(
    gaps: list[float], acceleration: float
) -> None:
    times = np.cumsum([0.0, *gaps])
    found = accelerations(along_x(acceleration / 2 * times**2 + 3 * times), times)
    np.testing.assert_allclose(found[..., 0], acceleration, atol=1e-8)
    np.testing.assert_array_equal(found[..., 1:], 0)


def test_one_frame_that_jitters_by_1_mm_at_10_hz() -> None:
    times, x = np.arange(5) / 10, np.array([0, 0, 0.001, 0, 0])
    errors = acceleration_errors(along_x(x), along_x(0 * x), times)
    np.testing.assert_allclose(errors[0, :, 0], [0.1, 0.2, 0.1])  # 1 mm / (0.1 s)^2, twice that


def test_nothing_is_derived_across_a_cut() -> None:
    times, x = np.arange(6) / 10, np.array([0.0, 0, 0, 5, 5, 5])
    still = along_x(0 * x)
    assert acceleration_errors(along_x(x), still, times).max() > 100
    found = acceleration_errors(along_x(x), still, times, cuts=(3,))[0, :, 0]
    np.testing.assert_array_equal(found, [0, np.nan, np.nan, 0])


def test_feet_skate_only_where_the_true_foot_stands() -> None:
    times = np.arange(4) / 10
    truth = along_x(np.array([0, 0, 0, 1.0]))  # stands, stands, steps
    found = along_x(np.array([0, 0.02, 0.02, 0.5]))
    speeds = skating_speeds(found, truth, times)
    assert speeds.shape == (1, 3, len(FEET))
    np.testing.assert_allclose(speeds[0, :, 0], [0.2, 0, np.nan])


def test_a_foot_stands_below_a_speed_and_not_above() -> None:
    times = np.array([0.0, 0.1])
    for factor, counts in ((0.9, True), (1.1, False)):
        truth = along_x(times * STANCE_SPEED * factor)
        assert np.isfinite(skating_speeds(truth, truth, times)).all() == counts


def test_what_the_camera_does_is_undone() -> None:
    rng = np.random.default_rng(0)
    world = rng.normal(size=(2, 4, 24, 3))
    T = np.tile(np.eye(4), (4, 1, 1))
    T[:, :3, :3] = Rotation.from_rotvec(rng.normal(size=(4, 3))).as_matrix()
    T[:, :3, 3] = rng.normal(size=(4, 3))
    seen = np.einsum("fij,pfkj->pfki", T[:, :3, :3], world) + T[None, :, None, :3, 3]
    np.testing.assert_allclose(in_still_frame(seen, T), world, atol=1e-12)


def test_two_frames_have_no_acceleration() -> None:
    assert accelerations(along_x(np.zeros(2)), np.array([0.0, 1.0])).shape == (1, 0, 24, 3)
    assert (
        pytest.approx(0) == np.nan_to_num(accelerations(along_x(np.zeros(2)), np.arange(2.0))).sum()
    )
