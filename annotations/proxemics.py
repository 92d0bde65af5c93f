"""How two people stand to each other: what was said of it, and what fits found.

Statements are kept in canonical form: person_a < person_b; of a pair nothing is said twice of one
frame; stretches of which the same is said neither overlap nor touch; sorted by first frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Bool

from annotations.edits import checked_person, constrained
from annotations.errors import EditError
from annotations.ranges import cut, overlap, union
from annotations.records import UNKNOWN_ZONE, ClipState
from annotations.statements import Persons
from engine.structures import ZONE_EDGES, ZONES, FrameRange, PairProxemics, ProxemicsStatement, Zone

DISTANCE_LIMITS = (0.0, 100.0)
"""Metres between two people who may be said to interact."""
FRAME_AXES = {
    "zone": 0, "head_distance": 0, "head_deviation": 0, "pelvis_distance": 0,
    "pelvis_deviation": 0, "facing": 1, "facing_deviation": 1,
}  # fmt: skip
"""The arrays of a `PairProxemics` and their axis of frames."""


def zone_of(head_distance: float) -> Zone:
    """The zone of a distance between heads in metres."""
    return ZONES[int(np.searchsorted(ZONE_EDGES, head_distance, side="right"))]


# What was said ----------------------------------------------------------------------------------


def _oriented(said: ProxemicsStatement) -> ProxemicsStatement:
    if said.person_a < said.person_b:
        return said
    return replace(said, person_a=said.person_b, person_b=said.person_a, facing=said.facing[::-1])


def _pair(said: ProxemicsStatement) -> tuple[int, int]:
    return said.person_a, said.person_b


def says_something(said: ProxemicsStatement) -> bool:
    values = (said.zone, said.head_distance, said.pelvis_distance, *said.facing)
    return any(value is not None for value in values)


def canonical(said: Iterable[ProxemicsStatement]) -> tuple[ProxemicsStatement, ...]:
    """The statements in canonical form; none of them may speak of another's frames."""
    ranges: dict[ProxemicsStatement, list[FrameRange]] = {}
    for each in map(_oriented, said):
        ranges.setdefault(replace(each, frames=FrameRange(0, 0)), []).append(each.frames)
    merged = [
        replace(what, frames=frames) for what, found in ranges.items() for frames in union(found)
    ]
    return tuple(sorted(merged, key=lambda p: (p.frames.start, *_pair(p))))


def with_statement(
    said: Iterable[ProxemicsStatement], added: ProxemicsStatement
) -> tuple[ProxemicsStatement, ...]:
    """The statements and one more: what it says wins, what it leaves open stays as it was said.

    A zone and a distance between heads that contradict each other are not both kept.
    """
    added = _oriented(added)
    kept: list[ProxemicsStatement] = []
    unsaid: tuple[FrameRange, ...] = (added.frames,)
    for old in said:
        both = overlap(old.frames, added.frames)
        if _pair(old) != _pair(added) or both is None:
            kept.append(old)
            continue
        kept += [replace(old, frames=part) for part in cut([old.frames], added.frames)]
        kept.append(replace(_over(old, added), frames=both))
        unsaid = cut(unsaid, both)
    return canonical([*kept, *(replace(added, frames=part) for part in unsaid)])


def _over(old: ProxemicsStatement, new: ProxemicsStatement) -> ProxemicsStatement:
    """What the new one says, and of the old one what it leaves open and does not contradict."""
    zone, heads = new.zone or old.zone, _first(new.head_distance, old.head_distance)
    if zone is not None and heads is not None and zone_of(heads) != zone:
        zone, heads = new.zone, new.head_distance
    a, b = (_first(mine, before) for mine, before in zip(new.facing, old.facing, strict=True))
    pelvises = _first(new.pelvis_distance, old.pelvis_distance)
    return replace(new, zone=zone, head_distance=heads, pelvis_distance=pelvises, facing=(a, b))


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def without(
    said: Iterable[ProxemicsStatement], persons: tuple[int, int], frames: FrameRange
) -> tuple[ProxemicsStatement, ...]:
    """The statements with nothing said of these two people in the frames."""
    kept: list[ProxemicsStatement] = []
    for each in said:
        if set(_pair(each)) == set(persons):
            kept += [replace(each, frames=part) for part in cut([each.frames], frames)]
        else:
            kept.append(each)
    return canonical(kept)


def swapped(
    said: Iterable[ProxemicsStatement], window: FrameRange, persons: Persons
) -> tuple[ProxemicsStatement, ...]:
    """What was said exchanged inside the window and split at its ends."""
    parts: list[ProxemicsStatement] = []
    for each in said:
        within = overlap(each.frames, window)
        if within is not None:
            a, b = (persons.get(person, person) for person in _pair(each))
            parts.append(replace(each, person_a=a, person_b=b, frames=within))
        parts += [replace(each, frames=part) for part in cut([each.frames], window)]
    return canonical(parts)


def at(
    said: Iterable[ProxemicsStatement], persons: tuple[int, int], frame: int
) -> ProxemicsStatement | None:
    """What was said of two people in a frame."""
    return next((s for s in said if set(_pair(s)) == set(persons) and frame in s.frames), None)


