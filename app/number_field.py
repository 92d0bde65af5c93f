"""A number that may be unknown, typed or stepped, that leaves as one edit."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QDoubleSpinBox

from app.theme import theme

SETTLE_MS = 600
"""Steps with the arrow keys that follow each other this closely are one edit."""


class NumberField(QDoubleSpinBox):
    """Shows `unknown` in words until it has a number.

    A number that is typed leaves with Enter or with the focus; steps of the arrow keys leave
    together once they have stopped. The wheel scrolls the panel, unless the field has the focus:
    whoever scrolls past a field does not mean to change it.
    """

    number_set = Signal(object)
    """The number, or None for unknown: once an edit."""

    def __init__(self, unknown: str, limits: tuple[float, float], usual: float) -> None:
        super().__init__()
        self._usual = usual
        self._said: float | None = None
        self._least = limits[0]
        self.setKeyboardTracking(False)
        side = theme().tokens.space_1
        self.lineEdit().setTextMargins(side, 0, side, 0)  # a style sheet's padding is not heard
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSpecialValueText(unknown)
        self.setMaximum(limits[1])
        self._settling = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._settling.timeout.connect(self._say)
        self.editingFinished.connect(self._say)
        self.setDecimals(self.decimals())

    def setDecimals(self, decimals: int) -> None:
        """The smallest number is one step below the least: it stands for unknown."""
        super().setDecimals(decimals)
        self.setMinimum(self._least - 10**-decimals)
        self.show_number(self._said)

    def number(self) -> float | None:
        return self.value() if self.value() >= self._least else None

    def show_number(self, number: float | None) -> None:
        """What the project says; a number in hand stays in hand."""
        self._said = number
        if self._settling.isActive():
            return
        self.blockSignals(True)
        self.setValue(self.minimum() if number is None else number)
        self.blockSignals(False)

    def forget(self) -> None:
        """Say that the number is unknown."""
        self.setValue(self.minimum())
        self._say()

    def stepBy(self, steps: int) -> None:
        """From unknown a step leads to what is usual."""
        if self.number() is None:
            self.setValue(self._usual)
        else:
            super().stepBy(steps)
        self._settling.start()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def _say(self) -> None:
        self._settling.stop()
        if self.number() != self._said:
            self._said = self.number()
            self.number_set.emit(self._said)
