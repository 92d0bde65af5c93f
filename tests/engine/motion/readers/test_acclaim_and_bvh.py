"""Two ways to write one motion are read alike, and as worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError
from engine.motion.readers import ReadOptions
from engine.motion.readers.asf_amc import INCH, READER, read_amc, read_asf, walked
from engine.motion.readers.bvh import READER as BVH
from engine.motion.readers.bvh import read_bvh
from tests.engine.motion.readers.files import BONES, FRAMES, ROOT, write_acclaim, write_bvh

UNIT = INCH / 0.45
TWO_BONES = """:units
  length 1.0
  angle deg
:root
  order TX TY TZ RX RY RZ
:bonedata
  begin
    name a
    direction 1 0 0
    length 2
    axis {axis} XYZ
    dof rz
  end
  begin
    name b
    direction 0 1 0
    length 1
    axis 0 0 0 XYZ
  end
:hierarchy
  begin
    root a
    a b
  end
"""


def _walked(folder: Path, axis: str) -> dict[str, np.ndarray]:
    (folder / "two.asf").write_text(TWO_BONES.format(axis=axis))
    (folder / "two.amc").write_text("1\nroot 5 0 0 0 0 0\na 90\n")
    skeleton = read_asf(folder / "two.asf")
    moving = walked(skeleton, read_amc(folder / "two.amc", skeleton), 120.0, 1.0)
    return dict(zip(moving.names, moving.joints[0], strict=True))


def test_a_quarter_turn_of_an_arm_by_hand(tmp_path: Path) -> None:
    joints = _walked(tmp_path, "0 0 0")
    np.testing.assert_allclose(joints["b"], [5, 2, 0], atol=1e-12)
    np.testing.assert_allclose(joints["b_end"], [4, 2, 0], atol=1e-12)


def test_a_bone_turns_about_its_own_axis_by_hand(tmp_path: Path) -> None:
    """Its z axis, tilted by a quarter turn about x, is -y: about that x goes to z."""
    joints = _walked(tmp_path, "90 0 0")
    np.testing.assert_allclose(joints["b"], [5, 0, 2], atol=1e-12)


def test_both_formats_give_the_same_joints(tmp_path: Path) -> None:
    skeleton = read_asf(write_acclaim(tmp_path).with_name("60.asf"))
    one = walked(skeleton, read_amc(tmp_path / "60_01.amc", skeleton), 120.0, UNIT)
    other, _ = read_bvh(write_bvh(tmp_path), UNIT)
    for name in ("root", *BONES, "head_end"):
        a = one.joints[:, one.names.index(name)]
        b = other.joints[:, other.names.index(name)]
        np.testing.assert_allclose(a, b, atol=1e-6)
    np.testing.assert_allclose(one.joints[0, 0], ROOT * UNIT, atol=1e-9)


def test_smpls_joints_are_found_by_the_names_of_either(tmp_path: Path) -> None:
    """CMU's wrist is where the hand begins; a plain BVH calls it Hand."""
    called = {"root": "Hips", "lowerback": "Spine", "upperback": "Spine1", "thorax": "Spine2",
              "upperneck": "Neck1", "lowerneck": "Neck", "head": "Head"}  # fmt: skip
    for side, long in (("l", "Left"), ("r", "Right")):
        called |= {
            f"{side}femur": f"{long}UpLeg", f"{side}tibia": f"{long}Leg",
            f"{side}foot": f"{long}Foot", f"{side}toes": f"{long}ToeBase",
            f"{side}clavicle": f"{long}Shoulder",
            f"{side}humerus": f"{long}Arm", f"{side}radius": f"{long}ForeArm",
            f"{side}wrist": f"{long}Twist", f"{side}hand": f"{long}Hand",
            f"{side}fingers": f"{long}HandMiddle1",
        }  # fmt: skip
    acclaim = READER.read(write_acclaim(tmp_path), 0, ReadOptions(fps=120.0))
    bvh = BVH.read(write_bvh(tmp_path, called), 0, ReadOptions(metres=UNIT))
    np.testing.assert_allclose(acclaim.joints, bvh.joints, atol=1e-6)
    np.testing.assert_allclose(acclaim.poses, bvh.poses, atol=1e-6)
    np.testing.assert_array_equal(acclaim.weights, bvh.weights)
    assert bvh.fps == pytest.approx(120, rel=1e-6)


def test_the_unit_of_a_bvh_file_is_guessed_from_the_height_and_said(tmp_path: Path) -> None:
    skeleton, notes = read_bvh(write_bvh(tmp_path))
    assert any("CMU's 1/0.45 inch" in note for note in notes)
    assert 1.4 < np.ptp(skeleton.rest[:, 1]) < 1.9


