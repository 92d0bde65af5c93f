"""Two people made of points, and four cameras around them: everything is known exactly."""

from __future__ import annotations

import numpy as np

from engine.multiview.cameras import project
from engine.multiview.trajectories import Evidence
from engine.structures import Camera

SIZE = (1000, 800)
FPS = 30.0
# COCO-17 in metres: x to the person's left, y up, z forward, the feet at y = 0.
STANDING = np.array(
    [(0, 1.60, 0.12), (0.03, 1.64, 0.10), (-0.03, 1.64, 0.10), (0.07, 1.62, 0.02),
     (-0.07, 1.62, 0.02), (0.18, 1.40, 0), (-0.18, 1.40, 0), (0.25, 1.12, 0), (-0.25, 1.12, 0),
     (0.27, 0.87, 0.05), (-0.27, 0.87, 0.05), (0.10, 0.90, 0), (-0.10, 0.90, 0),
     (0.11, 0.48, 0.02), (-0.11, 0.48, 0.02), (0.11, 0.08, 0), (-0.11, 0.08, 0)]
)  # fmt: skip


def camera_at(angle: float, distance: float = 4.0, height: float = 1.4) -> Camera:
    """Looks at the middle of the scene, from `angle` (radians) around the vertical."""
    eye = np.array([distance * np.sin(angle), height, distance * np.cos(angle)])
    forward = np.array([0.0, 1.0, 0.0]) - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 1.0, 0.0))
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = rotation, -rotation @ eye
    K = np.array([[900.0, 0, SIZE[0] / 2], [0, 900.0, SIZE[1] / 2], [0, 0, 1]])
    return Camera(K, SIZE, T[None], "file")


def cameras() -> list[Camera]:
    return [camera_at(angle) for angle in (0.3, 1.9, 3.4, 5.0)]


def person(x: float = 0.0, z: float = 0.0, turn: float = 0.0, frames: int = 12) -> np.ndarray:
    """(F, 17, 3): somebody who stands at (x, z), turned, and sways."""
    cos, sin = np.cos(turn), np.sin(turn)
    points = STANDING @ np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    sway = 0.05 * np.sin(np.arange(frames) / 5)
    return points + np.array([x, 0, z]) + sway[:, None, None] * np.array([1.0, 0.0, 0.0])


def seen_by(views: list[Camera], points: np.ndarray, noise: float = 0.0, seed: int = 0) -> Evidence:
    """Two witnesses a view, `noise` pixels off."""
    rng = np.random.default_rng(seed)
    drawn = np.stack([project(camera, points)[0] for camera in views])
    pixels = np.repeat(drawn[:, :, None], 2, axis=2)
    pixels = pixels + rng.normal(0, noise, pixels.shape)
    return Evidence(pixels, np.full(pixels.shape[:-1], 0.5))
