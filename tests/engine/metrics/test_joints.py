"""Errors of joints in cases that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from engine.body.joints import SMPL_JOINTS
from engine.metrics.joints import (
    LSP14,
    aligned_errors,
    interaction_errors,
    pair_aligned_errors,
    root_aligned_errors,
    root_errors,
)


def people(seed: int = 0, frames: int = 3) -> np.ndarray:
    """Joints (2, F, 24, 3) of two people a metre apart, 4 m from the camera."""
    joints = np.random.default_rng(seed).normal(scale=0.4, size=(2, frames, 24, 3))
    joints[..., 2] += 4
    joints[1, ..., 0] += 1
    return joints


def mpjpe(joints: np.ndarray, truth: np.ndarray) -> float:
    return float(root_aligned_errors(joints, truth, (joints[:, :, 0], truth[:, :, 0])).mean())


def test_one_joint_of_24_that_is_24_mm_off_is_an_mpjpe_of_1_mm() -> None:
    truth, wrong = people(), people()
    wrong[:, :, 5, 1] += 0.024
    assert mpjpe(wrong, truth) == pytest.approx(0.001)


def test_mpjpe_forgives_where_a_person_stands_and_the_root_error_does_not() -> None:
    truth, moved = people(), people()
    moved[1] += [0.3, 0, 0.4]
    assert mpjpe(moved, truth) == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(root_errors(moved, truth).mean(axis=1), [0, 0.5], atol=1e-12)


def test_a_wrong_pelvis_is_an_error_of_every_other_joint() -> None:
    truth, wrong = people(), people()
    wrong[:, :, 0, 0] += 0.01
    assert mpjpe(wrong, truth) == pytest.approx(0.01 * 23 / 24)


def test_pa_forgives_each_person_on_their_own_and_pair_pa_only_both_together() -> None:
    truth = people()
    turned = Rotation.from_rotvec([0.2, 0.5, -0.1]).apply(truth.reshape(-1, 3)) * 1.1 + 0.3
    together = turned.reshape(truth.shape)
    apart = truth.copy()
    apart[1] += [0.1, 0, 0]
    for moved in (together, apart):
        np.testing.assert_allclose(aligned_errors(moved, truth), 0, atol=1e-9)
    np.testing.assert_allclose(pair_aligned_errors(together, truth), 0, atol=1e-9)
    assert pair_aligned_errors(apart, truth).mean() > 0.02


def test_two_flat_people_moved_apart_leave_what_can_be_worked_out() -> None:
    """Squares of side 2 at x = 0 and 10, the second one at 12: all errors lie along x."""
    square = np.array([(0, -1, -1), (0, -1, 1), (0, 1, -1), (0, 1, 1)], float)
    truth, wrong = (np.stack([square, square + np.array([x, 0, 0])])[:, None] for x in (10, 12))
    # Centred: |x| is 5 and 6, |y| and |z| are 1; the best scale is <p, t> / <p, p>.
    scale = (6 * 5 + 2) / (6 * 6 + 2)
    expected = np.hypot(6 * scale - 5, np.sqrt(2) * (1 - scale))
    np.testing.assert_allclose(pair_aligned_errors(wrong, truth), expected)


def test_interaction_errors_are_changes_of_distances_between_people() -> None:
    truth, wrong = people(1), people(2)
    for frame in range(3):
        expected = abs(cdist(*wrong[:, frame]) - cdist(*truth[:, frame]))
        np.testing.assert_allclose(interaction_errors(wrong, truth)[frame], expected, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.tuples(*[st.floats(-3, 3)] * 6))
def test_moving_both_people_alike_changes_no_pair_error(seed: int, move: tuple[float, ...]) -> None:
    truth, wrong = people(seed), people(seed + 1)
    turn = Rotation.from_rotvec(move[:3])
    moved = turn.apply(wrong.reshape(-1, 3)).reshape(wrong.shape) + move[3:]
    for measure in (pair_aligned_errors, interaction_errors, aligned_errors):
        np.testing.assert_allclose(measure(moved, truth), measure(wrong, truth), atol=1e-7)


def test_exchanging_people_on_both_sides_changes_nothing() -> None:
    truth, wrong = people(1), people(2)
    for measure in (pair_aligned_errors, interaction_errors):
        other = measure(wrong[::-1], truth[::-1])
        assert other.mean() == pytest.approx(measure(wrong, truth).mean())


def test_an_unknown_frame_is_unknown_and_no_other() -> None:
    truth, wrong = people(1), people(2)
    wrong[0, 1, 3] = np.nan
    for errors in (interaction_errors(wrong, truth), pair_aligned_errors(wrong, truth)):
        known = np.isfinite(errors.reshape(3, -1)).any(axis=1)
        np.testing.assert_array_equal(known, [True, False, True])


def test_the_fourteen_joints_are_limbs_neck_and_head() -> None:
    names = {SMPL_JOINTS[j] for j in LSP14}
    assert len(names) == 14
    assert not {n for n in names if n.startswith(("spine", "pelvis"))}
    assert {"neck", "head", "left_hip", "right_ankle", "left_wrist"} <= names
