"""Words over the 3D scene: names, contacts, the scale, and what to do when it is empty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen

from app.frame_evidence import identity
from app.overlay_items import NAME_WIDTH, paint_badge, paint_name, version_words
from app.region_marks import CONTACT_TINT
from app.theme import theme, with_alpha
from app.view_state import Region, ViewState
from engine.structures import ContactLabel

ABOVE_HEAD_METRES = 0.08
Point = Float[np.ndarray, "3"] | None


@dataclass(frozen=True)
class MeshLabels:
    """One painting of the labels."""

    painter: QPainter
    view_state: ViewState
    view_pixels: Callable[[np.ndarray], np.ndarray]
    """World points (N, 3) to view pixels and depth (N, 3)."""
    bounds: QRectF
    names: list[QRectF] = field(default_factory=list)
    """Where names are painted already."""

    def paint_message(self, words: str) -> None:
        self._use_text()
        self.painter.setPen(QColor(theme().tokens.text_muted))
        area = self.bounds.adjusted(24, 24, -24, -24)
        how = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        self.painter.drawText(area, how, words)

    def paint_scale(self, corner: Float[np.ndarray, "3"]) -> None:
        """One edge of the grid, drawn bold and labelled: this long is a metre."""
        start = corner + np.array([-1.0, 0.0, 1.0])
        ends = self.view_pixels(np.stack([start, start + np.array([1.0, 0.0, 0.0])]))
        if not np.isfinite(ends).all():
            return
        self._use_text()
        a, b = (QPointF(*end) for end in ends[:, :2].tolist())
        self.painter.setPen(QPen(with_alpha(theme().tokens.text_muted, 0.9), 2))
        self.painter.drawLine(a, b)
        self.painter.drawText((a + b) / 2 + QPointF(-8, 16), "1 m")

    def paint_name(self, person: int, head: Point) -> None:
        """A person's name over their head."""
        at = self._place(head, above=ABOVE_HEAD_METRES)
        if at is None:
            return
        self._use_text()
        someone = identity(self.view_state.state, person)
        width = self.painter.fontMetrics().horizontalAdvance(someone.name)
        half = min(width, NAME_WIDTH) / 2 + 8
        paint_name(
            self.painter,
            QPointF(at.x() - half, at.y()),
            someone.name,
            someone.color,
            tokens=theme().tokens,
            is_selected=self.view_state.selected_person == person,
            bounds=self.bounds,
            taken=self.names,
        )

    def paint_contact(self, index: int, label: ContactLabel, a: Point, b: Point) -> None:
        """The two regions' names in the middle between them."""
        if a is not None and b is not None:
            words = f"{label.region_a} · {label.region_b}".replace("_", " ")
            self._chip((a + b) / 2, words, index == self.view_state.selected_contact)

    def paint_region(self, region: Region, centre: Point) -> None:
        if centre is not None:
            self._chip(centre, region[1].replace("_", " "), True)

    def paint_version(self) -> None:
        """While there is a candidate: which bodies are on show."""
        words, tokens = version_words(self.view_state), theme().tokens
        if words:
            color = tokens.text_muted if self.view_state.show_before else tokens.accent
            paint_badge(self.painter, QPointF(12, 12), words, color, tokens)

    def _place(self, point: Point, above: float = 0.0) -> QPointF | None:
        if point is None:
            return None
        x, y, _ = self.view_pixels((point + np.array([0.0, above, 0.0]))[None])[0].tolist()
        return QPointF(x, y) if np.isfinite((x, y)).all() else None

    def _chip(self, point: Float[np.ndarray, "3"], words: str, is_strong: bool) -> None:
        at = self._place(point)
        if at is None:
            return
        self._use_text()
        tokens = theme().tokens
        width = self.painter.fontMetrics().horizontalAdvance(words) + 2 * tokens.space_2
        box = QRectF(at.x() - width / 2, at.y() - 34, width, 20)
        self.painter.setPen(QPen(QColor(CONTACT_TINT[0] if is_strong else tokens.border), 1))
        self.painter.setBrush(with_alpha(tokens.raised, 0.94))
        self.painter.drawRoundedRect(box, tokens.radius, tokens.radius)
        self.painter.setPen(QColor(tokens.text))
        self.painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)

    def _use_text(self) -> None:
        font = QFont(self.painter.font())
        font.setPixelSize(theme().tokens.text_small)
        font.setBold(False)
        self.painter.setFont(font)
