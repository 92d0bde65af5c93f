"""The decoder thread serves the newest request, exactly the frame that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.decoder import Decoder
from engine.structures import VideoInfo
from engine.video import probe
from tests.engine.videos import number_in, write_video


@pytest.fixture
def decoder(qapp) -> Iterator[Decoder]:
    decoder = Decoder()
    yield decoder
    decoder.shutdown()


@pytest.fixture
def video(tmp_path: Path) -> VideoInfo:
    return probe(write_video(tmp_path / "numbers.mp4", list(range(40))))


def frame(qtbot, decoder, video, index):
    with qtbot.waitSignal(
        decoder.decoded, timeout=10_000, check_params_cb=lambda _, i, __: i == index
    ) as decoded:
        decoder.request(video, index)
    return decoded.args[2]


def test_any_frame_in_any_order(qtbot, decoder, video):
    for index in (0, 31, 7, 8, 9, 39, 0):
        assert number_in(frame(qtbot, decoder, video, index)) == index


def test_requests_that_nobody_waits_for_any_more_are_dropped(qtbot, decoder, video):
    frame(qtbot, decoder, video, 0)
    served = []
    decoder.decoded.connect(lambda _, index, __: served.append(index))
    for index in range(40):
        decoder.request(video, index)
    qtbot.waitUntil(lambda: served[-1:] == [39])
    assert len(served) < 40


def test_another_video_replaces_the_first(qtbot, decoder, video, tmp_path):
    other = probe(write_video(tmp_path / "other.mp4", list(range(100, 110))))
    assert number_in(frame(qtbot, decoder, video, 3)) == 3
    assert frame(qtbot, decoder, other, 3).shape == (other.height, other.width, 3)
    assert number_in(frame(qtbot, decoder, video, 5)) == 5


def test_a_video_that_went_away_is_said_once(qtbot, decoder, video):
    Path(video.path).unlink()
    said = []
    decoder.failed.connect(lambda _, message: said.append(message))
    for index in range(5):
        decoder.request(video, index)
    qtbot.waitUntil(lambda: bool(said))
    decoder.request(video, 7)
    qtbot.wait(100)
    assert len(said) == 1
    assert "numbers.mp4" in said[0]


def test_a_reduced_frame_is_the_same_frame_smaller(qtbot, decoder, video):
    whole = frame(qtbot, decoder, video, 12)
    with qtbot.waitSignal(
        decoder.decoded, check_params_cb=lambda _, __, image: image.shape != whole.shape
    ) as decoded:
        decoder.request(video, 12, 2)
    _, index, reduced = decoded.args
    expected = cv2.resize(whole, reduced.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert index == 12
    assert reduced.shape == (-(-video.height // 2), -(-video.width // 2), 3)
    assert np.abs(reduced.astype(int) - expected).mean() < 3
    assert frame(qtbot, decoder, video, 12).shape == whole.shape


def test_a_frame_that_was_asked_for_reduced_follows_whole_when_nothing_else_is(
    qtbot, decoder, video
):
    whole = frame(qtbot, decoder, video, 12)
    seen = []
    decoder.decoded.connect(lambda _, index, image: seen.append((index, image.shape[0])))
    decoder.request(video, 30, 2)
    decoder.request(video, 20, 2)
    qtbot.waitUntil(lambda: (20, whole.shape[0]) in seen)
    assert seen.index((20, whole.shape[0] // 2)) < seen.index((20, whole.shape[0]))
    assert (30, whole.shape[0]) not in seen
    qtbot.wait(200)
    assert seen.count((20, whole.shape[0])) == 1
