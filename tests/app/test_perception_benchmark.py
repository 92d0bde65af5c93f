"""The perception benchmark, with ways of perceiving whose result is known."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from app import perception_benchmark as benchmark
from app.cli import main
from app.number_rows import write_json
from app.perception_sheets import COLUMNS, HEIGHT, ROWS, write_sheet
from engine.errors import InputError
from engine.perception import PeopleNotFoundError
from engine.perception.baselines import fused_frame_by_frame, multipose_alone
from engine.perception.evaluation import compare, score
from engine.perception.truth import Visibility
from engine.structures import FrameRange, Observations, VideoInfo


@pytest.fixture(scope="module")
def clips() -> list[benchmark.BenchClip]:
    return benchmark.real_clips()


def exact(clips):
    """A way that gives what is true, whatever is known of it."""
    by_path = {clip.video.path: clip for clip in clips}

    def way(video: VideoInfo, frames: FrameRange, count: int) -> Observations:
        clip = by_path[video.path]
        found = benchmark.nobody(clip)
        points = clip.truth.keypoints2d[:, :, :17]
        seen = replace(
            found,
            keypoints2d=points,
            confidence=np.full(points.shape[:3], 0.8),
            boxes=clip.truth.boxes,
        )
        assert frames.stop <= video.frame_count and count == 2
        return seen

    return way


def refuses(video: VideoInfo, frames: FrameRange, count: int) -> Observations:
    raise PeopleNotFoundError("Nobody was found")


def test_the_shipped_clips_have_truth_for_every_frame(clips):
    assert [clip.name for clip in clips] == ["cam01", "cam02", "cam03", "cam04"]
    for clip in clips:
        assert clip.truth.frame_count == clip.video.frame_count == 100
        assert clip.truth.image_size == clip.video.image_size
        assert 0.9 < clip.truth.scored.mean() < 1.0
        assert np.isfinite(clip.truth.boxes).all()
    hidden = [(clip.truth.visibility == Visibility.OCCLUDED).sum() for clip in clips]
    assert hidden[2] > 200  # in the third view one stands before the other


def test_true_heads_are_above_true_feet(clips):
    for clip in clips:
        side = np.ptp(clip.truth.boxes[..., 1::2], axis=-1)
        feet = clip.truth.keypoints2d[:, :, [15, 16], 1].mean(axis=-1)
        nose = clip.truth.keypoints2d[:, :, 0, 1]
        assert ((feet - nose) / side > 0.25).all()


def returned(work: Generator):
    """What a generator returns."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value


def test_every_way_is_scored_on_every_suite(clips):
    ways = {"exact": exact(clips), "nobody": refuses}
    right, lost = returned(benchmark.run_suite("two views", clips[:2], ways, quick=True))
    assert (right.frames, right.scores.person_frames) == (48, 96)
    assert right.scores.all_levels.pck_5 == 1
    assert right.scores.missed == right.scores.swapped == 0
    assert right.lost_clips == ()
    assert lost.lost_clips == ("cam01", "cam02")
    assert (lost.scores.missed, lost.scores.all_levels.reported) == (1, 0)


def test_each_clip_is_named_before_it_is_looked_at(clips):
    ways = {"exact": exact(clips), "nobody": refuses}
    told = list(benchmark.run_suite("two views", clips[:2], ways, quick=True))
    assert [p.stage for p in told] == [
        "exact, cam01",
        "exact, cam02",
        "nobody, cam01",
        "nobody, cam02",
    ]
    assert [p.fraction for p in told] == [0, 0.25, 0.5, 0.75]


def test_a_row_has_the_numbers_of_each_level_of_occlusion(clips):
    ways = {"exact": exact(clips), "nobody": refuses}
    right, lost = map(
        benchmark.row_of, returned(benchmark.run_suite("one", clips[2:3], ways, quick=True))
    )
    assert (right["method"], right["frames"], right["people"]) == ("exact", 24, 48)
    assert right["pck_5_visible"] == right["pck_10_occluded"] == right["right_at_0.8"] == 1
    levels = [right[f"joints_{name}"] for name in benchmark.LEVELS.values()]
    assert sum(levels) == right["joints_all"] == right["joints_at_0.8"]
    assert (lost["pck_5_all"], lost["missed"], lost["lost_clips"]) == (0, 1, "cam03")


def test_the_tables_name_the_ways_and_say_who_was_lost(clips, capsys):
    ways = {"exact": exact(clips), "nobody": refuses}
    found = returned(benchmark.run_suite("one view", clips[2:3], ways, quick=True))
    benchmark.print_suite([benchmark.row_of(result) for result in found])
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("exact"))
    assert row.split()[1:5] == ["0.000", "0.000", "0", "1.000"]
    assert "nobody lost cam03" in lines


def test_the_numbers_are_written_as_json_that_any_reader_reads(clips, tmp_path: Path):
    found = returned(benchmark.run_suite("s", clips[:1], {"nobody": refuses}, quick=True))
    write_json(tmp_path / "rows.json", [benchmark.row_of(result) for result in found])
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert (row["method"], row["pck_5_visible"]) == ("nobody", 0)
    assert row["mask_iou"] is None
    assert not any(isinstance(value, list | dict) for value in row.values())


def test_a_sheet_shows_the_truth_and_what_was_found(clips, tmp_path: Path):
    looks: list[benchmark.Look] = []
    ways = {"by ear, mostly": exact(clips)}
    list(benchmark.run_suite("s", clips[:1], ways, quick=True, seen=looks.append))
    path = write_sheet(tmp_path / "sheets", looks[0])
    assert path.name == "cam01-by-ear-mostly.jpg"
    picture = cv2.imread(str(path))
    assert picture.shape[0] == HEIGHT * ROWS
    assert picture.shape[1] % COLUMNS == 0
    orange = (abs(picture.astype(int) - (0, 140, 255)).sum(axis=-1) < 60).sum()
    assert orange > 500


@pytest.mark.parametrize("way", [multipose_alone, fused_frame_by_frame])
def test_the_plain_ways_find_two_people_who_stand_apart(clips, way):
    frames = FrameRange(0, 2)
    found = way(clips[3].video, frames, 2)
    compared = compare(
        clips[3].truth.part(frames.as_slice()), benchmark.part(found, frames)
    )  # fmt: skip
    assert score([compared]).all_levels.pck_5 > 0.9
    assert np.isnan(found.keypoints2d[:, 2:]).all()
    assert (found.confidence[:, 2:] == 0).all()


def test_a_folder_without_rendered_clips_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no rendered clips"):
        benchmark.rendered_clips(tmp_path)


def test_the_options_of_this_benchmark_are_refused_with_another(capsys, tmp_path: Path):
    assert main(["bench", "body", "--clips", str(tmp_path)]) == 2
    assert "No such option" in capsys.readouterr().err


def test_the_truths_own_error_is_said():
    (line,) = benchmark.truth_lines()
    assert "leaving out the view" in line
