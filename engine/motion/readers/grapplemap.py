"""GrappleMap's text file: hand-posed positions of two wrestlers, and sequences of them.

A sequence is its description, line by line, and then its positions, each four indented lines of
together 276 characters: 2 people x 23 joints x 3 coordinates of two base-62 digits (a-z, A-Z, 0-9),
in millimetres, x and z moved by 2 m so that they are positive; y is up, the floor is at 0
(github.com/Eelis/GrappleMap, src/persistence.cpp and src/positions.hpp). There is no time and no
rotation: key poses are taken as five a second, and rotations are made from the joints.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from engine.body.data import OPEN_BODY, load_body_data
from engine.errors import InputError
from engine.motion.captured import FRAME_LIMIT, USUAL_WEIGHTS, CapturedMotion
from engine.motion.connected import Chunk, chunk_of, chunks
from engine.motion.readers.reader import Reader, ReadOptions
from engine.motion.readers.skeleton import local_poses, shortest_turn
from engine.motion.readers.text import read_lines

FPS = 5.0
JOINTS = (
    "left_toe", "right_toe", "left_heel", "right_heel", "left_ankle", "right_ankle", "left_knee",
    "right_knee", "left_hip", "right_hip", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand", "left_fingers",
    "right_fingers", "core", "neck", "head",
)  # fmt: skip
_DIGITS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_LINES, _LENGTH = 4, 2 * len(JOINTS) * 3 * 2
_BENT = 0.15, 0.35
"""Sine of a bend below which the plane of a limb is not known, and above which it counts fully."""
_SMPL = {
    1: "left_hip", 2: "right_hip", 4: "left_knee", 5: "right_knee", 7: "left_ankle",
    8: "right_ankle", 16: "left_shoulder", 17: "right_shoulder", 18: "left_elbow",
    19: "right_elbow", 20: "left_wrist", 21: "right_wrist", 22: "left_hand", 23: "right_hand",
}  # fmt: skip


def read_positions(
    path: Path,
) -> tuple[Float[np.ndarray, "F 2 23 3"], tuple[int, ...], tuple[str, ...]]:
    """Positions in metres, frames that begin a sequence (0 first), and the sequences' names."""
    positions: list[np.ndarray] = []
    starts, names = list[int](), list[str]()
    text, description, was_position = "", list[str](), False
    for number, line in enumerate(read_lines(path), start=1):
        if not line.startswith(" "):
            if text:
                raise InputError(f"{path.name}, line {number}: a position is cut short")
            if was_position:
                description = []
            description.append(line.strip())
            was_position = False
            continue
        if not was_position:
            starts.append(len(positions))
            names.append(description[0] if description else "")
        was_position = True
        text += line.strip()
        if len(text) >= _LENGTH:
            positions.append(_decoded(text, f"{path.name}, line {number}"))
            text = ""
        if len(positions) > FRAME_LIMIT:
            raise InputError(f"{path.name} has more than {FRAME_LIMIT} positions")
    if text or not positions:
        raise InputError(f"{path.name} is no GrappleMap file, or is cut short")
    return np.stack(positions), tuple(starts), tuple(names)


def _decoded(text: str, where: str) -> Float[np.ndarray, "2 23 3"]:
    if len(text) != _LENGTH:
        raise InputError(
            f"{where}: a position is wrong",
            expected=f"{_LENGTH} characters",
            received=str(len(text)),
        )
    try:
        digits = np.array([_VALUES[character] for character in text])
    except KeyError as error:
        raise InputError(f"{where}: a digit is wrong", received=str(error)) from error
    values = (digits[::2] * len(_DIGITS) + digits[1::2]) / 1000.0
    return np.asarray(values.reshape(2, len(JOINTS), 3) - [2.0, 0.0, 2.0])


def captured_positions(
    positions: Float[np.ndarray, "F 2 23 3"], starts: tuple[int, ...], name: str
) -> CapturedMotion:
    """Rotations and SMPL's joints of both people."""
    people = [_person(positions[:, person]) for person in range(2)]
    weights = USUAL_WEIGHTS.copy()
    weights[[3, 6, 9, 13, 14]] = 0
    weights[[0, 12]] = USUAL_WEIGHTS[15]
    return CapturedMotion(
        poses=np.stack([local_poses(turns) for turns, _ in people]),
        joints=np.stack([joints for _, joints in people]),
        valid=np.ones(len(positions), bool),
        fps=FPS,
        name=name,
        starts=tuple(start for start in starts if start),
        weights=weights,
        source="GrappleMap, public domain.",
    )


