"""Procedural motion for the lifter's tests: somebody who turns, walks on the spot and waves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from engine.body.joints import SMPL_JOINTS
from engine.body.smpl import BodyModel
from engine.geometry.rotations import axis_angle_to_matrix

PELVIS_HEIGHT = 0.93


def waving(times: np.ndarray, heading: float, turn_rate: float = 0.0) -> np.ndarray:
    """Axis-angle (F, 24, 3) of a person whose arms hang and whose right hand waves; y up.

    `heading` is the angle about the vertical: 0 faces +z.
    """
    poses = np.zeros((len(times), 24, 3))
    index = {name: i for i, name in enumerate(SMPL_JOINTS)}
    stride = 0.4 * np.sin(2 * np.pi * 0.9 * times)
    poses[:, index["left_hip"], 0] = -0.1 - stride
    poses[:, index["right_hip"], 0] = -0.1 + stride
    poses[:, index["left_knee"], 0] = 0.25 + 0.2 * np.cos(2 * np.pi * 0.9 * times)
    poses[:, index["right_knee"], 0] = 0.25 - 0.2 * np.cos(2 * np.pi * 0.9 * times)
    poses[:, index["left_shoulder"], 2] = -1.2
    poses[:, index["right_shoulder"], 2] = 0.9
    poses[:, index["left_elbow"], 1] = -0.4
    poses[:, index["right_elbow"], 1] = 1.6 + 0.4 * np.sin(2 * np.pi * 1.3 * times)
    poses[:, 0, 1] = heading + turn_rate * times
    return poses


def in_camera(
    poses: np.ndarray, body: BodyModel, *, distance: float, pitch: float = 0.0, roll: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rotations (1, F, 24, 3, 3), joints (1, F, 24, 3) and Halpe-26 keypoints (1, F, 26, 3).

    Camera frame; the camera looks at the pelvis from `distance` metres, down by `pitch` radians.
    """
    turn = _about(2, roll) @ _about(0, pitch) @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    rotations = axis_angle_to_matrix(torch.tensor(poses, dtype=torch.float32))[None].clone()
    rotations[:, :, 0] = turn @ rotations[:, :, 0]
    place = torch.tensor([0.0, 0.0, distance]) - body.J_template[0]
    posed = body.pose(torch.zeros(1, 10), rotations, place.expand(1, len(poses), 3))
    return rotations, posed.joints, posed.keypoints("halpe26")


def _about(axis: int, angle: float) -> torch.Tensor:
    vector = torch.zeros(3)
    vector[axis] = angle
    return axis_angle_to_matrix(vector)


def write_motion_folder(root: Path, frames: int = 90) -> Path:
    """The folders that training reads, with a few procedural clips."""
    times = np.arange(frames) / 30.0
    trans = np.tile([0.0, PELVIS_HEIGHT, 0.0], (frames, 1))
    names = {"single": ("cmu_01_01", "cmu_02_01", "cmu_14_01"), "pairs_train": ("pair",),
             "pairs_val": ("pair",)}  # fmt: skip
    for folder, files in names.items():
        (root / folder).mkdir(parents=True)
        for number, name in enumerate(files):
            poses = waving(times, heading=0.7 * number, turn_rate=0.5)
            place = trans
            if folder != "single":
                poses = np.stack([poses, poses], 1)
                place = np.stack([trans, trans + np.array([1.0, 0.0, 0.0])], 1)
            np.savez(root / folder / f"{name}.npz", poses=poses, trans=place)
    return root
