"""The part of each frame where the people are, at a working resolution.

Every frame has its own crop, all crops have one size in pixels, and K follows: what is at
undistorted pixel u of the video is at (u - origin) * scale of the crop. Positions are continuous,
the first pixel spans 0..1, as the rasteriser has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

ROOM = 0.08
"""Room around the people, as a share of the longer side of their box."""
NARROWEST = 0.5
"""Shorter side of a crop over its longer side, at least."""
TILE = 8
"""Sides are multiples of so many pixels."""
SMALLEST = 16.0
"""Pixels of the video that a crop spans at least."""


@dataclass(frozen=True)
class Crops:
    """Crops of F frames."""

    origin: Float[np.ndarray, "F 2"]
    """Undistorted pixels of the video, x and y."""
    scale: Float[np.ndarray, "F"]
    """Crop pixels for each pixel of the video."""
    width: int
    height: int

    def intrinsics(self, K: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "F 3 3"]:
        """K of each crop, for undistorted points in the camera frame of its frame."""
        cropped = np.tile(K, (len(self.scale), 1, 1))
        cropped[:, :2, 2] -= self.origin
        cropped[:, :2] *= self.scale[:, None, None]
        return cropped

    def pixels(self, frame: int) -> Float[np.ndarray, "H W 2"]:
        """Undistorted pixels of the video at the middle of each pixel of a crop."""
        x = (np.arange(self.width) + 0.5) / self.scale[frame] + self.origin[frame, 0]
        y = (np.arange(self.height) + 0.5) / self.scale[frame] + self.origin[frame, 1]
        return np.stack(np.meshgrid(x, y), axis=-1)


def crops_around(
    low: Float[np.ndarray, "F 2"],
    high: Float[np.ndarray, "F 2"],
    image_size: tuple[int, int],
    longer_side: int,
) -> Crops:
    """Crops around boxes (corners in undistorted pixels, NaN where nobody is known to be).

    All have the shape of the median box. What lies outside the image is not made room for.
    """
    frame = np.array(image_size, np.float64)
    low = np.where(np.isfinite(low), np.clip(low, 0, frame - SMALLEST), 0)
    high = np.where(np.isfinite(high), np.clip(high, low + SMALLEST, frame), frame)
    room = ROOM * (high - low).max(axis=1, keepdims=True)
    sides = np.maximum(high - low + 2 * room, SMALLEST)
    shape = np.median(sides / sides.max(axis=1, keepdims=True), axis=0)
    shape = np.clip(shape / shape.max(), NARROWEST, 1.0)
    width, height = (max(TILE, round(longer_side * share / TILE) * TILE) for share in shape)
    scale = np.minimum(width / sides[:, 0], height / sides[:, 1])
    middle = (low + high) / 2
    origin = middle - np.array([width, height]) / scale[:, None] / 2
    return Crops(origin, scale, width, height)


@dataclass(frozen=True)
class Lens:
    """How a frame that was reduced by a whole number is looked up at undistorted pixels."""

    K: Float[np.ndarray, "3 3"]
    distortion: Float[np.ndarray, "5"]
    reduction: int = 1

    def places(self, pixels: Float[np.ndarray, "H W 2"]) -> Float[np.ndarray, "H W 2"]:
        """Places in the reduced frame, in OpenCV's coordinates (0 is the middle of a pixel)."""
        if self.distortion.any():
            rays = (pixels - self.K[:2, 2]) / self.K[[0, 1], [0, 1]]
            points = np.concatenate([rays, np.ones((*rays.shape[:2], 1))], axis=-1)
            bent, _ = cv2.projectPoints(
                points.reshape(-1, 1, 3), np.zeros(3), np.zeros(3), self.K, self.distortion
            )
            pixels = np.asarray(bent).reshape(pixels.shape)
        return np.asarray(pixels / self.reduction - 0.5, np.float32)


def cut_out(
    picture: UInt8[np.ndarray, "h w *C"], places: Float[np.ndarray, "H W 2"], shrink: float = 1.0
) -> UInt8[np.ndarray, "H W *C"]:
    """The picture at places, bilinearly; 0 outside. `shrink`: pixels of it for one of the result,
    over which it is averaged first, so that nothing flickers."""
    if shrink > 1.5:
        side = 2 * round((shrink - 1) / 2) + 1
        picture = np.asarray(cv2.blur(picture, (side, side)), np.uint8)
    x, y = np.ascontiguousarray(places[..., 0]), np.ascontiguousarray(places[..., 1])
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderValue=0), np.uint8)


def inside(places: Float[np.ndarray, "H W 2"], size: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """Which places lie within a picture of `size` (width, height)."""
    within = (places > -0.5) & (places < np.array(size) - 0.5)
    return np.asarray(within.all(axis=-1), bool)
