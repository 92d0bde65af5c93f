"""How well bodies explain what was seen, per person and frame, and why a frame is suspicious."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from engine.body.smpl import BodyModel
from engine.fit import reasons
from engine.fit.expected_error import expected_error
from engine.fit.findings import (
    Findings,
    findings_of,
    flips,
    offset_deviations,
    project_keypoints,
)
from engine.fit.identity import LEAST_GAIN
from engine.structures import (
    BodyMotion,
    Camera,
    Constraints,
    Diagnostics,
    FrameRange,
    Observations,
    Reason,
    SwapProposal,
)

__all__ = ["diagnose", "kept_outside", "project_keypoints"]

Reasons = dict[Reason, Float[np.ndarray, "P F"]]


def diagnose(
    motion: BodyMotion,
    camera: Camera,
    observations: Observations,
    constraints: Constraints,
    body: BodyModel,
    notes: tuple[str, ...] = (),
    *,
    swaps: Sequence[SwapProposal] | None = None,
    part: FrameRange | None = None,
) -> Diagnostics:
    """Everything that is suspicious of bodies as they are.

    `swaps`: what `engine.fit.identity.propose_swaps` found; None where nobody looked. What takes
    time is looked at in the frames of `part` only (`kept_outside` fills in the rest), by default in
    all. About 3 ms a frame.
    """
    found = findings_of(motion, camera, observations, constraints, body, part)
    known = motion.valid
    depths = [np.nan_to_num(depth) for depth in found.penetration.values()]
    every = _reasons(found, swaps)
    error = expected_error(found)
    return Diagnostics(
        reprojection_px=np.where(known, found.miss_px, np.nan),
        penetration_m=np.max(depths, axis=0) if depths else np.zeros(motion.frame_count),
        notes=notes,
        reasons={name: np.where(known, values, np.nan) for name, values in every.items()},
        expected_error=None if error is None else np.where(known, error, np.nan),
    )


def _reasons(found: Findings, swaps: Sequence[SwapProposal] | None) -> Reasons:
    """Those that could be looked at."""
    shape = found.shape
    result: Reasons = {
        "reprojection": reasons.reprojection(found.miss_px / found.size_px),
        "jerk": reasons.jerk(found.world, found.times, found.cuts),
    }
    if found.agreement is not None:
        result["silhouette"] = reasons.silhouette(found.agreement)
    if found.penetration:
        depth = reasons.worst_of_pairs(found.penetration, shape)
        result["penetration"] = reasons.penetration(depth)
        unsaid = {pair: reasons.touch(metres) for pair, metres in found.hands.items()}
        result["touch"] = reasons.worst_of_pairs(unsaid, shape)
        result["depth flip"] = reasons.depth_flip(*flips(found))
    if any(found.gaps):
        result["contact"] = reasons.contact(*found.gaps, shape)
    if found.look is not None:
        deviations = found.look.deviations(found.rotmats)
        result["depth flip"] = reasons.depth_flip(*flips(found))
        result["prior"] = reasons.prior(deviations, offset_deviations(found))
    if swaps is not None:
        result["identity"] = reasons.identity(swaps, LEAST_GAIN, shape)
    return result


def kept_outside(found: Diagnostics, before: Diagnostics, part: FrameRange) -> Diagnostics:
    """`found`, and outside the frames of `part` what was known before. `notes` are those found."""
    inside = np.zeros(found.reprojection_px.shape[1], bool)
    inside[part.as_slice()] = True
    nothing = np.full(found.reprojection_px.shape, np.nan)

    def merged(now: np.ndarray | None, was: np.ndarray | None) -> np.ndarray:
        now, was = (nothing if values is None else values for values in (now, was))
        return np.where(inside, now, was)

    names = list(dict.fromkeys((*before.reasons, *found.reasons)))
    every = {n: merged(found.reasons.get(n), before.reasons.get(n)) for n in names}
    known = found.expected_error is not None or before.expected_error is not None
    return replace(
        found,
        reprojection_px=np.where(inside, found.reprojection_px, before.reprojection_px),
        penetration_m=np.where(inside, found.penetration_m, before.penetration_m),
        reasons=every,
        expected_error=merged(found.expected_error, before.expected_error) if known else None,
    )
