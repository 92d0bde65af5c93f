"""Are two people exchanged for a while? What speaks for it, and what to propose.

Three witnesses: joints go on from where they were; clothes look as they did while the people stood
apart; and where bodies or avatars are at hand, these. Each gives nats for every frame, which one
path over the clip brings together (`engine.fit.exchange_path`). Names may change only where the
people's boxes overlap, where somebody was missing, or at a cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float

from engine.fit.clothes import (
    Colors,
    colors_of,
    look_of,
    nats_for_exchange,
    parts_apart,
    parts_clear,
)
from engine.fit.exchange_path import SWITCH, Sights, cost_of, decode
from engine.fit.window import cut
from engine.structures import FrameRange, Observations, SwapProposal, VideoInfo

SEEN = 0.15
"""Confidence from which a keypoint counts."""
NEAR_SECONDS = 0.12
"""Around frames in which names may change: detectors exchange people late."""
LEAST_GAIN = 12.0
"""Nats that an exchange must save to be proposed."""
AROUND = 150
"""Frames on each side of a part of a clip that tell who is who in it."""
ROUNDS = 4
"""Between looks and names, at most."""
ASTRAY = 0.3
"""Sizes of a person beyond which a keypoint is no further from a body."""
SHORTEST_SECONDS = 0.08
"""Of an exchange that is proposed; shorter ones are slips of single frames."""


def propose_swaps(
    observations: Observations,
    video: VideoInfo | None = None,
    *,
    evidence: Mapping[tuple[int, int], Float[np.ndarray, "F"]] | None = None,
) -> tuple[SwapProposal, ...]:
    """Stretches of frames in which two people are probably each other, the surest first.

    `video` adds what clothes look like; `evidence`, by pair of people, nats for their being
    exchanged in each frame from elsewhere (avatars, bodies). Raises VideoError for a video that
    cannot be read.
    """
    if observations.person_count < 2 or observations.frame_count < 3:
        return ()
    colors = None if video is None else colors_of(observations, video)
    found = []
    for pair in combinations(range(observations.person_count), 2):
        extra = (evidence or {}).get(pair)
        found += _of_pair(observations, pair, colors, extra)
    return tuple(sorted(found, key=lambda one: one.cost_after - one.cost_before))


def propose_swaps_in(observations: Observations, part: FrameRange) -> tuple[SwapProposal, ...]:
    """`propose_swaps` of a part of a clip and `AROUND` frames on each side, by the joints alone;
    those that reach into the part."""
    shown = FrameRange(
        max(0, part.start - AROUND), min(observations.frame_count, part.stop + AROUND)
    )
    found = []
    for swap in propose_swaps(cut(observations, shown)):
        frames = FrameRange(swap.frames.start + shown.start, swap.frames.stop + shown.start)
        if max(frames.start, part.start) < min(frames.stop, part.stop):
            found.append(replace(swap, frames=frames))
    return tuple(found)


def _of_pair(
    observations: Observations,
    pair: tuple[int, int],
    colors: Colors | None,
    extra: Float[np.ndarray, "F"] | None,
) -> list[SwapProposal]:
    sights = sights_of(observations, pair)
    given = np.zeros(len(sights.times)) if extra is None else extra
    sights = replace(sights, evidence=given)
    if colors is None:
        return _proposals(sights, decode(sights), pair)
    # What people look like follows from who they are, and the other way round: from two beginnings,
    # of which the one is kept that explains the clip with least.
    found = []
    for path in (decode(sights), np.zeros(len(given), bool)):
        for _ in range(ROUNDS):
            looks = _looks_evidence(observations, pair, colors, path)
            said, before = replace(sights, evidence=given + looks), path
            path = decode(said)
            if (path == before).all():
                break
        found.append((float(cost_of(said, path).sum()) + SWITCH * _changes(path), said, path))
    _, said, path = min(found, key=lambda one: one[0])
    return _proposals(said, path, pair)


def _changes(path: Bool[np.ndarray, "F"]) -> int:
    return int(np.count_nonzero(np.diff(path.astype(int))))


def sights_of(observations: Observations, pair: tuple[int, int]) -> Sights:
    """What is seen of two people, without what they look like."""
    rows = list(pair)
    points = observations.keypoints2d[rows].astype(np.float64)
    seen = np.nan_to_num(observations.confidence[rows]) > SEEN
    points = np.where(seen[..., None], points, np.nan)
    frames = observations.frame_count
    broken = np.zeros(frames, bool)
    broken[[cut for cut in observations.cuts if 0 < cut < frames]] = True
    return Sights(
        points=points,
        sizes=_sizes(observations.boxes[rows]),
        times=np.asarray(observations.times, np.float64),
        evidence=np.zeros(frames),
        may_switch=_may_switch(observations, rows) | broken,
        broken=broken,
    )


def _sizes(boxes: Float[np.ndarray, "2 F 4"]) -> Float[np.ndarray, "F"]:
    """Longer sides of the boxes, pixels: the mean of the two, the clip's median in gaps."""
    longer = (boxes[..., 2:] - boxes[..., :2]).max(-1)
    known = np.isfinite(longer)
    typical = float(np.median(longer[known])) if known.any() else 1.0
    longer = np.where(known, longer, typical)
    # Boxes shrink to what is seen of people; these stay as large as they were.
    return np.asarray(np.maximum(longer.mean(axis=0), max(0.7 * typical, 1.0)))


