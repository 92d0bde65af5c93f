"""Two people whose bodies are known, seen by a known camera."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pytest
import torch

from engine.body.smpl import BodyModel
from engine.geometry.rotations import axis_angle_to_matrix
from engine.structures import Camera, Observations

Result = TypeVar("Result")


def run(work: Generator[object, None, Result]) -> Result:
    """Exhaust a generator and return its result."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value


@dataclass(frozen=True)
class Scene:
    observations: Observations
    camera: Camera
    betas: np.ndarray
    joints: np.ndarray
    """(P, F, 24, 3), world, metres."""


def two_people(
    *,
    frames: int = 12,
    fps: float = 30.0,
    apart: float = 0.9,
    noise: float = 0.0,
    pitch: float = 0.15,
    facing: tuple[float, float] = (0.6, -0.5),
    seed: int = 0,
) -> Scene:
    """Two standing people (yaw `facing`, radians from the camera), who swing an arm and lean."""
    rng = np.random.default_rng(seed)
    body = BodyModel.load("open-body", "1k2")
    times = np.arange(frames) / fps
    betas = np.clip(rng.normal(0, 0.5, (2, 10)), -1, 1)
    pose = np.zeros((2, frames, 24, 3))
    pose[:, :, 0, 1] = np.array(facing)[:, None]
    pose[:, :, 16] = [0, 0.3, -1.1]
    pose[:, :, 17] = [0, -0.3, 1.1]
    pose[:, :, 18, 1] = -0.5
    pose[:, :, 19, 1] = 0.5
    swing = np.sin(2 * np.pi * times)
    pose[0, :, 17, 1] = -0.8 - 0.4 * swing
    pose[1, :, 16, 1] = 0.7 + 0.4 * swing
    pose[:, :, 3, 0] = 0.1 + 0.05 * swing
    pose[:, :, (4, 5), 0] = 0.2
    pose[:, :, (1, 2), 0] = -0.15
    rotmats = axis_angle_to_matrix(torch.tensor(pose, dtype=torch.float32))
    shape = torch.tensor(betas, dtype=torch.float32)
    transl = torch.zeros(2, frames, 3)
    transl[0, :, 0], transl[1, :, 0] = -apart / 2, apart / 2
    transl[1, :, 2] = 0.15
    lowest = body.vertices(shape, rotmats, transl)[..., 1].amin(-1, keepdim=True)
    transl[..., 1:2] -= lowest
    joints = body.joints(shape, rotmats, transl).numpy()
    camera = level_camera(frames, pitch=pitch)
    points = body.keypoints(shape, rotmats, transl, "halpe26").numpy()
    pixels = project_world(points, camera)
    pixels = pixels + rng.normal(0, noise, pixels.shape)
    confidence = np.full(pixels.shape[:3], 0.9)
    low, high = pixels.min(2), pixels.max(2)
    observations = Observations(
        keypoints2d=pixels,
        confidence=confidence,
        layout="halpe26",
        boxes=np.concatenate([low, high], axis=-1),
        times=times,
        image_size=camera.image_size,
    )
    return Scene(observations, camera, betas, joints)


def level_camera(
    frames: int, *, pitch: float, distance: float = 4.0, height: float = 1.5
) -> Camera:
    """A camera on the +z side that looks along -z and down by `pitch` radians."""
    c, s = np.cos(pitch), np.sin(pitch)
    rotation = np.array([[1, 0, 0], [0, -c, -s], [0, s, -c]]).astype(float)
    transform = np.eye(4)
    transform[:3, :3] = rotation
    transform[:3, 3] = -rotation @ np.array([0, height, distance])
    return Camera(
        K=np.array([[1100.0, 0, 640], [0, 1100.0, 360], [0, 0, 1]]),
        image_size=(1280, 720),
        T_camera_world=np.broadcast_to(transform, (frames, 4, 4)).copy(),
        focal_source="user",
    )


def project_world(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Pixels of world points (P, F, N, 3)."""
    T = camera.T_camera_world
    seen = np.einsum("fij,pfnj->pfni", T[:, :3, :3], points) + T[:, None, :3, 3]
    return seen[..., :2] / seen[..., 2:] * camera.K[0, 0] + camera.K[:2, 2]


@pytest.fixture(scope="session")
def scene() -> Scene:
    return two_people()
