"""How good a lifter is on motion that it never saw: errors in millimetres and degrees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from engine.body.joints import SMPL_JOINTS
from engine.body.smpl import BodyModel
from engine.geometry.rotations import geodesic_angle
from engine.perception.detector_noise import DetectorNoise
from engine.perception.lifter_data import WindowSampler, load_library
from engine.perception.lifter_network import LifterNetwork, virtual_view
from engine.perception.lifter_training import mean_body_joints
from engine.perception.synthetic_views import observe

METRIC_JOINTS = [
    SMPL_JOINTS.index(f"{side}_{name}")
    for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
]
"""The 12 limb joints of the reported errors."""


@dataclass(frozen=True)
class LifterErrors:
    """Means over all windows and frames, 12 limb joints."""

    mpjpe_mm: float
    """Pelvis aligned."""
    pa_mpjpe_mm: float
    """After Procrustes (rotation, scale, translation) per frame."""
    turned_share: float
    """Share of frames whose root is turned by more than 90 degrees."""
    root_degrees: float
    """Median angle of the root's rotation error."""
    up_degrees: float
    """Median angle of the gravity error."""
    depth_percent: float
    """Median relative error of the pelvis' distance, for a body of mean size."""


@torch.no_grad()
def evaluate(
    network: LifterNetwork,
    motion_dir: Path | str,
    split: str,
    *,
    noise: DetectorNoise | None,
    shape_scale: float = 1.0,
    stride: int = 16,
) -> LifterErrors:
    """Errors on "pairs_val" or "single_val", the same cameras and bodies at every call."""
    generator = torch.Generator().manual_seed(7)
    windows = WindowSampler(load_library(Path(motion_dir), split)).every(stride)
    body = BodyModel.load(density="1k2")
    batch = observe(windows, body, generator, noise, shape_scale)
    view = virtual_view(batch.rays, batch.confidence)
    output = network.eval()(view)
    back = view.R_virtual_camera.mT
    rotations = back[:, None, None] @ output.rotations
    joints = mean_body_joints(rotations, body)[:, :, METRIC_JOINTS]
    truth = (batch.joints - batch.joints[:, :, :1])[:, :, METRIC_JOINTS]
    angle = geodesic_angle(rotations[:, :, 0], batch.rotations[:, :, 0])
    up = (back @ output.up[..., None])[..., 0]
    distance = (output.pelvis @ back.mT).norm(dim=-1) / batch.pelvis.norm(dim=-1)
    return LifterErrors(
        mpjpe_mm=1000 * float((joints - truth).norm(dim=-1).mean()),
        pa_mpjpe_mm=1000 * float((procrustes(joints, truth) - truth).norm(dim=-1).mean()),
        turned_share=float((angle > math.pi / 2).float().mean()),
        root_degrees=math.degrees(float(angle.median())),
        up_degrees=math.degrees(
            float(F.cosine_similarity(up, batch.up).clamp(-1, 1).acos().median())
        ),
        depth_percent=100 * float((distance - 1).abs().median()),
    )


def procrustes(
    points: Float[Tensor, "*batch N 3"], target: Float[Tensor, "*batch N 3"]
) -> Float[Tensor, "*batch N 3"]:
    """Points after the similarity that brings them nearest to the target (Umeyama 1991)."""
    middle, target_middle = points.mean(-2, keepdim=True), target.mean(-2, keepdim=True)
    a, b = points - middle, target - target_middle
    u, s, vt = torch.linalg.svd(a.mT @ b)
    sign = torch.ones_like(s)
    sign[..., 2] = torch.det(u @ vt).sign()
    rotation = (u * sign[..., None, :]) @ vt
    scale = (s * sign).sum(-1) / a.square().sum((-1, -2)).clamp_min(1e-12)
    fitted: Tensor = scale[..., None, None] * (a @ rotation) + target_middle
    return fitted
