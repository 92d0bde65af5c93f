"""What a keypoint detector says of two people, in batches: the errors of engine.synthesis in torch.

The numbers are `PersonNoise`'s and `PairNoise`'s, fitted to Dyad's own perception; here is the same
model of them for many windows at once, every frame at `RATE`. Who hides whom comes from
engine.prior.hiding. On nine of the motions that ship, `python -m engine.prior.noise_check
weights/motion/*-[56]000?.npz` says of COCO's keypoints (error as a share of the longer side of the
person's box; first the detector of synthesis, then this one):

                      reported       median error     mean confidence   within 10 %
    in sight          0.90  0.91     0.018  0.019     0.85  0.84        0.83  0.82
    behind own body   0.95  0.95     0.037  0.033     0.69  0.71        0.81  0.81
    behind partner    0.55  0.57     0.082  0.067     0.39  0.44        0.32  0.36

Capsules and drawn bodies agree on what hides 0.915 of the keypoints; the others are given errors
of another level, which is what is left of the difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from engine.body.joints import HALPE26, mirrored
from engine.prior.hiding import PARTNER
from engine.prior.windows import RATE
from engine.synthesis.detector import BOX_ROOM, PairNoise
from engine.synthesis.noise import (
    ERROR_AT,
    GROUPS,
    LOST_AT,
    PRONE,
    SITTING,
    PersonNoise,
    sideless,
)


def _group(keypoint: str) -> int:
    """Of `GROUPS`; a small toe, of which they say nothing, goes with the big one."""
    like = keypoint.replace("small", "big")
    return next(group for group, names in enumerate(GROUPS.values()) if like in names)


_GROUP = torch.tensor([_group(name) for name in HALPE26])
_SIDES = list(mirrored(HALPE26))
_LIMBS = torch.arange(4)[:, None] == _GROUP
"""Keypoints of each arm and leg."""
_UNSEEN = torch.tensor(["small_toe" in name for name in HALPE26])
_AT = {name: index for index, name in enumerate(HALPE26)}


@dataclass(frozen=True)
class Sight:
    """What is true of P people in B windows of F frames, and what hides it."""

    rays: Float[Tensor, "B P F 26 2"]
    depth: Float[Tensor, "B P F 26"]
    level: Int[Tensor, "B P F 26"]
    inside: Bool[Tensor, "B P F 26"]
    """In the picture."""

    @property
    def side(self) -> Float[Tensor, "B P F"]:
        """Longer side of each person's box."""
        low, high = self._box
        return (high - low).amax(-1) * (1 + 2 * BOX_ROOM)

    def overlap(self, a: int, b: int) -> Float[Tensor, "B F"]:
        """Intersection over union of two people's boxes."""
        low, high = self._box
        both = (torch.minimum(high[:, a], high[:, b]) - torch.maximum(low[:, a], low[:, b])).clamp(
            min=0
        )
        area = (high - low).prod(-1)
        shared = both.prod(-1)
        return shared / (area[:, a] + area[:, b] - shared).clamp_min(1e-9)

    @property
    def _box(self) -> tuple[Tensor, Tensor]:
        return self.rays.amin(-2), self.rays.amax(-2)


def detections(
    sight: Sight,
    noise: PersonNoise,
    severity: Float[Tensor, "B"],
    generator: torch.Generator,
) -> tuple[Float[Tensor, "B P F 26 2"], Float[Tensor, "B P F 26"]]:
    """Rays and confidences of each person by himself; 0 where nothing is reported.

    `severity` multiplies all errors of a window's detector.
    """
    shape, side = sight.level.shape, sight.side[..., None, None]
    offset = _fine(sight, noise, generator) * severity.view(-1, 1, 1, 1, 1)
    offset = offset + noise.sitting * _sitting(sight)
    prone = torch.tensor(
        [next((v for k, v in PRONE.items() if k in name), 0.7) for name in HALPE26]
    )
    shares = severity[:, None, None] * torch.tensor(noise.gross)[:, None] * prone
    often = _quantile(shares.clamp_max(0.9)).gather(1, sight.level.flatten(1, 2))
    wrong = _grouped(shape, noise.gross_s, noise, generator) < often.view(shape)
    elsewhere = torch.stack(
        [_grouped(shape, noise.gross_s, noise, generator) for _ in range(2)], dim=-1
    )
    offset = offset + (wrong[..., None] * noise.gross_size) * elsewhere
    crossed = _crossed(shape, noise, generator)
    points = torch.where(crossed[..., None], sight.rays[..., _SIDES, :], sight.rays)
    points = points + offset * side
    error = (points - sight.rays).norm(dim=-1) / side[..., 0]
    confidence = _confidence(error, sight.level, noise, generator)
    return points, confidence * _reported(sight, noise, generator)


