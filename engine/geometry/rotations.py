"""Rotations in torch: axis-angle, matrix and 6D, with finite gradients everywhere.

Matrices act on column vectors. Angles are in radians. Every function works on any leading
shape, float type and device.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

_SMALL_SQUARED_ANGLE = 1e-6
"""Below this squared angle (0.001 rad) the series is exact to float64 and replaces the quotient."""


def hat(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The skew-symmetric matrix K with K @ x = cross(vector, x)."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    rows = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1)
    return rows.reshape(*vector.shape, 3)


def axis_angle_to_matrix(axis_angle: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rodrigues' formula; the gradient at zero is the exact one (the generators of so(3))."""
    squared = (axis_angle * axis_angle).sum(-1)[..., None, None]
    small = squared < _SMALL_SQUARED_ANGLE
    safe = torch.where(small, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    sine = torch.where(small, 1 - squared / 6 * (1 - squared / 20), angle.sin() / angle)
    # (1 - cos) as 2 sin^2 of the half angle keeps its digits at small angles.
    versine = torch.where(
        small, 0.5 - squared / 24 * (1 - squared / 30), 2 * (angle / 2).sin().square() / safe
    )
    skew = hat(axis_angle)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity + sine * skew + versine * (skew @ skew)


def matrix_to_quaternion(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit quaternion (w, x, y, z) with w >= 0 (Shepperd 1978).

    Of the four ways to take the root, each entry uses the one with the largest argument, so that
    neither the value nor the gradient meets a root of zero.
    """
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = matrix.flatten(-2).unbind(-1)
    squares = torch.stack(
        [1 + m00 + m11 + m22, 1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22], -1
    )
    candidates = torch.stack(
        [
            torch.stack([squares[..., 0], m21 - m12, m02 - m20, m10 - m01], -1),
            torch.stack([m21 - m12, squares[..., 1], m10 + m01, m02 + m20], -1),
            torch.stack([m02 - m20, m10 + m01, squares[..., 2], m12 + m21], -1),
            torch.stack([m10 - m01, m20 + m02, m21 + m12, squares[..., 3]], -1),
        ],
        -2,
    )
    best = squares.argmax(-1, keepdim=True)
    largest = squares.gather(-1, best)
    rows = candidates.gather(-2, best[..., None].expand(*best.shape[:-1], 1, 4)).squeeze(-2)
    quaternion = rows / (2 * largest.sqrt())
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def quaternion_to_axis_angle(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3"]:
    """Axis times angle, the angle in [0, pi] for a quaternion (w, x, y, z) with w >= 0."""
    w, xyz = quaternion[..., :1], quaternion[..., 1:]
    squared = (xyz * xyz).sum(-1, keepdim=True)
    small = squared < _SMALL_SQUARED_ANGLE
    safe = torch.where(small, torch.ones_like(squared), squared)
    sine = safe.sqrt()
    # Near zero, angle / sin(angle / 2) is 2 asin(s) / s with s = |xyz|.
    series = 2 + squared / 3 * (1 + squared * 9 / 20)
    return xyz * torch.where(small, series, 2 * torch.atan2(sine, w) / sine)


def matrix_to_axis_angle(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Axis times angle, the angle in [0, pi]; stable and differentiable at both ends."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))


def matrix_to_6d(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 6"]:
    """The first two columns, one after the other (Zhou et al. 2019)."""
    return matrix[..., :2].mT.flatten(-2)


def sixd_to_matrix(sixd: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3 3"]:
    """Gram-Schmidt on two columns (Zhou et al. 2019). Zero or parallel columns give no rotation."""
    first, second = sixd[..., :3], sixd[..., 3:]
    x = torch.nn.functional.normalize(first, dim=-1)
    y = torch.nn.functional.normalize(second - (x * second).sum(-1, keepdim=True) * x, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], -1)


def geodesic_angle(
    first: Float[Tensor, "*batch 3 3"], second: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch"]:
    """Angle of the rotation that takes one to the other, in [0, pi]."""
    quaternion = matrix_to_quaternion(first.mT @ second)
    # clamp_min keeps the gradient of the norm finite where the two agree.
    sine = (quaternion[..., 1:].square().sum(-1)).clamp_min(1e-24).sqrt()
    return 2 * torch.atan2(sine, quaternion[..., 0])
