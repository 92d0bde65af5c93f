"""COCO's run-length masks, compressed or not, and polygons, as `RunLengthMask`.

The compressed form writes each count as characters of six bits: five of the number and one that
says whether it goes on, from the third count on as the difference to the count before the last
(`rleFrString` of COCO's maskApi.c). Read here, so that every count is checked before it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from annotations.importers.values import numbers, whole
from engine.errors import InputError
from engine.structures import RunLengthMask

SIDE_LIMIT = 16_384
RUN_LIMIT = 1_000_000
"""Runs of one mask."""
TOTAL_RUN_LIMIT = 50_000_000
"""Runs of all masks of a file: about 2 GB in memory."""
Refuse = Callable[[str, object], InputError]
"""(expected, received) to the error."""


def from_coco(value: dict[str, Any], refuse: Refuse) -> RunLengthMask | None:
    """{"size": [h, w], "counts": "..." or [...]}; None for an empty mask."""
    size = value.get("size")
    if not isinstance(size, list) or len(size) != 2:
        raise refuse("a size [height, width]", size)
    height, width = (whole(each, refuse) for each in size)
    if not (0 < height <= SIDE_LIMIT and 0 < width <= SIDE_LIMIT):
        raise refuse(f"a size of 1 to {SIDE_LIMIT} pixels", f"{width} x {height}")
    counts = value.get("counts")
    runs = decompressed(counts, refuse) if isinstance(counts, str) else _plain(counts, refuse)
    if sum(runs) != height * width:
        raise refuse(f"runs of {height * width} pixels together", f"{sum(runs)} pixels")
    return RunLengthMask((height, width), tuple(runs)) if any(runs[1::2]) else None


def decompressed(text: str, refuse: Refuse) -> list[int]:
    """Counts of the compressed form."""
    if len(text) > 8 * RUN_LIMIT:
        raise refuse(f"at most {RUN_LIMIT} runs", f"{len(text)} characters")
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise refuse("COCO's compressed counts", text)
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:  # the sign
            value -= 1 << shift
        if len(runs) > 2:
            value += runs[-2]
        if value < 0:
            raise refuse("COCO's compressed counts", text)
        runs.append(value)
        value = shift = 0
    if shift:
        raise refuse("COCO's compressed counts", text)
    return runs


def _plain(counts: object, refuse: Refuse) -> list[int]:
    if isinstance(counts, list) and len(counts) > RUN_LIMIT:
        raise refuse(f"at most {RUN_LIMIT} runs", f"{len(counts)} runs")
    found = numbers(counts, refuse)
    if not np.isfinite(found).all() or (found < 0).any() or (found != np.round(found)).any():
        raise refuse("whole numbers of pixels from 0 up", counts)
    return [int(each) for each in found.tolist()]


def from_polygons(
    value: list[Any], image_size: tuple[int, int], refuse: Refuse
) -> RunLengthMask | None:
    """COCO's [[x, y, x, y, ...], ...] filled; None where they enclose nothing."""
    import cv2

    polygons = []
    for polygon in value:
        points = numbers(polygon, refuse)
        if len(points) % 2 or not np.isfinite(points).all():
            raise refuse("x, y pairs", f"{len(points)} numbers")
        if len(points) > RUN_LIMIT:
            raise refuse(f"at most {RUN_LIMIT} numbers", f"{len(points)} numbers")
        if len(points) >= 6:
            limit = 4.0 * SIDE_LIMIT
            polygons.append(np.clip(points, -limit, limit).reshape(-1, 2).round().astype(np.int32))
    pixels = np.zeros((image_size[1], image_size[0]), np.uint8)
    cv2.fillPoly(pixels, polygons, 1)
    return RunLengthMask.encode(pixels) if pixels.any() else None
