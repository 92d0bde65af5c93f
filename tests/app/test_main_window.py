"""The window as a whole: keys from everywhere, bad input in plain words, nothing heavy loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit

from app import window_start
from app.number_field import NumberField
from engine.structures import ContactLabel, FrameRange

KEY = Qt.Key
HEAVY = ("torch", "onnxruntime", "warp", "smplx", "pyrender", "gsplat")


def press(widget, key, modifier=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(widget, key, modifier)


def test_the_windows_process_loads_nothing_heavy():
    code = (
        "import sys, app.main_window, app.window_start, app.sample, annotations.store;"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_an_empty_window_says_what_to_do(window):
    assert window.arrangement.pages.currentWidget() is window.empty_state
    assert "Import a video" in window.status.mode.text()
    assert window.actions_by_id["import_video"].isEnabled()
    assert not window.actions_by_id["accept"].isEnabled()


def test_a_project_opens_on_its_first_clip(fitted_window):
    assert fitted_window.arrangement.pages.currentWidget() is not fitted_window.empty_state
    assert fitted_window.windowTitle() == "meeting — meeting.dyad — Dyad"


@pytest.mark.parametrize("child", ["frame_view", "mesh_view", "timeline", "clip_browser"])
def test_keys_work_whichever_child_has_the_focus(qtbot, fitted_window, child):
    view_state, widget = fitted_window.view_state, getattr(fitted_window, child)
    widget.setFocus()
    press(widget, KEY.Key_Right)
    press(widget, KEY.Key_Period)
    assert view_state.frame == 2
    press(widget, KEY.Key_Right, Qt.KeyboardModifier.ControlModifier)
    assert view_state.frame == 12
    press(widget, KEY.Key_Home)
    assert view_state.frame == 0
    press(widget, KEY.Key_End)
    assert view_state.frame == view_state.frame_count - 1
    press(widget, KEY.Key_Space)
    assert view_state.playing
    press(widget, KEY.Key_K)
    assert not view_state.playing


def test_a_text_field_keeps_its_keys(qtbot, fitted_window):
    state = fitted_window.view_state.state
    name = fitted_window.people.findChild(QLineEdit)
    name.setFocus()
    name.selectAll()
    QTest.keyClicks(name, "Sam, has e")
    assert name.text() == "Sam, has e"
    press(name, KEY.Key_Return)
    qtbot.waitUntil(lambda: fitted_window.view_state.state is not state)
    assert fitted_window.view_state.state.identities[0].name == "Sam, has e"


def test_enter_in_a_field_gives_the_keys_back_to_the_views(qtbot, fitted_window):
    height = fitted_window.people.findChild(NumberField)
    height.setFocus()
    height.selectAll()
    QTest.keyClicks(height, "1.75")
    press(height, KEY.Key_Return)
    state = fitted_window.view_state.state
    qtbot.waitUntil(lambda: fitted_window.view_state.state is not state)
    assert fitted_window.view_state.state.constraints.heights[0] == 1.75
    assert fitted_window.frame_view.hasFocus()


def test_escape_leaves_a_text_field(fitted_window):
    name = fitted_window.people.findChild(QLineEdit)
    name.setFocus()
    press(name, KEY.Key_Escape)
    assert not name.hasFocus()


def test_a_held_key_works_while_it_is_down(fitted_window):
    view_state, view = fitted_window.view_state, fitted_window.frame_view
    QTest.keyPress(view, KEY.Key_H)
    assert not view_state.overlays_visible
    QTest.keyRelease(view, KEY.Key_H)
    assert view_state.overlays_visible


def test_a_held_key_is_let_go_when_the_window_loses_the_focus(fitted_window):
    QTest.keyPress(fitted_window.frame_view, KEY.Key_H)
    fitted_window.key_filter.release_all()
    assert fitted_window.view_state.overlays_visible


def test_escape_leaves_one_thing_at_a_time(fitted_window):
    view_state, view = fitted_window.view_state, fitted_window.frame_view
    view_state.selection = FrameRange(3, 9)
    press(view, KEY.Key_C)
    assert view_state.tool == "contact"
    assert "Esc to cancel" in fitted_window.status.mode.text()
    press(view, KEY.Key_Escape)
    assert view_state.tool == "select"
    assert view_state.selection is not None
    press(view, KEY.Key_Escape)
    assert view_state.selection is None


def test_delete_removes_the_selected_contact(qtbot, fitted_window):
    view_state = fitted_window.view_state
    label = ContactLabel(0, "left_palm", 1, "right_palm", FrameRange(3, 9))
    fitted_window.operations.edit(lambda store: store.add_contact(view_state.clip_id, label))
    qtbot.waitUntil(lambda: bool(view_state.state.constraints.contacts), timeout=10_000)
    view_state.selected_contact = 0
    press(fitted_window.timeline, KEY.Key_Delete)
    qtbot.waitUntil(lambda: view_state.state.constraints.contacts == (), timeout=10_000)
    press(fitted_window.timeline, KEY.Key_Delete)
    assert "Click a skeleton first" in fitted_window.status.passing.text()


def test_in_and_out_make_the_selection(fitted_window):
    view_state, view = fitted_window.view_state, fitted_window.frame_view
    view_state.frame = 5
    press(view, KEY.Key_I)
    view_state.frame = 11
    press(view, KEY.Key_O)
    assert view_state.selection == FrameRange(5, 12)
    press(view, KEY.Key_Home)
    assert view_state.frame == 5


def drop(window, *paths):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(
        QPointF(50, 50),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    window.dropEvent(event)


def test_what_is_not_a_video_is_one_sentence_and_the_window_lives(qtbot, fitted_window, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"this is no video" * 1000)
    drop(fitted_window, broken)
    qtbot.waitUntil(lambda: bool(fitted_window.notifications.texts), timeout=10_000)
    assert "broken.mp4" in fitted_window.notifications.texts[0]
    assert len(fitted_window.view_state.clips) == 1


def test_what_is_not_a_project_is_refused_and_left_alone(qtbot, fitted_window, tmp_path):
    foreign = tmp_path / "foreign.dyad"
    foreign.write_bytes(b"SQLite format 3\x00 but not really" * 50)
    content = foreign.read_bytes()
    drop(fitted_window, foreign)
    qtbot.waitUntil(lambda: bool(fitted_window.notifications.texts), timeout=10_000)
    assert foreign.read_bytes() == content
    assert fitted_window.projects.path.name == "meeting.dyad"
    press(fitted_window.frame_view, KEY.Key_S)
    qtbot.waitUntil(lambda: fitted_window.history._snapshot.head.kind == "swap", timeout=10_000)


def test_a_second_window_on_the_same_project_is_refused(
    qtbot, fitted_window, make_window, fitted_project
):
    second = make_window()
    second.projects.open(fitted_project)
    qtbot.waitUntil(lambda: bool(second.notifications.texts), timeout=10_000)
    assert second.projects.path is None
    assert second.arrangement.pages.currentWidget() is second.empty_state


def test_an_unforeseen_error_is_logged_and_shown_once(qtbot, window, monkeypatch, caplog):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("threading.excepthook", None)
    window_start.catch_everything(window.notifications.error)
    for _ in range(3):
        try:
            raise RuntimeError("out of cheese")
        except RuntimeError:
            sys.excepthook(*sys.exc_info())
    QApplication.processEvents()
    assert len(window.notifications.texts) == 1
    assert "out of cheese" in window.notifications.texts[0]
    assert "Traceback" in caplog.text
    assert window.isVisible()


def test_the_arrangement_of_the_window_is_kept(qtbot, make_window, preferences):
    first = make_window()
    first.arrangement.docks["Clips"].hide()
    first.close()
    second = make_window()
    assert not second.arrangement.docks["Clips"].isVisible()
    assert second.arrangement.docks["Annotate"].isVisible()


def test_every_action_of_a_fitted_clip_can_be_triggered_without_an_error(
    qtbot, fitted_window, monkeypatch
):
    """All that open no dialog: whatever the state, an action does its work or says why not."""
    dialogs = {
        "import_video", "new_project", "open_project", "open_sample", "export", "assign_splits",
        "preferences", "quit", "go_to_frame", "palette", "help", "open_log", "detect", "refit",
        "refit_clip", "detect_again", "import_detections",
    }  # fmt: skip
    for name, action in fitted_window.actions_by_id.items():
        if name not in dialogs and action.isEnabled():
            action.toggle() if action.isCheckable() else action.trigger()
            qtbot.wait(20)
    assert fitted_window.isVisible()
