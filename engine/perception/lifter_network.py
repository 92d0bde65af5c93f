"""The lifter's network: rays of one person's keypoints in a window -> pose, place, gravity.

Keypoints become rays in a virtual camera that is turned, without roll, onto the person's own mean
viewing ray, and are divided by the person's mean extent there; so the network sees neither the
focal length nor the place in the image, only shape and motion. A transformer over time returns
24 rotations in the virtual camera's frame in 6D (Zhou et al. 2019, "On the Continuity of Rotation
Representations in Neural Networks"), the place of the pelvis, the direction of
gravity and how sure it is of each rotation. The distance is that of a body of mean shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from engine.body.joints import HALPE26, SMPL_JOINTS, SMPL_PARENTS, mirrored
from engine.geometry.rotations import matrix_to_6d, sixd_to_matrix

WINDOW = 32
"""Frames that the network sees at once."""
RATE = 30.0
"""Frames per second that the network sees, whatever the video's rate."""
KEYPOINT_COUNT = len(HALPE26)
JOINT_COUNT = len(SMPL_JOINTS)
KEYPOINT_MIRROR = list(mirrored(HALPE26))
JOINT_MIRROR = list(mirrored(SMPL_JOINTS))
_MEAN_LOG_EXTENT = math.log(0.36)
"""Near the mean of log(depth) + log(extent) in the training data."""
_MINIMUM_DEPTH = 0.05


@dataclass(frozen=True)
class VirtualView:
    """Keypoints as the network sees them, and how to come back. B windows of F frames."""

    features: Float[Tensor, "B F N"]
    """Per keypoint offset / extent (2) and confidence; last the logarithm of the extent."""
    R_virtual_camera: Float[Tensor, "B 3 3"]
    centre: Float[Tensor, "B 2"]
    """Mean of the rays in the virtual camera (x / z, y / z)."""
    log_extent: Float[Tensor, "B"]
    """Logarithm of the mean distance of a keypoint from the frame's centre, at unit depth."""


@dataclass(frozen=True)
class NetworkOutput:
    """What the network says of B windows, in the virtual camera's frame."""

    rotations: Float[Tensor, "B F 24 3 3"]
    """Of every joint in the virtual camera's frame. What 2D shows of a limb is its direction in
    the camera, so that is predicted; relative to the parents they are only at the end."""
    pelvis: Float[Tensor, "B F 3"]
    """Pelvis joint in metres in the virtual camera's frame, for the body of mean shape."""
    log_variance: Float[Tensor, "B F 24"]
    """Logarithm of the expected squared angle (rad^2) between the predicted and the true rotation
    relative to the parent (the root: in the camera)."""
    up: Float[Tensor, "B 3"]
    """Unit vector against gravity."""

    @property
    def local_rotations(self) -> Float[Tensor, "B F 24 3 3"]:
        """Relative to the parents; the root's in the virtual camera's frame."""
        parents = self.rotations[:, :, list(SMPL_PARENTS[1:])]
        local = parents.mT @ self.rotations[:, :, 1:]
        return torch.cat([self.rotations[:, :, :1], local], 2)


def virtual_view(rays: Float[Tensor, "B F K 2"], confidence: Float[Tensor, "B F K"]) -> VirtualView:
    """Turn the camera onto each window's mean ray and divide by the person's extent.

    `rays` are (x / z, y / z) in the camera frame, `confidence` 0 where a keypoint is missing
    (its ray is then ignored, but must be finite). The turn has no roll: the virtual x axis stays
    in the camera's x-z plane.
    """
    weight = confidence / confidence.sum((1, 2), keepdim=True).clamp_min(1e-6)
    directions = F.normalize(F.pad(rays, (0, 1), value=1.0), dim=-1)
    forward = (directions * weight[..., None]).sum((1, 2))
    forward = F.normalize(forward + forward.new_tensor([0.0, 0.0, 1e-6]), dim=-1)
    right = F.normalize(
        torch.linalg.cross(forward.new_tensor([0.0, 1.0, 0.0]).expand_as(forward), forward), dim=-1
    )
    rotation = torch.stack([right, torch.linalg.cross(forward, right), forward], dim=1)
    turned = torch.einsum("bij,bfkj->bfki", rotation, F.pad(rays, (0, 1), value=1.0))
    planar = turned[..., :2] / turned[..., 2:].clamp_min(_MINIMUM_DEPTH)
    centre = (planar * weight[..., None]).sum((1, 2))
    frame_weight = confidence / confidence.sum(2, keepdim=True).clamp_min(1e-6)
    frame_centre = (planar * frame_weight[..., None]).sum(2, keepdim=True)
    distance = (planar - frame_centre).norm(dim=-1)
    log_extent = (distance * weight).sum((1, 2)).clamp_min(1e-4).log()
    seen = (confidence > 0)[..., None]
    offsets = (planar - centre[:, None, None]) / log_extent.exp()[:, None, None, None]
    per_keypoint = torch.cat([offsets.clamp(-8, 8) * seen, confidence[..., None]], dim=-1)
    scale = log_extent[:, None, None].expand(-1, rays.shape[1], 1)
    features = torch.cat([per_keypoint.flatten(2), scale], dim=-1)
    return VirtualView(features, rotation, centre, log_extent)


