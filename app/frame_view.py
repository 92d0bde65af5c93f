"""The video with everything that is known of the people on it, where curators correct it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from annotations.people import Source
from annotations.records import Changes, ClipState
from app import frame_evidence as evidence
from app.frame_body_overlay import FrameBodyOverlay
from app.frame_overlay import FrameOverlay
from app.frame_picking import GRIP, FramePicker
from app.overlay_items import Skeleton
from app.picture_view import PictureView
from app.theme import theme
from app.tools.box_tool import BoxTool
from app.tools.click_tools import ContactTool, DepthTool
from app.tools.frame_tool import DRAG_SLOP, FrameTool
from app.tools.joint_tool import JointTool
from app.tools.mask_tool import MaskTool
from app.view_state import Candidate, Region, Tool, ViewState

LAYERS = ("bodies", "skeletons", "boxes", "trails", "names")
BODY_OPACITY = 0.66
PREVIEW_MS = 30
"""From the arrival of a preview to its painting: OpenGL draws the bodies meanwhile."""
_MODIFIERS = {
    Qt.Key.Key_Control: Qt.KeyboardModifier.ControlModifier,
    Qt.Key.Key_Shift: Qt.KeyboardModifier.ShiftModifier,
}


class FrameView(PictureView):
    """One frame of the video, zoomed and panned at will, with skeletons and bodies over it.

    The overlay always belongs to the picture that is shown (`shown_frame`), also while the decoder
    is behind the playhead: an edit can only land on the frame that the eye sees. What the mouse
    means is said by the tool that is on (`app.tools`).
    """

    keypoint_dragged = Signal(int, int, int, float, float)
    """person, frame, keypoint, x, y in picture pixels: once, when the joint is let go."""
    keypoint_hidden = Signal(int, int, int)
    """person, frame, keypoint: a right click on a joint."""
    body_clicked = Signal(int)
    """The person under a click, by body, skeleton or box."""
    other_clicked = Signal(int)
    """Somebody else under a click: a row of `Observations.others`."""
    region_clicked = Signal(int, str)
    """Contact tool: person and region of the projected body under a click."""
    region_missed = Signal()
    """Contact tool: a click beside the bodies."""
    box_drawn = Signal(object)
    """BoxEdit of kind "person": once, when a drawn or moved box is let go."""
    mask_painted = Signal(object)
    """MaskEdit: once a stroke."""
    menu_requested = Signal(object, object, QPoint)
    """A right click: `Source` under it, the nearest joint (person, keypoint) or None, and where on
    the screen."""

    def __init__(self, view_state: ViewState, parent: QWidget | None = None) -> None:
        super().__init__(view_state, parent)
        self._body_overlay = FrameBodyOverlay(view_state)
        self._picker = FramePicker(self, self._body_overlay)
        self._layers = set(LAYERS)
        self._pressed_at: QPointF | None = None
        self._pressed = Qt.MouseButton.NoButton
        self._last_at = QPointF()
        self._is_panning = False
        self._preview = QTimer(self, singleShot=True, interval=PREVIEW_MS)
        self._preview.timeout.connect(self.update)
        joints = JointTool(self)
        self._tools: dict[Tool, FrameTool] = {
            "select": joints,
            "pose": joints,
            "trust": joints,
            "contact": ContactTool(self),
            "depth": DepthTool(self),
            "box": BoxTool(self),
            "mask": MaskTool(self),
        }
        self._tool = self._tools[view_state.tool]
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.setMinimumSize(160, 120)
        self.setAccessibleName("Video frame")
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._connect()

    def _connect(self) -> None:
        view_state = self._view_state
        view_state.clip_id_changed.connect(self._on_clip_id_changed)
        view_state.state_changed.connect(self._on_state_changed)
        view_state.frame_changed.connect(self._on_frame_changed)
        view_state.tool_changed.connect(self._on_tool_changed)
        view_state.candidate_changed.connect(self._on_candidate_changed)
        for signal in (
            view_state.show_before_changed,
            view_state.selected_person_changed,
            view_state.selected_other_changed,
            view_state.selected_contact_changed,
            view_state.overlays_visible_changed,
            view_state.playing_changed,
            view_state.hovered_region_changed,
            view_state.picked_region_changed,
            view_state.brush_radius_changed,
        ):
            signal.connect(self._on_overlay_changed)
        theme().changed.connect(self.update)

    # -- what is shown --------------------------------------------------------------------------

    def set_frame_image(self, index: int, image: np.ndarray) -> None:
        """Show a decoded frame, uint8 (H, W, 3) RGB, at the clip's size or reduced."""
        if index != self.shown_frame:
            self._tool.cancel()
        self._show_picture(index, image)
        if self._view_state.playing and self.isVisible():
            self._begin_bodies()  # OpenGL works until Qt asks for the painting
        self.update()

    def set_layer_visible(self, layer: str, is_visible: bool) -> None:
        """Show or hide one of `LAYERS`."""
        if layer not in LAYERS:
            raise ValueError(f"expected one of {LAYERS}, received {layer!r}")
        (self._layers.add if is_visible else self._layers.discard)(layer)
        self.update()

    @property
    def layers(self) -> set[str]:
        """The layers that are drawn: those that are not in the way of the tool."""
        return self._layers - self._tool.hides

    def skeletons(self) -> list[Skeleton | None]:
        """Every person's joints in the shown frame, in widget pixels."""
        state = self._view_state.state
        if state is None or state.observations is None:
            return []
        pending = self._tool.pending_keypoints
        found = [
            evidence.skeleton(state, person, self.shown_frame, pending)
            for person in range(state.observations.person_count)
        ]
        return [None if s is None else evidence.placed(s, self._transform) for s in found]

    def other_skeletons(self) -> list[Skeleton | None]:
        """Joints of everybody else in the shown frame, in widget pixels."""
        state = self._view_state.state
        others = evidence.others(state)
        if state is None or others is None:
            return []
        people = range(others.person_count)
        found = [evidence.other_skeleton(state, other, self.shown_frame) for other in people]
        return [None if s is None else evidence.placed(s, self._transform) for s in found]

    def drop_pending(self, *_: object) -> None:
        """An edit was refused: show what the project says."""
        for tool in self._tools.values():
            tool.forget()
        self.update()

    # -- what changed ---------------------------------------------------------------------------

    def _on_clip_id_changed(self, _: int | None) -> None:
        self._picture.clear()
        self.drop_pending()
        self.fit()

    def _on_state_changed(self, _: Changes | None) -> None:
        for tool in self._tools.values():  # the answer to a tool that was left counts too
            tool.settle()
        self.update()

    def _on_frame_changed(self, _: int) -> None:
        # What is shown changes when the picture comes; painting twice a frame would cost half.
        self._tool.cancel()
        if self._picture.pixels is None:
            self.update()

    def _on_tool_changed(self, tool: Tool) -> None:
        self._tool.cancel()
        self._tool = self._tools[tool]
        self.setCursor(self._tool.cursor)
        self.update()

    def _on_candidate_changed(self, candidate: Candidate | None) -> None:
        if candidate is None or candidate.is_complete:
            self.update()
        elif not self._view_state.playing:  # else the next picture will show the preview
            self._begin_bodies()
            self._preview.start()

    def _on_overlay_changed(self, _: object) -> None:
        self.update()

    # -- painting -------------------------------------------------------------------------------

    def paintEvent(self, _: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(theme().tokens.viewport_low))
        if self._view_state.clip is None:
            self._paint_message(painter, "No clip is open.\nDrop a video here or press Ctrl+I.")
            return
        self._begin_bodies()
        self._paint_picture(painter)
        state = self._view_state.state if self._view_state.overlays_visible else None
        if state is not None:
            self._paint_overlays(painter, state)
        painter.end()

    def _begin_bodies(self) -> None:
        state, is_on = self._view_state.state, self._view_state.overlays_visible
        if state is not None and is_on and "bodies" in self.layers:
            self._body_overlay.begin(self, self.shown_frame, self._transform)

    def _paint_overlays(self, painter: QPainter, state: ClipState) -> None:
        frame, bounds = self.shown_frame, QRectF(self.rect())
        overlay = FrameOverlay(
            painter, self._view_state, self._transform, bounds, frame, self.layers
        )
        if "bodies" in self.layers:
            painter.setOpacity(BODY_OPACITY)
            self._body_overlay.paint(painter, self)
            painter.setOpacity(1.0)
        self._tool.paint_below(painter)
        overlay.paint_others(state, self.other_skeletons())
        overlay.paint_people(state, self.skeletons())
        self._tool.paint_above(painter, overlay)
        overlay.paint_version(state)

    def _paint_message(self, painter: QPainter, text: str) -> None:
        painter.setPen(QColor(theme().tokens.text_muted))
        painter.drawText(QRectF(self.rect()), Qt.AlignmentFlag.AlignCenter, text)

    @property
    def is_busy(self) -> bool:
        """Whether something is dragged in the picture."""
        return self._tool.is_busy

    # -- pointing -------------------------------------------------------------------------------

    def joint_under(self, position: QPointF, reach: float = GRIP) -> tuple[int, int] | None:
        """(person, keypoint) that the mouse would take at a point of the widget."""
        return self._picker.joint(position, reach)

    def region_under(self, position: QPointF) -> Region | None:
        """Person and region of the projected body under a point of the widget."""
        return self._picker.region(position)

    def other_under(self, position: QPointF) -> int | None:
        """Somebody else whose joint or bone is under a point of the widget."""
        return self._picker.other(position)

    def person_under(self, position: QPointF) -> int | None:
        """Whose joint, body or (smallest) box is under a point of the widget."""
        return self._picker.person(position)

    def source_under(self, position: QPointF) -> Source | None:
        """Who is under a point: a joint of the two, then somebody else's lines, then bodies."""
        return self._picker.source(position)

    # -- mouse and keys -------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._last_at = event.position()
        if event.button() == Qt.MouseButton.MiddleButton:
            self._is_panning = True
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif self._pressed_at is None and event.button() in (
            Qt.MouseButton.LeftButton,
            Qt.MouseButton.RightButton,
        ):
            if self._tool.stops_playing and self._view_state.playing:
                self._view_state.playing = False
                self._view_state.frame = self.shown_frame
            is_taken = self._tool.press(event)
            if is_taken:
                self._pressed_at, self._pressed = event.position(), event.button()
            elif event.button() == Qt.MouseButton.RightButton and self._tool.has_menu:
                self._ask_for_menu(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        position = event.position()
        if self._is_panning:
            moved, self._last_at = position - self._last_at, position
            self.pan(moved)
        elif self._pressed_at is not None and event.buttons():
            self._tool.move(event)
        elif not event.buttons():
            self._last_at = position
            self._tool.hover(position, event.modifiers())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.MiddleButton:
            self._is_panning = False
            self.setCursor(self._tool.cursor)
        elif self._pressed_at is not None and event.button() == self._pressed:
            moved = event.position() - self._pressed_at
            self._pressed_at = None
            self._tool.release(event, is_click=moved.manhattanLength() <= DRAG_SLOP)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if not self._tool.wheel(event):
            self.zoom(event)

    def event(self, event: QEvent) -> bool:
        # Esc belongs to the drag in hand before it belongs to the window.
        if event.type() == QEvent.Type.ShortcutOverride and self._tool.is_busy:
            assert isinstance(event, QKeyEvent)
            if event.key() == Qt.Key.Key_Escape:
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self._tool.is_busy:
            self._tool.cancel()
            self.setCursor(self._tool.cursor)
            self.update()
        elif not (self._tool.key(event, is_down=True) or self._turn_modifier(event, is_down=True)):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if not (self._tool.key(event, is_down=False) or self._turn_modifier(event, is_down=False)):
            super().keyReleaseEvent(event)

    def _turn_modifier(self, event: QKeyEvent, *, is_down: bool) -> bool:
        """Let the tool show what a click would do now that Ctrl or Shift went down or up."""
        modifier = _MODIFIERS.get(Qt.Key(event.key()))
        if modifier is None or not self.underMouse() or self._tool.is_busy:
            return False
        before = event.modifiers()  # platforms differ in whether the key itself is among them
        self._tool.hover(self._last_at, before | modifier if is_down else before & ~modifier)
        return True

    def leaveEvent(self, event: QEvent) -> None:
        self._tool.leave()
        self._view_state.hovered_region = None
        self.update()

    def _ask_for_menu(self, position: QPointF) -> None:
        source = self.source_under(position)
        if source is not None and not self._view_state.is_unsaved:
            near = self.joint_under(position, reach=2 * GRIP)
            self.menu_requested.emit(source, near, self.mapToGlobal(position.toPoint()))
