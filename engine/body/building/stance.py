"""From MakeHuman's relaxed stance into SMPL's rest pose: arms out, palms down, legs straight.

Every sampled person is unposed with angles measured on that person, so that all of them stand in
the same pose and what is left between them is shape. The left side is solved, the right mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from engine.body.building.assets import MakeHumanAssets
from engine.body.building.rotations import about, angle_about, frame, swing, unit
from engine.body.joints import SMPL_JOINTS, SMPL_PARENTS

MIRROR = np.diag([-1.0, 1.0, 1.0])
PELVIS_AT_REST = np.array([0.0, -0.22, 0.03])
"""The same for every shape, so that `transl` means the same for every shape."""
HIP_INWARDS = 0.8
"""SMPL's hip joints are closer together than MakeHuman's upper-leg joints."""


def _arm_direction(forwards: float, upwards: float) -> np.ndarray:
    """Unit vector along +x, turned by degrees."""
    f, u = np.radians([forwards, upwards])
    return np.array([np.cos(u) * np.cos(f), np.sin(u), np.cos(u) * np.sin(f)])


def _leg_direction(outwards: float, forwards: float) -> np.ndarray:
    """Unit vector along -y, turned by degrees."""
    return unit(np.array([np.tan(np.radians(outwards)), -1, np.tan(np.radians(forwards))]))


UPPER_ARM = _arm_direction(-6.0, -3.0)
FOREARM = _arm_direction(-1.0, 2.0)
HAND = _arm_direction(-9.0, -5.0)
THIGH = _leg_direction(3.0, -1.0)
SHANK = _leg_direction(-2.0, -6.0)
TOES_OUTWARDS = np.radians(12.0)
CLAVICLE = about(np.array([0, 1.0, 0]), np.radians(9.0)) @ about(
    np.array([0, 0, 1.0]), np.radians(22.0)
)
ELBOW_HINGE = np.array([0, -1.0, 0])
TWIST_OF_FOREARM_PARTS = (0.3, 0.75)
TWIST_OF_UPPER_ARM = 0.5
TRUNK_LEAN = {"spine1": -2.5, "spine2": -2.5, "neck": 5.0}
"""Degrees about x: MakeHuman's trunk leans forward against SMPL's."""


@dataclass(frozen=True)
class _Motion:
    """x -> R (x - start) + end, per person."""

    rotation: Float[np.ndarray, "n 3 3"]
    start: Float[np.ndarray, "n 3"]
    end: Float[np.ndarray, "n 3"]

    def mirrored(self) -> _Motion:
        return _Motion(MIRROR @ self.rotation @ MIRROR, self.start @ MIRROR, self.end @ MIRROR)

    def apply(self, points: Float[np.ndarray, "n m 3"]) -> Float[np.ndarray, "n m 3"]:
        moved: np.ndarray = (points - self.start[:, None]) @ np.swapaxes(self.rotation, 1, 2)
        moved += self.end[:, None]
        return moved

    def point(self, point: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        return self.apply(point[:, None])[:, 0]


class RestPose:
    """Brings symmetric MakeHuman meshes into the rest pose and places SMPL's joints in them."""

    def __init__(self, assets: MakeHumanAssets, skin: Int[np.ndarray, "V"]) -> None:
        """`skin`: the vertices of MakeHuman's mesh to keep, all of them moved by some bone."""
        self._skin = skin
        self._cubes = {
            name: assets.group(f"joint-{name}") for name in (*_LEFT_CUBES, *_MIDDLE_CUBES)
        }
        self._weights: dict[tuple[str, str], np.ndarray] = {}
        for column, bone in enumerate(assets.bones):
            key = _segment_of(bone)
            weight = assets.bone_weights[self._skin, column]
            self._weights[key] = self._weights.get(key, 0) + weight

    def __call__(
        self, meshes: Float[np.ndarray, "n N 3"]
    ) -> tuple[Float[np.ndarray, "n V 3"], Float[np.ndarray, "n 24 3"]]:
        """Skin vertices and joints in the rest pose, pelvis at `PELVIS_AT_REST`."""
        points = {name: meshes[:, ids].mean(1) for name, ids in self._cubes.items()}
        motions = {**_arm_motions(points), **_leg_motions(points)}
        skin = meshes[:, self._skin]
        posed = np.zeros_like(skin)
        for (segment, side), weight in self._weights.items():
            held = np.flatnonzero(weight)
            if segment == "trunk":
                moved = skin[:, held]
            else:
                motion = motions[segment]
                moved = (motion.mirrored() if side == "R" else motion).apply(skin[:, held])
            posed[:, held] += weight[held, None] * moved
        joints = _place_joints(points, motions)
        shift = PELVIS_AT_REST - joints[:, :1]
        return posed + shift, joints + shift


