"""Which keypoints the camera sees: bodies as capsules, compared in the picture.

Limbs are capsules around lines between points of the body, the trunk several side by side. A
keypoint is hidden where a capsule covers it in the picture and its surface lies further before it
than the flesh that belongs there: the thickness of the limb where the capsule is of its own part
of the body, half of that (the keypoint's own skin) anywhere else. There is no picture, so that
thousands of frames take milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    # A quarter of the way from the shoulder to the hip of the other side: inside the ribs.
    return (
        _Capsule((hip, hip, hip, "spine3"), (shoulder, shoulder, "spine3"), 0.1, "shoulder hip"),
        _Capsule((hip,), (knee,), 0.085, "hip knee", side),
        _Capsule((knee,), (ankle,), 0.055, "knee ankle heel", side),
        _Capsule((heel, ankle), (toe, foot), 0.045, "ankle toe heel", side),
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
        0.085,
        "neck head ear eye nose",
    ),
)
CAPSULES = (*_TRUNK, *_limbs("left"), *_limbs("right"))
_FLESH = {"hip": 0.20, "shoulder": 0.13, "knee": 0.11, "neck": 0.15, "ankle": 0.09,
          "elbow": 0.08, "wrist": 0.07, "head": 0.25}  # fmt: skip
_SKIN = 0.045
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
    result = torch.full(points.shape[:-1], IN_SIGHT)
    for person in range(people):
        result[:, person][_hidden(points[:, person], ends[:, person], _own_flesh())] = OWN_BODY
    for person in range(people):
        for partner in (p for p in range(people) if p != person):
            hidden = _hidden(points[:, person], ends[:, partner], _skin()[:, None])
            result[:, person][hidden] = PARTNER
    return result.repeat_interleave(stride, dim=2)[:, :, :frames]


def _hidden(
    points: Float[Tensor, "B F 26 3"],
    ends: Float[Tensor, "B F 2 C 3"],
    flesh: Float[Tensor, "26 #C"],
) -> Tensor:
    """Whether any capsule's surface lies more than `flesh` before a keypoint (B, F, 26)."""
    depth = points[..., 2:].clamp_min(_NEAREST)
    x, y = (points[..., :2] / depth)[..., None].unbind(-2)
    nearness = 1 / ends[..., 2].clamp_min(_NEAREST)
    (ax, bx), (ay, by) = ((ends[..., axis] * nearness).unsqueeze(-2).unbind(2) for axis in range(2))
    near_a, near_b = nearness.unsqueeze(-2).unbind(2)
    run, rise = bx - ax, by - ay
    square = (run.square() + rise.square()).clamp_min(1e-9)
    share = ((x - ax) * (run / square)).add_((y - ay) * (rise / square)).clamp_(0, 1)
    # Along a line in the picture the inverse of depth is linear.
    axis_depth = (near_a + share * (near_b - near_a)).reciprocal_()
    off = (share * run).add_(ax - x).square_().add_((share * rise).add_(ay - y).square_())
    room = _radii().square() - off.mul_(axis_depth.square())
    before = depth + flesh.neg() - axis_depth + room.clamp_min(0).sqrt_()
    return ((room > 0) & (before > 0)).any(-1)


def _ends() -> Float[Tensor, "2C 50"]:
    """Shares of the body's points in the capsules' starts, then in their ends."""
    rows = torch.zeros(2 * len(CAPSULES), len(_POINTS))
    names = [c.start for c in CAPSULES] + [c.end for c in CAPSULES]
    for row, points in zip(rows, names, strict=True):
        for name in points:
            row[_POINTS.index(name)] += 1 / len(points)
    return rows


def _radii() -> Float[Tensor, "C"]:
    return torch.tensor([capsule.radius for capsule in CAPSULES])


def _thickness(name: str) -> float:
    return next((metres for part, metres in _FLESH.items() if part in name), _SKIN)


def _skin() -> Float[Tensor, "26"]:
    """Between a keypoint and the skin before it."""
    return torch.tensor([_thickness(name) / 2 for name in HALPE26])


def _own_flesh() -> Float[Tensor, "26 C"]:
    rows = _skin()[:, None].repeat(1, len(CAPSULES))
    for row, name in zip(rows, HALPE26, strict=True):
        for column, capsule in enumerate(CAPSULES):
            other = {"left": "right", "right": "left"}.get(capsule.side, "none")
            lies_on_it = any(word in name for word in capsule.part.split())
            if lies_on_it and not name.startswith(other):
                row[column] = _thickness(name)
    return rows
