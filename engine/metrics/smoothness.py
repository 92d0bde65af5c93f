"""Errors in how people move. Derivatives are by presentation time, so that no frame rate, variable
ones included, changes what a number means. Axes: P people, F frames, J joints. Metres, seconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from engine.body.joints import SMPL_JOINTS

FEET = (SMPL_JOINTS.index("left_foot"), SMPL_JOINTS.index("right_foot"))
"""The balls of the feet."""
STANCE_SPEED = 0.15
"""Metres a second below which a true foot is said to stand."""


def velocities(
    points: Float[np.ndarray, "P F J 3"], times: Float[np.ndarray, "F"], cuts: Sequence[int] = ()
) -> Float[np.ndarray, "P F-1 J 3"]:
    """From each frame to the next, metres a second; NaN across a cut."""
    speed = np.diff(points, axis=1) / np.diff(times)[:, None, None]
    speed[:, [cut - 1 for cut in cuts]] = np.nan
    return np.asarray(speed)


def accelerations(
    points: Float[np.ndarray, "P F J 3"], times: Float[np.ndarray, "F"], cuts: Sequence[int] = ()
) -> Float[np.ndarray, "P F-2 J 3"]:
    """Second divided differences at the inner frames, metres a second squared; NaN across a cut."""
    speed = velocities(points, times, cuts)
    middle = (times[2:] - times[:-2])[:, None, None] / 2
    return np.asarray(np.diff(speed, axis=1) / middle)


def acceleration_errors(
    joints: Float[np.ndarray, "P F J 3"],
    truth: Float[np.ndarray, "P F J 3"],
    times: Float[np.ndarray, "F"],
    cuts: Sequence[int] = (),
) -> Float[np.ndarray, "P F-2 J"]:
    """Length of the difference of the accelerations in the camera frame, no alignment.

    Source: Kanazawa et al., "Learning 3D Human Dynamics from Video", CVPR 2019 (there per frame
    squared).
    """
    apart = accelerations(joints - truth, times, cuts)
    return np.asarray(np.linalg.norm(apart, axis=-1))


def skating_speeds(
    joints: Float[np.ndarray, "P F J 3"],
    truth: Float[np.ndarray, "P F J 3"],
    times: Float[np.ndarray, "F"],
    cuts: Sequence[int] = (),
) -> Float[np.ndarray, "P F-1 2"]:
    """Speed of the balls of the feet while the true foot stands (is slower than `STANCE_SPEED`),
    metres a second; NaN elsewhere. Both in a frame that does not move with the camera.

    Source: Shin et al., "WHAM", CVPR 2024 (foot sliding; there millimetres a frame).
    """
    stands = _speeds(truth, times, cuts) < STANCE_SPEED
    return np.where(stands, _speeds(joints, times, cuts), np.nan)


def _speeds(
    joints: Float[np.ndarray, "P F J 3"], times: Float[np.ndarray, "F"], cuts: Sequence[int]
) -> Float[np.ndarray, "P F-1 2"]:
    return np.asarray(np.linalg.norm(velocities(joints[:, :, FEET], times, cuts), axis=-1))


def in_still_frame(
    joints: Float[np.ndarray, "P F J 3"], T_camera_world: Float[np.ndarray, "F 4 4"]
) -> Float[np.ndarray, "P F J 3"]:
    """Joints of the camera frame in the world that the camera moves in."""
    turned = joints - T_camera_world[None, :, None, :3, 3]
    return np.asarray(np.einsum("fji,pfkj->pfki", T_camera_world[:, :3, :3], turned))
