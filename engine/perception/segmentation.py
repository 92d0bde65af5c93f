"""A mask per person: BlazePose's soft masks, each pixel given to the person who is nearer to it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from engine.structures import RunLengthMask

_LIMBS = (
    (5, 6), (5, 11), (6, 12), (11, 12), (5, 12), (6, 11), (5, 7), (7, 9), (6, 8), (8, 10),
    (11, 13), (13, 15), (12, 14), (14, 16), (0, 5), (0, 6), (0, 17), (15, 20), (16, 21),
    (0, 3), (0, 4), (3, 4), (3, 17), (4, 17), (18, 19),
)  # fmt: skip
"""Lines of Halpe-26 joints that lie on the body."""
_CERTAIN = 0.5
_DOUBT = 0.2
"""The least weight of a mask that says the pixel is not the person's."""
_SEEN, _SURE = 0.15, 0.45
_LAST_PIXEL = np.array([0.0, 0.0, 1.0, 1.0])
_LIMB_REACH = 80
"""Pixels around a patch in which limbs still count."""


def cover(
    image: UInt8[np.ndarray, "H W 3"], mask: Float[np.ndarray, "H W"]
) -> UInt8[np.ndarray, "H W 3"]:
    """The image with a person painted over in grey, so that a model looks at the other one."""
    alpha = np.clip(mask, 0.0, 1.0)[..., None]
    return np.asarray(image * (1.0 - alpha) + 128.0 * alpha).astype(np.uint8)


_THICKNESS = (
    (0.14, ((5, 11), (6, 12), (5, 12), (6, 11), (5, 6), (11, 12))),
    (0.11, ((11, 13), (12, 14))),
    (0.08, ((13, 15), (14, 16), (5, 7), (6, 8))),
    (0.07, ((7, 9), (8, 10))),
)
"""Width of limbs of COCO-17, as a share of the body's height."""
_HEAD = 0.14


def limb_mask(
    points: Float[np.ndarray, "17 3"],
    size: tuple[int, int],
    height: float,
    *,
    seen: float = 0.15,
    thick: float = 1.0,
) -> Float[np.ndarray, "H W"]:
    """1 on the limbs, torso and head of a pose, 0 elsewhere; `size` is (width, height).

    Limbs are those between joints of a confidence above `seen`, `thick` times as wide as usual.
    """
    canvas = np.zeros(size[::-1], np.uint8)
    at = np.rint(np.nan_to_num(points[:, :2], nan=-1e4)).astype(int)
    sure = points[:, 2] > seen
    for width, limbs in _THICKNESS:
        thickness = max(1, round(thick * width * height))
        for a, b in limbs:
            if sure[a] and sure[b]:
                cv2.line(canvas, tuple(at[a].tolist()), tuple(at[b].tolist()), 1, thickness)
    face = [k for k in range(5) if sure[k]]
    if face:
        x, y = at[face].mean(axis=0).astype(int).tolist()
        cv2.circle(canvas, (x, y), max(1, round(thick * _HEAD * height / 2)), 1, -1)
    return canvas.astype(np.float32)


def divide(
    masks: Sequence[Float[np.ndarray, "H W"]], keypoints: Sequence[Float[np.ndarray, "26 3"]]
) -> list[Bool[np.ndarray, "H W"]]:
    """Binary masks without overlap: where people meet, a pixel goes to the nearer skeleton.

    Nearness counts for more the surer a mask is of the pixel, so that a mask that runs over onto
    the other person is cut back even where that person's own mask has a hole.
    """
    binary = [mask > _CERTAIN for mask in masks]
    meeting = _meeting(binary)
    if meeting is None:
        return binary
    y0, y1, x0, x1 = meeting
    patch = slice(y0, y1), slice(x0, x1)
    distance = np.stack(
        [
            (_limb_distance(points, (x0, y0), (x1 - x0, y1 - y0)) + 1.0)
            / np.maximum(mask[patch], _DOUBT)
            for points, mask in zip(keypoints, masks, strict=True)
        ]
    )
    nearest = distance.argmin(axis=0)
    claimed = np.any([mask[patch] for mask in binary], axis=0)
    for person, mask in enumerate(binary):
        mask[patch] = claimed & (nearest == person)
    return binary


