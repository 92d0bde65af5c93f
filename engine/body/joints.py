"""Names and trees: SMPL's 24 joints, COCO-17 and Halpe-26 keypoints.

Sources of the orders: SMPL (Loper et al. 2015, `kintree_table`), COCO keypoints, and the README
of Halpe-FullBody.
"""

from __future__ import annotations

import numpy as np

SMPL_JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2",
    "left_ankle", "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar",
    "right_collar", "head", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip
SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)

COCO17 = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
COCO_SIGMAS = np.array(
    [0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107,
     0.087, 0.087, 0.089, 0.089]
)  # fmt: skip
"""Spread of a keypoint relative to body size, as COCO's evaluation uses it."""
HALPE26 = (
    *COCO17,
    "head", "neck", "hip", "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe",
    "left_heel", "right_heel",
)  # fmt: skip
KEYPOINT_NAMES: dict[str, tuple[str, ...]] = {"coco17": COCO17, "halpe26": HALPE26}

COCO17_BONES = (
    (5, 7), (7, 9), (6, 8), (8, 10), (5, 6), (5, 11), (6, 12), (11, 12), (11, 13), (13, 15),
    (12, 14), (14, 16), (0, 1), (0, 2), (1, 3), (2, 4),
)  # fmt: skip
HALPE26_BONES = (
    *COCO17_BONES,
    (0, 17), (0, 18), (18, 5), (18, 6), (18, 19), (15, 20), (15, 22), (15, 24),
    (16, 21), (16, 23), (16, 25),
)  # fmt: skip
BONES: dict[str, tuple[tuple[int, int], ...]] = {"coco17": COCO17_BONES, "halpe26": HALPE26_BONES}


def mirrored(names: tuple[str, ...]) -> tuple[int, ...]:
    """Index of each name's left/right counterpart (itself on the mid line)."""
    swap = {"left": "right", "right": "left"}

    def other(name: str) -> str:
        side, _, rest = name.partition("_")
        return f"{swap[side]}_{rest}" if side in swap else name

    return tuple(names.index(other(name)) for name in names)
