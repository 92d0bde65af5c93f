"""The 3D view's eye: a camera that turns about a target, y up, in plain NumPy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from engine.structures import Camera

OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0])
NEAREST, FARTHEST = 0.15, 60.0
"""Metres between eye and target."""


def _turn_x(angle: float) -> Float[np.ndarray, "3 3"]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0, 0], [0, c, -s], [0, s, c]])


def _turn_y(angle: float) -> Float[np.ndarray, "3 3"]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1.0, 0], [-s, 0, c]])


def _turn_z(angle: float) -> Float[np.ndarray, "3 3"]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


@dataclass(frozen=True)
class OrbitCamera:
    """Where the eye is. Every move gives a new camera. Radians and metres; world y up."""

    target: tuple[float, float, float] = (0.0, 0.9, 0.0)
    distance: float = 4.0
    azimuth: float = 0.0
    """0 looks along -z (the eye on +z), growing towards +x."""
    elevation: float = 0.2
    """0 is level, pi/2 looks straight down."""
    roll: float = 0.0
    fov: float = np.deg2rad(38.0)
    """Vertical field of view."""

    @property
    def rotation(self) -> Float[np.ndarray, "3 3"]:
        """R_eye_world: eye axes are x right, y up, z towards the viewer."""
        return _turn_z(self.roll) @ _turn_x(self.elevation) @ _turn_y(-self.azimuth)

    @property
    def eye(self) -> Float[np.ndarray, "3"]:
        return np.asarray(self.target) + self.rotation[2] * self.distance

    def view(self) -> Float[np.ndarray, "4 4"]:
        """T_eye_world."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.rotation
        matrix[:3, 3] = -self.rotation @ self.eye
        return matrix

    def projection(self, aspect: float) -> Float[np.ndarray, "4 4"]:
        """Clip from eye (OpenGL's) for a picture `aspect` times as wide as high."""
        near, far = max(0.02, self.distance * 0.02), self.distance + 100.0
        scale = 1.0 / np.tan(self.fov / 2)
        depth, shift = (far + near) / (near - far), 2 * far * near / (near - far)
        return np.array(
            [[scale / aspect, 0, 0, 0], [0, scale, 0, 0], [0, 0, depth, shift], [0, 0, -1.0, 0]]
        )

    def orbited(self, right: float, up: float) -> OrbitCamera:
        """Turned about the target by angles in radians; the horizon becomes level."""
        elevation = float(np.clip(self.elevation + up, -np.pi / 2, np.pi / 2))
        return replace(self, azimuth=self.azimuth - right, elevation=elevation, roll=0.0)

    def turned_to(self, azimuth: float, elevation: float) -> OrbitCamera:
        """Looking at the same target from there, level."""
        return replace(self, azimuth=azimuth, elevation=elevation, roll=0.0)

    def zoomed(self, factor: float) -> OrbitCamera:
        """`factor` times as far from the target."""
        return replace(self, distance=float(np.clip(self.distance * factor, NEAREST, FARTHEST)))

    def panned(self, right: float, up: float, height: int) -> OrbitCamera:
        """Moved so that the target follows the mouse by pixels in a view `height` pixels high."""
        metres = 2 * self.distance * np.tan(self.fov / 2) / max(1, height)
        moved = np.asarray(self.target) - metres * (
            right * self.rotation[0] + up * self.rotation[1]
        )
        return replace(self, target=tuple(moved.tolist()))

    def moved(self, step: Float[np.ndarray, "3"]) -> OrbitCamera:
        """Eye and target moved along by metres in the world."""
        target = np.asarray(self.target) + step
        return replace(self, target=tuple(target.tolist()))

    def framing(self, points: Float[np.ndarray, "N 3"], aspect: float) -> OrbitCamera:
        """The same direction, with all points in the picture and a margin around them."""
        centre = (points.min(0) + points.max(0)) / 2
        seen = (points - centre) @ self.rotation.T
        slope = np.tan(self.fov / 2) / 1.2
        reach = np.maximum(np.abs(seen[:, 0]) / (slope * aspect), np.abs(seen[:, 1]) / slope)
        distance = float(
            np.clip(np.max(np.maximum(reach, NEAREST) + seen[:, 2]), NEAREST, FARTHEST)
        )
        return replace(self, target=tuple(centre.tolist()), distance=distance)

    def ray(
        self, x: float, y: float, width: int, height: int
    ) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
        """Origin and unit direction, in the world, of the ray through a pixel of the view."""
        slope = np.tan(self.fov / 2)
        right = (2 * x / width - 1) * slope * width / height
        up = (1 - 2 * y / height) * slope
        direction = self.rotation.T @ np.array([right, up, -1.0])
        return self.eye, direction / np.linalg.norm(direction)

    def pixels(
        self, points: Float[np.ndarray, "N 3"], width: int, height: int
    ) -> Float[np.ndarray, "N 3"]:
        """x, y in pixels of the view and depth in metres; x, y are NaN behind the eye."""
        seen = (points - self.eye) @ self.rotation.T
        depth = -seen[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where(depth > 1e-6, height / (2 * np.tan(self.fov / 2)) / depth, np.nan)
        return np.stack([width / 2 + seen[:, 0] * scale, height / 2 - seen[:, 1] * scale, depth], 1)


def through(camera: Camera, frame: int, distance: float, aspect: float) -> OrbitCamera:
    """The view through the video's camera, its whole picture inside a view of that aspect.

    The principal point is taken to be the middle of the picture.
    """
    T = camera.T_camera_world[min(frame, len(camera.T_camera_world) - 1)]
    rotation = OPENGL_FROM_OPENCV @ T[:3, :3]
    eye = -T[:3, :3].T @ T[:3, 3]
    back = rotation[2]
    elevation = float(np.arcsin(np.clip(back[1], -1, 1)))
    azimuth = float(np.arctan2(back[0], back[2]))
    level = _turn_x(elevation) @ _turn_y(-azimuth)
    turn = rotation @ level.T
    width, height = camera.image_size
    slope = max(height / camera.K[1, 1], width / camera.K[0, 0] / aspect) / 2
    return OrbitCamera(
        target=tuple((eye - back * distance).tolist()),
        distance=distance,
        azimuth=azimuth,
        elevation=elevation,
        roll=float(np.arctan2(turn[1, 0], turn[0, 0])),
        fov=float(2 * np.arctan(slope)),
    )
