"""The benchmark reads off the screen which frame is there."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint

from app import scrub_benchmark
from app.scrub_benchmark import mark_number, number_on
from tests.app.scenes import make_clip


@pytest.mark.parametrize("number", [0, 1, 341, 682, 1023])
def test_the_number_of_a_frame_is_read_off_what_is_painted(qtbot, window, number):
    clip = make_clip()
    window.view_state.clips = (clip,)
    window.view_state.clip_id = clip.id
    window.arrangement.show_desk(True)
    picture = np.full((1080, 1920, 3), 128, np.uint8)
    mark_number(picture, number)
    window.frame_view.set_frame_image(0, picture)
    qtbot.wait(20)
    assert number_on(window.grab().toImage(), QPoint(0, 0), window) == number


def test_a_frame_that_another_is_shown_for_is_wrong(qtbot, window):
    clip = make_clip()
    window.view_state.clips = (clip,)
    window.view_state.clip_id = clip.id
    window.arrangement.show_desk(True)
    picture = np.full((1080, 1920, 3), 128, np.uint8)
    mark_number(picture, 7)
    window.frame_view.set_frame_image(8, picture)
    qtbot.wait(20)
    assert number_on(window.grab().toImage(), QPoint(0, 0), window) != 8


def test_the_clock_stops_after_the_painting(qtbot, window):
    window.arrangement.show_desk(True)
    qtbot.wait(20)
    screen = scrub_benchmark._Screen(window)
    assert screen.shown[0] == -1
    window.frame_view.repaint()
    assert screen.shown[0] == -1, "not before the pixels have been handed over"
    qtbot.waitUntil(lambda: screen.shown[0] == window.frame_view.shown_frame)
    assert screen.shown[1] > 0
