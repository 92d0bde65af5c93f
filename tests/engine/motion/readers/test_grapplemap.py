"""GrappleMap's positions are decoded to the millimetre, and made into people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError
from engine.motion.captured import walked
from engine.motion.readers.grapplemap import (
    JOINTS,
    READER,
    captured_positions,
    read_positions,
)
from tests.engine.motion.readers.files import write_grapplemap

_STANDING = {
    "toe": (0.12, 0.02, 0.2), "heel": (0.1, 0.03, -0.03), "ankle": (0.1, 0.1, 0.0),
    "knee": (0.11, 0.52, 0.03), "hip": (0.11, 0.95, 0.0), "shoulder": (0.17, 1.45, 0.0),
    "elbow": (0.45, 1.45, -0.02), "wrist": (0.7, 1.45, 0.02), "hand": (0.78, 1.45, 0.02),
    "fingers": (0.85, 1.45, 0.02),
}  # fmt: skip
_MIDDLE = {"core": (0, 1.15, 0), "neck": (0, 1.5, 0), "head": (0, 1.66, 0)}


def position(apart: float = 1.0, height: float = 0.0) -> np.ndarray:
    """Two people with arms out to the sides who face +z, side by side."""
    person = np.empty((len(JOINTS), 3))
    for index, name in enumerate(JOINTS):
        side, _, part = name.partition("_")
        place = _MIDDLE[name] if name in _MIDDLE else _STANDING[part]
        person[index] = place if side != "right" else np.array(place) * [-1, 1, 1]
    people = np.stack([person, person])
    people[:, :, 0] += np.array([-apart / 2, apart / 2])[:, None]
    people[..., 1] += height
    return people


def _file(folder: Path) -> Path:
    first = np.stack([position(1.0), position(0.9)])
    second = np.stack([position(0.9), position(0.8), position(0.7)])
    return write_grapplemap(
        folder / "GrappleMap.txt", [("one", first), ("node", first[:1]), ("two", second)]
    )


def test_positions_sequences_and_names_are_read(tmp_path: Path) -> None:
    positions, starts, names = read_positions(_file(tmp_path))
    assert positions.shape == (6, 2, 23, 3)
    assert starts == (0, 2, 3)
    assert names == ("one", "node", "two")
    np.testing.assert_allclose(positions[0], position(1.0), atol=5.1e-4)


def test_a_position_by_hand(tmp_path: Path) -> None:
    """Digits a and b are 0 and 1: "ab" is 1 mm, "aa" 0; x and z begin 2 m to the side."""
    text = "aaabaa" + "aa" * 135
    lines = [f"    {text[i : i + 69]}" for i in range(0, 276, 69)]
    (tmp_path / "GrappleMap.txt").write_text("\n".join(["all in a corner", *lines]))
    positions, _, _ = read_positions(tmp_path / "GrappleMap.txt")
    np.testing.assert_allclose(positions[0, 0, 0], [-2, 0.001, -2])
    np.testing.assert_allclose(positions[0, 1, 22], [-2, 0, -2])


def test_people_who_stand_like_the_rest_pose_get_nearly_no_rotation() -> None:
    captured = captured_positions(position()[None], (0,), "m")
    degrees = np.degrees(np.linalg.norm(captured.poses[0, 0], axis=-1))
    assert degrees[[0, 3, 6, 9]].max() < 1
    assert np.median(degrees) < 8
    assert degrees.max() < 40


def test_a_bent_knee_turns_about_its_hinge() -> None:
    """The shin goes back by a right angle: the knee turns by it, the thigh hardly."""
    people = position()
    for side in ("left", "right"):
        knee = people[:, JOINTS.index(f"{side}_knee")]
        for part in ("ankle", "toe", "heel"):
            index = JOINTS.index(f"{side}_{part}")
            down = people[:, index] - knee
            people[:, index] = knee + np.stack([down[:, 0], down[:, 2], down[:, 1]], axis=1)
    captured = captured_positions(people[None], (0,), "m")
    knee_turn = np.degrees(captured.poses[0, 0, 4])
    assert 75 < knee_turn[0] < 105
    assert abs(knee_turn[1:]).max() < 15
    assert np.degrees(np.linalg.norm(captured.poses[0, 0, 1])) < 15


def test_joints_are_met_by_the_rotations() -> None:
    """Walked over bones as long as the person's, the rotations lead to the limbs' ends."""
    generator = np.random.default_rng(1)
    people = position()[None] + generator.normal(0, 0.03, (1, 2, 23, 3))
    captured = captured_positions(people, (0,), "m")
    for lower, end in ((4, 7), (18, 20), (5, 8), (19, 21)):
        wanted = captured.joints[0, 0, end] - captured.joints[0, 0, lower]
        offsets = np.zeros((1, 24, 3))
        rest = {4: (-0.0, -1, 0), 5: (0, -1, 0), 18: (1, 0, 0), 19: (-1, 0, 0)}[lower]
        offsets[0, end] = rest
        found = walked(captured.poses[:1], np.zeros((1, 1, 3)), offsets)[0, 0]
        bone = found[end] - found[lower]
        assert bone @ wanted / np.linalg.norm(wanted) > 0.97


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text[:-30], "is no GrappleMap file, or is cut short"),
        (lambda text: text.replace("    ", "    ?", 1)[:-2], "a digit is wrong|is wrong"),
        (lambda text: "a page\nof words\n", "is no GrappleMap file"),
        (lambda text: text.replace("\nnode", "\n    node", 1), "a position is wrong|is cut short"),
    ],
)
def test_a_wrong_file_is_one_sentence(
    tmp_path: Path, change: Callable[[str], str], sentence: str
) -> None:
    path = _file(tmp_path)
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=sentence):
        READER.parts(path)
