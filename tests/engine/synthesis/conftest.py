"""A few frames of two people on a skeleton like the open body's, made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.body.data import load_body_data
from engine.body.joints import SMPL_JOINTS, SMPL_PARENTS
from engine.synthesis.cameras import CameraOrder
from engine.synthesis.clip import synthesize
from engine.synthesis.order import SynthesisOrder
from engine.synthesis.truth import Truth

FRAMES = 3
STANDING = 1.21
"""Height of the pelvis over the floor with the soles on it, and a bit."""


def write_motion(path: Path, places: np.ndarray, frames: int = FRAMES, **extra: object) -> Path:
    """People who stand at `places` (P, 3) with hanging arms, facing +z, and sway a little."""
    rest = load_body_data().J_template
    offsets = rest - np.where(np.array(SMPL_PARENTS)[:, None] < 0, 0, rest[list(SMPL_PARENTS)])
    people = len(places)
    poses = np.zeros((frames, people, 24, 3))
    poses[:, :, SMPL_JOINTS.index("left_shoulder"), 2] = -1.3
    poses[:, :, SMPL_JOINTS.index("right_shoulder"), 2] = 1.3
    poses[:, :, SMPL_JOINTS.index("spine1"), 0] = np.linspace(0, 0.05, frames)[:, None]
    trans = np.repeat(np.asarray(places, float)[None], frames, axis=0)
    trans[..., 1] += 0.99
    arrays: dict[str, object] = {
        "poses": poses, "trans": trans, "offsets": np.stack([offsets] * people),
        "fps": np.float32(30), "valid": np.ones(frames, bool),
    }  # fmt: skip
    np.savez(path, **(arrays | extra))  # type: ignore[arg-type]
    return path


def finished(order: SynthesisOrder) -> Truth:
    """Run a synthesis to its end."""
    work = synthesize(order)
    while True:
        try:
            next(work)
        except StopIteration as stop:
            truth: Truth = stop.value
            return truth


def small_order(motion: Path, out: Path, **options: object) -> SynthesisOrder:
    camera = CameraOrder(
        width=192, height=144, focal=1.0, elevation=3.0, azimuth=0.0, distance=4.0, roll=0.0
    )
    return SynthesisOrder(motion, out, seed=3, camera=camera, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def side_by_side(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """Two people a metre apart, seen from the front: nobody hides anybody."""
    folder = tmp_path_factory.mktemp("side-by-side")
    motion = write_motion(folder / "motion.npz", np.array([[-0.6, 0, 0], [0.6, 0, 0]]))
    return folder, finished(small_order(motion, folder))


@pytest.fixture(scope="session")
def one_behind_the_other(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """The second person stands behind the first, 15 cm to the side."""
    folder = tmp_path_factory.mktemp("behind")
    motion = write_motion(folder / "motion.npz", np.array([[0.0, 0, 0.4], [0.15, 0, -0.4]]))
    return folder, finished(small_order(motion, folder))
