"""What the window shows while there is no clip: what to do first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from app import icons
from app.panel import ActionButton, clear, label, row
from app.preferences import Preferences
from app.theme import theme

_RECENT = 4


class EmptyState(QWidget):
    """A drop target in words, the three ways in, and the projects opened before."""

    project_chosen = Signal(Path)

    def __init__(self, actions: Mapping[str, QAction], preferences: Preferences) -> None:
        super().__init__()
        self._preferences = preferences
        sign = QLabel()
        sign.setPixmap(icons.icon("people", "accent").pixmap(56, 56))
        sign.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._title = label("", "title")
        self._words = label("", "muted")
        for centred in (self._title, self._words):
            centred.setAlignment(Qt.AlignmentFlag.AlignCenter)
        buttons = row(
            None,
            ActionButton(actions["import_video"], "primary", "Import a video"),
            ActionButton(actions["open_project"], text="Open a project"),
            ActionButton(actions["open_sample"]),
            None,
        )
        self._recent_title = label("RECENT", "section")
        self._recent_title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._recent = QVBoxLayout()
        self._recent.setSpacing(2)
        column = QVBoxLayout(self)
        column.setSpacing(theme().tokens.space_3)
        column.addStretch(2)
        column.addWidget(sign)
        column.addWidget(self._title)
        column.addWidget(self._words)
        column.addSpacing(theme().tokens.space_2)
        column.addLayout(buttons)
        column.addSpacing(theme().tokens.space_4)
        column.addWidget(self._recent_title)
        column.addLayout(self._recent)
        column.addStretch(3)
        self.refresh(has_project=False)

    def refresh(self, *, has_project: bool) -> None:
        """With a project open but empty, the words are about its first video."""
        self._title.setText("Add the first video" if has_project else "Drop a video here")
        self._words.setText(
            "Dyad finds the two people in it, fits a body to each, and shows you what to check.\n"
            "Videos, folders of images and .dyad projects can be dropped anywhere in this window."
        )
        clear(self._recent)
        projects = () if has_project else self._preferences.recent[:_RECENT]
        self._recent_title.setVisible(bool(projects))
        for project in projects:
            button = QPushButton(f"{project.stem}   ·   {project.parent}")
            button.setFlat(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setToolTip(str(project))
            button.clicked.connect(lambda _=False, path=project: self.project_chosen.emit(path))
            self._recent.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)
