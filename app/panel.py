"""What the panels on the right are made of: a scrolling column of sections, cards and buttons."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QAction, QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.theme import theme

PANEL_WIDTH = 300
"""Preferred width in pixels; narrower panels scroll nothing sideways, they wrap."""


class Panel(QScrollArea):
    """A column that scrolls when it must. Subclasses fill `self.column`."""

    title = ""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        content = QWidget()
        self.column = QVBoxLayout(content)
        tokens = theme().tokens
        self.column.setContentsMargins(
            tokens.space_3, tokens.space_3, tokens.space_3, tokens.space_3
        )
        self.column.setSpacing(tokens.space_2)
        self.setWidget(content)

    def sizeHint(self) -> QSize:
        return QSize(PANEL_WIDTH, 320)

    def minimumSizeHint(self) -> QSize:
        return QSize(240, 160)


def label(text: str = "", role: str = "", *, wrap: bool = True) -> QLabel:
    """Text in one of the style sheet's roles: title, heading, section, muted, warning, danger."""
    made = QLabel(text)
    made.setWordWrap(wrap)
    made.setTextFormat(Qt.TextFormat.PlainText)
    if role:
        made.setProperty("role", role)
    if wrap:
        made.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        made.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    return made


def section(text: str) -> QLabel:
    return label(text.upper(), "section", wrap=False)


def card() -> tuple[QFrame, QVBoxLayout]:
    """A frame around things that belong together, and its layout."""
    frame = QFrame()
    frame.setProperty("role", "card")
    column = QVBoxLayout(frame)
    tokens = theme().tokens
    column.setContentsMargins(tokens.space_3, tokens.space_2, tokens.space_3, tokens.space_3)
    column.setSpacing(tokens.space_2)
    return frame, column


def row(*items: QWidget | QLayout | None) -> QHBoxLayout:
    """Things side by side; None is a space that stretches."""
    line = QHBoxLayout()
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(theme().tokens.space_2)
    for item in items:
        if item is None:
            line.addStretch(1)
        elif isinstance(item, QLayout):
            line.addLayout(item, 1)
        else:
            line.addWidget(item)
    return line


class ActionButton(QPushButton):
    """A push button that is an action: its words, icon, tip, and whether it can be pressed.

    It takes no focus, so that Space goes on playing after a click. The button of a held key works
    while the mouse is down.
    """

    def __init__(self, action: QAction, role: str = "", text: str = "") -> None:
        super().__init__()
        self._action = action
        self._text = text
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        if role:
            self.setProperty("role", role)
        self._follow()
        action.changed.connect(self._follow)
        if action.isCheckable():
            self.pressed.connect(lambda: action.setChecked(True))
            self.released.connect(lambda: action.setChecked(False))
        else:
            self.clicked.connect(action.trigger)

    def _follow(self) -> None:
        words = self._text or self._action.text().split("\t")[0].rstrip("…")
        has_icon = self.property("role") != "primary" and not self._action.icon().isNull()
        self.setText(f" {words}" if has_icon else words)  # Qt leaves no room after an icon
        self.setToolTip(self._action.toolTip())
        self.setEnabled(self._action.isEnabled())
        if has_icon:
            self.setIcon(self._action.icon())


def plain_button(text: str, tip: str) -> QPushButton:
    """A button that is no action of the table."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return made


class ColorChip(QWidget):
    """A filled circle in a person's colour, with a ring around it where the person is selected."""

    def __init__(self, color: str, diameter: int = 18) -> None:
        super().__init__()
        self._color = color
        self._is_ringed = False
        self.setFixedSize(diameter, diameter)

    def set_color(self, color: str) -> None:
        self._color = color
        self.update()

    def set_ringed(self, is_ringed: bool) -> None:
        self._is_ringed = is_ringed
        self.update()

    def paintEvent(self, _: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._color))
        painter.drawEllipse(self.rect().adjusted(4, 4, -4, -4))
        if self._is_ringed:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(self._color), 1.5))
            painter.drawEllipse(self.rect().adjusted(1, 1, -1, -1))


class ProgressLine(QWidget):
    """A thin bar. QProgressBar would repaint at every value, and the 3D view along with it."""

    def __init__(self) -> None:
        super().__init__()
        self._fraction: float | None = None
        self.setFixedHeight(6)

    def set_fraction(self, fraction: float | None) -> None:
        """0..1; None while nothing is known yet."""
        if fraction != self._fraction:
            self._fraction = fraction
            self.update()

    def paintEvent(self, _: QPaintEvent) -> None:
        tokens = theme().tokens
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        line = QRectF(self.rect())
        painter.setBrush(QColor(tokens.pressed))
        painter.drawRoundedRect(line, 3, 3)
        if self._fraction is not None:
            done = max(line.height(), line.width() * min(1.0, self._fraction))
            painter.setBrush(QColor(tokens.accent))
            painter.drawRoundedRect(QRectF(0, 0, done, line.height()), 3, 3)


def clear(layout: QLayout) -> None:
    """Remove and delete everything in a layout."""
    while (item := layout.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()
            widget.deleteLater()
        elif (inner := item.layout()) is not None:
            clear(inner)
