"""Why a frame is suspicious: one small function per reason.

Each returns (P, F): 1 at the threshold, more is worse, NaN where nothing can be said. All are plain
NumPy on what `engine.fit.findings` measured of a fit; thresholds stand here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from jaxtyping import Float

from engine.structures import FrameRange, SwapProposal

OUTLIER = 3.5
"""Robust standard deviations above the person's median from which a miss stands out."""
LEAST_MISS = 0.03
"""Share of a standing person's size in the image below which no miss is suspicious."""
SILHOUETTE = 0.5
"""1 - intersection over union of body and mask: naked bodies and clothed masks differ by 0.2."""
OPEN_CONTACT = 0.03
"""Metres between regions that a person said touch."""
TOUCH_UNSAID = 0.06
"""Metres between a hand and somebody else of which nobody said whether they touch: fits of people
whose hands rest on each other are that far off."""
CLEARANCE = 0.03
"""Metres that regions said to be apart keep; where they meet the reason is at its threshold."""
DEEP = 0.03
"""Metres that one body is inside the other: deeper than soft skin explains."""
ACCELERATION = np.array(
    [17, 21, 20, 18, 40, 38, 22, 51, 53, 26, 62, 62,
     33, 29, 29, 37, 33, 33, 38, 39, 47, 48, 57, 59], float,
)  # fmt: skip
"""m/s^2 that 99 % of 27,553 person-frames of captured people stay below, joint by joint (CMU,
second differences over 1/30 s)."""
JERKY = 3.0
"""Times that, from which a joint is said to jerk."""
APPROACH = 3.0
"""m/s along the view between two people; captured couples reach 2.45 in one frame of a thousand."""
FLIPPED = 0.10
"""Metres by which joints are expected to be off because depth may be the other way round."""
UNLIKELY = 1.0
"""Standard deviations of the prior, root mean square over the joints."""
WINDOW = 1 / 30
"""Seconds over which accelerations are taken, or one frame where frames are further apart."""


@dataclass(frozen=True)
class Gap:
    """How far apart the regions of a label are."""

    person_a: int
    person_b: int
    frames: FrameRange
    metres: Float[np.ndarray, "N"]
    """In each of the frames."""


def reprojection(miss: Float[np.ndarray, "P F"]) -> Float[np.ndarray, "P F"]:
    """`miss`: mean distance of the joints to what was seen, as a share of the person's size.

    Relative to the clip itself: suspicious is what stands out from what this video usually gives.
    """
    result = np.full(miss.shape, np.nan)
    for person, values in enumerate(miss):
        known = values[np.isfinite(values)]
        if known.size:
            median = float(np.median(known))
            deviation = 1.4826 * float(np.median(np.abs(known - median)))
            result[person] = values / max(LEAST_MISS, median + OUTLIER * deviation)
    return result


def silhouette(agreement: Float[np.ndarray, "P F"]) -> Float[np.ndarray, "P F"]:
    """`agreement`: intersection over union of the projected body and the mask, where both count."""
    return (1 - agreement) / SILHOUETTE


def contact(
    gaps: Sequence[Gap], apart: Sequence[Gap], shape: tuple[int, int]
) -> Float[np.ndarray, "P F"]:
    """`gaps` of contact labels, and of "no contact", negative inside. Frames without a label are
    NaN."""
    result = np.full(shape, np.nan)
    for gap, value in (
        *((one, one.metres / OPEN_CONTACT) for one in gaps),
        *((one, (CLEARANCE - one.metres) / CLEARANCE) for one in apart),
    ):
        part = gap.frames.as_slice()
        for person in (gap.person_a, gap.person_b):
            result[person, part] = np.fmax(result[person, part], np.maximum(value, 0.0))
    return result


def touch(metres: Float[np.ndarray, "F"]) -> Float[np.ndarray, "F"]:
    """`metres`: from a hand of one of two people to the other, where nobody said whether it
    touches; infinite where somebody did. 2 where it touches."""
    return np.maximum(2 - metres / TOUCH_UNSAID, 0.0)


def penetration(depth: Float[np.ndarray, "P F"]) -> Float[np.ndarray, "P F"]:
    """`depth`: metres that somebody is inside another, or another inside them."""
    return depth / DEEP


def jerk(
    joints: Float[np.ndarray, "P F 24 3"],
    times: Float[np.ndarray, "F"],
    cuts: Sequence[int] = (),
) -> Float[np.ndarray, "P F"]:
    """The joint whose acceleration is furthest beyond what captured people show.

    `joints` in a frame that stands still, metres. NaN at the ends of shots.
    """
    share = accelerations(joints, times, cuts) / ACCELERATION
    return np.asarray(share.max(axis=-1) / JERKY)


