"""Two people whose bodies are known, as a fit.npz says it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from engine.body.display import DisplayBody
from engine.files import FitFile
from engine.structures import BodyMotion, Camera, Diagnostics, Outcome

FRAMES = 8
SIZE = (640, 480)


def make_fit(motion: BodyMotion) -> FitFile:
    """A fit of a motion in the frame of a still camera."""
    K = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
    people, frames = motion.valid.shape
    T = np.tile(np.eye(4), (frames, 1, 1))
    display = DisplayBody.load(motion.body, "1k2")
    posed = [
        (motion.betas[p], motion.global_orient[p], motion.body_pose[p], motion.transl[p])
        for p in range(people)
    ]
    points = np.stack([display.keypoints(*pose) for pose in posed]) @ K.T
    return FitFile(
        motion=motion,
        joints=np.stack([display.joints(*pose) for pose in posed]).astype(float),
        keypoints2d_reprojected=points[..., :2] / points[..., 2:],
        layout="halpe26",
        camera=Camera(K, SIZE, T, "file"),
        outcome=Outcome.CONVERGED,
        diagnostics=Diagnostics(np.zeros((people, frames)), np.zeros(frames)),
    )


def hugging(frames: int = FRAMES, people: int = 2) -> BodyMotion:
    """Upright people in the camera frame, chest to chest along x, who breathe and sway."""
    rng = np.random.default_rng(4)
    pose = np.zeros((people, frames, 23, 3))
    pose[:, :, 15, 2], pose[:, :, 16, 2] = -1.2, 1.2
    pose[:, :, 8, 0] = 0.03 * np.sin(np.arange(frames))
    orient = np.zeros((people, frames, 3))
    upside = np.array([np.pi, 0, 0])  # y down: the body's up is the camera's -y
    for person in range(people):
        turn = np.pi / 2 * (1 if person % 2 == 0 else -1)
        facing = Rotation.from_rotvec(upside) * Rotation.from_rotvec([0, turn, 0])
        orient[person] = facing.as_rotvec()
    transl = np.zeros((people, frames, 3))
    transl[..., 2] = 4 + 0.12 * np.arange(people)[:, None]
    transl[..., 0] = 0.22 * np.arange(people)[:, None] - 0.11
    return BodyMotion(
        body="open-body",
        betas=rng.normal(0, 0.4, (people, 10)),
        global_orient=orient,
        body_pose=pose,
        transl=transl,
        valid=np.ones((people, frames), bool),
        provenance=np.full((people, frames), 2, np.uint8),
        time=np.arange(frames) / 30,
    )


@pytest.fixture
def fit() -> FitFile:
    return make_fit(hugging())


Moved = Callable[..., FitFile]


@pytest.fixture
def moved(fit: FitFile) -> Moved:
    """The same fit with other parameters: `moved(transl=..., valid=...)`."""

    def changed(**values: Any) -> FitFile:
        return make_fit(replace(fit.motion, **values))

    return changed
