"""2D keypoints -> the start of a fit: every person's motion from the learned lifter.

Each person is lifted alone: keypoints are resampled to 30 Hz by time, go through the network of
`lifter_network` in overlapping windows (and once more in a mirror), and the windows' answers are
blended in 6D and brought back to the video's own times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from engine.body.joints import HALPE26, KEYPOINT_NAMES
from engine.errors import InputError
from engine.geometry.rotations import matrix_to_6d, matrix_to_axis_angle, sixd_to_matrix
from engine.perception.lifter_network import (
    JOINT_COUNT,
    KEYPOINT_COUNT,
    KEYPOINT_MIRROR,
    RATE,
    WINDOW,
    LifterNetwork,
    NetworkOutput,
    mirror_output,
    virtual_view,
)
from engine.structures import Layout
from engine.weights import find

STRIDE = 8
"""Frames between the starts of neighbouring windows."""


@dataclass(frozen=True)
class LiftedMotion:
    """P people over F frames in the camera frame (OpenCV axes), metres and radians, zero betas."""

    global_orient: Float[np.ndarray, "P F 3"]
    body_pose: Float[np.ndarray, "P F 23 3"]
    transl: Float[np.ndarray, "P F 3"]
    """Added after skinning: pelvis in the camera frame minus its place in the rest pose."""
    up_camera: Float[np.ndarray, "3"]
    """Unit vector against gravity, one for the clip (the camera is taken to stand still)."""
    log_variance: Float[np.ndarray, "P F 24"]
    """Logarithm of the expected squared rotation error in rad^2."""
    evidence: Float[np.ndarray, "P F"]
    """Share of keypoints seen, weighted by confidence, 0..1; 0 means the frame was guessed."""


class Lifter:
    """The trained network with everything around it: resampling, windows, blending."""

    def __init__(self, network: LifterNetwork) -> None:
        self._network = network.eval()

    @classmethod
    def load(cls, weights_path: Path | str | None = None) -> Lifter:
        """The shipped lifter, or the one in a `.safetensors` file.

        Raises WeightError when the shipped file is missing or altered, InputError when a file
        given by the caller is no lifter.
        """
        if weights_path is None:
            weights_path = find("lifter").path
        network = LifterNetwork()
        try:
            state = {k: v.float() for k, v in load_file(str(weights_path)).items()}
            network.load_state_dict(state)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise InputError(
                f"{weights_path} is not a lifter's weight file",
                expected="the tensors that train-lifter writes",
                received=str(error).splitlines()[0],
            ) from error
        return cls(network)

    @torch.no_grad()
    def lift(
        self,
        keypoints2d: Float[np.ndarray, "P F K 2"],
        confidence: Float[np.ndarray, "P F K"],
        layout: Layout,
        K: Float[np.ndarray, "3 3"],
        times: Float[np.ndarray, "F"],
    ) -> LiftedMotion:
        """Each person's motion in the camera frame.

        `keypoints2d` in undistorted pixels, NaN where nothing was seen; `times` in seconds,
        increasing, at any rate. A person who is never seen stands still at an arbitrary place
        with `evidence` 0.
        """
        rays, seen = _rays_in_halpe26(keypoints2d, confidence, layout, K)
        grid = np.arange(times[0], times[-1] + 0.5 / RATE, 1.0 / RATE)
        padded = max(WINDOW, math.ceil((len(grid) - WINDOW) / STRIDE) * STRIDE + WINDOW)
        grid_rays, grid_seen = resample_keypoints(rays, seen, times, grid)
        last = np.minimum(np.arange(padded), len(grid) - 1)
        people = [
            self._lift_person(torch.from_numpy(r[last]).float(), torch.from_numpy(c[last]).float())
            for r, c in zip(grid_rays, grid_seen, strict=True)
        ]
        blended = [torch.stack(values) for values in zip(*people, strict=True)]
        sixd, pelvis, log_variance = (_at_times(v[:, : len(grid)], times) for v in blended[:3])
        pose = matrix_to_axis_angle(sixd_to_matrix(sixd.unflatten(-1, (JOINT_COUNT, 6)))).numpy()
        weight = torch.from_numpy(seen.sum((1, 2))).float()[:, None]
        up = F.normalize((blended[3] * weight).sum(0) + 1e-9 * blended[3].sum(0), dim=-1)
        return LiftedMotion(
            global_orient=pose[:, :, 0],
            body_pose=pose[:, :, 1:],
            transl=(pelvis - self._network.pelvis_rest).numpy(),
            up_camera=up.numpy(),
            log_variance=log_variance.numpy(),
            evidence=(seen.sum(-1) / len(KEYPOINT_NAMES[layout])).astype(np.float32),
        )

    def _lift_person(
        self, rays: Float[Tensor, "G K 2"], confidence: Float[Tensor, "G K"]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """6D rotations (G, 144), pelvis (G, 3), log variance (G, 24), up (3,); camera frame."""
        rays_windows = rays.unfold(0, WINDOW, STRIDE).permute(0, 3, 1, 2)
        seen_windows = confidence.unfold(0, WINDOW, STRIDE).permute(0, 2, 1)
        view = virtual_view(rays_windows, seen_windows)
        output = self._network(view)
        flip = rays.new_tensor([-1.0, 1.0])
        turned = virtual_view(
            rays_windows[:, :, KEYPOINT_MIRROR] * flip, seen_windows[:, :, KEYPOINT_MIRROR]
        )
        output = _average(output, mirror_output(self._network(turned)))
        back = view.R_virtual_camera.mT
        rotations = output.local_rotations
        rotations = torch.cat([back[:, None, None] @ rotations[:, :, :1], rotations[:, :, 1:]], 2)
        sixd = matrix_to_6d(rotations).flatten(2)
        pelvis = output.pelvis @ back.mT
        up = F.normalize((back @ output.up[..., None])[..., 0].mean(0), dim=-1)
        values = torch.cat([sixd, pelvis, output.log_variance], dim=-1)
        blended = _overlap_add(values, len(rays))
        return (*blended.split([JOINT_COUNT * 6, 3, JOINT_COUNT], dim=-1), up)


def _average(a: NetworkOutput, b: NetworkOutput) -> NetworkOutput:
    """Mean of two opinions; rotations are averaged in 6D."""
    return NetworkOutput(
        sixd_to_matrix(matrix_to_6d(a.rotations) + matrix_to_6d(b.rotations)),
        (a.pelvis + b.pelvis) / 2,
        (a.log_variance + b.log_variance) / 2,
        F.normalize(a.up + b.up, dim=-1),
    )


def _overlap_add(windows: Float[Tensor, "W T N"], length: int) -> Float[Tensor, "G N"]:
    """Blend windows that start every STRIDE frames, each fading towards its ends."""
    fade = torch.sin((torch.arange(WINDOW) + 0.5) * math.pi / WINDOW) ** 2 + 1e-3
    total = torch.zeros(length, windows.shape[-1])
    weight = torch.zeros(length, 1)
    for index, window in enumerate(windows):
        start = index * STRIDE
        total[start : start + WINDOW] += window * fade[:, None]
        weight[start : start + WINDOW] += fade[:, None]
    return total / weight


def _at_times(values: Float[Tensor, "P G N"], times: np.ndarray) -> Float[Tensor, "P F N"]:
    """Linear interpolation of values on the 30 Hz grid at the video's own times."""
    position = torch.from_numpy((times - times[0]) * RATE).float().clamp(0, values.shape[1] - 1)
    low = position.floor().long().clamp_max(max(values.shape[1] - 2, 0))
    high = (low + 1).clamp_max(values.shape[1] - 1)
    part = (position - low)[:, None]
    return values[:, low] * (1 - part) + values[:, high] * part