def set_proxemics(state: ClipState, said: ProxemicsStatement) -> ClipState:
    """How two people stand to each other in the frames; what it leaves open stays as it was."""
    checked_person(state, said.person_a)
    checked_person(state, said.person_b)
    if said.person_a == said.person_b:
        raise EditError("Proxemics are of two people", received=f"person {said.person_a} twice")
    if not says_something(said):
        raise EditError("Say how they stand", expected="a zone, a distance or a facing")
    low, high = DISTANCE_LIMITS
    for metres in (said.head_distance, said.pelvis_distance):
        if metres is not None and not low <= metres <= high:
            raise EditError(
                "A distance is in metres", expected=f"{low:g} to {high:g}", received=f"{metres:g}"
            )
    if any(cosine is not None and not -1 <= cosine <= 1 for cosine in said.facing):
        raise EditError(
            "Facing is a cosine", expected="1 towards to -1 away", received=str(said.facing)
        )
    if said.zone and said.head_distance is not None and zone_of(said.head_distance) != said.zone:
        raise EditError(
            "The zone and the distance between the heads contradict each other",
            expected=f"{said.head_distance:g} m is {zone_of(said.head_distance)}",
            received=said.zone,
        )
    statements = with_statement(state.constraints.proxemics, said)
    return constrained(state, said.frames, _pair(said), proxemics=statements)


def clear_proxemics(state: ClipState, persons: tuple[int, int], frames: FrameRange) -> ClipState:
    """Nothing is said any more of how the two people stand to each other in these frames."""
    said = without(state.constraints.proxemics, persons, frames)
    return constrained(state, frames, persons, proxemics=said)


# What fits found --------------------------------------------------------------------------------


def merged(
    old: Sequence[PairProxemics],
    new: Sequence[PairProxemics],
    taken: Bool[np.ndarray, "F"],
    part: slice,
) -> tuple[PairProxemics, ...]:
    """`old` with `new` in the taken frames of the clip; `part` is where `new` lies in it.

    Of a pair that `new` does not have, nothing is known any more in those frames.
    """
    before = {(pair.person_a, pair.person_b): pair for pair in old}
    after = {(pair.person_a, pair.person_b): pair for pair in new}
    chosen = np.flatnonzero(taken)
    found: list[PairProxemics] = []
    for persons in sorted({*before, *after}):
        base = before.get(persons) or _unknown(persons, len(taken))
        source, inner = after.get(persons), chosen - part.start
        if source is None:
            source, inner = _unknown(persons, len(taken)), chosen
        found.append(_with_frames(base, source, chosen, inner))
    return tuple(found)


def _unknown(persons: tuple[int, int], count: int) -> PairProxemics:
    def blank(axis: int) -> np.ndarray:
        return np.full((2, count) if axis else count, np.nan)

    arrays: dict[str, Any] = {name: blank(axis) for name, axis in FRAME_AXES.items()}
    arrays["zone"] = np.full(count, UNKNOWN_ZONE, np.int8)
    return PairProxemics(*persons, **arrays)


def _with_frames(
    base: PairProxemics, source: PairProxemics, frames: np.ndarray, inner: np.ndarray
) -> PairProxemics:
    """`base` with the frames `inner` of the source in its `frames`."""
    arrays: dict[str, Any] = {}
    for name in FRAME_AXES:
        values = getattr(base, name).copy()
        values[..., frames] = getattr(source, name)[..., inner]
        arrays[name] = values
    return replace(base, **arrays)


def exchanged(
    found: Sequence[PairProxemics], window: FrameRange, persons: Persons
) -> tuple[PairProxemics, ...]:
    """What was found, of people who are exchanged inside the window."""
    by_pair = {(pair.person_a, pair.person_b): pair for pair in found}
    people = sorted({person for pair in by_pair for person in pair})
    frames = np.arange(window.start, window.stop)
    after: list[PairProxemics] = []
    for a, b in combinations(people, 2):
        whose = persons.get(a, a), persons.get(b, b)
        source = by_pair.get(whose) or _turned(by_pair.get(whose[::-1]))
        base = by_pair.get((a, b))
        if base is not None and source is not None:
            base = _with_frames(base, source, frames, frames)
        if base is not None:
            after.append(base)
    return tuple(after)


def _turned(pair: PairProxemics | None) -> PairProxemics | None:
    """The same with b before a."""
    if pair is None:
        return None
    rows = ("facing", "facing_deviation")
    turned: dict[str, Any] = {name: getattr(pair, name)[::-1] for name in rows}
    return replace(pair, person_a=pair.person_b, person_b=pair.person_a, **turned)


def check_found(found: Sequence[PairProxemics], people: int, count: int) -> None:
    """Raises EditError unless each is of two people of the clip and of so many frames."""
    for pair in found:
        if not 0 <= pair.person_a < pair.person_b < people:
            raise EditError("This fit's proxemics are of other people")
        for field in fields(pair):
            axis = FRAME_AXES.get(field.name)
            expected = None if axis is None else (2, count) if axis else (count,)
            if expected is not None and getattr(pair, field.name).shape != expected:
                raise EditError(
                    f"This fit is not whole: {field.name}",
                    expected=str(expected),
                    received=str(getattr(pair, field.name).shape),
                )
