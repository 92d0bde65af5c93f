"""The timeline's curves: reprojection as lines, penetration as hills, tips where they go beyond."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from app.frame_evidence import identity
from app.theme import with_alpha
from app.timeline_content import REPROJECTION_TOP_PX, Curve, TimelineContent, runs

if TYPE_CHECKING:
    from app.timeline_lanes import LanePainter

LABEL_GAP = 8
"""Pixels between the number of a curve's top and its lane."""


def paint_curves(lanes: LanePainter, content: TimelineContent) -> None:
    """Nothing before the first fit; the numbers in the gutter say how high the lane is."""
    if content.depth is None:
        return
    _depths(lanes, content.depth)
    lanes.painter.setBrush(Qt.BrushStyle.NoBrush)
    # Smooth lines cost most where there are most peaks, and there they are not seen.
    is_dense = lanes.scale.pixels_per_frame < 1
    lanes.painter.setRenderHint(QPainter.RenderHint.Antialiasing, not is_dense)
    for person, curve in enumerate(content.errors):
        color = identity(content.state, person).color
        lanes.painter.setPen(QPen(QColor(color), 1.0 if is_dense else 1.5))
        for line in _lines(lanes, curve):
            lanes.painter.drawPolyline(line)
        _peaks(lanes, curve, color)
    _peaks(lanes, content.depth, lanes.tokens.danger)
    lanes.painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    highest = content.errors[0].top if content.errors else REPROJECTION_TOP_PX
    tops = (f"{highest:.0f} px", f"{1000 * content.depth.top:.0f} mm")
    lanes.painter.setClipping(False)
    lanes.painter.setPen(QColor(lanes.tokens.text_muted))
    for row, words in enumerate(tops):
        width = lanes.painter.fontMetrics().horizontalAdvance(words)
        lanes.painter.drawText(
            QPointF(lanes.scale.left - LABEL_GAP - width, lanes.curve_label(row)), words
        )
    lanes.painter.setClipRect(QRectF(lanes.scale.left, 0, lanes.scale.width, lanes.layout.height))


def _samples(lanes: LanePainter, curve: Curve) -> np.ndarray:
    """(N, 2) pixels; NaN in gaps."""
    top, height = lanes.layout.curves
    start, stop = lanes.scale.visible
    frames, values = curve.columns(start - 1, stop + 1, int(lanes.scale.width))
    share = np.clip(values / curve.top, 0, 1)
    x = lanes.scale.left + (frames - lanes.scale.first) * lanes.scale.pixels_per_frame
    return np.stack([x, top + height - 1 - share * (height - 3)], 1)


def _peaks(lanes: LanePainter, curve: Curve, color: str) -> None:
    """A tip at the lane's upper edge where the curve goes on beyond it."""
    top = lanes.layout.curves[0]
    start, stop = lanes.scale.visible
    beyond = curve.values > curve.top
    lanes.painter.setPen(Qt.PenStyle.NoPen)
    lanes.painter.setBrush(QColor(color))
    for part, is_beyond in runs(beyond.astype(int)):
        if is_beyond and part.start < stop and part.stop > start:
            peak = part.start + int(np.nanargmax(curve.values[part.as_slice()]))
            x = lanes.scale.x(peak + 0.5)
            tip = [QPointF(x - 4, top + 5), QPointF(x + 4, top + 5), QPointF(x, top)]
            lanes.painter.drawPolygon(QPolygonF(tip))
    lanes.painter.setBrush(Qt.BrushStyle.NoBrush)


def _lines(lanes: LanePainter, curve: Curve) -> list[QPolygonF]:
    samples = _samples(lanes, curve)
    known = np.isfinite(samples).all(1)
    return [
        QPolygonF([QPointF(x, y) for x, y in samples[part.as_slice()].tolist()])
        for part, is_known in runs(known.astype(int))
        if is_known
    ]


def _depths(lanes: LanePainter, curve: Curve) -> None:
    """Penetration as hills; nothing at all where the bodies are apart."""
    samples = _samples(lanes, curve)
    base = float(sum(lanes.layout.curves) - 1)
    lanes.painter.setPen(QPen(with_alpha(lanes.tokens.danger, 0.8), 1))
    lanes.painter.setBrush(with_alpha(lanes.tokens.danger, 0.22))
    inside = samples[:, 1] < base - 1e-6  # not where it is NaN either
    for part, is_inside in runs(inside.astype(int)):
        if is_inside:
            hill = samples[max(0, part.start - 1) : part.stop + 1].tolist()
            points = [QPointF(x, y) for x, y in hill if y == y]
            ends = QPointF(points[0].x(), base), QPointF(points[-1].x(), base)
            lanes.painter.drawPolygon(QPolygonF([ends[0], *points, ends[1]]))
