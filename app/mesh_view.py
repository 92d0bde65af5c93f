"""Both bodies in 3D: look from anywhere, click regions that touch, compare before and after."""

from __future__ import annotations

from typing import Literal

import numpy as np
from OpenGL import GL
from pyqtgraph.opengl import GLLinePlotItem
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QHideEvent, QPainter, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from annotations.records import Changes
from app.body_drawing import Look, rgb
from app.frame_evidence import identity
from app.gl_view import GLView
from app.mesh_items import FLAT, BodiesItem, FloorItem, FrustumItem, ShadowItem
from app.mesh_labels import MeshLabels
from app.mesh_picking import pick_ray
from app.orbit_camera import OrbitCamera, through
from app.posed_bodies import PosedBody, display_body, path_of_pair, posed_bodies
from app.region_marks import CONTACT_TINT, NO_CONTACT_TINT, contacts_at, marks, region_centre, tint
from app.theme import theme
from app.view_state import Candidate, Region, ViewState
from engine.body.regions import region_names
from engine.structures import BodyMotion

Viewpoint = Literal["top", "camera", "side"]
HEAD = "head_top"
"""The region over which a person's name stands."""
PREVIEW_MS = 60
"""From the arrival of a preview to its painting; the video's turn comes before."""
SEE_THROUGH = {"opacity": 0.9, "edge_only": 0.9}
GHOST = {"opacity": 0.6, "edge_only": 1.0}


