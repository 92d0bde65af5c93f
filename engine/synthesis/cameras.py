"""Where the camera of a synthetic clip stands. OpenCV's axes, world with y up, metres, pixels."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from engine.errors import InputError
from engine.structures import Camera

MARGIN = 0.06
"""Share of the picture that stays free around the people's joints."""
WANDER_FPS = 30.0
FLESH = 0.14
"""Metres around the joints that are kept in the picture."""


@dataclass(frozen=True)
class CameraOrder:
    """What is asked of a camera; None is drawn at random."""

    width: int = 960
    height: int = 540
    focal: float | None = None
    """Focal length in longer sides of the picture."""
    elevation: float | None = None
    """Degrees that the camera looks down on the people (negative: up)."""
    azimuth: float | None = None
    """Degrees about the vertical."""
    distance: float | None = None
    """Metres from the middle of the people; by default as near as keeps them in the picture."""
    roll: float | None = None
    """Degrees."""
    motion: float = 0.0
    """Metres that the camera travels sideways during the clip, while it looks at the people."""
    shake: float = 0.0
    """Degrees of hand-held unrest."""

    @classmethod
    def parse(cls, text: str) -> CameraOrder:
        """`name=value` pairs, commas between; names as the fields. Raises InputError."""
        order = cls()
        names = {field.name for field in fields(cls)}
        for pair in filter(None, (part.strip() for part in text.split(","))):
            match = re.fullmatch(r"(\w+)=(-?\d+(?:\.\d+)?)", pair)
            if not match or match[1] not in names:
                raise InputError(
                    "The camera is not understood",
                    expected="NAME=NUMBER,... with NAME of " + ", ".join(sorted(names)),
                    received=pair[:60],
                )
            value = float(match[2])
            whole = match[1] in ("width", "height")
            setting: dict[str, Any] = {match[1]: int(value) if whole else value}
            order = replace(order, **setting)
        order.check()
        return order

    def check(self) -> None:
        limits = {
            "width": (16, 4096), "height": (16, 4096), "focal": (0.3, 5.0),
            "elevation": (-60.0, 85.0), "azimuth": (-720.0, 720.0), "distance": (0.3, 60.0),
            "roll": (-180.0, 180.0), "motion": (-10.0, 10.0), "shake": (0.0, 10.0),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InputError(
                    f"The camera's {name} is out of range",
                    expected=f"{low:g} to {high:g}",
                    received=f"{value:g}",
                )
        if self.width % 2 or self.height % 2:
            raise InputError(
                "A video's width and height are even",
                received=f"{self.width} x {self.height}",
            )


def place_camera(
    joints: Float[np.ndarray, "P F J 3"],
    order: CameraOrder,
    generator: np.random.Generator,
    time: Float[np.ndarray, "F"],
) -> Camera:
    """A camera that sees all the joints in all frames, which are at `time` seconds."""
    focal = order.focal if order.focal is not None else float(np.exp(generator.uniform(-0.25, 0.4)))
    elevation = order.elevation if order.elevation is not None else generator.normal(8, 7)
    azimuth = order.azimuth if order.azimuth is not None else generator.uniform(-180, 180)
    roll = order.roll if order.roll is not None else generator.normal(0, 1.0)
    spare = generator.uniform(0.98, 1.2)
    f = focal * max(order.width, order.height)
    K = np.array([[f, 0, order.width / 2], [0, f, order.height / 2], [0, 0, 1.0]])
    points = joints.reshape(-1, 3)
    target = (points.min(axis=0) + points.max(axis=0)) / 2
    a, e = np.radians([azimuth, elevation])
    away = np.array([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)])
    tilt = _looking(-away, np.radians(roll))
    distance = order.distance
    if distance is None:
        distance = spare * _nearest(points - target, tilt, K, order)
    centre = target + distance * away
    centre[1] = max(centre[1], 0.15)
    seconds = float(np.ptp(time))
    path = order.motion * ((time - time[0]) / seconds - 0.5 if seconds > 0 else np.zeros(1))
    unrest = np.radians(order.shake) * _wander(time, generator)
    transforms = np.tile(np.eye(4), (len(time), 1, 1))
    for frame in range(len(time)):
        eye = centre + path[frame] * tilt[0]
        look = target - eye
        look = look / np.linalg.norm(look) + unrest[frame]
        rotation = _looking(look, np.radians(roll))
        transforms[frame, :3, :3] = rotation
        transforms[frame, :3, 3] = -rotation @ eye
    return Camera(K, (order.width, order.height), transforms, "file")


def camera_place(camera: Camera) -> Float[np.ndarray, "F 3"]:
    """The camera's centre in the world, metres."""
    rotation, offset = camera.T_camera_world[:, :3, :3], camera.T_camera_world[:, :3, 3]
    return np.asarray(-np.einsum("fji,fj->fi", rotation, offset))


def _looking(direction: Float[np.ndarray, "3"], roll: float) -> Float[np.ndarray, "3 3"]:
    """R_camera_world of a camera that looks along a direction of the world."""
    z = direction / np.linalg.norm(direction)
    x = np.cross(z, [0.0, 1.0, 0.0])
    x = x / np.linalg.norm(x)
    y = np.cross(z, x)
    c, s = np.cos(roll), np.sin(roll)
    return np.stack([c * x + s * y, -s * x + c * y, z])


def _nearest(
    points: Float[np.ndarray, "N 3"], rotation: np.ndarray, K: np.ndarray, order: CameraOrder
) -> float:
    """Distance from the target at which all the points, with flesh, are in the picture."""
    x, y, z = (points @ rotation.T).T
    half = (1 - 2 * MARGIN) * np.array([order.width, order.height]) / 2 / K[0, 0]
    need = np.maximum((abs(x) + FLESH) / half[0], (abs(y) + FLESH) / half[1]) - z
    return float(max(need.max(), 1.2))


def _wander(time: Float[np.ndarray, "F"], generator: np.random.Generator) -> np.ndarray:
    """Slow noise (F, 3) of unit size, the same at any frame rate."""
    steady = np.arange(0, float(np.ptp(time)) + 2 / WANDER_FPS, 1 / WANDER_FPS)
    noise = generator.normal(0, 1, (3, len(steady) + 24))
    kernel = np.hanning(25)[1:]
    kernel /= np.linalg.norm(kernel)
    smooth = [np.convolve(axis, kernel, mode="valid")[: len(steady)] for axis in noise]
    return np.stack([np.interp(time - time[0], steady, axis) for axis in smooth], axis=1)
