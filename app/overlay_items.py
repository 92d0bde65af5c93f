"""What is painted over the video besides bodies: skeletons, boxes, trails, names.

Functions of a painter and numbers in view pixels; nothing here looks anything up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen, QPixmap

from app.theme import with_alpha
from app.tokens import Tokens
from app.view_state import ViewState

UNSURE = 0.3
"""Confidence below which a joint is drawn hollow."""
JOINT_RADIUS = 3.6
NAME_WIDTH, NAME_HEIGHT = 180, 17
"""Pixels of a name over a person, at most and always."""
TRAIL_SHADES = 6
SHADE = QColor(0, 0, 0, 130)
"""Under lines, so that they stand out on any picture."""
NEUTRAL = "#d7dbe2"
"""What belongs to none of the clip's people: no person's colour, light on any picture."""


@dataclass(frozen=True)
class Skeleton:
    """One person's joints in one frame, in view pixels."""

    points: Float[np.ndarray, "K 2"]
    """NaN where there is no joint."""
    confidence: Float[np.ndarray, "K"]
    hidden: Bool[np.ndarray, "K"]
    """Said to be hidden by a person."""
    edited: Bool[np.ndarray, "K"]
    """Placed by a person."""

    @property
    def is_sure(self) -> Bool[np.ndarray, "K"]:
        return ((self.confidence >= UNSURE) | self.edited) & ~self.hidden


def paint_skeleton(
    painter: QPainter,
    skeleton: Skeleton,
    bones: Sequence[tuple[int, int]],
    color: str,
    strength: float = 1.0,
) -> None:
    """Bones, then joints: sure ones filled, unsure and hidden ones hollow, edited ones ringed."""
    known = np.isfinite(skeleton.points).all(1)
    sure = skeleton.is_sure
    lines: dict[bool, list[QLineF]] = {True: [], False: []}
    for a, b in bones:
        if known[a] and known[b]:
            line = QLineF(*skeleton.points[a], *skeleton.points[b])
            lines[bool(sure[a] and sure[b])].append(line)
    painter.setOpacity(strength)
    cap = Qt.PenCapStyle.FlatCap  # twice as fast as round, and the joints cover the ends
    painter.setPen(QPen(SHADE, 4.2, Qt.PenStyle.SolidLine, cap))
    painter.drawLines(lines[True])
    painter.setPen(QPen(with_alpha(color, 0.55), 1.6, Qt.PenStyle.SolidLine, cap))
    painter.drawLines(lines[False])
    painter.setPen(QPen(QColor(color), 2.4, Qt.PenStyle.SolidLine, cap))
    painter.drawLines(lines[True])
    for index in np.flatnonzero(known).tolist():
        centre = QPointF(*skeleton.points[index].tolist())
        painter.drawPixmap(centre - _MIDDLE, _joint_picture(color, bool(sure[index])))
        if skeleton.edited[index] or skeleton.hidden[index]:
            _paint_hand_mark(painter, centre, bool(skeleton.hidden[index]))
    painter.setOpacity(1.0)


_CELL = 12
"""Pixels of a joint's picture; drawn once a colour, for there are 52 joints in every frame."""
_MIDDLE = QPointF(_CELL / 2, _CELL / 2)
_DENSITY = 2


@cache
def _joint_picture(color: str, is_sure: bool) -> QPixmap:
    """Filled where sure, hollow where not."""
    pixmap = QPixmap(_CELL * _DENSITY, _CELL * _DENSITY)
    pixmap.setDevicePixelRatio(_DENSITY)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if is_sure:
        painter.setPen(QPen(QColor(255, 255, 255, 220), 1.0))
        painter.setBrush(QColor(color))
    else:
        painter.setPen(QPen(QColor(color), 1.6))
        painter.setBrush(with_alpha("#000000", 0.35))
    painter.drawEllipse(_MIDDLE, JOINT_RADIUS, JOINT_RADIUS)
    painter.end()
    return pixmap


def _paint_hand_mark(painter: QPainter, centre: QPointF, is_hidden: bool) -> None:
    """A ring round what a person placed; a ring and a stroke through what they said is hidden."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(255, 255, 255, 235), 1.4))
    painter.drawEllipse(centre, JOINT_RADIUS + 3.4, JOINT_RADIUS + 3.4)
    if is_hidden:
        reach = JOINT_RADIUS + 2.2
        painter.drawLine(centre + QPointF(-reach, reach), centre + QPointF(reach, -reach))


def paint_grip(painter: QPainter, at: Float[np.ndarray, "2"], color: str) -> None:
    """A ring round the joint that the mouse would take."""
    painter.setBrush(with_alpha(color, 0.25))
    painter.setPen(QPen(QColor(255, 255, 255, 240), 1.6))
    painter.drawEllipse(QPointF(*at), JOINT_RADIUS + 5, JOINT_RADIUS + 5)


def paint_box(
    painter: QPainter, box: Float[np.ndarray, "4"], color: str, is_selected: bool
) -> None:
    """A person's box by its corners only: the edges would cut through the people."""
    x0, y0, x1, y1 = box
    reach = min(18.0, (x1 - x0) / 3, (y1 - y0) / 3)
    lines = []
    for x, dx in ((x0, reach), (x1, -reach)):
        for y, dy in ((y0, reach), (y1, -reach)):
            lines += [QLineF(x, y, x + dx, y), QLineF(x, y, x, y + dy)]
    width = 3 if is_selected else 2
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)  # level lines are sharp as is
    painter.setPen(QPen(SHADE, width + 2))
    painter.drawLines(lines)
    painter.setPen(QPen(QColor(color), width))
    painter.drawLines(lines)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)


