"""What a user is told of a video that is damaged or odd, in the window and on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotations.store import Store
from app import cli
from tests.engine.videos import write_video


@pytest.fixture
def cut_short(tmp_path: Path) -> Path:
    """The first 60 % of the bytes of an AVI of 80 frames."""
    path = tmp_path / "cut.avi"
    write_video(path, list(range(80)), codec="mpeg4", options={"bf": "0"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    return path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.mp4"
    path.write_text("<!doctype html><html></html>")
    return path


def test_the_window_says_why_a_file_is_no_video(qtbot, window, page):
    window.projects.import_videos([page])
    sentence = "page.mp4 is a web page, not a video. Download the video itself."
    qtbot.waitUntil(lambda: sentence in window.notifications.texts, timeout=10_000)
    assert window.view_state.clip is None


def test_the_window_says_what_is_odd_about_a_video_and_goes_on_saying_it(qtbot, window, cut_short):
    window.projects.clip_added.disconnect()  # nobody is to be detected here
    window.projects.import_videos([cut_short])
    qtbot.waitUntil(
        lambda: any("cut short" in text for text in window.notifications.texts), timeout=10_000
    )
    clip = window.view_state.clip
    assert clip.video.note.startswith("The file is cut short: its first ")
    assert clip.video.note in window.people._notes.text()


def test_the_command_line_says_it_too_and_the_project_keeps_it(tmp_path, capsys, cut_short):
    project = tmp_path / "study.dyad"
    assert cli.main(["import", str(cut_short), "--project", str(project)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("cut: ")
    with Store.open(project) as store:
        (clip,) = store.clips()
    assert second == clip.video.note


def test_the_command_line_refuses_in_one_sentence(tmp_path, capsys, page):
    assert cli.main(["import", str(page), "--project", str(tmp_path / "study.dyad")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "page.mp4 is a web page, not a video. Download the video itself.\n"
    assert not (tmp_path / "study.dyad").exists()