def followed(
    observations: Observations,
    projected: Float[np.ndarray, "P F K2 2"],
    pair: tuple[int, int],
) -> Float[np.ndarray, "F"]:
    """Whose keypoints the bodies of two people are at: 1 their own, -1 each other's, 0 unclear.

    `projected`: the bodies' keypoints in the observations' pixels, its first ones in their layout.
    A fit leaves a short exchange aside as an error of the detector, so its bodies stay with the
    people. What they look like then speaks of the bodies, and of the rows the other way round.
    """
    rows = list(pair)
    points, bodies = observations.keypoints2d[rows], projected[rows]
    known = np.isfinite(points).all(-1)
    weight = np.where(known, np.nan_to_num(observations.confidence[rows]), 0.0)
    points, size = np.nan_to_num(points), _sizes(observations.boxes[rows])[:, None]

    def apart(bodies: Float[np.ndarray, "2 F K2 2"]) -> Float[np.ndarray, "F"]:
        distance = np.linalg.norm(bodies[:, :, : points.shape[2]] - points, axis=-1) / size
        return np.asarray((np.minimum(distance, ASTRAY) * weight).sum((0, 2)))

    own, other = apart(bodies), apart(bodies[::-1])
    return np.asarray((other - own) / np.maximum(own + other, 1e-9))


def overlap(boxes: Float[np.ndarray, "2 F 4"]) -> Float[np.ndarray, "F"]:
    """Intersection over union; NaN where one is missing."""
    low, high = np.maximum(*boxes[..., :2]), np.minimum(*boxes[..., 2:])
    both = np.clip(high - low, 0, None).prod(-1)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    return np.asarray(both / np.maximum(area.sum(0) - both, 1e-9))


def _may_switch(observations: Observations, rows: list[int]) -> Bool[np.ndarray, "F"]:
    shared = overlap(observations.boxes[rows])
    near = ~(shared <= 0)  # overlapping, or somebody is missing
    times = np.asarray(observations.times)
    within = np.abs(times[:, None] - times[None]) <= NEAR_SECONDS
    result = (within & near[None]).any(axis=1)
    result[1:] |= near[:-1]
    return np.asarray(result)


def _looks_evidence(
    observations: Observations,
    pair: tuple[int, int],
    colors: Colors,
    path: Bool[np.ndarray, "F"],
) -> Float[np.ndarray, "F"]:
    """Nats for the exchange from clothes, learnt with the people named as the path says."""
    rows = list(pair)
    mine = colors[rows]
    named = np.where(path[None, :, None, None], mine[::-1], mine)
    points, boxes = observations.keypoints2d[rows], observations.boxes[rows]
    clear = np.stack([parts_clear(points[row], boxes[1 - row]) for row in (0, 1)])
    clear = np.where(path[None, :, None], clear[::-1], clear)
    apart = parts_apart(points, _sizes(boxes))
    looks = look_of(named[0], clear[0]), look_of(named[1], clear[1])
    return nats_for_exchange(mine, looks, apart)


def _proposals(
    sights: Sights, path: Bool[np.ndarray, "F"], pair: tuple[int, int]
) -> list[SwapProposal]:
    found = []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], path, [False]]).astype(int)))
    after = cost_of(sights, path)
    seen = np.isfinite(sights.points).any((0, 2, 3))
    for first, last_one in edges.reshape(-1, 2).tolist():
        there = first + np.flatnonzero(seen[first:last_one])
        if not len(there):
            continue
        start, stop = int(there[0]), int(there[-1]) + 1
        last = float(sights.times[min(stop, len(path) - 1)])
        if last - float(sights.times[start]) < SHORTEST_SECONDS:
            continue
        as_is = path.copy()
        as_is[start:stop] = False
        before = cost_of(sights, as_is)
        span = slice(start, min(stop + 1, len(path)))
        costs = float(before[span].sum()), float(after[span].sum())
        if costs[0] - costs[1] >= LEAST_GAIN:
            found.append(SwapProposal(*pair, FrameRange(start, stop), *costs))
    return found