def meet(
    points: Float[Tensor, "B P F 26 2"],
    confidence: Float[Tensor, "B P F 26"],
    sight: Sight,
    noise: PairNoise,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "B P F 26 2"], Float[Tensor, "B P F 26"]]:
    """What happens between people: limbs of the partner's, one not found, one taken for another."""
    points, confidence = points.clone(), confidence.clone()
    people = range(points.shape[1])
    for person, partner in permutations(people, 2):
        stolen = _stolen(sight.level[:, person] == PARTNER, noise, generator)
        points[:, person] = torch.where(stolen[..., None], points[:, partner], points[:, person])
    for a, b in combinations(people, 2):
        overlap = sight.overlap(a, b)
        meeting = overlap > noise.merging_overlap
        merged = _per_stretch(meeting, noise.merged, generator)[..., None]
        behind = (sight.depth[:, a].mean((1, 2)) > sight.depth[:, b].mean((1, 2)))[:, None, None]
        confidence[:, a] *= ~(merged & behind)
        confidence[:, b] *= ~(merged & ~behind)
        exchanged = _exchanged(overlap, meeting, noise, generator)[..., None]
        for array, which in ((points, exchanged[..., None]), (confidence, exchanged)):
            first, second = array[:, a].clone(), array[:, b].clone()
            array[:, a] = torch.where(which, second, first)
            array[:, b] = torch.where(which, first, second)
    return points, confidence


def _stolen(
    hidden: Bool[Tensor, "B F 26"], noise: PairNoise, generator: torch.Generator
) -> Bool[Tensor, "B F 26"]:
    """Keypoints of limbs that are given the place of the partner's while they are hidden."""
    limbs = _LIMBS.float()
    mostly = hidden.float() @ (limbs / limbs.sum(1, keepdim=True)).mT > 0.5
    taken = _per_stretch(mostly.mT, noise.stolen_limb, generator).mT.float()
    stolen: Tensor = taken @ limbs > 0
    return stolen


def _exchanged(
    overlap: Tensor, meeting: Tensor, noise: PairNoise, generator: torch.Generator
) -> Bool[Tensor, "B F"]:
    """Frames in which the two are taken for each other: now and then, or since they met."""
    fickle = _wander(overlap.shape, noise.mistaken_s, generator)
    mistaken = fickle < _quantile(torch.tensor(noise.mistaken))
    mistaken &= overlap > noise.meeting_overlap
    begun = _per_stretch(meeting, noise.exchanged, generator)
    begun &= ~F.pad(begun, (1, 0))[:, :-1]
    exchanged: Tensor = mistaken ^ (begun.cumsum(1) % 2 == 1)
    return exchanged


def _fine(sight: Sight, noise: PersonNoise, generator: torch.Generator) -> Tensor:
    batch, people, frames, keypoints = sight.level.shape
    shape = (batch, people, keypoints, 2)
    constant = torch.randn(*shape, 1, generator=generator)
    slow = _wander((*shape, frames), noise.wander_s, generator)
    white = torch.randn(*shape, frames, generator=generator)
    rest = 1 - noise.constant - noise.white
    unit = noise.constant**0.5 * constant + rest**0.5 * slow + noise.white**0.5 * white
    spread = (noise.unlike * torch.randn(batch, people, 1, keypoints, generator=generator)).exp()
    size = torch.tensor(noise.fine)[sight.level] * spread
    fine: Tensor = unit.permute(0, 1, 4, 2, 3) * size[..., None]
    return fine


def _sitting(sight: Sight) -> Tensor:
    """Bias of each keypoint, shares of the side of the box (see `SITTING`)."""
    rays = sight.rays
    up = F.normalize(rays[..., _AT["neck"], :] - rays[..., _AT["hip"], :], dim=-1)
    across = rays[..., _AT["left_shoulder"], :] - rays[..., _AT["right_shoulder"], :]
    axes = torch.stack([up, across / sight.side[..., None]], dim=-2)
    return _sitting_bias() @ axes


