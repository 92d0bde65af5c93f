"""What is behind the people, where that is known: the temporal median outside them.

A pixel is known where at least a few frames show it free of people and they agree. So a moving
camera, a passer-by or a screen makes pixels unknown by itself, and they are left out of the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

FREE_FRAMES = 3
"""Frames that must show a pixel free of people."""
AGREE = 0.04
"""Share of white by which those frames differ from their median (in the median) at most."""
STRIP = 64
"""Rows looked at together: what bounds the memory."""
AROUND = 0.02
"""By how much of the longer side of a box a mask is widened: edges are soft, and masks too small.
"""
BOX_ROOM = 0.15
"""The same for a box, where there is no mask."""


@dataclass(frozen=True)
class Background:
    """At the resolution of the frames that it was made of."""

    image: UInt8[np.ndarray, "H W 3"]
    known: Bool[np.ndarray, "H W"]


def nothing_known(size: tuple[int, int]) -> Background:
    """Of a picture of `size` (width, height)."""
    return Background(np.zeros((size[1], size[0], 3), np.uint8), np.zeros(size[::-1], bool))


def background(
    frames: Sequence[UInt8[np.ndarray, "H W 3"]], occupied: Sequence[Bool[np.ndarray, "H W"]]
) -> Background:
    """The median of the frames over time, each without the pixels in which people are."""
    height, width = frames[0].shape[:2]
    found = nothing_known((width, height))
    enough = min(FREE_FRAMES, len(frames))
    for top in range(0, height, STRIP):
        rows = slice(top, min(top + STRIP, height))
        seen = torch.from_numpy(np.stack([frame[rows] for frame in frames])).float() / 255
        taken = torch.from_numpy(np.stack([mask[rows] for mask in occupied]))
        seen[taken] = torch.nan
        median = seen.nanmedian(dim=0).values
        spread = (seen - median).abs().nanmedian(dim=0).values.amax(-1)
        known = ((~taken).sum(0) >= enough) & (spread <= AGREE)
        found.known[rows] = known.numpy()
        image = median.nan_to_num(0.0).mul(255).round().to(torch.uint8).numpy()
        found.image[rows] = image
    return found


def occupied(
    masks: Sequence[Bool[np.ndarray, "H W"] | None],
    boxes: Float[np.ndarray, "P 4"],
    size: tuple[int, int],
) -> Bool[np.ndarray, "H W"]:
    """Pixels of a frame of `size` (width, height) in which somebody may be.

    A mask is widened; who has none takes up the whole box, and more.
    """
    taken = np.zeros((size[1], size[0]), np.uint8)
    for mask, box in zip(masks, boxes, strict=True):
        longest = float(np.nanmax([box[2] - box[0], box[3] - box[1], 0.0]))
        if mask is not None:
            reach = 2 * max(1, round(AROUND * longest)) + 1
            wide = cv2.dilate(mask.astype(np.uint8), np.ones((reach, reach), np.uint8))
            taken |= np.asarray(wide, np.uint8)
        elif np.isfinite(box).all():
            x0, y0 = np.maximum(np.floor(box[:2] - BOX_ROOM * longest), 0).astype(int)
            x1, y1 = np.maximum(np.ceil(box[2:] + BOX_ROOM * longest), 0).astype(int)
            taken[y0:y1, x0:x1] = 1
    return taken > 0
