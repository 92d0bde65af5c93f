"""Small prepared motions for the prior's tests: people who turn, walk on the spot and wave."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.body.data import OPEN_BODY
from engine.body.joints import SMPL_JOINTS
from engine.motion.prepared import MotionKind, PreparedMotion, Split, write_prepared
from engine.structures import BodyMotion, Provenance

STANDING = 1.2
"""Height of the body's origin from which feet are about on the floor, metres."""


def moving(frames: int, *, heading: float = 0.0, phase: float = 0.0) -> np.ndarray:
    """Axis-angle (F, 24, 3) at 30 Hz, y up; heading 0 faces +z."""
    time = np.arange(frames) / 30 + phase
    at = {name: index for index, name in enumerate(SMPL_JOINTS)}
    poses = np.zeros((frames, 24, 3))
    poses[:, 0, 1] = heading + 0.4 * time
    poses[:, at["left_hip"], 0] = -0.1 - 0.4 * np.sin(5.7 * time)
    poses[:, at["right_hip"], 0] = -0.1 + 0.4 * np.sin(5.7 * time)
    poses[:, at["left_shoulder"], 2] = -1.2
    poses[:, at["right_shoulder"], 2] = 0.9
    poses[:, at["right_elbow"], 1] = 1.6 + 0.4 * np.sin(8.2 * time)
    return poses


def prepared(
    people: int,
    frames: int,
    *,
    kind: MotionKind = "captured",
    split: Split = "train",
    name: str = "made-up",
    fps: float = 30.0,
    starts: Sequence[int] = (),
    invalid: Sequence[tuple[int, int]] = (),
) -> PreparedMotion:
    """People half a metre apart who face each other; `invalid` are persons and frames."""
    poses = np.stack([moving(frames, heading=np.pi * p, phase=0.3 * p) for p in range(people)])
    transl = np.zeros((people, frames, 3))
    transl[..., 1] = STANDING
    transl[..., 2] = 0.5 * np.arange(people)[:, None] + 0.3 * np.arange(frames) / 30
    valid = np.ones((people, frames), bool)
    for person, frame in invalid:
        valid[person, frame] = False
    motion = BodyMotion(
        body=OPEN_BODY,
        betas=np.linspace(-1, 1, 10) * (1 + np.arange(people))[:, None] / 2,
        global_orient=poses[:, :, 0],
        body_pose=poses[:, :, 1:],
        transl=transl,
        valid=valid,
        provenance=np.where(valid, Provenance.EDITED, Provenance.MISSING).astype(np.uint8),
        time=np.arange(frames) / fps,
        gravity="known",
    )
    return PreparedMotion(
        motion=motion,
        fps=fps,
        name=name,
        source="made up",
        notice="",
        split=split,
        kind=kind,
        starts=tuple(starts),
        error_m=np.zeros((people, frames)),
        moved_m=np.zeros((people, frames)),
    )


def write_folder(folder: Path) -> Path:
    """One motion of each kind: a pair of 100 frames, key poses in sequences of 6, 3 and 1, a
    generated pair of 60, somebody alone of 80, a walk of 200, and a pair for validation."""
    folder.mkdir(parents=True, exist_ok=True)
    grappling = prepared(2, 10, kind="grappling", name="grapple", fps=5.0, starts=(6, 9))
    for content in (
        prepared(2, 100, name="pair"),
        grappling,
        prepared(2, 60, kind="generated", name="hug"),
        prepared(1, 80, kind="single", name="cmu_05_01"),
        prepared(1, 200, kind="single", name="cmueval_walking_1"),
        prepared(2, 90, split="validation", name="held-out"),
    ):
        write_prepared(folder / f"{content.name}.npz", content)
    return folder
