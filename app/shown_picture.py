"""The decoded frame that a view shows, resampled once for each place that it is shown in."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage, QPainter

from app.picture_scaling import picture_in_sight
from app.picture_transform import PictureTransform


class ShownPicture:
    """A frame of a clip, decoded at the clip's size or reduced to 1/2, 1/4, ..."""

    def __init__(self) -> None:
        self._pixels: UInt8[np.ndarray, "H W 3"] | None = None
        self.index = -1
        """The frame's number."""
        self._scaled: tuple[object, QImage, QPointF] | None = None

    @property
    def pixels(self) -> UInt8[np.ndarray, "H W 3"] | None:
        return self._pixels

    def show(self, index: int, pixels: UInt8[np.ndarray, "H W 3"]) -> None:
        self._pixels, self.index = pixels, index

    def clear(self) -> None:
        self._pixels, self.index, self._scaled = None, -1, None

    def size(self, clip: tuple[int, int] | None) -> tuple[int, int] | None:
        """(width, height) of the clip in pixels: `clip`, unless the picture is of another one."""
        if self._pixels is None:
            return clip
        height, width = self._pixels.shape[:2]
        if clip is None:
            return width, height
        factor = max(1, round(clip[0] / width))
        is_reduced = (-(-clip[0] // factor), -(-clip[1] // factor)) == (width, height)
        return clip if is_reduced else (width, height)

    def paint(
        self, painter: QPainter, size: tuple[int, int], transform: PictureTransform, ratio: float
    ) -> None:
        """Where `transform` puts a picture of (width, height) `size` in the painter's device.

        `ratio` is the number of device pixels to a view pixel.
        """
        assert self._pixels is not None
        view = painter.window().size().toTuple()
        key = (self.index, id(self._pixels), transform, view, ratio)
        if self._scaled is None or self._scaled[0] != key:
            # The decoded picture may be reduced: its pixels are larger than the clip's.
            factor = size[0] / self._pixels.shape[1]
            placed = PictureTransform(transform.scale * factor, transform.offset)
            self._scaled = (key, *picture_in_sight(self._pixels, placed, view, ratio))
        if not self._scaled[1].isNull():
            painter.drawImage(self._scaled[2], self._scaled[1])
