"""From what the models call joints to Halpe-26, with left and right made to agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from engine.body.joints import COCO17, HALPE26, mirrored
from engine.perception.runtime import BlazePose

COCO_OF_BLAZE = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
"""BlazePose's landmark for each COCO-17 keypoint."""
_BLAZE_FEET = {"left_big_toe": (31, 27, 15), "right_big_toe": (32, 28, 16),
               "left_heel": (29, 27, 15), "right_heel": (30, 28, 16)}  # fmt: skip
"""Halpe-26 name -> BlazePose landmark, its ankle there, and the ankle in COCO-17."""
_MIRROR = np.array(mirrored(COCO17))
_ARMS, _LEGS = (5, 6, 7, 8, 9, 10), (11, 12, 13, 14, 15, 16)
AGREE = 0.04
"""Witnesses agree on a joint within about this share of the body's size."""
_HEAD_TOP = 0.65
"""From the ears up to the top of the head, as a share of shoulders to ears."""

Points = Float[np.ndarray, "17 3"]


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


@dataclass(frozen=True)
class FootLooks:
    """BlazePose's landmarks of its B looks at a person, and how sure each is of a person."""

    landmarks: Float[np.ndarray, "B 33 3"]
    presence: Float[np.ndarray, "B"]


NO_LOOKS = FootLooks(np.zeros((0, 33, 3)), np.zeros(0))


def halpe26(coco: Points, looks: FootLooks, size: float) -> Float[np.ndarray, "26 3"]:
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
        points[HALPE26.index(name)] = _foot(coco[coco_ankle], looks, (landmark, ankle), size)
    empty = ~np.isfinite(points[:, :2]).all(axis=1) | (points[:, 2] <= 0)
    points[empty] = (np.nan, np.nan, 0.0)
    return points


def _middle(points: Points, pair: tuple[int, int]) -> Float[np.ndarray, "3"]:
    both = points[list(pair)]
    return np.array([*both[:, :2].mean(axis=0), both[:, 2].min()])


def _foot(
    ankle: Float[np.ndarray, "3"], looks: FootLooks, landmarks: tuple[int, int], size: float
) -> Float[np.ndarray, "3"]:
    """A point of the foot, hung on the fused ankle, from the looks whose ankle is close to it.

    BlazePose may have left and right exchanged, so of its two feet the nearer one counts.
    """
    offsets, trusts = [], []
    for points, presence in zip(looks.landmarks, looks.presence.tolist(), strict=True):
        # Landmarks of the two feet alternate: 27 and 28, 29 and 30, 31 and 32.
        sides = (landmarks, (_other_side(landmarks[0]), _other_side(landmarks[1])))
        apart = [float(np.hypot(*(points[base, :2] - ankle[:2]))) for _, base in sides]
        tip, base = sides[int(np.argmin(apart))]
        trust = np.exp(-0.5 * (min(apart) / (AGREE * size)) ** 2) * presence
        offsets.append(points[tip, :2] - points[base, :2])
        trusts.append(trust * min(points[tip, 2], ankle[2]))
    total = float(np.sum(trusts))
    if not total > 0:
        return np.array([np.nan, np.nan, 0.0])
    offset = np.average(offsets, axis=0, weights=trusts)
    return np.array([*(ankle[:2] + offset), max(trusts)])


def _other_side(landmark: int) -> int:
    return landmark + 1 if landmark % 2 else landmark - 1


# --- over time -----------------------------------------------------------------------------------

_UPPER, _LOWER = np.array([1, 2, 3, 4, *_ARMS]), np.array(_LEGS)
_SIDES = (np.zeros(0, int), _UPPER, _LOWER, np.concatenate([_UPPER, _LOWER]))
_FLIP_COST = 0.02
"""Cost of calling a frame flipped, in body sizes: without evidence, what was seen stays."""


def side_order(
    points: Float[np.ndarray, "F 17 3"], sizes: Float[np.ndarray, "F"]
) -> Int[np.ndarray, "F 17"]:
    """For each frame, which joint each joint really is, so that the motion is continuous.

    Viterbi over four states a frame (as seen, arms, legs, both exchanged); the side that most
    frames say is kept.
    """
    order = np.tile(np.arange(points.shape[1]), (len(points), 1))
    found = np.flatnonzero((points[..., 2] > 0).any(axis=1))
    if len(found) < 2:
        return order
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
    for frame, pointers in zip(found[:0:-1], reversed(back), strict=True):
        order[frame, _SIDES[state]] = _MIRROR[_SIDES[state]]
        state = int(pointers[state])
    order[found[0], _SIDES[state]] = _MIRROR[_SIDES[state]]
    return order


def _exchanged(
    points: Float[np.ndarray, "F 17 3"], group: np.ndarray
) -> Float[np.ndarray, "F 17 3"]:
    result = points.copy()
    result[:, group] = points[:, _MIRROR[group]]
    return result


def _jumps(
    before: Float[np.ndarray, "4 17 3"], after: Float[np.ndarray, "4 17 3"]
) -> Float[np.ndarray, "4 4"]:
    """Mean confident displacement in pixels from each variant to each."""
    weight = np.minimum(before[:, None, :, 2], after[None, :, :, 2])
    apart = np.linalg.norm(before[:, None, :, :2] - after[None, :, :, :2], axis=-1)
    weight = np.where(np.isfinite(apart), weight, 0.0)
    total = (weight * np.nan_to_num(apart)).sum(axis=-1)
    return np.asarray(total / np.maximum(weight.sum(axis=-1), 1e-6))
