"""Motion comes from files that are checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.body.data import load_body_data
from engine.errors import InputError, UnsafeFileError
from engine.motion.readers.joint_npz import read_captured
from engine.motion.resampling import at_times
from engine.motion.solving import retarget
from engine.structures import FrameRange
from engine.synthesis.motion_files import motion_length
from tests.engine.synthesis.conftest import write_motion

PLACES = np.array([[-0.5, 0, 0], [0.5, 0, 0]])


def test_joints_that_are_not_given_are_walked_from_the_rotations(tmp_path: Path) -> None:
    captured = read_captured(write_motion(tmp_path / "m.npz", PLACES))
    rest = load_body_data().J_template
    assert captured.joints.shape == (2, 3, 24, 3)
    legs = captured.joints[:, 0, 1] - captured.joints[:, 0, 4]
    np.testing.assert_allclose(legs, [rest[1] - rest[4]] * 2, atol=1e-9)


def test_a_single_person_may_lack_the_person_axis(tmp_path: Path) -> None:
    pair = np.load(write_motion(tmp_path / "m.npz", PLACES))
    single = {key: pair[key][:, 0] for key in ("poses", "trans")}
    np.savez(tmp_path / "s.npz", **single, offsets=pair["offsets"][0], fps=30.0)
    captured = read_captured(tmp_path / "s.npz")
    assert captured.poses.shape == (1, 3, 24, 3)
    assert motion_length(tmp_path / "s.npz") == 3


def test_frames_in_which_the_capture_failed_are_refused(tmp_path: Path) -> None:
    path = write_motion(tmp_path / "m.npz", PLACES, valid=np.array([True, False, True]))
    with pytest.raises(InputError, match="failed in frame 1"):
        read_captured(path).cut(FrameRange(0, 3))
    assert read_captured(path).cut(FrameRange(2, 3)).frame_count == 1


def test_frames_of_two_sequences_are_refused(tmp_path: Path) -> None:
    path = write_motion(tmp_path / "m.npz", PLACES, seq_start=np.array([0, 2, 3]))
    with pytest.raises(InputError, match="begins in frame 2"):
        read_captured(path).cut(FrameRange(0, 3))
    assert read_captured(path).cut(FrameRange(0, 2)).frame_count == 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"trans": np.zeros((3, 2, 2))}, r"the shape of trans is wrong; expected \(3, 2, 3\)"),
        ({"poses": np.full((3, 2, 24, 3), np.nan)}, "expected finite numbers"),
        ({"fps": 0.0}, "fps is wrong"),
        ({"joints": np.zeros((2, 2, 24, 3))}, "the shape of joints"),
    ],
)
def test_arrays_that_are_not_as_they_must_be_are_refused(
    tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    path = write_motion(tmp_path / "m.npz", PLACES, **change)
    with pytest.raises(InputError, match=sentence):
        read_captured(path)


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    path = write_motion(tmp_path / "m.npz", PLACES, poses=np.array([{}], object))
    with pytest.raises(UnsafeFileError):
        read_captured(path)


def test_motion_of_the_body_itself_is_met_to_the_millimetre(tmp_path: Path) -> None:
    captured = read_captured(write_motion(tmp_path / "m.npz", PLACES))
    solved = retarget(captured, shape_spread=0.0)
    assert solved.error_m.max() < 0.002
    assert np.abs(solved.motion.betas).max() < 0.2


def test_key_poses_are_joined_smoothly(tmp_path: Path) -> None:
    path = write_motion(tmp_path / "m.npz", PLACES, frames=5, fps=np.float32(5))
    solved = retarget(read_captured(path), shape_spread=0.0)
    smooth = at_times(solved, np.arange(25) / 30)
    np.testing.assert_allclose(smooth.motion.transl[:, ::6], solved.motion.transl, atol=1e-6)
    bend = smooth.motion.body_pose[0, :, 2, 0]
    assert (np.diff(bend) > -1e-4).all()
