"""Small motion files of each format, written by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

BONES: dict[str, tuple[str, tuple[float, float, float], float]] = {
    "lhipjoint": ("root", (0.6, -0.7, 0.3), 2.4),
    "lfemur": ("lhipjoint", (0.34, -0.94, 0), 7.2),
    "ltibia": ("lfemur", (0.34, -0.94, 0), 7.4),
    "lfoot": ("ltibia", (0.1, -0.3, 0.95), 2.5),
    "ltoes": ("lfoot", (0, 0, 1), 1.1),
    "rhipjoint": ("root", (-0.6, -0.7, 0.3), 2.4),
    "rfemur": ("rhipjoint", (-0.34, -0.94, 0), 7.2),
    "rtibia": ("rfemur", (-0.34, -0.94, 0), 7.4),
    "rfoot": ("rtibia", (-0.1, -0.3, 0.95), 2.5),
    "rtoes": ("rfoot", (0, 0, 1), 1.1),
    "lowerback": ("root", (0, 1, 0), 2.0),
    "upperback": ("lowerback", (0, 1, 0), 2.0),
    "thorax": ("upperback", (0, 1, 0), 2.0),
    "lowerneck": ("thorax", (0, 1, 0), 1.6),
    "upperneck": ("lowerneck", (0, 1, 0), 1.6),
    "head": ("upperneck", (0, 1, 0), 1.6),
    "lclavicle": ("thorax", (0.95, 0.3, 0), 3.2),
    "lhumerus": ("lclavicle", (1, 0, 0), 5.2),
    "lradius": ("lhumerus", (1, 0, 0), 3.2),
    "lwrist": ("lradius", (1, 0, 0), 1.6),
    "lhand": ("lwrist", (1, 0, 0), 0.7),
    "lfingers": ("lhand", (1, 0, 0), 0.6),
    "rclavicle": ("thorax", (-0.95, 0.3, 0), 3.2),
    "rhumerus": ("rclavicle", (-1, 0, 0), 5.2),
    "rradius": ("rhumerus", (-1, 0, 0), 3.2),
    "rwrist": ("rradius", (-1, 0, 0), 1.6),
    "rhand": ("rwrist", (-1, 0, 0), 0.7),
    "rfingers": ("rhand", (-1, 0, 0), 0.6),
}
"""Name: parent, direction, length: a person of 1.7 m in CMU's unit."""
ROOT = np.array([1.0, 17.5, -3.0])
FRAMES = 4


