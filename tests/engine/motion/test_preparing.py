"""`motion prepare`: one file at a time, resumed, and a failure is a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import commands, main
from engine.errors import InputError
from engine.motion.prepared import read_prepared
from engine.motion.preparing import PreparedFile, PrepareOrder, prepare
from engine.motion.recordings import find_recordings
from tests.engine.motion.readers.files import write_acclaim
from tests.engine.synthesis.conftest import write_motion

PAIR = np.array([[0.0, 0, 0], [0.02, 0, 0.2]])


def _run(source: Path, out: Path, **options: Any) -> tuple[PreparedFile, ...]:
    work = prepare(PrepareOrder(source, out, **options))
    while True:
        try:
            next(work)
        except StopIteration as stop:
            files: tuple[PreparedFile, ...] = stop.value
            return files


def test_a_pair_is_solved_taken_apart_and_said_to_be(tmp_path: Path) -> None:
    write_motion(tmp_path / "cmu_60_61_12.npz", PAIR)
    (file,) = _run(tmp_path / "cmu_60_61_12.npz", tmp_path / "out")
    prepared = read_prepared(tmp_path / "out" / "cmu_60_61_12.npz")
    assert (prepared.split, prepared.kind) == ("validation", "captured")
    assert "mocap.cs.cmu.edu" in prepared.notice
    assert prepared.motion.valid.all()
    assert np.nanmean(prepared.moved_m) > 0.005
    assert file.seconds > 0


def test_finished_files_are_not_done_again_unless_asked(tmp_path: Path) -> None:
    write_motion(tmp_path / "one.npz", PAIR[:1])
    out = tmp_path / "out"
    assert _run(tmp_path / "one.npz", out)[0].seconds > 0
    written = (out / "one.npz").stat().st_mtime_ns
    assert _run(tmp_path / "one.npz", out)[0].seconds == 0
    assert (out / "one.npz").stat().st_mtime_ns == written
    assert _run(tmp_path / "one.npz", out, again=True)[0].seconds > 0


def test_a_finished_file_follows_the_split_that_is_fixed_by_now(tmp_path: Path) -> None:
    write_motion(tmp_path / "cmu_02_01.npz", PAIR[:1])
    out = tmp_path / "out"
    assert _run(tmp_path / "cmu_02_01.npz", out, split="train")[0].seconds > 0
    (file,) = _run(tmp_path / "cmu_02_01.npz", out)
    assert file.seconds == 0 and file.prepared is not None
    assert file.prepared.split == read_prepared(out / "cmu_02_01.npz").split == "validation"


def test_a_bad_file_is_a_sentence_and_the_rest_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_motion(folder / "a.npz", PAIR[:1], fps=0.0)
    write_motion(folder / "b.npz", PAIR[:1])
    (folder / "notes.txt").write_text("not motion")
    bad, good = _run(folder, tmp_path / "out", split="validation")
    assert "fps is wrong" in bad.problem
    assert good.prepared is not None
    assert (good.prepared.kind, good.prepared.split) == ("single", "validation")
    assert not (tmp_path / "out" / "a.npz").exists()


def test_two_files_make_two_people(tmp_path: Path) -> None:
    first, second = write_acclaim(tmp_path), write_acclaim(tmp_path, "61_01")
    (recording,) = find_recordings(first, second)
    assert recording.name == "60_61_01"
    from engine.motion.readers import ReadOptions

    captured = recording.read(ReadOptions(fps=30.0))
    assert captured.person_count == 2
    np.testing.assert_allclose(captured.joints[0], captured.joints[1])


def test_people_of_different_lengths_are_refused(tmp_path: Path) -> None:
    write_motion(tmp_path / "a.npz", PAIR[:1], frames=20)
    write_motion(tmp_path / "b.npz", PAIR[:1], frames=10)
    (file,) = _run(tmp_path / "a.npz", tmp_path / "out", other=tmp_path / "b.npz")
    assert "differ in length; received 20 and 10 frames" in file.problem


def test_fast_captures_are_thinned(tmp_path: Path) -> None:
    write_motion(tmp_path / "a.npz", PAIR[:1], frames=9, fps=120.0)
    (file,) = _run(tmp_path / "a.npz", tmp_path / "out")
    assert file.prepared is not None
    assert (file.prepared.fps, file.prepared.frame_count) == (30.0, 3)


def test_a_folder_without_motion_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No motion file is in"):
        find_recordings(tmp_path)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        write_motion(tmp_path / folder / "m.npz", PAIR[:1])
    with pytest.raises(InputError, match="Two recordings have the name m"):
        _run(tmp_path, tmp_path / "out")


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    write_motion(tmp_path / "walk.npz", PAIR[:1])
    result = CliRunner().invoke(
        commands, ["motion", "prepare", str(tmp_path / "walk.npz"), str(tmp_path / "out")]
    )
    assert result.exit_code == 0, result.output
    assert "walk: 1 person, 3 frames at 30 a second, single, train" in result.output


@pytest.mark.parametrize(
    "source", ["missing.npz", "empty.amc", "empty.bvh", "GrappleMap.txt", "broken.npz", "a.pdf"]
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    if source != "missing.npz":
        (tmp_path / source).write_bytes(b"")
    code = main(["motion", "prepare", str(tmp_path / source), str(tmp_path / "out")])
    assert code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
