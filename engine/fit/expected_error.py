"""By how much joints are believed to be off, from all that is suspicious of a frame together.

The logarithm of the error is a sum of `SIGNS`, each a number that grows where a fit is in doubt,
with weights that are not negative: nothing that speaks against a frame can speak for it.
`engine.benchmark.error_calibration` fits the weights to fits of training motion whose truth is
known; its command stands there.

The error is the mean distance of a person's joints from the true ones after the middle of the
people's pelvises was moved onto the true one: pose and place relative to the partner. How far the
people are from the camera together is left out: it follows from their heights and the focal length,
is much the same in a whole clip, and is no reason to look at one of its frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float

from engine.fit import reasons
from engine.fit.findings import Findings, flips
from engine.fit.second_look import SecondLook

SMOOTHING_SECONDS = 0.15
"""Standard deviation in time of what is smoothed: a fit carries evidence over to its neighbours."""
NOISE = 0.03
"""Metres by which a keypoint of confidence 1 is off; others in proportion to 1 / confidence."""
LEAST_SURE = 0.05
ALONG_VIEW = 0.1
"""Share of the prior's variance that keypoints cannot take away, because it lies along the view:
a third, but that limbs of known length leave two depths only."""

WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "posterior": 1.0572,
        "limbs": 0.0981,
        "pose": 0.5001,
        "hidden": 0.3029,
        "miss": 0.7962,
    }
)
"""As `engine.benchmark.error_calibration` printed them; a sign that is not named weighs nothing."""
INTERCEPT = 0.9661
"""Logarithm of metres."""


def signs(found: Findings) -> dict[str, Float[np.ndarray, "P F"]]:
    """What speaks for an error, each larger where there is more of it, smoothed; never NaN.

    posterior  how far off joints must be expected with such keypoints, by the prior's variance
    limbs      metres that the most doubtful limb moves if it is mirrored in depth
    pose       how far the fit is from what the prior says, in the prior's deviations
    hidden     how far somebody is covered by another, where keypoints are unsure
    miss       how far joints are from keypoints, beyond what is not suspicious
    """
    _, limbs, _ = flips(found)
    look, nothing = found.look, np.zeros(found.shape)
    miss = np.fmax(found.miss_px / found.size_px, reasons.LEAST_MISS) / reasons.LEAST_MISS
    result = {
        "posterior": nothing if look is None else _log(posterior(found, look), 0.001),
        "limbs": _log(limbs, 0.02),
        "pose": nothing if look is None else _log(_pose_deviation(found), 0.1),
        "hidden": found.covered * found.unsure,
        "miss": np.log(miss),
    }
    at = _looked_at(found)
    return {name: _smoothed(np.nan_to_num(v), found.times, at) for name, v in result.items()}


def expected_error(found: Findings) -> Float[np.ndarray, "P F"] | None:
    """Metres; NaN where somebody has no body, None without the prior's weights."""
    if found.look is None:
        return None
    values = signs(found)
    total = INTERCEPT + sum(weight * values[name] for name, weight in WEIGHTS.items())
    return np.where(found.valid, np.exp(total), np.nan)


def posterior(found: Findings, look: SecondLook) -> Float[np.ndarray, "P F"]:
    """Metres by which joints are expected to be off after keypoints were taken into account.

    Across the view the precisions of the prior and of the keypoint that shows the joint add up, as
    for two Gaussians; along the view keypoints say little.
    """
    before = np.maximum(np.square(look.spread()), 1e-4)
    every = np.ones(len(found.times), bool)
    sure = np.stack([_smoothed(found.sure[..., j], found.times, every) for j in range(24)], axis=-1)
    keypoint = np.square(NOISE / np.maximum(sure, LEAST_SURE))
    across = 2 / (3 / before + 1 / keypoint)
    return np.asarray(np.sqrt(across + ALONG_VIEW * before).mean(axis=-1))


def _rms(values: Float[np.ndarray, "P F N"]) -> Float[np.ndarray, "P F"]:
    return np.asarray(np.sqrt(np.square(values).mean(axis=-1)))


def _pose_deviation(found: Findings) -> Float[np.ndarray, "P F"]:
    assert found.look is not None
    return _rms(found.look.deviations(found.rotmats))


def _log(values: Float[np.ndarray, "P F"], floor: float) -> Float[np.ndarray, "P F"]:
    """Logarithm of what is not negative, level below `floor`; NaN counts as nothing."""
    return np.asarray(np.log(np.nan_to_num(values) + floor))


def _looked_at(found: Findings) -> Bool[np.ndarray, "F"]:
    """Frames in which everything was looked at: where a part of a clip was, those around it would
    count as faultless."""
    if found.look is None:
        return np.ones(len(found.times), bool)
    return np.asarray(np.isfinite(found.look.variance).any(axis=(0, 2)))


def _smoothed(
    values: Float[np.ndarray, "P F"], times: Float[np.ndarray, "F"], at: Bool[np.ndarray, "F"]
) -> Float[np.ndarray, "P F"]:
    """Means over `SMOOTHING_SECONDS` of the frames `at`; 0 far from all of them."""
    reach = max(1, int(np.ceil(3 * SMOOTHING_SECONDS / max(_step(times), 1e-3))))
    total, weight = np.zeros(values.shape), np.zeros(len(times))
    for shift in range(-reach, reach + 1):
        there = np.arange(len(times)) + shift
        inside = (there >= 0) & (there < len(times))
        there = np.clip(there, 0, len(times) - 1)
        share = (inside & at[there]) * np.exp(
            -0.5 * ((times[there] - times) / SMOOTHING_SECONDS) ** 2
        )
        total += share * values[:, there]
        weight += share
    return np.asarray(total / np.maximum(weight, 1e-12))


def _step(times: Float[np.ndarray, "F"]) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else 1.0