def _rays_in_halpe26(
    keypoints2d: np.ndarray, confidence: np.ndarray, layout: Layout, K: np.ndarray
) -> tuple[Float[np.ndarray, "P F 26 2"], Float[np.ndarray, "P F 26"]]:
    """(x / z, y / z) and confidence in Halpe-26 order; missing keypoints are 0 and 0."""
    names = KEYPOINT_NAMES[layout]
    if keypoints2d.shape[2] != len(names):
        raise InputError(
            f"The keypoints are not {layout}",
            expected=f"{len(names)} keypoints",
            received=str(keypoints2d.shape[2]),
        )
    homogeneous = np.concatenate([keypoints2d, np.ones_like(keypoints2d[..., :1])], axis=-1)
    turned = homogeneous @ np.linalg.inv(K).T
    found = np.isfinite(keypoints2d).all(-1) & (np.nan_to_num(confidence) > 0)
    shape = (*keypoints2d.shape[:2], KEYPOINT_COUNT)
    rays, seen = np.zeros((*shape, 2)), np.zeros(shape)
    slots = [HALPE26.index(name) for name in names]
    rays[:, :, slots] = np.where(found[..., None], turned[..., :2], 0.0)
    seen[:, :, slots] = np.where(found, np.clip(confidence, 0.0, 1.0), 0.0)
    return rays, seen


def resample_keypoints(
    rays: Float[np.ndarray, "P F K 2"],
    confidence: Float[np.ndarray, "P F K"],
    times: Float[np.ndarray, "F"],
    grid: Float[np.ndarray, "G"],
) -> tuple[Float[np.ndarray, "P G K 2"], Float[np.ndarray, "P G K"]]:
    """Keypoints at other times: linear between two seen frames, else the nearest if it is seen."""
    high = np.clip(np.searchsorted(times, grid), 1, max(len(times) - 1, 1)).clip(0, len(times) - 1)
    low = np.maximum(high - 1, 0)
    span = np.maximum(times[high] - times[low], 1e-9)
    part = np.clip((grid - times[low]) / span, 0.0, 1.0)[:, None]
    weight_low = (confidence[:, low] > 0) * (1 - part)
    weight_high = (confidence[:, high] > 0) * part
    total = weight_low + weight_high
    found = total >= 0.5
    share = np.where(found, weight_high / np.maximum(total, 1e-9), 0.0)
    mixed = rays[:, low] * (1 - share[..., None]) + rays[:, high] * share[..., None]
    seen = confidence[:, low] * (1 - share) + confidence[:, high] * share
    return mixed * found[..., None], seen * found
