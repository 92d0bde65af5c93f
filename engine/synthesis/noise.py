"""How a keypoint detector errs on one person of a synthetic clip: fitted to Dyad's own perception.

Everything that happens to a keypoint is decided by Gaussian processes in time (Ornstein and
Uhlenbeck's: they forget exponentially), so that clips of any frame rate err alike, and a threshold
gives an event the share of time that it has. Errors are shares of the longer side of the person's
box in the picture. `engine.synthesis.noise_check` compares this with perception; the numbers here
come from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy.stats import norm

from engine.body.joints import HALPE26, mirrored
from engine.synthesis.visibility import Visibility

GROUPS: dict[str, tuple[str, ...]] = {
    "left arm": ("left_elbow", "left_wrist"),
    "right arm": ("right_elbow", "right_wrist"),
    "left leg": ("left_knee", "left_ankle", "left_big_toe", "left_small_toe", "left_heel"),
    "right leg": ("right_knee", "right_ankle", "right_big_toe", "right_small_toe", "right_heel"),
    "head": ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "head"),
    "trunk": ("neck", "hip", "left_shoulder", "right_shoulder", "left_hip", "right_hip"),
}
"""Keypoints that go wrong together."""
_GROUP = np.array([[HALPE26[k] in names for names in GROUPS.values()] for k in range(26)]).argmax(1)
_LIMBS = range(4)
_SIDES = np.array(mirrored(HALPE26))
_UNSEEN = np.array(["small_toe" in name for name in HALPE26])
"""No model that ships reports these."""
_LEVELS = Visibility.VISIBLE, Visibility.SELF_OCCLUDED, Visibility.OCCLUDED
ByLevel = tuple[float, float, float]
"""In sight, behind the own body, behind a partner."""


@dataclass(frozen=True)
class PersonNoise:
    """Sizes are shares of the longer side of the person's box, shares are of time."""

    fine: ByLevel = (0.0115, 0.026, 0.036)
    """Standard deviation of a keypoint along x and along y."""
    unlike: float = 0.35
    """Standard deviation of the logarithm of that between keypoints, clips and people."""
    constant: float = 0.1
    """Share of that variance that stays for the whole clip."""
    white: float = 0.05
    """Share that is new in every frame."""
    wander_s: float = 0.45
    """Seconds in which the rest is forgotten."""
    sitting: float = 1.0
    """How much of the measured bias of each keypoint there is."""
    gross: ByLevel = (0.075, 0.16, 0.36)
    """Share of time in which a keypoint is somewhere else."""
    gross_size: float = 0.135
    """Standard deviation along x and y of where."""
    gross_s: float = 0.15
    """Seconds in which that is forgotten."""
    together: float = 0.6
    """Correlation of the keypoints of a group in going wrong."""
    sides: float = 0.03
    """Share of time in which a limb is taken for the other side's."""
    unreported: ByLevel = (0.01, 0.01, 0.17)
    """Share of time in which a keypoint is not reported, beside whole people who are lost."""
    lost: tuple[float, ...] = (0.01, 0.05, 0.35, 0.65)
    """Share of time in which a person is not found of whom a share of `LOST_AT` is hidden by
    others; between them it is interpolated."""
    lost_s: float = 0.6
    certainty: tuple[tuple[float, ...], ...] = (
        (3.7, 2.3, -0.1, -1.4, -2.0),
        (2.5, 1.6, 0.2, -0.9, -1.5),
        (0.9, -0.1, -0.9, -1.9, -2.1),
    )
    """Mean logit of the confidence by level and error (at `ERROR_AT`; interpolated)."""
    doubt: float = 1.7
    """Standard deviation of that logit."""


LOST_AT = 0.0, 0.2, 0.4, 0.8
ERROR_AT = 0.0125, 0.0375, 0.075, 0.15, 0.3
NONE = PersonNoise(
    fine=(0.0, 0.0, 0.0), sitting=0.0, gross=(0.0, 0.0, 0.0), sides=0.0, unreported=(0.0, 0.0, 0.0),
    lost=(0.0, 0.0, 0.0, 0.0), certainty=((20.0,) * 5,) * 3, doubt=0.0,
)  # fmt: skip
"""A detector that does not err."""

