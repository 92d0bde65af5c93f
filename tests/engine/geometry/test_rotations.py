"""Rotations by their axioms: whatever the vector, the maps are inverse and smooth."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from engine.geometry.rotations import (
    axis_angle_to_matrix,
    geodesic_angle,
    hat,
    matrix_to_6d,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    sixd_to_matrix,
)

vectors = arrays(np.float64, 3, elements=st.floats(-4, 4)).map(torch.from_numpy)
angles = st.one_of(
    st.floats(0, math.pi),
    st.sampled_from([0.0, 1e-12, 1e-8, 1e-4, 0.99e-3, 1.01e-3, math.pi - 1e-8, math.pi]),
)
axes = vectors.filter(lambda v: v.norm() > 1e-2).map(lambda v: v / v.norm())


@given(vectors)
def test_axis_angle_gives_the_matrix_that_scipy_gives(vector: torch.Tensor) -> None:
    expected = Rotation.from_rotvec(vector.numpy()).as_matrix()
    np.testing.assert_allclose(axis_angle_to_matrix(vector).numpy(), expected, atol=1e-12)


@given(vectors)
def test_every_matrix_is_a_rotation(vector: torch.Tensor) -> None:
    matrix = axis_angle_to_matrix(vector)
    torch.testing.assert_close(matrix @ matrix.mT, torch.eye(3).double())
    assert torch.linalg.det(matrix) == pytest.approx(1)


@given(axes, angles)
def test_axis_angle_survives_the_round_trip_up_to_a_half_turn(
    axis: torch.Tensor, angle: float
) -> None:
    vector = axis * angle
    back = matrix_to_axis_angle(axis_angle_to_matrix(vector))
    # At a half turn both signs of the axis say the same.
    error = min(float((back - vector).norm()), float((back + vector).norm()) + 9 * (angle < 3.1415))
    assert error < 1e-7


@given(vectors)
def test_6d_survives_the_round_trip(vector: torch.Tensor) -> None:
    matrix = axis_angle_to_matrix(vector)
    torch.testing.assert_close(sixd_to_matrix(matrix_to_6d(matrix)), matrix)


@given(vectors, st.floats(0.1, 10), st.floats(-3, 3))
def test_6d_ignores_scale_and_shear(vector: torch.Tensor, scale: float, shear: float) -> None:
    matrix = axis_angle_to_matrix(vector)
    first, second = matrix[:, 0], matrix[:, 1]
    stretched = torch.cat([scale * first, scale * second + shear * first])
    torch.testing.assert_close(sixd_to_matrix(stretched), matrix)


@given(axes, st.floats(-1.5, 1.5), st.floats(-1.5, 1.5))
def test_turns_about_one_axis_add_up(axis: torch.Tensor, first: float, second: float) -> None:
    product = axis_angle_to_matrix(axis * first) @ axis_angle_to_matrix(axis * second)
    torch.testing.assert_close(product, axis_angle_to_matrix(axis * (first + second)))


@given(vectors, vectors)
def test_the_matrix_of_a_turned_vector_is_conjugated(
    vector: torch.Tensor, turn: torch.Tensor
) -> None:
    R = axis_angle_to_matrix(turn)
    torch.testing.assert_close(
        axis_angle_to_matrix(R @ vector), R @ axis_angle_to_matrix(vector) @ R.mT
    )


@given(vectors, vectors)
def test_hat_is_the_cross_product(first: torch.Tensor, second: torch.Tensor) -> None:
    torch.testing.assert_close(hat(first) @ second, torch.linalg.cross(first, second))


@given(vectors)
def test_quaternions_are_unit_and_have_a_positive_real_part(vector: torch.Tensor) -> None:
    quaternion = matrix_to_quaternion(axis_angle_to_matrix(vector))
    assert quaternion.norm() == pytest.approx(1)
    assert quaternion[0] >= 0


@given(vectors, axes, angles)
def test_geodesic_angle_is_the_angle_between(
    start: torch.Tensor, axis: torch.Tensor, angle: float
) -> None:
    R = axis_angle_to_matrix(start)
    measured = geodesic_angle(R, R @ axis_angle_to_matrix(axis * angle))
    assert float(measured) == pytest.approx(angle, abs=1e-7)


@settings(max_examples=50)
@given(axes, angles)
def test_gradients_are_finite_at_every_angle(axis: torch.Tensor, angle: float) -> None:
    for dtype in (torch.float32, torch.float64):
        vector = (axis * angle).to(dtype).requires_grad_()
        matrix = axis_angle_to_matrix(vector)
        total = matrix_to_axis_angle(matrix).sum() + matrix_to_6d(matrix).sum()
        total = total + geodesic_angle(matrix, matrix.detach())
        (gradient,) = torch.autograd.grad(total, vector)
        assert gradient.isfinite().all()


@pytest.mark.parametrize("angle", [0.0, 1e-5, 0.9e-3, 1.1e-3, 0.5, 3.0, math.pi - 1e-3])
def test_gradients_are_those_of_finite_differences(angle: float) -> None:
    axis = torch.tensor([0.6, -0.48, 0.64], dtype=torch.float64)
    vector = (axis * angle).requires_grad_()
    assert torch.autograd.gradcheck(axis_angle_to_matrix, vector, atol=1e-6)
    round_trip = torch.func.jacrev(lambda v: matrix_to_axis_angle(axis_angle_to_matrix(v)))
    torch.testing.assert_close(
        round_trip(vector.detach()), torch.eye(3).double(), atol=1e-6, rtol=0
    )


def test_the_gradient_at_rest_is_the_generators() -> None:
    jacobian = torch.func.jacrev(axis_angle_to_matrix)(torch.zeros(3))
    torch.testing.assert_close(jacobian[..., 0], hat(torch.tensor([1.0, 0.0, 0.0])))


def test_float32_keeps_its_digits_near_zero() -> None:
    vector = torch.tensor([3e-4, -2e-4, 1e-4])
    torch.testing.assert_close(
        matrix_to_axis_angle(axis_angle_to_matrix(vector)), vector, atol=2e-7, rtol=0
    )
