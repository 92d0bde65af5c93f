"""Which tracks of a file are the clip's people.

Trackers lose people where they touch and find them again under another id. A track that begins
within half a second of another's end, where that one ended, is taken for the same person, and it
is said. The clip's people are then the most prominent; the user's own choice goes before all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from annotations.importers.imported import Imported, ImportOptions
from annotations.importers.linking import overlaps
from annotations.importers.values import refusal

Group = tuple[int, ...]
"""Indices of tracks that are one person, in the order of time."""
OTHERS_LIMIT = 24
"""Tracks of other people that are kept; the rest are the shortest."""
SHORTEST_SECONDS = 0.2
"""Of another person's track, to be shown at all."""
JOINED_LIMIT = 500
"""Most prominent tracks that are looked at for being one person; a file may have thousands."""
GAP_SECONDS = 0.5
SAME_PLACE = 0.4
"""Intersection over union of the boxes on both sides of a gap in one person's tracks."""


def with_people(found: Imported, options: ImportOptions, named: bool) -> Imported:
    """The people whom the user named, else the most prominent; `named`: the file has track ids."""
    if options.people:
        return _with_shown_others(found.with_people(options.people))
    groups = _joined(found)
    groups.sort(key=lambda group: -sum(found.tracks[i].prominence for i in group))
    count = options.person_count
    if len(groups) < count:
        raise refusal(
            found.source, "the number of people", f"{count} people", f"{len(groups)}",
            f"All {count} have to be in the file.",
        )  # fmt: skip
    chosen = groups[:count]
    boxes = [_boxes(found, group) for group in chosen]
    if options.known_boxes is not None and len(options.known_boxes) == count:
        order = _as_known(boxes, options.known_boxes)
    elif named:
        order = sorted(range(count), key=lambda i: _natural(found.tracks[chosen[i][0]].name))
    else:
        order = _left_to_right(boxes)
    people = tuple(chosen[i] for i in order)
    notes = [
        f"Tracks {' and '.join(found.tracks[i].name for i in group)} follow one another in the "
        f"same place: they are taken for one person."
        for group in people
        if len(group) > 1
    ]
    return _with_shown_others(replace(found, people=people, notes=(*found.notes, *notes)))


def _joined(found: Imported) -> list[Group]:
    """All tracks, those that go on where another ends in one group with it."""
    gap = max(1, round(GAP_SECONDS * found.video.fps))
    tracks = found.tracks[:JOINED_LIMIT]
    cost = np.ones((len(tracks), len(tracks)))
    starts = np.array([track.frames[0] for track in tracks])
    first = np.stack([track.boxes[0] for track in tracks])
    for row, track in enumerate(tracks):
        after = starts - track.frames[-1]
        near = (after > 0) & (after <= gap)
        if near.any():
            cost[row, near] = 1 - overlaps(track.boxes[-1], first[near])
    following = {
        int(row): int(column)
        for row, column in zip(*linear_sum_assignment(cost), strict=True)
        if cost[row, column] <= 1 - SAME_PLACE
    }
    groups = []
    for index in sorted(set(range(len(found.tracks))) - set(following.values())):
        group = [index]
        while group[-1] in following:
            group.append(following[group[-1]])
        groups.append(tuple(group))
    return groups


def _boxes(found: Imported, group: Group) -> Float[np.ndarray, "F 4"]:
    """A person's box in each frame of the clip, NaN where there is none."""
    boxes = np.full((found.video.frame_count, 4), np.nan)
    for index in group:
        boxes[found.tracks[index].frames] = found.tracks[index].boxes
    return boxes


def _natural(name: str) -> tuple[bool, int, str]:
    digits = name.lstrip("#")
    return (False, int(digits), "") if digits.isdecimal() else (True, 0, name)


def _left_to_right(boxes: Sequence[Float[np.ndarray, "F 4"]]) -> list[int]:
    """In the frame where the people are furthest apart of those that show them all."""
    middles = np.stack([each[:, [0, 2]].mean(axis=1) for each in boxes])
    shared = np.flatnonzero(np.isfinite(middles).all(axis=0))
    if not len(shared):
        return list(range(len(boxes)))
    widest = shared[np.ptp(middles[:, shared], axis=0).argmax()]
    return [int(i) for i in np.argsort(middles[:, widest], kind="stable")]


def _as_known(
    boxes: Sequence[Float[np.ndarray, "F 4"]], known: Float[np.ndarray, "P F 4"]
) -> list[int]:
    """In the order of the clip's people, by overlap of their boxes."""
    overlap = np.array([[_shared(a, b) for b in boxes] for a in known])
    if not overlap.any():
        return list(range(len(boxes)))
    return [int(column) for column in linear_sum_assignment(-overlap)[1]]


def _shared(a: Float[np.ndarray, "F 4"], b: Float[np.ndarray, "F 4"]) -> float:
    """Sum over the frames of intersection over union."""
    size = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None)
    both = size.prod(axis=1)
    either = sum((each[:, 2:] - each[:, :2]).prod(axis=1) for each in (a, b)) - both
    return float(np.nansum(both / np.maximum(either, 1e-9)))


def _with_shown_others(found: Imported) -> Imported:
    """Leaves out what is too short, or too much, to be shown as other people."""
    shortest = max(2, round(SHORTEST_SECONDS * found.video.fps))
    left = [i for i in found.other_tracks if len(found.tracks[i].frames) < shortest]
    rest = [i for i in found.other_tracks if i not in left]
    left += rest[OTHERS_LIMIT:]
    if not left:
        return found
    frames = max(len(found.tracks[i].frames) for i in left)
    note = f"{len(left)} short tracks of other people (up to {frames} frames) are left out."
    return replace(found, left_out=tuple(sorted(left)), notes=(*found.notes, note))
