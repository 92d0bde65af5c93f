"""`synth` on the command line: four files, a summary, and bad orders refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.cli import BAD_INPUT, DONE, main
from tests.engine.synthesis.conftest import write_motion

CAMERA = "width=96,height=64,distance=5,azimuth=0"


@pytest.fixture
def motion(tmp_path: Path) -> Path:
    return write_motion(tmp_path / "motion.npz", np.array([[-0.5, 0, 0], [0.5, 0, 0]]))


def test_a_clip_is_drawn_and_summed_up(
    motion: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "clip"
    order = ["synth", "--motion", str(motion), "--out", str(out), "--frames", "1:3"]
    assert main([*order, "--camera", CAMERA, "--as-captured"]) == DONE
    assert {path.name for path in out.iterdir()} == {
        "video.mp4", "truth.npz", "observations-clean.npz", "observations-detector.npz",
    }  # fmt: skip
    said = capsys.readouterr().out
    assert "2 people, 2 frames at 30 a second" in said
    assert " % of the joints in sight, 0 contacts of regions" in said
    assert f"Wrote {out}" in said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--frames", "2:9"], "expected A:B with 0 <= A < B <= 3"),
        (["--camera", "zoom=3"], "The camera is not understood"),
        (["--camera", "focal=70"], "focal is out of range; expected 0.3 to 5"),
        (["--fps", "999"], "expected 1 to 240 frames a second, received 999"),
        (["--others", "1"], "Passers-by need a motion"),
        (["--picture", "nowhere.png"], "nowhere.png is no picture that can be read"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_sentence(
    motion: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    sentence: str,
) -> None:
    out = tmp_path / "clip"
    assert main(["synth", "--motion", str(motion), "--out", str(out), *options]) == BAD_INPUT
    error = capsys.readouterr().err
    assert sentence in error and len(error.splitlines()) == 1
    assert not out.exists()


def test_a_clip_of_one_frame_is_counted_as_one(
    motion: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = ["synth", "--motion", str(motion), "--out", str(tmp_path / "clip"), "--as-captured"]
    assert main([*order, "--frames", "1:2", "--camera", CAMERA]) == DONE
    assert "2 people, 1 frame at 30 a second" in capsys.readouterr().out


def test_a_folder_that_cannot_be_made_is_refused_before_the_motion_is_solved(
    motion: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["synth", "--motion", str(motion), "--out", str(motion / "clip")]) == BAD_INPUT
    told = capsys.readouterr()
    assert "Cannot make the folder" in told.err and "motion.npz, which is a file" in told.err
    assert "solving" not in told.out + told.err


def test_a_file_that_is_no_motion_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    order = ["synth", "--motion", str(tmp_path / "other.npz"), "--out", str(tmp_path / "clip")]
    assert main(order) == BAD_INPUT
    assert "other.npz is not a motion file; expected the arrays poses" in capsys.readouterr().err
