"""Acclaim's skeleton (.asf) and motion (.amc), as the CMU Graphics Lab gives them out.

Each bone has a direction and a length in the world's axes of the rest pose, and an own axis: its
rotations are about that axis's frame C, so that a bone turns by C M C^-1 relative to its parent.
Angles named rx ry rz are rotations about fixed axes, in the order in which they are listed
(Schafer 1995, "Acclaim Skeleton File Definition V1.10"). Lengths are inches times the skeleton's
`length` unit: at CMU 1 / 0.45 inch, 0.056444 m (mocap.cs.cmu.edu/faqs.php). A motion file does not
say its rate: 120 a second for most of CMU's subjects, 60 for a few.
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
from engine.motion.readers.text import numbers, read_lines

INCH = 0.0254
CMU_FPS = 120.0
SAID = {"wrist": "hand", "hand": "fingers"}
"""The bone named wrist is the lower half of the forearm; the wrist is where the hand begins."""


@dataclass
class Bone:
    name: str
    direction: Float[np.ndarray, "3"] = field(default_factory=lambda: np.zeros(3))
    length: float = 0.0
    axis: tuple[str, tuple[float, ...]] = ("xyz", (0.0, 0.0, 0.0))
    """Order of the fixed axes, and the angles in the file's unit."""
    dof: tuple[str, ...] = ()


@dataclass(frozen=True)
class Acclaim:
    """An .asf: bones, the root's first, each after its parent."""

    bones: tuple[Bone, ...]
    parents: tuple[int, ...]
    degrees: bool
    unit: float
    """The `length` of the file: its lengths are inches times this."""

    def rotation(self, order: str, angles: np.ndarray) -> Rotation:
        return Rotation.from_euler(order, angles, degrees=self.degrees)


def read_asf(path: Path) -> Acclaim:
    """Raises InputError with the line where the file is not as it must be."""
    bones: dict[str, Bone] = {"root": Bone("root", dof=("tx", "ty", "tz", "rx", "ry", "rz"))}
    children: list[tuple[str, str]] = []
    units = {"length": "1", "angle": "deg"}
    section, bone = "", Bone("")
    for number, line in enumerate(read_lines(path), start=1):
        words = line.split("#")[0].replace("(", " ").replace(")", " ").split()
        if not words:
            continue
        where = f"{path.name}, line {number}"
        if words[0].startswith(":"):
            section = words[0].lower()
        elif section == ":units" and len(words) > 1:
            units[words[0].lower()] = words[1]
        elif section == ":root" and words[0].lower() == "order":
            bones["root"].dof = tuple(word.lower() for word in words[1:])
        elif section == ":bonedata":
            if words[0] == "begin":
                bone = Bone("")
            elif words[0] == "end":
                bones[bone.name] = bone
            else:
                _take(bone, words, where)
            if len(bones) > JOINT_LIMIT:
                raise InputError(f"{path.name} has more than {JOINT_LIMIT} bones")
        elif section == ":hierarchy" and words[0] not in ("begin", "end"):
            children += [(words[0], child) for child in words[1:]]
    return _ordered(path, bones, children, units)


def _take(bone: Bone, words: list[str], where: str) -> None:
    key, rest = words[0].lower(), words[1:]
    if key == "name" and rest:
        bone.name = rest[0]
    elif key == "direction":
        bone.direction = _three(rest, where)
    elif key == "length" and rest:
        bone.length = float(numbers(rest[:1], where)[0])
    elif key == "axis":
        order = rest[3].lower() if len(rest) > 3 else "xyz"
        if sorted(order) != ["x", "y", "z"]:
            raise InputError(f"{where}: the order of an axis is wrong", received=order[:20])
        bone.axis = (order, tuple(_three(rest, where).tolist()))
    elif key == "dof":
        bone.dof = tuple(word.lower() for word in rest)
        if any(d not in ("rx", "ry", "rz", "tx", "ty", "tz", "l") for d in bone.dof):
            raise InputError(f"{where}: a degree of freedom is unknown", received=" ".join(rest))


def _three(words: list[str], where: str) -> Float[np.ndarray, "3"]:
    if len(words) < 3:
        raise InputError(f"{where}: three numbers are needed", received=" ".join(words)[:60])
    return numbers(words[:3], where)


def _ordered(
    path: Path, bones: dict[str, Bone], children: list[tuple[str, str]], units: dict[str, str]
) -> Acclaim:
    """Bones in the order of the hierarchy, which must name each once."""
    names, parents = ["root"], [-1]
    for parent, child in children:
        if parent not in names or child in names or child not in bones:
            raise InputError(f"The hierarchy of {path.name} is wrong", received=f"{parent} {child}")
        names.append(child)
        parents.append(names.index(parent))
    if len(names) < 2:
        raise InputError(f"{path.name} is no Acclaim skeleton", expected=":bonedata, :hierarchy")
    angle = units["angle"].lower()
    if angle not in ("deg", "rad"):
        raise InputError(f"The angle unit of {path.name} is wrong", received=angle[:20])
    unit = float(numbers([units["length"]], f"The length unit of {path.name}")[0])
    if not 1e-6 < unit < 1e6:
        raise InputError(f"The length unit of {path.name} is wrong", received=f"{unit:g}")
    return Acclaim(tuple(bones[n] for n in names), tuple(parents), angle == "deg", unit)


