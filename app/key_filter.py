"""Keys that Qt's shortcuts do not cover: held ones, plain ones in text fields, ones in vain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

from app.actions import ACTIONS

if TYPE_CHECKING:
    from app.main_window import MainWindow

_TEXT_FIELDS = (QLineEdit, QTextEdit, QPlainTextEdit, QAbstractSpinBox)
_PLAIN = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier


def is_text_field(widget: QObject | None) -> bool:
    if isinstance(widget, QComboBox):
        return widget.isEditable()
    return isinstance(widget, _TEXT_FIELDS)


class KeyFilter(QObject):
    """Held keys for the whole window, plain keys for text fields, and keys pressed in vain.

    A QShortcut knows no release, it would take Enter from a text field that has the focus, and the
    key of a command that cannot be used now would do nothing without a word.
    """

    committed = Signal()
    """Enter in a text field of the window: it is said, and the keys are the views' again."""
    in_vain = Signal(str)
    """Id of the command whose key was pressed although it cannot be used now."""

    def __init__(self, window: MainWindow, actions: Mapping[str, QAction]) -> None:
        super().__init__(window)
        self._window = window
        self._actions = actions
        self._held = {
            QKeySequence(spec.keys[0])[0].key(): actions[spec.id]
            for spec in ACTIONS
            if spec.is_held
        }
        self._down: set[int] = set()
        application = QApplication.instance()
        assert application is not None
        application.installEventFilter(self)
        application.focusWindowChanged.connect(self.release_all)  # type: ignore[attr-defined]

    def release_all(self, *_: object) -> None:
        for key in tuple(self._down):
            self._down.discard(key)
            self._held[Qt.Key(key)].setChecked(False)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind == QEvent.Type.ShortcutOverride:
            if is_text_field(watched) and _is_typing(event):
                event.accept()
                return True
        elif kind == QEvent.Type.KeyPress:
            return self._press(watched, event)
        elif kind == QEvent.Type.KeyRelease:
            return self._let_go(event)
        return False

    def _press(self, watched: QObject, event: QEvent) -> bool:
        assert isinstance(event, QKeyEvent)
        if not isinstance(watched, QWidget) or watched.window() is not self._window:
            return False
        if is_text_field(watched):
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                QTimer.singleShot(0, self.committed)
            return False
        self._notice(watched, event)
        action = self._held.get(Qt.Key(event.key()))
        if action is None or event.modifiers() != Qt.KeyboardModifier.NoModifier:
            return False
        if not event.isAutoRepeat() and action.isEnabled():
            self._down.add(event.key())
            action.setChecked(True)
        return True

    def _notice(self, watched: QWidget, event: QKeyEvent) -> None:
        """Say whose key this is, where the command cannot be used now."""
        pressed = QKeySequence(event.keyCombination())
        listening = self._window.focusWidget() or self._window
        if watched is not listening or event.isAutoRepeat():
            return
        for spec in ACTIONS:
            if pressed in map(QKeySequence, spec.keys) and not self._actions[spec.id].isEnabled():
                self.in_vain.emit(spec.id)

    def _let_go(self, event: QEvent) -> bool:
        assert isinstance(event, QKeyEvent)
        if event.key() not in self._down:
            return False
        if not event.isAutoRepeat():
            self._down.discard(event.key())
            self._held[Qt.Key(event.key())].setChecked(False)
        return True


def _is_typing(event: QEvent) -> bool:
    assert isinstance(event, QKeyEvent)
    is_function_key = Qt.Key.Key_F1 <= event.key() <= Qt.Key.Key_F35
    leaves = event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_Tab)
    return event.modifiers() in _PLAIN and not is_function_key and not leaves
