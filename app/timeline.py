"""The clip in time: who is known where, contacts, reviews, evidence; scrub, select, drag ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QPolygonF,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from annotations.records import Changes
from app.theme import theme, with_alpha
from app.timeline_content import TimelineContent, contact_words, frame_words
from app.timeline_lanes import GAP, GUTTER, RULER, LaneLayout, LanePainter
from app.timeline_scale import TimelineScale
from app.view_state import ViewState
from engine.structures import ContactLabel, FrameRange

END_GRIP = 5.0
"""Pixels around an interval's end in which the mouse takes it."""
MARGIN = 12


@dataclass(frozen=True)
class Gesture:
    """What the mouse is doing between press and release."""

    kind: Literal["scrub", "select", "contact start", "contact end"]
    origin: int = 0
    """Frame border where a selection began."""
    contact: int = -1
    label: ContactLabel | None = None
    """The contact as it would be if let go now."""


class Timeline(QWidget):
    """Lanes over time, painted once and kept until something in them changes."""

    selection_made = Signal(object)
    """FrameRange, when a selection is let go."""
    contact_interval_changed = Signal(int, object)
    """Index of the contact and its new FrameRange: once, when the end is let go."""
    contact_clicked = Signal(int)
    scrubbed = Signal(int)

    def __init__(self, view_state: ViewState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view_state = view_state
        self._content: TimelineContent | None = None
        self._layout = LaneLayout.of(None)
        self._scale = TimelineScale()
        self._is_fitted = True
        self._lanes: QPixmap | None = None
        self._cached: tuple[FrameRange, ...] = ()
        self._playhead_painted = 0
        self._gesture: Gesture | None = None
        self._moved_contact: tuple[int, ContactLabel] | None = None
        self.setMouseTracking(True)
        self.setAccessibleName("Timeline")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._connect()
        self._read_state()
        self._refresh()

    def _connect(self) -> None:
        view_state = self._view_state
        view_state.clip_id_changed.connect(self._on_clip_id_changed)
        view_state.state_changed.connect(self._on_state_changed)
        view_state.frame_changed.connect(self._on_frame_changed)
        view_state.selection_changed.connect(self._on_selection_changed)
        view_state.selected_contact_changed.connect(self._on_selected_contact_changed)
        view_state.pair_changed.connect(lambda _: self._refresh())
        theme().changed.connect(self._refresh)

    # -- what is shown --------------------------------------------------------------------------

    @property
    def scale(self) -> TimelineScale:
        """Which frame is at which pixel."""
        return self._scale

    @property
    def lane_layout(self) -> LaneLayout:
        return self._layout

    def fit(self) -> None:
        """The whole clip."""
        self._is_fitted = True
        self._set_scale(TimelineScale.fitted(self._view_state.frame_count, GUTTER, self._room))

    def sizeHint(self) -> QSize:
        return QSize(640, self._layout.height)

    def minimumSizeHint(self) -> QSize:
        return QSize(240, self._layout.height)

    def set_cached(self, frames: tuple[FrameRange, ...]) -> None:
        """Frames that are shown at once: a thin line below the ruler."""
        if frames != self._cached:
            self._cached = frames
            self.update(QRect(0, RULER, self.width(), GAP))

    def contacts_shown(self) -> tuple[ContactLabel, ...]:
        """The clip's contacts, with the one in hand as it is dragged."""
        state = self._view_state.state
        contacts = list(state.constraints.contacts) if state is not None else []
        if self._moved_contact is not None and self._moved_contact[0] < len(contacts):
            contacts[self._moved_contact[0]] = self._moved_contact[1]
        return tuple(contacts)

    @property
    def _room(self) -> float:
        return self.width() - GUTTER - MARGIN

    @property
    def _times(self) -> np.ndarray:
        clip = self._view_state.clip
        return clip.video.times if clip is not None else np.zeros(1)

    # -- what changed ---------------------------------------------------------------------------

    def _on_clip_id_changed(self, _: int | None) -> None:
        self._gesture = self._moved_contact = None
        self._read_state()
        self.fit()
        self._refresh()

    def _on_state_changed(self, _: Changes | None) -> None:
        self._moved_contact = None
        self._read_state()
        self._refresh()

    def _on_frame_changed(self, frame: int) -> None:
        if self._gesture is None:
            self._set_scale(self._scale.showing(frame))
        for at in (self._playhead_painted, frame):
            self.update(self._playhead_area(at))

    def _on_selection_changed(self, _: FrameRange | None) -> None:
        self.update()

    def _on_selected_contact_changed(self, _: int | None) -> None:
        self._refresh()

    def _read_state(self) -> None:
        state, count = self._view_state.state, self._view_state.frame_count
        self._content = TimelineContent.of(state, count) if state is not None else None

    def _refresh(self) -> None:
        """Lay the lanes out and paint them anew."""
        layout = LaneLayout.of(self._content)
        if layout != self._layout:
            self._layout = layout
            self.updateGeometry()
        self._lanes = None
        self.update()

    def _set_scale(self, scale: TimelineScale) -> None:
        if scale != self._scale:
            self._scale = scale
            self._lanes = None
            self.update()

    # -- painting -------------------------------------------------------------------------------

    def paintEvent(self, _: QPaintEvent) -> None:
        painter = QPainter(self)
        if self._lanes is None:
            self._lanes = self._painted_lanes()
        painter.drawPixmap(0, 0, self._lanes)
        if self._view_state.clip is not None:
            self._paint_cached(painter)
            self._paint_selection(painter)
            self._paint_playhead(painter)
        painter.end()

    def _painted_lanes(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        pixmap = QPixmap(self.size() * ratio)
        pixmap.setDevicePixelRatio(ratio)
        tokens = theme().tokens
        pixmap.fill(QColor(tokens.surface))
        if self._view_state.clip is not None:
            painter = QPainter(pixmap)
            painter.setFont(self.font())
            lanes = LanePainter(painter, tokens, self._scale, self._layout, self._times)
            looked_at = self._view_state
            chosen, pair = looked_at.selected_contact, looked_at.pair
            lanes.paint(self._content, self.contacts_shown(), chosen, pair)
            painter.end()
        return pixmap

    def _paint_cached(self, painter: QPainter) -> None:
        color = with_alpha(theme().tokens.accent, 0.55)
        left, right = GUTTER, GUTTER + self._scale.width
        for frames in self._cached:
            x0, x1 = self._scale.x(frames.start), self._scale.x(frames.stop)
            x0, x1 = max(x0, left), min(x1, right)
            if x1 > x0:
                painter.fillRect(QRectF(x0, RULER, x1 - x0, GAP - 1), color)

    def _paint_selection(self, painter: QPainter) -> None:
        frames = self._view_state.selection
        if frames is None:
            return
        painter.setClipRect(QRectF(GUTTER, 0, self._scale.width, self.height()))
        x0, x1 = self._scale.x(frames.start), self._scale.x(frames.stop)
        accent = theme().tokens.accent
        painter.fillRect(QRectF(x0, 0, x1 - x0, self.height()), with_alpha(accent, 0.16))
        painter.fillRect(QRectF(x0, 0, x1 - x0, 3), QColor(accent))
        painter.setPen(QPen(QColor(accent), 1))
        for x in (x0, x1):
            painter.drawLine(QPointF(x, 0), QPointF(x, self.height()))
        painter.setClipping(False)

    def _playhead_area(self, frame: int) -> QRect:
        """What the playhead covers at a frame, its number included."""
        left, right = self._scale.x(frame), self._scale.x(frame + 1)
        return QRect(int(left) - 40, 0, int(right - left) + 80, self.height())

    def _paint_playhead(self, painter: QPainter) -> None:
        self._playhead_painted = self._view_state.frame
        x = self._scale.x(self._view_state.frame + 0.5)
        if not GUTTER - 1 <= x <= GUTTER + self._scale.width + 1:
            return
        tokens = theme().tokens
        ink = QColor(tokens.text)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._scale.pixels_per_frame >= 6:
            cell = QRectF(
                self._scale.x(self._view_state.frame), RULER,
                self._scale.pixels_per_frame, self.height() - RULER,
            )  # fmt: skip
            painter.fillRect(cell, with_alpha(tokens.text, 0.10))
        painter.setPen(QPen(ink, 1.4))
        painter.drawLine(QPointF(x, RULER - 4), QPointF(x, self.height()))
        font = QFont(self.font())
        font.setPixelSize(tokens.text_small)
        font.setBold(True)
        painter.setFont(font)
        words = str(self._view_state.frame)
        width = max(26, painter.fontMetrics().horizontalAdvance(words) + 12)
        left = min(max(x - width / 2, 2.0), self.width() - width - 2.0)
        tag = QRectF(left, 2, width, 16)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        painter.drawRoundedRect(tag, 4, 4)
        tip = [QPointF(x - 4, 17), QPointF(x + 4, 17), QPointF(x, 23)]
        painter.drawPolygon(QPolygonF(tip))
        painter.setPen(QColor(tokens.surface))
        painter.drawText(tag, Qt.AlignmentFlag.AlignCenter, words)

    @property
    def is_busy(self) -> bool:
        """Whether the mouse drags the playhead, a selection or an interval's end."""
        return self._gesture is not None

    # -- pointing -------------------------------------------------------------------------------

    def contact_under(self, at: QPointF) -> tuple[int, Literal["start", "end", "bar"]] | None:
        """Index of the contact under a point, and which part of it."""
        contacts = self.contacts_shown()
        rows = self._content.contact_rows if self._content is not None else ()
        found: tuple[int, Literal["start", "end", "bar"]] | None = None
        for index, label in enumerate(contacts):
            top, height = self._layout.contact(rows[index])
            x0, x1 = self._scale.x(label.frames.start), self._scale.x(label.frames.stop)
            if not top <= at.y() < top + height or not x0 - END_GRIP <= at.x() <= x1 + END_GRIP:
                continue
            grip = min(END_GRIP, (x1 - x0) / 3)
            if abs(at.x() - x1) <= max(grip, 2) or at.x() > x1:
                return index, "end"
            if abs(at.x() - x0) <= max(grip, 2) or at.x() < x0:
                return index, "start"
            found = index, "bar"
        return found

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            self._show_tip(event)
            return True
        if event.type() == QEvent.Type.ShortcutOverride and self._gesture is not None:
            assert isinstance(event, QKeyEvent)
            if event.key() == Qt.Key.Key_Escape:
                event.accept()
                return True
        return super().event(event)

    def tip_at(self, at: QPointF) -> str:
        """The words of the tooltip at a point; empty where there is nothing to say."""
        if self._view_state.clip is None or at.x() < GUTTER:
            return ""
        contact = self.contact_under(at)
        if contact is not None:
            label = self.contacts_shown()[contact[0]]
            span = f"frames {label.frames.start}\u2013{label.frames.stop - 1}"
            return f"{contact_words(label)}\n{span}\nDrag an end to change it"
        frame = self._scale.frame_at(at.x())
        return frame_words(self._content, frame, float(self._times[frame]))

    def _show_tip(self, event: QHelpEvent) -> None:
        words = self.tip_at(QPointF(event.pos()))
        if words:
            QToolTip.showText(event.globalPos(), words, self)
        else:
            QToolTip.hideText()

    # -- mouse and keys -------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        if event.button() != Qt.MouseButton.LeftButton or self._view_state.clip is None:
            return
        contact = self.contact_under(at)
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._gesture = Gesture("select", origin=self._scale.frame_at(at.x()))
            self._select_to(at.x())
        elif contact is not None:
            index, part = contact
            self._view_state.selected_contact = index
            self.contact_clicked.emit(index)
            if part != "bar":
                kind: Literal["contact start", "contact end"]
                kind = "contact start" if part == "start" else "contact end"
                self._gesture = Gesture(kind, contact=index, label=self.contacts_shown()[index])
        else:
            self._gesture = Gesture("scrub")
            self._scrub_to(at.x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        if self._gesture is None:
            contact = self.contact_under(at) if self._view_state.clip is not None else None
            on_end = contact is not None and contact[1] != "bar"
            shape = Qt.CursorShape.SizeHorCursor if on_end else Qt.CursorShape.ArrowCursor
            self.setCursor(shape)
        elif self._gesture.kind == "scrub":
            self._scrub_to(at.x())
        elif self._gesture.kind == "select":
            self._select_to(at.x())
        else:
            self._drag_end_to(at.x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        gesture, self._gesture = self._gesture, None
        if gesture is None or event.button() != Qt.MouseButton.LeftButton:
            return
        if gesture.kind == "select" and self._view_state.selection is not None:
            self.selection_made.emit(self._view_state.selection)
        elif gesture.label is not None and self._moved_contact is not None:
            # It stays where it was let go until the project answers with a new state.
            self.contact_interval_changed.emit(gesture.contact, self._moved_contact[1].frames)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        contact = self.contact_under(event.position())
        if contact is not None:
            self._view_state.selection = self.contacts_shown()[contact[0]].frames
            self.selection_made.emit(self._view_state.selection)
        elif event.position().y() < RULER:
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        turn = event.angleDelta().y() or event.angleDelta().x()
        self._is_fitted = False
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._set_scale(self._scale.zoomed(1.0018**turn, event.position().x()))
        else:
            self._set_scale(self._scale.scrolled(-0.6 * turn))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self._gesture is not None:
            self._gesture = self._moved_contact = None
            self._refresh()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._lanes = None
        if self._is_fitted:
            self.fit()
        else:
            self._set_scale(self._scale.resized(GUTTER, self._room))

    # -- gestures -------------------------------------------------------------------------------

    def _scrub_to(self, x: float) -> None:
        frame = self._scale.frame_at(x)
        if frame != self._view_state.frame:
            self._view_state.playing = False
        self._view_state.frame = frame
        self.scrubbed.emit(frame)

    def _select_to(self, x: float) -> None:
        assert self._gesture is not None
        here, origin = self._scale.frame_at(x), self._gesture.origin
        self._view_state.selection = FrameRange(min(here, origin), max(here, origin) + 1)

    def _drag_end_to(self, x: float) -> None:
        gesture = self._gesture
        assert gesture is not None and gesture.label is not None
        frames, edge = gesture.label.frames, self._scale.edge_at(x)
        if gesture.kind == "contact start":
            moved = FrameRange(min(edge, frames.stop - 1), frames.stop)
        else:
            moved = FrameRange(frames.start, max(edge, frames.start + 1))
        if moved == frames and self._moved_contact is None:
            return
        self._moved_contact = (gesture.contact, replace(gesture.label, frames=moved))
        self._refresh()
