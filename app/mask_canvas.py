"""A person's mask while it is painted, and the picture of it that a view shows.

A stroke touches the pixels under the brush and nothing else, in the mask and on the screen, so
that its cost does not grow with the video.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8, UInt32
from PySide6.QtGui import QColor, QImage

from app.picture_transform import PictureTransform
from engine.structures import RunLengthMask

Area = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels: the first column and row inside, the first ones after."""
FILL, EDGE = 0.42, 0.95
"""Opacity of the mask and of its outline."""


class MaskCanvas:
    """One person's mask in one frame, as it would be if the mouse let go now."""

    def __init__(self, size: tuple[int, int], mask: RunLengthMask | None) -> None:
        """`size` is (height, width); without a mask, or with one of another size, it is empty."""
        self.pixels: UInt8[np.ndarray, "H W"] = np.zeros(size, np.uint8)
        if mask is not None and tuple(mask.size) == tuple(size):
            self.pixels = np.ascontiguousarray(mask.decode()).view(np.uint8)
        self._before: UInt8[np.ndarray, "H W"] | None = None

    def begin(self) -> None:
        """A stroke begins; `revert` takes it back."""
        self._before = self.pixels.copy()

    @property
    def has_changed(self) -> bool:
        """Whether the stroke in hand has changed a pixel."""
        return self._before is not None and not np.array_equal(self._before, self.pixels)

    def end(self) -> None:
        self._before = None

    def revert(self) -> None:
        if self._before is not None:
            self.pixels, self._before = self._before, None

    def dab(
        self, a: tuple[float, float], b: tuple[float, float], radius: float, value: bool
    ) -> Area | None:
        """Set what is within `radius` of the line from a to b, in picture pixels.

        A pixel is touched where its centre is. Returns the area that may have changed, None where
        the line misses the picture.
        """
        area = clipped(around(a, b, radius), self.pixels.shape)
        if area is None:
            return None
        x0, y0, x1, y1 = area
        px = (np.arange(x0, x1) + (0.5 - a[0])).astype(np.float32)[None, :]
        py = (np.arange(y0, y1) + (0.5 - a[1])).astype(np.float32)[:, None]
        inside = _distance2(px, py, b[0] - a[0], b[1] - a[1]) <= radius * radius
        # A mask is 0 or 1, so that no pixel has to be picked out, which would cost most of all.
        part = self.pixels[y0:y1, x0:x1]
        (np.maximum if value else np.greater)(part, inside.view(np.uint8), out=part)
        return area

    def encoded(self) -> RunLengthMask:
        return RunLengthMask.encode(self.pixels.view(bool))


class MaskPicture:
    """A mask in a person's colour with its outline, at the pixels of the screen."""

    def __init__(
        self, pixels: UInt8[np.ndarray, "H W"], transform: PictureTransform,
        view: tuple[int, int], ratio: float, color: str,
    ) -> None:  # fmt: skip
        """`view` is (width, height) in view pixels, each of `ratio` device pixels."""
        self._transform, self._ratio = transform, ratio
        width, height = (max(1, math.ceil(side * ratio)) for side in view)
        x, y = transform.offset
        step = 1 / (transform.scale * ratio)
        self._columns = _sources(width, step, x / transform.scale, pixels.shape[1])
        self._rows = _sources(height, step, y / transform.scale, pixels.shape[0])
        self._shades = _shades(color)
        self._argb: UInt32[np.ndarray, "h w"] = np.zeros((height, width), np.uint32)
        form = QImage.Format.Format_ARGB32_Premultiplied
        self.image = QImage(self._argb.data, width, height, width * 4, form)
        self.image.setDevicePixelRatio(ratio)
        self._draw(pixels, (0, 0, width, height))

    def refresh(self, pixels: UInt8[np.ndarray, "H W"], area: Area) -> None:
        """Draw the part of the view again in which an area of the mask is."""
        corners = self._transform.to_view(np.array(area, float).reshape(2, 2)) * self._ratio
        low, high = np.floor(corners[0]).astype(int) - 2, np.ceil(corners[1]).astype(int) + 2
        seen = clipped((low[0], low[1], high[0], high[1]), self._argb.shape)
        if seen is not None:
            self._draw(pixels, seen)

    def _draw(self, pixels: np.ndarray, area: Area) -> None:
        """One pixel more on each side is sampled, for the outline looks at its neighbours."""
        x0, y0, x1, y1 = area
        height, width = self._argb.shape
        left, top = min(x0, 1), min(y0, 1)
        columns = self._columns[x0 - left : min(width, x1 + 1)]
        rows = self._rows[y0 - top : min(height, y1 + 1)]
        inside = np.where(
            (rows >= 0)[:, None] & (columns >= 0), pixels[rows][:, columns], np.uint8(0)
        )
        core = cv2.erode(inside, _CROSS, borderType=cv2.BORDER_REPLICATE)
        shade = (2 * inside - core)[top : top + y1 - y0, left : left + x1 - x0]
        self._argb[y0:y1, x0:x1] = self._shades[shade]


def _distance2(px: np.ndarray, py: np.ndarray, dx: float, dy: float) -> Float[np.ndarray, "h w"]:
    """Squared distance of points (px, py) from the line between the origin and (dx, dy).

    A large brush covers half a million pixels, so one array serves for all of it.
    """
    length2 = dx * dx + dy * dy
    if length2 < 1e-12:
        return px * px + py * py
    share = px * np.float32(dx / length2) + py * np.float32(dy / length2)
    np.clip(share, 0, 1, out=share)
    off_x = share * np.float32(-dx)
    off_x += px
    off_x *= off_x
    share *= np.float32(-dy)
    share += py
    share *= share
    share += off_x
    return share


_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def _sources(count: int, step: float, offset: float, limit: int) -> Int[np.ndarray, "N"]:
    """Which pixel of the mask is under each pixel of the screen along one side; -1 outside."""
    found = np.floor((np.arange(count) + 0.5) * step - offset).astype(int)
    found[(found < 0) | (found >= limit)] = -1
    return found


def _shades(color: str) -> UInt32[np.ndarray, "3"]:
    """Premultiplied ARGB of outside, inside and outline."""
    made = [0]
    for alpha in (FILL, EDGE):
        red, green, blue = (round(c * alpha) for c in QColor(color).getRgb()[:3])
        made.append(round(255 * alpha) << 24 | red << 16 | green << 8 | blue)
    return np.array(made, np.uint32)


def around(a: tuple[float, float], b: tuple[float, float], radius: float) -> Area:
    """Whole pixels that hold everything within `radius` of the line from a to b."""
    return (
        math.floor(min(a[0], b[0]) - radius), math.floor(min(a[1], b[1]) - radius),
        math.ceil(max(a[0], b[0]) + radius), math.ceil(max(a[1], b[1]) + radius),
    )  # fmt: skip


def clipped(area: Area, shape: tuple[int, ...]) -> Area | None:
    """The part of an area inside an array (height, width, ...), None where there is none."""
    x0, y0 = max(0, area[0]), max(0, area[1])
    x1, y1 = min(shape[1], area[2]), min(shape[0], area[3])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
