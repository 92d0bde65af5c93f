"""The bodies of the shown motion over the video: drawn only when something about them changed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QTimer
from PySide6.QtGui import QImage, QPainter

from app.body_drawing import Look, rgb
from app.frame_bodies import BodyLayer, ProjectedBody, project_body, up_in_eye
from app.frame_evidence import identity
from app.gl_renderer import GraphicsError, shared_renderer
from app.gl_view import SAMPLES, STILL_MS
from app.mesh_picking import pick_projected
from app.picture_transform import PictureTransform
from app.posed_bodies import display_body, posed_bodies
from app.region_marks import marks, tint
from app.view_state import Region, ViewState
from engine.body.regions import region_names
from engine.structures import BodyMotion, Camera

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

log = logging.getLogger(__name__)
GHOST = {"opacity": 0.8, "edge_only": 1.0}


class FrameBodyOverlay:
    """Projects, draws and picks the bodies of one frame of a view state."""

    def __init__(self, view_state: ViewState) -> None:
        self._view_state = view_state
        self._bodies = posed_bodies(view_state)
        self._layer = BodyLayer()
        self._projected: tuple[ProjectedBody | None, ...] = ()
        self._projected_key: tuple[object, ...] = ()
        self._key: tuple[object, ...] = ()
        self._drawn: tuple[QImage, QPointF] | None = None
        self._is_begun = False
        self._frame = -1
        self._still: QTimer | None = None
        """Runs from a frame's first picture to the one that is smoothed."""
        self._has_failed = False

    def begin(self, widget: QWidget, frame: int, transform: PictureTransform) -> None:
        """Start drawing the bodies where `transform` puts the video's pixels in the widget.

        OpenGL then works beside the caller, who has the video frame to paint before `paint`.
        """
        if self._has_failed or not self._project(frame):
            self._key, self._drawn = (), None
            return
        ratio = widget.devicePixelRatioF()
        size = (round(widget.width() * ratio), round(widget.height() * ratio))
        made = marks(self._view_state, frame)
        try:
            samples = SAMPLES if self._is_still(widget, frame) else 0
            key = (*self._projected_key, transform, size, samples, tuple(made.items()))
            if self._key != key:
                self._draw(frame, transform, size, ratio, samples)
                self._key, self._drawn, self._is_begun = key, None, True
        except GraphicsError as error:
            log.warning("No bodies over the video: %s", error)
            self._has_failed = True

    def _is_still(self, widget: QWidget, frame: int) -> bool:
        """Whether there is time to smooth the picture: without a graphics card it takes as long as
        all the rest, so a frame in passing goes without.
        """
        if not shared_renderer().is_software:
            return True
        if self._still is None:
            self._still = QTimer(widget, singleShot=True, interval=STILL_MS)
            self._still.timeout.connect(widget.update)
        if frame != self._frame:
            self._frame = frame
            self._still.start()
        is_passing = self._view_state.playing or self._view_state.is_previewing
        return not (self._still.isActive() or is_passing)

    def paint(self, painter: QPainter, widget: QWidget) -> None:
        """Paint what `begin` started."""
        if self._is_begun:
            self._drawn, self._is_begun = self._layer.read(), False
        if self._drawn is not None:
            ratio = widget.devicePixelRatioF()
            image, corner = self._drawn
            image.setDevicePixelRatio(ratio)
            painter.drawImage(corner / ratio, image)

    def region_at(self, frame: int, x: float, y: float) -> Region | None:
        """Person and region of the nearest body over a pixel of the video."""
        motion = self._view_state.motion_shown()
        if motion is None or not self._project(frame):
            return None
        faces = display_body(motion.body).faces
        people = self._projected[: motion.person_count]
        hit = pick_projected(x, y, [None if p is None else (p.pixels, faces) for p in people])
        if hit is None:
            return None
        region = display_body(motion.body, hit.mesh).region_of_face[hit.face]
        return hit.mesh, region_names()[region]

    def _project(self, frame: int) -> bool:
        """Bring `_projected` up to date: the shown bodies, then the ghosts they are compared to."""
        motion, camera = self._view_state.motion_shown(), self._view_state.camera_shown()
        if motion is None or camera is None:
            return False
        other = self._view_state.motion_compared()
        key = (id(motion), id(camera), id(other), frame)
        if key == self._projected_key:
            return True
        self._projected = self._projections(motion, camera, frame)
        if other is not None:
            self._projected += self._projections(other, camera, frame)
        self._kept_alive = (motion, camera, other)  # their ids are in the key
        self._projected_key = key
        self._key = ()
        return True

    def _projections(
        self, motion: BodyMotion, camera: Camera, frame: int
    ) -> tuple[ProjectedBody | None, ...]:
        posed = self._bodies.frame(motion, frame)
        return tuple(None if b is None else project_body(camera, frame, b) for b in posed)

    def _draw(
        self,
        frame: int,
        transform: PictureTransform,
        size: tuple[int, int],
        ratio: float,
        samples: int,
    ) -> None:
        motion, camera = self._view_state.motion_shown(), self._view_state.camera_shown()
        assert motion is not None and camera is not None
        self._layer.set_bodies(self._projected, display_body(motion.body).faces)
        count, made = motion.person_count, marks(self._view_state, frame)
        people = range(len(self._projected))
        self._layer.set_tints(
            [tint(display_body(motion.body, p), p, made) if p < count else None for p in people]
        )
        state = self._view_state.state
        looks = [
            Look(rgb(identity(state, p % count).color), **(GHOST if p >= count else {}))
            for p in people
        ]
        in_device = PictureTransform(
            transform.scale * ratio, (transform.offset[0] * ratio, transform.offset[1] * ratio)
        )
        up = up_in_eye(camera, frame)
        self._layer.draw(in_device, size, looks, up=up, samples=samples)
