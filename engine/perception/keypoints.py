"""2D joints with confidence: what several models say of a person, fused joint by joint.

Each model is a witness. A joint is where most of the witnesses' confidence lies close together,
and its confidence is the share of them that agree: so a joint that is hidden, where witnesses
guess apart, comes out low.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from engine.body.joints import COCO17, HALPE26, mirrored
from engine.perception.runtime import BlazePose

COCO_OF_BLAZE = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
"""BlazePose's landmark for each COCO-17 keypoint."""
_BLAZE_FEET = {"left_big_toe": (31, 27, 15), "right_big_toe": (32, 28, 16),
               "left_heel": (29, 27, 15), "right_heel": (30, 28, 16)}  # fmt: skip
"""Halpe-26 name -> BlazePose landmark, its ankle there, and the ankle in COCO-17."""
_MIRROR = np.array(mirrored(COCO17))
_ARMS, _LEGS = (5, 6, 7, 8, 9, 10), (11, 12, 13, 14, 15, 16)
_FACE = (0, 1, 2, 3, 4)
AGREE = 0.04
"""Witnesses agree on a joint within about this share of the body's size."""
_BEFORE = 0.6
"""Weight of the previous frame's pose in the choice among clusters."""
_HEAD_TOP = 0.65
"""From the ears up to the top of the head, as a share of shoulders to ears."""

Points = Float[np.ndarray, "17 3"]


def fuse(
    witnesses: Sequence[Points],
    weights: Sequence[float],
    size: float,
    before: Points | None = None,
) -> Points:
    """COCO-17 at the densest cluster of the witnesses' joints; x, y, confidence.

    `size` is the body's height in pixels. `before`, the pose of the previous frame, helps to
    choose among clusters but neither moves a joint nor makes it surer. NaN and 0 where no witness
    saw a joint.
    """
    stack = agree_on_sides(np.stack(witnesses), np.asarray(weights, np.float64))
    votes = np.nan_to_num(stack[..., 2]) * np.asarray(weights, np.float64)[:, None]
    votes = np.where(np.isfinite(stack[..., 0]), votes, 0.0)
    xy = np.nan_to_num(stack[..., :2])
    near = _kernel(xy[:, None] - xy[None], size)
    density = np.einsum("ijk,jk->ik", near, votes)
    if before is not None:
        known = np.where(np.isfinite(before[:, 0]), before[:, 2], 0.0)
        density += _BEFORE * known * _kernel(xy - np.nan_to_num(before[:, :2]), 2 * size)
    top = np.where(votes > 0, density, -1.0).argmax(axis=0)
    at = np.take_along_axis(xy, top[None, :, None], axis=0)[0]
    for _ in range(2):
        pull = votes * _kernel(xy - at, size)
        total = pull.sum(axis=0)
        at = (pull[..., None] * xy).sum(axis=0) / np.maximum(total, 1e-9)[:, None]
    confidence = total / float(np.sum(weights))
    fused = np.column_stack([at, np.clip(confidence, 0.0, 1.0)])
    fused[votes.sum(axis=0) <= 0] = (np.nan, np.nan, 0.0)
    return fused


def _kernel(offset: Float[np.ndarray, "... 2"], size: float) -> Float[np.ndarray, "..."]:
    return np.asarray(np.exp(-(offset**2).sum(axis=-1) / (2 * (AGREE * size) ** 2)))


def agree_on_sides(
    stack: Float[np.ndarray, "W 17 3"], weights: Float[np.ndarray, "W"]
) -> Float[np.ndarray, "W 17 3"]:
    """Witnesses that took left for right are turned round, arms and legs each by majority."""
    stack = stack.copy()
    sure = weights * np.nan_to_num(stack[..., 2]).mean(axis=1)
    reference = stack[int(sure.argmax())].copy()
    for group in (_ARMS, _LEGS):
        turned = np.array([_is_turned(points, reference, group) for points in stack])
        against = sure[turned].sum() > sure[~turned].sum()
        for index in np.flatnonzero(turned != against):
            stack[index] = swap_sides(stack[index], group)
    return stack


