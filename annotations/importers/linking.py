"""Who is who from frame to frame, where a file does not say: boxes and joints only, no pictures.

Each frame's people are assigned to the tracks of the last half second at the least total cost
(Hungarian), by overlap of boxes and likeness of poses after moving on at the last speed. Without
colours two people who embrace can be mistaken for each other; the curator swaps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

MEMORY_SECONDS = 0.5
_MOST_COST = 0.85
"""A pair that is less alike than 0.15 is two people."""
_SPREAD = 0.08
"""Distance of two joints, in body heights, at which they are as like as not (e^-1/2)."""


@dataclass
class _Track:
    id: int
    last: int
    box: Float[np.ndarray, "4"]
    points: Float[np.ndarray, "K 2"] | None
    velocity: Float[np.ndarray, "2"] = field(default_factory=lambda: np.zeros(2))
    """Pixels per frame."""


def link(
    boxes: Sequence[Float[np.ndarray, "_ 4"]],
    points: Sequence[Float[np.ndarray, "_ K 2"] | None],
    fps: float,
) -> list[list[int]]:
    """A track number for each box of each frame. Numbers count up as tracks appear."""
    memory = max(1, round(MEMORY_SECONDS * fps))
    alive: list[_Track] = []
    count = 0
    numbers: list[list[int]] = []
    for frame, found in enumerate(boxes):
        alive = [track for track in alive if frame - track.last <= memory]
        poses = points[frame]
        assigned = _assigned(alive, found, poses, frame)
        row = []
        for index, box in enumerate(found):
            pose = None if poses is None else poses[index]
            track = assigned.get(index)
            if track is None:
                track = _Track(count, frame, box, pose)
                alive.append(track)
                count += 1
            else:
                _advance(track, frame, box, pose)
            row.append(track.id)
        numbers.append(row)
    return numbers


def _assigned(
    alive: Sequence[_Track],
    found: Float[np.ndarray, "N 4"],
    poses: Float[np.ndarray, "N K 2"] | None,
    frame: int,
) -> dict[int, _Track]:
    if not alive or not len(found):
        return {}
    cost = np.ones((len(alive), len(found)))
    for row, track in enumerate(alive):
        moved = track.velocity * (frame - track.last)
        box = track.box + np.tile(moved, 2)
        likeness = overlaps(box, found)
        if track.points is not None and poses is not None:
            alike = _pose_likeness(track.points + moved, poses, box)
            likeness = np.where(np.isnan(alike), likeness, 0.5 * likeness + 0.5 * alike)
        # Who was seen a moment ago goes before who was lost for a while.
        cost[row] = 1.0 - likeness + 0.01 * (frame - track.last - 1)
    rows, columns = linear_sum_assignment(cost)
    return {
        int(column): alive[row]
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        if cost[row, column] <= _MOST_COST
    }


def _advance(
    track: _Track, frame: int, box: Float[np.ndarray, "4"], pose: Float[np.ndarray, "K 2"] | None
) -> None:
    step = (box[:2] + box[2:] - track.box[:2] - track.box[2:]) / 2 / max(1, frame - track.last)
    track.velocity = 0.5 * track.velocity + 0.5 * step
    track.last, track.box, track.points = frame, box, pose


def overlaps(
    box: Float[np.ndarray, "4"], others: Float[np.ndarray, "N 4"]
) -> Float[np.ndarray, "N"]:
    """Intersection over union of a box with each of the others."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    area = np.clip(box[2:] - box[:2], 0, None).prod()
    areas = np.clip(others[:, 2:] - others[:, :2], 0, None).prod(axis=1)
    return np.asarray(shared / np.maximum(area + areas - shared, 1e-9))


def _pose_likeness(
    points: Float[np.ndarray, "K 2"], poses: Float[np.ndarray, "N K 2"], box: Float[np.ndarray, "4"]
) -> Float[np.ndarray, "N"]:
    """Mean over the joints that both have of exp(-d^2 / 2s^2); NaN where they share none."""
    size = max(float(box[3] - box[1]), float(box[2] - box[0]), 1.0) * _SPREAD
    distance = np.linalg.norm(poses - points, axis=-1) / size
    both = np.isfinite(distance)
    alike = np.where(both, np.exp(-0.5 * np.where(both, distance, 0) ** 2), 0).sum(axis=1)
    count = both.sum(axis=1)
    return np.where(count > 0, alike / np.maximum(count, 1), np.nan)
