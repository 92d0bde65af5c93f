"""Identity pins: whoever is seen here is this person.

An edit of who is who leaves them behind, so that the next run of perception cannot undo it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from annotations import statements
from annotations.records import ClipState
from annotations.statements import box_at
from engine.structures import BoxEdit, FrameRange

PIN_SECONDS = 0.5
"""About this far apart, a range's first and last frame included."""


def pinned(state: ClipState, persons: Iterable[int], frames: FrameRange) -> ClipState:
    """The state with the people pinned to where they are in the frames.

    Also where they are last seen before and first seen after: whoever says from which frame on
    people are mixed up says that before it they are not, and without that pin the next run of
    perception would carry the correction on to where it does not belong.
    """
    observations = state.observations
    if observations is None:
        return state
    pins = [
        BoxEdit(frame, box_at(observations.boxes[person], frame), "identity", person)
        for person in persons
        for frame in (
            *key_frames(observations.boxes[person], observations.times, frames),
            *_neighbours(observations.boxes[person], frames),
        )
    ]
    edits = statements.with_pins(state.constraints.box_edits, pins)
    return replace(state, constraints=replace(state.constraints, box_edits=edits))


def key_frames(boxes: np.ndarray, times: np.ndarray, frames: FrameRange) -> list[int]:
    """The first and the last frame of the range with a box, and some about PIN_SECONDS apart."""
    known = frames.start + np.flatnonzero(np.isfinite(boxes[frames.as_slice()]).all(-1))
    picked: list[int] = []
    for frame in known.tolist():
        if not picked or times[frame] - times[picked[-1]] >= PIN_SECONDS - 1e-3:
            picked.append(frame)
    if picked and picked[-1] != known[-1]:
        picked.append(int(known[-1]))
    return picked


def _neighbours(boxes: np.ndarray, frames: FrameRange) -> list[int]:
    known = np.flatnonzero(np.isfinite(boxes).all(-1))
    before, after = known[known < frames.start], known[known >= frames.stop]
    return [*before[-1:].tolist(), *after[:1].tolist()]