SITTING = {
    "nose": (0.014, 0.0), "eye": (0.008, 0.01), "ear": (0.003, -0.08), "shoulder": (0.005, -0.073),
    "elbow": (0.006, 0.004), "wrist": (-0.002, 0.012), "hip": (0.015, -0.04), "knee": (0.007, 0.0),
    "ankle": (0.015, 0.009), "head": (-0.019, 0.0), "neck": (-0.011, 0.0),
    "big_toe": (0.003, 0.052), "heel": (0.008, 0.036),
}  # fmt: skip
"""Where a keypoint is seen relative to the truth: upwards along the trunk, and outwards in widths
of the shoulders (see `noise_check.sitting`)."""
PRONE = {"wrist": 1.7, "elbow": 1.3, "ankle": 1.2, "knee": 1.0, "toe": 1.2, "heel": 1.2}
"""How much more often than others these keypoints are somewhere else; the rest 0.7 times."""


@dataclass(frozen=True)
class Person:
    """What is true of one person in F frames."""

    times: Float[np.ndarray, "F"]
    pixels: Float[np.ndarray, "F 26 2"]
    visibility: UInt8[np.ndarray, "F 26"]
    side: Float[np.ndarray, "F"]
    """Longer side of the person's box, pixels."""

    @property
    def axes(self) -> Float[np.ndarray, "F 2 2"]:
        """Rows: up along the trunk (unit length), and from the right to the left shoulder as a
        share of the box, so that it vanishes in profile."""
        at = {name: self.pixels[:, i] for i, name in enumerate(HALPE26)}
        up = at["neck"] - at["hip"]
        up = up / np.maximum(np.linalg.norm(up, axis=-1, keepdims=True), 1e-6)
        across = (at["left_shoulder"] - at["right_shoulder"]) / self.side[:, None]
        return np.stack([up, across], axis=1)

    @property
    def level(self) -> Int[np.ndarray, "F 26"]:
        """0 in sight, 1 behind the own body, 2 behind somebody else."""
        result = np.ones(self.visibility.shape, int)
        for index, value in enumerate(_LEVELS):
            result[self.visibility == value] = index
        return result


def seen_points(
    person: Person, noise: PersonNoise, generator: np.random.Generator
) -> Float[np.ndarray, "F 26 2"]:
    """Pixels that a detector gives for the keypoints, of all of them."""
    level = person.level
    offset = _fine(person, level, noise, generator) + noise.sitting * _sitting(person)
    wrong, elsewhere = _gross(person, level, noise, generator)
    offset = np.where(wrong[..., None], offset + elsewhere, offset)
    points = person.pixels + offset * person.side[:, None, None]
    crossed = wander(person.times, noise.gross_s, (len(_LIMBS),), generator) < norm.ppf(noise.sides)
    for limb in _LIMBS:
        own = np.flatnonzero(limb == _GROUP)
        other = person.pixels[:, _SIDES[own]] + (points - person.pixels)[:, own]
        points[:, own] = np.where(crossed[limb][:, None, None], other, points[:, own])
    return np.asarray(points)


def reported(
    person: Person, noise: PersonNoise, generator: np.random.Generator
) -> Bool[np.ndarray, "F 26"]:
    """Which keypoints are reported at all."""
    share = np.array(noise.unreported)[person.level]
    silent = _copula(person.times, noise.gross_s, noise.together, generator) < norm.ppf(share)
    hidden = (person.visibility[:, :17] == Visibility.OCCLUDED).mean(axis=1)
    lost: np.ndarray = wander(person.times, noise.lost_s, (), generator) < norm.ppf(
        np.interp(hidden, LOST_AT, noise.lost)
    )
    inside = person.visibility != Visibility.OUTSIDE
    return np.asarray(inside & ~silent & ~lost[:, None] & ~_UNSEEN)


