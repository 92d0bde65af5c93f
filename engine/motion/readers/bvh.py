"""BVH (Biovision): a skeleton and its motion in one text file.

Each joint lists its channels; its rotation is the product of the listed ones, left to right
(Meredith and Maddock 2001, "Motion Capture File Formats Explained"). Lengths are in whatever unit
the writer used: the one of metres, centimetres, inches, millimetres and CMU's 1 / 0.45 inch that
makes a person of usual height is taken, and said.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from engine.errors import InputError
from engine.motion.captured import FRAME_LIMIT, CapturedMotion
from engine.motion.readers.reader import Reader, ReadOptions
from engine.motion.readers.skeleton import JOINT_LIMIT, SkeletonMotion, captured_from, posed
from engine.motion.readers.text import count_of, numbers, read_lines

UNITS = {
    "metres": 1.0,
    "centimetres": 0.01,
    "millimetres": 0.001,
    "inches": 0.0254,
    "CMU's 1/0.45 inch": 0.0254 / 0.45,
}
USUAL_HEIGHT, SHORTEST, TALLEST = 1.65, 1.3, 2.1
"""Metres from the toes to the head of a skeleton."""
_POSITIONS = {"Xposition": 0, "Yposition": 1, "Zposition": 2}
_ROTATIONS = {"Xrotation": "X", "Yrotation": "Y", "Zrotation": "Z"}
_Y_UP = np.eye(3)
_Z_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""From z up to y up."""


@dataclass
class _Tree:
    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets: list[np.ndarray] = field(default_factory=list)
    channels: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, name: str, parent: int) -> int:
        self.names.append(name)
        self.parents.append(parent)
        self.offsets.append(np.zeros(3))
        self.channels.append(())
        return len(self.names) - 1


def read_bvh(path: Path, metres: float | None = None) -> tuple[SkeletonMotion, tuple[str, ...]]:
    """The skeleton in metres, y up, and sentences about what was guessed. Raises InputError."""
    lines = read_lines(path)
    tree, line = _hierarchy(path, lines)
    values, seconds = _motion(path, lines[line:], sum(map(len, tree.channels)))
    local, root = _poses(tree, values)
    if any("position" in c for channels in tree.channels[1:] for c in channels):
        notes = [f"{path.name}: bones that change their length keep that of the rest pose."]
    else:
        notes = []
    if _begins_in_rest(tree, values):
        local, root = local[1:], root[1:]
        notes.append(f"{path.name}: the first frame is the rest pose and is left out.")
    parents, offsets = tuple(tree.parents), np.array(tree.offsets)
    _restore_cgspeed(tree.names, offsets)
    still = np.broadcast_to(np.eye(3), (1, len(parents), 3, 3))
    rest = posed(offsets, parents, still, np.zeros((1, 3)))[1][0]
    axes = _Z_UP if np.ptp(rest[:, 2]) > 1.2 * np.ptp(rest[:, 1]) else _Y_UP
    scale, said = _scale(path, float(np.ptp((rest @ axes.T)[:, 1])), metres)
    turns, joints = posed(offsets * scale, parents, local, root * scale)
    skeleton = SkeletonMotion(
        names=tuple(tree.names),
        parents=parents,
        rest=rest @ axes.T * scale,
        rotations=axes @ turns @ axes.T,
        joints=joints @ axes.T,
        fps=1 / seconds,
    )
    return skeleton, (*notes, *said)


def _hierarchy(path: Path, lines: list[str]) -> tuple[_Tree, int]:
    """The tree, and the line after MOTION."""
    tree, open_joints, current = _Tree(), list[int](), -1
    for number, text in enumerate(lines, start=1):
        words = text.split()
        if not words:
            continue
        where, key = f"{path.name}, line {number}", words[0].upper()
        if key == "MOTION":
            if open_joints or not tree.names:
                raise InputError(f"{where}: the hierarchy is not closed")
            return tree, number
        if key in ("ROOT", "JOINT", "END"):
            above = open_joints[-1] if open_joints else -1
            if (above < 0) == (key != "ROOT") or (key == "ROOT" and tree.names):
                raise InputError(f"{where}: {key} is out of place")
            name = f"{tree.names[above]}_end" if key == "END" else " ".join(words[1:])
            current = tree.add(name, above)
            if len(tree.names) > JOINT_LIMIT:
                raise InputError(f"{path.name} has more than {JOINT_LIMIT} joints")
        elif key == "{" and current >= 0:
            open_joints.append(current)
        elif key == "}" and open_joints:
            open_joints.pop()
        elif key == "OFFSET" and open_joints and len(words) == 4:
            tree.offsets[open_joints[-1]] = numbers(words[1:], where)
        elif key == "CHANNELS" and open_joints:
            tree.channels[open_joints[-1]] = _channels(words, where)
        elif key != "HIERARCHY":
            raise InputError(f"{where} is not BVH", received=text.strip()[:60])
    raise InputError(f"{path.name} is no BVH file", expected="HIERARCHY and MOTION")


def _channels(words: list[str], where: str) -> tuple[str, ...]:
    """Of a joint, checked: each at most once, as many as it says."""
    names = tuple(words[2:])
    known = set(_POSITIONS) | set(_ROTATIONS)
    if len(words) < 2 or str(len(names)) != words[1] or len(set(names)) != len(names):
        raise InputError(f"{where}: the channels are wrong", received=" ".join(words)[:80])
    if not known.issuperset(names):
        raise InputError(f"{where}: a channel is unknown", received=" ".join(names)[:80])
    return names


