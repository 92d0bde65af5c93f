"""Which detection is which person, decided over the whole clip at once.

The people are chosen in the frame that shows them best and most clearly apart. From there the
tracks run to both ends: the assignment of least cost over all frames (Viterbi) weighs continuity
of box and pose against the colours of body parts, with "not found" as a possible state. What a
frame did not show is remembered for half a second, so that a short gap does not lose the place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise, permutations

import numpy as np
from jaxtyping import Float, Int

from engine.perception.detection import (
    Detections,
    box_heights,
    color_distance,
    iou,
    oks,
)
from engine.perception.request import PeopleNotFoundError
from engine.structures import Box

MEMORY_SECONDS = 0.5
"""How long a person who was not detected is remembered at the last place."""
HELD_SECONDS = 0.75
"""Between two frames at most this far apart in which a person is said to be, nothing overrules it.
Exchanged people are pinned about every half second."""
_MAX_CANDIDATES = 8
_COLOR, _MOTION = 2.0, 1.5
_MISSING, _REMEMBERED, _LOSE_OR_FIND = 1.75, 0.9, 0.7
_STRANGER = 4.0
"""Cost of taking for one of the people somebody who was said to be somebody else."""
_TOGETHER = 3
"""So many people are searched for at once."""
_APART_IOU = 0.3
_FORBIDDEN = 1e6


@dataclass(frozen=True)
class Anchor:
    """The frame that shows the people best, and the detection of each of them there."""

    frame: int
    detections: tuple[int, ...]


@dataclass(frozen=True)
class Tracks:
    """Who is which detection, and what each person looks like."""

    detections: Int[np.ndarray, "P F"]
    """Index of each person's detection in each frame, -1 where the person was not found."""
    colors: Float[np.ndarray, "P 10 4"]
    """Typical colours of the person's body parts, as in `Detections.colors`."""


@dataclass(frozen=True)
class _Candidates:
    """What a person may be in a frame: a detection, or a remembered one."""

    source: tuple[tuple[int, int], ...]
    """(frame, detection) that each came from."""
    age: tuple[int, ...]
    """Frames since then; 0 is a detection of this very frame."""

    def __len__(self) -> int:
        return len(self.age)


@dataclass(frozen=True)
class Known:
    """What people said, and what the picture says, of a clip's detections."""

    drawn: Mapping[tuple[int, int], Box] = field(default_factory=dict)
    """(person, frame) -> a box that the person's track must pass through."""
    strangers: Set[tuple[int, int]] = frozenset()
    """(frame, detection) of somebody whom the clip is not about."""
    cuts: frozenset[int] = frozenset()
    """Frames that nothing is continuous into."""
    tracklets: Sequence[Sequence[tuple[int, int]]] = ()
    """Chains of (frame, detection) that are surely one person each, whoever it is."""


def assign(
    detections: Sequence[Detections], fps: float, person_count: int, known: Known | None = None
) -> Tracks:
    """Follow each person through the clip.

    Persons are numbered from left to right in the anchor frame unless boxes were drawn. Raises
    PeopleNotFoundError.
    """
    known = known or Known()
    anchor = find_anchor(detections, person_count, known)
    spoken = spoken_for(detections, known.drawn)
    forced = held_between(spoken, known.tracklets, HELD_SECONDS * fps)
    forced.update({(p, anchor.frame): d for p, d in enumerate(anchor.detections)})
    memory = max(1, round(MEMORY_SECONDS * fps))
    candidates = _remember(detections, memory, known.cuts, set(forced.items()))
    colors = np.stack([detections[anchor.frame].colors[d] for d in anchor.detections])
    search = _Search(detections, candidates, forced, known)
    assigned = search.cheapest(colors)
    for _ in range(2):
        colors = typical_colors(detections, assigned, colors)
        others = known.strangers | _seen_beside(assigned, known.tracklets)
        search = replace(search, known=replace(known, strangers=others))
        assigned = search.cheapest(colors)
    return Tracks(assigned, colors)


def _seen_beside(
    assigned: Int[np.ndarray, "P F"], tracklets: Sequence[Sequence[tuple[int, int]]]
) -> set[tuple[int, int]]:
    """Detections of those who stand in for a person in some frames and are beside him in more."""
    beside: set[tuple[int, int]] = set()
    for tracklet in tracklets:
        frames, found = (np.array(column) for column in zip(*tracklet, strict=True))
        given = assigned[:, frames]
        taken = given == found
        owner = int(taken.sum(axis=1).argmax())
        elsewhere = (given[owner] >= 0) & ~taken.any(axis=0)
        if 0 < taken[owner].sum() < elsewhere.sum():
            beside.update(tracklet)
    return beside


