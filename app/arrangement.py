"""Where the window's views and panels stand: pages, splitters and docks, and how they were left."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QDockWidget,
    QMainWindow,
    QSplitter,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.panel import Panel
from app.preferences import Preferences

STATE_VERSION = 1
"""Raised when the docks change, so that an old arrangement is not forced on new ones."""
FIRST_SIZE = QSize(1440, 900)
FIRST_WIDTHS, FIRST_HEIGHTS = (230, 310), (430, 370)
"""Pixels of the docks left and right, and of the two on the right."""
FRAME = QSize(8, 48)
"""Pixels that a window manager draws around a window, roughly; Qt knows only once it is shown."""
LEFT, RIGHT = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea


class Arrangement:
    """The desk (views above the timeline) or what an empty window says, with docks around it."""

    def __init__(self, window: QMainWindow, messages: QWidget, empty: QWidget) -> None:
        self._window = window
        self._views = QSplitter(Qt.Orientation.Horizontal)
        self._desk = QSplitter(Qt.Orientation.Vertical)
        self.pages = QStackedWidget()
        self.pages.addWidget(empty)
        self.pages.addWidget(self._desk)
        self.docks: dict[str, QDockWidget] = {}
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(messages)
        column.addWidget(self.pages, 1)
        window.setCentralWidget(centre)

    def show_desk(self, is_shown: bool) -> None:
        """The desk, or what an empty window says."""
        self.pages.setCurrentIndex(1 if is_shown else 0)

    def put_views(self, views: Sequence[QWidget], timeline: QWidget) -> None:
        """Views side by side, the timeline below them."""
        for view in views:
            self._views.addWidget(view)
        self._views.setSizes([600, 500])
        self._desk.addWidget(self._views)
        self._desk.addWidget(timeline)
        self._desk.setStretchFactor(0, 1)
        self._desk.setStretchFactor(1, 0)
        for splitter in (self._views, self._desk):
            splitter.setChildrenCollapsible(False)

    def put_docks(self, clips: QWidget, said: Sequence[Panel], judged: Sequence[Panel]) -> None:
        """The clips on the left; on the right what is said of one, and what is thought of it."""
        window = self._window
        for name, widget, area in (
            ("Clips", clips, LEFT),
            ("Annotate", _tabs(*said), RIGHT),
            ("Judge", _tabs(*judged), RIGHT),
        ):
            self.docks[name] = self._dock(name, widget)
            window.addDockWidget(area, self.docks[name])
        for corner in (Qt.Corner.BottomLeftCorner, Qt.Corner.TopLeftCorner):
            window.setCorner(corner, LEFT)
        for corner in (Qt.Corner.BottomRightCorner, Qt.Corner.TopRightCorner):
            window.setCorner(corner, RIGHT)
        beside = [self.docks["Clips"], self.docks["Annotate"]]
        window.resizeDocks(beside, FIRST_WIDTHS, Qt.Orientation.Horizontal)

    def _dock(self, title: str, widget: QWidget) -> QDockWidget:
        dock = QDockWidget(title, self._window)
        dock.setObjectName(title)
        dock.setWidget(widget)
        if isinstance(widget, QTabWidget):
            dock.setTitleBarWidget(QWidget())  # the tabs are title enough
        return dock

    def show_panel(self, panel: Panel) -> None:
        """Bring a panel to the front, wherever it is docked."""
        for dock in self.docks.values():
            tabs = dock.widget()
            if isinstance(tabs, QTabWidget) and tabs.indexOf(panel) >= 0:
                dock.show()
                tabs.setCurrentWidget(panel)

    # -- how it was left ------------------------------------------------------------------------

    def restore(self, preferences: Preferences) -> None:
        """As it was left, else as large as the screen allows."""
        window = self._window
        window.resize(FIRST_SIZE.boundedTo(window.screen().availableSize() - FRAME))
        window.restoreGeometry(preferences.state("geometry"))
        if not window.restoreState(preferences.state("docks"), STATE_VERSION):
            above = [self.docks["Annotate"], self.docks["Judge"]]
            window.resizeDocks(above, FIRST_HEIGHTS, Qt.Orientation.Vertical)
        for name, splitter in self._splitters().items():
            splitter.restoreState(preferences.state(name))

    def keep(self, preferences: Preferences) -> None:
        """For the next window."""
        preferences.keep_state("geometry", self._window.saveGeometry())
        preferences.keep_state("docks", self._window.saveState(STATE_VERSION))
        for name, splitter in self._splitters().items():
            preferences.keep_state(name, splitter.saveState())

    def _splitters(self) -> dict[str, QSplitter]:
        return {"views": self._views, "desk": self._desk}


def _tabs(*panels: Panel) -> QTabWidget:
    tabs = QTabWidget()
    tabs.setDocumentMode(True)
    for panel in panels:
        tabs.addTab(panel, panel.title)
    tabs.tabBar().setDrawBase(False)  # the style sheet underlines the chosen one, that is enough
    tabs.tabBar().setFocusPolicy(Qt.FocusPolicy.NoFocus)
    tabs.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return tabs
