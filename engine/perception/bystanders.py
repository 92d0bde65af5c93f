"""People in view whom the clip is not about: linked from frame to frame, to be shown and chosen."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from engine.body.joints import HALPE26
from engine.perception.detection import Detections, box_heights, color_distance, iou
from engine.perception.keypoints import NO_LOOKS, halpe26
from engine.perception.tracking import similarity
from engine.structures import BoxEdit

MOST = 12
"""So many other people are told at most, the most prominent ones."""
_LINK_SECONDS = 1.2
"""Somebody is followed across so long a time without being seen."""
_FILL_SECONDS = 0.7
"""Between sightings that are closer than this a bystander is drawn where they lead."""
_FILLED_CONFIDENCE = 0.3
_SHORT_SECONDS = 0.25
"""Who is seen for less than this is not told, except in a clip that is shorter still."""
_SMALL = 0.25
"""Nor who is smaller than this share of the people of the clip."""
_SAME = 0.4
"""A mark means the detection that overlaps it this much."""

Tracklet = list[tuple[int, int]]
"""(frame, detection), in order of frames."""
Row = list[Tracklet]
"""Tracklets one after another; between them nothing is known."""


def link(detections: Sequence[Detections], fps: float, cuts: Set[int]) -> list[Tracklet]:
    """Chains of detections of one person each, as far as place, pose and colours carry."""
    done: list[Tracklet] = []
    active: list[Tracklet] = []
    reach = max(1, round(_LINK_SECONDS * fps))
    for frame, found in enumerate(detections):
        fresh = frame in cuts
        ended = [t for t in active if fresh or frame - t[-1][0] > reach]
        done += ended
        active = [t for t in active if t not in ended]
        taken = _continue(active, detections, frame)
        active += [[(frame, d)] for d in range(len(found)) if d not in taken]
    return done + active


def _continue(active: list[Tracklet], detections: Sequence[Detections], frame: int) -> set[int]:
    """Append the frame's detections to the tracklets that they go on with."""
    found = detections[frame]
    if not active or not len(found):
        return set()
    cost = np.full((len(active), len(found)), 9.0)
    for row, tracklet in enumerate(active):
        before, index = detections[tracklet[-1][0]], tracklet[-1][1]
        for column in range(len(found)):
            alike = similarity(before, index, found, column)
            other = color_distance(before.colors[index], found.colors[column])
            if alike > 0.2 and other < 0.8:
                cost[row, column] = 1.0 - alike + 0.5 * other
    rows, columns = linear_sum_assignment(cost)
    taken = set()
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if cost[row, column] < 9.0:
            active[row].append((frame, column))
            taken.add(column)
    return taken


def meant(
    marks: Sequence[BoxEdit],
    detections: Sequence[Detections],
    tracklets: Sequence[Tracklet],
    people: Set[tuple[int, int]] = frozenset(),
) -> set[tuple[int, int]]:
    """(frame, detection) of everybody whom the marks mean, in all frames of their tracklets.

    Never one of `people`, who were said to be the clip's: who embraces somebody shares most of a
    box with them. Nor does a mark reach beyond one.
    """
    owner = {
        member: part
        for tracklet in tracklets
        for part in _without(tracklet, people)
        for member in part
    }
    result: set[tuple[int, int]] = set()
    for mark in marks:
        found = detections[mark.frame].boxes if 0 <= mark.frame < len(detections) else ()
        fits = {
            (mark.frame, d): iou(np.asarray(mark.box, float), box) for d, box in enumerate(found)
        }
        best = max(fits.keys() - people, key=lambda member: (fits[member], member), default=None)
        if best is not None and fits[best] > _SAME:
            result.update(owner[best])
    return result


@dataclass(frozen=True)
class Bystanders:
    """Q other people over F frames, in pixels of the frames that they were found in."""

    keypoints: Float[np.ndarray, "Q F 26 3"]
    boxes: Float[np.ndarray, "Q F 4"]


