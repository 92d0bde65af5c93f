"""How boxes are painted while they are drawn and moved: handles, rubber band, marks."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen

from app.box_handles import handle_points
from app.overlay_items import NEUTRAL, SHADE
from app.theme import with_alpha
from app.tokens import Tokens
from engine.structures import BoxKind

HANDLE = 8.0
"""Side of a handle in view pixels."""
LEAST_FOR_EDGES = 44.0
"""View pixels: a smaller side has handles at its corners only."""
MARK_WORDS: dict[BoxKind, str] = {
    "someone_else": "somebody else", "not_a_person": "not a person",
}  # fmt: skip


def paint_handles(painter: QPainter, box: QRectF, color: str, *, is_strong: bool) -> None:
    """A thin frame, with a handle at each corner and in the middle of each edge."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(SHADE, 3))
    painter.drawRect(box)
    painter.setPen(QPen(with_alpha(color, 1.0 if is_strong else 0.75), 1.5))
    painter.drawRect(box)
    painter.setPen(QPen(QColor(color), 1.5))
    painter.setBrush(QColor("#ffffff") if is_strong else with_alpha("#ffffff", 0.7))
    side = HANDLE if is_strong else HANDLE - 2
    for name, at in handle_points(box).items():
        room = box.width() if name in ("n", "s") else box.height()
        if len(name) == 2 or room >= LEAST_FOR_EDGES:
            painter.drawRoundedRect(_square(at, side), 1.5, 1.5)


def paint_rubber_band(painter: QPainter, box: QRectF, color: str) -> None:
    """A box while it is drawn."""
    painter.setPen(QPen(SHADE, 4))
    painter.setBrush(with_alpha(color, 0.14))
    painter.drawRect(box)
    painter.setPen(QPen(QColor(color), 2))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(box)


def paint_drawn_corners(painter: QPainter, box: QRectF, color: str) -> None:
    """Solid corners: a person drew this box."""
    painter.setPen(QPen(QColor(255, 255, 255, 230), 1))
    painter.setBrush(QColor(color))
    for name, at in handle_points(box).items():
        if len(name) == 2:
            painter.drawRect(_square(at, 7.0))


def paint_other_box(painter: QPainter, box: QRectF, *, is_chosen: bool) -> None:
    """Somebody whom the clip is not about and of whom no joint is known."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(SHADE, 3))
    painter.drawRect(box)
    color, width = ("#ffffff", 2.2) if is_chosen else (NEUTRAL, 1.2)
    painter.setPen(QPen(QColor(color), width, Qt.PenStyle.DashLine))
    painter.drawRect(box)


def paint_mark(painter: QPainter, box: QRectF, kind: BoxKind, tokens: Tokens) -> None:
    """A place of which a person said that it is none of the clip's people."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(SHADE, 3))
    painter.drawRect(box)
    painter.setPen(QPen(QColor(NEUTRAL), 1.2, Qt.PenStyle.DashLine))
    painter.drawRect(box)
    paint_chip(painter, box.bottomLeft() + QPointF(0, 4), MARK_WORDS[kind], tokens)


def paint_chip(
    painter: QPainter, at: QPointF, text: str, tokens: Tokens, *, is_strong: bool = False
) -> QRectF:
    """A small neutral label, its upper left corner at a point. Returns where it is."""
    painter.save()
    font = QFont(painter.font())
    font.setPixelSize(tokens.text_small)
    font.setBold(True)
    painter.setFont(font)
    width = max(17.0, painter.fontMetrics().horizontalAdvance(text) + 10.0)
    box = QRectF(at.x(), at.y(), width, 17)
    painter.setPen(QPen(QColor(tokens.accent), 2) if is_strong else QPen(SHADE, 1))
    painter.setBrush(QColor(NEUTRAL))
    painter.drawRoundedRect(box, 8.5, 8.5)
    painter.setPen(QColor("#22262d"))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
    painter.restore()
    return box


def _square(at: QPointF, side: float) -> QRectF:
    return QRectF(at.x() - side / 2, at.y() - side / 2, side, side)
