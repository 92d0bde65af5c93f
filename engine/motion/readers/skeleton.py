"""A skeleton of any naming and its motion, and how it becomes a CapturedMotion on SMPL's joints.

Names differ, trees hardly: hips, knees, ankles, a trunk, collars, shoulders, elbows, wrists, a neck
and a head. The joints are found by name, and the trunk as the way from the root to the neck.
Rotations are taken over relative to the rest pose, whose limbs may point elsewhere than those of
the open body: each bone is first turned the shortest way from one to the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from engine.body.data import OPEN_BODY, load_body_data
from engine.body.joints import SMPL_JOINTS, SMPL_PARENTS
from engine.errors import InputError
from engine.motion.captured import USUAL_WEIGHTS, CapturedMotion

JOINT_LIMIT = 500
_ALIASES: dict[str, tuple[str, ...]] = {
    "hip": ("femur", "thigh", "upleg", "upperleg", "hip"),
    "knee": ("tibia", "shin", "calf", "lowerleg", "leg", "knee"),
    "ankle": ("ankle", "foot"),
    "foot": ("toes", "toebase", "toe", "ball", "foot"),
    "shoulder": ("humerus", "shldr", "upperarm", "arm", "shoulder"),
    "collar": ("clavicle", "collar", "shoulder"),
    "elbow": ("radius", "forearm", "lowerarm", "elbow"),
    "wrist": ("wrist", "hand"),
    "hand": ("fingers", "fingerbase", "handmiddle1", "middle1", "handindex1", "index1", "hand"),
}
"""Names of joints that have sides, without side, case and punctuation; the first that the skeleton
has and no joint above has taken is meant."""
_NEEDED = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
_UPPER_NECKS, _NECKS = ("upperneck", "neck1"), ("neck", "lowerneck")
_CHILDREN = {
    1: 4, 2: 5, 4: 7, 5: 8, 7: 10, 8: 11, 13: 16, 14: 17, 16: 18, 17: 19, 18: 20, 19: 21, 20: 22,
    21: 23,
}  # fmt: skip
"""The joint at which each limb's bone ends."""
_SUBSTITUTES = {10: 7, 11: 8, 13: 9, 14: 9, 22: 20, 23: 21}
"""Whose rotation a joint takes that the skeleton lacks."""


@dataclass(frozen=True)
class SkeletonMotion:
    """One person on a skeleton of its own, in a world with y up."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    """Index of each joint's parent, which comes before it; -1 for the root."""
    rest: Float[np.ndarray, "J 3"]
    """Joints in the rest pose, metres, y up."""
    rotations: Float[np.ndarray, "F J 3 3"]
    """From the rest pose to the frame, in the world."""
    joints: Float[np.ndarray, "F J 3"]
    """Metres."""
    fps: float


def posed(
    offsets: Float[np.ndarray, "J 3"],
    parents: tuple[int, ...],
    local: Float[np.ndarray, "F J 3 3"],
    root: Float[np.ndarray, "F 3"],
) -> tuple[Float[np.ndarray, "F J 3 3"], Float[np.ndarray, "F J 3"]]:
    """Rotations and places in the world from local rotations, bones and the root's place."""
    rotations, joints = np.empty(local.shape), np.empty(local.shape[:3])
    for joint, parent in enumerate(parents):
        if parent < 0:
            rotations[:, joint], joints[:, joint] = local[:, joint], root
            continue
        rotations[:, joint] = rotations[:, parent] @ local[:, joint]
        joints[:, joint] = joints[:, parent] + rotations[:, parent] @ offsets[joint]
    return rotations, joints


def captured_from(
    skeleton: SkeletonMotion, name: str, said: dict[str, str] | None = None
) -> CapturedMotion:
    """On SMPL's joints. `said` names joints of the skeleton that its names would mislead about.

    Raises InputError where the limbs cannot be told by their names.
    """
    places = _places(skeleton, name, said or {})
    rest = load_body_data(OPEN_BODY).J_template
    own = _facing(skeleton.rest, places)
    frames = len(skeleton.joints)
    turns = np.empty((frames, 24, 3, 3))
    align = np.broadcast_to(np.eye(3), (24, 3, 3)).copy()
    for joint in range(24):
        source = places.get(joint, places.get(_SUBSTITUTES.get(joint, 0), places[0]))
        child = _CHILDREN.get(joint)
        if joint in places and child in places:
            bone = own.T @ (skeleton.rest[places[child]] - skeleton.rest[source])
            align[joint] = shortest_turn(rest[child] - rest[joint], bone)
        elif joint in (20, 21):
            align[joint] = align[SMPL_PARENTS[joint]]
        turns[:, joint] = skeleton.rotations[:, source] @ own @ align[joint]
    joints, weights = np.zeros((frames, 24, 3)), np.zeros(24)
    for joint in set(places) - set(_TRUNK):
        joints[:, joint] = skeleton.joints[:, places[joint]]
        weights[joint] = USUAL_WEIGHTS[joint]
    if _plain(skeleton.names[places[12]]) in _NECKS:
        weights[12] = USUAL_WEIGHTS[15]  # at the collar bones, lower than SMPL's
    joints[:, 0], weights[0] = _pelvis(joints, turns[:, 0], rest), 1.0
    return CapturedMotion(
        poses=local_poses(turns)[None],
        joints=joints[None],
        valid=np.ones(frames, bool),
        fps=skeleton.fps,
        name=name,
        weights=weights,
    )


