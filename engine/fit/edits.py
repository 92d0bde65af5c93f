"""What a joint that a person placed says of the detections around it.

Detectors err alike for a while. How far a placed joint is from what was detected there is therefore
a measurement of a process in time, and Gaussian-process regression (Rasmussen and Williams 2006,
chapter 2) says what it tells of other frames: their detections are moved by the posterior mean,
which fades away from edits and goes from one to the next between them. A detection that is
somewhere else altogether is not moved but doubted, and so are its neighbours, unless they are
back where the joint was placed; likewise around a joint that was said to be hidden.

Every person and keypoint is regressed alone, within a shot. Lengths are shares of the longer side
of the person's box. Numbers come from what `engine.synthesis.noise` makes, which was measured on
perception: of offsets between 0.02 and 0.05 of visible joints, 0.92, 0.82, 0.65 and 0.50 is left
after 0.03, 0.1, 0.3 and 0.5 s (their slow part and where detectors like to sit together); of
detections beside one that is off by more, 0.55, 0.29, 0.19 and 0.11 are off after 0.03, 0.1, 0.2
and 0.3 s, and 0.1 of all are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from engine.structures import KeypointEdit, Observations

OFFSET = 0.03
"""Standard deviation of a detection's offset where somebody cared to place the joint."""
MEMORY_S = 0.9
"""Seconds in which it is forgotten."""
REACH_S = 0.6
"""Seconds from an edit to where half of what it says is forgotten: what a re-fit looks at."""
FRESH = 0.07
"""Share of its variance that is new in every frame."""
HAND = 0.006
"""Standard deviation of a hand that places a joint."""
GROSS = 0.05
"""Offset from which a detection is of something else."""
GROSS_S, GROSS_STAYS = 0.1, 0.65
"""Seconds after which detections have found back, and the share that have not in the next frame."""
HIDDEN_S = 0.5
"""Seconds for which joints stay hidden."""
PACE = 0.5
"""How far joints move in a second: standard deviation."""


@dataclass(frozen=True)
class _Track:
    """One keypoint of one person over F frames."""

    points: Float[np.ndarray, "F 2"]
    confidence: Float[np.ndarray, "F"]
    side: Float[np.ndarray, "F"]
    """Pixels that lengths are shares of."""
    times: Float[np.ndarray, "F"]
    shot: Int[np.ndarray, "F"]


def with_edits(observations: Observations, edits: Iterable[KeypointEdit]) -> Observations:
    """The detections (P people, F frames, K keypoints, pixels) as somebody knows them who was told
    the edits, which hold exactly in their own frames: confidence 1 where placed, 0 where hidden.

    Edits of people, frames or keypoints that are not there say nothing. Where nothing was said the
    observations come back as they are. Edits that are in the observations already move nothing.
    """
    said: dict[tuple[int, int], list[KeypointEdit]] = defaultdict(list)
    people, frames, keypoints = observations.confidence.shape
    for edit in sorted(edits, key=lambda e: e.frame):
        if edit.person < people and edit.frame < frames and edit.keypoint < keypoints:
            said[edit.person, edit.keypoint].append(edit)
    if not said:
        return observations
    points, confidence = observations.keypoints2d.copy(), observations.confidence.copy()
    shot = np.searchsorted(np.sort(observations.cuts), np.arange(frames), side="right")
    for (person, keypoint), mine in said.items():
        place = person, slice(None), keypoint
        side = _sides(observations.boxes[person])
        track = _Track(points[place], confidence[place], side, observations.times, shot)
        points[place], confidence[place] = _told(track, mine)
    return replace(observations, keypoints2d=points, confidence=confidence)


def _told(
    track: _Track, edits: Sequence[KeypointEdit]
) -> tuple[Float[np.ndarray, "F 2"], Float[np.ndarray, "F"]]:
    """Points and confidence of a keypoint after its edits, which are in order of time."""
    at = np.array([edit.frame for edit in edits])
    placed = np.array([[edit.x, edit.y] for edit in edits], np.float64)
    visible = np.array([edit.visible for edit in edits])
    offset = (placed - track.points[at]) / track.side[at, None]
    known = visible & np.isfinite(offset).all(axis=1) & (track.confidence[at] > 0)
    gross = known & (np.linalg.norm(np.nan_to_num(offset), axis=1) > GROSS)
    fine = known & ~gross
    moved = _posterior(track, at[fine], offset[fine]) * track.side[:, None]
    points = track.points + moved.astype(track.points.dtype)
    wrong = np.zeros(len(points))
    for index in np.flatnonzero(gross | ~visible).tolist():
        doubt = _still_hidden if not visible[index] else _still_elsewhere
        around = _between(track, at, index)
        wrong = np.where(around, np.maximum(wrong, doubt(track, edits[index])), wrong)
    # A keypoint weighs by its confidence squared.
    confidence = track.confidence * np.sqrt(1 - wrong).astype(track.confidence.dtype)
    points[at], confidence[at] = placed, visible
    return points, confidence


def _posterior(
    track: _Track, at: Int[np.ndarray, "E"], offset: Float[np.ndarray, "E 2"]
) -> Float[np.ndarray, "F 2"]:
    """Mean of the offset in every frame, given some."""
    if not len(at):
        return np.zeros((len(track.times), 2))
    apart = np.abs(track.times[:, None] - track.times[at])
    alike = (1 - FRESH) * np.exp(-apart / MEMORY_S) * (track.shot[:, None] == track.shot[at])
    noise = FRESH + (HAND / OFFSET) ** 2
    return np.asarray(alike @ np.linalg.solve(alike[at] + noise * np.eye(len(at)), offset))


def _between(track: _Track, at: Int[np.ndarray, "E"], index: int) -> Bool[np.ndarray, "F"]:
    """Frames of the same shot of which no other edit knows more: up to the next ones."""
    frames = np.arange(len(track.times))
    before = at[index - 1] if index else -1
    after = at[index + 1] if index + 1 < len(at) else len(frames)
    same_shot = track.shot == track.shot[at[index]]
    return np.asarray((frames > before) & (frames < after) & same_shot)


def _still_elsewhere(track: _Track, edit: KeypointEdit) -> Float[np.ndarray, "F"]:
    """Probability that a detection is still of what it was of in a frame in which a joint was
    placed far from it: by the time since, and by which of the two places it is nearer to."""
    apart = np.abs(track.times - track.times[edit.frame])
    before = np.maximum(GROSS_STAYS * np.exp(-apart / GROSS_S), 1e-12)
    spread = np.square(track.side * OFFSET) + np.square(track.side * PACE * apart)
    to_joint = np.square(track.points - (edit.x, edit.y)).sum(axis=1)
    to_other = np.square(track.points - track.points[edit.frame]).sum(axis=1)
    log_odds = np.log(before / (1 - before)) + (to_joint - to_other) / (2 * spread)
    return np.asarray(1 / (1 + np.exp(-np.clip(np.nan_to_num(log_odds), -50, 50))))


def _still_hidden(track: _Track, edit: KeypointEdit) -> Float[np.ndarray, "F"]:
    """Probability that a joint is still hidden that was said to be."""
    return np.asarray(np.exp(-np.abs(track.times - track.times[edit.frame]) / HIDDEN_S))


def _sides(boxes: Float[np.ndarray, "F 4"]) -> Float[np.ndarray, "F"]:
    """Longer sides of a person's boxes; the usual one where there is none, 1 where nobody is."""
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    known = sides[np.isfinite(sides)]
    usual = float(np.median(known)) if known.size else 1.0
    return np.asarray(np.maximum(np.where(np.isfinite(sides), sides, usual), 1.0))