def _is_turned(points: Points, reference: Points, group: Sequence[int]) -> bool:
    members = list(group)
    plain = _mean_distance(points[members], reference[members])
    swapped = _mean_distance(points[_MIRROR[members]], reference[members])
    return swapped < 0.6 * plain


def _mean_distance(a: Float[np.ndarray, "N 3"], b: Float[np.ndarray, "N 3"]) -> float:
    weight = np.nan_to_num(np.minimum(a[:, 2], b[:, 2])) + 1e-6
    apart = np.nan_to_num(np.linalg.norm(a[:, :2] - b[:, :2], axis=1))
    return float((weight * apart).sum() / weight.sum())


def swap_sides(points: Float[np.ndarray, "K 3"], group: Sequence[int]) -> Float[np.ndarray, "K 3"]:
    """A copy with left and right of the COCO-17 joints of a group exchanged."""
    members = np.asarray(group)
    result = points.copy()
    result[members] = points[_MIRROR[members]]
    return result


def coco_of(blaze: BlazePose) -> Points:
    return np.asarray(blaze.landmarks[list(COCO_OF_BLAZE)])


def halpe26(coco: Points, feet: Sequence[BlazePose], size: float) -> Float[np.ndarray, "26 3"]:
    """Halpe-26 from fused COCO-17 and the feet of BlazePose's looks; small toes stay empty."""
    points = np.full((len(HALPE26), 3), np.nan)
    points[:, 2] = 0.0
    points[:17] = coco
    neck, hip, ears = (_middle(coco, pair) for pair in ((5, 6), (11, 12), (3, 4)))
    points[HALPE26.index("neck")] = neck
    points[HALPE26.index("hip")] = hip
    top = ears + _HEAD_TOP * (ears - neck)
    points[HALPE26.index("head")] = (top[0], top[1], 0.7 * min(ears[2], neck[2]))
    for name, (landmark, ankle, coco_ankle) in _BLAZE_FEET.items():
        points[HALPE26.index(name)] = _foot(coco[coco_ankle], feet, (landmark, ankle), size)
    empty = ~np.isfinite(points[:, :2]).all(axis=1) | (points[:, 2] <= 0)
    points[empty] = (np.nan, np.nan, 0.0)
    return points


def _middle(points: Points, pair: tuple[int, int]) -> Float[np.ndarray, "3"]:
    both = points[list(pair)]
    return np.array([*both[:, :2].mean(axis=0), both[:, 2].min()])


def _foot(
    ankle: Float[np.ndarray, "3"],
    feet: Sequence[BlazePose],
    landmarks: tuple[int, int],
    size: float,
) -> Float[np.ndarray, "3"]:
    """A point of the foot, hung on the fused ankle, from the looks whose ankle is close to it.

    BlazePose may have left and right exchanged, so of its two feet the nearer one counts.
    """
    offsets, trusts = [], []
    for blaze in feet:
        # Landmarks of the two feet alternate: 27 and 28, 29 and 30, 31 and 32.
        tip, base = min(
            (landmarks, (_other_side(landmarks[0]), _other_side(landmarks[1]))),
            key=lambda pair: np.hypot(*(blaze.landmarks[pair[1], :2] - ankle[:2])),
        )
        miss = float(np.hypot(*(blaze.landmarks[base, :2] - ankle[:2])))
        trust = np.exp(-0.5 * (miss / (AGREE * size)) ** 2) * blaze.presence
        offsets.append(blaze.landmarks[tip, :2] - blaze.landmarks[base, :2])
        trusts.append(trust * min(blaze.landmarks[tip, 2], ankle[2]))
    total = float(np.sum(trusts))
    if not total > 0:
        return np.array([np.nan, np.nan, 0.0])
    offset = np.average(offsets, axis=0, weights=trusts)
    return np.array([*(ankle[:2] + offset), max(trusts)])


