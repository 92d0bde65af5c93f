"""Skinning weights of SMPL's 24 joints from those of MakeHuman's 163 bones."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from engine.body.building.assets import MakeHumanAssets
from engine.body.joints import SMPL_JOINTS, mirrored

INFLUENCES = 4
SMALLEST_WEIGHT = 5e-3
MIRRORED_JOINTS = list(mirrored(SMPL_JOINTS))

_LIMB_PREFIXES = {
    "clavicle": "collar", "shoulder01": "collar", "upperarm": "shoulder", "lowerarm": "elbow",
    "wrist": "wrist", "metacarpal": "wrist", "finger1": "wrist", "finger": "hand",
    "upperleg": "hip", "lowerleg": "knee", "foot": "ankle", "toe": "foot",
}  # fmt: skip
"""Start of a bone's name to the joint that carries it; the first match counts."""
_TRUNK_PREFIXES = ("root", "pelvis", "breast", "spine")
_SPINE_SPREAD = {"spine1": 0.09, "spine2": 0.10, "spine3": 0.11}
"""Half the height over which the trunk changes from one joint to the next, metres."""
_NECK_SPREAD = 0.05
_NECK_DROP = 0.01


def smpl_weights(
    assets: MakeHumanAssets,
    skin: Int[np.ndarray, "V"],
    mirror: Int[np.ndarray, "V"],
    shape: Float[np.ndarray, "V 3"],
    joints: Float[np.ndarray, "24 3"],
) -> Float[np.ndarray, "V 24"]:
    """Symmetric, rows sum to one; limbs follow their bones, the trunk is blended by height."""
    weights = np.zeros((len(skin), len(SMPL_JOINTS)))
    trunk, neck = np.zeros(len(skin)), np.zeros(len(skin))
    for bone, weight in zip(assets.bones, assets.bone_weights[skin].T, strict=True):
        stem, _, side = bone.partition(".")
        joint = next((j for p, j in _LIMB_PREFIXES.items() if stem.startswith(p)), None)
        if joint is not None:
            word = "left" if side == "L" else "right"
            weights[:, SMPL_JOINTS.index(f"{word}_{joint}")] += weight
        elif stem.startswith("neck"):
            neck += weight
        elif stem.startswith(_TRUNK_PREFIXES):
            trunk += weight
        else:
            weights[:, SMPL_JOINTS.index("head")] += weight
    _blend_spine(weights, trunk, neck, shape[:, 1], joints[:, 1])
    return _limited(weights, mirror)


def _blend_spine(
    weights: np.ndarray, trunk: np.ndarray, neck: np.ndarray, y: np.ndarray, joint_y: np.ndarray
) -> None:
    """Spread trunk and neck weights over the spine's joints, smoothly in height (in place)."""

    def above(joint: str, spread: float, drop: float = 0.0) -> np.ndarray:
        middle = joint_y[SMPL_JOINTS.index(joint)] - drop
        t = np.clip((y - middle + spread) / (2 * spread), 0, 1)
        return np.asarray(t * t * (3 - 2 * t))

    share = trunk
    previous = "pelvis"
    for joint, spread in _SPINE_SPREAD.items():
        upper = np.minimum(share, trunk * above(joint, spread))
        weights[:, SMPL_JOINTS.index(previous)] += share - upper
        share, previous = upper, joint
    weights[:, SMPL_JOINTS.index("spine3")] += share
    upper = neck * above("neck", _NECK_SPREAD, _NECK_DROP)
    weights[:, SMPL_JOINTS.index("neck")] += upper
    weights[:, SMPL_JOINTS.index("spine3")] += neck - upper


def _limited(weights: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """The strongest influences only, normalised and symmetric."""
    weights = np.where(weights < SMALLEST_WEIGHT, 0, weights)
    weakest_kept = np.sort(weights, 1)[:, -INFLUENCES][:, None]
    weights = np.where(weights >= weakest_kept, weights, 0)
    weights /= weights.sum(1, keepdims=True)
    symmetric = (weights + weights[mirror][:, MIRRORED_JOINTS]) / 2
    return np.asarray(symmetric / symmetric.sum(1, keepdims=True))
