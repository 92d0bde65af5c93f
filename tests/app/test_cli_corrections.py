"""What the window says of detections can be said on the command line, and taken back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from annotations.store import Store
from app import cli
from engine.structures import BoxEdit, RunLengthMask
from tests.annotations.builders import make_crowd, make_disc


@pytest.fixture
def project(fitted_project: Path, video) -> Path:
    """A clip in which two more people were found."""
    with Store.open(fitted_project) as store:
        store.set_observations(1, make_crowd(video), {"detector": "test"})
    return fitted_project


@pytest.fixture
def run(project, capsys):
    """Runs a command on the project in this process: exit code, stdout, stderr."""

    def command(*arguments: object) -> SimpleNamespace:
        capsys.readouterr()
        code = cli.main([*(str(argument) for argument in arguments), "--project", str(project)])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return command


def state(project: Path):
    with Store.open(project) as store:
        return store.state(1)


def said(project: Path):
    return state(project).constraints


class TestBox:
    def test_is_drawn_listed_moved_and_removed(self, project, run):
        assert "Draw box of person 1, frame 3" in run("box", 1, 3, "-2,4,40.5,50").out
        assert said(project).box_edits == (BoxEdit(3, (0.0, 4.0, 40.5, 50.0), "person", 0),)
        assert run("box").out == "frame     3  0,4,40.5,50  person 1\n"
        run("box", 1, 3, "1,4,40,50")
        assert [edit.box for edit in said(project).box_edits] == [(1.0, 4.0, 40.0, 50.0)]
        assert run("box", 1, 3, "--remove").code == 0
        assert said(project).box_edits == ()
        assert "No box of person 1" in run("box", 1, 3, "--remove").err

    def test_may_only_say_who_is_there(self, project, run):
        run("box", 2, 3, "1,4,40,50", "--pin")
        assert said(project).box_edits[0].kind == "identity"
        assert "person 2 (who it is)" in run("box").out

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            ((1,), "A box is in a frame"),
            ((1, 3), "four corners"),
            ((1, 3, "1,2,3"), "x0,y0,x1,y1"),
            ((1, 3, "1,2,nan,4"), "x0,y0,x1,y1"),
            ((1, 3, "10,10,5,20"), "extent"),
            ((1, 3, "1000,10,2000,20"), "extent"),
            ((1, 9999, "1,2,30,40"), "not a part of the clip"),
            ((7, 3, "1,2,30,40"), "no such person"),
        ],
    )
    def test_nonsense_is_one_sentence(self, project, run, words, sentence):
        refused = run("box", *words)
        assert refused.code == 2 and sentence in refused.err and "Traceback" not in refused.err
        assert said(project).box_edits == ()


class TestNobody:
    @pytest.mark.parametrize("command", ["not-a-person", "someone-else"])
    def test_a_place_is_marked_and_the_mark_taken_back(self, project, run, command):
        assert run(command, 3, "1,4,40,50").code == 0
        mark = said(project).box_edits
        assert mark == (BoxEdit(3, (1.0, 4.0, 40.0, 50.0), command.replace("-", "_"), None),)
        assert command.replace("-", " ") in run("box").out
        assert run(command, 3, "2,4,41,50", "--remove").code == 0
        assert said(project).box_edits == ()
        assert "no such mark" in run(command, 3, "2,4,41,50", "--remove").err

    def test_a_track_is_dismissed_and_undo_gives_it_back(self, project, run):
        before = state(project)
        done = run("someone-else", "--person", 1, "--frames", "5:20")
        assert "Someone else, frames 5-19" in done.out
        after = state(project).observations
        assert np.isnan(after.boxes[0, 5:20]).all() and after.others.person_count == 3
        run("undo")
        again = state(project).observations
        np.testing.assert_array_equal(again.boxes, before.observations.boxes)
        run("not-a-person", "--other", 1)
        assert state(project).observations.others.person_count == 1

    @pytest.mark.parametrize(
        "words",
        [
            (),
            (3,),
            (3, "1,4,40,50", "--person", 1),
            ("--person", 1, "--other", 1),
            ("--person", 1, "--remove"),
            ("--other", 9),
        ],
    )
    def test_nonsense_is_one_sentence(self, run, words):
        refused = run("not-a-person", *words)
        assert refused.code == 2 and refused.err.count("\n") <= 2


class TestAssign:
    def test_somebody_else_is_chosen(self, project, run):
        listed = run("assign").out.splitlines()
        assert len(listed) == 2 and listed[0].startswith("  1  frames 0-")
        theirs = state(project).observations.others.boxes[0, 5:20]
        assert "Choose person 2, frames 5-19" in run("assign", 2, 1, "--frames", "5:20").out
        np.testing.assert_array_equal(state(project).observations.boxes[1, 5:20], theirs)
        assert run("assign", 2, 7).code == 2 and run("assign", 2).code == 2

    def test_says_when_there_is_nobody(self, project, run):
        run("not-a-person", "--other", 1)
        run("not-a-person", "--other", 1)
        assert run("assign").out == "Nobody else was found.\n"


class TestMask:
    @pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA"])
    def test_is_read_from_a_png_of_any_kind(self, project, run, video, tmp_path, mode):
        disc = make_disc(video, 40)
        grey = Image.fromarray(np.where(disc, 255, 0).astype(np.uint8))
        if mode == "P":
            picture = Image.fromarray(disc.astype(np.uint8))
            picture.putpalette([0, 0, 0, 128, 0, 0])
        elif mode in ("LA", "RGBA"):  # white everywhere, and transparent where the person is not
            picture = Image.new("L", grey.size, 255).convert(mode)
            picture.putalpha(grey)
        else:
            picture = grey.convert(mode)
        assert picture.mode == mode
        picture.save(tmp_path / "mask.png")
        assert "Paint mask of person 1, frame 4" in run("mask", 1, 4, tmp_path / "mask.png").out
        assert said(project).mask_edits[0].mask == RunLengthMask.encode(disc)
        assert run("mask", 1, 4, "--clear").code == 0
        assert said(project).mask_edits == ()

    def test_of_another_size_or_another_file_is_refused(self, project, run, tmp_path):
        Image.new("L", (7, 9)).save(tmp_path / "small.png")
        Image.new("L", (7, 9)).save(tmp_path / "photo.jpg")
        (tmp_path / "text.png").write_text("not a picture")
        for name, sentence in (
            ("small.png", "another size"),
            ("photo.jpg", "cannot be read as a PNG"),
            ("text.png", "cannot be read as a PNG"),
            ("missing.png", "is no mask"),
        ):
            refused = run("mask", 1, 4, tmp_path / name)
            assert refused.code == 2 and sentence in refused.err, refused.err
        assert run("mask", 1, 4).code == 2
        assert said(project).mask_edits == ()


def test_the_floor_and_a_gender_are_stated_and_taken_back(project, run):
    assert run("floor", -0.25).code == 0
    assert said(project).floor_height == -0.25
    assert run("floor", "--forget").code == 0
    assert said(project).floor_height is None
    assert run("floor").code == 2
    assert run("gender", "--person", 2, "female").code == 0
    assert [someone.gender for someone in state(project).identities] == ["neutral", "female"]
    assert run("gender", "--person", 2, "other").code == 2


def test_a_joint_is_hidden_where_it_was_detected(project, run):
    run("joint", "left_wrist", "--person", 1, "--frame", 3, "--hide")
    (edit,) = said(project).keypoint_edits
    assert (edit.x, edit.y) == tuple(state(project).observations.keypoints2d[0, 3, 9])
    assert not edit.visible
    refused = run("joint", "left_wrist", "--person", 1, "--frame", 9999, "--hide")
    assert refused.code == 2 and "was not detected" in refused.err
