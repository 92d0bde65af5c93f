"""The clip list: what a row says, how it follows the view state, what may be dropped on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.clip_browser import STATUS_LOOKS, ClipBrowser, length_words
from app.icons import GLYPHS
from app.theme import theme
from app.view_state import ViewState
from tests.app.scenes import click, heard, make_clip, shown


@pytest.fixture
def view_state(qapp):
    made = ViewState()
    made.clips = (make_clip(1), make_clip(2), make_clip(3, name="hug", status="accepted"))
    return made


@pytest.fixture
def browser(qtbot, view_state):
    made = shown(qtbot, lambda: ClipBrowser(view_state), 280, 400)
    yield made
    made.thumbnails.wait()


def drop(browser: ClipBrowser, *urls: str) -> tuple[bool, bool]:
    """Drag something over the list and let it go; whether entering and dropping were accepted."""
    data = QMimeData()
    data.setUrls([QUrl(url) for url in urls])
    how = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier(0))
    enter = QDragEnterEvent(QPoint(50, 50), *how)
    enter.ignore()
    QApplication.sendEvent(browser.viewport(), enter)
    fall = QDropEvent(QPointF(50, 50), *how)
    fall.ignore()
    QApplication.sendEvent(browser.viewport(), fall)
    return enter.isAccepted(), fall.isAccepted()


def test_a_row_says_name_status_and_length(browser):
    index = browser.model().index(2)
    assert index.data() == "hug"
    spoken = index.data(Qt.ItemDataRole.AccessibleTextRole)
    assert spoken == "hug, accepted, 0.4 s · 12 frames"


@pytest.mark.parametrize(
    ("seconds", "fps", "words"),
    [
        (6.5, 30, "6.5 s · 195 frames"),
        (125, 30, "2:05 · 3750 frames"),
        (1, 25, "1.0 s · 25 frames"),
    ],
)
def test_lengths_are_told_in_seconds_or_minutes(seconds, fps, words):
    clip = make_clip(1)
    times = np.arange(round(seconds * fps)) / fps
    assert length_words(replace(clip, video=replace(clip.video, times=times))) == words


def test_choosing_a_row_shows_the_clip(browser, view_state):
    rect = browser.visualRect(browser.model().index(1))
    QTest.mouseClick(
        browser.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier(0), rect.center()
    )
    assert view_state.clip_id == 2
    QTest.keyClick(browser, Qt.Key.Key_Down)
    assert view_state.clip_id == 3


def test_the_list_follows_the_view_state(browser, view_state):
    view_state.clip_id = 3
    assert browser.currentIndex().row() == 2
    view_state.clip_id = None
    assert not browser.selectionModel().hasSelection()


def test_a_new_status_keeps_the_row_chosen(browser, view_state):
    view_state.clip_id = 2
    first, second, third = view_state.clips
    view_state.clips = (first, replace(second, status="accepted"), third)
    assert (browser.currentIndex().row(), view_state.clip_id) == (1, 2)
    view_state.clips = (make_clip(9), first, second)
    assert (browser.currentIndex().row(), view_state.clip_id) == (2, 2)


def test_every_status_has_a_colour_and_an_icon():
    from typing import get_args, get_type_hints

    from annotations.records import ClipRecord

    statuses = set(get_args(get_type_hints(ClipRecord)["status"]))
    assert set(STATUS_LOOKS) == statuses
    for token, glyph in STATUS_LOOKS.values():
        assert hasattr(theme().tokens, token)
        assert glyph in GLYPHS


def test_files_dropped_on_the_list_are_offered_for_import(browser):
    dropped = heard(browser.files_dropped)
    assert drop(browser, "file:///clips/a.mp4", "file:///clips/b c.mov") == (True, True)
    assert dropped == [(["/clips/a.mp4", "/clips/b c.mov"],)]


def test_what_is_no_local_file_is_not_taken(browser):
    dropped = heard(browser.files_dropped)
    assert drop(browser, "https://example.org/a.mp4") == (False, False)
    assert dropped == []


def test_a_click_on_the_empty_list_asks_for_videos(browser, view_state):
    asked = heard(browser.import_requested)
    click(browser.viewport(), (100.0, 100.0))
    assert asked == []
    view_state.clips = ()
    click(browser.viewport(), (100.0, 100.0))
    assert asked == [()]
    browser.grab()


def test_a_video_s_picture_arrives_and_a_missing_video_stays_without(qtbot, qapp, video):
    view_state = ViewState()
    gone = make_clip(2)
    view_state.clips = (make_clip(1, video=video), gone)
    browser = shown(qtbot, lambda: ClipBrowser(view_state), 280, 200)
    with qtbot.waitSignal(browser.thumbnails.ready) as arrived:
        browser.grab()
    assert arrived.args == [video.sha256]
    browser.thumbnails.wait()
    assert browser.thumbnails.get(video).width() == 160
    assert browser.thumbnails.get(gone.video) is None
    browser.grab()
