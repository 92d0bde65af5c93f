"""Masks by hand in the real window: paint, erase, cancel, take back; each its undo."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from annotations.corrections import effective_observations
from app import frame_evidence as evidence
from engine.structures import RunLengthMask
from tests.app.correcting_scene import (
    CTRL,
    GAP,
    KEY,
    LEFT,
    NONE,
    RIGHT,
    SHIFT,
    WAIT,
    after,
    at,
    detected_box,
    drag,
    go_to,
    hover,
    press,
    undone,
)


@pytest.fixture
def window(crowded_window):
    return crowded_window


def mask_of(window, person: int = 0) -> np.ndarray:
    state = window.view_state.state
    return evidence.mask(state, person, window.view_state.frame).decode()


def test_a_stroke_adds_to_the_detected_mask_and_is_one_undo_step(qtbot, window):
    press(window, KEY.Key_1)
    press(window, KEY.Key_M)
    window.view_state.brush_radius = 3
    before = mask_of(window)
    start, end = (8.0, 4.0), (20.0, 4.0)
    state = after(qtbot, window, lambda: drag(window, at(window, *start), at(window, *end)))
    painted = mask_of(window)
    assert painted[4, 8:20].all()
    assert (painted | before == painted).all()
    assert 60 < (painted & ~before).sum() < 140
    np.testing.assert_array_equal(effective_observations(state).masks[0][6].decode(), painted)
    assert undone(qtbot, window).mask_edits == ()
    np.testing.assert_array_equal(mask_of(window), before)


@pytest.mark.parametrize(("button", "modifier"), [(RIGHT, NONE), (LEFT, CTRL)])
def test_the_right_button_and_ctrl_erase(qtbot, window, button, modifier):
    press(window, KEY.Key_1)
    press(window, KEY.Key_M)
    window.view_state.brush_radius = 4
    box = detected_box(window, 0)
    middle = (box[:2] + box[2:]) / 2
    before = mask_of(window)
    place = at(window, *middle)
    after(qtbot, window, lambda: drag(window, place, place + QPoint(12, 0), button, modifier))
    assert QApplication.activePopupWidget() is None
    erased = mask_of(window)
    assert not erased[int(middle[1]), int(middle[0])]
    assert (erased & before == erased).all()
    assert erased.sum() < before.sum()


def test_strokes_that_follow_each_other_faster_than_the_project_answers_all_count(qtbot, window):
    press(window, KEY.Key_1)
    press(window, KEY.Key_M)
    window.view_state.brush_radius = 2
    rows = (10.5, 14.5, 18.5)
    for y in rows:
        drag(window, at(window, 4, y), at(window, 12, y))
    qtbot.waitUntil(lambda: window.history._snapshot.head.label.startswith("Paint"), timeout=WAIT)
    qtbot.waitUntil(lambda: mask_of(window)[[10, 14, 18], 8].all(), timeout=WAIT)
    undone(qtbot, window)
    assert mask_of(window)[[10, 14], 8].all()
    assert not mask_of(window)[18, 8]


def test_escape_takes_back_the_stroke_in_hand(qtbot, window):
    press(window, KEY.Key_1)
    press(window, KEY.Key_M)
    state, before = window.view_state.state, mask_of(window)
    drag(window, at(window, 8, 4), at(window, 20, 4), let_go=False)
    press(window, KEY.Key_Escape)
    QTest.mouseRelease(window.frame_view, LEFT, NONE, at(window, 20, 4))
    qtbot.wait(100)
    assert window.view_state.state is state
    np.testing.assert_array_equal(window.frame_view._tool.canvas().pixels, before)


def test_a_stroke_that_changes_nothing_is_no_step(qtbot, window):
    press(window, KEY.Key_1)
    press(window, KEY.Key_M)
    window.view_state.brush_radius = 2
    state = window.view_state.state
    place = at(window, 2, 2)
    drag(window, place, place + QPoint(9, 0), button=RIGHT)
    qtbot.wait(100)
    assert window.view_state.state is state


def test_without_a_selection_the_nearest_person_s_mask_is_painted(qtbot, window):
    press(window, KEY.Key_M)
    box = detected_box(window, 1)
    place = at(window, *((box[:2] + box[2:]) / 2))
    hover(window, place)
    after(qtbot, window, lambda: drag(window, place, place + QPoint(60, 0), button=RIGHT))
    assert window.view_state.selected_person == 1
    assert [e.person for e in window.view_state.state.constraints.mask_edits] == [1]


def test_a_person_without_a_mask_is_painted_from_nothing(qtbot, window):
    go_to(qtbot, window, GAP)
    press(window, KEY.Key_2)
    press(window, KEY.Key_M)
    window.view_state.brush_radius = 5
    after(qtbot, window, lambda: drag(window, at(window, 70, 20), at(window, 70, 30)))
    assert mask_of(window, 1)[25, 70]
    state = after(qtbot, window, lambda: press(window, KEY.Key_M, SHIFT))
    assert evidence.mask(state, 1, GAP) is None


def test_keys_and_ctrl_wheel_change_the_brush(window):
    press(window, KEY.Key_M)
    before = window.view_state.brush_radius
    press(window, KEY.Key_BracketRight)
    assert window.view_state.brush_radius > before
    press(window, KEY.Key_BracketLeft)
    assert window.view_state.brush_radius == pytest.approx(before)
    from tests.app.scenes import wheel

    scale = window.frame_view.transform.scale
    wheel(window.frame_view, (50, 50), 120, CTRL)
    assert window.view_state.brush_radius > before
    assert window.frame_view.transform.scale == scale
    assert f"{2 * window.view_state.brush_radius:.0f} px" in window.status.mode.text()


def test_a_stroke_that_the_project_refuses_is_not_shown_any_more(qtbot, window):
    press(window, KEY.Key_1)
    press(window, KEY.Key_M)
    before = mask_of(window)
    window.operations._thread.run(window.operations._drop_store, lambda _: None, lambda _: None)
    drag(window, at(window, 8, 4), at(window, 20, 4))
    qtbot.waitUntil(lambda: bool(window.notifications.texts), timeout=WAIT)
    np.testing.assert_array_equal(window.frame_view._tool.canvas().pixels, before)


def test_an_empty_mask_is_a_mask(qtbot, window):
    """Erased to nothing: it is said that nothing of the person is seen."""
    press(window, KEY.Key_1)
    press(window, KEY.Key_M)
    window.view_state.brush_radius = 200
    state = after(
        qtbot, window,
        lambda: drag(window, at(window, 40, 20), at(window, 50, 30), button=RIGHT),
    )  # fmt: skip
    mask = evidence.mask(state, 0, 6)
    assert isinstance(mask, RunLengthMask)
    assert not mask.decode().any()


def test_leaving_the_tool_before_the_project_answers_leaves_nothing_behind(qtbot, window):
    press(window, KEY.Key_1)
    press(window, KEY.Key_M)
    before = mask_of(window)
    after(
        qtbot,
        window,
        lambda: (drag(window, at(window, 8, 4), at(window, 20, 4)), press(window, KEY.Key_V)),
    )
    undone(qtbot, window)
    press(window, KEY.Key_M)
    np.testing.assert_array_equal(window.frame_view._tool.canvas().pixels, before)


def test_a_press_of_the_brush_stops_the_video_at_the_frame_that_is_seen(qtbot, window):
    press(window, KEY.Key_1)
    press(window, KEY.Key_M)
    window.view_state.playing = True
    qtbot.waitUntil(lambda: window.frame_view.shown_frame != 6, timeout=WAIT)
    state = after(qtbot, window, lambda: drag(window, at(window, 8, 4), at(window, 20, 4)))
    assert not window.view_state.playing
    (edit,) = state.constraints.mask_edits
    assert edit.frame == window.frame_view.shown_frame == window.view_state.frame