def accelerations(
    joints: Float[np.ndarray, "P F J 3"],
    times: Float[np.ndarray, "F"],
    cuts: Sequence[int] = (),
) -> Float[np.ndarray, "P F J"]:
    """m/s^2, as second differences over `WINDOW` whatever the rate; NaN at the ends of shots."""
    result = np.full(joints.shape[:3], np.nan)
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(times)), len(times)]
    for start, stop in pairwise(edges):
        if stop - start < 3:
            continue
        shot = slice(start, stop)
        step = max(WINDOW, float(np.median(np.diff(times[shot]))))
        here = times[shot]
        ahead, behind = (_at(joints[:, shot], here, here + s * step) for s in (1, -1))
        bend = (ahead - 2 * joints[:, shot] + behind) / step**2
        whole = (here >= here[0] + 0.99 * step) & (here <= here[-1] - 0.99 * step)
        result[:, shot][:, whole] = np.linalg.norm(bend, axis=-1)[:, whole]
    return result


def _at(
    values: Float[np.ndarray, "P F J 3"], times: np.ndarray, wanted: np.ndarray
) -> Float[np.ndarray, "P F J 3"]:
    """Linear interpolation; beyond the ends anything."""
    high = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    low = high - 1
    share = ((wanted - times[low]) / (times[high] - times[low]))[:, None, None]
    return np.asarray(values[:, low] * (1 - share) + values[:, high] * share)


def depth_flip(
    order: Float[np.ndarray, "P F"],
    limbs: Float[np.ndarray, "P F"],
    approach: Float[np.ndarray, "P F"],
) -> Float[np.ndarray, "P F"]:
    """The depth between two people, or of a limb, may be the other way round, or jumps.

    `order`, `limbs`: metres that joints are expected to move if the order of the people, or the
    direction of a limb, is mirrored in depth: twice the depth times the probability that it is
    (`flip_cost`). `approach`: m/s by which two people's distance along the view changes.
    """
    expected = np.fmax(order, limbs) / FLIPPED
    return np.asarray(np.fmax(expected, approach / APPROACH))


def flip_cost(
    depth: Float[np.ndarray, "*n"],
    expected: Float[np.ndarray, "*n"],
    variance: Float[np.ndarray, "*n"],
) -> Float[np.ndarray, "*n"]:
    """Metres that a mirrored depth is expected to cost: 2 |depth| times its probability.

    A pose mirrored in depth projects to the same pixels (but for perspective), so only what else is
    known tells the two apart: with `expected` +- `variance` (metres, metres^2) their log-odds are
    2 depth expected / variance, for errors that are Gaussian.
    """
    log_odds = np.clip(2 * depth * expected / np.maximum(variance, 1e-6), -30, 30)
    return np.asarray(2 * np.abs(depth) / (1 + np.exp(log_odds)))


def identity(
    swaps: Sequence[SwapProposal], least: float, shape: tuple[int, int]
) -> Float[np.ndarray, "P F"]:
    """Frames in which somebody is proposed to be another: what that saves, over the `least` nats
    for which it is proposed, at most 3."""
    result = np.zeros(shape)
    for swap in swaps:
        value = min((swap.cost_before - swap.cost_after) / least, 3.0)
        for person in (swap.person_a, swap.person_b):
            part = swap.frames.as_slice()
            result[person, part] = np.maximum(result[person, part], max(value, 1.0))
    return result


def prior(
    deviations: Float[np.ndarray, "P F 24"], apart: Float[np.ndarray, "P F"]
) -> Float[np.ndarray, "P F"]:
    """How far the fit is from what the prior says of the same keypoints, in its own standard
    deviations: of each joint's rotation, and of the offset to the partner."""
    pose = np.sqrt(np.square(deviations).mean(axis=-1))
    return np.asarray(np.fmax(pose, apart / 2) / UNLIKELY)


def worst_of_pairs(
    values: dict[tuple[int, int], Float[np.ndarray, "F"]], shape: tuple[int, int]
) -> Float[np.ndarray, "P F"]:
    """What concerns two people, for each of them: the worst of their pairs."""
    result = np.full(shape, np.nan)
    for pair in combinations(range(shape[0]), 2):
        if pair in values:
            for person in pair:
                result[person] = np.fmax(result[person], values[pair])
    return result