def local_poses(turns: Float[np.ndarray, "F 24 3 3"]) -> Float[np.ndarray, "F 24 3"]:
    """Axis-angle local rotations of SMPL's joints from their rotations in the world."""
    local = turns.copy()
    for joint, parent in enumerate(SMPL_PARENTS[1:], start=1):
        local[:, joint] = turns[:, parent].transpose(0, 2, 1) @ turns[:, joint]
    flat = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec()
    return np.asarray(flat.reshape(*turns.shape[:2], 3))


def shortest_turn(
    start: Float[np.ndarray, "*B 3"], end: Float[np.ndarray, "*B 3"]
) -> Float[np.ndarray, "*B 3 3"]:
    """The rotation by the smallest angle that takes one direction to the other; none where a
    direction has no length."""
    start, end = np.broadcast_arrays(_unit(start), _unit(end))
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    cosine = (start * end).sum(axis=-1, keepdims=True)
    # Of opposite directions any axis across serves.
    other = _unit(np.cross(start, np.where(abs(start[..., :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0])))
    axis = np.where((sine < 1e-8) & (cosine < 0), other, axis / np.maximum(sine, 1e-12))
    vector = axis * np.arctan2(sine, cosine)
    matrices = Rotation.from_rotvec(vector.reshape(-1, 3)).as_matrix()
    return np.asarray(matrices.reshape(*start.shape, 3))


_TRUNK = tuple(
    SMPL_JOINTS.index(n)
    for n in ("pelvis", "spine1", "spine2", "spine3", "left_collar", "right_collar")
)
"""Joints of the trunk, which every skeleton puts elsewhere: their rotations count, not places."""


def _places(skeleton: SkeletonMotion, name: str, said: dict[str, str]) -> dict[int, int]:
    """SMPL's joints to the skeleton's."""
    places: dict[int, int] = {}
    for side in ("left", "right"):
        taken: set[str] = set()
        own = _on_side(skeleton.names, side)
        for joint, aliases in _ALIASES.items():
            asked = (said[joint],) if joint in said else aliases
            found = next((a for a in asked if a in own and a not in taken), None)
            if found is not None:
                taken.add(found)
                places[SMPL_JOINTS.index(f"{side}_{joint}")] = own[found]
            elif joint in _NEEDED:
                raise InputError(
                    f"No {side} {joint} is among the joints of {name}",
                    received=", ".join(skeleton.names)[:160],
                    advice="Joints are known by the names of CMU, Mixamo, DAZ or SMPL.",
                )
    plain = {_plain(joint): index for index, joint in reversed(list(enumerate(skeleton.names)))}
    necks = [plain[n] for n in (*_UPPER_NECKS, *_NECKS) if n in plain]
    if not necks:
        raise InputError(f"No neck is among the joints of {name}")
    places[12] = necks[0]
    if "head" in plain:
        places[15] = plain["head"]
    chain = _chain(skeleton.parents, places[12])
    places[0] = chain[0]
    trunk = [joint for joint in chain[1:-1] if _plain(skeleton.names[joint]) not in _NECKS]
    for index, spine in enumerate((3, 6, 9)):
        if trunk:
            places[spine] = trunk[round(index * (len(trunk) - 1) / 2)]
    return places


def _on_side(names: tuple[str, ...], side: str) -> dict[str, int]:
    """Joints of a side by their plain names without it; the first of a name counts."""
    known = {alias for aliases in _ALIASES.values() for alias in aliases}
    found: dict[str, int] = {}
    for index, name in enumerate(names):
        plain = _plain(name)
        for part in (side, side[0]):
            for rest in (plain.removeprefix(part), plain.removesuffix(part)):
                if rest != plain and rest in known:
                    found.setdefault(rest, index)
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.rsplit(":", 1)[-1].lower())


def _chain(parents: tuple[int, ...], joint: int) -> list[int]:
    """The joints from the root to one."""
    chain = [joint]
    while parents[chain[0]] >= 0:
        chain.insert(0, parents[chain[0]])
    return chain


def _facing(rest: Float[np.ndarray, "J 3"], places: dict[int, int]) -> Float[np.ndarray, "3 3"]:
    """Columns: to the left, up and forward of a body in its rest pose."""
    left = rest[places[1]] - rest[places[2]]
    up = rest[places[12]] - (rest[places[1]] + rest[places[2]]) / 2
    up = _unit(up)
    left = _unit(left - up * (left @ up))
    return np.stack([left, up, np.cross(left, up)], axis=1)


def _pelvis(
    joints: Float[np.ndarray, "F 24 3"],
    turns: Float[np.ndarray, "F 3 3"],
    rest: Float[np.ndarray, "24 3"],
) -> Float[np.ndarray, "F 3"]:
    """Where the open body's pelvis is between hips like these, as large as the legs say."""
    legs = np.linalg.norm(joints[:, [1, 4]] - joints[:, [4, 7]], axis=-1).sum(axis=-1)
    usual = np.linalg.norm(rest[[1, 4]] - rest[[4, 7]], axis=-1).sum()
    lift = rest[0] - (rest[1] + rest[2]) / 2
    middle = (joints[:, 1] + joints[:, 2]) / 2
    place: np.ndarray = middle + turns @ lift * float(np.median(legs)) / usual
    return place


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-12))
