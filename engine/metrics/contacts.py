"""Contact between two people: right regions, right frames, right places on the skin.

A region contact in a frame is one number (a key): frame, pair of people, region of the first, of
the second. Sets of them are sorted arrays, so that clips of any length are compared at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int

from engine.body.data import BodyData
from engine.body.regions import region_names, region_vertices
from engine.structures import ContactKind, ContactLabel, FrameRange

OVERLAP = 0.5
"""Of their union: intervals that share more are one and the same contact."""
_REGIONS = len(region_names())

Place = tuple[int, int, int, int]
"""person_a < person_b, index of the region of either."""


def place_of(label: ContactLabel) -> Place:
    """Whose regions a label joins, the lower person first."""
    names = region_names()
    ends = sorted(
        [
            (label.person_a, names.index(label.region_a)),
            (label.person_b, names.index(label.region_b)),
        ]
    )
    (a, first), (b, second) = ends
    return a, b, first, second


def contact_keys(
    labels: Iterable[ContactLabel], people: int, frame_count: int
) -> Int[np.ndarray, "N"]:
    """Sorted keys of every region contact in every frame that the labels (of either kind) span."""
    order = {pair: i for i, pair in enumerate(combinations(range(people), 2))}
    keys = [np.zeros(0, np.int64)]
    for label in labels:
        a, b, first, second = place_of(label)
        frames = np.arange(label.frames.start, min(label.frames.stop, frame_count))
        place = (order[a, b] * _REGIONS + first) * _REGIONS + second
        keys.append(frames * (len(order) * _REGIONS**2) + place)
    return np.unique(np.concatenate(keys))


def over_frames(
    labels: Iterable[ContactLabel], counted: Bool[np.ndarray, "F"]
) -> tuple[ContactLabel, ...]:
    """The labels as if the clip had no other frames than those that count."""
    before = np.concatenate([[0], np.cumsum(counted)]).tolist()
    merged: dict[tuple[Place, ContactKind], list[ContactLabel]] = {}
    for label in sorted(labels, key=lambda one: one.frames.start):
        start, stop = (
            before[min(f, len(counted))] for f in (label.frames.start, label.frames.stop)
        )
        runs = merged.setdefault((place_of(label), label.kind), [])
        if runs and start <= runs[-1].frames.stop:
            last = runs.pop().frames
            start, stop = last.start, max(stop, last.stop)
        if stop > start:
            runs.append(replace(label, frames=FrameRange(start, stop)))
    return tuple(label for runs in merged.values() for label in runs)


def f1_score(hits: int, extra: int, lost: int) -> float:
    """Harmonic mean of precision and recall; NaN where there is nothing to find and nothing found.

    Source: van Rijsbergen, "Information Retrieval", 1979.
    """
    total = 2 * hits + extra + lost
    return 2 * hits / total if total else float("nan")


def region_f1(
    found: Int[np.ndarray, "N"], true: Int[np.ndarray, "M"], leave_out: Int[np.ndarray, "L"]
) -> float:
    """F1 over region pairs and frames (keys of `contact_keys`), those of `leave_out` apart."""
    found, true = (np.setdiff1d(keys, leave_out, assume_unique=True) for keys in (found, true))
    hits = len(np.intersect1d(found, true, assume_unique=True))
    return f1_score(hits, len(found) - hits, len(true) - hits)


def labelled_recall(
    found: Int[np.ndarray, "N"], true: Int[np.ndarray, "M"], labelled: Int[np.ndarray, "L"]
) -> float:
    """Share of the true region contacts that somebody labelled which the bodies show; NaN where
    there are none."""
    asked = np.intersect1d(true, labelled, assume_unique=True)
    hits = len(np.intersect1d(found, asked, assume_unique=True))
    return hits / len(asked) if len(asked) else float("nan")


def interval_f1(found: Sequence[ContactLabel], true: Sequence[ContactLabel]) -> float:
    """F1 over contacts as things with a beginning and an end: a found one is right where its
    interval and a true one's of the same region pair share more than `OVERLAP` of their union.

    Source: temporal IoU of action detection, Heilbron et al., "ActivityNet", CVPR 2015.
    """
    spans: dict[Place, list[tuple[int, int]]] = {}
    for label in true:
        spans.setdefault(place_of(label), []).append((label.frames.start, label.frames.stop))
    # Above half of the union no interval matches two disjoint ones: nothing needs assigning.
    hits = sum(
        any(_temporal_iou(span, (f.frames.start, f.frames.stop)) > OVERLAP for span in spans_there)
        for f in found
        if (spans_there := spans.get(place_of(f)))
    )
    return f1_score(hits, len(found) - hits, len(true) - hits)


def _temporal_iou(a: tuple[int, int], b: tuple[int, int]) -> float:
    shared = min(a[1], b[1]) - max(a[0], b[0])
    return max(0, shared) / (a[1] - a[0] + b[1] - b[0] - max(0, shared))


def vertex_counts(
    found: Bool[np.ndarray, "*N V"], true: Bool[np.ndarray, "*N V"]
) -> tuple[int, int, int]:
    """Vertices in contact (13 mm from the other's surface, or inside it) in both, in the first
    only, in the second only: summed over people and frames they give F1.

    Source: the 13 mm are those of Fieraru et al., "Three-Dimensional Reconstruction of Human
    Interactions", CVPR 2020, by way of CloseInt.
    """
    hits = int((found & true).sum())
    return hits, int(found.sum()) - hits, int(true.sum()) - hits


def region_distances(
    vertices: Float[np.ndarray, "P F V 3"], body: BodyData, contacts: Iterable[ContactLabel]
) -> Float[np.ndarray, "N"]:
    """Smallest distance between the vertices of the two regions of each contact in each of its
    frames, metres.

    PCC at r is the share of those nearer than r. Source: Müller et al., "Generative Proxemics"
    (BUDDI), CVPR 2024; Subramanian et al., "Pose Priors from Language Models" (ProsePose), 2024.
    """
    frames_of: dict[Place, list[np.ndarray]] = {}
    for label in contacts:
        spanned = np.arange(label.frames.start, min(label.frames.stop, vertices.shape[1]))
        frames_of.setdefault(place_of(label), []).append(spanned)
    names = region_names()
    used = {r for _, _, *both in frames_of for r in both}
    members: Mapping[int, np.ndarray] = {r: region_vertices(body, names[r]) for r in used}
    nearest = [np.zeros(0)]
    for (a, b, first, second), spans in frames_of.items():
        frames = np.unique(np.concatenate(spans))
        mine = vertices[a, frames[:, None], members[first]]
        theirs = vertices[b, frames[:, None], members[second]]
        nearest.append(_nearest(mine, theirs))
    return np.concatenate(nearest)


def _nearest(a: Float[np.ndarray, "F N 3"], b: Float[np.ndarray, "F M 3"]) -> np.ndarray:
    """(F,): smallest distance between two sets of points in each frame."""
    middle = a.mean(axis=1, keepdims=True)
    a, b = (np.asarray(x - middle, np.float64) for x in (a, b))
    squared = (a**2).sum(-1)[:, :, None] + (b**2).sum(-1)[:, None] - 2 * a @ np.swapaxes(b, 1, 2)
    return np.asarray(np.sqrt(np.maximum(squared.min(axis=(1, 2)), 0)))
