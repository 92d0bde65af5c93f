"""The mouse in the real window: drag a joint, click two regions, drag a contact's end, scrub."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest

from engine.structures import FrameRange

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier
WAIT = 10_000


@pytest.fixture
def window(qtbot, fitted_window):
    """A fitted clip whose first frame is on screen."""
    view = fitted_window.frame_view
    qtbot.waitUntil(lambda: view.picture_size is not None, timeout=WAIT)
    qtbot.wait(50)
    return fitted_window


def drag(widget, start: QPoint, end: QPoint, modifier=NONE):
    QTest.mousePress(widget, LEFT, modifier, start)
    for share in (0.3, 0.7, 1.0):
        QTest.mouseMove(widget, start + (end - start) * share)
    QTest.mouseRelease(widget, LEFT, modifier, end)


def region_of(window, person: int) -> QPoint:
    """A place in the 3D view where a click hits the person."""
    view = window.mesh_view
    for y in range(8, view.height(), 12):
        for x in range(8, view.width(), 12):
            under = view.region_under(QPointF(x, y))
            if under is not None and under[0] == person:
                return QPoint(x, y)
    raise AssertionError(f"person {person} is not in sight")


def test_a_joint_is_dragged_where_the_mouse_lets_go(qtbot, window):
    view, state = window.frame_view, window.view_state.state
    points = state.observations.keypoints2d[0, 0]
    target = points[9] + (6.0, -4.0)
    start, end = (QPointF(*view.transform.to_view(p)).toPoint() for p in (points[9], target))
    joint = view.joint_under(QPointF(start))
    assert joint is not None
    drag(view, start, end)
    qtbot.waitUntil(lambda: window.view_state.state is not state, timeout=WAIT)
    edit = window.view_state.state.constraints.keypoint_edits[-1]
    assert (edit.person, edit.keypoint, edit.frame) == (*joint, 0)
    placed = view.transform.to_view(np.array([edit.x, edit.y]))
    np.testing.assert_allclose(placed, [end.x(), end.y()], atol=12)


def test_two_clicks_make_a_contact_and_a_drag_ends_it_elsewhere(qtbot, window):
    view_state, timeline = window.view_state, window.timeline
    view_state.frame = 20
    window.mesh_view.frame_bodies()
    qtbot.wait(50)
    QTest.keyClick(window.mesh_view, Qt.Key.Key_C)
    for person in (0, 1):
        QTest.mouseClick(window.mesh_view, LEFT, NONE, region_of(window, person))
    qtbot.waitUntil(lambda: len(view_state.state.constraints.contacts) == 1, timeout=WAIT)
    contact = view_state.state.constraints.contacts[0]
    assert {contact.person_a, contact.person_b} == {0, 1}
    assert 20 in contact.frames

    lane = next(
        QPoint(x, y)
        for y in range(timeline.height())
        for x in range(0, timeline.width(), 2)
        if (timeline.contact_under(QPointF(x, y)) or (None, None))[1] == "end"
    )
    drag(timeline, lane, lane - QPoint(30, 0))
    qtbot.waitUntil(
        lambda: view_state.state.constraints.contacts[0].frames.stop < contact.frames.stop,
        timeout=WAIT,
    )
    assert view_state.state.constraints.contacts[0].frames.start == contact.frames.start


def test_a_click_in_the_video_selects_the_person_and_d_puts_them_in_front(qtbot, window):
    view_state, view = window.view_state, window.frame_view
    places = [QPoint(x, y) for y in range(0, view.height(), 9) for x in range(0, view.width(), 9)]
    place = next(p for p in places if view.person_under(QPointF(p)) == 1)
    if view.joint_under(QPointF(place)) is None:
        QTest.mouseClick(view, LEFT, NONE, place)
        assert view_state.selected_person == 1
    QTest.keyClick(view, Qt.Key.Key_D)
    assert "nearer to the camera" in window.status.mode.text()
    QTest.mouseClick(view, LEFT, NONE, place)
    qtbot.waitUntil(lambda: len(view_state.state.constraints.depth_orders) == 1, timeout=WAIT)
    assert view_state.state.constraints.depth_orders[0].front == 1
    tip = window.timeline.tip_at(QPointF(window.timeline.scale.x(0.5), 5))
    assert "Person 2 is in front" in tip
    QTest.keyClick(window.frame_view, Qt.Key.Key_D, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: view_state.state.constraints.depth_orders == (), timeout=WAIT)
    QTest.keyClick(window.frame_view, Qt.Key.Key_D, Qt.KeyboardModifier.ShiftModifier)
    assert "Nobody was said to be in front" in window.status.passing.text()


def test_shift_drag_on_the_timeline_selects_and_a_drag_scrubs(qtbot, window):
    view_state, timeline = window.view_state, window.timeline
    middle = timeline.height() // 2
    start, end = QPoint(timeline.width() // 2, middle), QPoint(timeline.width() - 60, middle)
    drag(timeline, start, end, Qt.KeyboardModifier.ShiftModifier)
    assert view_state.selection is not None
    assert len(view_state.selection) > 3
    drag(timeline, QPoint(start.x(), 12), QPoint(end.x(), 12))
    assert view_state.frame == pytest.approx(view_state.selection.stop - 1, abs=2)
    assert view_state.selection != FrameRange(0, view_state.frame_count)
