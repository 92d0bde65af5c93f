"""Where a picture lies in a view: zoom about a point, pan, fit. Plain numbers, no Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

MOST_ZOOM = 40.0
"""View pixels per picture pixel."""


@dataclass(frozen=True)
class PictureTransform:
    """view = scale * picture + offset, in pixels."""

    scale: float = 1.0
    offset: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def fitted(
        cls, picture: tuple[int, int], view: tuple[int, int], margin: float = 0.0
    ) -> PictureTransform:
        """The whole picture (width, height) in the middle of the view, as large as it goes."""
        width, height = max(1, view[0] - 2 * margin), max(1, view[1] - 2 * margin)
        scale = max(1e-3, min(width / picture[0], height / picture[1]))
        offset = ((view[0] - scale * picture[0]) / 2, (view[1] - scale * picture[1]) / 2)
        return cls(scale, offset)

    def to_view(self, points: Float[np.ndarray, "*N 2"]) -> Float[np.ndarray, "*N 2"]:
        return np.asarray(points) * self.scale + np.array(self.offset)

    def to_picture(self, points: Float[np.ndarray, "*N 2"]) -> Float[np.ndarray, "*N 2"]:
        return (np.asarray(points) - np.array(self.offset)) / self.scale

    def zoomed(self, factor: float, x: float, y: float, least: float) -> PictureTransform:
        """Zoomed so that the picture's point under view point (x, y) stays there."""
        scale = float(np.clip(self.scale * factor, least, MOST_ZOOM))
        ratio = scale / self.scale
        return PictureTransform(
            scale, (x - (x - self.offset[0]) * ratio, y - (y - self.offset[1]) * ratio)
        )

    def panned(self, dx: float, dy: float) -> PictureTransform:
        return PictureTransform(self.scale, (self.offset[0] + dx, self.offset[1] + dy))

    def kept_in_sight(
        self, picture: tuple[int, int], view: tuple[int, int], at_least: float = 60.0
    ) -> PictureTransform:
        """Moved back so that some of the picture stays inside the view."""
        moved = [
            float(np.clip(offset, at_least - self.scale * size, extent - at_least))
            for offset, size, extent in zip(self.offset, picture, view, strict=True)
        ]
        return PictureTransform(self.scale, (moved[0], moved[1]))
