"""Hands near somebody else of which nobody said whether they touch."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float

from engine.body.regions import region_names, vertex_regions
from engine.body.smpl import BodyModel
from engine.structures import ContactLabel, FrameRange

HAND = "wrist", "palm", "hand_back", "thumb", "fingers"
"""Regions of each hand."""
ARM = "lower_arm", "elbow", *HAND
"""A label of any of these speaks of the hand at their end."""
SIDES = "left", "right"

FAR = 0.2
"""Metres from which nobody asks how far."""

Pairs = dict[tuple[int, int], Float[np.ndarray, "F"]]


def hands_unsaid(
    vertices: Float[np.ndarray, "P S V 3"],
    valid: Bool[np.ndarray, "P F"],
    body: BodyModel,
    labels: Iterable[ContactLabel],
    part: FrameRange,
) -> Pairs:
    """By pair of people, metres from any hand of one to the skin of the other, the least.

    `vertices` are those of `body` in the frames of `part`; elsewhere, and where somebody is not
    known, it is NaN. Hands are left out in frames in which a label, of contact or of none, is of
    them or their lower arm and the other person; infinite where none is left or near. Distances are
    between vertices: too large by up to half of their spacing.
    """
    found: Pairs = {}
    labels = tuple(labels)
    hands = {side: _hand(body, side) for side in SIDES}
    for pair in combinations(range(len(vertices)), 2):
        known = valid[list(pair), part.as_slice()].all(0)
        least = np.where(known, np.inf, np.nan)
        for person, other in (pair, pair[::-1]):
            for side, hand in hands.items():
                said = _said(labels, person, other, side, valid.shape[1])[part.as_slice()]
                for at in np.flatnonzero(~said & known):
                    apart = _apart(vertices[person, at][hand], vertices[other, at])
                    least[at] = min(least[at], apart)
        found[pair] = np.full(valid.shape[1], np.nan)
        found[pair][part.as_slice()] = least
    return found


def _said(
    labels: Iterable[ContactLabel], person: int, other: int, side: str, frames: int
) -> Bool[np.ndarray, "F"]:
    """Frames in which something was said of a hand of a person and another person."""
    said = np.zeros(frames, bool)
    for label in labels:
        ends = (label.person_a, label.region_a), (label.person_b, label.region_b)
        for (mine, region), (theirs, _) in (ends, ends[::-1]):
            of_arm = region.startswith(tuple(f"{side}_{name}" for name in ARM))
            if (mine, theirs) == (person, other) and of_arm:
                said[label.frames.as_slice()] = True
    return said


def _hand(body: BodyModel, side: str) -> Bool[np.ndarray, "V"]:
    names = region_names()
    return np.isin(vertex_regions(body.data), [names.index(f"{side}_{name}") for name in HAND])


def _apart(points: Float[np.ndarray, "N 3"], others: Float[np.ndarray, "M 3"]) -> float:
    near = ((others > points.min(0) - FAR) & (others < points.max(0) + FAR)).all(axis=1)
    if not near.any():
        return np.inf
    others = others[near]
    squared = np.square(points).sum(1)[:, None] + np.square(others).sum(1) - 2 * points @ others.T
    return float(np.sqrt(max(float(squared.min()), 0.0)))
