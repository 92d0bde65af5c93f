"""Procrustes: what it undoes, what it must not undo, and that nothing fits better."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial import procrustes
from scipy.spatial.transform import Rotation

from engine.metrics.alignment import procrustes_aligned

numbers = st.floats(-3, 3)


def cloud(seed: int, joints: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(joints, 3))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 1000), st.tuples(numbers, numbers, numbers),
    st.tuples(numbers, numbers, numbers), st.floats(0.2, 5),
)  # fmt: skip
def test_it_undoes_rotation_scale_and_shift(
    seed: int, turn: tuple[float, ...], shift: tuple[float, ...], scale: float
) -> None:
    points = cloud(seed)
    moved = scale * Rotation.from_rotvec(turn).apply(points) + shift
    np.testing.assert_allclose(procrustes_aligned(moved, points), points, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.tuples(numbers, numbers, numbers), st.floats(0.2, 5))
def test_the_error_left_does_not_depend_on_where_the_points_were(
    seed: int, turn: tuple[float, ...], scale: float
) -> None:
    points, target = cloud(seed), cloud(seed + 1)
    moved = scale * Rotation.from_rotvec(turn).apply(points) + 7
    np.testing.assert_allclose(
        procrustes_aligned(moved, target), procrustes_aligned(points, target), atol=1e-8
    )


def test_a_mirror_image_stays_wrong() -> None:
    points = cloud(0)
    assert abs(procrustes_aligned(points * [-1, 1, 1], points) - points).max() > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_it_leaves_what_scipys_procrustes_leaves(seed: int) -> None:
    """Where no reflection is asked for; SciPy scales the target to unit size first."""
    target = cloud(seed)
    points = target + 0.3 * cloud(seed + 50)
    _, _, disparity = procrustes(target, points)
    left = ((procrustes_aligned(points, target) - target) ** 2).sum()
    assert left / ((target - target.mean(0)) ** 2).sum() == pytest.approx(disparity, rel=1e-9)


def test_no_other_similarity_is_nearer_even_where_a_reflection_would_be() -> None:
    points, target = cloud(3, 5) * [-1, 1, 1], cloud(3, 5) + 0.1 * cloud(4, 5)

    def squared(x: np.ndarray) -> float:
        moved = np.exp(x[6]) * Rotation.from_rotvec(x[:3]).apply(points) + x[3:6]
        return float(((moved - target) ** 2).sum())

    starts = np.random.default_rng(0).normal(size=(12, 7))
    best = min(minimize(squared, start).fun for start in starts)
    left = float(((procrustes_aligned(points, target) - target) ** 2).sum())
    assert left == pytest.approx(best, rel=1e-5)


def test_sets_are_aligned_apart_and_unknown_ones_stay_unknown() -> None:
    points = np.stack([cloud(1), cloud(2), cloud(3)])
    target = points * 2 + 1
    points[1, 4, 0] = np.nan
    aligned = procrustes_aligned(points, target)
    np.testing.assert_allclose(aligned[[0, 2]], target[[0, 2]])
    assert np.isnan(aligned[1]).all()
    assert procrustes_aligned(points[:0], target[:0]).shape == (0, 24, 3)
