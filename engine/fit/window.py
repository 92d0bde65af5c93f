"""A window of a clip: which frames, which of them may move, and what was said about them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from engine.config import FitConfig
from engine.fit import proxemics
from engine.fit.problem import FitProblem
from engine.structures import (
    Constraints,
    FrameRange,
    Observations,
    Provenance,
    RunLengthMask,
)

CUT_SECONDS = 10.0
"""Terms that see motion divide by time: over ten seconds any change costs next to nothing."""


def window_of(
    problem: FitProblem, config: FitConfig
) -> tuple[FrameRange, Bool[Tensor, "F"], Bool[np.ndarray, "F"] | None]:
    """The frames to load, which of them may move, and which have bodies to start from."""
    count = problem.observations.frame_count
    part = problem.frames or FrameRange(0, count)
    known, cuts = _known(problem), problem.observations.cuts
    start, stop = part.start, part.stop
    for _ in range(config.context):
        start -= start > 0 and start not in cuts and bool(known[start - 1])
        stop += stop < count and stop not in cuts and bool(known[stop])
    cut = slice(start, stop)
    movable = torch.from_numpy(movable_frames(problem)[cut])
    has_warm = known[cut] if known[cut].any() else None
    return FrameRange(int(start), int(stop)), movable, has_warm


def movable_frames(problem: FitProblem) -> Bool[np.ndarray, "F"]:
    """Frames of the clip that a fit may change: in its part, and not frozen with bodies."""
    count = problem.observations.frame_count
    movable = np.zeros(count, bool)
    movable[(problem.frames or FrameRange(0, count)).as_slice()] = True
    known = _known(problem)
    for frozen in problem.constraints.frozen:
        movable[frozen.as_slice()] &= ~known[frozen.as_slice()]
    return movable


def windows(problem: FitProblem, config: FitConfig) -> list[FrameRange]:
    """Stretches of about `config.window` frames of one shot each, to be solved in turn.

    Each begins `config.overlap` frames before the end of the one before: where a window ends,
    nothing was known yet of what follows. Those without a frame that may change are left out.
    """
    whole = problem.frames or FrameRange(0, problem.observations.frame_count)
    cuts = sorted({at for at in problem.observations.cuts if whole.start < at < whole.stop})
    movable, found = movable_frames(problem), []
    for first, last in pairwise((whole.start, *cuts, whole.stop)):
        count = max(1, -(-(last - first) // config.window))
        edges = np.linspace(first, last, count + 1).astype(int).tolist()
        for a, b in pairwise(edges):
            back = min(config.overlap, (b - a) // 2) if a > first else 0
            if movable[a:b].any():
                found.append(FrameRange(a - back, b))
    return found


def shapes_held(problem: FitProblem) -> bool:
    """Whether frames outside the part that is solved have bodies, whose shapes are everybody's."""
    known = _known(problem)
    if problem.frames is not None:
        known[problem.frames.as_slice()] = False
    return bool(known.any()) and problem.frames is not None


def _known(problem: FitProblem) -> Bool[np.ndarray, "F"]:
    """Frames in which everybody has a body already."""
    warm = problem.warm_start
    if warm is None:
        return np.zeros(problem.observations.frame_count, bool)
    return np.asarray((warm.provenance != Provenance.MISSING).all(axis=0), bool)


def cut(observations: Observations, frames: FrameRange) -> Observations:
    part = frames.as_slice()
    return replace(
        observations,
        keypoints2d=observations.keypoints2d[:, part],
        confidence=observations.confidence[:, part],
        boxes=observations.boxes[:, part],
        times=observations.times[part],
        masks=_masks(observations, part),
        cuts=tuple(
            at - frames.start for at in observations.cuts if frames.start < at < frames.stop
        ),
    )


def _masks(
    observations: Observations, part: slice
) -> tuple[tuple[RunLengthMask | None, ...], ...] | None:
    masks = observations.masks
    return None if masks is None else tuple(row[part] for row in masks)


def shots_apart(observations: Observations) -> Observations:
    """With so long a pause before every shot but the first that no motion reaches across it."""
    pauses = np.zeros(observations.frame_count)
    for at in observations.cuts:
        pauses[at:] += CUT_SECONDS
    return replace(observations, times=observations.times + pauses)


def only(observations: Observations, frames: FrameRange) -> Observations:
    """The observations with nobody in view outside some frames."""
    outside = np.ones(observations.frame_count, bool)
    outside[frames.as_slice()] = False

    def emptied(values: np.ndarray, nothing: float) -> np.ndarray:
        result = values.copy()
        result[:, outside] = nothing
        return result

    return replace(
        observations,
        keypoints2d=emptied(observations.keypoints2d, np.nan),
        confidence=emptied(observations.confidence, 0.0),
        boxes=emptied(observations.boxes, np.nan),
    )


def cut_constraints(constraints: Constraints, frames: FrameRange) -> Constraints:
    """Constraints counted from the window's first frame; those outside are left out."""

    def moved(piece: FrameRange) -> FrameRange:
        low, high = max(piece.start, frames.start), min(piece.stop, frames.stop)
        return FrameRange(low - frames.start, max(low, high) - frames.start)

    return replace(
        constraints,
        keypoint_edits=tuple(
            replace(edit, frame=edit.frame - frames.start)
            for edit in constraints.keypoint_edits
            if edit.frame in frames
        ),
        contacts=tuple(
            replace(label, frames=moved(label.frames))
            for label in constraints.contacts
            if len(moved(label.frames))
        ),
        depth_orders=tuple(
            replace(order, frames=moved(order.frames))
            for order in constraints.depth_orders
            if len(moved(order.frames))
        ),
        proxemics=proxemics.moved(constraints.proxemics, frames),
        mask_edits=tuple(
            replace(edit, frame=edit.frame - frames.start)
            for edit in constraints.mask_edits
            if edit.frame in frames
        ),
        trust=tuple(
            replace(one, frames=moved(one.frames))
            for one in constraints.trust
            if len(moved(one.frames))
        ),
        frozen=(),
    )
