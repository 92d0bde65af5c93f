"""Errors of joints and vertices. All functions return unreduced errors in metres.

Axes: P people, F frames, J joints. The first of J is the pelvis where a root is aligned. NaN where
either side is NaN.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from engine.body.joints import SMPL_JOINTS
from engine.metrics.alignment import procrustes_aligned

LSP14 = tuple(
    SMPL_JOINTS.index(name)
    for name in (
        "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
        "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow",
        "left_wrist", "neck", "head",
    )
)  # fmt: skip
"""The joints of SMPL that stand for the 14 of the Leeds Sports Pose set, on which the field's
older tables are given (there regressed from the mesh, which moves them by some centimetres)."""
PELVIS = SMPL_JOINTS.index("pelvis")


def root_aligned_errors(
    points: Float[np.ndarray, "P F J 3"],
    truth: Float[np.ndarray, "P F J 3"],
    roots: tuple[Float[np.ndarray, "P F 3"], Float[np.ndarray, "P F 3"]],
) -> Float[np.ndarray, "P F J"]:
    """Distances after moving each person so that the pelvis (`roots`: of the points, of the truth)
    lies on the true one. Their mean over joints is MPJPE, over vertices MPVPE.

    Source: Ionescu et al., "Human3.6M", PAMI 2014.
    """
    mine, theirs = roots
    apart = (points - mine[:, :, None]) - (truth - theirs[:, :, None])
    return np.asarray(np.linalg.norm(apart, axis=-1))


def aligned_errors(
    joints: Float[np.ndarray, "*N J 3"], truth: Float[np.ndarray, "*N J 3"]
) -> Float[np.ndarray, "*N J"]:
    """Distances after Procrustes alignment of each set of points: PA-MPJPE per person and frame.

    Source: Zhou et al., "Sparseness meets deepness", CVPR 2016 (called reconstruction error).
    """
    return np.asarray(np.linalg.norm(procrustes_aligned(joints, truth) - truth, axis=-1))


def pair_aligned_errors(
    joints: Float[np.ndarray, "2 F J 3"], truth: Float[np.ndarray, "2 F J 3"]
) -> Float[np.ndarray, "F 2*J"]:
    """Distances after one Procrustes alignment of two people's joints together: Pair-PA-MPJPE.

    It keeps what PA-MPJPE forgives: how the two stand to each other.
    Source: Müller et al., "Generative Proxemics" (BUDDI), CVPR 2024 (called joint PA-MPJPE).
    """
    together, true = (np.concatenate(list(x), axis=1) for x in (joints, truth))
    return aligned_errors(together, true)


def interaction_errors(
    joints: Float[np.ndarray, "2 F J 3"], truth: Float[np.ndarray, "2 F J 3"]
) -> Float[np.ndarray, "F J J"]:
    """| |a_i - b_j| predicted - |a_i - b_j| true | for each joint i of one and j of the other, no
    alignment: Inter.

    Source: Huang et al., "Closely Interactive Human Reconstruction with Proxemics and
    Physics-Guided Adaption" (CloseInt), CVPR 2024.
    """
    return np.asarray(abs(_distances(joints) - _distances(truth)))


def _distances(joints: Float[np.ndarray, "2 F J 3"]) -> Float[np.ndarray, "F J J"]:
    # |a|^2 + |b|^2 - 2 ab about the pair's own middle: nothing of size F x J x J x 3.
    a, b = joints - joints.mean(axis=(0, 2), keepdims=True)
    squared = (a**2).sum(-1)[:, :, None] + (b**2).sum(-1)[:, None] - 2 * a @ np.swapaxes(b, 1, 2)
    return np.asarray(np.sqrt(np.maximum(squared, 0)))


def root_errors(
    joints: Float[np.ndarray, "P F J 3"], truth: Float[np.ndarray, "P F J 3"]
) -> Float[np.ndarray, "P F"]:
    """Distance of the pelvis from the true one in the camera frame, no alignment: where a person
    stands, height and focal length included."""
    return np.asarray(np.linalg.norm((joints - truth)[:, :, PELVIS], axis=-1))
