"""Where a detector's keypoints lie on a body: a linear map of joints and landmark vertices.

Limb keypoints are SMPL's joints; face and feet are vertices of the skin. Two choices are guesses,
to be calibrated against annotated images:

- Detectors place hips further out than the hip joints. They lie here on the line through both
  joints, as far apart as `HIP_TO_SHOULDER_WIDTH` times the distance of the shoulder joints.
- Halpe's neck lies between the neck joint and the middle of the shoulder joints.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from engine.body.data import BodyData
from engine.body.joints import KEYPOINT_NAMES, SMPL_JOINTS
from engine.structures import Layout

HIP_TO_SHOULDER_WIDTH = 0.65
"""Guess: 0.22 m between the hips of the mean open body, whose hip joints are 0.17 m apart."""
NECK_ABOVE_SHOULDERS = 0.5
"""Guess: share of the way from the middle of the shoulders to the neck joint."""

LANDMARKS = {
    "nose": "nose", "left_eye": "leye", "right_eye": "reye", "left_ear": "lear",
    "right_ear": "rear", "head": "crown", "left_big_toe": "LBigToe", "right_big_toe": "RBigToe",
    "left_small_toe": "LSmallToe", "right_small_toe": "RSmallToe", "left_heel": "LHeel",
    "right_heel": "RHeel",
}  # fmt: skip
"""Keypoint name to the landmark vertex's name."""


def landmark_vertices(data: BodyData) -> tuple[int, ...]:
    """Vertex indices in the order of `LANDMARKS`."""
    return tuple(data.vertex_ids[name] for name in LANDMARKS.values())


def keypoint_regressor(data: BodyData, layout: Layout) -> Float[np.ndarray, "K JL"]:
    """Rows of a layout's keypoints over the 24 joints followed by the landmark vertices.

    Each row sums to one, so that keypoints move with the body.
    """
    names = KEYPOINT_NAMES[layout]
    rows = np.zeros((len(names), len(SMPL_JOINTS) + len(LANDMARKS)))
    for row, name in zip(rows, names, strict=True):
        if name in LANDMARKS:
            row[len(SMPL_JOINTS) + list(LANDMARKS).index(name)] = 1
        else:
            for joint, share in _joint_shares(data, name).items():
                row[SMPL_JOINTS.index(joint)] = share
    return rows


def _joint_shares(data: BodyData, keypoint: str) -> dict[str, float]:
    if keypoint in ("left_hip", "right_hip"):
        outwards = (1 + _hip_spread(data)) / 2
        other = "right_hip" if keypoint == "left_hip" else "left_hip"
        return {keypoint: outwards, other: 1 - outwards}
    if keypoint == "hip":
        return {"left_hip": 0.5, "right_hip": 0.5}
    if keypoint == "neck":
        below = (1 - NECK_ABOVE_SHOULDERS) / 2
        return {"neck": NECK_ABOVE_SHOULDERS, "left_shoulder": below, "right_shoulder": below}
    return {keypoint: 1.0}


def _hip_spread(data: BodyData) -> float:
    """Distance of the hip keypoints over the distance of the hip joints, on the mean body."""

    def width(joint: str) -> float:
        left, right = (SMPL_JOINTS.index(f"{side}_{joint}") for side in ("left", "right"))
        return float(np.linalg.norm(data.J_template[left] - data.J_template[right]))

    return HIP_TO_SHOULDER_WIDTH * width("shoulder") / width("hip")
