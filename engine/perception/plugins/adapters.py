"""Between what plugins say and what perception works with. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, Int

from engine.perception.detection import Detections, box_heights, part_colors
from engine.perception.plugins.protocols import FoundPeople, Image

_COLOR_SIDE = 640.0
"""Longer side in pixels of the picture in which colours are compared."""
_BLANK, _NO_VIEWS = np.zeros((0, 10, 4)), np.zeros((0, 17, 3))


def detections_of(image: Image, found: FoundPeople) -> Detections:
    """What a checked detector found, best first, with the colours that tracking compares.

    People who came without keypoints have none (NaN, confidence 0), no colours and no variants.
    """
    order = np.argsort(-found.scores, kind="stable")
    points = np.full((len(found), 17, 3), np.nan) if found.keypoints is None else found.keypoints
    points = points[order].copy()
    points[..., 2] = np.nan_to_num(points[..., 2])
    scale = min(1.0, _COLOR_SIDE / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    lab = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB))
    shrink = (lab.shape[1] / image.shape[1], lab.shape[0] / image.shape[0], 1.0)
    return Detections(
        keypoints=points,
        boxes=found.boxes[order],
        scores=found.scores[order],
        colors=np.stack([part_colors(lab, p * shrink) for p in points]) if len(points) else _BLANK,
        variants=tuple(p[None] if np.isfinite(p[:, 0]).any() else _NO_VIEWS for p in points),
    )


def found_people(detections: Detections) -> FoundPeople:
    """Detections as a tracker plugin is given them."""
    return FoundPeople(detections.boxes, detections.scores, detections.keypoints)


def people_of_tracks(
    tracks: Sequence[Int[np.ndarray, "_"]], found: Sequence[FoundPeople], count: int
) -> Int[np.ndarray, "P F"]:
    """The detection of each person in each frame, -1 where there is none, by a tracker's word.

    The people are the `count` most prominent tracks (height times score, summed over frames), from
    left to right where most of them are first seen together. A further track goes on with a person
    who has none in any of its frames, the one who was last seen nearest to where it begins:
    trackers give people whom they lost a new number. Fewer rows where there are fewer tracks.
    """
    rows = _rows(tracks, len(found))
    ranked = sorted(rows, key=lambda track: -_prominence(rows[track], found))
    chosen = [rows[track] for track in ranked[:count]]
    for track in sorted(ranked[count:], key=lambda track: int(np.argmax(rows[track] >= 0))):
        free = [row for row in chosen if not ((row >= 0) & (rows[track] >= 0)).any()]
        near = [row for row in free if _gap(row, rows[track], found) < 1.0]
        if near:
            row = min(near, key=lambda row: _gap(row, rows[track], found))
            row[:] = np.where(rows[track] >= 0, rows[track], row)
    if not chosen:
        return np.zeros((0, len(found)), np.int64)
    together = int(np.sum([row >= 0 for row in chosen], axis=0).argmax())
    places = [_left(row, found, together) for row in chosen]
    return np.stack([chosen[index] for index in np.argsort(places, kind="stable")])


def _rows(tracks: Sequence[np.ndarray], frames: int) -> dict[int, np.ndarray]:
    """Of each track its detection in each frame, -1 where there is none."""
    rows: dict[int, np.ndarray] = {}
    for frame, ids in enumerate(tracks):
        for detection, track in enumerate(ids.tolist()):
            if track >= 0:
                rows.setdefault(track, np.full(frames, -1))[frame] = detection
    return rows


def _prominence(row: np.ndarray, found: Sequence[FoundPeople]) -> float:
    total = 0.0
    for frame in np.flatnonzero(row >= 0).tolist():
        people, index = found[frame], row[frame]
        total += float(box_heights(people.boxes[[index]])[0] * people.scores[index])
    return total


def _gap(before: np.ndarray, after: np.ndarray, found: Sequence[FoundPeople]) -> float:
    """How far a track begins from where a person was nearest in time, in heights of the person."""
    start = int(np.argmax(after >= 0))
    seen = np.flatnonzero(before >= 0)
    last = int(seen[np.abs(seen - start).argmin()])
    a, b = found[last].boxes[before[last]], found[start].boxes[after[start]]
    apart = np.linalg.norm((a[:2] + a[2:] - b[:2] - b[2:]) / 2)
    return float(apart / box_heights(a[None])[0])


def _left(row: np.ndarray, found: Sequence[FoundPeople], frame: int) -> float:
    """Middle of the person in a frame, or in the nearest one in which the person is."""
    seen = np.flatnonzero(row >= 0)
    frame = int(seen[np.abs(seen - frame).argmin()])
    box: Float[np.ndarray, "4"] = found[frame].boxes[row[frame]]
    return float(box[0] + box[2])
