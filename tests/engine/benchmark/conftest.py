"""Two people who stand and sway before each other, as prepared motion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.benchmark.suites import Suite
from engine.motion.prepared import PreparedMotion, write_prepared
from engine.structures import BodyMotion, FrameRange, Provenance
from engine.synthesis.cameras import CameraOrder
from engine.synthesis.order import SynthesisOrder

FPS = 30.0


def swaying(frames: int, name: str = "swaying") -> PreparedMotion:
    """Two people of different shape who face each other, arms down; marked for validation."""
    pose = np.zeros((2, frames, 23, 3))
    pose[:, :, 15, 2], pose[:, :, 16, 2] = -1.2, 1.2
    sway = 0.2 * np.sin(np.arange(frames) / FPS * 2)
    pose[:, :, 2, 0] = sway
    pose[:, :, 17, 1], pose[:, :, 18, 1] = -0.8, 0.8 + sway
    orient, transl = np.zeros((2, frames, 3)), np.zeros((2, frames, 3))
    orient[1, :, 1] = np.pi
    transl[:, :, 1] = 1.2
    transl[0, :, 2], transl[1, :, 2] = -0.35, 0.35
    motion = BodyMotion(
        body="open-body",
        betas=np.array([[0.5] + [0.0] * 9, [-0.5] + [0.0] * 9]),
        global_orient=orient,
        body_pose=pose,
        transl=transl,
        valid=np.ones((2, frames), bool),
        provenance=np.full((2, frames), Provenance.EDITED, np.uint8),
        time=np.arange(frames) / FPS,
        gravity="known",
    )
    return PreparedMotion(
        motion=motion,
        fps=FPS,
        name=name,
        source="Made for a test.",
        notice="",
        split="validation",
        kind="generated",
        starts=(),
        error_m=np.zeros((2, frames)),
        moved_m=np.zeros((2, frames)),
    )


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two long files to make cases of, one that trains, one of a single person."""
    place = tmp_path_factory.mktemp("motion")
    write_prepared(place / "a.npz", replace(swaying(320, "a"), starts=(150,)))
    write_prepared(place / "b.npz", swaying(400, "b"))
    write_prepared(place / "trains.npz", replace(swaying(200), split="train"))
    return place


@pytest.fixture(scope="session")
def tiny(folder: Path) -> Suite:
    """Two cases of a few frames in small pictures."""
    camera = CameraOrder(320, 240, focal=1.0, elevation=5.0, azimuth=60.0, roll=0.0)
    orders = [
        SynthesisOrder(folder / "b.npz", seed=i, frames=FrameRange(9 * i, 9 * i + 9), camera=camera)
        for i in range(2)
    ]
    return Suite("tiny", tuple(orders))