def _sitting_bias() -> Float[Tensor, "26 2"]:
    rows = [SITTING.get(sideless(name), (0.0, 0.0)) for name in HALPE26]
    signs = [-1.0 if name.startswith("right") else 1.0 for name in HALPE26]
    return torch.tensor([(up, out * sign) for (up, out), sign in zip(rows, signs, strict=True)])


def _crossed(shape: torch.Size, noise: PersonNoise, generator: torch.Generator) -> Tensor:
    """Keypoints of limbs that are taken for the other side's."""
    batch, people, frames, _ = shape
    limbs = _wander((batch, people, 4, frames), noise.gross_s, generator)
    crossed = (limbs < _quantile(torch.tensor(noise.sides))).mT
    keypoints_crossed: Tensor = crossed.float() @ _LIMBS.float() > 0
    return keypoints_crossed


def _reported(sight: Sight, noise: PersonNoise, generator: torch.Generator) -> Tensor:
    seldom = _quantile(torch.tensor(noise.unreported))[sight.level]
    silent = _grouped(sight.level.shape, noise.gross_s, noise, generator) < seldom
    hidden = (sight.level[..., :17] == PARTNER).float().mean(-1)
    lost = _wander(hidden.shape, noise.lost_s, generator) < _quantile(
        _interpolated(hidden, LOST_AT, torch.tensor([noise.lost]), 0)
    )
    reported: Tensor = sight.inside & ~silent & ~lost[..., None] & ~_UNSEEN
    return reported


def _confidence(
    error: Tensor, level: Tensor, noise: PersonNoise, generator: torch.Generator
) -> Tensor:
    mean = _interpolated(error, ERROR_AT, torch.tensor(noise.certainty), level)
    doubt = _grouped(level.shape, noise.wander_s, noise, generator, together=0.5)
    told: Tensor = torch.sigmoid(mean + noise.doubt * doubt)
    return told.clamp(0.01, 1.0)


def _wander(shape: tuple[int, ...], seconds: float, generator: torch.Generator) -> Tensor:
    """Processes of unit variance (*shape, frames last) as `engine.synthesis.noise.wander`."""
    times = torch.arange(shape[-1]) / RATE
    covariance = (-(times[:, None] - times).abs() / max(seconds, 1e-6)).exp()
    root: Tensor = torch.linalg.cholesky(covariance)
    return torch.randn(shape, generator=generator) @ root.mT


def _grouped(
    shape: torch.Size,
    seconds: float,
    noise: PersonNoise,
    generator: torch.Generator,
    together: float | None = None,
) -> Tensor:
    """A process per keypoint (B, P, F, 26); those of a group are correlated."""
    together = noise.together if together is None else together
    batch, people, frames, keypoints = shape
    fresh = _wander((batch, people, len(GROUPS) + keypoints, frames), seconds, generator)
    shared, own = fresh.split([len(GROUPS), keypoints], dim=2)
    mixed: Tensor = (together**0.5 * shared[:, :, _GROUP] + (1 - together) ** 0.5 * own).mT
    return mixed


def _quantile(share: Tensor) -> Tensor:
    """Below which a process of unit variance is for that share of time."""
    quantile: Tensor = torch.special.ndtri(share)
    return quantile


def _interpolated(
    value: Tensor, at: tuple[float, ...], rows: Float[Tensor, "R N"], row: Tensor | int
) -> Tensor:
    """Piecewise linear in one of R rows of N values, constant outside, as np.interp."""
    places = torch.tensor(at)
    above = torch.bucketize(value.contiguous(), places).clamp(1, len(at) - 1)
    low, high = places[above - 1], places[above]
    part = ((value - low) / (high - low)).clamp(0, 1)
    return torch.lerp(rows[row, above - 1], rows[row, above], part)


def _per_stretch(
    flags: Bool[Tensor, "*batch F"], probability: float, generator: torch.Generator
) -> Bool[Tensor, "*batch F"]:
    """Of each stretch of frames in which a flag is up, all or nothing, with a probability."""
    begun = flags & ~F.pad(flags, (1, 0))[..., :-1]
    number = begun.cumsum(-1)
    chance = torch.rand(*flags.shape[:-1], flags.shape[-1] // 2 + 2, generator=generator)
    return flags & (chance.gather(-1, number) < probability)
