"""A video frame resampled to what a view shows of it."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage

from app.picture_transform import PictureTransform

SHARP_FROM = 4.0
"""View pixels per picture pixel from which a pixel is shown as the square that it is."""


def picture_in_sight(
    picture: UInt8[np.ndarray, "H W 3"],
    transform: PictureTransform,
    view: tuple[int, int],
    ratio: float,
) -> tuple[QImage, QPointF]:
    """The part of an RGB picture that a view of (width, height) shows, and its corner there.

    `ratio` is the number of device pixels to a view pixel. A null image where nothing is in sight.
    """
    limit = np.array([picture.shape[1], picture.shape[0]])
    seen = transform.to_picture(np.array([[0.0, 0.0], view]))
    x0, y0 = np.clip(np.floor(seen[0]), 0, limit).astype(int)
    x1, y1 = np.clip(np.ceil(seen[1]), 0, limit).astype(int)
    if x1 <= x0 or y1 <= y0:
        return QImage(), QPointF()
    size = np.round(np.array([x1 - x0, y1 - y0]) * transform.scale * ratio).astype(int)
    pixels = _resized(picture[y0:y1, x0:x1], np.maximum(1, size).tolist())
    height, width = pixels.shape[:2]
    image = QImage(pixels.data, width, height, width * 4, QImage.Format.Format_RGB32)
    image.pixels = pixels  # type: ignore[attr-defined]  # it borrows the array's memory
    image.setDevicePixelRatio(ratio)
    return image, QPointF(*transform.to_view(np.array([x0, y0])))


def _resized(crop: np.ndarray, size: list[int]) -> np.ndarray:
    """BGRA of that (width, height)."""
    scale = size[0] / crop.shape[1]
    while scale < 0.5 and min(crop.shape[:2]) > 1:
        # Halving by means is the fastest there is, and skips no pixel: no flicker while playing.
        crop = cv2.resize(crop, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        scale *= 2
    how = cv2.INTER_NEAREST if scale >= SHARP_FROM else cv2.INTER_LINEAR
    return cv2.cvtColor(cv2.resize(crop, size, interpolation=how), cv2.COLOR_RGB2BGRA)
