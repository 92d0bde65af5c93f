"""A combo box that looks like the other fields."""

from __future__ import annotations

from PySide6.QtCore import QRect
from PySide6.QtGui import QIcon, QPainter, QPaintEvent
from PySide6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox

from app.icons import icon

ARROW = 14
"""Logical pixels."""


class ChoiceBox(QComboBox):
    """Draws its own arrow: a style sheet that makes a combo box flat draws none, or a picture file
    that is blurred at other scales."""

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        button = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxArrow,
            self,
        )
        place = QRect(0, 0, ARROW, ARROW)
        place.moveCenter(button.center())
        painter = QPainter(self)
        mode = QIcon.Mode.Normal if self.isEnabled() else QIcon.Mode.Disabled
        icon("choose", "text_muted").paint(painter, place, mode=mode)
        painter.end()
