"""Which detection is which person, decided over the whole clip at once.

The people are chosen in the frame that shows them best and most clearly apart. From there the
tracks run to both ends: the assignment of least cost over all frames (Viterbi) weighs continuity
of box and pose against the colours of body parts, with "not found" as a possible state. What a
frame did not show is remembered for half a second, so that a short gap does not lose the place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

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
_MAX_CANDIDATES = 8
_COLOR, _MOTION = 1.2, 1.5
_MISSING, _REMEMBERED, _LOSE_OR_FIND = 1.5, 0.9, 0.7
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


def assign(
    detections: Sequence[Detections],
    fps: float,
    person_count: int,
    drawn: Mapping[tuple[int, int], Box],
) -> Tracks:
    """Follow each person through the clip.

    `drawn` maps (person, frame) to a box that the track must pass through. Persons are numbered
    from left to right in the anchor frame unless boxes were drawn. Raises PeopleNotFoundError.
    """
    anchor = find_anchor(detections, person_count, drawn)
    candidates = _remember(detections, max(1, round(MEMORY_SECONDS * fps)))
    forced = _forced(detections, drawn)
    forced.update({(p, anchor.frame): d for p, d in enumerate(anchor.detections)})
    colors = np.stack([detections[anchor.frame].colors[d] for d in anchor.detections])
    assigned = _cheapest(detections, candidates, colors, forced)
    for _ in range(2):
        colors = _typical_colors(detections, assigned, colors)
        assigned = _cheapest(detections, candidates, colors, forced)
    return Tracks(assigned, colors)


def find_anchor(
    detections: Sequence[Detections],
    person_count: int,
    drawn: Mapping[tuple[int, int], Box],
) -> Anchor:
    """The clearest view of the most prominent, closest group of people."""
    if drawn:
        return _drawn_anchor(detections, person_count, drawn)
    most = max((len(d) for d in detections), default=0)
    if most < person_count:
        raise _not_found(detections, person_count, most)
    tallest = max(float(box_heights(d.boxes).max()) for d in detections if len(d))
    best: tuple[float, Anchor] = (-1.0, Anchor(0, ()))
    for frame, found in enumerate(detections):
        for group in combinations(range(min(len(found), _MAX_CANDIDATES)), person_count):
            value = _prominence(found, group, tallest)
            if value > best[0]:
                left_to_right = sorted(group, key=lambda i: found.boxes[i, 0] + found.boxes[i, 2])
                best = value, Anchor(frame, tuple(left_to_right))
    return best[1]


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


def _drawn_anchor(
    detections: Sequence[Detections],
    person_count: int,
    drawn: Mapping[tuple[int, int], Box],
) -> Anchor:
    """The frame with most drawn boxes; the people without one there are the most prominent rest."""
    frames = sorted({frame for _, frame in drawn})
    counts = [sum((p, f) in drawn for p in range(person_count)) for f in frames]
    forced = _forced(detections, drawn)
    tallest = max(float(box_heights(d.boxes).max()) for d in detections if len(d))
    best: tuple[float, Anchor] | None = None
    for frame, count in zip(frames, counts, strict=True):
        found = detections[frame]
        fixed = {p: forced[p, frame] for p in range(person_count) if (p, frame) in forced}
        rest = [i for i in range(len(found)) if i not in fixed.values()]
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


def _forced(
    detections: Sequence[Detections], drawn: Mapping[tuple[int, int], Box]
) -> dict[tuple[int, int], int]:
    """(person, frame) -> the detection that fits the drawn box best."""
    forced: dict[tuple[int, int], int] = {}
    for (person, frame), box in drawn.items():
        if 0 <= frame < len(detections) and len(detections[frame]):
            fits = [iou(np.asarray(box, float), other) for other in detections[frame].boxes]
            forced[person, frame] = int(np.argmax(fits))
    return forced


def _remember(detections: Sequence[Detections], memory: int) -> list[_Candidates]:
    """Each frame's detections, and those of earlier frames that nothing overlaps any more."""
    frames: list[_Candidates] = []
    kept: list[tuple[int, int]] = []
    for frame, found in enumerate(detections):
        still = [
            (f, d)
            for f, d in kept
            if frame - f <= memory
            and not any(
                _similarity(detections[f], d, found, other) > 0.35 for other in range(len(found))
            )
        ]
        current = [(frame, d) for d in range(min(len(found), _MAX_CANDIDATES))]
        source = (current + still)[: _MAX_CANDIDATES + 3]
        frames.append(_Candidates(tuple(source), tuple(frame - f for f, _ in source)))
        kept = source
    return frames


def _similarity(a: Detections, i: int, b: Detections, j: int) -> float:
    return 0.5 * iou(a.boxes[i], b.boxes[j]) + 0.5 * oks(a.keypoints[i], b.keypoints[j])


def _cheapest(
    detections: Sequence[Detections],
    candidates: Sequence[_Candidates],
    colors: Float[np.ndarray, "P 10 4"],
    forced: Mapping[tuple[int, int], int],
) -> Int[np.ndarray, "P F"]:
    """Viterbi over the joint state of all people; the last state of each axis is "not found"."""
    persons = len(colors)
    total = _state_costs(detections, candidates[0], colors, forced, 0)
    back: list[list[np.ndarray]] = []
    for frame in range(1, len(candidates)):
        step = _step_costs(detections, candidates[frame - 1], candidates[frame])
        pointers = []
        for person in range(persons):
            # (..., from, ...) + (from, to), least over `from`: one person moves at a time.
            moved = np.moveaxis(total, person, -1)[..., :, None] + step
            pointers.append(np.moveaxis(moved.argmin(axis=-2), -1, person).astype(np.int8))
            total = np.moveaxis(moved.min(axis=-2), -1, person)
        back.append(pointers)
        total = total + _state_costs(detections, candidates[frame], colors, forced, frame)
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


def _state_costs(
    detections: Sequence[Detections],
    options: _Candidates,
    colors: Float[np.ndarray, "P 10 4"],
    forced: Mapping[tuple[int, int], int],
    frame: int,
) -> np.ndarray:
    """Cost of each joint state of a frame, (C + 1,) * P."""
    persons, count = len(colors), len(options)
    single = np.full((persons, count + 1), _MISSING)
    for c, ((f, d), age) in enumerate(zip(options.source, options.age, strict=True)):
        found = detections[f]
        doubt = 1.0 - found.scores[d] if age == 0 else _REMEMBERED
        for p in range(persons):
            single[p, c] = doubt + _COLOR * color_distance(colors[p], found.colors[d])
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


def _step_costs(
    detections: Sequence[Detections], before: _Candidates, after: _Candidates
) -> Float[np.ndarray, "A B"]:
    """Cost for one person to go from each state of a frame to each of the next."""
    step = np.full((len(before) + 1, len(after) + 1), _LOSE_OR_FIND)
    step[-1, -1] = 0.0
    for i, source in enumerate(before.source):
        for j, target in enumerate(after.source):
            same = source == target
            alike = 1.0 if same else _similarity(
                detections[source[0]], source[1], detections[target[0]], target[1]
            )  # fmt: skip
            step[i, j] = _MOTION * (1.0 - alike)
    return step


def _typical_colors(
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
