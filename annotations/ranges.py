"""Sets of frames as sorted, disjoint, non-touching half-open ranges."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool

from engine.structures import FrameRange

Ranges = tuple[FrameRange, ...]


def union(ranges: Iterable[FrameRange]) -> Ranges:
    """The frames that are in any of the ranges."""
    merged: list[FrameRange] = []
    for item in sorted((r for r in ranges if len(r)), key=lambda r: (r.start, r.stop)):
        if merged and item.start <= merged[-1].stop:
            merged[-1] = FrameRange(merged[-1].start, max(merged[-1].stop, item.stop))
        else:
            merged.append(item)
    return tuple(merged)


def cut(ranges: Iterable[FrameRange], removed: FrameRange) -> Ranges:
    """The ranges without the removed frames. They may touch: nothing is merged."""
    left: list[FrameRange] = []
    for item in ranges:
        before = FrameRange(item.start, min(item.stop, removed.start))
        after = FrameRange(max(item.start, removed.stop), item.stop)
        left += [part for part in (before, after) if len(part)]
    return tuple(left)


def overlap(a: FrameRange, b: FrameRange) -> FrameRange | None:
    """The frames that both have, None without any."""
    both = FrameRange(max(a.start, b.start), min(a.stop, b.stop))
    return both if len(both) else None


def as_mask(ranges: Iterable[FrameRange], frame_count: int) -> Bool[np.ndarray, "F"]:
    """True in the frames of the ranges."""
    mask = np.zeros(frame_count, bool)
    for item in ranges:
        mask[item.as_slice()] = True
    return mask


def from_mask(mask: Bool[np.ndarray, "F"]) -> Ranges:
    """The runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return tuple(
        FrameRange(int(start), int(stop))
        for start, stop in zip(edges[::2], edges[1::2], strict=True)
    )


def spoken(frames: FrameRange) -> str:
    """For labels: "frame 12" or "frames 120-180", the last frame included."""
    if len(frames) == 1:
        return f"frame {frames.start}"
    return f"frames {frames.start}-{frames.stop - 1}"
