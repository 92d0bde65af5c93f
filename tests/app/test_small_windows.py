"""On a small screen nothing is cut off: panels wrap, the tool bar folds, dialogs fit."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QToolButton

from app.help import HelpDialog
from app.panel import Panel
from tests.app.correcting_scene import WAIT

NARROWEST = 250
"""Pixels inside a panel in the narrowest dock."""


@pytest.mark.parametrize("name", ["people", "contacts", "fit", "review", "history"])
def test_a_panel_needs_no_more_than_the_narrowest_dock(qtbot, crowded_window, name):
    window = crowded_window
    window.editing.rename(0, "Maximiliane Musterfrau-Habersbrunner")
    window.correcting.move_keypoint(0, 6, 9, 20.0, 20.0)
    qtbot.waitUntil(lambda: bool(window.view_state.state.constraints.keypoint_edits), timeout=WAIT)
    panel = getattr(window, name)
    assert isinstance(panel, Panel)
    assert panel.widget().minimumSizeHint().width() <= NARROWEST


def test_commands_that_the_tool_bar_has_no_room_for_are_behind_a_button_that_is_seen(qtbot, window):
    window.resize(window.minimumSizeHint())
    more = window.tool_bar.findChild(QToolButton, "qt_toolbar_ext_button")
    qtbot.waitUntil(more.isVisible, timeout=WAIT)
    assert not more.icon().isNull()


def test_the_page_of_keys_fits_the_screen(qtbot, window):
    dialog = HelpDialog(window)
    qtbot.addWidget(dialog)
    room = dialog.screen().availableSize()
    assert dialog.height() < room.height() and dialog.width() < room.width()


def test_a_hint_that_the_status_line_has_no_room_for_ends_in_dots(qtbot, window):
    hint = "Drag the ends of the contact on the timeline; E fits the bodies to it. " * 4
    status = window.statusBar()
    status.hint(hint)
    qtbot.waitUntil(lambda: status.passing.shown_text.endswith("…"), timeout=WAIT)
    assert status.passing.text() == status.passing.toolTip() == hint
    status.hint("Undone.")
    assert status.passing.shown_text == "Undone."
