"""The video with everything that is known of the people on it, where curators correct it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from annotations.records import Changes, ClipState
from app import frame_evidence as evidence
from app.frame_body_overlay import FrameBodyOverlay
from app.frame_overlay import FrameOverlay
from app.overlay_items import Skeleton
from app.picture_scaling import picture_in_sight
from app.picture_transform import PictureTransform
from app.theme import theme
from app.view_state import Region, ViewState
from engine.structures import KeypointEdit

LAYERS = ("bodies", "skeletons", "boxes", "trails", "names")
GRIP = 11.0
"""View pixels around a joint in which the mouse takes it."""
DRAG_SLOP = 3
BODY_OPACITY = 0.66


class FrameView(QWidget):
    """One frame of the video, zoomed and panned at will, with skeletons and bodies over it.

    The overlay always belongs to the picture that is shown (`shown_frame`), also while the decoder
    is behind the playhead: an edit can only land on the frame that the eye sees.
    """

    keypoint_dragged = Signal(int, int, int, float, float)
    """person, frame, keypoint, x, y in picture pixels: once, when the joint is let go."""
    keypoint_hidden = Signal(int, int, int)
    """person, frame, keypoint: a right click on a joint."""
    body_clicked = Signal(int)
    """The person under a click, by body, skeleton or box."""
    region_clicked = Signal(int, str)
    """Contact tool: person and region of the projected body under a click."""

    def __init__(self, view_state: ViewState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view_state = view_state
        self._body_overlay = FrameBodyOverlay(view_state)
        self._layers = set(LAYERS)
        self._picture: np.ndarray | None = None
        self._picture_index = -1
        self._scaled: tuple[object, QImage, QPointF] | None = None
        self._transform = PictureTransform()
        self._is_fitted = True
        self._grabbed: tuple[int, int] | None = None
        self._hovered: tuple[int, int] | None = None
        self._pending: KeypointEdit | None = None
        self._pressed_at: QPointF | None = None
        self._last_at = QPointF()
        self._is_panning = False
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
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
        for signal in (
            view_state.candidate_changed,
            view_state.show_before_changed,
            view_state.selected_person_changed,
            view_state.selected_contact_changed,
            view_state.overlays_visible_changed,
            view_state.playing_changed,
            view_state.hovered_region_changed,
            view_state.picked_region_changed,
        ):
            signal.connect(self._on_overlay_changed)
        theme().changed.connect(self.update)

    # -- what is shown --------------------------------------------------------------------------

    def set_frame_image(self, index: int, image: np.ndarray) -> None:
        """Show a decoded frame, uint8 (H, W, 3) RGB, at the clip's size or reduced."""
        size_before = self.picture_size
        is_first = self._picture is None
        self._picture, self._picture_index = image, index
        if self._is_fitted and (is_first or self.picture_size != size_before):
            self.fit()
        if self._view_state.playing and self.isVisible():
            self._begin_bodies()  # OpenGL works until Qt asks for the painting
        self.update()

    @property
    def shown_frame(self) -> int:
        """The frame whose picture is on screen; the current frame until there is a picture."""
        return self._picture_index if self._picture is not None else self._view_state.frame

    @property
    def picture_size(self) -> tuple[int, int] | None:
        """(width, height) of the clip in pixels; None without a clip."""
        clip = self._view_state.clip
        whole = clip.video.image_size if clip is not None else None
        if self._picture is None:
            return whole
        height, width = self._picture.shape[:2]
        if whole is None:
            return width, height
        factor = max(1, round(whole[0] / width))
        is_reduced = (-(-whole[0] // factor), -(-whole[1] // factor)) == (width, height)
        return whole if is_reduced else (width, height)

    @property
    def reduction(self) -> int:
        """How much smaller a frame may be decoded to fill the view: 1 (whole) unless in motion."""
        shown, reduction = self._transform.scale * self.devicePixelRatioF(), 1
        while self._view_state.playing and shown * reduction * 2 <= 1:
            reduction *= 2
        return reduction

    @property
    def transform(self) -> PictureTransform:
        """From the picture's pixels to the widget's."""
        return self._transform

    def fit(self) -> None:
        """The whole frame, as large as it goes; kept so while the widget changes size."""
        self._is_fitted = True
        if self.picture_size is not None:
            view = (self.width(), self.height())
            self._transform = PictureTransform.fitted(self.picture_size, view, margin=8)
        self.update()

    def set_layer_visible(self, layer: str, is_visible: bool) -> None:
        """Show or hide one of `LAYERS`."""
        if layer not in LAYERS:
            raise ValueError(f"expected one of {LAYERS}, received {layer!r}")
        (self._layers.add if is_visible else self._layers.discard)(layer)
        self.update()

    def skeletons(self) -> list[Skeleton | None]:
        """Every person's joints in the shown frame, in widget pixels."""
        state = self._view_state.state
        if state is None or state.observations is None:
            return []
        pending = () if self._pending is None else (self._pending,)
        found = [
            evidence.skeleton(state, person, self.shown_frame, pending)
            for person in range(state.observations.person_count)
        ]
        return [None if s is None else evidence.placed(s, self._transform) for s in found]

    # -- what changed ---------------------------------------------------------------------------

    def _on_clip_id_changed(self, _: int | None) -> None:
        self._picture, self._picture_index, self._scaled = None, -1, None
        self._drop_gesture()
        self.fit()

    def _on_state_changed(self, _: Changes | None) -> None:
        self._pending = None
        self.update()

    def _on_frame_changed(self, _: int) -> None:
        # What is shown changes when the picture comes; painting twice a frame would cost half.
        if self._picture is None or self._grabbed or self._hovered or self._pending:
            self._drop_gesture()

    def _on_tool_changed(self, tool: str) -> None:
        self._drop_gesture()
        cross = Qt.CursorShape.CrossCursor
        self.setCursor(cross if tool in ("contact", "depth") else Qt.CursorShape.ArrowCursor)
        self.update()

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
        if state is not None and is_on and "bodies" in self._layers:
            self._body_overlay.begin(self, self.shown_frame, self._transform)

    def _paint_overlays(self, painter: QPainter, state: ClipState) -> None:
        frame, bounds = self.shown_frame, QRectF(self.rect())
        overlay = FrameOverlay(
            painter, self._view_state, self._transform, bounds, frame, self._layers
        )
        if "bodies" in self._layers:
            painter.setOpacity(BODY_OPACITY)
            self._body_overlay.paint(painter, self)
            painter.setOpacity(1.0)
        skeletons = self.skeletons()
        overlay.paint_people(state, skeletons)
        person, keypoint = self._grabbed or self._hovered or (-1, -1)
        skeleton = skeletons[person] if 0 <= person < len(skeletons) else None
        if skeleton is not None:
            is_held = self._grabbed is not None
            overlay.paint_joint_hint(state, person, keypoint, skeleton, is_held=is_held)
        elif self.underMouse():
            overlay.paint_region_hint(self._last_at)
        overlay.paint_version()

    def _paint_message(self, painter: QPainter, text: str) -> None:
        painter.setPen(QColor(theme().tokens.text_muted))
        painter.drawText(QRectF(self.rect()), Qt.AlignmentFlag.AlignCenter, text)

    def _paint_picture(self, painter: QPainter) -> None:
        if self._picture is None:
            size = self.picture_size or (16, 9)
            corners = self._transform.to_view(np.array([[0, 0], size]))
            frame = QRectF(QPointF(*corners[0]), QPointF(*corners[1]))
            painter.fillRect(frame, QColor(0, 0, 0, 60))
            return
        key = (self._picture_index, id(self._picture), self._transform, self.size())
        if self._scaled is None or self._scaled[0] != key:
            view = (self.width(), self.height())
            ratio = self.devicePixelRatioF()
            self._scaled = (key, *picture_in_sight(self._picture, self._of_picture, view, ratio))
        if not self._scaled[1].isNull():
            painter.drawImage(self._scaled[2], self._scaled[1])

    @property
    def _of_picture(self) -> PictureTransform:
        """From the pixels of the decoded picture, which may be reduced."""
        assert self._picture is not None and self.picture_size is not None
        factor = self.picture_size[0] / self._picture.shape[1]
        return PictureTransform(self._transform.scale * factor, self._transform.offset)

    # -- pointing -------------------------------------------------------------------------------

    def joint_under(self, position: QPointF) -> tuple[int, int] | None:
        """(person, keypoint) that the mouse would take at a point of the widget."""
        if "skeletons" not in self._layers or not self._view_state.overlays_visible:
            return None
        at = (position.x(), position.y())
        preferred = self._view_state.selected_person
        return evidence.nearest_joint(self.skeletons(), at, GRIP, preferred)

    def region_under(self, position: QPointF) -> Region | None:
        """Person and region of the projected body under a point of the widget."""
        x, y = self._transform.to_picture(np.array([position.x(), position.y()]))
        return self._body_overlay.region_at(self.shown_frame, x, y)

    def person_under(self, position: QPointF) -> int | None:
        """Whose joint, body or (smallest) box is under a point of the widget."""
        joint, region = self.joint_under(position), self.region_under(position)
        if joint is not None or region is not None:
            return joint[0] if joint is not None else region[0]  # type: ignore[index]
        x, y = self._transform.to_picture(np.array([position.x(), position.y()]))
        state, best = self._view_state.state, None
        count = len(self.skeletons())
        for person in range(count):
            box = evidence.box(state, person, self.shown_frame) if state is not None else None
            if box is not None and box[0] <= x <= box[2] and box[1] <= y <= box[3]:
                area = float((box[2] - box[0]) * (box[3] - box[1]))
                best = min(best or (area, person), (area, person))
        return None if best is None else best[1]

    # -- mouse and keys -------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed_at = self._last_at = event.position()
        if event.button() == Qt.MouseButton.MiddleButton:
            self._is_panning = True
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif event.button() == Qt.MouseButton.LeftButton and self._can_edit_joints:
            self._grabbed = self.joint_under(event.position())
        elif event.button() == Qt.MouseButton.RightButton and self._can_edit_joints:
            joint = self.joint_under(event.position())
            if joint is not None:
                self.keypoint_hidden.emit(joint[0], self.shown_frame, joint[1])

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        position = event.position()
        moved = position - self._last_at
        if self._is_panning:
            self._last_at = position
            self._set_transform(self._transform.panned(moved.x(), moved.y()))
        elif self._grabbed is not None and self._pressed_at is not None:
            if self._pending or (position - self._pressed_at).manhattanLength() > DRAG_SLOP:
                self._drag_to(position)
        elif not event.buttons():
            self._hover(position)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pressed_at, self._pressed_at = self._pressed_at, None
        if self._is_panning and event.button() == Qt.MouseButton.MiddleButton:
            self._is_panning = False
            self._on_tool_changed(self._view_state.tool)
        elif event.button() == Qt.MouseButton.LeftButton and pressed_at is not None:
            if self._pending is not None:
                self._let_go()
            elif (event.position() - pressed_at).manhattanLength() <= DRAG_SLOP:
                self._click(event.position())
            self._grabbed = None

    def wheelEvent(self, event: QWheelEvent) -> None:
        size = self.picture_size
        if size is None:
            return
        least = PictureTransform.fitted(size, (self.width(), self.height())).scale / 2
        at, factor = event.position(), 1.0015 ** event.angleDelta().y()
        self._set_transform(self._transform.zoomed(factor, at.x(), at.y(), least))

    def event(self, event: QEvent) -> bool:
        # Esc belongs to the drag in hand before it belongs to the window.
        if event.type() == QEvent.Type.ShortcutOverride and self._grabbed is not None:
            assert isinstance(event, QKeyEvent)
            if event.key() == Qt.Key.Key_Escape:
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self._grabbed is not None:
            self._drop_gesture()
            self.update()
        else:
            super().keyPressEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._hovered = None
        self._view_state.hovered_region = None
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._is_fitted:
            self.fit()

    # -- gestures -------------------------------------------------------------------------------

    @property
    def _can_edit_joints(self) -> bool:
        return self._view_state.tool in ("select", "pose")

    def _set_transform(self, transform: PictureTransform) -> None:
        size = self.picture_size
        if size is not None:
            transform = transform.kept_in_sight(size, (self.width(), self.height()))
        self._transform, self._is_fitted = transform, False
        self.update()

    def _hover(self, position: QPointF) -> None:
        if self._view_state.tool == "contact":
            self._last_at = position
            self._view_state.hovered_region = self.region_under(position)
            self.update()
            return
        joint = self.joint_under(position) if self._can_edit_joints else None
        if joint != self._hovered:
            self._hovered = joint
            self.update()

    def _drag_to(self, position: QPointF) -> None:
        assert self._grabbed is not None
        x, y = self._transform.to_picture(np.array([position.x(), position.y()]))
        width, height = self.picture_size or (1, 1)
        x, y = float(np.clip(x, 0, width)), float(np.clip(y, 0, height))
        self._pending = KeypointEdit(self._grabbed[0], self.shown_frame, self._grabbed[1], x, y)
        self.update()

    def _let_go(self) -> None:
        edit = self._pending
        assert edit is not None
        # The joint stays where it was let go until the project answers with a new state.
        self.keypoint_dragged.emit(edit.person, edit.frame, edit.keypoint, edit.x, edit.y)
        self.update()

    def _drop_gesture(self) -> None:
        self._grabbed = self._hovered = self._pending = None
        self.update()

    def _click(self, position: QPointF) -> None:
        if self._view_state.tool == "contact":
            region = self.region_under(position)
            if region is not None:
                self.region_clicked.emit(*region)
            return
        person = self.person_under(position)
        if person is not None:
            self.body_clicked.emit(person)