def read_amc(path: Path, skeleton: Acclaim) -> dict[str, Float[np.ndarray, "F D"]]:
    """Values of each bone in the order of its degrees of freedom; 0 in frames that lack it."""
    by_name = {bone.name: bone for bone in skeleton.bones}
    frames: list[dict[str, np.ndarray]] = []
    for number, line in enumerate(read_lines(path), start=1):
        words = line.split()
        if not words or words[0][0] in "#:":
            continue
        where = f"{path.name}, line {number}"
        if len(words) == 1 and words[0].isdigit():
            if len(frames) >= FRAME_LIMIT:
                raise InputError(f"{path.name} has more than {FRAME_LIMIT} frames")
            frames.append({})
            continue
        bone = by_name.get(words[0])
        if bone is None or not frames:
            raise InputError(
                f"{where}: {words[0][:40]!r} is no bone of the skeleton",
                advice="Give the matching one with --skeleton.",
            )
        if len(words) - 1 != len(bone.dof):
            raise InputError(
                f"{where}: the numbers of {bone.name} are wrong",
                expected=f"{len(bone.dof)}",
                received=f"{len(words) - 1}",
            )
        frames[-1][bone.name] = numbers(words[1:], where)
    if not frames or "root" not in frames[0]:
        raise InputError(f"{path.name} holds no frames of Acclaim motion")
    _check_whole(path, frames)
    return {
        name: np.stack([frame.get(name, np.zeros(len(bone.dof))) for frame in frames])
        for name, bone in by_name.items()
    }


def _check_whole(path: Path, frames: list[dict[str, np.ndarray]]) -> None:
    """A file that was cut off ends in a frame with fewer bones."""
    for index, frame in enumerate(frames):
        if len(frame) != len(frames[0]):
            raise InputError(
                f"Frame {index + 1} of {path.name} is incomplete",
                expected=f"{len(frames[0])} bones",
                received=str(len(frame)),
            )


def walked(
    skeleton: Acclaim, motion: dict[str, np.ndarray], fps: float, metres: float
) -> SkeletonMotion:
    """Forward kinematics. Joints are where bones begin; a bone that nothing follows ends in one."""
    bones, parents = skeleton.bones, list(skeleton.parents)
    frames = len(motion["root"])
    offsets = [np.zeros(3)] + [bones[p].direction * bones[p].length for p in skeleton.parents[1:]]
    names = [bone.name for bone in bones]
    local = [_local(skeleton, bone, motion[bone.name]) for bone in bones]
    for index, bone in enumerate(bones):
        if index not in skeleton.parents:
            names.append(f"{bone.name}_end")
            parents.append(index)
            offsets.append(bone.direction * bone.length)
            local.append(np.broadcast_to(np.eye(3), (frames, 3, 3)))
    root = motion["root"][:, [bones[0].dof.index(axis) for axis in ("tx", "ty", "tz")]]
    bone_vectors = np.array(offsets) * metres
    turns, joints = posed(bone_vectors, tuple(parents), np.stack(local, axis=1), root * metres)
    still = np.broadcast_to(np.eye(3), (1, len(names), 3, 3))
    _, rest = posed(bone_vectors, tuple(parents), still, np.zeros((1, 3)))
    return SkeletonMotion(tuple(names), tuple(parents), rest[0], turns, joints, fps)


def _local(skeleton: Acclaim, bone: Bone, values: np.ndarray) -> Float[np.ndarray, "F 3 3"]:
    turning = [(index, d[1]) for index, d in enumerate(bone.dof) if d[0] == "r"]
    if not turning:
        return np.broadcast_to(np.eye(3), (len(values), 3, 3))
    order = "".join(axis for _, axis in turning)
    angles = values[:, [index for index, _ in turning]]
    own = skeleton.rotation(bone.axis[0], np.array(bone.axis[1]))
    return np.asarray((own * skeleton.rotation(order, angles) * own.inv()).as_matrix())


def skeleton_beside(path: Path) -> Path:
    """CMU's 60_01.amc goes with 60.asf; elsewhere the only .asf of the folder serves."""
    named = [path.with_suffix(".asf"), path.with_name(path.stem.rsplit("_", 1)[0] + ".asf")]
    found = [file for file in named if file.is_file()] or sorted(path.parent.glob("*.asf"))
    if len(found) == 1 or (found and found[0] in named):
        return found[0]
    raise InputError(
        f"No skeleton of {path.name} is beside it",
        expected=named[1].name,
        advice="Give the .asf with --skeleton.",
    )


def _read(path: Path, part: int, options: ReadOptions) -> CapturedMotion:
    skeleton = read_asf(options.skeleton or skeleton_beside(path))
    motion = read_amc(path, skeleton)
    fps = options.fps or CMU_FPS
    metres = options.metres or INCH / skeleton.unit
    captured = captured_from(walked(skeleton, motion, fps, metres), path.name, SAID)
    notes = () if options.fps else (f"{path.name}: taken as {fps:g} frames a second (see --fps)",)
    return replace(captured, notes=notes, source=f"Acclaim motion file {path.name}.")


def _parts(path: Path) -> tuple[str, ...]:
    return (path.stem,)


def _takes(path: Path) -> bool:
    return path.suffix.lower() == ".amc"


READER = Reader("Acclaim ASF/AMC", ".amc with its .asf", _takes, _parts, _read)