def _motion(path: Path, lines: list[str], channels: int) -> tuple[Float[np.ndarray, "F C"], float]:
    """Values of all channels, and the seconds from frame to frame."""
    rows = [line.split() for line in lines if line.strip()]
    if len(rows) < 3 or rows[0][0] != "Frames:" or rows[1][:2] != ["Frame", "Time:"]:
        raise InputError(f"{path.name} holds no motion", expected="Frames:, Frame Time:, values")
    frames = count_of(rows[0][-1], f"The number of frames of {path.name}", FRAME_LIMIT)
    seconds = float(numbers(rows[1][-1:], f"The frame time of {path.name}")[0])
    if not 1e-3 <= seconds <= 10:
        raise InputError(f"The frame time of {path.name} is wrong", received=f"{seconds:g} s")
    body = rows[2 : 2 + frames]
    if len(body) < frames:
        raise InputError(
            f"{path.name} is cut short", expected=f"{frames} frames", received=str(len(body))
        )
    for index, row in enumerate(body):
        if len(row) != channels:
            raise InputError(
                f"Frame {index} of {path.name} is wrong",
                expected=f"{channels} numbers",
                received=str(len(row)),
            )
    return np.stack([numbers(row, f"Frame {i} of {path.name}") for i, row in enumerate(body)]), (
        seconds
    )


def _poses(
    tree: _Tree, values: Float[np.ndarray, "F C"]
) -> tuple[Float[np.ndarray, "F J 3 3"], Float[np.ndarray, "F 3"]]:
    """Local rotations, and the root's place."""
    frames = len(values)
    local = np.broadcast_to(np.eye(3), (frames, len(tree.names), 3, 3)).copy()
    root, column = np.repeat(tree.offsets[0][None], frames, axis=0), 0
    for joint, channels in enumerate(tree.channels):
        order, angles = "", []
        for channel in channels:
            if channel in _ROTATIONS:
                order += _ROTATIONS[channel]
                angles.append(values[:, column])
            elif joint == 0:
                root[:, _POSITIONS[channel]] = values[:, column]
            column += 1
        if order:
            turn = Rotation.from_euler(order, np.stack(angles, axis=1), degrees=True)
            local[:, joint] = turn.as_matrix()
    return local, root


def _begins_in_rest(tree: _Tree, values: Float[np.ndarray, "F C"]) -> bool:
    """Some converters put the rest pose before the motion."""
    turning = np.array(["rotation" in c for channels in tree.channels for c in channels])
    if len(values) < 2 or not turning.any():
        return False
    return bool(abs(values[0, turning]).max() < 1e-3 < abs(values[1, turning]).max())


def _restore_cgspeed(names: list[str], offsets: Float[np.ndarray, "J 3"]) -> None:
    """The MotionBuilder-friendly conversion of CMU's files gives bones with several children no
    length: the upper chest is as long as the one below it, and the lower half of the forearm half
    as long as the upper one."""
    if not {"LHipJoint", "Spine1", "LeftFingerBase"}.issubset(names):
        return
    chest = offsets[names.index("Spine1")]
    for name in ("Neck", "LeftShoulder", "RightShoulder"):
        if name in names and not offsets[names.index(name)].any():
            offsets[names.index(name)] = [0, np.linalg.norm(chest), 0]
    for side, thumb in (("Left", "LThumb"), ("Right", "RThumb")):
        for name in (f"{side}FingerBase", thumb):
            if name in names and not offsets[names.index(name)].any():
                offsets[names.index(name)] = offsets[names.index(f"{side}Hand")] / 2


def _scale(path: Path, height: float, metres: float | None) -> tuple[float, tuple[str, ...]]:
    """Metres per unit, and how that is known."""
    if metres is not None:
        return metres, ()
    if not height > 0:
        raise InputError(f"The skeleton of {path.name} has no height")
    off = {unit: abs(np.log(height * scale / USUAL_HEIGHT)) for unit, scale in UNITS.items()}
    unit = min(off, key=lambda name: off[name])
    tall = height * UNITS[unit]
    if SHORTEST <= tall <= TALLEST:
        return UNITS[unit], (f"{path.name}: lengths are taken as {unit} ({tall:.2f} m tall).",)
    said = f"{path.name}: no unit gives a person, so {USUAL_HEIGHT} m of height are assumed."
    return USUAL_HEIGHT / height, (said,)


def _read(path: Path, part: int, options: ReadOptions) -> CapturedMotion:
    skeleton, notes = read_bvh(path, options.metres)
    if options.fps is not None:
        skeleton = replace(skeleton, fps=options.fps)
    said = {"wrist": "fingerbase", "hand": "handindex1"} if _is_cgspeed(skeleton) else None
    captured = captured_from(skeleton, path.name, said)
    return replace(captured, notes=notes, source=f"BVH file {path.name}.")


def _is_cgspeed(skeleton: SkeletonMotion) -> bool:
    """Its hands begin in the middle of the forearm."""
    return {"LHipJoint", "LeftFingerBase", "LeftHandIndex1"}.issubset(skeleton.names)


def _parts(path: Path) -> tuple[str, ...]:
    return (path.stem,)


def _takes(path: Path) -> bool:
    return path.suffix.lower() == ".bvh"


READER = Reader("BVH", ".bvh", _takes, _parts, _read)
