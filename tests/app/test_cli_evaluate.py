"""`evaluate`: tables and rows from any two files, and one sentence for those that do not belong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from annotations.exporters import export
from annotations.store import Store
from app.cli import BAD_INPUT, DONE, main
from app.fit_command import fit_file
from engine.files import ObservationsFile, write_fit, write_observations
from engine.metrics import METRICS
from engine.structures import FrameRange
from tests.annotations.builders import make_fit, make_observations, make_video
from tests.annotations.conftest import add_fitted

FRAMES = 24
ACCEPTED = (FrameRange(4, 10), FrameRange(14, 20))
VIDEO = make_video(FRAMES)
KEYPOINT_NUMBERS = {"idf1", "keypoint_error_px", "pck_5", "frames", "frames_left_out"}


@pytest.fixture
def fit(tmp_path: Path) -> Path:
    write_fit(tmp_path / "fit.npz", fit_file(make_fit(VIDEO), "halpe26"))
    return tmp_path / "fit.npz"


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """The same fit as a project exports it, of which two ranges were accepted."""
    with Store.create(tmp_path / "p.dyad", author="Ann") as store:
        clip = add_fitted(store, VIDEO)
        for frames in ACCEPTED:
            store.review(clip, frames, "accepted")
        for name in ("smpl-npz", "coco-keypoints"):
            export(store, name, tmp_path / name)
    return tmp_path


def row_of(tmp_path: Path, *arguments: str | Path) -> dict[str, float]:
    place = tmp_path / "rows.json"
    assert main(["evaluate", *map(str, arguments), "--json", str(place)]) == DONE
    rows = json.loads(place.read_text(encoding="utf-8"))
    assert len(rows) == 1
    return rows[0]


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main(["evaluate", *map(str, arguments)]) == BAD_INPUT
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    return error


def test_a_table_of_every_metric_with_its_unit(
    fit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = row_of(tmp_path, fit, fit)
    assert set(row) == {"prediction", "truth", *METRICS}
    assert row["mpjpe_mm"] == row["mpvpe_mm"] == 0
    assert row["idf1"] == 1
    said = capsys.readouterr().out
    assert "2 people, 24 frames at 30.01 a second, open-body" in said
    lines = {line.split()[0]: line for line in said.splitlines() if line.strip()}
    assert set(METRICS) <= set(lines)
    assert lines["mpjpe_mm"].split()[1:3] == ["0.0", "mm"]
    assert "nothing was exchanged" not in said.lower()


def test_what_is_not_known_is_null(fit: Path, tmp_path: Path) -> None:
    row = row_of(tmp_path, fit, fit, "--quick")
    assert row["mpvpe_mm"] is None and row["pcc_5cm"] is None
    assert row["inter_mm"] == 0


def test_an_export_of_bodies_is_compared_in_the_frames_that_it_has(
    fit: Path, exported: Path, tmp_path: Path
) -> None:
    """The export is in the world and in single precision, the fit in the camera frame."""
    for sides in ((exported / "smpl-npz" / "hug", fit), (fit, exported / "smpl-npz" / "hug")):
        row = row_of(tmp_path, *sides)
        assert (row["frames"], row["frames_left_out"]) == (FRAMES, FRAMES - 12)
        for name in ("mpjpe_mm", "root_error_mm", "inter_mm", "mpvpe_mm"):
            assert row[name] == pytest.approx(0, abs=2e-2), name
        assert row["keypoint_error_px"] == pytest.approx(0, abs=1e-3)
    both = row_of(tmp_path, sides[1], sides[1])
    assert (both["frames"], both["frames_left_out"]) == (12, 0)
    assert both["acceleration_error_m_s2"] == 0


def test_keypoints_give_the_numbers_of_keypoints_and_identities(
    fit: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = row_of(tmp_path, exported / "coco-keypoints" / "person_keypoints.json", fit)
    numbers = {name for name in METRICS if row[name] is not None and name not in _OWN}
    assert numbers == KEYPOINT_NUMBERS
    assert row["frames_left_out"] == FRAMES - 12 + 1  # somebody is lost in frame 14
    table = capsys.readouterr().out
    assert "keypoints only" in table and "mpjpe_mm" not in table


_OWN = {name for name, metric in METRICS.items() if metric.own}


def test_observations_are_keypoints(fit: Path, tmp_path: Path) -> None:
    made = fit_file(make_fit(VIDEO), "halpe26")
    points = made.keypoints2d_reprojected + np.array([3.0, 4.0])
    seen = replace(
        make_observations(VIDEO, masks=False),
        keypoints2d=points,
        confidence=np.ones(points.shape[:3]),
    )
    write_observations(tmp_path / "obs.npz", ObservationsFile(seen, made.camera.K, 30.0))
    row = row_of(tmp_path, tmp_path / "obs.npz", fit)
    assert row["keypoint_error_px"] == pytest.approx(5)


def test_a_truth_without_one_of_its_arrays_is_no_observations(
    fit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with np.load(fit) as arrays:
        kept = {name: arrays[name] for name in arrays.files if name != "transl"}
    np.savez(tmp_path / "part.npz", **kept, keypoints2d=kept["keypoints2d_reprojected"])
    assert "part.npz is not a fit file" in refusal(capsys, tmp_path / "part.npz", fit)


def test_people_in_another_order_are_an_error_and_it_says_so(
    fit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = make_fit(VIDEO)
    motion = result.motion
    names = ("betas", "global_orient", "body_pose", "transl")
    turned = replace(motion, **{name: getattr(motion, name)[::-1] for name in names})
    write_fit(tmp_path / "other.npz", fit_file(replace(result, motion=turned), "halpe26"))
    row = row_of(tmp_path, tmp_path / "other.npz", fit, "--quick")
    assert row["idf1"] < 0.5 and row["mpjpe_mm"] > 50
    assert "person 2 for 1, 1 for 2 would fit better. Nothing was exchanged" in (
        capsys.readouterr().out
    )


def test_nothing_is_derived_across_the_cuts_of_a_truth(fit: Path, tmp_path: Path) -> None:
    result = make_fit(VIDEO)
    transl = result.motion.transl.copy()
    transl[:, 12:] += 1
    moved = replace(result, motion=replace(result.motion, transl=transl))
    write_fit(tmp_path / "jump.npz", fit_file(moved, "halpe26"))
    with np.load(fit) as found:
        np.savez(tmp_path / "truth.npz", **dict(found), cuts=np.array([12]))
    jump = row_of(tmp_path, tmp_path / "jump.npz", fit)["acceleration_error_m_s2"]
    cut = row_of(tmp_path, tmp_path / "jump.npz", tmp_path / "truth.npz")
    assert jump > 10 and cut["acceleration_error_m_s2"] == pytest.approx(0, abs=1e-3)


def test_other_frames_people_or_rates_are_refused(
    fit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    longer, slower = make_video(FRAMES + 1), make_video(FRAMES, fps=25)
    write_fit(tmp_path / "longer.npz", fit_file(make_fit(longer), "halpe26"))
    write_fit(tmp_path / "slower.npz", fit_file(make_fit(slower), "halpe26"))
    assert "frames; expected 24, received 25" in refusal(capsys, tmp_path / "longer.npz", fit)
    said = refusal(capsys, tmp_path / "slower.npz", fit)
    assert "frames per second; expected 30.01, received 25" in said
    result = make_fit(VIDEO)
    names = ("betas", "global_orient", "body_pose", "transl", "valid", "provenance")
    alone = replace(
        result,
        motion=replace(result.motion, **{n: getattr(result.motion, n)[:1] for n in names}),
        diagnostics=replace(
            result.diagnostics, reprojection_px=result.diagnostics.reprojection_px[:1]
        ),
    )
    write_fit(tmp_path / "one.npz", fit_file(alone, "halpe26"))
    assert "people; expected 2, received 1" in refusal(capsys, tmp_path / "one.npz", fit)


def test_an_export_of_another_clip_is_refused(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies = exported / "smpl-npz" / "hug"
    for video, words in (
        (
            make_video(15),
            "side's clip; expected frames 0 to 14, received frame 19",
        ),
        (make_video(FRAMES, fps=20), "not at the other side's presentation times"),
    ):
        write_fit(tmp_path / "short.npz", fit_file(make_fit(video), "halpe26"))
        assert words in refusal(capsys, bodies, tmp_path / "short.npz")


def test_bodies_of_different_clips_in_a_folder_are_refused(
    fit: Path, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = exported / "smpl-npz" / "hug"
    first = next(folder.glob("*.npz"))
    with np.load(first) as found:
        arrays = dict(found)
    np.savez(folder / "third.npz", **(arrays | {"clip": np.array("another"), "person": 2}))
    assert "not of the people of one clip" in refusal(capsys, folder, fit)


@pytest.mark.parametrize("content", ["nothing", "text", "array", "folder", "list", "numbers"])
def test_files_that_are_none_of_these_are_refused(
    fit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    path = tmp_path / "bad.npz"
    if content == "text":
        path.write_text("not a zip")
    elif content == "array":
        np.savez(path, poses=np.zeros((3, 4)), cuts=np.zeros(3))
    elif content == "folder":
        path.mkdir()
    elif content in ("list", "numbers"):
        path = path.with_suffix(".json")
        path.write_text('[{"mpjpe_mm": 3}]' if content == "list" else "3" * 5000)
    for sides in ((path, fit), (fit, path)):
        assert "bad" in refusal(capsys, *sides)


def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    fit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, fit, fit, "--json", tmp_path / "no" / "rows.json")
    assert "There is no folder" in said
    assert not capsys.readouterr().out


def test_one_clip_of_several_must_be_named(
    fit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store.create(tmp_path / "p.dyad", author="Ann") as store:
        for name in ("hug", "dance"):
            clip = add_fitted(store, make_video(FRAMES, name))
            store.review(clip, FrameRange(0, FRAMES), "accepted")
        export(store, "coco-keypoints", tmp_path / "out")
    file = tmp_path / "out" / "person_keypoints.json"
    assert "--clip with one of hug, dance, received none" in refusal(capsys, file, fit)
    assert "received waltz" in refusal(capsys, file, fit, "--clip", "waltz")
    assert row_of(tmp_path, file, fit, "--clip", "dance")["frames"] == FRAMES
