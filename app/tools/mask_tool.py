"""Masks by hand: a round brush in the picture's pixels that adds to a person's mask, or erases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPen, QWheelEvent

from app import frame_evidence as evidence
from app.box_owner import owner_of_new_box
from app.mask_canvas import Area, MaskCanvas, MaskPicture
from app.tools.frame_tool import FrameTool
from app.view_state import BRUSH_STEP
from engine.structures import MaskEdit, RunLengthMask

if TYPE_CHECKING:
    from app.frame_overlay import FrameOverlay
    from app.frame_view import FrameView

NEIGHBOUR = 0.5
"""Strength of the other people's masks while one is painted."""
_CONTROL = Qt.KeyboardModifier.ControlModifier


@dataclass(frozen=True)
class Stroke:
    """The brush on the picture."""

    last: tuple[float, float]
    erases: bool


class MaskTool(FrameTool):
    """Left adds; Ctrl or the right button erases; Ctrl+wheel changes the brush."""

    cursor = Qt.CursorShape.BlankCursor
    stops_playing = True
    hides = frozenset({"bodies", "trails", "boxes", "skeletons"})

    def __init__(self, view: FrameView) -> None:
        super().__init__(view)
        self._canvas: MaskCanvas | None = None
        self._canvas_of: tuple[object, ...] = ()
        self._picture: MaskPicture | None = None
        self._picture_of: tuple[object, ...] = ()
        self._neighbours: list[MaskPicture] = []
        self._neighbours_of: tuple[object, ...] = ()
        self._stroke: Stroke | None = None
        self._sent: MaskEdit | None = None
        self._at: QPointF | None = None
        self._is_erasing = False
        self._painted_brush = QRect()

    @property
    def is_busy(self) -> bool:
        return self._stroke is not None

    @property
    def person(self) -> int | None:
        """Whose mask a stroke would paint: the selected person, else who is nearest."""
        state, chosen = self.view.view_state.state, self.view.view_state.selected_person
        if state is None or state.observations is None or chosen is not None:
            return chosen if state is not None and state.observations is not None else None
        x, y = self.view.to_picture(self._at).tolist() if self._at is not None else (0.0, 0.0)
        return owner_of_new_box(state, self.view.shown_frame, None, (x, y, x, y))

    def canvas(self) -> MaskCanvas | None:
        """The mask of `person` in the shown frame."""
        state, size, person = self.view.view_state.state, self.view.picture_size, self.person
        if state is None or size is None or person is None:
            return None
        frame = self.view.shown_frame
        said = self._sent
        is_sent = said is not None and (said.person, said.frame) == (person, frame)
        if is_sent and self._canvas is not None:
            return self._canvas  # the project has not answered to the last stroke yet
        mask = evidence.mask(state, person, frame)
        key = (person, frame, size, mask)
        if self._stroke is None:
            if not _same(self._canvas_of, key):
                self._canvas = MaskCanvas((size[1], size[0]), mask)
                self._picture = None
            self._canvas_of = key
        return self._canvas

    # -- the mouse ------------------------------------------------------------------------------

    def press(self, event: QMouseEvent) -> bool:
        self._at = event.position()
        person, canvas = self.person, self.canvas()
        if person is None or canvas is None:
            return False
        self.view.view_state.selected_person = person
        is_right = event.button() == Qt.MouseButton.RightButton
        erases = is_right or bool(event.modifiers() & _CONTROL)
        canvas.begin()
        at = self._point(event.position())
        self._stroke = Stroke(at, erases)
        self._is_erasing = erases
        self._dab(at, at)
        return True

    def move(self, event: QMouseEvent) -> None:
        self._at = event.position()
        if self._stroke is None:
            return
        at = self._point(event.position())
        self._dab(self._stroke.last, at)
        self._stroke = Stroke(at, self._stroke.erases)
        self._update_brush()

    def release(self, event: QMouseEvent, *, is_click: bool) -> None:
        canvas, stroke, person = self._canvas, self._stroke, self.person
        self._stroke = None
        if canvas is None or stroke is None or person is None:
            return
        if canvas.has_changed:
            edit = MaskEdit(person, self.view.shown_frame, canvas.encoded())
            self._sent = edit
            self.view.mask_painted.emit(edit)
        canvas.end()
        self.hover(event.position(), event.modifiers())

    def hover(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        before = self.person
        self._at = at
        self._is_erasing = bool(modifiers & _CONTROL)
        self._update_brush()
        if self.person != before:
            self.view.update()

    def leave(self) -> None:
        self._at = None

    def wheel(self, event: QWheelEvent) -> bool:
        if not event.modifiers() & _CONTROL:
            return False
        view_state, notches = self.view.view_state, event.angleDelta().y() / 120
        view_state.brush_radius = view_state.brush_radius * BRUSH_STEP**notches
        return True

    def cancel(self) -> None:
        if self._stroke is not None and self._canvas is not None:
            self._canvas.revert()
            self._picture = None
        self._stroke = None

    def settle(self) -> None:
        """A stroke that was sent is settled once the project says the same mask."""
        state, said = self.view.view_state.state, self._sent
        if state is None or said is None:
            return
        painted = evidence.painted_mask(state, said.person, said.frame)
        if painted is not None and painted.mask == said.mask:
            self._sent = None
            if self._canvas_of[:2] == (said.person, said.frame):
                self._canvas_of = (*self._canvas_of[:3], painted.mask)

    def forget(self) -> None:
        """The project refused a stroke: what it says counts again."""
        self.cancel()
        self._sent, self._canvas_of = None, ()

    # -- painting -------------------------------------------------------------------------------

    def paint_below(self, painter: QPainter) -> None:
        canvas = self.canvas()
        if canvas is None:
            return
        view, person = self.view, self.person or 0
        place = (view.transform, view.width(), view.height(), view.devicePixelRatioF())
        key = (id(canvas), place, person)
        if self._picture is None or self._picture_of != key:
            self._picture = self._pictured(canvas.pixels, person)
            self._picture_of = key
        self._paint_neighbours(painter)
        painter.drawImage(0, 0, self._picture.image)

    def _paint_neighbours(self, painter: QPainter) -> None:
        """The other people's masks, faintly: where this one must end."""
        view, state, size = self.view, self.view.view_state.state, self.view.picture_size
        if state is None or size is None:
            return
        people = [p for p in range(len(state.identities)) if p != self.person]
        found = [(p, evidence.mask(state, p, view.shown_frame)) for p in people]
        place = (view.transform, view.width(), view.height(), view.devicePixelRatioF())
        key = (place, size, tuple(found))
        if self._neighbours_of != key:
            self._neighbours_of = key
            self._neighbours = [
                self._pictured(MaskCanvas((size[1], size[0]), mask).pixels, p)
                for p, mask in found
                if mask is not None
            ]
        painter.setOpacity(NEIGHBOUR)
        for picture in self._neighbours:
            painter.drawImage(0, 0, picture.image)
        painter.setOpacity(1.0)

    def _pictured(self, pixels: np.ndarray, person: int) -> MaskPicture:
        view = self.view
        color = evidence.identity(view.view_state.state, person).color
        size, ratio = (view.width(), view.height()), view.devicePixelRatioF()
        return MaskPicture(pixels, view.transform, size, ratio, color)

    def paint_above(self, painter: QPainter, overlay: FrameOverlay) -> None:
        if self._at is None:
            return
        radius = max(1.5, self.view.view_state.brush_radius * self.view.transform.scale)
        person = self.person
        color = evidence.identity(self.view.view_state.state, person or 0).color
        painter.setBrush(Qt.BrushStyle.NoBrush)
        style = Qt.PenStyle.DashLine if self._is_erasing else Qt.PenStyle.SolidLine
        painter.setPen(QPen(QColor(0, 0, 0, 150), 3.4))
        painter.drawEllipse(self._at, radius, radius)
        painter.setPen(QPen(QColor("#ffffff" if self._is_erasing else color), 1.6, style))
        painter.drawEllipse(self._at, radius, radius)
        painter.setPen(QPen(QColor("#ffffff"), 1.4))
        painter.drawLine(self._at - QPointF(3, 0), self._at + QPointF(3, 0))
        if not self._is_erasing:
            painter.drawLine(self._at - QPointF(0, 3), self._at + QPointF(0, 3))

    def _dab(self, a: tuple[float, float], b: tuple[float, float]) -> None:
        assert self._canvas is not None and self._stroke is not None
        radius = self.view.view_state.brush_radius
        area = self._canvas.dab(a, b, radius, not self._stroke.erases)
        if area is None:
            return
        if self._picture is not None:
            self._picture.refresh(self._canvas.pixels, area)
        self.view.update(self._seen(area))

    def _update_brush(self) -> None:
        """Paint again where the brush was and where it is: not the whole view."""
        if self._at is None:
            return
        radius = self.view.view_state.brush_radius * self.view.transform.scale + 6
        brush = QRectF(self._at.x() - radius, self._at.y() - radius, 2 * radius, 2 * radius)
        now = brush.toAlignedRect()
        self.view.update(self._painted_brush)
        self.view.update(now)
        self._painted_brush = now

    def _seen(self, area: Area) -> QRect:
        """An area of the mask in view pixels, with its outline."""
        corners = self.view.transform.to_view(np.array(area, float).reshape(2, 2))
        seen = QRectF(QPointF(*corners[0]), QPointF(*corners[1]))
        return seen.toAlignedRect().adjusted(-3, -3, 3, 3)

    def _point(self, position: QPointF) -> tuple[float, float]:
        x, y = self.view.to_picture(position).tolist()
        return x, y


def _same(a: tuple[object, ...], b: tuple[object, ...]) -> bool:
    """Equality of two keys; run lengths are long, so identity is tried first."""
    if len(a) != len(b) or a[:3] != b[:3]:
        return False
    return a[3] is b[3] or (
        isinstance(a[3], RunLengthMask) and isinstance(b[3], RunLengthMask) and a[3] == b[3]
    )
