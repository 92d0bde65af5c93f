"""The rasteriser in plain torch: the reference for the others, on any device.

The picture is cut into tiles; each has a list of the splats that reach it, nearest first. Tiles
with lists of similar length are drawn together, as many as fit the memory, and drawn once more
where gradients are asked for, so that memory does not grow with the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from engine.appearance.projection import (
    ALPHA_MAX,
    ALPHA_MIN,
    TRANSMITTANCE_MIN,
    Scene,
    Splats,
    project,
)

TILE = 8
"""Pixels along a side."""
AT_ONCE = 1 << 22
"""Pixels times splats that are looked at together: a few hundred megabytes at four bytes each."""


def rasterize_torch(
    scene: Scene,
) -> tuple[Float[Tensor, "B H W C"], Float[Tensor, "B H W"]]:
    """Colours over zeros, and alphas."""
    splats = project(scene)
    pictures, count = splats.depths.shape
    looks = torch.cat(
        [scene.opacities[:, None], scene.colors], dim=1
    )  # of each Gaussian, in all pictures alike
    places = torch.cat([splats.means2d, splats.conics], dim=-1).flatten(0, 1)
    lists = _tile_lists(splats, scene)
    channels = scene.colors.shape[1] + 1
    tiles, drawn = [], []
    with_gradient = torch.is_grad_enabled() and (places.requires_grad or looks.requires_grad)
    for part in lists.parts():
        splat, listed = lists.padded(part)
        inputs = (
            places[splat],
            looks[splat % count],
            listed.to(looks),
            lists.corners(part).to(looks),
        )
        drawn.append(
            checkpoint(_blend, *inputs, use_reentrant=False, preserve_rng_state=False)
            if with_gradient
            else _blend(*inputs)
        )
        tiles.append(part)
    canvas = looks.new_zeros(pictures * lists.down * lists.across, TILE * TILE, channels)
    if tiles:
        canvas = canvas.index_copy(0, torch.cat(tiles), torch.cat(drawn))
    else:  # an empty picture has gradients too: zeros
        canvas = canvas + 0 * (places.sum() + looks.sum())
    whole = canvas.reshape(pictures, lists.down, lists.across, TILE, TILE, channels)
    whole = whole.transpose(2, 3).reshape(
        pictures, lists.down * TILE, lists.across * TILE, channels
    )
    whole = whole[:, : scene.height, : scene.width]
    return whole[..., :-1], whole[..., -1]


def _blend(
    places: Float[Tensor, "T K 5"],
    looks: Float[Tensor, "T K C"],
    listed: Float[Tensor, "T K"],
    corners: Float[Tensor, "T 2"],
) -> Float[Tensor, "T A C"]:
    """The A pixels of T tiles under K splats each, front to back: colours and, last, alpha.

    What is not `listed` (0, not 1) fills a short list up and is not drawn.
    """
    steps = torch.arange(TILE, device=places.device, dtype=places.dtype) + 0.5
    offsets = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).reshape(-1, 2)
    pixels = corners[:, None] + offsets
    dx, dy = (pixels[:, :, None] - places[:, None, :, :2]).unbind(-1)
    xx, xy, yy = places[:, None, :, 2:].unbind(-1)
    sigma = (xx * dx.square() + yy * dy.square()) / 2 + xy * dx * dy
    opacity = looks[:, None, :, 0] * listed[:, None]
    alpha = (opacity * torch.exp(-sigma)).clamp_max(ALPHA_MAX)
    alpha = torch.where(alpha < ALPHA_MIN, 0.0, alpha)
    through = torch.log1p(-alpha)
    behind = torch.cumsum(through, dim=-1)
    weight = alpha * torch.exp(behind - through)
    weight = torch.where(behind > _LOG_MIN, weight, 0.0)
    ones = torch.ones_like(looks[..., :1])
    return torch.bmm(weight, torch.cat([looks[..., 1:], ones], dim=-1))


_LOG_MIN = math.log(TRANSMITTANCE_MIN)


@dataclass(frozen=True)
class _TileLists:
    """Which splats reach each tile (of all pictures, row by row), nearest first."""

    across: int
    down: int
    splat: Int[Tensor, "M"]
    """Index into all pictures' splats, tile after tile."""
    start: Int[Tensor, "E"]
    """Where each tile's list begins."""

    def parts(self) -> list[Int[Tensor, "S"]]:
        """Tiles that are drawn together; none that is empty."""
        counts = self.start.diff()
        order = torch.argsort(counts, stable=True)
        lengths = counts[order].tolist()
        cuts = [sum(1 for length in lengths if not length)]
        for index in range(cuts[0], len(lengths)):
            if lengths[index] * (index + 1 - cuts[-1]) * TILE * TILE > AT_ONCE and index > cuts[-1]:
                cuts.append(index)
        cuts.append(len(lengths))
        return [order[first:last] for first, last in pairwise(cuts) if last > first]

    def padded(self, tiles: Int[Tensor, "S"]) -> tuple[Int[Tensor, "S K"], Bool[Tensor, "S K"]]:
        """The lists of some tiles, filled up to the longest, and what of it is truly listed."""
        counts = self.start[tiles + 1] - self.start[tiles]
        position = torch.arange(int(counts.max()), device=tiles.device)
        listed = position < counts[:, None]
        index = torch.where(listed, self.start[tiles][:, None] + position, 0)
        return self.splat[index], listed

    def corners(self, tiles: Int[Tensor, "S"]) -> Int[Tensor, "S 2"]:
        """Pixels x, y at which tiles begin."""
        within = tiles % (self.across * self.down)
        return TILE * torch.stack([within % self.across, within // self.across], dim=-1)


@torch.no_grad()
def _tile_lists(splats: Splats, scene: Scene) -> _TileLists:
    across, down = -(-scene.width // TILE), -(-scene.height // TILE)
    pictures, count = splats.depths.shape
    device = splats.depths.device
    order = torch.argsort(splats.depths, dim=1, stable=True)
    order = (order + count * torch.arange(pictures, device=device)[:, None]).flatten()
    middle, radii = splats.means2d.flatten(0, 1)[order], splats.radii.flatten(0, 1)[order]
    limit = middle.new_tensor([across, down])
    low = torch.minimum(((middle - radii) / TILE).floor().clamp_min(0), limit).long()
    high = torch.minimum(((middle + radii) / TILE).ceil().clamp_min(0), limit).long()
    size = torch.where(radii > 0, high - low, 0).clamp_min(0)
    reached = size[:, 0] * size[:, 1]
    first = torch.cumsum(reached, 0) - reached
    row = torch.repeat_interleave(torch.arange(len(order), device=device), reached)
    nth = torch.arange(len(row), device=device) - first[row]
    x, y = low[row, 0] + nth % size[row, 0], low[row, 1] + nth // size[row, 0]
    tile = (order[row] // max(count, 1)) * (across * down) + y * across + x
    tile, by_tile = torch.sort(tile, stable=True)
    counts = torch.bincount(tile, minlength=pictures * across * down)
    start = torch.cat([counts.new_zeros(1), torch.cumsum(counts, 0)])
    return _TileLists(across, down, order[row][by_tile], start)