class MeshView(GLView):
    """The 3D view. It looks and points; what a click means is for the window to say."""

    region_clicked = Signal(int, str)
    """Contact tool: person and region under a click."""
    region_missed = Signal()
    """Contact tool: a click beside the bodies."""
    body_clicked = Signal(int)
    """Other tools: the person under a click."""

    def __init__(self, view_state: ViewState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Bodies in 3D")
        self._view_state = view_state
        self._bodies = posed_bodies(view_state)
        self._posed: tuple[PosedBody | None, ...] = ()
        self._motion: BodyMotion | None = None
        self._is_see_through = False
        self._needs_framing = True
        self._is_through_video = False
        self._path = np.zeros((1, 3))
        self._followed = np.zeros(3)
        self._floor = FloorItem()
        self._shadow = ShadowItem()
        self._frustum = FrustumItem()
        self._ghosts = BodiesItem()
        self._people = BodiesItem()
        self._links = GLLinePlotItem(
            mode="lines", glOptions={**FLAT, GL.GL_DEPTH_TEST: False}, width=2.5
        )
        ordered = (self._floor, self._shadow, self._frustum, self._people, self._ghosts)
        for order, item in enumerate((*ordered, self._links)):
            item.setDepthValue(order)
            self.addItem(item)
        self._connect()
        self._refresh_scene()

    def _connect(self) -> None:
        view_state = self._view_state
        view_state.clip_id_changed.connect(self._on_clip_id_changed)
        view_state.state_changed.connect(self._on_state_changed)
        view_state.candidate_changed.connect(self._on_candidate_changed)
        view_state.frame_changed.connect(self._on_frame_changed)
        view_state.show_before_changed.connect(self._on_show_before_changed)
        view_state.playing_changed.connect(self._on_playing_changed)
        view_state.tool_changed.connect(self._on_tool_changed)
        view_state.selected_person_changed.connect(self._on_selected_person_changed)
        for signal in (
            view_state.hovered_region_changed,
            view_state.picked_region_changed,
            view_state.selected_contact_changed,
        ):
            signal.connect(self._on_marks_changed)
        theme().changed.connect(self._refresh_scene)

    # -- commands -------------------------------------------------------------------------------

    def frame_bodies(self) -> None:
        """Bring all bodies of the frame into the picture, from the same direction."""
        points = [body.vertices for body in self._posed if body is not None]
        if points:
            self.camera = self.camera.framing(np.concatenate(points), self.aspect)
            self._needs_framing = False

    def look_from(self, viewpoint: Viewpoint) -> None:
        """From the top, the side, or through the video's camera (also where that moves)."""
        eye = self._eye_of_video()
        self._is_through_video = viewpoint == "camera" and eye is not None
        if viewpoint == "camera":
            if eye is not None:
                self.camera = eye
            return
        front = eye.azimuth if eye is not None else 0.0
        turned = {"top": (front, np.pi / 2), "side": (front + np.pi / 2, 0.0)}[viewpoint]
        self.camera = self.camera.turned_to(*turned)
        self.frame_bodies()

    def toggle_see_through(self) -> None:
        self.see_through = not self.see_through

    @property
    def see_through(self) -> bool:
        """Bodies as glass, so that what is behind or inside shows."""
        return self._is_see_through

    @see_through.setter
    def see_through(self, is_see_through: bool) -> None:
        self._is_see_through = is_see_through
        self._show_bodies()

    # -- what changed ---------------------------------------------------------------------------

    def _on_clip_id_changed(self, _: int | None) -> None:
        self._needs_framing = True
        self._refresh_scene()

    def _on_state_changed(self, changes: Changes | None) -> None:
        self._refresh_scene()

    def _on_candidate_changed(self, candidate: Candidate | None) -> None:
        is_preview = candidate is not None and not candidate.is_complete
        if is_preview and self._view_state.playing and self._motion is not None:
            self._take(self._view_state.motion_shown())  # the next frame will show it
        elif is_preview:
            self.hold_back(PREVIEW_MS)
            self._refresh_scene()
            self.draw_ahead()
        else:
            self._refresh_scene()

    def _on_show_before_changed(self, _: bool) -> None:
        self._refresh_scene()

    def _on_frame_changed(self, _: int) -> None:
        if self.isVisible():
            self._show_bodies()
            self._follow()
            self.draw_ahead()

    def _on_playing_changed(self, _: bool) -> None:
        if self._view_state.candidate is not None:
            self._show_bodies()  # ghosts stand only where nothing moves

    def _on_selected_person_changed(self, _: int | None) -> None:
        self.update()

    def _on_tool_changed(self, tool: str) -> None:
        self.setCursor(
            Qt.CursorShape.CrossCursor if tool == "contact" else Qt.CursorShape.ArrowCursor
        )
        if tool != "contact":
            self._view_state.hovered_region = None

    def _on_marks_changed(self, _: object) -> None:
        self._show_marks()
        self.update()

    # -- the scene ------------------------------------------------------------------------------

    def _refresh_scene(self) -> None:
        """A new motion, camera or theme: lay the floor anew and show the frame."""
        tokens = theme().tokens
        self._shadow.strength = 0.62 if tokens.is_dark else 0.30
        self._take(self._view_state.motion_shown())
        self._show_bodies()
        points = [body.vertices.mean(0) for body in self._posed if body is not None]
        centre = np.mean(points, 0) if points else np.zeros(3)
        self._floor.set_floor(centre, rgb(tokens.grid))
        self.update()

    def _take(self, motion: BodyMotion | None) -> None:
        self._motion = motion
        if motion is not None:
            self._path = path_of_pair(motion)
            self._followed = self._where_pair_is()

    def _show_bodies(self) -> None:
        motion, frame = self._motion, self._view_state.frame
        if motion is None:
            self._posed = ()
            for item in (self._people, self._ghosts):
                item.clear()
            self._shadow.set_bodies(())
            self._frustum.setVisible(False)
            self._links.setVisible(False)
            return
        self._posed = self._bodies.frame(motion, frame)
        faces = display_body(motion.body).faces
        style = SEE_THROUGH if self._is_see_through else {}
        self._people.set_bodies(self._posed, faces, self._looks(motion, **style))
        self._shadow.set_bodies(self._posed)
        self._show_ghosts(frame)
        self._show_frustum(frame)
        self._show_marks()
        if self._needs_framing and any(body is not None for body in self._posed):
            self._first_look()

    def _show_ghosts(self, frame: int) -> None:
        other = self._view_state.motion_compared()
        if other is None:
            self._ghosts.clear()
            return
        looks = self._looks(other, **GHOST)
        self._ghosts.set_bodies(
            self._bodies.frame(other, frame), display_body(other.body).faces, looks
        )

    def _show_frustum(self, frame: int) -> None:
        camera = self._view_state.camera_shown()
        self._frustum.setVisible(camera is not None)
        if camera is not None:
            self._frustum.set_camera(camera, frame, (*rgb(theme().tokens.text_muted), 0.9))

    def _looks(self, motion: BodyMotion, **style: float) -> list[Look]:
        state = self._view_state.state
        colors = [identity(state, person).color for person in range(motion.person_count)]
        return [Look(rgb(color), **style) for color in colors]

    def _show_marks(self) -> None:
        if self._motion is None:
            return
        frame = self._view_state.frame
        made = marks(self._view_state, frame)
        for person, mesh in enumerate(self._people.meshes):
            mesh.set_tint(tint(display_body(self._motion.body, person), person, made))
        ends, colors = [], []
        for _, label in contacts_at(self._view_state, frame):
            a = self._region_at((label.person_a, label.region_a))
            b = self._region_at((label.person_b, label.region_b))
            if a is not None and b is not None:
                mark = CONTACT_TINT if label.kind == "contact" else NO_CONTACT_TINT
                ends += [a, b]
                colors += [(*rgb(mark[0]), 1.0)] * 2
        self._links.setVisible(bool(ends))
        if ends:
            self._links.setData(pos=np.array(ends, np.float32), color=np.array(colors, np.float32))

    def _region_at(self, region: Region) -> np.ndarray | None:
        person, name = region
        body = self._posed[person] if person < len(self._posed) else None
        if body is None or self._motion is None:
            return None
        return region_centre(display_body(self._motion.body, person), name, body.vertices)

    # -- the eye --------------------------------------------------------------------------------

    def _eye_of_video(self) -> OrbitCamera | None:
        camera = self._view_state.camera_shown()
        if camera is None:
            return None
        eye = through(camera, self._view_state.frame, 1.0, self.aspect)
        points = [body.vertices.mean(0) for body in self._posed if body is not None]
        if points:
            depth = float((eye.eye - np.mean(points, 0)) @ eye.rotation[2])
            eye = through(camera, self._view_state.frame, max(depth, 0.5), self.aspect)
        return eye

    def _where_pair_is(self) -> np.ndarray:
        return self._path[min(self._view_state.frame, len(self._path) - 1)]

    def _follow(self) -> None:
        """Keep people who walk in the picture: the eye walks with them."""
        if self._is_through_video:
            self.camera = self._eye_of_video() or self.camera
        step = self._where_pair_is() - self._followed
        self._followed = self._followed + step
        if not self._is_through_video and self._motion is not None:
            self.camera = self.camera.moved(step)

    def _moved_by_hand(self) -> None:
        self._is_through_video = False

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._is_through_video:
            self.camera = self._eye_of_video() or self.camera

    def _first_look(self) -> None:
        """A little to the side of the video's camera and above it: what depth there is shows."""
        eye = self._eye_of_video()
        azimuth = eye.azimuth if eye is not None else 0.0
        self.camera = self.camera.turned_to(azimuth + np.deg2rad(25), np.deg2rad(14))
        self.frame_bodies()

    # -- mouse ----------------------------------------------------------------------------------

    def region_under(self, position: QPointF) -> Region | None:
        """Person and region of the surface under a point of the widget."""
        if self._motion is None:
            return None
        faces = display_body(self._motion.body).faces
        meshes = [None if body is None else (body.vertices, faces) for body in self._posed]
        hit = pick_ray(*self.ray(position), meshes)
        if hit is None:
            return None
        region = display_body(self._motion.body, hit.mesh).region_of_face[hit.face]
        return hit.mesh, region_names()[region]

    def _clicked(self, position: QPointF) -> None:
        region = self.region_under(position)
        is_contact = self._view_state.tool == "contact"
        if region is not None and is_contact:
            self.region_clicked.emit(*region)
        elif region is not None:
            self.body_clicked.emit(region[0])
        elif is_contact:
            self.region_missed.emit()

    def _hovered(self, position: QPointF) -> None:
        if self._view_state.tool == "contact":
            self._view_state.hovered_region = self.region_under(position)

    def leaveEvent(self, event: object) -> None:
        self._view_state.hovered_region = None

    # -- labels ---------------------------------------------------------------------------------

    def _is_still(self) -> bool:
        return not self._view_state.is_previewing

    def _paint_over(self, painter: QPainter) -> None:
        labels = MeshLabels(painter, self._view_state, self.view_pixels, QRectF(self.rect()))
        if self.failure:
            labels.paint_message(self.failure)
        elif self._motion is None:
            labels.paint_message(no_bodies_words(self._view_state))
        else:
            labels.paint_scale(self._floor.centre)
            for person in range(len(self._posed)):
                labels.paint_name(person, self._region_at((person, HEAD)))
            for index, label in contacts_at(self._view_state, self._view_state.frame):
                a = self._region_at((label.person_a, label.region_a))
                b = self._region_at((label.person_b, label.region_b))
                labels.paint_contact(index, label, a, b)
            hovered = self._view_state.hovered_region
            if hovered is not None:
                labels.paint_region(hovered, self._region_at(hovered))
            labels.paint_version()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._refresh_scene()

    def hideEvent(self, event: QHideEvent) -> None:
        if self._renderer is not None:
            self._begun = None
            self._renderer.forget(id(self))
        super().hideEvent(event)
        self._is_stale = True


def no_bodies_words(view_state: ViewState) -> str:
    """Why there is nothing to see, and what comes next."""
    state = view_state.state
    if view_state.clip is None or state is None:
        return ""
    if view_state.is_unsaved:
        return "No bodies yet.\nThe people are being detected."
    if state.observations is None:
        return "No bodies yet.\nThe people are detected first (Fit menu)."
    return "No bodies yet.\nPress Shift+E to fit them."
