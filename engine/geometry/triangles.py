"""Closest points on triangles, batched and in plain torch."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def closest_on_triangles(
    points: Float[Tensor, "F N 3"], triangles: Float[Tensor, "F T 3 3"]
) -> tuple[Int[Tensor, "F N"], Float[Tensor, "F N 3"]]:
    """For each point the nearest of its frame's triangles, and where on it (barycentric).

    Compares the foot of the perpendicular, where it falls inside the triangle, with the nearest
    points of the three edges (Ericson, Real-Time Collision Detection, 5.1.5). Every point is
    compared with every triangle: meant for patches, not for whole bodies.
    """
    weights = _weights(points[:, :, None], triangles[:, None])
    nearest = torch.einsum("fntcv,ftvi->fntci", weights, triangles)
    squared = (nearest - points[:, :, None, None]).square().sum(-1)
    outside = (weights[..., 0, :] < 0).any(-1)
    squared[..., 0] = torch.where(outside, torch.inf, squared[..., 0])
    best = squared.flatten(2).argmin(dim=-1)
    candidates = squared.shape[-1]
    chosen = torch.take_along_dim(weights.flatten(2, 3), best[..., None, None], dim=2)[:, :, 0]
    return best // candidates, chosen


def _weights(
    points: Float[Tensor, "F N 1 3"], triangles: Float[Tensor, "F 1 T 3 3"]
) -> Float[Tensor, "F N T 4 3"]:
    """Barycentric weights of the candidates: the foot of the perpendicular, then the edges'."""
    corners = triangles.unbind(-2)
    found = [_foot(points, corners)]
    for edge in range(3):
        start, end = corners[edge], corners[(edge + 1) % 3]
        along = end - start
        length = along.square().sum(-1).clamp_min(1e-12)
        share = (((points - start) * along).sum(-1) / length).clamp(0, 1)
        weight = [torch.zeros_like(share)] * 3
        weight[edge], weight[(edge + 1) % 3] = 1 - share, share
        found.append(torch.stack(weight, -1))
    return torch.stack(found, dim=-2)


def _foot(
    points: Float[Tensor, "F N 1 3"], corners: tuple[Tensor, ...]
) -> Float[Tensor, "F N T 3"]:
    """Barycentric weights of the foot of the perpendicular; negative ones lie outside."""
    a, b, c = corners
    u, v, w = b - a, c - a, points - a
    uu, uv, vv = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
    wu, wv = (w * u).sum(-1), (w * v).sum(-1)
    area = (uu * vv - uv * uv).clamp_min(1e-18)
    second, third = (vv * wu - uv * wv) / area, (uu * wv - uv * wu) / area
    return torch.stack([1 - second - third, second, third], dim=-1)
