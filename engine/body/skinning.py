"""Linear blend skinning itself: one formula for bodies with and one without pose blend shapes.

`transforms` (P, F, 24, 3, 4) take a rest position to the posed one: v' = sum_j w_vj (R_j v + t_j).
Vertices are the innermost axis inside, so that every access runs along a row.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

_CACHED_FLOATS = 250_000
"""Blended transforms computed at a time: about 1 MB, what a core's own cache holds."""


def skin_shared_rest(
    weights: Float[Tensor, "V 24"],
    rest: Float[Tensor, "P 3 V"],
    transforms: Float[Tensor, "P F 24 3 4"],
) -> Float[Tensor, "P F V 3"]:
    """A person's frames share the rest vertices: one product of (3F x 96) with (96 x V)."""
    homogeneous = torch.cat([rest, torch.ones_like(rest[:, :1])], 1)
    weighted = (weights.T[:, None] * homogeneous[:, None]).flatten(1, 2)
    frames = transforms.shape[1]
    flat = transforms.permute(0, 1, 3, 2, 4).reshape(len(transforms), frames * 3, -1)
    return (flat @ weighted).reshape(len(flat), frames, 3, -1).mT


def skin_rest_per_frame(
    weights: Float[Tensor, "V 24"],
    rest: Float[Tensor, "P F 3 V"],
    transforms: Float[Tensor, "P F 24 3 4"],
) -> Float[Tensor, "P F V 3"]:
    """Each frame has rest vertices of its own: blend the transforms per vertex, then apply them.

    Differentiable once (with respect to `rest` and `transforms`).
    """
    rows = transforms.permute(0, 1, 3, 4, 2).flatten(0, 1)
    skinned: Tensor = _BlendAndApply.apply(weights.T.contiguous(), rest.flatten(0, 1), rows)
    return skinned.reshape(rest.shape).mT


def skin_rest_per_frame_plainly(
    weights: Float[Tensor, "V 24"],
    rest: Float[Tensor, "P F 3 V"],
    transforms: Float[Tensor, "P F 24 3 4"],
) -> Float[Tensor, "P F V 3"]:
    """The formula of `skin_rest_per_frame` written out: the reference in its test."""
    blended = transforms.permute(0, 1, 3, 4, 2) @ weights.T
    rotated = (blended[..., :3, :] * rest[..., None, :, :]).sum(-2)
    return (rotated + blended[..., 3, :]).mT


class _BlendAndApply(torch.autograd.Function):
    """A few frames at a time, and the blended transforms again in the backward pass: they are
    twelve numbers per frame and vertex, more than memory can bring as fast as they are computed.
    """

    @staticmethod
    def forward(ctx: Any, weights: Tensor, rest: Tensor, rows: Tensor) -> Tensor:
        """`weights` (24, V), `rest` (N, 3, V), `rows` (N, 3, 4, 24) -> (N, 3, V)."""
        ctx.save_for_backward(weights, rest, rows)
        skinned = torch.empty_like(rest)
        for part in _parts(rest):
            blended, out = rows[part] @ weights, skinned[part]
            out.copy_(blended[:, :, 3])
            for axis in range(3):
                out.addcmul_(blended[:, :, axis], rest[part, None, axis])
        return skinned

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor]:
        weights, rest, rows = ctx.saved_tensors
        to_rest, to_rows = torch.empty_like(rest), torch.empty_like(rows)
        for part in _parts(rest):
            above = gradient[part].contiguous()
            blended, out = rows[part] @ weights, to_rest[part]
            torch.mul(blended[:, 0, :3], above[:, 0, None], out=out)
            for row in (1, 2):
                out.addcmul_(blended[:, row, :3], above[:, row, None])
            torch.mul(above[:, :, None], rest[part, None], out=blended[:, :, :3])
            blended[:, :, 3] = above
            to_rows[part] = blended @ weights.T
        return None, to_rest, to_rows


def _parts(rest: Tensor) -> list[slice]:
    """Slices of frames whose blended transforms (12 per vertex) stay in the cache."""
    size = max(1, _CACHED_FLOATS // (12 * rest.shape[-1]))
    if rest.is_cuda:
        size *= 64
    return [slice(start, start + size) for start in range(0, len(rest), size)]
