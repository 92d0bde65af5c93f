"""smplx's 21 landmark vertices and the crown, found by the rig's bones and by extremes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from engine.body.building.assets import MakeHumanAssets
from engine.body.building.surface import Skin
from engine.body.joints import SMPL_JOINTS

_FINGERS = {1: "thumb", 2: "index", 3: "middle", 4: "ring", 5: "pinky"}
_EAR_BAND = 0.05
"""Ears are looked for within this height of the eyes, metres."""


def left_landmarks(
    assets: MakeHumanAssets,
    skin: Skin,
    used: Int[np.ndarray, "U"],
    mean: Float[np.ndarray, "V 3"],
    weights: Float[np.ndarray, "V 24"],
) -> dict[str, int]:
    """Landmarks of the left side and the middle under smplx's names, and "crown"."""
    bones = dict(zip(assets.bones, assets.bone_weights[skin.source].T, strict=True))

    def extreme(where: Bool[np.ndarray, "V"], score: Float[np.ndarray, "V"]) -> int:
        candidates = used[where[used]]
        return int(candidates[np.argmax(score[candidates])])

    def moved_by(*joints: str) -> np.ndarray:
        return np.asarray(weights[:, [SMPL_JOINTS.index(joint) for joint in joints]].sum(1))

    def toe(number: int) -> int:
        own = np.sum(
            [w for b, w in bones.items() if b.startswith(f"toe{number}-") and b.endswith(".L")],
            axis=0,
        )
        return extreme(own > 0.9, mean[:, 2])

    palm = mean[moved_by("left_wrist") > 0.9].mean(0)

    def fingertip(number: int) -> int:
        tip = bones[f"finger{number}-3.L"] > 0.9
        return extreme(tip, mean @ (mean[tip].mean(0) - palm))

    head = moved_by("head") > 0.9
    beside_eyes = np.abs(mean[:, 1] - mean[skin.left_eye, 1]) < _EAR_BAND
    foot = moved_by("left_ankle", "left_foot") > 0.8
    return {
        "nose": extreme(head & skin.seam, mean[:, 2]),
        "leye": skin.left_eye,
        "lear": extreme(head & beside_eyes, mean[:, 0]),
        "LBigToe": toe(1),
        "LSmallToe": toe(5),
        "LHeel": extreme(foot, -mean[:, 2] - 0.3 * mean[:, 1]),
        **{f"l{finger}": fingertip(number) for number, finger in _FINGERS.items()},
        "crown": extreme(head & skin.seam, mean[:, 1]),
    }


def with_right_side(left: dict[str, int], mirror: Int[np.ndarray, "V"]) -> dict[str, int]:
    """All 21 landmarks of smplx, sorted by name (the crown is not one of them)."""
    both = dict(left)
    del both["crown"]
    for name, vertex in left.items():
        if name[0] in "lL":
            both[("r" if name[0] == "l" else "R") + name[1:]] = int(mirror[vertex])
    return dict(sorted(both.items()))
