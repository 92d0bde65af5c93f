"""What pictures say of a rendering: small functions, unreduced, without weights.

Colours are 0..1. B pictures of H x W pixels, P people.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

SOFTNESS = 0.02
"""Share of white up to which a difference counts squared: noise and compression."""
WINDOW, WINDOW_DEVIATION = 11, 1.5
"""Of SSIM, in pixels (Wang et al. 2004)."""
_C1, _C2 = 0.01**2, 0.03**2


def absolute(
    rendered: Float[Tensor, "B H W C"], observed: Float[Tensor, "B H W C"]
) -> Float[Tensor, "B H W"]:
    """Mean absolute difference of the channels, rounded off at zero so that L-BFGS can follow it
    (Charbonnier et al. 1994)."""
    difference = rendered - observed
    return ((difference.square() + SOFTNESS**2).sqrt() - SOFTNESS).mean(-1)


def dissimilarity(
    rendered: Float[Tensor, "B H W C"], observed: Float[Tensor, "B H W C"]
) -> Float[Tensor, "B H W"]:
    """(1 - SSIM) / 2 in 0..1, the mean of the channels (Wang et al. 2004)."""
    x, y = rendered.permute(0, 3, 1, 2), observed.permute(0, 3, 1, 2)
    # Apart: what is observed has no gradient, and smoothing has a slow one.
    mean_y, yy = _smooth(torch.cat([y, y * y], 1)).chunk(2, dim=1)
    mean_x, xx, xy = _smooth(torch.cat([x, x * x, x * y], 1)).chunk(3, dim=1)
    variance_x, variance_y = xx - mean_x.square(), yy - mean_y.square()
    covariance = xy - mean_x * mean_y
    same_mean = (2 * mean_x * mean_y + _C1) / (mean_x.square() + mean_y.square() + _C1)
    same_structure = (2 * covariance + _C2) / (variance_x + variance_y + _C2)
    dissimilar: Tensor = (1 - (same_mean * same_structure).mean(1)) / 2
    return dissimilar


def of_pictures(
    rendered: Float[Tensor, "B H W C"],
    observed: Float[Tensor, "B H W C"],
    counted: Float[Tensor, "B H W"],
    structure: float,
) -> Float[Tensor, "B H W"]:
    """L1 and SSIM, `structure` the share of SSIM; 0 where a pixel is not `counted` (0..1).

    Pixels that do not count look the same in both for the windows that reach them.
    """
    difference = (1 - structure) * absolute(rendered, observed)
    if structure:
        kept = counted[..., None]
        difference = difference + structure * dissimilarity(rendered * kept, observed * kept)
    return difference * counted


def identity(
    shares: Float[Tensor, "B H W P"],
    masks: Float[Tensor, "B H W P"],
    trusted: Bool[Tensor, "B H W P"],
) -> Float[Tensor, "B H W P"]:
    """Squared difference of every person's share of a pixel to the person's mask, 0 where the mask
    is not trusted: within the overlap of boxes, unless a person drew it."""
    return torch.where(trusted, (shares - masks).square(), 0.0)


def trusted_masks(
    boxes: Float[Tensor, "B P 4"],
    known: Bool[Tensor, "B P"],
    drawn: Bool[Tensor, "B P"],
    size: tuple[int, int],
) -> Bool[Tensor, "B H W P"]:
    """Where masks are trusted, for boxes in pixels of pictures of `size` (width, height).

    Within the overlap of two boxes, which is where masks fail, only those that a person drew are.
    Where the box of somebody whose mask is not known may be, nothing is said of others either.
    """
    width, height = size
    x, y = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    low, high = boxes[:, :, :2, None], boxes[:, :, 2:, None]
    across = (x >= low[:, :, 0]) & (x < high[:, :, 0])
    down = (y >= low[:, :, 1]) & (y < high[:, :, 1])
    within = (down[..., :, None] & across[..., None, :]).permute(0, 2, 3, 1)
    shared = (within.sum(-1, keepdim=True) - within.long()) > 0
    met = shared & within
    return known[:, None, None] & (drawn[:, None, None] | ~met)


def _smooth(pictures: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Means of every channel, weighted by a Gaussian window."""
    kernel = _kernel().to(pictures)
    channels, half = pictures.shape[1], WINDOW // 2
    rows = kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    columns = kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    padded = F.pad(pictures, (half, half, half, half), mode="replicate")
    return F.conv2d(F.conv2d(padded, rows, groups=channels), columns, groups=channels)


@lru_cache(maxsize=1)
def _kernel() -> Float[Tensor, "K"]:
    at = torch.arange(WINDOW) - WINDOW // 2
    kernel = torch.exp(-0.5 * (at / WINDOW_DEVIATION) ** 2)
    return kernel / kernel.sum()
