"""How good 2D perception is: observations compared with the truth, joint by joint.

Lengths are shares of the longer side of the person's true box, so that a number means the same for
a small and a large person. OKS and IDF1 are those of engine.metrics; PCK is that of Yang and
Ramanan (2013) with the box in place of the head or torso, which occlusion hides. Everything is
counted on the identity that fits the clip best as a whole: a person who carries the other's number
is wrong, however good the pose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import SupportsFloat

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.optimize import linear_sum_assignment

from engine.body.joints import COCO17, mirrored
from engine.errors import InputError
from engine.metrics.identity import IdentityCounts, identity_counts
from engine.metrics.keypoints import RIGHT, box_iou, longer_sides, object_keypoint_similarity
from engine.perception.truth import SCORED, PerceptionTruth, Visibility
from engine.structures import Observations

NEAR = 0.10
"""A joint is right within `RIGHT` of the true box's longer side, near within this share."""
SURE = 0.7
"""A joint above this confidence is claimed to be right."""
SURE_TARGET = 0.9
"""Share of such joints that should be right."""
HIT_IOU, HIT_OKS = 0.5, 0.3
"""An observation is of a person where one of the two is reached."""
SWAP_MARGIN = 0.1
"""By how much OKS per person another assignment must fit better to be called a swap."""
BINS = tuple(np.linspace(0.0, 1.0, 11).tolist())
"""Edges of the reliability curve."""
_JOINTS = len(COCO17)
_MIRROR = np.array(mirrored(COCO17))
_LIMBS = np.array([[7, 9], [8, 10], [13, 15], [14, 16]])
"""Elbow and wrist, knee and ankle, of either side."""


@dataclass(frozen=True)
class Comparison:
    """Observations of one clip beside its truth, before anything is averaged.

    P true people, F frames, COCO's 17 joints. Row p is of the observed person who is p over the
    whole clip.
    """

    error: Float[np.ndarray, "P F 17"]
    """Distance as a share of the true box's longer side; infinite where nothing was reported."""
    confidence: Float[np.ndarray, "P F 17"]
    """As reported; 0 where nothing was."""
    visibility: UInt8[np.ndarray, "P F 17"]
    """Of the joints that count; `Visibility.UNKNOWN` elsewhere."""
    present: Bool[np.ndarray, "P F"]
    """Frames in which the person is in the picture."""
    missed: Bool[np.ndarray, "P F"]
    """Of those, the ones in which no observation is of the person."""
    swapped: Bool[np.ndarray, "F"]
    """Frames in which another assignment of identities fits clearly better."""
    switches: int
    """How often `swapped` begins or ends."""
    identities: IdentityCounts
    limbs_exchanged: Bool[np.ndarray, "P F 4"]
    """Both joints of a limb lie on the other side's and neither on its own."""
    limbs_known: Bool[np.ndarray, "P F 4"]
    """Limbs that are reported, and whose left and right are far enough apart to tell."""
    mask_iou: Float[np.ndarray, "P F"]
    """NaN where the truth has no mask, or no masks were made."""


@dataclass(frozen=True)
class LevelScore:
    """The joints of one level of occlusion. Shares are in 0..1, NaN where there are no joints."""

    joints: int
    pck_5: float
    """Right, within RIGHT of the box, of all joints: what is not reported is wrong."""
    pck_10: float
    reported: float
    sure: float
    """Share of all joints that are reported with confidence above SURE."""
    sure_right: float
    """Share of those that are right."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Reported joints of like confidence: in a calibrated model `right` equals the confidence."""

    low: float
    high: float
    joints: int
    right: float


@dataclass(frozen=True)
class PerceptionScores:
    """The numbers of one or more clips together. Shares in 0..1."""

    person_frames: int
    missed: float
    """Share of person-frames in which nobody was found where a person is."""
    swapped: float
    """Share of frames in which identities are exchanged."""
    switches: int
    idf1: float
    limbs_exchanged: float
    """Share of limbs (lower arms and lower legs) called left where they are right, or the reverse.
    """
    mask_iou: float
    """Mean; NaN where there is no truth."""
    levels: dict[Visibility, LevelScore]
    all_levels: LevelScore
    reliability: tuple[ReliabilityBin, ...]


def compare(truth: PerceptionTruth, observed: Observations) -> Comparison:
    """Set a clip's observations beside its truth. Both have the same frames."""
    points = observed.keypoints2d[:, :, :_JOINTS]
    reported = np.isfinite(points).all(axis=-1) & (observed.confidence[:, :, :_JOINTS] > 0)
    points = np.where(reported[..., None], points, np.nan)
    true, counts = truth.keypoints2d[:, :, :_JOINTS], truth.scored[:, :, :_JOINTS]
    visibility = np.where(counts, truth.visibility[:, :, :_JOINTS], Visibility.UNKNOWN)
    side = longer_sides(truth.boxes)
    likeness = object_keypoint_similarity(true, counts, truth.boxes, points)
    overlap = box_iou(truth.boxes[:, None], observed.boxes[None])
    present = np.isfinite(side)
    hits = ((overlap >= HIT_IOU) | (likeness >= HIT_OKS)) & present[:, None]
    chosen, swapped = _identities(likeness, overlap, hits)
    error, exchanged, known = _distances(true, counts, points[chosen], side)
    return Comparison(
        error=error,
        confidence=np.where(reported, observed.confidence[:, :, :_JOINTS], 0.0)[chosen],
        visibility=visibility.astype(np.uint8),
        present=present,
        missed=present & ~hits.any(axis=1),
        swapped=swapped,
        switches=int(np.count_nonzero(np.diff(swapped))),
        identities=identity_counts(
            overlap >= HIT_IOU, present, np.isfinite(observed.boxes).all(axis=-1)
        ),
        limbs_exchanged=exchanged,
        limbs_known=known,
        mask_iou=_mask_iou(truth, observed, chosen),
    )


