"""Messages: they stay as long as they are true, and never move the views under a drag."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolButton

from app import notifications as shown
from app.notifications import Notifications


@pytest.fixture
def notifications(qtbot):
    made = Notifications()
    qtbot.addWidget(made)
    return made


def test_an_error_goes_when_its_topic_is_cleared(notifications):
    notifications.error("broken.mp4 is no video.", "import")
    notifications.error("The fit did not settle.", "clip 1")
    notifications.error("Something went wrong.")
    notifications.clear("import")
    assert notifications.texts == ("The fit did not settle.", "Something went wrong.")
    notifications.clear("")
    assert len(notifications.texts) == 2


def test_another_project_takes_along_all_that_has_a_topic(notifications):
    notifications.error("The fit did not settle.", "clip 1")
    notifications.error("Something went wrong.")
    notifications.clear_topics()
    assert notifications.texts == ("Something went wrong.",)


def test_the_newest_is_closed_first(notifications):
    assert not notifications.close_newest()
    notifications.error("one")
    notifications.error("two")
    assert notifications.close_newest()
    assert notifications.texts == ("one",)


def test_a_cross_closes_a_message_and_the_empty_column_takes_no_room(notifications):
    notifications.error("one")
    QTest.mouseClick(notifications.findChild(QToolButton), Qt.MouseButton.LeftButton)
    assert notifications.texts == ()
    assert notifications.isHidden()


def test_a_message_with_a_button_stays_longer_than_one_without(qtbot, notifications, monkeypatch):
    monkeypatch.setattr(shown, "_PASSING_MILLISECONDS", 50)
    assert shown._CHOOSING_MILLISECONDS >= 20_000
    notifications.info("Detecting: cancelled.", ("Go on", lambda: None))
    notifications.info("2 clips of this video are there already.")
    qtbot.waitUntil(lambda: notifications.texts == ("Detecting: cancelled.",), timeout=2000)
    qtbot.wait(100)
    assert notifications.texts == ("Detecting: cancelled.",)


def test_a_message_waits_while_something_is_dragged(qtbot):
    dragged = [True]
    notifications = Notifications(lambda: bool(dragged))
    qtbot.addWidget(notifications)
    notifications.error("one")
    qtbot.wait(150)
    assert notifications.texts == ()
    dragged.clear()
    qtbot.waitUntil(lambda: notifications.texts == ("one",), timeout=2000)


def test_the_window_knows_what_is_dragged(qtbot, fitted_window):
    window, timeline = fitted_window, fitted_window.timeline
    at = QPoint(timeline.width() // 2, timeline.height() // 2)
    QTest.mousePress(timeline, Qt.MouseButton.LeftButton, pos=at)
    window.notifications.error("one")
    assert window.notifications.texts == ()
    QTest.mouseRelease(timeline, Qt.MouseButton.LeftButton, pos=at)
    qtbot.waitUntil(lambda: window.notifications.texts == ("one",), timeout=2000)


def test_the_same_message_is_shown_once(notifications):
    notifications.error("one", "import")
    notifications.error("one", "import")
    assert notifications.texts == ("one",)