def paint_other(
    painter: QPainter, skeleton: Skeleton, bones: Sequence[tuple[int, int]], *, is_chosen: bool
) -> None:
    """Somebody whom the clip is not about: thin, dashed, in no person's colour."""
    known = np.isfinite(skeleton.points).all(1)
    lines = [
        QLineF(*skeleton.points[a], *skeleton.points[b]) for a, b in bones if known[a] and known[b]
    ]
    painter.setPen(QPen(SHADE, 4.2 if is_chosen else 3.2))
    painter.drawLines(lines)
    pen = QPen(QColor("#ffffff" if is_chosen else NEUTRAL), 2.2 if is_chosen else 1.4)
    pen.setDashPattern([3.0, 2.5] if is_chosen else [3.5, 3.5])
    painter.setPen(pen)
    painter.drawLines(lines)
    painter.setPen(QPen(SHADE, 1))
    painter.setBrush(QColor("#ffffff" if is_chosen else NEUTRAL))
    radius = 2.4 if is_chosen else 1.5
    for x, y in skeleton.points[known].tolist():
        painter.drawEllipse(QPointF(x, y), radius, radius)


def paint_trail(painter: QPainter, points: Float[np.ndarray, "N 2"], color: str) -> None:
    """Where a person has been, the oldest palest."""
    known = np.isfinite(points).all(1)
    both = known[1:] & known[:-1]
    for shade in range(TRAIL_SHADES):
        part = slice(shade * len(both) // TRAIL_SHADES, (shade + 1) * len(both) // TRAIL_SHADES)
        starts, ends = points[:-1][part][both[part]], points[1:][part][both[part]]
        steps = np.concatenate([starts, ends], 1).tolist()
        painter.setPen(QPen(with_alpha(color, 0.75 * (shade + 1) / TRAIL_SHADES), 2.0))
        painter.drawLines([QLineF(*step) for step in steps])


def paint_name(
    painter: QPainter,
    at: QPointF,
    text: str,
    color: str,
    *,
    tokens: Tokens,
    is_selected: bool,
    bounds: QRectF,
    taken: list[QRectF],
) -> None:
    """A person's name on their colour, its lower left corner at a point, as far as that leaves it
    inside the view and beside the names in `taken`, which it joins; a very long one in part."""
    painter.save()
    font = QFont(painter.font())
    font.setPixelSize(tokens.text_small)
    font.setBold(True)
    painter.setFont(font)
    metrics = painter.fontMetrics()
    text = metrics.elidedText(text, Qt.TextElideMode.ElideRight, NAME_WIDTH)
    width = metrics.horizontalAdvance(text) + 2 * 6
    left = max(bounds.left() + 2, min(at.x(), bounds.right() - width - 2))
    box = QRectF(left, max(at.y() - 18, bounds.top() + 2), width, NAME_HEIGHT)
    for other in taken:
        if box.intersects(other):
            above = other.top() - NAME_HEIGHT - 1
            box.moveTop(above if above > bounds.top() else other.bottom() + 1)
    taken.append(box)
    painter.setPen(QPen(QColor("#ffffff"), 1.4) if is_selected else Qt.PenStyle.NoPen)
    painter.setBrush(QColor(color))
    painter.drawRoundedRect(box, tokens.radius_small, tokens.radius_small)
    painter.setPen(QColor("#ffffff"))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
    painter.restore()


def paint_hint(
    painter: QPainter, at: QPointF, lines: Sequence[str], tokens: Tokens, bounds: QRectF
) -> None:
    """A small card of text beside the mouse, kept inside the view."""
    font = QFont(painter.font())
    font.setPixelSize(tokens.text_small)
    font.setBold(False)
    painter.setFont(font)
    metrics = painter.fontMetrics()
    width = max(metrics.horizontalAdvance(line) for line in lines) + 2 * tokens.space_2
    height = metrics.height() * len(lines) + 2 * tokens.space_1
    x = min(at.x() + 14, bounds.right() - width - 4)
    y = min(at.y() + 14, bounds.bottom() - height - 4)
    box = QRectF(x, y, width, height)
    painter.setPen(QPen(QColor(tokens.border), 1))
    painter.setBrush(with_alpha(tokens.raised, 0.96))
    painter.drawRoundedRect(box, tokens.radius, tokens.radius)
    for row, line in enumerate(lines):
        painter.setPen(QColor(tokens.text if row == 0 else tokens.text_muted))
        painter.drawText(
            QPointF(
                x + tokens.space_2, y + tokens.space_1 + metrics.ascent() + row * metrics.height()
            ),
            line,
        )


def paint_badge(painter: QPainter, at: QPointF, text: str, color: str, tokens: Tokens) -> None:
    """A pill with a coloured dot, its upper left corner at a point: which version is on show."""
    font = QFont(painter.font())
    font.setPixelSize(tokens.text_small)
    font.setBold(False)
    painter.setFont(font)
    width = painter.fontMetrics().horizontalAdvance(text) + 30
    box = QRectF(at.x(), at.y(), width, 22)
    painter.setPen(QPen(QColor(tokens.border), 1))
    painter.setBrush(with_alpha(tokens.raised, 0.94))
    painter.drawRoundedRect(box, 11, 11)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(color))
    painter.drawEllipse(QPointF(box.left() + 12, box.center().y()), 4, 4)
    painter.setPen(QColor(tokens.text))
    painter.drawText(box.adjusted(22, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, text)


def version_words(view_state: ViewState) -> str:
    """Which bodies are on show while there are two versions of them; empty otherwise."""
    candidate = view_state.candidate
    if candidate is None:
        return ""
    if view_state.show_before:
        return "Before the re-fit"
    return "Re-fitted, not kept yet" if candidate.is_complete else "Fitting…"