def find_anchor(
    detections: Sequence[Detections], person_count: int, known: Known | None = None
) -> Anchor:
    """The clearest view of the most prominent, closest group of people."""
    known = known or Known()
    if known.drawn:
        return _drawn_anchor(detections, person_count, known)
    ours = [_eligible(found, frame, known) for frame, found in enumerate(detections)]
    most = max((len(d) for d in ours), default=0)
    if most < person_count:
        raise _not_found(detections, person_count, most)
    tallest = max(float(box_heights(d.boxes).max()) for d in detections if len(d))
    best: tuple[float, Anchor] = (-1.0, Anchor(0, ()))
    for frame, found in enumerate(detections):
        for group in combinations(ours[frame], person_count):
            value = _prominence(found, group, tallest)
            if value > best[0]:
                left_to_right = sorted(group, key=lambda i: found.boxes[i, 0] + found.boxes[i, 2])
                best = value, Anchor(frame, tuple(left_to_right))
    return best[1]


def _eligible(found: Detections, frame: int, known: Known) -> list[int]:
    """Those of a frame who are followed and who are not strangers."""
    followed = range(min(len(found), _MAX_CANDIDATES))
    return [d for d in followed if (frame, d) not in known.strangers]


def _prominence(found: Detections, group: Sequence[int], tallest: float) -> float:
    """Large, sure, close to one another, yet not one in front of the other."""
    members = list(group)
    heights = box_heights(found.boxes[members]) / tallest
    value = float(np.prod(found.scores[members]) * np.prod(heights))
    for a, b in combinations(members, 2):
        box_a, box_b = found.boxes[a], found.boxes[b]
        gap = max(box_a[0] - box_b[2], box_b[0] - box_a[2], 0.0)
        value *= np.exp(-gap / float(box_heights(found.boxes[[a, b]]).mean()))
        value *= 1.0 - 0.7 * iou(box_a, box_b)
    return float(value)


def _drawn_anchor(detections: Sequence[Detections], person_count: int, known: Known) -> Anchor:
    """The frame with most drawn boxes; the people without one there are the most prominent rest."""
    drawn = known.drawn
    frames = sorted({frame for _, frame in drawn})
    counts = [sum((p, f) in drawn for p in range(person_count)) for f in frames]
    forced = spoken_for(detections, drawn)
    tallest = max(float(box_heights(d.boxes).max()) for d in detections if len(d))
    best: tuple[float, Anchor] | None = None
    for frame, count in zip(frames, counts, strict=True):
        found = detections[frame]
        fixed = {p: forced[p, frame] for p in range(person_count) if (p, frame) in forced}
        rest = [i for i in _eligible(found, frame, known) if i not in fixed.values()]
        for others in permutations(rest, person_count - len(fixed)):
            left_over = sorted(others, key=lambda i: found.boxes[i, 0])
            members = tuple(
                fixed[p] if p in fixed else left_over.pop(0) for p in range(person_count)
            )
            value = count + _prominence(found, members, tallest)
            if best is None or value > best[0]:
                best = value, Anchor(frame, members)
    if best is None:
        missing = [p for p in range(person_count) if all((p, f) not in drawn for f in frames)]
        raise PeopleNotFoundError(
            f"Person {missing[0] + 1 if missing else 1} was not found beside the drawn box",
            advice="Draw a box around each person in the same frame and detect again.",
        )
    return best[1]


def _not_found(
    detections: Sequence[Detections], person_count: int, most: int
) -> PeopleNotFoundError:
    frames = len(detections)
    if most == 0:
        return PeopleNotFoundError(
            f"Nobody was found in the {frames} frames looked at",
            expected=f"{person_count} people",
            received="none",
            advice="If they are there, draw a box around each in one frame and detect again.",
        )
    seen = [frame for frame, found in enumerate(detections) if len(found)]
    return PeopleNotFoundError(
        f"Only {most} of {person_count} people {'was' if most == 1 else 'were'} found"
        f" (first in frame {seen[0]}), person {most + 1} in no frame",
        advice="Draw a box around each person in one frame and detect again.",
    )


