"""How far detected keypoints are believed: as a person said, and by what else is seen.

A detector's confidence is about one joint. Where little of a person is seen, or somebody else's box
covers the person's own, joints are mistaken together. What masks say of single joints is in
`engine.fit.keypoint_gate`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
from jaxtyping import Float

from engine.structures import Constraints, Observations

BODY_JOINTS = slice(0, 17)
"""COCO-17, which both layouts begin with."""
SEEN = 0.3
"""Confidence from which a joint counts as seen."""
ENOUGH_SEEN = 0.5
"""Share of the joints that must be seen for a detection to be believed as it is."""
COVERED = 0.25
"""By how much less somebody is believed whose whole box lies within another's."""


def trust(observations: Observations, constraints: Constraints) -> Float[np.ndarray, "P F"]:
    """Factor on what keypoints of a person weigh in a frame, 0..1."""
    return np.asarray(by_hand(observations, constraints) * from_visibility(observations))


def by_hand(observations: Observations, constraints: Constraints) -> Float[np.ndarray, "P F"]:
    """What people said; where several spoke of one frame, the last one counts."""
    said = np.ones(observations.confidence.shape[:2])
    for one in constraints.trust:
        if one.person < len(said):
            said[one.person, one.frames.as_slice()] = np.clip(one.weight, 0.0, 1.0)
    return said


def from_visibility(observations: Observations) -> Float[np.ndarray, "P F"]:
    """By the share of joints that are seen, and of the box that another's covers."""
    seen = (np.nan_to_num(observations.confidence[:, :, BODY_JOINTS]) > SEEN).mean(axis=2)
    apart = 1 - COVERED * covered(observations.boxes)
    return np.asarray(np.minimum(1.0, seen / ENOUGH_SEEN) * apart)


def covered(boxes: Float[np.ndarray, "P F 4"]) -> Float[np.ndarray, "P F"]:
    """The largest share of each box that lies within somebody else's; 0 where a box is missing."""
    share = np.zeros(boxes.shape[:2])
    for mine, other in permutations(range(len(boxes)), 2):
        low = np.maximum(boxes[mine, :, :2], boxes[other, :, :2])
        high = np.minimum(boxes[mine, :, 2:], boxes[other, :, 2:])
        common = np.clip(high - low, 0, None).prod(axis=-1)
        area = (boxes[mine, :, 2:] - boxes[mine, :, :2]).prod(axis=-1)
        part = np.divide(common, area, out=np.zeros_like(common), where=area > 0)
        share[mine] = np.fmax(share[mine], np.nan_to_num(part))
    return np.clip(share, 0.0, 1.0)


def believed(observations: Observations, constraints: Constraints) -> Observations:
    """The observations as somebody is shown them who weighs by confidence squared, as the fit does:
    what a person distrusts is less sure."""
    root = np.sqrt(by_hand(observations, constraints))[..., None]
    return replace(observations, confidence=observations.confidence * root)
