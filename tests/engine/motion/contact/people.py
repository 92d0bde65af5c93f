"""Single people for the tests: one who stands and sways, one who walks in a straight line."""

import numpy as np

from engine.body.data import OPEN_BODY
from engine.body.display import DisplayBody
from engine.motion.prepared import PreparedMotion
from engine.structures import BodyMotion, Provenance

FPS = 30.0


def standing(seconds: float = 5.0, name: str = "stander") -> PreparedMotion:
    time = np.arange(round(seconds * FPS)) / FPS
    poses = np.zeros((len(time), 24, 3))
    _hang_arms(poses)
    poses[:, 3, 0] = 0.03 * np.sin(2 * time)
    poses[:, 15, 1] = 0.1 * np.sin(1.3 * time)
    return _prepared(poses, np.zeros((len(time), 3)), name)


def walking(seconds: float = 5.0, name: str = "walker") -> PreparedMotion:
    """Legs swing as stiff pendulums; the feet that are down barely slide."""
    time = np.arange(round(seconds * FPS)) / FPS
    phase = 4 * time
    poses = np.zeros((len(time), 24, 3))
    _hang_arms(poses)
    poses[:, 1, 0], poses[:, 2, 0] = 0.35 * np.sin(phase), -0.35 * np.sin(phase)
    poses[:, 4, 0], poses[:, 5, 0] = (0.5 * np.clip(np.cos(phase + k), 0, 1) for k in (0, np.pi))
    forwards = np.zeros((len(time), 3))
    forwards[:, 2] = 0.75 * time
    return _prepared(poses, forwards, name)


def _hang_arms(poses: np.ndarray) -> None:
    poses[:, 16, 2], poses[:, 17, 2] = -1.2, 1.2


def _prepared(poses: np.ndarray, places: np.ndarray, name: str) -> PreparedMotion:
    frames = len(poses)
    betas = np.zeros((1, 10))
    body = DisplayBody.load(OPEN_BODY, "1k2")
    lowest = body.vertices(betas[0], poses[:, 0], poses[:, 1:], places)[..., 1].min(axis=1)
    transl = places - np.stack([0 * lowest, lowest, 0 * lowest], axis=1)
    motion = BodyMotion(
        body=OPEN_BODY, betas=betas, global_orient=poses[None, :, 0], body_pose=poses[None, :, 1:],
        transl=transl[None], valid=np.ones((1, frames), bool),
        provenance=np.full((1, frames), Provenance.EDITED, np.uint8),
        time=np.arange(frames) / FPS, gravity="known",
    )  # fmt: skip
    return PreparedMotion(
        motion=motion, fps=FPS, name=name, source="Made for a test.", notice="", split="train",
        kind="single", starts=(), error_m=np.zeros((1, frames)), moved_m=np.zeros((1, frames)),
    )  # fmt: skip