def spoken_for(
    detections: Sequence[Detections], drawn: Mapping[tuple[int, int], Box]
) -> dict[tuple[int, int], int]:
    """(person, frame) -> the detection that fits the person's drawn box best."""
    forced: dict[tuple[int, int], int] = {}
    for (person, frame), box in drawn.items():
        if 0 <= frame < len(detections) and len(detections[frame]):
            fits = [iou(np.asarray(box, float), other) for other in detections[frame].boxes]
            forced[person, frame] = int(np.argmax(fits))
    return forced


def held_between(
    spoken: Mapping[tuple[int, int], int],
    tracklets: Sequence[Sequence[tuple[int, int]]],
    most_frames: float,
) -> dict[tuple[int, int], int]:
    """`spoken`, and what is surely the same person until the next frame where that is said again.

    Without it looks would undo, between the frames that speak, what people said of who is who.
    """
    chain = {member: tracklet for tracklet in tracklets for member in tracklet}
    held = dict(spoken)
    for (person, start), (other, stop) in pairwise(sorted(spoken)):
        if person != other or stop - start > most_frames:
            continue
        ends = (start, spoken[person, start]), (stop, spoken[person, stop])
        one, two = (chain.get(end, [end]) for end in ends)
        if one is two or (one[-1][0] < stop and two[0][0] > start):
            between = [(at, d) for at, d in (*one, *two) if start < at < stop]
            for at, detection in between:
                held.setdefault((person, at), detection)
    taken = Counter((frame, detection) for (_, frame), detection in held.items())
    return {
        place: detection
        for place, detection in held.items()
        if place in spoken or taken[place[1], detection] == 1
    }


def _remember(
    detections: Sequence[Detections],
    memory: int,
    cuts: Set[int],
    forced: Set[tuple[tuple[int, int], int]],
) -> list[_Candidates]:
    """Each frame's detections, and those of earlier frames that nothing overlaps any more."""
    frames: list[_Candidates] = []
    kept: list[tuple[int, int]] = []
    chosen: dict[int, set[int]] = {}
    for (_, frame), detection in forced:
        chosen.setdefault(frame, set()).add(detection)
    for frame, found in enumerate(detections):
        if frame in cuts:
            kept = []
        still = [
            (f, d)
            for f, d in kept
            if frame - f <= memory
            and not any(
                similarity(detections[f], d, found, other) > 0.35 for other in range(len(found))
            )
        ]
        first = set(range(min(len(found), _MAX_CANDIDATES)))
        current = [(frame, d) for d in sorted(first | chosen.get(frame, set()))]
        source = (current + still)[: max(len(current), _MAX_CANDIDATES + 3)]
        frames.append(_Candidates(tuple(source), tuple(frame - f for f, _ in source)))
        kept = source
    return frames


def similarity(a: Detections, i: int, b: Detections, j: int) -> float:
    """How alike two detections are in place and pose, 0..1."""
    return 0.5 * iou(a.boxes[i], b.boxes[j]) + 0.5 * oks(a.keypoints[i], b.keypoints[j])