def rows_beside(
    detections: Sequence[Detections],
    tracklets: Sequence[Tracklet],
    people: Int[np.ndarray, "P F"],
    fps: float,
    searched: Set[int] = frozenset(),
) -> list[Row]:
    """Whoever was found beside the people of the clip, the most prominent first.

    Who was found in fewer than half of the `searched` frames of the time is left out.
    """
    mine = {(f, int(d)) for row in people for f, d in enumerate(row) if d >= 0}
    ours = [box_heights(detections[f].boxes[[d]])[0] for f, d in mine]
    height = _SMALL * float(np.median(ours)) if ours else 0.0
    shortest = min(max(1, round(_SHORT_SECONDS * fps)), len(detections))
    rest = [parts for tracklet in tracklets if (parts := _without(tracklet, mine))]
    rest = [p for p in rest if _span(p) >= shortest and _height(p, detections) >= height]
    rest = [p for p in rest if _found_share(p, searched) >= 0.5]
    rest.sort(key=lambda parts: -_span(parts) * _height(parts, detections))
    rows: list[Row] = []
    for parts in rest:
        row = _free_row(rows, parts)
        if row is not None:
            row.extend(parts)
            row.sort()
        elif len(rows) < MOST:
            rows.append(parts)
    return rows


def _without(tracklet: Tracklet, mine: Set[tuple[int, int]]) -> Row:
    """The parts of a tracklet in which it is none of the people."""
    parts: Row = [[]]
    for member in tracklet:
        if member in mine:
            parts.append([])
        else:
            parts[-1].append(member)
    return [part for part in parts if part]


def _span(row: Row) -> int:
    return row[-1][-1][0] - row[0][0][0] + 1


def _found_share(row: Row, searched: Set[int]) -> float:
    """Of the frames that were searched whole while somebody was about, in how many he was found."""
    members = {frame for part in row for frame, _ in part}
    looked = searched & set(range(min(members), max(members) + 1))
    return len(looked & members) / len(looked) if looked else 1.0


def _height(row: Row, detections: Sequence[Detections]) -> float:
    members = [member for part in row for member in part]
    return float(np.median([box_heights(detections[f].boxes[[d]])[0] for f, d in members]))


def _free_row(rows: Sequence[Row], parts: Row) -> Row | None:
    """A row that has nobody at that time; used only where no more rows may be begun."""
    if len(rows) < MOST:
        return None
    for row in rows:
        if row[-1][-1][0] < parts[0][0][0] or parts[-1][-1][0] < row[0][0][0]:
            return row
    return None


def bystanders(
    rows: Sequence[Row], detections: Sequence[Detections], fps: float, searched: Set[int]
) -> Bystanders:
    """Their joints as the detector saw them; between close sightings, where these lead.

    `searched` are the frames that were searched whole: who was not found there is not there.
    """
    gap = max(1, round(_FILL_SECONDS * fps))
    frames = len(detections)
    keypoints = np.full((len(rows), frames, len(HALPE26), 3), np.nan)
    keypoints[..., 2] = 0.0
    boxes = np.full((len(rows), frames, 4), np.nan)
    for index, part in ((index, part) for index, row in enumerate(rows) for part in row):
        for frame, d in part:
            found = detections[frame]
            size = float(box_heights(found.boxes[[d]])[0])
            keypoints[index, frame] = halpe26(found.keypoints[d], NO_LOOKS, size)
            boxes[index, frame] = found.boxes[d]
        for (a, _), (b, _) in pairwise(part):
            if b - a > gap or not searched.isdisjoint(range(a + 1, b)):
                continue
            for frame in range(a + 1, b):
                share = (frame - a) / (b - a)
                between = (1 - share) * keypoints[index, a] + share * keypoints[index, b]
                between[:, 2] = np.minimum(np.nan_to_num(between[:, 2]), _FILLED_CONFIDENCE)
                keypoints[index, frame] = between
                boxes[index, frame] = (1 - share) * boxes[index, a] + share * boxes[index, b]
    lost = ~np.isfinite(keypoints[..., :2]).all(axis=-1)
    keypoints[lost] = (np.nan, np.nan, 0.0)
    return Bystanders(keypoints, boxes)
