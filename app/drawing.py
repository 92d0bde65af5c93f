"""Lines and words on pictures: skeletons, floors, labels. In place, on uint8 RGB arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from annotations import edits
from engine.body.joints import BONES
from engine.structures import Layout

PAPER = (247, 247, 245)
INK = (60, 62, 66)
GRID = (224, 224, 220)
FLOOR = (150, 150, 146)
CONFIDENT = 0.3
"""Keypoints below this confidence are drawn faintly."""

Picture = UInt8[np.ndarray, "H W 3"]
Color = tuple[int, int, int]


def rgb(hexadecimal: str) -> Color:
    """#rrggbb as three numbers in 0..255."""
    red, green, blue = bytes.fromhex(hexadecimal.removeprefix("#"))
    return red, green, blue


PERSON_COLORS = tuple(rgb(color) for color in edits.PERSON_COLORS)
"""Of person 1, 2, ... where a project does not say otherwise."""


@lru_cache(maxsize=8)
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def write(
    image: Picture, text: str, at: tuple[int, int], *, size: int = 15, color: Color = INK
) -> None:
    """Text with its top left corner at (x, y)."""
    from PIL import Image, ImageDraw

    canvas = Image.fromarray(image)
    ImageDraw.Draw(canvas).text(at, text, font=_font(size), fill=color)
    image[:] = np.asarray(canvas)


def write_on_picture(image: Picture, text: str, at: tuple[int, int], size: int = 15) -> None:
    """White text with a dark edge, readable on anything."""
    from PIL import Image, ImageDraw

    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    pen.text(
        at, text, font=_font(size), fill=(255, 255, 255), stroke_width=2, stroke_fill=(0, 0, 0)
    )
    image[:] = np.asarray(canvas)


def draw_skeleton(
    image: Picture,
    points: Float[np.ndarray, "K 2"],
    confidence: Float[np.ndarray, "K"],
    layout: Layout,
    color: Color,
) -> None:
    """Bones and joints of one person; faint where the confidence is low, nothing where NaN."""
    import cv2

    faint = tuple(int(0.45 * c + 0.55 * 128) for c in color)
    known = np.isfinite(points).all(axis=1)
    fixed = np.round(np.where(known[:, None], points, 0) * 8).astype(int)
    thickness = max(1, round(min(image.shape[:2]) / 220))
    for a, b in BONES[layout]:
        if known[a] and known[b]:
            sure = min(confidence[a], confidence[b]) >= CONFIDENT
            ends = tuple(fixed[a].tolist()), tuple(fixed[b].tolist())
            cv2.line(image, *ends, color if sure else faint, thickness, cv2.LINE_AA, 3)
    for k in np.flatnonzero(known):
        sure = confidence[k] >= CONFIDENT
        radius = (thickness + 1) * 8
        at = tuple(fixed[k].tolist())
        cv2.circle(image, at, radius, color if sure else faint, -1, cv2.LINE_AA, 3)


def draw_rings(image: Picture, points: Float[np.ndarray, "K 2"], color: Color) -> None:
    """A small ring at each point: where the fitted body puts what the skeleton shows."""
    import cv2

    radius = 8 * (2 + max(1, round(min(image.shape[:2]) / 220)))
    for point in points[np.isfinite(points).all(axis=1)]:
        at = tuple(np.round(point * 8).astype(int).tolist())
        cv2.circle(image, at, radius, (255, 255, 255), 2, cv2.LINE_AA, 3)
        cv2.circle(image, at, radius, color, 1, cv2.LINE_AA, 3)


def draw_segments(
    image: Picture, segments: Sequence[Float[np.ndarray, "2 2"]], color: Color, thickness: int = 1
) -> None:
    """Straight lines between pixels."""
    import cv2

    for start, end in segments:
        cv2.line(
            image,
            tuple(np.round(start * 8).astype(int).tolist()),
            tuple(np.round(end * 8).astype(int).tolist()),
            color,
            thickness,
            cv2.LINE_AA,
            3,
        )


def blend(image: Picture, drawn: Picture, mask: np.ndarray, opacity: float) -> Picture:
    """`drawn` over `image` where `mask` is set, its edge softened over a pixel."""
    import cv2

    alpha = cv2.GaussianBlur(mask.astype(np.float32), (3, 3), 0) * np.float32(opacity)
    # Outside the mask the drawing is black: spread its colour one pixel for the softened edge.
    spread = cv2.dilate(drawn, np.ones((3, 3), np.uint8))
    drawn = np.where(mask[..., None], drawn, spread)
    mixed = image + (drawn.astype(np.float32) - image) * alpha[..., None]
    return np.asarray(mixed + 0.5, np.uint8)


def resized(image: Picture, size: tuple[int, int]) -> Picture:
    """The picture at (width, height), averaged where it shrinks."""
    import cv2

    smaller = size[0] < image.shape[1]
    kind = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=kind), np.uint8)
