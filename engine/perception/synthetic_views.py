"""Moving bodies of random shape before random cameras, as a keypoint detector would see them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from engine.body.joints import SMPL_JOINTS
from engine.body.smpl import BodyModel
from engine.geometry.rotations import axis_angle_to_matrix
from engine.perception.detector_noise import DetectorNoise, corrupt
from engine.perception.lifter_data import MotionWindows, uniform
from engine.perception.lifter_network import WINDOW


@dataclass(frozen=True)
class LifterBatch:
    """What a detector would see of B windows, and the truth in the camera frame."""

    rays: Float[Tensor, "B W 26 2"]
    confidence: Float[Tensor, "B W 26"]
    rotations: Float[Tensor, "B F 24 3 3"]
    """Root in the camera frame."""
    pelvis: Float[Tensor, "B F 3"]
    """Scaled along the ray to where a body of mean size looks as large, metres."""
    joints: Float[Tensor, "B F 24 3"]
    """Of the true body, metres, camera frame."""
    up: Float[Tensor, "B 3"]

    def truth_at(self, frames: slice) -> LifterBatch:
        """The same with the truth of some frames only."""
        return replace(
            self,
            rotations=self.rotations[:, frames],
            pelvis=self.pelvis[:, frames],
            joints=self.joints[:, frames],
        )


def observe(
    windows: MotionWindows,
    body: BodyModel,
    generator: torch.Generator,
    noise: DetectorNoise | None,
    shape_scale: float = 1.0,
) -> LifterBatch:
    """Bodies of random shape (betas of `shape_scale` standard deviations) before random cameras.

    `noise` None gives exact keypoints with confidence 1 (0 outside the image).
    """
    count = len(windows.pelvis)
    betas = torch.randn(count, body.shapedirs.shape[-1], generator=generator) * shape_scale
    rotation, anchor, focal, aspect = _cameras(windows.pelvis, generator)
    middle = windows.pelvis[:, WINDOW // 2 : WINDOW // 2 + 1]
    pelvis = (windows.pelvis - middle) @ rotation.mT + anchor[:, None]
    root = (rotation[:, None] @ windows.rotations[:, :, 0])[:, :, None]
    rotations = torch.cat([root, windows.rotations[:, :, 1:]], 2)
    rest = body.rest_joints(betas)
    posed = body.pose(betas, rotations, pelvis - rest[:, None, 0])
    rays, confidence = corrupt(
        posed.keypoints("halpe26"), focal, aspect, generator=generator, noise=noise
    )
    mismatch = torch.ones(count)
    if noise is not None:
        mismatch = (torch.randn(count, generator=generator) * noise.focal_mismatch).exp()
    size = _bone_length(body.J_template[None]) / _bone_length(rest)
    target = pelvis * torch.tensor([1.0, 1.0, 0.0]) * size[:, None, None]
    target = target + F.pad((pelvis[..., 2] * size[:, None] / mismatch[:, None])[..., None], (2, 0))
    return LifterBatch(
        rays * mismatch[:, None, None, None],
        confidence,
        rotations,
        target,
        posed.joints,
        rotation[..., 1],
    )


def _cameras(
    pelvis: Float[Tensor, "B F 3"], generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """R_camera_world (B, 3, 3), pelvis in the camera at mid window (B, 3), focal length over the
    longer image side (B,), half the image's extent over the longer side (B, 2).

    Distance 2 to 8 m, camera 0.3 to 3.2 m high (or, for a third, anywhere from 14 degrees below
    to 52 above the person), roll up to 28 degrees, focal 0.7 to 2 sides.
    """
    count = len(pelvis)
    distance = uniform((count,), np.log(2.0), np.log(8.0), generator).exp()
    height = uniform((count,), 0.3, 3.2, generator)
    focal = uniform((count,), np.log(0.7), np.log(2.0), generator).exp()
    shapes = torch.tensor([[0.5, 0.28], [0.28, 0.5], [0.5, 0.375], [0.5, 0.5]])
    aspect = shapes[torch.randint(4, (count,), generator=generator)]
    half = aspect / focal[:, None]
    offset = (torch.rand(count, 2, generator=generator) * 2 - 1) * half * 0.7
    mid_height = pelvis[:, WINDOW // 2, 1].clamp(0.2, 1.3)
    elevation = ((height - mid_height) / distance).clamp(-0.5, 0.95).asin()
    steep = torch.rand(count, generator=generator) < 0.3
    elevation = torch.where(steep, uniform((count,), -0.25, 0.9, generator), elevation)
    pitch = (elevation - offset[:, 1].atan()).clamp(-0.35, 0.95)
    wide = torch.rand(count, generator=generator) < 0.4
    roll = torch.where(
        wide,
        uniform((count,), -0.5, 0.5, generator),
        torch.randn(count, generator=generator) * 0.06,
    )
    tilt = torch.zeros(count, 3)
    tilt[:, 0] = pitch
    spin = torch.zeros(count, 3)
    spin[:, 2] = roll
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    turn = axis_angle_to_matrix(spin)
    rotation = turn @ axis_angle_to_matrix(tilt) @ upright
    ray = F.normalize(F.pad(offset, (0, 1), value=1.0), dim=-1)
    anchor = (turn @ ray[..., None])[..., 0] * distance[:, None]
    return rotation, anchor, focal, aspect


def _bone_length(joints: Float[Tensor, "B 24 3"]) -> Float[Tensor, "B"]:
    """Length of spine, arms and legs together: what a distant camera sees as size."""
    chains = ("pelvis spine3 neck head", "left_hip left_knee left_ankle",
              "right_hip right_knee right_ankle", "left_shoulder left_elbow left_wrist",
              "right_shoulder right_elbow right_wrist")  # fmt: skip
    total = joints.new_zeros(len(joints))
    for chain in chains:
        index = [SMPL_JOINTS.index(name) for name in chain.split()]
        total = total + (joints[:, index[1:]] - joints[:, index[:-1]]).norm(dim=-1).sum(-1)
    return total