def angles(seed: int = 0, frames: int = FRAMES) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Axes in degrees (B, 3) of the bones, and angles (F, 3) of each and of the root."""
    generator = np.random.default_rng(seed)
    axes = generator.uniform(-90, 90, (len(BONES), 3))
    moved = {name: generator.uniform(-25, 25, (frames, 3)) for name in ("root", *BONES)}
    return axes, moved


def write_acclaim(folder: Path, stem: str = "60_01", frames: int = FRAMES) -> Path:
    axes, moved = angles(frames=frames)
    lines = [
        "# made for a test", ":version 1.10", ":units", "  length 0.45",
        "  angle deg", ":documentation", "   none", ":root", "   order TX TY TZ RX RY RZ",
        "   axis XYZ", "   position 0 0 0", "   orientation 0 0 0", ":bonedata",
    ]  # fmt: skip
    for index, (name, (_, direction, length)) in enumerate(BONES.items()):
        x, y, z = axes[index]
        direction = np.array(direction) / np.linalg.norm(direction)
        lines += [
            "  begin", f"     id {index + 1}", f"     name {name}",
            f"     direction {direction[0]:.9f} {direction[1]:.9f} {direction[2]:.9f}",
            f"     length {length}", f"     axis {x:.9f} {y:.9f} {z:.9f}  XYZ",
            "    dof rx ry rz", "    limits (-180.0 180.0)", "           (-180.0 180.0)",
            "           (-180.0 180.0)", "  end",
        ]  # fmt: skip
    lines += [":hierarchy", "  begin"]
    for parent in dict.fromkeys(parent for parent, *_ in BONES.values()):
        children = [name for name, (above, *_) in BONES.items() if above == parent]
        lines.append(f"    {parent} {' '.join(children)}")
    lines.append("  end")
    (folder / f"{stem.split('_')[0]}.asf").write_text("\n".join(lines))
    motion = ["#!OML:ASF made for a test", ":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(frames):
        motion.append(str(frame + 1))
        for name in ("root", *BONES):
            turn = " ".join(f"{a:.9f}" for a in moved[name][frame])
            place = f"{ROOT[0] + frame} {ROOT[1]} {ROOT[2]} " if name == "root" else ""
            motion.append(f"{name} {place}{turn}")
    path = folder / f"{stem}.amc"
    path.write_text("\n".join(motion))
    return path


def write_bvh(folder: Path, names: dict[str, str] | None = None, stem: str = "person") -> Path:
    """The same person in the same poses."""
    axes, moved = angles()
    called = names or {}
    vector = {
        name: length * np.array(direction) / np.linalg.norm(direction)
        for name, (_, direction, length) in BONES.items()
    }
    vector["root"] = np.zeros(3)
    lines, order = ["HIERARCHY"], []

    def write(name: str, parent: str | None, depth: int) -> None:
        tab = "\t" * depth
        order.append(name)
        offset = ROOT * 0 if parent is None else vector[parent]
        lines.append(f"{tab}{'ROOT' if parent is None else 'JOINT'} {called.get(name, name)}")
        lines.append(f"{tab}{{")
        lines.append(f"{tab}\tOFFSET {offset[0]:.9f} {offset[1]:.9f} {offset[2]:.9f}")
        place = "6 Xposition Yposition Zposition" if parent is None else "3"
        lines.append(f"{tab}\tCHANNELS {place} Zrotation Yrotation Xrotation")
        children = [child for child, (above, *_) in BONES.items() if above == name]
        for child in children:
            write(child, name, depth + 1)
        if not children:
            end = vector[name]
            lines.append(f"{tab}\tEnd Site")
            lines.append(f"{tab}\t{{")
            lines.append(f"{tab}\t\tOFFSET {end[0]:.9f} {end[1]:.9f} {end[2]:.9f}")
            lines.append(f"{tab}\t}}")
        lines.append(f"{tab}}}")

    write("root", None, 0)
    lines += ["MOTION", f"Frames: {FRAMES}", f"Frame Time: {1 / 120:.9f}"]
    index = {name: number for number, name in enumerate(BONES)}
    for frame in range(FRAMES):
        row = [ROOT[0] + frame, ROOT[1], ROOT[2]]
        for name in order:
            turn = Rotation.from_euler("xyz", moved[name][frame], degrees=True)
            if name != "root":
                axis = Rotation.from_euler("xyz", axes[index[name]], degrees=True)
                turn = axis * turn * axis.inv()
            row += turn.as_euler("ZYX", degrees=True).tolist()
        lines.append(" ".join(f"{value:.9f}" for value in row))
    path = folder / f"{stem}.bvh"
    path.write_text("\n".join(lines))
    return path


DIGITS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def write_grapplemap(path: Path, sequences: list[tuple[str, np.ndarray]]) -> Path:
    """Sequences of positions (F, 2, 23, 3) in metres."""
    lines = []
    for description, positions in sequences:
        lines += [description, "tags: made_for_a_test"]
        for position in positions:
            values = np.round((position + np.array([2, 0, 2])).ravel() * 1000).astype(int)
            text = "".join(DIGITS[v // 62] + DIGITS[v % 62] for v in values)
            lines += [f"    {text[i : i + 69]}" for i in range(0, 276, 69)]
    path.write_text("\n".join(lines) + "\n")
    return path
