"""Who is who by hand in the real window, who else is there, and detecting again with that."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from app import worker
from engine.structures import FrameRange, KeypointEdit
from tests.app import steps
from tests.app.correcting_scene import (
    CTRL,
    CUT,
    KEY,
    LEFT,
    NONE,
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


def test_somebody_else_is_chosen_by_a_click_and_becomes_person_1(qtbot, window):
    view, view_state = window.frame_view, window.view_state
    points = view_state.state.observations.others.keypoints2d[0, 6]
    hover(window, at(window, *points[3]))
    assert view.cursor().shape() == Qt.CursorShape.PointingHandCursor
    QTest.mouseClick(view, LEFT, NONE, at(window, *points[3]))
    assert view_state.selected_other == 0
    assert view_state.selected_person is None
    assert "Ctrl+1" in window.status.mode.text()
    before = view_state.state.observations
    state = after(qtbot, window, lambda: press(window, KEY.Key_1, CTRL))
    found = state.observations
    here, shot = 6, slice(6, CUT)
    np.testing.assert_array_equal(found.keypoints2d[0, here], points)
    np.testing.assert_array_equal(found.keypoints2d[0, shot], before.others.keypoints2d[0, shot])
    np.testing.assert_array_equal(found.keypoints2d[0, :6], before.keypoints2d[0, :6])
    np.testing.assert_array_equal(found.keypoints2d[0, CUT:], before.keypoints2d[0, CUT:])
    assert view_state.selected_person == 0
    assert view_state.selected_other is None
    undone(qtbot, window)
    np.testing.assert_array_equal(view_state.state.observations.keypoints2d, before.keypoints2d)


def test_with_shift_somebody_else_is_assigned_in_this_frame_only(qtbot, window):
    press(window, KEY.Key_3)
    assert window.view_state.selected_other == 0
    before = window.view_state.state.observations
    state = after(qtbot, window, lambda: press(window, KEY.Key_2, CTRL | SHIFT))
    changed = (state.observations.boxes[1] != before.boxes[1]) & np.isfinite(before.boxes[1])
    assert np.flatnonzero(changed.any(1)).tolist() == [6]


def test_a_selection_limits_the_assignment(qtbot, window):
    press(window, KEY.Key_3)
    window.view_state.selection = FrameRange(8, 11)
    before = window.view_state.state.observations
    state = after(qtbot, window, lambda: press(window, KEY.Key_1, CTRL))
    changed = (state.observations.boxes[0] != before.boxes[0]).any(1)
    assert np.flatnonzero(changed).tolist() == [8, 9, 10]


def test_what_a_person_has_after_the_other_is_gone_stays(qtbot, window):
    go_to(qtbot, window, 32)
    press(window, KEY.Key_3)
    before = window.view_state.state.observations
    state = after(qtbot, window, lambda: press(window, KEY.Key_1, CTRL))
    changed = (state.observations.boxes[0] != before.boxes[0]).any(1)
    assert np.flatnonzero(changed).tolist() == [32, 33, 34, 35]


def test_ctrl_with_a_person_s_own_number_says_so_and_changes_nothing(qtbot, window):
    state = window.view_state.state
    press(window, KEY.Key_1)
    press(window, KEY.Key_1, CTRL)
    assert "is Person 1 already" in window.status.passing.text()
    assert window.view_state.state is state
    before = state.observations.boxes
    state = after(qtbot, window, lambda: press(window, KEY.Key_2, CTRL))
    np.testing.assert_array_equal(state.observations.boxes[0, 6:CUT], before[1, 6:CUT])
    np.testing.assert_array_equal(state.observations.boxes[:, CUT:], before[:, CUT:])
    assert window.view_state.selected_person == 1


def test_a_swap_ends_where_the_shot_ends(qtbot, window):
    before = window.view_state.state.observations.boxes
    state = after(qtbot, window, lambda: press(window, KEY.Key_S))
    np.testing.assert_array_equal(state.observations.boxes[0, 6:CUT], before[1, 6:CUT])
    np.testing.assert_array_equal(state.observations.boxes[:, CUT:], before[:, CUT:])


def test_the_panel_lists_who_else_is_in_view_and_goes_there(qtbot, window):
    listed = window.people.others
    assert list(listed.rows) == [0]
    qtbot.waitUntil(lambda: listed.rows[0].has_picture, timeout=WAIT)
    window.view_state.frame = 39
    QTest.mouseClick(listed.rows[0], LEFT)
    assert window.view_state.selected_other == 0
    assert window.view_state.frame == 35
    state = after(qtbot, window, listed.rows[0].buttons[1].click)
    assert np.isfinite(state.observations.boxes[1, 35]).all()
    assert window.view_state.selected_person == 1


def test_notes_of_the_clip_are_shown(window):
    assert "Somebody walks past." in window.people._notes.text()


@pytest.fixture
def another_detector(monkeypatch):
    """A worker that answers at once, and what it was asked for."""
    monkeypatch.setattr(worker, "perceive", steps.perceive)
    monkeypatch.setattr(worker, "fit", steps.fit)


def test_corrections_offer_to_detect_again_and_survive_it(qtbot, window, another_detector):
    card = window.people._corrections
    assert not card.isVisibleTo(window.people)
    press(window, KEY.Key_Q)
    x1, y1 = detected_box(window, 0)[2:]
    after(qtbot, window, lambda: drag(window, at(window, x1, y1), at(window, x1 + 5, y1)))
    edit = KeypointEdit(1, 9, 4, 3.0, 5.0)
    after(
        qtbot, window,
        lambda: window.correcting.move_keypoint(1, 9, 4, edit.x, edit.y),
    )  # fmt: skip
    assert card.isVisibleTo(window.people)
    assert "2 corrections since" in window.people._corrected.text()
    said = window.view_state.state.constraints
    before = window.view_state.state.observations
    window.view_state.selection = FrameRange(4, 12)
    submitted = []
    window.jobs.started.connect(submitted.append)
    press(window, KEY.Key_D, CTRL)
    qtbot.waitUntil(lambda: window.history._snapshot.head.kind == "observations", timeout=30_000)
    asked = submitted[0].arguments["request"]
    assert asked["frames"] == FrameRange(4, 12)
    assert asked["box_edits"] == said.box_edits
    assert asked["keypoint_edits"] == said.keypoint_edits
    state = window.view_state.state
    assert state.constraints == said
    assert not card.isVisibleTo(window.people)
    outside = np.r_[0:4, 12:40]
    np.testing.assert_array_equal(
        state.observations.keypoints2d[:, outside], before.keypoints2d[:, outside]
    )


def test_a_detection_that_runs_starts_anew_with_what_is_corrected(qtbot, window, monkeypatch):
    monkeypatch.setattr(worker, "perceive", steps.slow_perceive)
    asked = []
    window.jobs.started.connect(asked.append)
    window.view_state.selection = FrameRange(4, 12)
    press(window, KEY.Key_D, CTRL)
    qtbot.waitUntil(lambda: len(asked) == 1, timeout=30_000)
    state = after(qtbot, window, lambda: window.correcting.move_keypoint(1, 9, 4, 3.0, 5.0))
    qtbot.waitUntil(lambda: len(asked) == 2, timeout=30_000)
    first, second = (job.arguments["request"] for job in asked)
    assert first["keypoint_edits"] == ()
    assert second["keypoint_edits"] == state.constraints.keypoint_edits != ()
    assert first["frames"] == second["frames"] == FrameRange(4, 12)
    window.editing.rename(0, "Ann")
    qtbot.wait(200)
    assert len(asked) == 2, "a name is nothing to a detector"
    window.fitting.cancel()
