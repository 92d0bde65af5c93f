"""Detections corrected by hand in the real window: every gesture, its cancel and its undo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu

from annotations.corrections import effective_observations
from annotations.store import Store
from app import frame_evidence as evidence
from app import worker
from engine.structures import FrameRange, KeypointEdit, Observations, RunLengthMask, VideoInfo
from tests.annotations.builders import make_fit
from tests.app import steps

KEY, LEFT, RIGHT = Qt.Key, Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NONE = Qt.KeyboardModifier.NoModifier
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
WAIT = 10_000
GAP = 20
"""Person 2 is lost here for three frames."""
CUT = 30
OTHER_SEEN = slice(5, 36)
BOXES = np.array([[20.0, 30.0, 56.0, 88.0], [100.0, 30.0, 136.0, 88.0], [70.0, 4.0, 88.0, 34.0]])
"""The two people and somebody else in frame 0, in picture pixels; all move a little."""


def joints_in(box: np.ndarray) -> np.ndarray:
    """26 joints on a grid, far enough from each other for a mouse."""
    share = np.stack([np.arange(26) % 4 / 3.0, np.arange(26) // 4 / 6.0], -1)
    return box[:2] + 3 + share * (box[2:] - box[:2] - 6)


def people_of(video: VideoInfo) -> Observations:
    """Two people, and somebody else above and between them; a cut at frame 30."""
    count = video.frame_count
    step = 0.1 * np.arange(count)[None, :, None] * np.array([1, 0, 1, 0])
    boxes = BOXES[:, None] + step
    boxes[1, GAP : GAP + 3] = np.nan
    boxes[2, : OTHER_SEEN.start] = boxes[2, OTHER_SEEN.stop :] = np.nan
    keypoints = np.stack([np.stack([joints_in(box) for box in row]) for row in boxes])
    confidence = np.where(np.isfinite(keypoints[..., 0]), 0.8, 0.0)
    common = {"layout": "halpe26", "times": video.times, "image_size": video.image_size}
    other = Observations(keypoints[2:], confidence[2:], boxes=boxes[2:], **common)
    masks = tuple(tuple(mask_in(box, video) for box in row) for row in boxes[:2])
    return Observations(
        keypoints[:2], confidence[:2], boxes=boxes[:2], masks=masks, others=other, cuts=(CUT,),
        notes=("Somebody walks past.",), **common,
    )  # fmt: skip


def mask_in(box: np.ndarray, video: VideoInfo) -> RunLengthMask | None:
    if not np.isfinite(box).all():
        return None
    rows, columns = np.mgrid[: video.height, : video.width] + 0.5
    x, y = (box[:2] + box[2:]) / 2
    width, height = box[2:] - box[:2]
    return RunLengthMask.encode(((columns - x) / width) ** 2 + ((rows - y) / height) ** 2 <= 0.25)


@pytest.fixture
def window(qtbot, make_window, tmp_path: Path, video: VideoInfo):
    """Two people and somebody else, fitted, with the video's frame 6 on screen."""
    path = tmp_path / "meeting.dyad"
    with Store.create(path, author="Ann") as store:
        clip = store.add_clip(video).clip_id
        store.set_observations(clip, people_of(video), {"by": "test"})
        whole = FrameRange(0, video.frame_count)
        store.apply_fit(clip, make_fit(video), whole, store.head(clip).id)
    window = make_window()
    window.projects.open(path)
    qtbot.waitUntil(lambda: window.view_state.state is not None, timeout=WAIT)
    go_to(qtbot, window, 6)
    return window


def go_to(qtbot, window, frame: int) -> None:
    window.view_state.frame = frame
    qtbot.waitUntil(lambda: window.frame_view.shown_frame == frame, timeout=WAIT)
    QApplication.processEvents()


def at(window, x: float, y: float) -> QPoint:
    """A point of the picture in the frame view."""
    return QPointF(*window.frame_view.transform.to_view(np.array([x, y]))).toPoint()


def drag(window, start: QPoint, end: QPoint, button=LEFT, modifier=NONE, let_go=True) -> None:
    view = window.frame_view
    QTest.mousePress(view, button, modifier, start)
    for share in (0.3, 0.7, 1.0):
        QTest.mouseMove(view, start + (end - start) * share)
    if let_go:
        QTest.mouseRelease(view, button, modifier, end)


def after(qtbot, window, gesture: Callable[[], object]):
    """The state that a gesture leads to."""
    before = window.view_state.state
    gesture()
    qtbot.waitUntil(lambda: window.view_state.state is not before, timeout=WAIT)
    return window.view_state.state


def undone(qtbot, window):
    return after(
        qtbot, window, lambda: QTest.keyClick(window.frame_view, KEY.Key_Z, CTRL)
    ).constraints


def press(window, key, modifier=NONE) -> None:
    QTest.keyClick(window.frame_view, key, modifier)


def detected_box(window, person: int) -> np.ndarray:
    return window.view_state.state.observations.boxes[person, window.view_state.frame]


# -- boxes --------------------------------------------------------------------------------------


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
        QTest.mouseMove(view, at(window, *place))
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
    drag(window, at(window, 60, 50), at(window, 61, 51))
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


# -- masks --------------------------------------------------------------------------------------


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
    QTest.mouseMove(window.frame_view, place)
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


# -- who is who ---------------------------------------------------------------------------------


def test_somebody_else_is_chosen_by_a_click_and_becomes_person_1(qtbot, window):
    view, view_state = window.frame_view, window.view_state
    points = view_state.state.observations.others.keypoints2d[0, 6]
    QTest.mouseMove(view, at(window, *points[3]))
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


# -- the menu -----------------------------------------------------------------------------------


def words_of(menu: QMenu) -> list[str]:
    """Everything in a menu and below it, without keys."""
    found = []
    for action in menu.actions():
        if action.menu() is not None:
            found += [f"{action.text()}: {word}" for word in words_of(action.menu())]
        elif not action.isSeparator():
            found.append(action.text().split("\t")[0])
    return found


def chosen(window, source, words: str, joint=None) -> None:
    """Choose a line of the menu of `source`; one below another as "Not a person: In this frame"."""
    menu = window.person_menu.build(source, joint)
    for name in words.split(": "):
        action = next(a for a in menu.actions() if a.text().split("\t")[0].startswith(name))
        menu = action.menu() or menu
    action.trigger()


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


# -- joints -------------------------------------------------------------------------------------


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


# -- the panel, and detecting again -------------------------------------------------------------


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