@dataclass(frozen=True)
class _Search:
    """Viterbi over the joint state of all people; the last state of each axis is "not found"."""

    detections: Sequence[Detections]
    candidates: Sequence[_Candidates]
    forced: Mapping[tuple[int, int], int]
    known: Known
    taken: Set[tuple[int, int]] = frozenset()
    """(frame, detection) of people who are not searched for."""

    def cheapest(self, colors: Float[np.ndarray, "P 10 4"]) -> Int[np.ndarray, "P F"]:
        """Which detection each person is in each frame, -1 for none."""
        if len(colors) <= _TOGETHER:
            return self._together(colors)
        return self._by_turns(colors)

    def _by_turns(self, colors: Float[np.ndarray, "P 10 4"]) -> Int[np.ndarray, "P F"]:
        """One person after the other, twice; the joint states of many would be too many."""
        assigned = np.full((len(colors), len(self.candidates)), -1)
        for person in [*range(len(colors))] * 2:
            others = [row for other, row in enumerate(assigned) if other != person]
            taken = {(f, int(d)) for row in others for f, d in enumerate(row) if d >= 0}
            taken |= {(f, d) for (p, f), d in self.forced.items() if p != person}
            mine = {(0, f): d for (p, f), d in self.forced.items() if p == person}
            alone = replace(self, forced=mine, taken=taken)
            assigned[person] = alone._together(colors[[person]])[0]
        return assigned

    def _together(self, colors: Float[np.ndarray, "P 10 4"]) -> Int[np.ndarray, "P F"]:
        persons, candidates = len(colors), self.candidates
        total = self._state_costs(colors, 0)
        back: list[list[np.ndarray]] = []
        for frame in range(1, len(candidates)):
            step = self._step_costs(frame)
            pointers = []
            for person in range(persons):
                # (..., from, ...) + (from, to), least over `from`: one person moves at a time.
                moved = np.moveaxis(total, person, -1)[..., :, None] + step
                pointers.append(np.moveaxis(moved.argmin(axis=-2), -1, person).astype(np.int8))
                total = np.moveaxis(moved.min(axis=-2), -1, person)
            back.append(pointers)
            total = total + self._state_costs(colors, frame)
            total -= total.min()
        state = list(np.unravel_index(int(total.argmin()), total.shape))
        assigned = np.full((persons, len(candidates)), -1)
        for frame in range(len(candidates) - 1, -1, -1):
            options = candidates[frame]
            for person in range(persons):
                choice = int(state[person])
                if choice < len(options) and options.age[choice] == 0:
                    assigned[person, frame] = options.source[choice][1]
            if frame:
                for person in reversed(range(persons)):
                    state[person] = back[frame - 1][person][tuple(state)]
        return assigned

    def _state_costs(self, colors: Float[np.ndarray, "P 10 4"], frame: int) -> np.ndarray:
        """Cost of each joint state of a frame, (C + 1,) * P."""
        options, forced = self.candidates[frame], self.forced
        persons, count = len(colors), len(options)
        single = np.full((persons, count + 1), _MISSING)
        for c, (source, age) in enumerate(zip(options.source, options.age, strict=True)):
            found, index = self.detections[source[0]], source[1]
            doubt = 1.0 - found.scores[index] if age == 0 else _REMEMBERED
            doubt += _STRANGER * (source in self.known.strangers)
            doubt += _FORBIDDEN * (source in self.taken)
            for p in range(persons):
                single[p, c] = doubt + _COLOR * color_distance(colors[p], found.colors[index])
        for p in range(persons):
            if (p, frame) in forced:
                single[p] += _FORBIDDEN
                single[p, options.source.index((frame, forced[p, frame]))] = 0.0
        total = single[0]
        for p in range(1, persons):
            total = total[..., None] + single[p]
        for a, b in combinations(range(persons), 2):
            same = [slice(None)] * persons
            for c in range(count):
                same[a] = same[b] = slice(c, c + 1)
                total[tuple(same)] += _FORBIDDEN
        return np.asarray(total)

    def _step_costs(self, frame: int) -> Float[np.ndarray, "A B"]:
        before, after = self.candidates[frame - 1], self.candidates[frame]
        if frame in self.known.cuts:
            return np.zeros((len(before) + 1, len(after) + 1))
        return _step_costs(self.detections, before, after)


def _step_costs(
    detections: Sequence[Detections], before: _Candidates, after: _Candidates
) -> Float[np.ndarray, "A B"]:
    """Cost for one person to go from each state of a frame to each of the next."""
    step = np.full((len(before) + 1, len(after) + 1), _LOSE_OR_FIND)
    step[-1, -1] = 0.0
    for i, source in enumerate(before.source):
        for j, target in enumerate(after.source):
            same = source == target
            alike = 1.0 if same else similarity(
                detections[source[0]], source[1], detections[target[0]], target[1]
            )  # fmt: skip
            step[i, j] = _MOTION * (1.0 - alike)
    return step


def typical_colors(
    detections: Sequence[Detections],
    assigned: Int[np.ndarray, "P F"],
    before: Float[np.ndarray, "P 10 4"],
) -> Float[np.ndarray, "P 10 4"]:
    """Median colours of each person over the frames where nobody else is close."""
    colors = before.copy()
    for person, row in enumerate(assigned):
        seen = [
            detections[f].colors[d]
            for f, d in enumerate(row.tolist())
            if d >= 0 and _is_apart(detections[f], d)
        ]
        stack = np.stack(seen) if seen else np.zeros((0, *before.shape[1:]))
        for part in range(before.shape[1]):
            sure = stack[stack[:, part, 3] > 0.3, part] if len(stack) else stack
            if len(sure) >= 5:
                colors[person, part] = np.median(sure, axis=0)
    return colors


def _is_apart(found: Detections, index: int) -> bool:
    return all(
        iou(found.boxes[index], found.boxes[other]) < _APART_IOU
        for other in range(len(found))
        if other != index
    )