_LEFT_CUBES = (
    "l-clavicle", "l-shoulder", "l-elbow", "l-hand", "l-finger-2-1", "l-finger-3-1",
    "l-finger-5-1", "l-upper-leg", "l-knee", "l-ankle", "l-toe-3-1", "l-foot-1",
)  # fmt: skip
_MIDDLE_CUBES = ("pelvis", "spine-4", "spine-3", "spine-2", "spine-1", "neck", "head")

_SEGMENT_PREFIXES = {
    "clavicle": "clavicle", "shoulder01": "clavicle", "upperarm01": "upper arm 1",
    "upperarm02": "upper arm 2", "lowerarm01": "forearm 1", "lowerarm02": "forearm 2",
    "wrist": "hand", "metacarpal": "hand", "finger": "hand", "upperleg": "thigh",
    "lowerleg": "shank", "foot": "foot", "toe": "foot",
}  # fmt: skip


def _segment_of(bone: str) -> tuple[str, str]:
    """(segment, side "L"/"R"/"") that moves with a bone of the rig."""
    stem, _, side = bone.partition(".")
    for prefix, segment in _SEGMENT_PREFIXES.items():
        if stem.startswith(prefix):
            return segment, side
    return "trunk", ""


def _arm_motions(points: dict[str, np.ndarray]) -> dict[str, _Motion]:
    """Raise and straighten the left arm: elbow hinge vertical, back of the hand up."""
    clavicle, shoulder, elbow, wrist = (
        points[f"l-{name}"] for name in ("clavicle", "shoulder", "elbow", "hand")
    )
    index, middle, little = (points[f"l-finger-{k}-1"] for k in (2, 3, 5))

    def turn(rotation: np.ndarray, vector: np.ndarray) -> np.ndarray:
        return np.asarray((rotation @ vector[..., None])[..., 0])

    upper, fore = turn(CLAVICLE, elbow - shoulder), turn(CLAVICLE, wrist - elbow)
    swung = swing(upper, UPPER_ARM) @ CLAVICLE
    hinged = (
        frame(UPPER_ARM, ELBOW_HINGE) @ np.swapaxes(frame(upper, np.cross(upper, fore)), 1, 2)
    ) @ CLAVICLE
    twist = angle_about(UPPER_ARM, hinged @ np.swapaxes(swung, 1, 2))

    straight = swing(turn(hinged, wrist - elbow), FOREARM) @ hinged
    back_of_hand = turn(straight, np.cross(index - wrist, little - wrist))
    roll = _angle_between(FOREARM, back_of_hand, np.array([0, 1.0, 0]))
    first, second = (about(FOREARM, share * roll) @ straight for share in TWIST_OF_FOREARM_PARTS)
    rolled = about(FOREARM, roll) @ straight
    hand = swing(turn(rolled, middle - wrist), HAND) @ rolled

    everyone = np.broadcast_to(CLAVICLE, swung.shape)
    shoulder_end = clavicle + turn(CLAVICLE, shoulder - clavicle)
    elbow_end = shoulder_end + turn(hinged, elbow - shoulder)
    wrist_end = elbow_end + turn(straight, wrist - elbow)
    half = about(UPPER_ARM, TWIST_OF_UPPER_ARM * twist) @ swung
    return {
        "clavicle": _Motion(everyone, clavicle, clavicle),
        "upper arm 1": _Motion(half, shoulder, shoulder_end),
        "upper arm 2": _Motion(hinged, shoulder, shoulder_end),
        "forearm 1": _Motion(first, elbow, elbow_end),
        "forearm 2": _Motion(second, elbow, elbow_end),
        "hand": _Motion(hand, wrist, wrist_end),
    }


