"""How the timeline is laid out and painted. Everything but playhead and selection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QPainter, QPen, QPolygonF

from annotations.records import ClipState, Verdict
from app.frame_evidence import identity
from app.icons import paint_icon
from app.region_marks import CONTACT_TINT, NO_CONTACT_TINT
from app.theme import with_alpha
from app.timeline_content import (
    PersonStatus,
    TimelineContent,
    contact_words,
    runs,
)
from app.timeline_curves import paint_curves
from app.timeline_marks import paint_distrust, paint_zones
from app.timeline_scale import TimelineScale, second_marks
from app.tokens import Tokens
from engine.structures import ContactLabel, FrameRange

GUTTER = 132
RULER, CURVES, PERSON, CONTACT, REVIEW, ZONE, GAP = 26, 46, 16, 16, 14, 13, 3
MOST_CONTACT_ROWS = 5
IN_FRONT_WIDTH = 70
"""Pixels of a stretch that says so in words."""
VERDICT_ICONS: dict[Verdict, str] = {
    "accepted": "accept", "sent back": "send-back", "unusable": "unusable",
}  # fmt: skip


@dataclass(frozen=True)
class LaneLayout:
    """Tops and heights of the lanes, in pixels."""

    person_count: int
    contact_rows: int
    zone_lanes: int = 0

    @property
    def curves(self) -> tuple[float, float]:
        return RULER + GAP, CURVES

    def person(self, index: int) -> tuple[float, float]:
        return RULER + CURVES + 2 * GAP + index * (PERSON + GAP), PERSON

    def zones(self, row: int) -> tuple[float, float]:
        """Row 0 is what a fit found, the last one what somebody said."""
        return self.person(self.person_count)[0] + row * (ZONE + 1), ZONE

    @property
    def _below_zones(self) -> float:
        top, height = self.person(self.person_count)[0], self.zone_lanes * (ZONE + 1)
        return top + (height + GAP if height else 0)

    def contact(self, row: int) -> tuple[float, float]:
        top = self._below_zones
        return top + (row % MOST_CONTACT_ROWS) * (CONTACT + 1), CONTACT

    @property
    def review(self) -> tuple[float, float]:
        rows = min(max(1, self.contact_rows), MOST_CONTACT_ROWS)
        return self._below_zones + rows * (CONTACT + 1) + GAP, REVIEW

    @property
    def height(self) -> int:
        top, height = self.review
        return int(top + height + GAP)

    @classmethod
    def of(cls, content: TimelineContent | None) -> LaneLayout:
        if content is None:
            return cls(2, 1)
        rows = max(content.contact_rows, default=0) + 1
        return cls(len(content.statuses), rows, content.zone_lanes)


@dataclass(frozen=True)
class LanePainter:
    """Paints one clip's lanes at one scale."""

    painter: QPainter
    tokens: Tokens
    scale: TimelineScale
    layout: LaneLayout
    times: np.ndarray

    def paint(
        self,
        content: TimelineContent | None,
        contacts: tuple[ContactLabel, ...],
        chosen: int | None,
        pair: tuple[int, int] = (0, 1),
    ) -> None:
        """`contacts` may differ from the state's while an interval is dragged; proxemics are those
        of a `pair`."""
        self._text(self.tokens.text_small)
        self._ruler()
        self._grounds(content.state if content is not None else None)
        clip = QRectF(self.scale.left, 0, self.scale.width, self.layout.height)
        self.painter.setClipRect(clip)
        if content is not None:
            paint_curves(self, content)
            for person in range(len(content.statuses)):
                self._person(content, person)
            paint_zones(self, content.state, pair)
            self._contacts(content, contacts, chosen)
            self._reviews(content.state)
            self._cuts(content.state)
        self.painter.setClipping(False)

    # -- frame of reference ---------------------------------------------------------------------

    def _text(self, size: int) -> None:
        font = QFont(self.painter.font())
        font.setPixelSize(size)
        self.painter.setFont(font)

    def _ruler(self) -> None:
        painter, scale, tokens = self.painter, self.scale, self.tokens
        painter.fillRect(QRectF(0, 0, scale.left + scale.width, RULER), QColor(tokens.surface))
        painter.setClipRect(QRectF(scale.left, 0, scale.width, RULER))
        start, stop = scale.visible
        step = scale.frame_step()
        minor = max(1, step // 5)
        for frame in range(start - start % minor, stop, minor):
            is_major = frame % step == 0
            x = scale.x(frame + 0.5)
            painter.setPen(QPen(QColor(tokens.text_muted if is_major else tokens.border), 1))
            painter.drawLine(QPointF(x, RULER - (6 if is_major else 3)), QPointF(x, RULER - 1))
            if is_major:
                painter.drawText(QPointF(x + 3, RULER - 3), str(frame))
        painter.setPen(QColor(tokens.text_muted))
        for seconds, position in second_marks(self.times, scale, room=80):
            minutes, rest = divmod(seconds, 60)
            words = f"{int(minutes)}:{rest:04.1f}" if minutes else f"{rest:.1f} s"
            x = scale.x(position + 0.5) + 3
            if x + painter.fontMetrics().horizontalAdvance(words) <= scale.left + scale.width:
                painter.drawText(QPointF(x, 11), words)
        painter.setClipping(False)
        painter.setPen(QColor(tokens.text_muted))
        painter.drawText(QPointF(tokens.space_3, 11), "seconds")
        painter.setPen(QColor(tokens.text_muted))
        painter.drawText(QPointF(tokens.space_3, RULER - 3), "frames")

    def _grounds(self, state: ClipState | None) -> None:
        for index in range(self.layout.person_count):
            name, color = identity(state, index).name, identity(state, index).color
            self._ground(self.layout.person(index), name, color)
        self._ground(self.layout.curves, "", None)
        for row, (words, color) in enumerate(
            (("reprojection", self.tokens.text_muted), ("penetration", self.tokens.danger))
        ):
            self.painter.setPen(QColor(color))
            self.painter.drawText(QPointF(self.tokens.space_3, self.curve_label(row)), words)
        if self.layout.zone_lanes:
            top, height = self.layout.zones(0)
            lanes = self.layout.zone_lanes
            self._ground((top, lanes * (height + 1) - 1), "proxemics", None)
        first, _ = self.layout.contact(0)
        last = self.layout.review[0] - GAP
        self._ground((first, last - first - 1), "contacts", None)
        self._ground(self.layout.review, "review", None)

    def _ground(self, lane: tuple[float, float], name: str, color: str | None) -> None:
        top, height = lane
        tokens = self.tokens
        end = self.scale.x(self.scale.frame_count)
        width = min(self.scale.width, end - self.scale.left)
        self.painter.fillRect(QRectF(self.scale.left, top, width, height), QColor(tokens.lane))
        x = float(tokens.space_3)
        if color is not None:
            self.painter.setPen(Qt.PenStyle.NoPen)
            self.painter.setBrush(QColor(color))
            self.painter.drawEllipse(QPointF(x + 4, top + height / 2), 4, 4)
            x += 14
        self.painter.setPen(QColor(tokens.text if color is not None else tokens.text_muted))
        label = QRectF(x, top, GUTTER - x - 6, min(height, 18))
        elided = self.painter.fontMetrics().elidedText(
            name, Qt.TextElideMode.ElideRight, int(label.width())
        )
        self.painter.drawText(label, Qt.AlignmentFlag.AlignVCenter, elided)

    def bar(self, frames: FrameRange, lane: tuple[float, float], *, least: float = 2.0) -> QRectF:
        x0, x1 = self.scale.x(frames.start), self.scale.x(frames.stop)
        return QRectF(x0, lane[0], max(least, x1 - x0), lane[1])

    # -- lanes ----------------------------------------------------------------------------------

    def curve_label(self, row: int) -> float:
        """Base line of a curve's words in the gutter."""
        return self.layout.curves[0] + 18 + 16 * row

    def _person(self, content: TimelineContent, person: int) -> None:
        state = content.state
        lane, color = self.layout.person(person), identity(state, person).color
        brushes = {
            PersonStatus.DETECTED: QBrush(with_alpha(color, 0.38)),
            PersonStatus.FITTED: QBrush(with_alpha(color, 0.95)),
            PersonStatus.INFILLED: QBrush(with_alpha(color, 0.8), Qt.BrushStyle.BDiagPattern),
        }
        for frames, status in runs(content.statuses[person]):
            if status in brushes:
                self.painter.fillRect(self.bar(frames, lane), brushes[PersonStatus(status)])
        top, height = lane
        for frames in state.edited_of(person):
            self.painter.fillRect(
                self.bar(frames, (top + height - 3, 3)), QColor(self.tokens.warning)
            )
        for order in state.constraints.depth_orders:
            if order.front == person:
                self._in_front(self.bar(order.frames, lane))
        for said in state.constraints.trust:
            if said.person == person:
                paint_distrust(self, self.bar(said.frames, lane), said.weight)
        for frames in state.constraints.frozen:
            self._frozen(self.bar(frames, lane))
        self.painter.setPen(QPen(QColor("#ffffff"), 1))
        self.painter.setBrush(QColor("#111111"))
        self.painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        said = state.constraints
        drawn = [e for e in said.box_edits if e.kind == "person"]
        by_hand = (*said.keypoint_edits, *drawn, *said.mask_edits)
        for frame in sorted({e.frame for e in by_hand if e.person == person}):
            self.painter.drawEllipse(QPointF(self.scale.x(frame + 0.5), top + height / 2), 2.6, 2.6)
        self.painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _cuts(self, state: ClipState) -> None:
        """A thin mark through all lanes where another shot begins."""
        observations = state.observations
        ink = QColor(self.tokens.text)
        for cut in observations.cuts if observations is not None else ():
            x = round(self.scale.x(cut)) + 0.5
            self.painter.setPen(QPen(with_alpha(self.tokens.text, 0.55), 1, Qt.PenStyle.DashLine))
            self.painter.drawLine(QPointF(x, RULER), QPointF(x, self.layout.height))
            self.painter.setPen(Qt.PenStyle.NoPen)
            self.painter.setBrush(ink)
            self.painter.drawPolygon(
                QPolygonF([QPointF(x - 4, RULER - 6), QPointF(x + 4, RULER - 6), QPointF(x, RULER)])
            )

    def _in_front(self, bar: QRectF) -> None:
        """A line along the top where somebody said that this person is nearer to the camera."""
        self.painter.fillRect(QRectF(bar.left(), bar.top(), bar.width(), 2), QColor("#ffffff"))
        if bar.width() > IN_FRONT_WIDTH:
            self.painter.setPen(QColor("#ffffff"))
            words = QRectF(max(bar.left(), self.scale.left) + 5, bar.top(), bar.width(), PERSON)
            self.painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, "in front")

    def _frozen(self, bar: QRectF) -> None:
        self.painter.fillRect(bar, with_alpha("#dff1ff", 0.35))
        if bar.width() > 18:
            glyph = QRectF(bar.center().x() - 6, bar.center().y() - 6, 12, 12)
            paint_icon(self.painter, glyph, "freeze", QColor("#ffffff"))

    def _contacts(
        self, content: TimelineContent, contacts: tuple[ContactLabel, ...], chosen: int | None
    ) -> None:
        state, rows, painter = content.state, content.contact_rows, self.painter
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for index, label in enumerate(contacts):
            bar = self.bar(label.frames, self.layout.contact(rows[index]), least=4)
            is_contact = label.kind == "contact"
            color = (CONTACT_TINT if is_contact else NO_CONTACT_TINT)[0]
            painter.setBrush(with_alpha(color, 1.0 if index == chosen else 0.78))
            edge = QColor(self.tokens.text if index == chosen else color)
            painter.setPen(QPen(edge, 2 if index == chosen else 1))
            painter.drawRoundedRect(bar.adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
            self._contact_ends(state, label, bar)
            if bar.width() > 40:
                painter.setPen(QColor("#201a00" if is_contact else "#0f1114"))
                left = max(bar.left(), self.scale.left)
                inner = QRectF(left + 9, bar.top(), bar.right() - left - 18, bar.height())
                words = painter.fontMetrics().elidedText(
                    contact_words(label), Qt.TextElideMode.ElideRight, int(inner.width())
                )
                painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter, words)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _contact_ends(self, state: ClipState, label: ContactLabel, bar: QRectF) -> None:
        """A handle at each end, in the colour of the person whose region is named on that side."""
        if bar.width() < 14:
            return
        self.painter.setPen(Qt.PenStyle.NoPen)
        for person, x in ((label.person_a, bar.left() + 2), (label.person_b, bar.right() - 6)):
            self.painter.setBrush(QColor(identity(state, person).color))
            self.painter.drawRoundedRect(QRectF(x, bar.top() + 3, 4, bar.height() - 6), 2, 2)

    def _reviews(self, state: ClipState) -> None:
        tokens = self.tokens
        colors = {"accepted": tokens.success, "sent back": tokens.warning}
        for mark in state.reviews:
            color = colors.get(mark.verdict, tokens.danger)
            bar = self.bar(mark.frames, self.layout.review)
            self.painter.fillRect(bar, with_alpha(color, 0.85))
            ink = QColor(tokens.accent_text)
            if bar.width() > 16:
                glyph = QRectF(bar.left() + 3, bar.top() + 1, 12, 12)
                paint_icon(self.painter, glyph, VERDICT_ICONS[mark.verdict], ink)
            if bar.width() > 90:
                self.painter.setPen(ink)
                words = mark.verdict + (f": {mark.reason}" if mark.reason else "")
                words = self.painter.fontMetrics().elidedText(
                    words, Qt.TextElideMode.ElideRight, int(bar.width()) - 24
                )
                self.painter.drawText(
                    bar.adjusted(20, 0, -4, 0), Qt.AlignmentFlag.AlignVCenter, words
                )