class _Block(nn.Module):
    """Pre-norm self-attention over time and a feed-forward layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.norm_feed = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.contract = nn.Linear(2 * width, width)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        batch, length, width = x.shape
        qkv = self.query_key_value(self.norm_attention(x))
        qkv = qkv.view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        # Written out: the fused kernel took 34 ms for 96 windows of 16 tokens on the CPU, this 1.
        scores = qkv[0] @ qkv[1].mT / math.sqrt(qkv.shape[-1])
        attended = scores.softmax(-1).to(qkv.dtype) @ qkv[2]
        x = x + self.project(attended.transpose(1, 2).reshape(batch, length, width))
        hidden = F.gelu(self.expand(self.norm_feed(x)), approximate="tanh")
        fed: Tensor = x + self.contract(hidden)
        return fed


class LifterNetwork(nn.Module):
    """Transformer over time; one token holds two frames. 1.3 M parameters."""

    frames_per_token = 2
    outputs_per_frame = JOINT_COUNT * 6 + 3 + JOINT_COUNT

    def __init__(self, width: int = 192, layers: int = 4, heads: int = 6) -> None:
        super().__init__()
        inputs = KEYPOINT_COUNT * 3 + 1
        self.embed = nn.Linear(inputs * self.frames_per_token, width)
        self.position = nn.Parameter(torch.randn(WINDOW // self.frames_per_token, width) * 0.02)
        self.blocks = nn.ModuleList([_Block(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, self.outputs_per_frame * self.frames_per_token)
        self.up_head = nn.Linear(width, 3)
        self.pelvis_rest: Tensor
        self.register_buffer("pelvis_rest", torch.zeros(3))
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.up_head.bias.copy_(torch.tensor([0.0, -1.0, 0.0]))

    def forward(self, view: VirtualView, wanted: slice = slice(None)) -> NetworkOutput:
        """Answers for the `wanted` frames of the windows, all of which are looked at."""
        batch, frames, _ = view.features.shape
        tokens = view.features.reshape(batch, frames // self.frames_per_token, -1)
        x = self.embed(tokens) + self.position
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        up = F.normalize(self.up_head(x.mean(1)).float(), dim=-1)
        values = self.head(x).float().reshape(batch, frames, self.outputs_per_frame)[:, wanted]
        sixd, place, log_variance = values.split([JOINT_COUNT * 6, 3, JOINT_COUNT], dim=-1)
        identity = matrix_to_6d(torch.eye(3, device=values.device))
        rotations = sixd_to_matrix(sixd.unflatten(-1, (JOINT_COUNT, 6)) + identity)
        depth = (place[..., 2] + _MEAN_LOG_EXTENT - view.log_extent[:, None]).clamp(-3, 5).exp()
        planar = view.centre[:, None] + place[..., :2] * view.log_extent.exp()[:, None, None]
        pelvis = F.pad(planar, (0, 1), value=1.0) * depth[..., None]
        return NetworkOutput(rotations, pelvis, log_variance.clamp(-9, 4), up)


def mirror_output(output: NetworkOutput) -> NetworkOutput:
    """The same motion seen in a mirror (x -> -x), left and right joints exchanged."""
    flip = output.up.new_tensor([-1.0, 1.0, 1.0])
    return NetworkOutput(
        output.rotations[..., JOINT_MIRROR, :, :] * flip[:, None] * flip,
        output.pelvis * flip,
        output.log_variance[..., JOINT_MIRROR],
        output.up * flip,
    )
