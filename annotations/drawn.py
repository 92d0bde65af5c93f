"""Edits of what is drawn over a frame: boxes, marks that nobody of the clip is there, masks.

A drawn box is for perception: the fit sees joints and masks, no boxes, so it makes no frame due
for a fit. A painted mask does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

import numpy as np

from annotations import statements
from annotations.edits import checked_frames, checked_person, constrained
from annotations.errors import EditError
from annotations.records import ClipState
from engine.structures import Box, BoxEdit, BoxKind, FrameRange, MaskEdit, RunLengthMask, VideoInfo

LEAST_SIDE = 2.0
"""Pixels: a smaller box is a slip of the mouse."""


def edit_box(state: ClipState, edit: BoxEdit, video: VideoInfo) -> ClipState:
    """A box drawn or moved by hand, or a mark, in place of what it outdates."""
    edit = _checked_box(state, edit, video)
    if edit in state.constraints.box_edits:
        return state
    return constrained(
        state, None, box_edits=statements.with_box(state.constraints.box_edits, edit)
    )


def edit_boxes(state: ClipState, edits: Iterable[BoxEdit], video: VideoInfo) -> ClipState:
    """Many boxes and marks at once, as if drawn one after the other."""
    frames: dict[int, tuple[BoxEdit, ...]] = {}
    for old in state.constraints.box_edits:
        frames[old.frame] = (*frames.get(old.frame, ()), old)
    for edit in edits:
        checked = _checked_box(state, edit, video)
        frames[checked.frame] = statements.with_box(frames.get(checked.frame, ()), checked)
    merged = tuple(edit for frame in sorted(frames) for edit in frames[frame])
    return constrained(state, None, box_edits=merged)


def remove_box_edit(state: ClipState, edit: BoxEdit, video: VideoInfo) -> ClipState:
    """What was said of a place is taken back."""
    edits = state.constraints.box_edits
    found = edit if edit in edits else _checked_box(state, edit, video)
    if found not in edits:
        raise EditError("Nothing like this was said of that place", received=f"frame {edit.frame}")
    return constrained(state, None, box_edits=statements.without_box(edits, found))


def _checked_box(state: ClipState, edit: BoxEdit, video: VideoInfo) -> BoxEdit:
    """The edit with its box cut to the picture."""
    if edit.kind not in get_args(BoxKind):
        raise EditError(
            "No such kind of box",
            expected=", ".join(get_args(BoxKind)),
            received=str(edit.kind)[:40],
        )
    checked_frames(FrameRange(edit.frame, edit.frame + 1), video.frame_count)
    if edit.kind in statements.PLACED:
        if edit.person is None:
            raise EditError("A box of a person says whose it is")
        checked_person(state, edit.person)
    elif edit.person is not None:
        raise EditError("A mark that none of the people is there names nobody")
    box = _within(edit.box, video.image_size)
    person = None if edit.person is None else int(edit.person)
    return BoxEdit(int(edit.frame), box, edit.kind, person)


def _within(box: Box, image_size: tuple[int, int]) -> Box:
    """The part of the box that is in the picture."""
    corners = np.asarray(box, float)
    if corners.shape != (4,) or not np.isfinite(corners).all():
        raise EditError("A box is four numbers of pixels: x0, y0, x1, y1", received=str(box)[:80])
    x0, y0, x1, y1 = np.clip(corners, 0, [*image_size, *image_size]).tolist()
    if x1 - x0 < LEAST_SIDE or y1 - y0 < LEAST_SIDE:
        raise EditError(
            "A box needs an extent in the picture",
            expected=f"x0 < x1 <= {image_size[0]} and y0 < y1 <= {image_size[1]}",
            received=", ".join(f"{value:g}" for value in corners.tolist()),
        )
    return x0, y0, x1, y1


def edit_mask(state: ClipState, edit: MaskEdit, video: VideoInfo) -> ClipState:
    """A person's mask as it was painted, in place of one painted before."""
    checked_person(state, edit.person)
    frames = checked_frames(FrameRange(edit.frame, edit.frame + 1), video.frame_count)
    mask = _checked_mask(edit.mask, video)
    edits = statements.with_mask(
        state.constraints.mask_edits, MaskEdit(int(edit.person), int(edit.frame), mask)
    )
    return constrained(state, frames, [edit.person], mask_edits=edits)


def clear_mask(state: ClipState, person: int, frame: int) -> ClipState:
    """A painted mask is taken back: the detected one counts again."""
    edits = statements.without_mask(state.constraints.mask_edits, person, frame)
    return constrained(state, FrameRange(frame, frame + 1), [person], mask_edits=edits)


def _checked_mask(mask: RunLengthMask, video: VideoInfo) -> RunLengthMask:
    """The mask in the one way to write it: no empty run but the first."""
    size = video.height, video.width
    if tuple(mask.size) != size:
        raise EditError(
            "This mask is not of this video", expected=f"{size[1]} x {size[0]} pixels",
            received=" x ".join(str(side) for side in reversed(mask.size)),
        )  # fmt: skip
    counts = np.asarray(mask.counts)
    pixels = size[0] * size[1]
    whole = counts.ndim == 1 and counts.dtype.kind in "iu" and 0 < counts.size <= pixels + 1
    if not whole or counts.min() < 0 or counts.max() > pixels or counts.sum() != pixels:
        raise EditError("This mask is not whole", expected=f"runs that add up to {pixels} pixels")
    if (counts[1:] > 0).all():
        return RunLengthMask(size, tuple(counts.tolist()))
    return RunLengthMask.encode(RunLengthMask(size, tuple(counts.tolist())).decode())
