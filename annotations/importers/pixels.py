"""Whether a file's pixels are the video's, and how they become so."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from annotations.importers.imported import ImportOptions, Reading
from annotations.importers.values import ScaleNeeded, refusal
from engine.errors import InputError
from engine.structures import RunLengthMask, VideoInfo

_OUTSIDE_LIMIT = 0.25
"""Share of joints or boxes outside the picture from which the resolution must be wrong."""
_MARGIN = 0.15
"""Of the picture: a detector may place joints this far outside it."""
_NORMALISED_BELOW = 2.0
SHARES = (1, 1)
"""The "resolution" of coordinates in 0..1."""
_SAME_SHAPE = 0.02
"""Largest relative difference of two aspect ratios that are called the same."""


def scale_of(reading: Reading, video: VideoInfo, options: ImportOptions) -> tuple[float, float]:
    """Factors from the file's pixels to the clip's; refuses where the file seems to need others."""
    asked = options.factors(video.image_size)
    stated = {"images": reading.image_size, "masks": _mask_size(reading)}
    if asked is not None:
        _check_stated(reading, stated, options.resolution)
        _check_inside(reading, video, asked)
        return asked
    for what, size in stated.items():
        if size not in (None, video.image_size):
            raise wrong_size(reading.source, f"the size of its {what}", size, video.image_size)
    _check_normalised(reading)
    _check_inside(reading, video, (1.0, 1.0))
    return 1.0, 1.0


def _check_stated(
    reading: Reading,
    stated: Mapping[str, tuple[int, int] | None],
    resolution: tuple[int, int] | None,
) -> None:
    """What a person says of the images does not contradict what the file says of them."""
    for what, size in stated.items():
        if resolution not in (None, SHARES) and size not in (None, resolution):
            raise refusal(
                reading.source,
                f"the size of its {what}",
                "{} x {}, as stated".format(*resolution),
                "{} x {}".format(*size),
            )


def _mask_size(reading: Reading) -> tuple[int, int] | None:
    """(width, height) of the masks; they all have the same."""
    sizes = {each.mask.size[::-1] for each in reading.instances if each.mask is not None}
    if len(sizes) > 1:
        a, b = sorted(sizes)[:2]
        raise refusal(
            reading.source, "the size of its masks", "one size for all",
            f"{a[0]} x {a[1]} and {b[0]} x {b[1]}",
        )  # fmt: skip
    return next(iter(sizes), None)


def wrong_size(
    source: str, what: str, stated: tuple[int, int], wanted: tuple[int, int]
) -> InputError:
    """The images that a file speaks of are not the clip's."""
    details = {
        "expected": "{} x {}".format(*wanted),
        "received": "{} x {}".format(*stated),
    }
    shapes = stated[0] * wanted[1], stated[1] * wanted[0]
    if abs(shapes[0] - shapes[1]) > _SAME_SHAPE * max(shapes):
        turned = stated == wanted[::-1]
        advice = "It is of the video before its rotation." if turned else "It is of another video."
        return InputError(f"{source}: {what} is wrong", **details, advice=advice)
    advice = "To scale it, state the file's image size (--scale {}x{}).".format(*stated)
    return ScaleNeeded(f"{source}: {what} is wrong", **details, advice=advice)


def _corners(reading: Reading, confident: bool = True) -> Float[np.ndarray, "N 2"]:
    """All joints (surer than 0.2 where asked) and box corners of a file."""
    parts = [np.zeros((0, 2))]
    for instance in reading.instances:
        if instance.keypoints is not None:
            points = instance.keypoints
            parts.append(points[points[:, 2] > 0.2, :2] if confident else points[:, :2])
        elif instance.box is not None:
            parts.append(np.reshape(instance.box, (2, 2)))
    points = np.concatenate(parts)
    return np.asarray(points[np.isfinite(points).all(axis=1)])


def _check_normalised(reading: Reading) -> None:
    points = _corners(reading, confident=False)
    if len(points) and abs(points).max() <= _NORMALISED_BELOW:
        negative = points.min() < -0.1
        advice = (
            "Coordinates in -1..1 are not read: write them in pixels."
            if negative
            else "If they are shares of the width and height, say so (--scale 1x1)."
        )
        raise ScaleNeeded(
            f"{reading.source}: the coordinates are wrong",
            expected="pixels",
            received=f"numbers from {points.min():.3g} to {points.max():.3g}",
            advice=advice,
        )


def _check_inside(reading: Reading, video: VideoInfo, scale: tuple[float, float]) -> None:
    points = _corners(reading) * scale
    if not len(points):
        return
    size = np.array(video.image_size, float)
    outside = ((points < -_MARGIN * size) | (points > (1 + _MARGIN) * size)).any(axis=1)
    share = float(outside.mean())
    if share > _OUTSIDE_LIMIT:
        reach = points.max(axis=0)
        raise ScaleNeeded(
            f"{reading.source}: {share:.0%} of its people lie outside the picture",
            expected=f"pixels of {video.width} x {video.height}",
            received=f"pixels up to {reach[0]:.0f}, {reach[1]:.0f}",
            advice="State the image size that the file was made from (--scale WIDTHxHEIGHT).",
        )


def resized_mask(mask: RunLengthMask, image_size: tuple[int, int]) -> RunLengthMask:
    """The mask at (width, height), nearest pixels."""
    import cv2

    pixels = mask.decode().astype(np.uint8)
    return RunLengthMask.encode(cv2.resize(pixels, image_size, interpolation=cv2.INTER_NEAREST))


def mask_box(mask: RunLengthMask) -> Float[np.ndarray, "4"]:
    """x0, y0, x1, y1 around a mask's pixels, from its runs alone; NaN for an empty one."""
    height = mask.size[0]
    ends = np.cumsum(mask.counts)
    starts, stops = ends[:-1:2], ends[1::2]
    starts = starts[: len(stops)]
    some = stops > starts
    starts, stops = starts[some], stops[some]
    if not len(starts):
        return np.full(4, np.nan)
    left, right = starts[0] // height, (stops[-1] - 1) // height
    top, bottom = starts % height, (stops - 1) % height
    # A run that goes on into the next column reaches both edges.
    whole = starts // height != (stops - 1) // height
    y0 = 0 if whole.any() else int(top.min())
    y1 = height - 1 if whole.any() else int(bottom.max())
    return np.array([left, y0, right + 1, y1 + 1], float)