def score(comparisons: Sequence[Comparison]) -> PerceptionScores:
    """The numbers of all clips together: every joint and every frame counts once."""
    error, confidence, visibility = (
        np.concatenate([getattr(c, name).ravel() for c in comparisons])
        for name in ("error", "confidence", "visibility")
    )
    present = sum(int(c.present.sum()) for c in comparisons)
    frames = sum(len(c.swapped) for c in comparisons)
    limbs = sum(int(c.limbs_known.sum()) for c in comparisons)
    overlaps = np.concatenate([c.mask_iou.ravel() for c in comparisons])
    overlaps = overlaps[np.isfinite(overlaps)]
    counted = np.isin(visibility, SCORED)
    return PerceptionScores(
        person_frames=present,
        missed=_share(sum(int(c.missed.sum()) for c in comparisons), present),
        swapped=_share(sum(int(c.swapped.sum()) for c in comparisons), frames),
        switches=sum(c.switches for c in comparisons),
        idf1=sum((c.identities for c in comparisons), IdentityCounts(0, 0, 0)).idf1,
        limbs_exchanged=_share(sum(int(c.limbs_exchanged.sum()) for c in comparisons), limbs),
        mask_iou=float(overlaps.mean()) if len(overlaps) else float("nan"),
        levels={v: _level(error, confidence, visibility == v) for v in SCORED},
        all_levels=_level(error, confidence, counted),
        reliability=_reliability(error[counted], confidence[counted]),
    )


def _identities(
    likeness: Float[np.ndarray, "P Q F"],
    overlap: Float[np.ndarray, "P Q F"],
    hits: Bool[np.ndarray, "P Q F"],
) -> tuple[list[int], Bool[np.ndarray, "F"]]:
    """The observed row of each true person over the clip, and the frames that say otherwise."""
    people, rows = likeness.shape[:2]
    if rows < people:
        raise InputError("People are missing", expected=f"{people} rows", received=f"{rows}")
    fit = np.where(hits, likeness + overlap, 0.0).sum(axis=-1)
    chosen = linear_sum_assignment(-fit)[1].tolist()
    by_person = np.arange(people)
    best = np.max(
        [likeness[by_person, list(order)].sum(axis=0) for order in permutations(chosen)], axis=0
    )
    return chosen, np.asarray(best > likeness[by_person, chosen].sum(axis=0) + SWAP_MARGIN * people)


def _distances(
    true: Float[np.ndarray, "P F 17 2"],
    counts: Bool[np.ndarray, "P F 17"],
    points: Float[np.ndarray, "P F 17 2"],
    side: Float[np.ndarray, "P F"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors (P, F, 17), exchanged limbs (P, F, 4) and limbs that can be judged (P, F, 4)."""
    scale = side[..., None]
    own = np.linalg.norm(points - true, axis=-1) / scale
    other = np.linalg.norm(points - true[:, :, _MIRROR], axis=-1) / scale
    apart = np.linalg.norm(true - true[:, :, _MIRROR], axis=-1) / scale
    known = counts & counts[:, :, _MIRROR] & np.isfinite(own) & (apart > RIGHT)
    limbs_known = known[:, :, _LIMBS].all(axis=-1)
    exchanged = ((other <= RIGHT) & (own > RIGHT))[:, :, _LIMBS].all(axis=-1) & limbs_known
    return np.where(np.isfinite(own), own, np.inf), exchanged, limbs_known


def _mask_iou(
    truth: PerceptionTruth, observed: Observations, chosen: Sequence[int]
) -> Float[np.ndarray, "P F"]:
    """A mask that was not found counts 0; a way that makes no masks at all is not measured."""
    result = np.full((truth.person_count, truth.frame_count), np.nan)
    if observed.masks is None:
        return result
    for p, row in enumerate(truth.masks or ()):
        for f, mask in enumerate(row):
            found = observed.masks[chosen[p]][f]
            if mask is None:
                continue
            if found is None:
                result[p, f] = 0.0
                continue
            a, b = mask.decode(), found.decode()
            result[p, f] = float((a & b).sum() / max((a | b).sum(), 1))
    return result


def _level(
    error: Float[np.ndarray, "N"], confidence: Float[np.ndarray, "N"], which: Bool[np.ndarray, "N"]
) -> LevelScore:
    error, sure = error[which], confidence[which] > SURE
    count = len(error)
    return LevelScore(
        joints=count,
        pck_5=_share((error <= RIGHT).sum(), count),
        pck_10=_share((error <= NEAR).sum(), count),
        reported=_share(np.isfinite(error).sum(), count),
        sure=_share(sure.sum(), count),
        sure_right=_share((error[sure] <= RIGHT).sum(), sure.sum()),
    )


def _reliability(
    error: Float[np.ndarray, "N"], confidence: Float[np.ndarray, "N"]
) -> tuple[ReliabilityBin, ...]:
    reported = np.isfinite(error)
    error, confidence = error[reported], confidence[reported]
    index = np.clip(np.digitize(confidence, BINS[1:-1]), 0, len(BINS) - 2)
    bins = []
    for i, (low, high) in enumerate(pairwise(BINS)):
        inside = error[index == i]
        right = _share((inside <= RIGHT).sum(), len(inside))
        bins.append(ReliabilityBin(low, high, len(inside), right))
    return tuple(bins)


def _share(part: SupportsFloat, whole: SupportsFloat) -> float:
    return float(part) / float(whole) if float(whole) else float("nan")
