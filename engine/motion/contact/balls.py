"""People as balls on bones: coarse, quick, and enough to send an arm round and not through.

Radii are about those of the open body of average shape.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from engine.body.joints import SMPL_JOINTS

SIGMA = 0.012
"""Metres of overlap that weigh as much as anything else by its own sigma."""
PRESSED = 0.75
"""Share of their reach at which trunks are taken to overlap."""
_MIDDLE = (
    ("pelvis", "pelvis", 0.0, 0.125), ("spine1", "spine1", 0.0, 0.12),
    ("spine2", "spine2", 0.0, 0.12), ("spine3", "spine3", 0.0, 0.12),
    ("spine3", "neck", 0.5, 0.11), ("neck", "neck", 0.0, 0.06), ("neck", "head", 1.9, 0.095),
)  # fmt: skip
_SIDED = (
    ("spine3", "shoulder", 0.55, 0.10), ("pelvis", "hip", 1.1, 0.095),
    ("shoulder", "shoulder", 0.0, 0.06),
    ("shoulder", "elbow", 0.33, 0.05), ("shoulder", "elbow", 0.66, 0.045),
    ("elbow", "elbow", 0.0, 0.042), ("elbow", "wrist", 0.33, 0.04), ("elbow", "wrist", 0.66, 0.034),
    ("wrist", "wrist", 0.0, 0.028), ("hand", "hand", 0.0, 0.022),
    ("wrist", "hand", 1.9, 0.022),
    ("hip", "knee", 0.33, 0.08), ("hip", "knee", 0.66, 0.07), ("knee", "knee", 0.0, 0.055),
    ("knee", "ankle", 0.33, 0.055), ("knee", "ankle", 0.66, 0.045), ("ankle", "foot", 0.5, 0.045),
)  # fmt: skip
_BALLS = (
    *_MIDDLE,
    *(
        (a if a in SMPL_JOINTS else f"{side}_{a}", f"{side}_{b}", share, radius)
        for side in ("left", "right")
        for a, b, share, radius in _SIDED
    ),
)
_FROM = [SMPL_JOINTS.index(a) for a, *_ in _BALLS]
_TO = [SMPL_JOINTS.index(b) for _, b, *_ in _BALLS]
_SHARE = torch.tensor([share for *_, share, _ in _BALLS])[:, None]
_RADIUS = torch.tensor([radius for *_, radius in _BALLS])
_TRUNK = list(range(len(_MIDDLE)))
_ARMS = [
    i for i, (a, *_) in enumerate(_BALLS) if any(part in a for part in ("elbow", "wrist", "hand"))
]


def overlap(joints: Float[Tensor, "2 F 24 3"], share: float) -> tuple[Tensor, Tensor]:
    """Squared overlap, in units of `SIGMA`, summed over frames: of the two with each other, and
    of each one's arms with their own trunk.

    Balls overlap from a `share` of the distance at which they touch where one is of a trunk, which
    is no ball. Trunks may press together even more: skins decide how near they come.
    """
    start = joints[:, :, _FROM]
    centres = start + _SHARE * (joints[:, :, _TO] - start)
    reach = _RADIUS[:, None] + _RADIUS
    limbs = len(_TRUNK)  # what comes after the trunk
    reach[:limbs] *= share
    reach[limbs:, :limbs] *= share
    reach[: len(_TRUNK), : len(_TRUNK)] *= PRESSED
    between = _squared(centres[0], centres[1], reach)
    arms, trunk = (centres[:, :, part].flatten(0, 1) for part in (_ARMS, _TRUNK))
    own = _squared(arms, trunk, _RADIUS[_ARMS][:, None] + _RADIUS[_TRUNK])
    return between, own


def own_overlap(joints: Float[Tensor, "P F 24 3"]) -> Float[Tensor, "P F"]:
    """By how much an arm is in the own trunk, metres."""
    start = joints[:, :, _FROM]
    centres = start + _SHARE * (joints[:, :, _TO] - start)
    distance = torch.cdist(centres[:, :, _ARMS], centres[:, :, _TRUNK])
    deep: Tensor = _RADIUS[_ARMS][:, None] + _RADIUS[_TRUNK] - distance
    return deep.amax(dim=(2, 3))


def _squared(a: Tensor, b: Tensor, reach: Tensor) -> Tensor:
    distance = (a[:, :, None] - b[:, None]).square().sum(-1).add(1e-9).sqrt()
    return ((reach - distance) / SIGMA).clamp_min(0).square().sum()
