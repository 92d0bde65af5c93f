"""The menu of a right click, and what it does, in the real window."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu

from annotations.corrections import effective_observations
from tests.app.correcting_scene import (
    CUT,
    KEY,
    NONE,
    RIGHT,
    SHIFT,
    after,
    at,
    chosen,
    detected_box,
    drag,
    press,
    undone,
    words_of,
)


@pytest.fixture
def window(crowded_window):
    return crowded_window


def test_a_right_click_opens_the_menu_with_the_least_destructive_first(qtbot, window):
    box = detected_box(window, 1)
    place = at(window, *((box[:2] + box[2:]) / 2))
    assert window.frame_view.source_under(QPointF(place)) == ("person", 1)
    while window.frame_view.joint_under(QPointF(place)) is not None:
        place += QPoint(3, 0)
    QTest.mousePress(window.frame_view, RIGHT, NONE, place)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    words = words_of(menu)
    menu.close()
    assert words[0] == "Person 2"
    assert words[1:4] == [
        "This is Person 1 in this frame",
        f"This is Person 1 from here on (frames 6-{CUT - 1})",
        "This is Person 1 everywhere (frames 0-39)",
    ]
    assert [w for w in words if w.startswith("Not a person")] == [
        "Not a person: In this frame",
        f"Not a person: From here on (frames 6-{CUT - 1})",
        "Not a person: Everywhere (frames 0-39)",
    ]
    assert {"Paint the mask", "Draw or move the box"} <= set(words)
    assert window.view_state.selected_person == 1


def test_delete_opens_the_menu_of_whoever_is_selected(qtbot, window):
    press(window, KEY.Key_Delete)
    assert "Click a skeleton first" in window.status.passing.text()
    press(window, KEY.Key_3)
    press(window, KEY.Key_Delete)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert "This is Person 1 wherever they are seen (frames 5-35)" in words_of(menu)
    menu.close()


def test_a_person_who_is_somebody_else_goes_there_in_the_frames_that_were_named(qtbot, window):
    before = window.view_state.state.observations
    state = after(
        qtbot, window, lambda: chosen(window, ("person", 0), "Somebody else: From here on")
    )
    assert np.isnan(state.observations.boxes[0, 6:CUT]).all()
    np.testing.assert_array_equal(state.observations.boxes[0, :6], before.boxes[0, :6])
    others = state.observations.others
    kept = [o for o in range(others.person_count) if np.array_equal(
        others.boxes[o, 6:CUT], before.boxes[0, 6:CUT])]  # fmt: skip
    assert len(kept) == 1
    assert undone(qtbot, window).box_edits == ()
    np.testing.assert_array_equal(window.view_state.state.observations.boxes, before.boxes)


def test_what_is_not_a_person_goes(qtbot, window):
    state = after(qtbot, window, lambda: chosen(window, ("other", 0), "Not a person: Wherever"))
    others = state.observations.others
    assert others is None or not np.isfinite(others.boxes).any()
    assert {e.kind for e in state.constraints.box_edits} == {"not_a_person"}
    undone(qtbot, window)
    assert window.view_state.state.observations.others is not None


def test_the_menu_leads_to_the_tools(window):
    chosen(window, ("person", 1), "Paint the mask")
    assert window.view_state.tool == "mask"
    chosen(window, ("person", 1), "Draw or move the box")
    assert window.view_state.tool == "box"


def test_a_joint_that_is_hidden_or_placed_counts_and_is_taken_back(qtbot, window):
    view = window.frame_view
    joint = QPointF(*view.skeletons()[0].points[9]).toPoint()
    person, keypoint = view.joint_under(QPointF(joint))
    state = after(qtbot, window, lambda: QTest.mouseClick(view, RIGHT, NONE, joint))
    shown = view.skeletons()[person]
    assert shown.hidden[keypoint]
    assert not shown.is_sure[keypoint]
    assert effective_observations(state).confidence[person, 6, keypoint] == 0
    state = after(qtbot, window, lambda: QTest.mouseClick(view, RIGHT, NONE, joint))
    assert state.constraints.keypoint_edits == ()
    state = after(qtbot, window, lambda: drag(window, joint, joint + QPoint(40, 0)))
    assert view.skeletons()[person].edited[keypoint]
    (edit,) = state.constraints.keypoint_edits
    found = effective_observations(state)
    assert found.keypoints2d[person, 6, keypoint].tolist() == [edit.x, edit.y]
    assert found.confidence[person, 6, keypoint] == 1
    take_back = lambda: chosen(  # noqa: E731
        window, ("person", person), "Take back the", (person, keypoint)
    )
    assert after(qtbot, window, take_back).constraints.keypoint_edits == ()


def test_shift_and_a_right_click_open_the_menu_on_a_joint(qtbot, window):
    joint = QPointF(*window.frame_view.skeletons()[0].points[9]).toPoint()
    QTest.mousePress(window.frame_view, RIGHT, SHIFT, joint)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert any(words.startswith("Hide the ") for words in words_of(menu))
    menu.close()
    assert window.view_state.state.constraints.keypoint_edits == ()
