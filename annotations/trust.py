"""How far detections are believed: statements in canonical form, and the edits that make them.

Of a person nothing is said twice of one frame; stretches of equal weight neither overlap nor touch;
a weight of 1 is what holds where nothing is said, and is not kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from annotations.edits import checked_person, constrained
from annotations.errors import EditError
from annotations.ranges import cut, overlap, union
from annotations.records import ClipState
from annotations.statements import Persons
from engine.structures import FrameRange, Trust


def canonical(said: Iterable[Trust]) -> tuple[Trust, ...]:
    """The statements in canonical form; none of them may contradict another."""
    ranges: dict[tuple[int, float], list[FrameRange]] = {}
    for each in said:
        if each.weight != 1.0:
            ranges.setdefault((each.person, float(each.weight)), []).append(each.frames)
    merged = [
        Trust(person, frames, weight)
        for (person, weight), found in ranges.items()
        for frames in union(found)
    ]
    return tuple(sorted(merged, key=lambda t: (t.frames.start, t.person, t.frames.stop, t.weight)))


def with_trust(said: Iterable[Trust], added: Trust) -> tuple[Trust, ...]:
    """The statements and one more, which replaces what was said of the person in its frames."""
    kept: list[Trust] = []
    for old in said:
        if old.person == added.person:
            kept += [replace(old, frames=part) for part in cut([old.frames], added.frames)]
        else:
            kept.append(old)
    return canonical([*kept, added])


def swapped(said: Iterable[Trust], window: FrameRange, persons: Persons) -> tuple[Trust, ...]:
    """What was said inside the window handed to the other person."""
    parts: list[Trust] = []
    for each in said:
        within = overlap(each.frames, window)
        if within is not None:
            parts.append(Trust(persons.get(each.person, each.person), within, each.weight))
        parts += [replace(each, frames=part) for part in cut([each.frames], window)]
    return canonical(parts)


def weights(said: Iterable[Trust], person: int, frame_count: int) -> np.ndarray:
    """(F,) how far the detections of a person are believed; 1 where nothing is said."""
    believed = np.ones(frame_count)
    for each in said:
        if each.person == person:
            believed[each.frames.as_slice()] = each.weight
    return believed


def set_trust(state: ClipState, trust: Trust) -> ClipState:
    """How far a person's detections are believed in the frames; 1 takes back what was said."""
    checked_person(state, trust.person)
    if not 0 <= trust.weight <= 1:
        raise EditError("Trust is a share", expected="0 to 1", received=f"{trust.weight:g}")
    said = with_trust(state.constraints.trust, trust)
    return constrained(state, trust.frames, [trust.person], trust=said)
