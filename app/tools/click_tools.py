"""Tools that only click: a contact's regions, and who is nearer to the camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QMouseEvent, QPainter

from app.tools.frame_tool import FrameTool

if TYPE_CHECKING:
    from app.frame_overlay import FrameOverlay
    from app.frame_view import FrameView


class ContactTool(FrameTool):
    """A click names the region of the projected body under it."""

    cursor = Qt.CursorShape.CrossCursor

    def __init__(self, view: FrameView) -> None:
        super().__init__(view)
        self._at = QPointF()

    def press(self, event: QMouseEvent) -> bool:
        return event.button() == Qt.MouseButton.LeftButton

    def release(self, event: QMouseEvent, *, is_click: bool) -> None:
        if not is_click or event.button() != Qt.MouseButton.LeftButton:
            return
        region = self.view.region_under(event.position())
        if region is not None:
            self.view.region_clicked.emit(*region)
        else:
            self.view.region_missed.emit()

    def hover(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self._at = at
        self.view.view_state.hovered_region = self.view.region_under(at)
        self.view.update()

    def paint_above(self, painter: QPainter, overlay: FrameOverlay) -> None:
        if self.view.underMouse():
            overlay.paint_region_hint(self._at)


class DepthTool(FrameTool):
    """A click names the person under it."""

    cursor = Qt.CursorShape.CrossCursor

    def press(self, event: QMouseEvent) -> bool:
        return event.button() == Qt.MouseButton.LeftButton

    def release(self, event: QMouseEvent, *, is_click: bool) -> None:
        person = self.view.person_under(event.position()) if is_click else None
        if person is not None and event.button() == Qt.MouseButton.LeftButton:
            self.view.body_clicked.emit(person)
