"""Playing and stepping go by presentation time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from annotations.records import ClipRecord
from app.playback import Playback
from app.view_state import ViewState
from engine.structures import FrameRange
from tests.annotations.builders import make_video


@pytest.fixture
def view_state(qapp) -> ViewState:
    """A clip of two seconds: 30 Hz, then 10 Hz."""
    times = np.concatenate([np.arange(30) / 30, 1 + np.arange(10) / 10])
    video = replace(make_video(40), times=times)
    made = ViewState()
    made.clips = (ClipRecord(1, "clip", video, 1, datetime.now(UTC), "new"),)
    made.clip_id = 1
    return made


@pytest.fixture
def playback(view_state) -> Playback:
    return Playback(view_state)


def test_a_second_is_a_second_whatever_the_rate(view_state, playback):
    playback.step_seconds(1)
    assert view_state.frame == 30
    playback.step_seconds(0.5)
    assert view_state.frame == 35
    playback.step_seconds(-1)
    assert view_state.frame == 15


def test_a_step_in_time_always_moves(view_state, playback):
    view_state.frame = 32
    playback.step_seconds(0.001)
    assert view_state.frame == 33
    playback.step_seconds(-0.001)
    assert view_state.frame == 32


def test_home_and_end_stop_at_the_selection_first(view_state, playback):
    view_state.selection = FrameRange(5, 12)
    view_state.frame = 8
    playback.go_to_end(True)
    assert view_state.frame == 11
    playback.go_to_end(True)
    assert view_state.frame == 39
    playback.go_to_end(False)
    assert view_state.frame == 5


def test_in_and_out_keep_the_selection_in_order(view_state, playback):
    view_state.frame = 20
    playback.mark(out=False)
    assert view_state.selection == FrameRange(20, 40)
    view_state.frame = 10
    playback.mark(out=True)
    assert view_state.selection == FrameRange(0, 11)


def test_playing_follows_the_clock(qtbot, view_state, playback):
    seen = []
    view_state.frame_changed.connect(seen.append)
    playback.toggle()
    qtbot.waitUntil(lambda: view_state.frame >= 12, timeout=5000)
    playback.stop()
    assert seen == sorted(seen)
    held = view_state.frame
    qtbot.wait(80)
    assert view_state.frame == held


def test_the_shuttle_doubles_and_turns(view_state, playback):
    for speed in (1.0, 2.0, 4.0, 8.0, 8.0):
        playback.shuttle(1)
        assert view_state.speed == speed
    playback.shuttle(-1)
    assert view_state.speed == -1.0
    playback.stop()
    assert not view_state.playing


@pytest.mark.parametrize("loop", [True, False])
def test_at_the_end_it_starts_over_or_stops(qtbot, view_state, playback, loop):
    playback.loop = loop
    view_state.selection = FrameRange(30, 33)
    view_state.frame = 31
    visited = []
    view_state.frame_changed.connect(visited.append)
    playback.toggle()
    if loop:
        qtbot.waitUntil(lambda: visited.count(30) >= 2, timeout=5000)
        assert max(visited) == 32
    else:
        qtbot.waitUntil(lambda: not view_state.playing, timeout=5000)
        assert view_state.frame == 32
    playback.stop()
