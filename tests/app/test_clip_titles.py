"""Clips whose files share a name are told apart by their folders."""

from __future__ import annotations

from dataclasses import replace

from annotations.records import ClipRecord
from app.clip_titles import clip_title, clip_titles
from tests.app.scenes import make_clip


def clip(clip_id: int, path: str, name: str) -> ClipRecord:
    made = make_clip(clip_id, name=name)
    return replace(made, video=replace(made.video, path=path))


def titles(*clips: ClipRecord) -> list[str]:
    return list(clip_titles(clips).values())


def test_a_name_alone_is_enough_while_no_other_file_has_it():
    assert titles(clip(1, "/day1/video.mp4", "video"), clip(2, "/day1/hug.mp4", "hug")) == [
        "video",
        "hug",
    ]


def test_files_of_one_name_are_all_shown_with_their_folders():
    first, second = clip(1, "/day1/video.mp4", "video"), clip(2, "/day2/video.mp4", "day2/video")
    assert titles(first, second) == ["day1/video", "day2/video"]
    assert clip_title(first, [first]) == "video"


def test_the_numbers_of_older_projects_say_less_than_a_folder():
    clips = clip(1, "/day1/video.mp4", "video"), clip(2, "/day2/video.mp4", "video 2")
    assert titles(*clips) == ["day1/video", "day2/video"]


def test_a_name_that_somebody_gave_stays():
    clips = clip(1, "/day1/video.mp4", "hug"), clip(2, "/day2/video.mp4", "video 12b")
    assert titles(*clips) == ["hug", "video 12b"]


def test_titles_never_coincide():
    clips = clip(1, "/a/day/video.mp4", "video"), clip(2, "/b/day/video.mp4", "video 2")
    assert titles(*clips) == ["video", "video 2"]
