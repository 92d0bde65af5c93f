"""Messages to the user: cards above the views that never block and never cover anything.

An error is about something, its topic, and goes when that is tried again or left behind; one
without a topic stays until it is closed. The same error is shown once. What is merely said in
passing goes to the status line instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app import icons
from app.panel import label
from app.theme import theme

Level = Literal["info", "success", "error"]
_ICONS: dict[Level, tuple[str, str]] = {
    "info": ("info", "accent"),
    "success": ("accept", "success"),
    "error": ("warning", "danger"),
}
_PASSING_MILLISECONDS = 8000
_CHOOSING_MILLISECONDS = 30_000
"""For a card with a button: long enough to read it, think and reach the button."""
_MOST = 3
"""Cards on screen; the oldest leaves first."""
_PATIENCE_MILLISECONDS = 50
Action = tuple[str, Callable[[], object]]
"""The words and the effect of a card's button."""


class Notifications(QWidget):
    """A column of cards; takes no room while it is empty.

    A card moves the views down, so it waits while `is_hand_busy` says that something is dragged.
    """

    def __init__(
        self, is_hand_busy: Callable[[], bool] = lambda: False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._is_hand_busy = is_hand_busy
        self._column = QVBoxLayout(self)
        space = theme().tokens.space_2
        self._column.setContentsMargins(space, space, space, 0)
        self._column.setSpacing(space)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._cards: list[_Card] = []
        self.hide()

    @property
    def texts(self) -> tuple[str, ...]:
        """What is on screen, oldest first."""
        return tuple(shown.text for shown in self._cards)

    def error(self, text: str, topic: str = "", action: Action | None = None) -> None:
        """Stays until it is closed, or until `clear(topic)`."""
        self._show("error", text, topic, action)

    def success(self, text: str, action: Action | None = None) -> None:
        self._show("success", text, "", action)

    def info(self, text: str, action: Action | None = None) -> None:
        self._show("info", text, "", action)

    def clear(self, topic: str) -> None:
        """What this topic's messages say is no longer so."""
        for shown in [s for s in self._cards if topic and s.topic == topic]:
            self._remove(shown)

    def clear_topics(self) -> None:
        """Another project: nothing that was said of this one matters any more."""
        for shown in [s for s in self._cards if s.topic]:
            self._remove(shown)

    def close_newest(self) -> bool:
        """Close the message that came last; False where there is none."""
        if self._cards:
            self._remove(self._cards[-1])
            return True
        return False

    def _show(self, level: Level, text: str, topic: str, action: Action | None) -> None:
        if self._is_hand_busy():
            QTimer.singleShot(
                _PATIENCE_MILLISECONDS, self, lambda: self._show(level, text, topic, action)
            )
            return
        if text in self.texts:
            return
        made = _Card(level, text, topic, action, self._remove)
        self._cards.append(made)
        self._column.addWidget(made)
        for old in self._cards[:-_MOST]:
            self._remove(old)
        if level != "error":
            shown = _PASSING_MILLISECONDS if action is None else _CHOOSING_MILLISECONDS
            QTimer.singleShot(shown, made, lambda: self._remove(made))
        self.show()

    def _remove(self, shown: _Card) -> None:
        if shown not in self._cards:
            return
        self._cards.remove(shown)
        self._column.removeWidget(shown)
        shown.hide()
        shown.deleteLater()
        self.setVisible(bool(self._cards))


class _Card(QFrame):
    def __init__(
        self,
        level: Level,
        text: str,
        topic: str,
        action: Action | None,
        close: Callable[[_Card], None],
    ) -> None:
        super().__init__()
        self.text = text
        self.topic = topic
        self.setProperty("role", "card")
        tokens = theme().tokens
        line = QHBoxLayout(self)
        line.setContentsMargins(tokens.space_3, tokens.space_2, tokens.space_2, tokens.space_2)
        line.setSpacing(tokens.space_3)
        sign = QLabel()
        sign.setPixmap(icons.icon(*_ICONS[level]).pixmap(20, 20))
        words = label(text)
        words.setAlignment(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
        words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        line.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(words, 1)
        if action is not None:
            button = QPushButton(action[0])
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(lambda: close(self))
            button.clicked.connect(lambda: action[1]())
            line.addWidget(button)
        dismiss = QToolButton()
        dismiss.setIcon(icons.icon("cancel"))
        dismiss.setToolTip("Close this message (Esc)")
        dismiss.setAutoRaise(True)
        dismiss.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        dismiss.clicked.connect(lambda: close(self))
        line.addWidget(dismiss, 0, Qt.AlignmentFlag.AlignTop)
