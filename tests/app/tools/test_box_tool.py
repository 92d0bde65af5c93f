"""Boxes by hand in the real window: draw, move, cancel, take back; each its undo."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from annotations.corrections import effective_observations
from annotations.store import Store
from app import frame_evidence as evidence
from app import worker
from tests.app import steps
from tests.app.correcting_scene import (
    GAP,
    KEY,
    LEFT,
    NONE,
    RIGHT,
    SHIFT,
    WAIT,
    after,
    at,
    chosen,
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


def test_a_corner_is_dragged_and_one_undo_takes_it_back(qtbot, window):
    press(window, KEY.Key_Q)
    assert "Esc to cancel" in window.status.mode.text()
    x0, y0, x1, y1 = detected_box(window, 0)
    state = after(
        qtbot, window, lambda: drag(window, at(window, x1, y1), at(window, x1 + 6, y1 - 4))
    )
    (edit,) = state.constraints.box_edits
    assert (edit.kind, edit.person, edit.frame) == ("person", 0, 6)
    np.testing.assert_allclose(edit.box, [x0, y0, x1 + 6, y1 - 4], atol=1.0)
    np.testing.assert_allclose(effective_observations(state).boxes[0, 6], edit.box)
    np.testing.assert_allclose(evidence.box(state, 0, 6), edit.box)
    assert undone(qtbot, window).box_edits == ()


def test_the_inside_moves_a_box_and_keeps_its_size(qtbot, window):
    press(window, KEY.Key_1)
    press(window, KEY.Key_Q)
    box = detected_box(window, 0)
    middle = (box[:2] + box[2:]) / 2
    state = after(
        qtbot,
        window,
        lambda: drag(window, at(window, *middle), at(window, *np.add(middle, (9, 3)))),
    )
    (edit,) = state.constraints.box_edits
    moved = np.array(edit.box)
    np.testing.assert_allclose(moved[2:] - moved[:2], box[2:] - box[:2], atol=1e-6)
    np.testing.assert_allclose(moved[0] - box[0], 9, atol=1.0)


def test_the_cursor_says_what_a_press_would_do(window):
    press(window, KEY.Key_1)
    press(window, KEY.Key_Q)
    view, (x0, y0, x1, y1) = window.frame_view, detected_box(window, 0)
    for place, shape in (
        ((x0, y0), Qt.CursorShape.SizeFDiagCursor),
        ((x1, y0), Qt.CursorShape.SizeBDiagCursor),
        (((x0 + x1) / 2, y1), Qt.CursorShape.SizeVerCursor),
        ((x0, (y0 + y1) / 2), Qt.CursorShape.SizeHorCursor),
        (((x0 + x1) / 2, (y0 + y1) / 2), Qt.CursorShape.SizeAllCursor),
        ((1.0, 1.0), Qt.CursorShape.CrossCursor),
    ):
        hover(window, at(window, *place))
        assert view.cursor().shape() == shape, place


def test_a_box_drawn_where_one_person_is_missing_is_that_person_s(qtbot, window):
    go_to(qtbot, window, GAP)
    press(window, KEY.Key_1)  # the other one is selected, and yet there is one meaning only
    press(window, KEY.Key_Q)
    assert "Person 2, who has no box here" in window.status.mode.text()
    inside = detected_box(window, 0)[:2] + 4
    state = after(
        qtbot,
        window,
        lambda: drag(window, at(window, *inside), at(window, *np.add(inside, (20, 25)))),
    )
    (edit,) = state.constraints.box_edits
    assert (edit.kind, edit.person, edit.frame) == ("person", 1, GAP)
    np.testing.assert_allclose(edit.box, [*inside, *np.add(inside, (20, 25))], atol=1.0)
    assert undone(qtbot, window).box_edits == ()


def test_shift_draws_anew_over_an_old_box_for_the_selected_person(qtbot, window):
    press(window, KEY.Key_2)
    press(window, KEY.Key_Q)
    centre = (detected_box(window, 0)[:2] + detected_box(window, 0)[2:]) / 2
    start, end = at(window, *centre), at(window, *(centre + 20))
    state = after(qtbot, window, lambda: drag(window, start, end, modifier=SHIFT))
    assert [e.person for e in state.constraints.box_edits] == [1]


def test_without_a_selection_a_new_box_is_the_nearest_person_s(qtbot, window):
    press(window, KEY.Key_Q)
    for person in (0, 1):
        box = detected_box(window, person)
        start, end = at(window, *(box[:2] + 10)), at(window, *(box[2:] - 10))
        state = after(qtbot, window, lambda a=start, b=end: drag(window, a, b, modifier=SHIFT))
        assert {e.person for e in state.constraints.box_edits} == set(range(person + 1))


def test_escape_drops_the_box_in_hand_and_the_next_one_leaves_the_tool(qtbot, window):
    press(window, KEY.Key_Q)
    x1, y1 = detected_box(window, 0)[2:]
    state = window.view_state.state
    drag(window, at(window, x1, y1), at(window, x1 + 9, y1 + 9), let_go=False)
    press(window, KEY.Key_Escape)
    assert window.view_state.tool == "box"
    QTest.mouseRelease(window.frame_view, LEFT, NONE, at(window, x1 + 9, y1 + 9))
    qtbot.wait(100)
    assert window.view_state.state is state
    press(window, KEY.Key_Escape)
    assert window.view_state.tool == "select"


def test_a_slip_of_the_hand_draws_no_box(qtbot, window):
    go_to(qtbot, window, GAP)
    press(window, KEY.Key_Q)
    state = window.view_state.state
    drag(window, at(window, 75, 12), at(window, 76, 13))
    qtbot.wait(100)
    assert window.view_state.state is state


def test_a_drawn_box_is_taken_back_by_key_and_by_menu(qtbot, window):
    press(window, KEY.Key_Q)
    x1, y1 = detected_box(window, 0)[2:]
    for take_back in (
        lambda: press(window, KEY.Key_Q, SHIFT),
        lambda: chosen(window, ("person", 0), "Take back the drawn box"),
    ):
        after(qtbot, window, lambda: drag(window, at(window, x1, y1), at(window, x1 + 5, y1)))
        assert after(qtbot, window, take_back).constraints.box_edits == ()


def test_alt_and_the_arrows_move_a_box_in_one_step(qtbot, window):
    ALT = Qt.KeyboardModifier.AltModifier
    press(window, KEY.Key_2)
    press(window, KEY.Key_Q)
    box, view = detected_box(window, 1), window.frame_view
    for key, modifier in ((KEY.Key_Right, ALT), (KEY.Key_Right, ALT), (KEY.Key_Down, ALT | SHIFT)):
        QTest.keyPress(view, key, modifier)
    state = after(qtbot, window, lambda: QTest.keyRelease(view, KEY.Key_Alt))
    (edit,) = state.constraints.box_edits
    step = 2 / view.transform.scale
    np.testing.assert_allclose(edit.box, box + step * np.array([2, 0, 2, 1]))
    assert edit.person == 1
    QTest.keyPress(view, KEY.Key_Up, ALT)
    press(window, KEY.Key_Escape)
    QTest.keyRelease(view, KEY.Key_Alt)
    qtbot.wait(100)
    assert window.view_state.state is state


def test_alt_and_an_arrow_bring_the_nearest_box_to_whoever_has_none(qtbot, window):
    go_to(qtbot, window, GAP)
    press(window, KEY.Key_Q)
    QTest.keyPress(window.frame_view, KEY.Key_Left, Qt.KeyboardModifier.AltModifier)
    state = after(qtbot, window, lambda: QTest.keyRelease(window.frame_view, KEY.Key_Alt))
    (edit,) = state.constraints.box_edits
    assert (edit.person, edit.frame) == (1, GAP)
    near = state.observations.boxes[1, GAP - 1] - 2 / window.frame_view.transform.scale * np.array(
        [1, 0, 1, 0]
    )
    np.testing.assert_allclose(edit.box, near)


def test_who_was_not_found_at_all_gets_a_box_and_the_detector_is_told(
    qtbot, make_window, tmp_path, video, monkeypatch
):
    path = tmp_path / "new.dyad"
    with Store.create(path) as store:
        store.add_clip(video)
    window = make_window()
    window.projects.open(path)
    qtbot.waitUntil(lambda: window.view_state.state is not None, timeout=WAIT)
    go_to(qtbot, window, 3)
    press(window, KEY.Key_Q)
    assert "then detect" in window.status.mode.text()
    for x in (20, 90):
        after(qtbot, window, lambda x=x: drag(window, at(window, x, 20), at(window, x + 40, 80)))
    said = window.view_state.state.constraints.box_edits
    assert [(e.person, e.frame) for e in said] == [(0, 3), (1, 3)]
    window.frame_view.grab()
    assert not window.people._corrections.isVisibleTo(window.people)
    monkeypatch.setattr(worker, "perceive", steps.perceive)
    monkeypatch.setattr(worker, "fit", steps.fit)
    asked = []
    window.jobs.started.connect(asked.append)
    window.actions_by_id["detect"].trigger()
    qtbot.waitUntil(lambda: window.view_state.state.observations is not None, timeout=30_000)
    assert asked[0].arguments["request"]["box_edits"] == said
    assert window.view_state.state.constraints.box_edits == said


def test_another_button_in_the_middle_of_a_drag_does_not_end_it(qtbot, window):
    press(window, KEY.Key_Q)
    x1, y1 = detected_box(window, 0)[2:]
    start, end = at(window, x1, y1), at(window, x1 + 9, y1)
    drag(window, start, end, let_go=False)
    QTest.mouseClick(window.frame_view, RIGHT, NONE, end)
    assert window.frame_view._tool.is_busy
    assert QApplication.activePopupWidget() is None
    state = after(qtbot, window, lambda: QTest.mouseRelease(window.frame_view, LEFT, NONE, end))
    assert len(state.constraints.box_edits) == 1
