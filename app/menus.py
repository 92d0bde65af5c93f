"""The menu bar and the tool bar, both made from the table of actions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QDockWidget,
    QMainWindow,
    QMenu,
    QSizePolicy,
    QToolBar,
    QToolButton,
    QWidget,
)

from app import actions, icons

_TOOL_BAR = (
    ("import_video", "export"),
    ("undo", "redo"),
    ("first_frame", "step_back", "play", "step_forward", "last_frame", "next_suspicious"),
    ("tool_select", "tool_box", "tool_mask", "tool_contact", "tool_depth"),
    ("swap", "distrust", "freeze"),
    ("refit", "refit_clip"),
    ("show_before", "keep", "discard"),
    None,
    ("accept", "send_back", "unusable"),
    ("hide_overlays", "palette", "help"),
)
"""Groups of action ids; None is a space that stretches."""
ICON = QSize(20, 20)


def fill_menu_bar(window: QMainWindow, made: Mapping[str, QAction]) -> None:
    """One menu per name in the table, its rows in order."""
    bar = window.menuBar()
    menus: dict[str, QMenu] = {}
    for spec in actions.ACTIONS:
        menu = menus.get(spec.menu)
        if menu is None:
            menu = menus[spec.menu] = bar.addMenu(spec.menu)
            menu.setToolTipsVisible(True)
        if spec.starts_group:
            menu.addSeparator()
        menu.addAction(made[spec.id])


def list_docks(window: QMainWindow, docks: Iterable[QDockWidget]) -> None:
    """Panels that were closed come back by the View menu."""
    menu = next(a.menu() for a in window.menuBar().actions() if a.text() == "View")
    listed = menu.addMenu("Panels")
    for dock in docks:
        listed.addAction(dock.toggleViewAction())


def fill_tool_bar(window: QMainWindow, made: Mapping[str, QAction]) -> QToolBar:
    bar = QToolBar("Tools")
    bar.setObjectName("Tools")
    bar.setMovable(False)
    bar.setIconSize(ICON)
    bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
    bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
    stretched = False
    for index, group in enumerate(_TOOL_BAR):
        if group is None:
            space = QWidget()
            space.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
            bar.addWidget(space)
            stretched = True
            continue
        if index and not stretched:
            bar.addSeparator()
        stretched = False
        for name in group:
            bar.addAction(made[name])
            bar.widgetForAction(made[name]).setFocusPolicy(Qt.FocusPolicy.NoFocus)
    window.addToolBar(bar)
    more = bar.findChild(QToolButton, "qt_toolbar_ext_button")
    more.setIcon(icons.icon("more"))  # Qt's own is dark on dark
    more.setToolTip("More commands")
    return bar


def mark_tool(bar: QToolBar, made: Mapping[str, QAction], tool: str) -> None:
    """The button of the tool that is on looks so."""
    for name in (name for group in _TOOL_BAR if group is not None for name in group):
        button = bar.widgetForAction(made[name])
        is_on = name == f"tool_{tool}"
        if button.property("on") != is_on:
            button.setProperty("on", is_on)
            button.style().polish(button)  # a style sheet reads a property once


def name_step(action: QAction, verb: str, label: str | None) -> None:
    """Undo and redo say what they would undo."""
    spec = next(s for s in actions.ACTIONS if s.id == action.objectName())
    action.setText(f"{verb} “{label}”" if label else verb)
    if label:
        action.setToolTip(f"{verb} “{label}” ({actions.key_text(spec)})")