def _meeting(binary: Sequence[Bool[np.ndarray, "H W"]]) -> tuple[int, int, int, int] | None:
    """Rows and columns (y0, y1, x0, x1) within which the boxes of two masks overlap."""
    bounds = [_bounds(mask) for mask in binary if mask.any()]
    shared = []
    for a, b in combinations(bounds, 2):
        y0, y1, x0, x1 = max(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), min(a[3], b[3])
        if y0 < y1 and x0 < x1:
            shared.append((y0, y1, x0, x1))
    if not shared:
        return None
    low, high = np.min(shared, axis=0), np.max(shared, axis=0)
    return int(low[0]), int(high[1]), int(low[2]), int(high[3])


def _bounds(mask: Bool[np.ndarray, "H W"]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _limb_distance(
    points: Float[np.ndarray, "26 3"], origin: tuple[int, int], size: tuple[int, int]
) -> Float[np.ndarray, "h w"]:
    """Distance in pixels of each pixel of a patch to the person's nearest limb.

    A limb of doubtful joints counts as further away than it is drawn.
    """
    sure = _distance_to_lines(points, origin, size, (_SURE, np.inf))
    doubtful = _distance_to_lines(points, origin, size, (_SEEN, _SURE))
    return np.asarray(np.minimum(sure, 2.0 * doubtful + 5.0))


def _distance_to_lines(
    points: Float[np.ndarray, "26 3"],
    origin: tuple[int, int],
    size: tuple[int, int],
    confidence: tuple[float, float],
) -> Float[np.ndarray, "h w"]:
    """To the limbs whose less sure end has a confidence in the range; _LIMB_REACH where none is."""
    canvas = np.full((size[1] + 2 * _LIMB_REACH, size[0] + 2 * _LIMB_REACH), 255, np.uint8)
    drawn = False
    for a, b in _LIMBS:
        if confidence[0] <= min(points[a, 2], points[b, 2]) < confidence[1]:
            ends = np.rint(points[[a, b], :2] - origin + _LIMB_REACH).astype(int)
            cv2.line(canvas, tuple(ends[0].tolist()), tuple(ends[1].tolist()), 0, 1)
            drawn = True
    if not drawn or canvas.min() > 0:
        return np.full((size[1], size[0]), float(_LIMB_REACH), np.float32)
    distance = cv2.distanceTransform(canvas, cv2.DIST_L2, 3)
    inner = distance[_LIMB_REACH:-_LIMB_REACH, _LIMB_REACH:-_LIMB_REACH]
    return np.asarray(np.minimum(inner, float(_LIMB_REACH)), np.float32)


def crop_to_person(
    mask: Bool[np.ndarray, "H W"], box: Float[np.ndarray, "4"]
) -> Bool[np.ndarray, "H W"]:
    """The mask without what lies outside the person's box."""
    x0, y0, x1, y1 = (max(0, int(v)) for v in np.nan_to_num(box, nan=-1.0) + _LAST_PIXEL)
    kept = np.zeros_like(mask)
    window = slice(y0, y1), slice(x0, x1)
    kept[window] = mask[window]
    return kept


def encode_window(
    mask: Bool[np.ndarray, "h w"], origin: tuple[int, int], size: tuple[int, int]
) -> RunLengthMask:
    """Run lengths of a frame of `size` (width, height) that is empty outside a window at `origin`.

    Equal to encoding the whole frame, at the cost of the window alone.
    """
    width, height = size
    h, w = mask.shape
    columns = np.zeros((w, h + 2), bool)
    columns[:, 1:-1] = mask.T
    flat = columns.ravel()
    # Every column begins and ends empty, so changes alternate between starts and ends of runs.
    column, row = np.divmod(np.flatnonzero(flat[1:] != flat[:-1]), h + 2)
    edges = (column + origin[0]) * height + row + origin[1]
    # A run that reaches the bottom goes on at the top of the next column.
    joined = np.flatnonzero(edges[1:-1:2] == edges[2::2])
    edges = np.delete(edges, np.concatenate([2 * joined + 1, 2 * joined + 2]))
    counts = np.diff(np.concatenate([[0], edges, [width * height]]))
    if len(edges) and edges[-1] == width * height:
        counts = counts[:-1]
    return RunLengthMask((height, width), tuple(counts.tolist()))
