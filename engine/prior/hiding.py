"""Which keypoints the camera sees: bodies as capsules, compared in the picture.

Limbs are capsules around lines between points of the body, the trunk several side by side. A
keypoint is hidden where a capsule covers it in the picture and its surface lies further before it
than the flesh that belongs there: the thickness of the limb where the capsule is of its own part
of the body, half of that (the keypoint's own skin) anywhere else. There is no picture, so that
thousands of frames take milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.body.joints import HALPE26, SMPL_JOINTS

IN_SIGHT, OWN_BODY, PARTNER = range(3)
"""Levels of a keypoint: seen, behind the same body, behind somebody else's."""
_NEAREST = 0.1
"""Metres before the camera from which a body is drawn."""
_POINTS = (*SMPL_JOINTS, *(f"keypoint {name}" for name in HALPE26))


@dataclass(frozen=True)
class _Capsule:
    """Around the line between two means of points of the body."""

    start: tuple[str, ...]
    end: tuple[str, ...]
    radius: float
    part: str
    """Keypoints with one of these words in their names lie on it, on its side or on both."""
    side: str = ""


def _limbs(side: str) -> tuple[_Capsule, ...]:
    hip, knee, ankle, shoulder, elbow, wrist, hand, foot = (
        f"{side}_{joint}"
        for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist", "hand", "foot")
    )
    heel, toe = f"keypoint {side}_heel", f"keypoint {side}_big_toe"
    return (
        _Capsule(
            (hip, hip, hip, "spine3"), (shoulder, shoulder, "spine3"), 0.1, "shoulder hip neck"
        ),
        _Capsule((hip,), (knee,), 0.085, "hip knee", side),
        _Capsule((knee,), (ankle,), 0.055, "knee ankle heel", side),
        _Capsule((heel, ankle), (toe, foot), 0.04, "ankle toe heel", side),
        _Capsule((shoulder,), (elbow,), 0.05, "shoulder elbow", side),
        _Capsule((elbow,), (wrist, wrist, hand), 0.04, "elbow wrist", side),
        _Capsule((wrist,), (hand, hand), 0.04, "wrist", side),
    )


_TRUNK = (
    _Capsule(("pelvis",), ("spine3",), 0.13, "hip shoulder"),
    _Capsule(("spine2",), ("neck",), 0.12, "shoulder neck hip"),
    _Capsule(("left_hip",), ("right_hip",), 0.11, "hip"),
    _Capsule(("neck",), ("head",), 0.065, "neck head ear eye nose"),
    _Capsule(
        ("keypoint left_ear", "keypoint right_ear", "keypoint nose"),
        ("keypoint left_ear", "keypoint right_ear", "keypoint head", "keypoint head"),
        0.08,
        "neck head ear eye nose",
    ),
)
CAPSULES = (*_TRUNK, *_limbs("left"), *_limbs("right"))
_FLESH = {"hip": 0.20, "shoulder": 0.13, "knee": 0.11, "neck": 0.15, "ankle": 0.09,
          "elbow": 0.08, "wrist": 0.07, "head": 0.25}  # fmt: skip
_SKIN = 0.07
"""Metres that may lie before a keypoint on the skin."""


def levels(
    keypoints: Float[Tensor, "B P F 26 3"], joints: Float[Tensor, "B P F 24 3"], stride: int = 1
) -> Int[Tensor, "B P F 26"]:
    """Level of each keypoint, in the camera's frame; every `stride`-th frame is looked at."""
    frames = keypoints.shape[2]
    points = keypoints[:, :, ::stride]
    ends = _ends() @ torch.cat([joints[:, :, ::stride], points], dim=-2)
    ends = ends.unflatten(-2, (2, len(CAPSULES)))
    people = keypoints.shape[1]
    partners_flesh = _skin()[:, None].expand(-1, len(CAPSULES))
    result = torch.full(points.shape[:-1], IN_SIGHT)
    for person in range(people):
        nearest = _lead(points[:, person], ends[:, person], _own_flesh()).clamp_min(0)
        result[:, person][nearest > 0] = OWN_BODY
        for partner in (p for p in range(people) if p != person):
            lead = _lead(points[:, person], ends[:, partner], partners_flesh)
            result[:, person][lead > nearest] = PARTNER
    return result.repeat_interleave(stride, dim=2)[:, :, :frames]


def _lead(
    points: Float[Tensor, "B F 26 3"],
    ends: Float[Tensor, "B F 2 C 3"],
    flesh: Float[Tensor, "26 C"],
) -> Tensor:
    """Metres by which the nearest capsule's surface is before a keypoint and its flesh (B, F, 26);
    below 0 where none is."""
    x, y, depth = _projected(points.movedim(-1, 0).flatten(1, 2).mT)
    starts_and_ends = _projected(ends.permute(4, 2, 3, 0, 1).flatten(3)).unbind(1)
    best = torch.full_like(depth, -1.0)
    # One capsule after the other: what it takes stays in the processor's cache.
    for index, (ax, ay, a_depth, bx, by, b_depth) in enumerate(
        zip(*(row for end in starts_and_ends for row in end), strict=True)
    ):
        run, rise = bx - ax, by - ay
        square = (run.square() + rise.square()).clamp_min(1e-9)
        right, down = x - ax, y - ay
        share = (right * (run / square)).addcmul_(down, rise / square).clamp_(0, 1)
        # Along a line in the picture the inverse of depth is linear.
        nearness = 1 / a_depth + share * (1 / b_depth - 1 / a_depth)
        axis_depth = nearness.reciprocal_()
        off = right.sub_(share * run).square_().add_(down.sub_(share * rise).square_())
        room = CAPSULES[index].radius ** 2 - off.mul_(axis_depth).mul_(axis_depth)
        before = room.clamp_min(0).sqrt_().add_(depth).sub_(axis_depth).sub_(flesh[:, index, None])
        torch.maximum(best, before.masked_fill_(room <= 0, -1.0), out=best)
    return torch.unflatten(best.mT, 0, points.shape[:2])


def _projected(points: Float[Tensor, "3 *rest"]) -> Float[Tensor, "3 *rest"]:
    """x / z, y / z and z, contiguous each."""
    depth = points[2].clamp_min(_NEAREST)
    return torch.stack([points[0] / depth, points[1] / depth, depth])


@lru_cache(maxsize=1)
def _ends() -> Float[Tensor, "ends 50"]:
    """Shares of the body's points in the capsules' starts, then in their ends."""
    rows = torch.zeros(2 * len(CAPSULES), len(_POINTS))
    names = [c.start for c in CAPSULES] + [c.end for c in CAPSULES]
    for row, points in zip(rows, names, strict=True):
        for name in points:
            row[_POINTS.index(name)] += 1 / len(points)
    return rows


def _thickness(name: str) -> float:
    return next((metres for part, metres in _FLESH.items() if part in name), _SKIN)


@lru_cache(maxsize=1)
def _skin() -> Float[Tensor, "26"]:
    """Between a keypoint and the skin before it."""
    return torch.tensor([_thickness(name) / 2 for name in HALPE26])


@lru_cache(maxsize=1)
def _own_flesh() -> Float[Tensor, "26 C"]:
    rows = _skin()[:, None].repeat(1, len(CAPSULES))
    for row, name in zip(rows, HALPE26, strict=True):
        for column, capsule in enumerate(CAPSULES):
            other = {"left": "right", "right": "left"}.get(capsule.side, "none")
            lies_on_it = any(word in name for word in capsule.part.split())
            if lies_on_it and not name.startswith(other):
                row[column] = _thickness(name)
    return rows
