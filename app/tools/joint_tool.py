"""Looking and correcting joints: drag one, right-click hides it, click a person to select them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QMouseEvent, QPainter

from app.overlay_items import paint_hint
from app.theme import theme
from app.tools.frame_tool import DRAG_SLOP, FrameTool
from engine.structures import KeypointEdit

if TYPE_CHECKING:
    from app.frame_overlay import FrameOverlay
    from app.frame_view import FrameView

CHOOSE = ("Somebody else — click to choose",)
PREVIEW = ("Not saved yet", "Joints can be corrected when the people are detected")
CHOSEN = ("Somebody else, chosen", "Ctrl+1, Ctrl+2: who it is · right-click: more")


class JointTool(FrameTool):
    """The tool that is on when no other is."""

    has_menu = True

    def __init__(self, view: FrameView) -> None:
        super().__init__(view)
        self._grabbed: tuple[int, int] | None = None
        self._hovered: tuple[int, int] | None = None
        self._hovered_other: int | None = None
        self._is_over_preview = False
        self._pending: KeypointEdit | None = None
        self._pressed_at: QPointF | None = None
        self._last_at = QPointF()

    @property
    def is_busy(self) -> bool:
        return self._grabbed is not None

    @property
    def pending_keypoints(self) -> tuple[KeypointEdit, ...]:
        return () if self._pending is None else (self._pending,)

    def press(self, event: QMouseEvent) -> bool:
        joint = self._joint_under(event.position())
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed_at, self._grabbed = event.position(), joint
            return True
        if joint is None or event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            return False
        self.view.keypoint_hidden.emit(joint[0], self.view.shown_frame, joint[1])
        return True

    def move(self, event: QMouseEvent) -> None:
        if self._grabbed is None or self._pressed_at is None:
            return
        moved = event.position() - self._pressed_at
        if self._pending is not None or moved.manhattanLength() > DRAG_SLOP:
            self._drag_to(event.position())

    def release(self, event: QMouseEvent, *, is_click: bool) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        edit = self._pending
        if edit is not None and self._grabbed is not None:
            # The joint stays where it was let go until the project answers with a new state.
            self.view.keypoint_dragged.emit(edit.person, edit.frame, edit.keypoint, edit.x, edit.y)
        elif is_click:
            self._click(event.position())
        self._grabbed = self._pressed_at = None
        self.view.update()

    def hover(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        joint = self._joint_under(at)
        other = self.view.other_under(at) if joint is None else None
        is_preview = self.view.view_state.is_unsaved and self.view.joint_under(at) is not None
        found = joint, other, is_preview
        before = self._hovered, self._hovered_other, self._is_over_preview
        if found != before or other is not None:
            self._hovered, self._hovered_other, self._is_over_preview = found
            self._last_at = at
            shape = Qt.CursorShape.PointingHandCursor if other is not None else self.cursor
            self.view.setCursor(shape)
            self.view.update()

    def leave(self) -> None:
        self._hovered = self._hovered_other = None
        self._is_over_preview = False

    def cancel(self) -> None:
        self._grabbed = self._hovered = self._pending = self._hovered_other = None

    def settle(self) -> None:
        self._pending = None

    def paint_above(self, painter: QPainter, overlay: FrameOverlay) -> None:
        state = self.view.view_state.state
        person, keypoint = self._grabbed or self._hovered or (-1, -1)
        skeletons = self.view.skeletons()
        skeleton = skeletons[person] if 0 <= person < len(skeletons) else None
        if state is not None and skeleton is not None:
            overlay.paint_joint_hint(state, person, keypoint, skeleton, is_held=self.is_busy)
        elif self._is_over_preview and self.view.view_state.is_unsaved:
            paint_hint(painter, self._last_at, PREVIEW, theme().tokens, overlay.bounds)
        elif self._hovered_other is not None:
            is_chosen = self._hovered_other == self.view.view_state.selected_other
            words = CHOSEN if is_chosen else CHOOSE
            paint_hint(painter, self._last_at, words, theme().tokens, overlay.bounds)

    def _joint_under(self, at: QPointF) -> tuple[int, int] | None:
        """The joint that could be corrected here: none while the people are only a preview."""
        return None if self.view.view_state.is_unsaved else self.view.joint_under(at)

    def _drag_to(self, position: QPointF) -> None:
        assert self._grabbed is not None
        x, y = self.view.to_picture(position)
        width, height = self.view.picture_size or (1, 1)
        x, y = float(np.clip(x, 0, width)), float(np.clip(y, 0, height))
        frame = self.view.shown_frame
        self._pending = KeypointEdit(self._grabbed[0], frame, self._grabbed[1], x, y)
        self.view.update()

    def _click(self, position: QPointF) -> None:
        source = self.view.source_under(position)
        if source is None:
            return
        kind, index = source
        (self.view.body_clicked if kind == "person" else self.view.other_clicked).emit(index)
