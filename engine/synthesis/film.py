"""What a camera makes of light: shutter, exposure, lens, tone curve, sensor noise.

A picture is the mean of a few passes, each a moment within the shutter's opening and a fraction of
a pixel aside: motion blur and smooth edges at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8


@dataclass(frozen=True)
class Film:
    """What the camera makes of light."""

    shutter: float = 0.5
    """Share of the time between two frames that the shutter is open."""
    passes: int = 3
    exposure: float = 1.0
    white: tuple[float, float, float] = (1.0, 1.0, 1.0)
    noise: float = 0.012
    """Standard deviation in mid grey, share of white."""
    softness: float = 0.5
    """Pixels of lens blur."""
    vignette: float = 0.15


def random_film(generator: np.random.Generator) -> Film:
    """Another camera each time."""
    white = generator.uniform(0.93, 1.07, 3)
    return Film(
        shutter=float(generator.uniform(0.15, 0.6)),
        exposure=float(generator.uniform(0.8, 1.2)),
        white=(float(white[0]), float(white[1]), float(white[2])),
        noise=float(generator.uniform(0.003, 0.014)),
        softness=float(generator.uniform(0.3, 0.8)),
        vignette=float(generator.uniform(0.0, 0.25)),
    )


def moments(
    before: np.ndarray, now: np.ndarray, after: np.ndarray, film: Film
) -> list[tuple[np.ndarray, tuple[float, float]]]:
    """Bodies and sub-pixel shifts of the passes of one frame; its own time is mid-shutter."""
    result = []
    for index in range(film.passes):
        share = ((index + 0.5) / film.passes - 0.5) * film.shutter
        other = after if share > 0 else before
        body = now + (other - now) * abs(share)
        shift = ((index * 0.5 + 0.25) % 1 - 0.5, (index + 0.5) / film.passes - 0.5)
        result.append((body, shift))
    return result


def developed(
    light: Float[np.ndarray, "H W 3"], film: Film, generator: np.random.Generator
) -> UInt8[np.ndarray, "H W 3"]:
    """Light as a camera records it: lens, exposure, tone curve, sensor noise."""
    rows, columns = light.shape[:2]
    if film.softness > 0:
        light = cv2.GaussianBlur(light, (0, 0), film.softness)
    y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, columns, dtype=np.float32)
    dimmed = film.exposure * (1 - film.vignette * (x * x + y * y) / 2)
    light = light * dimmed[..., None] * np.array(film.white, np.float32)
    toned = np.asarray(cv2.pow(np.maximum(light / (1 + 0.35 * light) * 1.35, 0), 1 / 2.2))
    grain = generator.standard_normal((rows, columns, 3), np.float32) * np.float32(film.noise)
    toned = toned + grain * (0.6 + 0.8 * np.sqrt(np.minimum(toned, 1)))
    return np.asarray(np.clip(toned * 255 + 0.5, 0, 255), np.uint8)
