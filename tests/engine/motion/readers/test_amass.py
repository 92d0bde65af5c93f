"""Files laid out like AMASS: z up becomes y up, and the feet come to the floor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from engine.body.data import OPEN_BODY, load_body_data
from engine.errors import InputError
from engine.motion.readers.amass import READER, read_amass

FRAMES = 5


def _write(path: Path, width: int = 156, size: float = 1.0, **changes: object) -> Path:
    """A person of a size who stands at (1, 2) of a world with z up and faces -y, arms hanging."""
    rest = load_body_data(OPEN_BODY).J_template
    poses = np.zeros((FRAMES, width))
    poses[:, :3] = [np.pi / 2, 0, 0]
    poses[:, 3 * 16 + 2], poses[:, 3 * 17 + 2] = -1.2, 1.2
    lowest = (rest[:, 1] - rest[0, 1]).min() * size
    pelvis = np.array([1.0, 2.0, 0.02 - lowest])
    arrays: dict[str, object] = {
        "poses": poses, "trans": np.repeat((pelvis - rest[0])[None], FRAMES, axis=0),
        "mocap_framerate": 120.0, "betas": np.zeros(16), "gender": np.array("neutral"),
    }  # fmt: skip
    np.savez(path, **{k: v for k, v in (arrays | changes).items() if v is not None})  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("width", [72, 156, 165])
def test_each_model_is_read_upright(tmp_path: Path, width: int) -> None:
    captured = read_amass(_write(tmp_path / "m.npz", width))
    joints = captured.joints[0, 0]
    np.testing.assert_allclose(joints[0], [1, joints[0, 1], -2], atol=1e-9)
    assert joints[15, 1] > joints[0, 1] + 0.4
    assert joints[[10, 11], 1].min() == pytest.approx(0.02, abs=2e-3)
    facing = joints[10] - joints[7]
    assert facing[2] > 0.05
    assert captured.fps == 120
    assert (captured.weights[22] == 0) == (width != 72)


@pytest.mark.parametrize("size", [0.9, 1.1])
def test_the_size_follows_from_the_floor_and_is_said(tmp_path: Path, size: float) -> None:
    captured = read_amass(_write(tmp_path / "m.npz", size=size))
    rest = load_body_data(OPEN_BODY).J_template
    thigh = np.linalg.norm(captured.joints[0, 0, 1] - captured.joints[0, 0, 4])
    assert thigh / np.linalg.norm(rest[1] - rest[4]) == pytest.approx(size, abs=0.01)
    assert "of the open body's size" in captured.notes[0]


def test_rotations_and_joints_agree(tmp_path: Path) -> None:
    path = _write(tmp_path / "m.npz")
    poses = dict(np.load(path))["poses"].copy()
    poses[:, 3:66] += np.random.default_rng(0).normal(0, 0.3, (FRAMES, 63))
    captured = read_amass(_write(path, poses=poses))
    turn = Rotation.from_rotvec(captured.poses[0, :, 0])
    bone = captured.joints[0, :, 1] - captured.joints[0, :, 0]
    rest = load_body_data(OPEN_BODY).J_template
    expected = turn.apply(rest[1] - rest[0])
    cosine = (bone * expected).sum(-1) / np.linalg.norm(bone, axis=-1)
    np.testing.assert_allclose(cosine, np.linalg.norm(expected, axis=-1), atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"poses": np.zeros((FRAMES, 99))}, "the width of poses is wrong"),
        ({"trans": np.zeros((FRAMES + 1, 3))}, "the shape of trans"),
        ({"trans": np.full((FRAMES, 3), np.nan)}, "expected finite numbers"),
        ({"mocap_framerate": 0.0}, "mocap_framerate is wrong"),
        ({"poses": np.zeros((0, 156)), "trans": np.zeros((0, 3))}, "the shape of poses"),
    ],
)
def test_wrong_arrays_are_one_sentence(
    tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        read_amass(_write(tmp_path / "m.npz", **changes))


def test_only_files_with_a_rate_and_rotations_are_taken(tmp_path: Path) -> None:
    assert READER.takes(_write(tmp_path / "m.npz"))
    assert READER.takes(_write(tmp_path / "x.npz", mocap_framerate=None, mocap_frame_rate=100.0))
    assert not READER.takes(_write(tmp_path / "n.npz", mocap_framerate=None))
    (tmp_path / "t.npz").write_bytes(b"PK\x03\x04 broken")
    assert not READER.takes(tmp_path / "t.npz")
