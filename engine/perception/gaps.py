"""Where to look for a person in every frame, also in those where the detector saw nobody."""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np

from engine.perception.detection import Detections
from engine.perception.looks import Sighting
from engine.perception.tracking import Tracks

PATIENCE_SECONDS = 1.0
"""How long a person is looked for, before and after having been detected."""


def sightings(
    tracks: Tracks, detections: Sequence[Detections], fps: float, cuts: Set[int]
) -> list[list[Sighting | None]]:
    """For each frame, where each person is expected; None where nobody is expected.

    Between two detections a person is looked for on the way from one to the other, before the
    first and after the last one for a second where they were seen.
    """
    patience = max(1, round(PATIENCE_SECONDS * fps))
    shot = np.cumsum([frame in cuts for frame in range(len(detections))])
    rows = [_row(row, detections, patience, shot) for row in tracks.detections]
    return [list(frame) for frame in zip(*rows, strict=True)]


def _row(
    row: np.ndarray, detections: Sequence[Detections], patience: int, shot: np.ndarray
) -> list[Sighting | None]:
    """One person's sightings."""
    seen = {f: _seen(detections[f], d) for f, d in enumerate(row.tolist()) if d >= 0}
    result: list[Sighting | None] = [seen.get(frame) for frame in range(len(row))]
    frames = np.array(sorted(seen), int)
    for frame in range(len(row)):
        if frame in seen:
            continue
        near = frames[shot[frames] == shot[frame]]
        before, after = near[near < frame], near[near > frame]
        a = int(before[-1]) if len(before) else None
        b = int(after[0]) if len(after) else None
        if a is not None and b is not None and b - a <= 2 * patience:
            result[frame] = _between(seen[a], seen[b], (frame - a) / (b - a))
        elif a is not None and frame - a <= patience:
            result[frame] = Sighting(seen[a].box, seen[a].pose)
        elif b is not None and b - frame <= patience:
            result[frame] = Sighting(seen[b].box, seen[b].pose)
    return result


def _seen(found: Detections, index: int) -> Sighting:
    variants = found.variants[index]
    return Sighting(found.boxes[index], variants[0] if len(variants) else None, variants)


def _between(a: Sighting, b: Sighting, share: float) -> Sighting:
    box = (1 - share) * a.box + share * b.box
    if a.pose is None or b.pose is None:
        return Sighting(box)
    return Sighting(box, (1 - share) * a.pose + share * b.pose)