def confidences(
    person: Person,
    points: Float[np.ndarray, "F 26 2"],
    noise: PersonNoise,
    generator: np.random.Generator,
) -> Float[np.ndarray, "F 26"]:
    """How sure a detector is of the points: less of what is hidden and of what is wrong."""
    error = np.linalg.norm(points - person.pixels, axis=-1) / person.side[:, None]
    by_level = [np.interp(error, ERROR_AT, logits) for logits in noise.certainty]
    mean = np.take_along_axis(np.stack(by_level), person.level[None], axis=0)[0]
    doubt = _copula(person.times, noise.wander_s, 0.5, generator)
    return np.asarray(np.clip(1 / (1 + np.exp(-mean - noise.doubt * doubt)), 0.01, 1.0))


def wander(
    times: Float[np.ndarray, "F"], seconds: float, shape: tuple[int, ...],
    generator: np.random.Generator,
) -> Float[np.ndarray, "*S F"]:  # fmt: skip
    """Processes of unit variance that keep a share exp(-1) of what they were after `seconds`."""
    kept = np.exp(-np.diff(times) / max(seconds, 1e-6))
    fresh = generator.normal(0, 1, (len(times), *shape))
    for frame, share in enumerate(kept, start=1):
        fresh[frame] = share * fresh[frame - 1] + np.sqrt(1 - share**2) * fresh[frame]
    return np.moveaxis(fresh, 0, -1)


def _copula(
    times: np.ndarray, seconds: float, together: float, generator: np.random.Generator
) -> Float[np.ndarray, "F 26"]:
    """A process of unit variance per keypoint; those of a group are correlated."""
    shared = wander(times, seconds, (len(GROUPS),), generator)[_GROUP]
    own = wander(times, seconds, (26,), generator)
    return np.asarray((np.sqrt(together) * shared + np.sqrt(1 - together) * own).T)


def _fine(
    person: Person, level: np.ndarray, noise: PersonNoise, generator: np.random.Generator
) -> Float[np.ndarray, "F 26 2"]:
    frames = len(person.times)
    constant = generator.normal(0, 1, (26, 2, 1))
    slow = wander(person.times, noise.wander_s, (26, 2), generator)
    white = generator.normal(0, 1, (26, 2, frames))
    rest = 1 - noise.constant - noise.white
    unit = np.sqrt(noise.constant) * constant + np.sqrt(rest) * slow + np.sqrt(noise.white) * white
    spread = np.exp(noise.unlike * generator.normal(0, 1, 26))
    size = np.array(noise.fine)[level] * spread
    return np.asarray(np.moveaxis(unit, -1, 0) * size[..., None])


def _gross(
    person: Person, level: np.ndarray, noise: PersonNoise, generator: np.random.Generator
) -> tuple[Bool[np.ndarray, "F 26"], Float[np.ndarray, "F 26 2"]]:
    """Which keypoints are somewhere else, and how far."""
    prone = np.array([next((v for k, v in PRONE.items() if k in n), 0.7) for n in HALPE26])
    share = np.minimum(np.array(noise.gross)[level] * prone, 0.9)
    wrong = _copula(person.times, noise.gross_s, noise.together, generator) < norm.ppf(share)
    where = [_copula(person.times, noise.gross_s, noise.together, generator) for _ in range(2)]
    return wrong, noise.gross_size * np.stack(where, axis=-1)


def _sitting(person: Person) -> Float[np.ndarray, "F 26 2"]:
    bias = np.zeros((26, 2))
    for index, name in enumerate(HALPE26):
        up, out = SITTING.get(sideless(name), (0.0, 0.0))
        bias[index] = up, -out if name.startswith("right") else out
    return np.asarray(np.einsum("ka,fac->fkc", bias, person.axes))


def sideless(name: str) -> str:
    """A left_wrist and a right_wrist are a wrist."""
    return name.removeprefix("left_").removeprefix("right_")