def _other_side(landmark: int) -> int:
    return landmark + 1 if landmark % 2 else landmark - 1


# --- over time -----------------------------------------------------------------------------------

_HALPE_MIRROR = np.array(mirrored(HALPE26))
_UPPER = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
_LOWER = np.array([11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 25])
_SIDES = (np.zeros(0, int), _UPPER, _LOWER, np.concatenate([_UPPER, _LOWER]))
_FLIP_COST = 0.02
"""Cost of calling a frame flipped, in body sizes: without evidence, what was seen stays."""


def untangle_sides(
    points: Float[np.ndarray, "F 26 3"], sizes: Float[np.ndarray, "F"]
) -> Float[np.ndarray, "F 26 3"]:
    """Exchange left and right in the frames where that makes the motion continuous.

    Viterbi over four states a frame (as seen, arms, legs, both exchanged); the side that most
    frames say is kept.
    """
    found = np.flatnonzero((points[..., 2] > 0).any(axis=1))
    if len(found) < 2:
        return points
    variants = np.stack([_exchanged(points, group) for group in _SIDES], axis=1)
    cost = np.array([0.0, 1.0, 1.0, 2.0]) * _FLIP_COST
    total, back = cost.copy(), []
    for previous, frame in pairwise(found):
        fade = 0.5 ** ((frame - previous - 1) / 5)  # across a gap, continuity says less
        step = fade * _jumps(variants[previous], variants[frame]) / max(sizes[frame], 1.0)
        through = total[:, None] + step
        back.append(through.argmin(axis=0))
        total = through.min(axis=0) + cost
    state = int(total.argmin())
    result = points.copy()
    for frame, pointers in zip(found[:0:-1], reversed(back), strict=True):
        result[frame] = variants[frame, state]
        state = int(pointers[state])
    result[found[0]] = variants[found[0], state]
    return result


def _exchanged(
    points: Float[np.ndarray, "F 26 3"], group: np.ndarray
) -> Float[np.ndarray, "F 26 3"]:
    result = points.copy()
    result[:, group] = points[:, _HALPE_MIRROR[group]]
    return result


def _jumps(
    before: Float[np.ndarray, "4 26 3"], after: Float[np.ndarray, "4 26 3"]
) -> Float[np.ndarray, "4 4"]:
    """Mean confident displacement in pixels from each variant to each."""
    weight = np.minimum(before[:, None, :, 2], after[None, :, :, 2])
    apart = np.linalg.norm(before[:, None, :, :2] - after[None, :, :, :2], axis=-1)
    weight = np.where(np.isfinite(apart), weight, 0.0)
    total = (weight * np.nan_to_num(apart)).sum(axis=-1)
    return np.asarray(total / np.maximum(weight.sum(axis=-1), 1e-6))


def drop_outliers(
    points: Float[np.ndarray, "F 26 3"], sizes: Float[np.ndarray, "F"], reach: int = 3
) -> Float[np.ndarray, "F 26 3"]:
    """Joints that leap away and come back within a few frames become empty.

    A joint is an outlier where it is further from the median of its neighbours in time (2 `reach`
    frames, itself left out) than 8 % of the body plus three times their own spread.
    """
    result = points.copy()
    count = len(points)
    offsets = np.array([o for o in range(-reach, reach + 1) if o])
    for frame in range(count):
        around = offsets + frame
        window = points[around[(around >= 0) & (around < count)]]
        seen = window[..., 2] > 0.1
        enough = seen.sum(axis=0) >= 3
        if not enough.any():
            continue
        xy = np.where(seen[..., None], window[..., :2], np.nan)[:, enough]
        centre = np.nanmedian(xy, axis=0)
        spread = np.nanmedian(np.linalg.norm(xy - centre, axis=-1), axis=0)
        off = np.linalg.norm(points[frame, enough, :2] - centre, axis=-1)
        bad = off > 0.08 * sizes[frame] + 3 * spread
        result[frame, np.flatnonzero(enough)[bad]] = (np.nan, np.nan, 0.0)
    return result
