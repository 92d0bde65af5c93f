"""What the timeline paints of trust and proxemics, in the lanes of app.timeline_lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from annotations.records import ClipState
from app.proxemics_words import of_pair, said_words, trust_words
from app.theme import with_alpha
from app.timeline_content import runs
from app.tokens import contrast
from engine.structures import ZONES, Zone

if TYPE_CHECKING:
    from app.timeline_lanes import LanePainter

LEAST_WORDS = 44
"""Pixels below which words would be no more than a letter and dots."""


def paint_distrust(lanes: LanePainter, bar: QRectF, weight: float) -> None:
    """Struck out, and the paler the less is believed."""
    tokens = lanes.tokens
    lanes.painter.fillRect(bar, with_alpha(tokens.lane, 0.75 * (1 - weight)))
    lanes.painter.setPen(QPen(QColor(tokens.warning), 1.5))
    middle = round(bar.center().y()) + 0.5
    words = trust_words(weight)
    wide = lanes.painter.fontMetrics().horizontalAdvance(words) + 10
    left = max(bar.left(), lanes.scale.left)
    right = min(bar.right(), lanes.scale.left + lanes.scale.width)
    if right - left <= wide + 16:
        lanes.painter.drawLine(QPointF(bar.left(), middle), QPointF(bar.right(), middle))
        return
    lanes.painter.drawLine(QPointF(bar.left(), middle), QPointF(left + 5, middle))
    lanes.painter.drawLine(QPointF(left + wide, middle), QPointF(bar.right(), middle))
    lanes.painter.setPen(QColor(tokens.text))
    lanes.painter.drawText(
        QRectF(left + 9, bar.top(), wide, bar.height()), Qt.AlignmentFlag.AlignVCenter, words
    )


def paint_zones(lanes: LanePainter, state: ClipState, people: tuple[int, int]) -> None:
    """Of two people. Found: the zone of every frame as a colour. Said: a bar of its own below, in
    words."""
    found = of_pair(state.proxemics, people)
    if found is not None:
        for frames, zone in runs(found.zone.astype(int)):
            if zone >= 0:
                bar, color = lanes.bar(frames, lanes.layout.zones(0)), lanes.tokens.zones[zone]
                lanes.painter.fillRect(bar, QColor(color))
                _words_in(lanes, bar, ZONES[zone], color)
    lane = lanes.layout.zones(lanes.layout.zone_lanes - 1)
    lanes.painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for said in state.constraints.proxemics:
        if (said.person_a, said.person_b) != people:
            continue
        color = lanes.tokens.raised if said.zone is None else _zone_color(lanes, said.zone)
        bar = lanes.bar(said.frames, lane, least=4)
        lanes.painter.setPen(QPen(QColor(lanes.tokens.text), 1))
        lanes.painter.setBrush(QColor(color))
        lanes.painter.drawRoundedRect(bar.adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
        _words_in(lanes, bar, said_words(state, said), color)
    lanes.painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def _zone_color(lanes: LanePainter, zone: Zone) -> str:
    return lanes.tokens.zones[ZONES.index(zone)]


def _words_in(lanes: LanePainter, bar: QRectF, words: str, ground: str) -> None:
    """Words on a coloured bar, in whichever ink can be read there."""
    left = max(bar.left(), lanes.scale.left) + 6
    right = min(bar.right(), lanes.scale.left + lanes.scale.width) - 4
    if right - left < LEAST_WORDS:
        return
    ink = max(("#ffffff", "#111111"), key=lambda color: contrast(color, ground))
    lanes.painter.setPen(QColor(ink))
    elided = lanes.painter.fontMetrics().elidedText(
        words, Qt.TextElideMode.ElideRight, int(right - left)
    )
    inner = QRectF(left, bar.top(), right - left, bar.height())
    lanes.painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter, elided)