def _angle_between(axis: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Signed angle about an axis that turns one direction's projection into another's."""
    start = start - (start @ axis)[..., None] * axis
    end = end - (end @ axis) * axis
    return np.asarray(np.arctan2(np.cross(start, end) @ axis, start @ end))


def _leg_motions(points: dict[str, np.ndarray]) -> dict[str, _Motion]:
    hip, knee, ankle = (points[f"l-{name}"] for name in ("upper-leg", "knee", "ankle"))
    thigh = _Motion(swing(knee - hip, THIGH), hip, hip)
    shank = _Motion(swing(ankle - knee, SHANK), knee, thigh.point(knee))
    sole = points["l-toe-3-1"] - ankle
    yaw = TOES_OUTWARDS - np.arctan2(sole[:, 0], sole[:, 2])
    upright = about(np.broadcast_to([0, 1.0, 0], sole.shape), yaw)
    return {
        "thigh": thigh,
        "shank": shank,
        "foot": _Motion(upright, ankle, shank.point(ankle)),
    }


def _place_joints(
    points: dict[str, np.ndarray], motions: dict[str, _Motion]
) -> Float[np.ndarray, "n 24 3"]:
    """SMPL's joints; the numbers put the spine, hips and collars where SMPL has them."""
    joints = np.zeros((len(points["pelvis"]), 24, 3))

    def between(a: str, b: str, share: float) -> np.ndarray:
        return points[a] * (1 - share) + points[b] * share

    hip = motions["thigh"].point(points["l-upper-leg"])
    joints[:, 0] = points["spine-4"]
    joints[:, 0, 2] = (points["pelvis"][:, 2] + hip[:, 2]) / 2
    joints[:, 3] = between("spine-3", "spine-2", 0.55)
    joints[:, 6] = between("spine-2", "spine-1", 0.69)
    joints[:, 9] = points["spine-1"] + np.array([0, 0.01, 0.03])
    joints[:, 12] = between("neck", "head", 0.35) - np.array([0, 0, 0.025])
    joints[:, 15] = points["head"]
    joints[:, [0, 3, 6, 9, 12, 15], 0] = 0

    shoulder = motions["clavicle"].point(points["l-shoulder"])
    wrist = motions["hand"].end
    middle = motions["hand"].point(points["l-finger-3-1"])
    left = {
        1: hip * [HIP_INWARDS, 1, 1],
        4: motions["thigh"].point(points["l-knee"]),
        7: motions["shank"].point(points["l-ankle"]),
        10: motions["foot"].point(points["l-foot-1"]),
        13: shoulder - [0.088, 0.026, -0.008],
        16: shoulder,
        18: motions["upper arm 2"].point(points["l-elbow"]),
        20: wrist,
        22: wrist * 0.15 + middle * 0.85,
    }
    for joint, position in left.items():
        joints[:, joint] = position
        joints[:, joint + 1] = position @ MIRROR
    return joints


def straighten_trunk(
    people: Float[np.ndarray, "n V 3"],
    joints: Float[np.ndarray, "n 24 3"],
    weights: Float[np.ndarray, "V 24"],
) -> Float[np.ndarray, "n 24 3"]:
    """Take out the forward lean of MakeHuman's spine with one small pose for everybody.

    Changes `people` in place and returns the new joints.
    """
    turns = [np.eye(3)]
    for joint in range(1, 24):
        lean = np.radians(TRUNK_LEAN.get(SMPL_JOINTS[joint], 0.0))
        turns.append(turns[SMPL_PARENTS[joint]] @ about(np.array([1.0, 0, 0]), lean))
    rotations = np.stack(turns)
    straight = joints.copy()
    for joint, parent in enumerate(SMPL_PARENTS[1:], start=1):
        bone = joints[:, joint] - joints[:, parent]
        straight[:, joint] = straight[:, parent] + bone @ rotations[parent].T
    offsets = straight - np.einsum("jrc,njc->njr", rotations, joints)
    blended = np.einsum("vj,jrc->vrc", weights, rotations)
    for person, offset in zip(people, offsets, strict=True):
        person[:] = (blended @ person[..., None])[..., 0] + weights @ offset
    return straight
