"""Verdicts on frames, and where they put a clip in the work."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from annotations.errors import EditError
from annotations.ranges import as_mask, cut, overlap
from annotations.records import ClipState, ReviewMark, Status, Verdict
from engine.structures import FrameRange


def review(state: ClipState, frames: FrameRange, verdict: Verdict, reason: str = "") -> ClipState:
    """A verdict on the frames, in place of earlier ones."""
    if verdict not in ("accepted", "sent back", "unusable"):
        raise EditError(
            "No such verdict", expected="accepted, sent back or unusable", received=verdict
        )
    if verdict == "accepted" and state.motion is None:
        raise EditError("There are no bodies to accept yet", advice="Fit the clip first (E).")
    marks = [ReviewMark(frames, verdict, reason)]
    for mark in state.reviews:
        marks += [replace(mark, frames=part) for part in cut([mark.frames], frames)]
    merged: list[ReviewMark] = []
    for mark in sorted(marks, key=lambda m: m.frames.start):
        last = merged[-1] if merged else None
        if last and last.frames.stop == mark.frames.start and _same_verdict(last, mark):
            merged[-1] = replace(last, frames=FrameRange(last.frames.start, mark.frames.stop))
        else:
            merged.append(mark)
    return state if tuple(merged) == state.reviews else replace(state, reviews=tuple(merged))


def _same_verdict(a: ReviewMark, b: ReviewMark) -> bool:
    return (a.verdict, a.reason) == (b.verdict, b.reason)


def accepted_frames(state: ClipState, frame_count: int) -> Bool[np.ndarray, "F"]:
    """Frames whose bodies a person accepted."""
    marks = [m.frames for m in state.reviews if m.verdict == "accepted"]
    return as_mask(marks, frame_count)


def status_of(
    *, detected: bool, fitted: bool, reviews: tuple[ReviewMark, ...], frame_count: int
) -> Status:
    """The clip's place in the work, derived from what is there and what was said of it."""
    verdicts = {mark.verdict for mark in reviews}
    judged = as_mask([m.frames for m in reviews if m.verdict != "sent back"], frame_count).all()
    if "sent back" in verdicts:
        return "sent back"
    if judged and verdicts == {"unusable"}:
        return "unusable"
    if judged and "accepted" in verdicts:
        return "accepted"
    return "fitted" if fitted else "detected" if detected else "new"


def without_acceptance(marks: tuple[ReviewMark, ...], frames: FrameRange) -> tuple[ReviewMark, ...]:
    """An acceptance is of what was seen: it ends where that is no longer what is there."""
    if not any(m.verdict == "accepted" and overlap(m.frames, frames) for m in marks):
        return marks
    kept: list[ReviewMark] = []
    for mark in marks:
        parts = cut([mark.frames], frames) if mark.verdict == "accepted" else (mark.frames,)
        kept += [replace(mark, frames=part) for part in parts]
    return tuple(kept)
