"""Long motion is solved in windows that nobody sees, and spins do not flip."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from engine.errors import InputError
from engine.motion import solving
from engine.motion.captured import CapturedMotion
from engine.motion.readers.joint_npz import read_captured
from engine.motion.solving import continuous, retarget
from tests.engine.synthesis.conftest import write_motion

PLACES = np.array([[0.0, 0, 0]])


def _spinning(path: Path, frames: int = 60) -> CapturedMotion:
    """One person who turns twice on the spot."""
    turns = np.zeros((frames, 1, 24, 3))
    angle = np.linspace(0, 4 * np.pi, frames)
    turns[:, 0, 0] = Rotation.from_euler("y", angle[:, None]).as_rotvec()
    turns[:, 0, 16, 2], turns[:, 0, 17, 2] = -1.3, 1.3
    return read_captured(write_motion(path, PLACES, frames=frames, poses=turns))


def test_a_spin_is_solved_without_a_jump(tmp_path: Path) -> None:
    solved = retarget(_spinning(tmp_path / "m.npz"), shape_spread=0.0)
    assert solved.error_m.max() < 0.003
    turn = Rotation.from_rotvec(solved.motion.global_orient[0])
    steps = np.degrees((turn[:-1].inv() * turn[1:]).magnitude())
    np.testing.assert_allclose(steps, 720 / 59, atol=1.0)
    angle = np.linalg.norm(solved.motion.global_orient[0], axis=-1)
    assert angle.max() > np.pi


def test_windows_give_what_one_solve_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    captured = _spinning(tmp_path / "m.npz", frames=70)
    whole = retarget(captured, shape_spread=0.0).motion
    monkeypatch.setattr(solving, "WINDOW", 30)
    monkeypatch.setattr(solving, "OVERLAP", 6)
    parts = retarget(captured, shape_spread=0.0).motion
    np.testing.assert_allclose(parts.transl, whole.transl, atol=2e-3)
    one, other = (Rotation.from_rotvec(m.body_pose.reshape(-1, 3)) for m in (whole, parts))
    assert np.degrees((one.inv() * other).magnitude()).max() < 2


@pytest.mark.parametrize("frames", [1, 5, 23, 24, 25, 480, 481, 1500])
def test_windows_cover_every_frame(frames: int) -> None:
    windows = list(solving._windows(frames))
    assert windows[0].start == 0
    assert windows[-1].stop == frames
    assert max(map(len, windows)) <= solving.WINDOW + 1
    for before, after in pairwise(windows):
        assert before.stop - after.start == solving.OVERLAP


def test_a_joint_that_the_format_lacks_is_no_aim(tmp_path: Path) -> None:
    captured = _spinning(tmp_path / "m.npz", frames=4)
    captured.joints[..., 20, :] = 1e3
    captured.weights[20] = 0
    assert retarget(captured, shape_spread=0.0).error_m.max() < 0.003


def test_motion_without_a_valid_frame_is_refused(tmp_path: Path) -> None:
    captured = _spinning(tmp_path / "m.npz", frames=4)
    captured.valid[:] = False
    with pytest.raises(InputError, match="no frame with known joints"):
        retarget(captured)


@given(st.lists(st.floats(-0.9, 0.9), min_size=2, max_size=30), st.integers(0, 2))
def test_continuous_vectors_are_the_same_rotations(steps: list[float], axis: int) -> None:
    angle = np.cumsum(steps)
    vectors = np.zeros((1, len(steps), 1, 3))
    vectors[0, :, 0] = Rotation.from_euler("xyz"[axis], angle[:, None]).as_rotvec()
    result = continuous(vectors)
    same = Rotation.from_rotvec(vectors[0, :, 0]).inv() * Rotation.from_rotvec(result[0, :, 0])
    assert same.magnitude().max() < 1e-6
    if abs(angle).max() < 5:
        assert abs(np.diff(result[0, :, 0], axis=0)).max() < 1.0
