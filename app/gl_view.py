"""A pyqtgraph 3D view that draws off screen, with the mouse habits of a 3D tool and y up."""

from __future__ import annotations

import logging

import numpy as np
from OpenGL import GL
from pyqtgraph.opengl.GLViewWidget import GLViewMixin
from PySide6.QtCore import QPointF, Qt, QTimer
from PySide6.QtGui import (
    QImage,
    QLinearGradient,
    QMatrix4x4,
    QMouseEvent,
    QOpenGLContext,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtOpenGL import QOpenGLFramebufferObject
from PySide6.QtWidgets import QWidget

from app.gl_renderer import UPSIDE_DOWN, GLRenderer, GraphicsError, shared_renderer
from app.orbit_camera import OrbitCamera
from app.theme import theme

log = logging.getLogger(__name__)

STILL_MS = 140
"""Without a graphics card the picture is smoothed (multisampled) once it stood still so long."""
SAMPLES = 4
CLICK_SLOP = 4
"""Pixels that the mouse may move between press and release of a click."""
DEGREES_PER_PIXEL = 0.4


class GLView(GLViewMixin, QWidget):
    """Items of pyqtgraph.opengl, seen by an `OrbitCamera` and painted as a picture.

    Left drag turns, wheel zooms, middle drag pans. A subclass gets clicks in `_clicked`, movement
    without a button in `_hovered`, and paints labels over the scene in `_paint_over`.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        self._renderer: GLRenderer | None = None
        self._camera = OrbitCamera()
        self._image: QImage | None = None
        self._begun: QOpenGLFramebufferObject | None = None
        self._is_stale = True
        self._is_smooth = False
        self._later: QTimer | None = None
        super().__init__(parent)
        self.failure = ""
        """Why there is no picture, in a sentence; empty when all is well."""
        self._pressed_at: QPointF | None = None
        self._last_at = QPointF()
        self._smoothing = QTimer(self, singleShot=True, interval=STILL_MS)
        self._smoothing.timeout.connect(self._smooth)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(160, 120)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        theme().changed.connect(self._on_theme_changed)

    # -- what GLViewMixin expects of its widget -------------------------------------------------

    def isValid(self) -> bool:
        return self._renderer is not None

    def context(self) -> QOpenGLContext | None:
        return self._renderer.context if self._renderer is not None else None

    def update(self, *_: object) -> None:
        self._is_stale = True
        if self._later is None or not self._later.isActive():
            super().update()

    def hold_back(self, milliseconds: int) -> None:
        """Paint no sooner than this. What is drawn ahead meanwhile is then ready, and the event
        loop has two short turns instead of one in which it waits for OpenGL."""
        if self._later is None:
            self._later = QTimer(self, singleShot=True)
            self._later.timeout.connect(self._show_begun)
        self._later.start(milliseconds)

    def viewMatrix(self) -> QMatrix4x4:
        return QMatrix4x4(self._camera.view().ravel().tolist())

    def projectionMatrix(self, *_: object) -> QMatrix4x4:
        matrix = UPSIDE_DOWN @ self._camera.projection(self.aspect)
        return QMatrix4x4(matrix.ravel().tolist())

    # -- the eye --------------------------------------------------------------------------------

    @property
    def aspect(self) -> float:
        return max(1, self.width()) / max(1, self.height())

    @property
    def camera(self) -> OrbitCamera:
        return self._camera

    @camera.setter
    def camera(self, camera: OrbitCamera) -> None:
        if camera != self._camera:
            self._camera = camera
            self.update()

    def ray(self, position: QPointF) -> tuple[np.ndarray, np.ndarray]:
        """Origin and unit direction in the world of the ray under a point of the widget."""
        return self._camera.ray(position.x(), position.y(), self.width(), self.height())

    def view_pixels(self, points: np.ndarray) -> np.ndarray:
        """Widget pixels and depth (N, 3) of world points (N, 3)."""
        return self._camera.pixels(np.asarray(points, float), self.width(), self.height())

    def _on_theme_changed(self) -> None:
        # Not `update` itself: Qt would call its Python override after the view is gone.
        self.update()

    # -- painting -------------------------------------------------------------------------------

    def paintEvent(self, _: QPaintEvent) -> None:
        if self._is_stale:
            self._draw(smooth=False)
        self._fetch()
        painter = QPainter(self)
        tokens = theme().tokens
        ground = QLinearGradient(0, 0, 0, self.height())
        ground.setColorAt(0, tokens.viewport)
        ground.setColorAt(1, tokens.viewport_low)
        painter.fillRect(self.rect(), ground)
        if self._image is not None:
            painter.drawImage(self.rect(), self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_over(painter)
        painter.end()

    def _paint_over(self, painter: QPainter) -> None:
        """Labels and messages on top of the scene."""

    def _is_still(self) -> bool:
        """Whether what is shown will stay for a while, so that it is worth smoothing."""
        return True

    def draw_ahead(self) -> None:
        """Begin the picture now, to be painted when Qt asks: OpenGL works beside the caller."""
        if self.isVisible():
            self._draw(smooth=False)

    def _show_begun(self) -> None:
        super().update()

    def _draw(self, *, smooth: bool) -> None:
        self._is_stale = False
        try:
            renderer = self._ready_renderer()
        except GraphicsError as error:
            self.failure = str(error)
            return
        ratio = self.devicePixelRatioF()
        size = (max(1, round(self.width() * ratio)), max(1, round(self.height() * ratio)))
        samples = SAMPLES if smooth or not renderer.is_software else 0
        with renderer.target(id(self), size, samples) as buffer:
            GL.glClearColor(0, 0, 0, 0)
            GL.glClear(GL.GL_COLOR_BUFFER_BIT | GL.GL_DEPTH_BUFFER_BIT)
            GL.glFrontFace(GL.GL_CW)
            self.setProjection(None, None)
            self.setModelview()
            self.drawItemTree()
            GL.glFlush()
        self._begun = buffer
        self._is_smooth = samples > 0
        if not self._is_smooth:
            self._smoothing.start()

    def _fetch(self) -> None:
        """Wait for the picture that was begun."""
        if self._begun is not None and self._renderer is not None:
            self._renderer.make_current()
            self._image = self._renderer.read(id(self), self._begun)
            self._image.setDevicePixelRatio(self.devicePixelRatioF())
        self._begun = None

    def _ready_renderer(self) -> GLRenderer:
        if self._renderer is None:
            renderer = shared_renderer()
            renderer.make_current()
            self._renderer = renderer
            for item in self.items:
                item.initialize()
        return self._renderer

    def _smooth(self) -> None:
        if self.isVisible() and self._is_still() and not self._is_stale and not self._is_smooth:
            self._draw(smooth=True)
            super().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.update()

    # -- mouse ----------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed_at = self._last_at = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if not event.buttons():
            self._hovered(event.position())
            return
        if self._pressed_at is not None and _far(event.position(), self._pressed_at):
            self._pressed_at = None  # a drag, no longer a click
        if self._pressed_at is not None:
            return
        moved = event.position() - self._last_at
        self._last_at = event.position()
        self._moved_by_hand()
        if event.buttons() == Qt.MouseButton.LeftButton:
            turn = np.deg2rad(DEGREES_PER_PIXEL)
            self.camera = self._camera.orbited(moved.x() * turn, moved.y() * turn)
        elif event.buttons() == Qt.MouseButton.MiddleButton:
            self.camera = self._camera.panned(moved.x(), -moved.y(), self.height())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        is_click = self._pressed_at is not None
        self._pressed_at = None
        if is_click and event.button() == Qt.MouseButton.LeftButton:
            self._clicked(event.position())

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._moved_by_hand()
        self.camera = self._camera.zoomed(0.999 ** event.angleDelta().y())

    def keyPressEvent(self, event: object) -> None:
        """Keys belong to the window: pyqtgraph's arrow keys would turn the view."""
        event.ignore()  # type: ignore[attr-defined]

    keyReleaseEvent = keyPressEvent

    def _moved_by_hand(self) -> None:
        """The eye is about to be moved with the mouse."""

    def _clicked(self, position: QPointF) -> None:
        """A left click without a drag."""

    def _hovered(self, position: QPointF) -> None:
        """The mouse moved with no button down."""


def _far(a: QPointF, b: QPointF) -> bool:
    return (a - b).manhattanLength() > CLICK_SLOP


def matrix_of(matrix: QMatrix4x4) -> np.ndarray:
    """Qt's matrix as (4, 4) NumPy for column vectors."""
    return np.array(matrix.data()).reshape(4, 4).T
