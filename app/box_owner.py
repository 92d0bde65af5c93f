"""Whose a box is that is drawn on the picture: what would be asked if it were not clear."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from annotations.records import ClipState
from app import frame_evidence as evidence
from engine.structures import Box


def owner_of_new_box(
    state: ClipState, frame: int, selected: int | None, box: Box | None = None
) -> int | None:
    """The person who alone has no box in the frame, else the selected one, else the nearest.

    Nearest to where the people were last seen, or are seen next. None while `box` is not known and
    it would decide.
    """
    people = range(len(state.identities))
    without = [p for p in people if evidence.box(state, p, frame) is None]
    if len(without) == 1:
        return without[0]
    candidates = without or list(people)
    if selected in candidates:
        return selected
    if box is None:
        return None
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    return min(candidates, key=lambda p: _distance(state, p, frame, centre))


def nearest_box(
    state: ClipState, person: int, frame: int, size: tuple[int, int]
) -> Float[np.ndarray, "4"]:
    """The person's box in the nearest frame that has one; else the middle of the picture."""
    found = _box_around(state, person, frame)
    if found is not None:
        return found
    width, height = size
    return np.array([width / 3, height / 4, 2 * width / 3, 3 * height / 4])


def _distance(state: ClipState, person: int, frame: int, centre: np.ndarray) -> float:
    """Pixels from a point to the middle of a person's box in the nearest frame that has one."""
    box = _box_around(state, person, frame)
    return np.inf if box is None else float(np.hypot(*((box[:2] + box[2:]) / 2 - centre)))


def _box_around(state: ClipState, person: int, frame: int) -> Float[np.ndarray, "4"] | None:
    """The person's box in the nearest frame that has one."""
    observations = state.observations
    if observations is None or person >= observations.person_count:
        return None
    seen = np.flatnonzero(np.isfinite(observations.boxes[person]).all(-1))
    if not len(seen):
        return None
    return evidence.box(state, person, int(seen[np.abs(seen - frame).argmin()]))