def test_a_file_with_z_up_is_turned(tmp_path: Path) -> None:
    """Every vector of the file with y and z exchanged (and a sign) is the same motion."""
    lines = write_bvh(tmp_path).read_text().splitlines()
    turned = []
    for line in lines:
        words = line.split()
        if words[:1] == ["OFFSET"]:
            x, y, z = map(float, words[1:])
            line = f"OFFSET {x} {-z} {y}"
        turned.append(
            line.replace("Yrotation", "*").replace("Zrotation", "Yrotation").replace("*", "Z_")
        )
    text = "\n".join(turned).replace("Z_", "Zrotation")
    (tmp_path / "z.bvh").write_text(text)
    skeleton, _ = read_bvh(tmp_path / "z.bvh", UNIT)
    plain, _ = read_bvh(tmp_path / "person.bvh", UNIT)
    np.testing.assert_allclose(skeleton.rest, plain.rest, atol=1e-6)


def test_a_rate_that_is_not_said_is_assumed_and_said(tmp_path: Path) -> None:
    captured = READER.read(write_acclaim(tmp_path), 0, ReadOptions())
    assert captured.fps == 120
    assert "taken as 120 frames a second" in captured.notes[0]
    assert captured.frame_count == FRAMES


def _change(old: str, new: str) -> Callable[[str], str]:
    def changed(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return changed


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_change("dof rx ry rz", "dof rx rq"), "a degree of freedom is unknown"),
        (_change("length 0.45", "length 0"), "The length unit of 60.asf is wrong"),
        (_change("direction", "direction x"), "a number is wrong"),
        (_change("    root lhipjoint", "    moon lhipjoint"), "The hierarchy of 60.asf is wrong"),
        (lambda text: text[: text.index(":hierarchy")], "60.asf is no Acclaim skeleton"),
        (_change("angle deg", "angle gon"), "The angle unit of 60.asf is wrong"),
    ],
)
def test_a_wrong_skeleton_is_one_sentence(
    tmp_path: Path, change: Callable[[str], str], sentence: str
) -> None:
    motion = write_acclaim(tmp_path)
    skeleton = tmp_path / "60.asf"
    skeleton.write_text(change(skeleton.read_text()))
    with pytest.raises(InputError, match=sentence):
        READER.read(motion, 0, ReadOptions())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text[: len(text) * 2 // 3], "the numbers of|is incomplete|a number is wrong"),
        (_change("lfemur", "tail"), "'tail' is no bone of the skeleton"),
        (_change("root 1.0 17.5 -3.0", "root nan 17.5 -3.0"), "a number is not finite"),
        (lambda text: ":DEGREES\n", "holds no frames"),
        (lambda text: "\0" + text, "is not a text file"),
    ],
)
def test_a_wrong_motion_is_one_sentence(
    tmp_path: Path, change: Callable[[str], str], sentence: str
) -> None:
    motion = write_acclaim(tmp_path)
    motion.write_text(change(motion.read_text()))
    with pytest.raises(InputError, match=sentence):
        READER.read(motion, 0, ReadOptions())


def test_a_motion_without_its_skeleton_says_what_to_do(tmp_path: Path) -> None:
    motion = write_acclaim(tmp_path)
    (tmp_path / "60.asf").unlink()
    with pytest.raises(InputError, match=r"Give the \.asf with --skeleton"):
        READER.read(motion, 0, ReadOptions())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_change("Frames: 4", "Frames: 9"), "is cut short; expected 9 frames, received 4"),
        (_change("Frames: 4", "Frames: 0"), "The number of frames"),
        (_change("Frames: 4", "Frames: 99999999999"), "The number of frames"),
        (_change("CHANNELS 3", "CHANNELS 2"), "the channels are wrong"),
        (_change("Zrotation", "Wrotation"), "a channel is unknown"),
        (_change("Frame Time: 0.008333333", "Frame Time: 0"), "The frame time"),
        (_change("OFFSET 0.000000000", "OFFSET nan"), "a number is not finite"),
        (_change("MOTION", "MOTOIN"), "is not BVH"),
        (lambda text: text[: text.index("MOTION")], "is no BVH file"),
        (_change("lfemur", "leftwing"), "No left hip is among the joints"),
        (lambda text: text.rsplit(" ", 1)[0], "expected 90 numbers, received 89"),
        (lambda text: "", "is no BVH file"),
    ],
)
def test_a_wrong_bvh_file_is_one_sentence(
    tmp_path: Path, change: Callable[[str], str], sentence: str
) -> None:
    path = write_bvh(tmp_path)
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=sentence):
        BVH.read(path, 0, ReadOptions())
