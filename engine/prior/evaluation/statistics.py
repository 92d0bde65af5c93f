"""What pairs look like in numbers, drawn or recorded: distances, contact, penetration, limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from engine.body.joints import SMPL_JOINTS
from engine.body.smpl import BodyModel
from engine.fit.terms import joint_limits
from engine.geometry.proximity import MeshQuery, box_overlap
from engine.geometry.touching import find_touch
from engine.prior.proxemics import measure
from engine.prior.skeleton import Skeleton
from engine.prior.windows import RATE, PairWindows

CONTACT = 0.02
"""Metres between two bodies that count as contact."""
BROKEN = 0.1
"""Radians beyond a joint's limit that count as broken."""
LOOKED_AT = 4
"""Frames of a window whose meshes are looked at."""
DENSITY = "1k2"
HANDS = [SMPL_JOINTS.index(f"{side}_hand") for side in ("left", "right")]
_MM = 1000.0


@dataclass(frozen=True)
class PairStatistics:
    """Over all frames of some windows of two people; meshes in `LOOKED_AT` frames of each."""

    windows: int
    pelvis_m: tuple[float, float, float]
    """Distance of the pelvises: 5 %, half and 95 % of the frames have less."""
    head_m: tuple[float, float, float]
    facing: float
    """Mean cosine between where a person faces and the way to the partner."""
    contact: float
    """Share of frames in which the bodies are within `CONTACT` of each other, or in each other."""
    deep: float
    """Share of frames with a vertex deeper than 20 mm in the other body."""
    depth_mm: float
    """Depth of the deepest vertex, mean over the frames with contact."""
    broken: float
    """Share of people's frames in which a joint is further than `BROKEN` beyond its limits."""
    acceleration_m_s2: float
    """Mean of the joints' accelerations."""


def statistics(windows: PairWindows, body: BodyModel) -> PairStatistics:
    """`body` at the density at which surfaces are compared."""
    skeleton = Skeleton.of(body)
    found = measure(windows, skeleton)
    depth, touching = _surfaces(windows, body)
    return PairStatistics(
        windows=len(windows.pelvis),
        pelvis_m=_spread(found.pelvis_distance),
        head_m=_spread(found.head_distance),
        facing=float(found.facing.mean()),
        contact=float(touching.mean()),
        deep=float((depth > 0.020).mean()),
        depth_mm=float(depth[touching].mean()) * _MM if touching.any() else float("nan"),
        broken=float(broken_limits(windows).float().mean()),
        acceleration_m_s2=_acceleration(windows, skeleton),
    )


def broken_limits(windows: PairWindows) -> Bool[Tensor, "B P F"]:
    """Whether knees, elbows or the bounded joints go beyond what people do: see
    engine.fit.terms.joint_limits. Not the hands, which bend around what they hold."""
    local = windows.local_rotations.flatten(0, 1).clone()
    local[..., HANDS, :, :] = torch.eye(3)
    beyond = joint_limits(local)
    broken: Tensor = (beyond > BROKEN**2).any(-1).unflatten(0, windows.pelvis.shape[:2])
    return broken


def _spread(values: Float[Tensor, "B F"]) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values.numpy(), [0.05, 0.5, 0.95]).tolist()
    return low, middle, high


def _acceleration(windows: PairWindows, skeleton: Skeleton) -> float:
    joints = skeleton.joints(windows.rotations, windows.betas) + windows.pelvis[..., None, :]
    second = joints[:, :, 2:] - 2 * joints[:, :, 1:-1] + joints[:, :, :-2]
    return float(second.norm(dim=-1).mean()) * RATE**2


def _surfaces(
    windows: PairWindows, body: BodyModel
) -> tuple[Float[np.ndarray, "N"], Bool[np.ndarray, "N"]]:
    """Depth in metres of the deepest vertex of either body in the other, and whether they touch,
    in evenly spaced frames of all windows."""
    count = windows.pelvis.shape[2]
    frames = torch.linspace(0, count - 1, LOOKED_AT).round().long()
    local = windows.local_rotations[:, :, frames].flatten(0, 1)
    betas = windows.betas.flatten(0, 1)
    rest = body.rest_joints(betas)[:, :1]
    skin = body.vertices(betas, local, windows.pelvis[:, :, frames].flatten(0, 1) - rest)
    first, second = skin.unflatten(0, windows.pelvis.shape[:2]).transpose(0, 1).flatten(1, 2)
    a, b = first.numpy(), second.numpy()
    depth = find_touch(a, b, body.data).penetration_m
    return depth, (depth > 0) | _within(a, b, body.data.faces)


def _within(
    a: Float[np.ndarray, "N V 3"], b: Float[np.ndarray, "N V 3"], faces: Int[np.ndarray, "T 3"]
) -> Bool[np.ndarray, "N"]:
    """Whether a vertex of one is within `CONTACT` of the other's surface."""
    near = np.zeros(len(a), bool)
    query = MeshQuery(faces, a.shape[1])
    for index in np.flatnonzero(box_overlap(a, b, CONTACT)):
        for mesh, other in ((a[index], b[index]), (b[index], a[index])):
            query.move(mesh)
            near[index] |= bool(query.closest(other, CONTACT).found.any())
    return near