def _person(
    points: Float[np.ndarray, "F 23 3"],
) -> tuple[Float[np.ndarray, "F 24 3 3"], Float[np.ndarray, "F 24 3"]]:
    """Rotations in the world, and joints."""
    at = {name: points[:, index] for index, name in enumerate(JOINTS)}
    joints = np.zeros((len(points), 24, 3))
    for joint, name in _SMPL.items():
        joints[:, joint] = at[name]
    hips = (at["left_hip"] + at["right_hip"]) / 2
    joints[:, 0] = hips + 0.25 * (at["core"] - hips)
    joints[:, 12] = at["neck"] + 0.15 * (at["head"] - at["neck"])
    joints[:, 15] = at["neck"] + 0.6 * (at["head"] - at["neck"])
    for joint, side in ((10, "left"), (11, "right")):
        joints[:, joint] = at[f"{side}_ankle"] + 0.75 * (at[f"{side}_toe"] - at[f"{side}_ankle"])
    turns = np.empty((len(points), 24, 3, 3))
    turns[:, 0] = turns[:, 3] = _frame(at["left_hip"] - at["right_hip"], at["core"] - hips)
    shoulders = at["left_shoulder"] - at["right_shoulder"]
    turns[:, 9] = _frame(shoulders, at["neck"] - at["core"])
    turns[:, 6] = turns[:, 13] = turns[:, 14] = turns[:, 9]
    rest = load_body_data(OPEN_BODY).J_template
    turns[:, 12] = _swung(turns[:, 9], rest[15] - rest[12], at["head"] - at["neck"])
    turns[:, 15] = turns[:, 12]
    ankle, toe = np.array([0.0, -0.35, 0.94]), np.array([1.0, 0, 0])
    for side, (hip, shoulder) in (("left", (1, 16)), ("right", (2, 17))):
        _limb(turns, joints, (0, hip, hip + 3), (rest, toe))
        turns[:, hip + 6] = _swung(
            turns[:, hip + 3], ankle, at[f"{side}_toe"] - at[f"{side}_ankle"]
        )
        turns[:, hip + 9] = turns[:, hip + 6]
        elbow_axis = np.array([0.0, -1.0 if side == "left" else 1.0, 0.0])
        _limb(turns, joints, (9, shoulder, shoulder + 2), (rest, elbow_axis))
        hand = rest[shoulder + 6] - rest[shoulder + 4]
        along = at[f"{side}_fingers"] - at[f"{side}_wrist"]
        turns[:, shoulder + 4] = _swung(turns[:, shoulder + 2], hand, along)
        turns[:, shoulder + 6] = turns[:, shoulder + 4]
    return turns, joints


def _limb(
    turns: Float[np.ndarray, "F 24 3 3"],
    joints: Float[np.ndarray, "F 24 3"],
    chain: tuple[int, int, int],
    body: tuple[Float[np.ndarray, "24 3"], Float[np.ndarray, "3"]],
) -> None:
    """Thigh and shin, or upper arm and forearm: along their joints, and turned so that the hinge
    between them is across the plane that they bend in."""
    above, upper, lower = chain
    (rest, hinge), end = body, {4: 7, 5: 8, 18: 20, 19: 21}[lower]
    first, second = joints[:, lower] - joints[:, upper], joints[:, end] - joints[:, lower]
    turns[:, upper] = _swung(turns[:, above], rest[lower] - rest[upper], first)
    across = np.cross(first, second)
    sine = np.linalg.norm(across, axis=1) / np.maximum(
        np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1), 1e-9
    )
    along = first / np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-9)
    now = turns[:, upper] @ hinge
    now = now - (now * along).sum(axis=1, keepdims=True) * along
    angle = np.arctan2((np.cross(now, across) * along).sum(axis=1), (now * across).sum(axis=1))
    # A hinge that points backwards is a limb that was drawn overstretched: the swing is kept.
    known = np.clip((sine - _BENT[0]) / (_BENT[1] - _BENT[0]), 0, 1) * (abs(angle) < 2.1)
    turns[:, upper] = _about(along, angle * known) @ turns[:, upper]
    turns[:, lower] = _swung(turns[:, upper], rest[end] - rest[lower], second)


def _swung(
    turn: Float[np.ndarray, "F 3 3"],
    bone: Float[np.ndarray, "3"],
    along: Float[np.ndarray, "F 3"],
) -> Float[np.ndarray, "F 3 3"]:
    """Turned the shortest way so that a bone of the rest pose lies along a direction."""
    return np.asarray(shortest_turn(turn @ bone, along) @ turn)


def _about(axis: Float[np.ndarray, "F 3"], angle: Float[np.ndarray, "F"]) -> np.ndarray:
    return np.asarray(Rotation.from_rotvec(axis * angle[:, None]).as_matrix())


def _frame(
    left: Float[np.ndarray, "F 3"], up: Float[np.ndarray, "F 3"]
) -> Float[np.ndarray, "F 3 3"]:
    """Columns to the left, up and forward; `up` counts first."""
    up = up / np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-9)
    left = left - (left * up).sum(axis=1, keepdims=True) * up
    left = left / np.maximum(np.linalg.norm(left, axis=1, keepdims=True), 1e-9)
    return np.stack([left, up, np.cross(left, up)], axis=2)


@lru_cache(maxsize=1)
def _graph(path: Path, changed: int) -> tuple[CapturedMotion, tuple[Chunk, ...]]:
    positions, starts, _ = read_positions(path)
    captured = captured_positions(positions, starts, path.name)
    return captured, chunks(captured.joints, [*starts, len(positions)])


def _parts(path: Path) -> tuple[str, ...]:
    stem = path.stem.lower()
    return tuple(f"{stem}-{chunk.name}" for chunk in _graph(path, path.stat().st_mtime_ns)[1])


def _read(path: Path, part: int, options: ReadOptions) -> CapturedMotion:
    captured, parts = _graph(path, path.stat().st_mtime_ns)
    return chunk_of(captured, parts[part])


def _takes(path: Path) -> bool:
    return path.name.lower() == "grapplemap.txt"


READER = Reader("GrappleMap", "GrappleMap.txt", _takes, _parts, _read)
