"""The camera and the world around it: what is given, what is known of gravity, what is to be found.

A camera that comes with the observations stands in a world of its own. It is used as it is where
one of that world's axes points against gravity (as the people see it); the world is then turned so
that this axis is y. A world that is tilted, like that of a camera tracked from its first frame,
says how the camera moved, and gravity is estimated in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from engine.fit.problem import FitProblem
from engine.fit.state import Anchor
from engine.structures import Camera, FrameRange, GravitySource

ALIGNED = np.cos(np.radians(20))
"""How near to gravity (as the people see it, which is good to 4 to 6 degrees in the median) an
axis must be to be taken for it."""


@dataclass(frozen=True)
class Scene:
    """A window's camera and world."""

    anchor: Anchor
    T_camera_anchor: Float[np.ndarray, "F 4 4"]
    T_camera_world: Float[np.ndarray, "F 4 4"] | None
    """The world to report in; None for one that is made from the estimated gravity and floor."""
    up: Float[Tensor, "3"]
    """Unit vector against gravity in the anchor frame."""
    floor: float | None
    """Height of the anchor's origin above the floor, metres; None: look under people's feet."""
    up_free: bool
    floor_free: bool
    gravity: GravitySource


def upright(camera: Camera, up_camera: Float[np.ndarray, "3"]) -> Camera | None:
    """The camera in a world with y up, or None if no axis of its world points up.

    `up_camera` is the direction against gravity in the first frame, as the people suggest it. A
    camera whose world is its own frame says nothing about gravity.
    """
    rotation = camera.T_camera_world[0, :3, :3]
    if np.allclose(rotation, np.eye(3), atol=1e-6):
        return None
    along = rotation.T @ up_camera
    axis = int(np.abs(along).argmax())
    if abs(along[axis]) < ALIGNED:
        return None
    turn = np.eye(4)  # from the new world to the given one: new y is the given axis
    sign = np.sign(along[axis])
    turn[:3, :3] = np.roll(np.eye(3), axis - 1, axis=0)
    if sign < 0:
        turn[:3, :3] = turn[:3, :3] @ np.diag([1.0, -1.0, -1.0])
    return replace(camera, T_camera_world=camera.T_camera_world @ turn)


def scene_of(
    problem: FitProblem,
    frames: FrameRange,
    up_lifted: Float[Tensor, "3"],
    continued: bool,
) -> Scene:
    """What is known of a window. `continued`: it must join bodies that are held."""
    camera, warm = problem.camera, problem.warm_start
    if camera is None or _another_shot(problem, frames, continued):
        identity = np.broadcast_to(np.eye(4), (len(frames), 4, 4))
        return Scene(Anchor(), identity, None, up_lifted, None, True, True, "estimated")
    T = camera.T_camera_world[frames.as_slice()]
    static = bool(np.ptp(T, axis=0).max() < 1e-9)
    known = problem.gravity_known if warm is None else warm.gravity == "known"
    anchor, T_anchor = (
        (Anchor(), np.broadcast_to(np.eye(4), T.shape)) if static else (_moving(T), T)
    )
    up = T[0, :3, 1] if static else np.array([0.0, 1.0, 0.0])
    floor: float | None = float(-up @ T[0, :3, 3]) if static else 0.0
    if known or warm is None:
        floor = None  # the given world's floor need not be at y = 0
    up_world = torch.tensor(up, dtype=torch.float32)
    if not known and warm is None:
        up_world = up_lifted if static else anchor.directions(up_lifted)
    return Scene(
        anchor=anchor,
        T_camera_anchor=T_anchor,
        T_camera_world=T if known or continued else None,
        up=up_world,
        floor=floor,
        up_free=not known and not continued,
        floor_free=not continued,
        gravity="known" if known else "estimated",
    )


def _another_shot(problem: FitProblem, frames: FrameRange, continued: bool) -> bool:
    """Whether the only camera that is known is the one that an earlier shot was found to have."""
    camera, warm = problem.camera, problem.warm_start
    if camera is None or warm is None or continued or warm.gravity == "known":
        return False
    static = float(np.ptp(camera.T_camera_world, axis=0).max()) < 1e-9
    return problem.camera_found and (static or frames.start in problem.observations.cuts)


def _moving(T: Float[np.ndarray, "F 4 4"]) -> Anchor:
    inverse = np.linalg.inv(T)
    return Anchor(
        torch.tensor(inverse[:, :3, :3], dtype=torch.float32),
        torch.tensor(inverse[:, :3, 3], dtype=torch.float32),
    )


def held(movable: Bool[Tensor, "F"], warm: Bool[np.ndarray, "F"] | None) -> bool:
    """Whether a window has frames that must stay as they are."""
    return warm is not None and bool((~movable).any())
