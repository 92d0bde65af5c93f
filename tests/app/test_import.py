"""Imports from the command line: a picture first, taken in only when told to."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from annotations.importers import read
from annotations.store import Store
from app import cli
from app.drawing import PERSON_COLORS
from app.import_preview import OTHERS_COLOR, TILE, preview, shown_frames
from engine.structures import FrameRange
from engine.video import probe
from tests.annotations.importers import writers
from tests.annotations.importers.scene import FRAMES, SIZE, joint, mask
from tests.app.people import write_video


@pytest.fixture
def run(capsys):
    def command(*arguments: object) -> SimpleNamespace:
        capsys.readouterr()
        code = cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return command


@pytest.fixture(scope="module")
def video_file(tmp_path_factory) -> Path:
    """Grey frames, so that whatever is drawn is seen."""
    return write_video(tmp_path_factory.mktemp("clip") / "meeting.mp4", FRAMES)


@pytest.fixture
def video(video_file):
    return probe(video_file)


@pytest.fixture
def project(tmp_path, video_file) -> Path:
    path = tmp_path / "study.dyad"
    assert cli.main(["import", str(video_file), "--project", str(path)]) == 0
    return path


def near(picture: np.ndarray, at: tuple[float, float], color: tuple[int, int, int]) -> bool:
    """Whether the colour is drawn within three pixels of a place."""
    x, y = round(at[0]), round(at[1])
    part = picture[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4].astype(int)
    return bool((abs(part - color).max(axis=-1) < 40).any())


class TestPreview:
    def tile(self, picture: np.ndarray, place: int) -> tuple[int, int, float]:
        """Left, top and pixels per video pixel of a tile."""
        factor = min(TILE[0] / SIZE[0], TILE[1] / SIZE[1])
        width, height = round(factor * SIZE[0]), round(factor * SIZE[1])
        return (place % 3) * (width + 6), 26 + (place // 3) * (height + 6), factor

    def test_people_are_drawn_where_they_are_in_their_colours(self, tmp_path, video):
        found = read(writers.alphapose(tmp_path), video)
        picture = preview(found)
        for place, frame in enumerate(shown_frames(found)):
            left, top, factor = self.tile(picture, place)
            for person, color in enumerate([*PERSON_COLORS[:2], OTHERS_COLOR]):
                x, y = joint(person, frame, "left_knee")
                at = left + factor * x, top + factor * y
                there = person == 0 or (frame != 5 if person == 1 else frame < 8)
                assert near(picture, at, color) == there, (frame, person)

    def test_frames_are_spread_over_those_with_people(self, tmp_path, video):
        found = read(writers.alphapose(tmp_path), video)
        assert shown_frames(found) == [0, 2, 4, 7, 9, 11]

    def test_masks_are_tinted(self, tmp_path, video):
        found = read(writers.masks_palette(tmp_path), video)
        picture = preview(found).astype(int)
        left, top, factor = self.tile(picture, 0)
        rows, columns = np.nonzero(mask(0, 0))
        x, y = left + factor * np.median(columns), top + factor * np.median(rows)
        blueness = picture[round(y), round(x)] @ [-1, 0, 1]
        assert blueness > 60
        beside = picture[round(y), left + 4] @ [-1, 0, 1]
        assert abs(beside) < 12

    def test_a_camera_shows_its_principal_point(self, tmp_path, video):
        found = read(writers.calibration(tmp_path), video)
        picture = preview(found)
        left, top, factor = self.tile(picture, 3)
        assert near(picture, (left + factor * 161.25, top + factor * 118.5), (255, 220, 60))


class TestCommands:
    def test_a_picture_first_and_nothing_taken_in(self, run, project, tmp_path):
        done = run("import-detections", writers.alphapose(tmp_path), "--project", project)
        assert done.code == 0
        assert "alphapose, Halpe-26" in done.out and "person 2: track 2, in 11 of 12" in done.out
        assert "Nothing was taken in" in done.out
        with Image.open(tmp_path / "study-import.png") as picture:
            assert picture.width > 3 * 400
        with Store.open(project) as store:
            assert store.state(1).observations is None

    def test_taken_in_with_yes(self, run, project, tmp_path):
        path = writers.openpose(tmp_path)
        picture = tmp_path / "look.webp"
        done = run("import-detections", path, "--project", project, "--preview", picture, "--yes")
        assert done.code == 0 and picture.exists() and "Import openpose" in done.out
        with Store.open(project) as store:
            found = store.state(1).observations
            assert found.others.person_count == 1 and found.layout == "halpe26"
            assert store.clips()[0].status == "detected"
            store.review(1, FrameRange(0, 2), "unusable")
        assert run("undo", "--project", project).code == 0

    def test_the_people_can_be_chosen(self, run, project, tmp_path):
        path = writers.alphapose(tmp_path)
        done = run("import-detections", path, "--project", project, "--people", "3,1", "--yes")
        assert "person 1: track 3" in done.out
        with Store.open(project) as store:
            found = store.state(1).observations
            assert np.allclose(found.keypoints2d[0, 0, 0], joint(2, 0, "nose"))

    def test_boxes_are_evidence_of_who_is_where(self, run, project, tmp_path):
        done = run("import-detections", writers.mot(tmp_path), "--project", project, "--yes")
        assert "There are no joints in it" in done.out and "Detect the people" in done.out
        with Store.open(project) as store:
            kinds = {e.kind for e in store.state(1).constraints.box_edits}
            assert kinds == {"identity", "someone_else"}

    def test_a_camera(self, run, project, tmp_path):
        path = writers.colmap(tmp_path)
        done = run("import-camera", path, "--project", project, "--metres-per-unit", 1.5, "--yes")
        assert done.code == 0 and "focal length 400.5 px" in done.out
        with Store.open(project) as store:
            camera = store.state(1).constraints.camera
            assert np.allclose(camera.T_camera_world[2, :3, 3], [0.3, 0, 3.75])

    @pytest.mark.parametrize(
        "more, sentence",
        [
            (("--scale", "big"), "neither a factor nor WIDTHxHEIGHT"),
            (("--format", "yolo"), "There is no such format"),
            (("--people", "1,nobody"), "There is no track 'nobody'"),
            (("--preview", "look.exe"), ".png, .webp or .jpg"),
            (("--clip", "other"), "There is no such clip"),
            (("--offset", "700"), "--offset 700"),
        ],
    )
    def test_bad_input_is_one_sentence(self, run, project, tmp_path, more, sentence):
        done = run("import-detections", writers.alphapose(tmp_path), "--project", project, *more)
        assert done.code == 2 and sentence in done.err
        assert len(done.err.strip().splitlines()) == 1

    def test_a_scale_is_a_size_or_a_factor(self, run, project, tmp_path):
        path = writers.coco_cvat(tmp_path)
        content = json.loads(path.read_text())
        for image in content["images"]:
            image["width"], image["height"] = 160, 120
        for entry in content["annotations"]:
            entry["keypoints"] = [
                v / 2 if i % 3 < 2 else v for i, v in enumerate(entry["keypoints"])
            ]
            entry["bbox"] = [v / 2 for v in entry["bbox"]]
        path.write_text(json.dumps(content))
        refused = run("import-detections", path, "--project", project)
        assert refused.code == 2 and "--scale 160x120" in refused.err
        for scale in ("160x120", "2"):
            done = run("import-detections", path, "--project", project, "--scale", scale, "--yes")
            assert "scaled by 2 x 2" in done.out
            with Store.open(project) as store:
                found = store.state(1).observations
                assert np.allclose(found.keypoints2d[0, 3, 0], joint(0, 3, "nose"))


def test_formats_are_listed_in_the_documentation():
    from annotations.importers import IMPORTERS

    text = (Path(__file__).resolve().parents[2] / "docs" / "importing.md").read_text()
    for name in IMPORTERS:
        assert f"`{name}`" in text
