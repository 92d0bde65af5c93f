"""People of a motion: who they are as rows, where their joints and keypoints are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from engine.body.data import OPEN_BODY
from engine.body.display import DisplayBody
from engine.structures import BodyMotion, Camera
from engine.synthesis.figures import TRUTH_DENSITY

_BY_PERSON = "betas", "global_orient", "body_pose", "transl", "valid", "provenance"


def posed(motion: BodyMotion, person: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Arguments of DisplayBody's methods for all frames of a person."""
    return (
        motion.betas[person],
        motion.global_orient[person],
        motion.body_pose[person],
        motion.transl[person],
    )


def joints_of(motion: BodyMotion) -> Float[np.ndarray, "P F 24 3"]:
    body = DisplayBody.load(OPEN_BODY, TRUTH_DENSITY)
    return np.stack([body.joints(*posed(motion, p)) for p in range(motion.person_count)])


def keypoints_of(
    motion: BodyMotion, camera: Camera
) -> tuple[Float[np.ndarray, "P F 26 2"], Float[np.ndarray, "P F 26"]]:
    """Pixels and depth (metres) of the true keypoints of a motion in the world."""
    body = DisplayBody.load(OPEN_BODY, TRUTH_DENSITY)
    world = np.stack([body.keypoints(*posed(motion, p)) for p in range(motion.person_count)])
    transform = camera.T_camera_world
    seen = np.einsum("fij,pfkj->pfki", transform[:, :3, :3], world.astype(np.float64))
    seen += transform[:, None, :3, 3]
    image = seen @ camera.K.T
    return image[..., :2] / np.maximum(image[..., 2:], 1e-3), seen[..., 2]


def rows_of(motion: BodyMotion, people: slice) -> BodyMotion:
    """Some of the people."""
    arrays: dict[str, Any] = {name: getattr(motion, name)[people] for name in _BY_PERSON}
    return replace(motion, **arrays)


def joined(first: BodyMotion, second: BodyMotion) -> BodyMotion:
    """The people of both, in the first one's time."""
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in _BY_PERSON
    }
    return replace(first, **arrays)
