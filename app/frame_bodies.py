"""The fitted bodies over the video: projected through the clip's camera and shaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float
from OpenGL import GL
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage
from PySide6.QtOpenGL import QOpenGLFramebufferObject

from app.body_drawing import BodyMesh, Light, Look, body_shader
from app.gl_renderer import shared_renderer
from app.picture_transform import PictureTransform
from app.posed_bodies import PosedBody
from engine.structures import Camera

NEAR = 0.05
"""Metres: what is nearer to the camera, or behind it, is drawn as if it were here."""
EYE_FROM_CAMERA = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class ProjectedBody:
    """One person's mesh as the camera sees it."""

    pixels: Float[np.ndarray, "V 3"]
    """x, y in pixels of the picture, depth in metres."""
    normals: Float[np.ndarray, "V 3"]
    """Unit, in eye space: x right, y up, z towards the camera."""


def project(
    camera: Camera, frame: int, points: Float[np.ndarray, "N 3"]
) -> Float[np.ndarray, "N 3"]:
    """World points as x, y in pixels (lens distortion included) and depth in metres."""
    kind = np.result_type(points, np.float32)  # single precision holds a thousandth of a pixel
    T, K = _pose(camera, frame).astype(kind), np.asarray(camera.K, kind)
    seen = points @ T[:3, :3].T + T[:3, 3]
    depth = np.maximum(seen[:, 2:], kind.type(NEAR))
    if np.any(camera.distortion):
        shifted = np.concatenate([seen[:, :2], depth], 1).astype(float)
        pixels, _ = cv2.projectPoints(
            shifted, np.zeros(3), np.zeros(3), camera.K, np.asarray(camera.distortion, float)
        )
        return np.concatenate([pixels[:, 0], depth], 1)
    plane = seen[:, :2] / depth
    return np.concatenate([plane @ K[:2, :2].T + K[:2, 2], depth], 1)


def project_body(camera: Camera, frame: int, body: PosedBody) -> ProjectedBody:
    turn = EYE_FROM_CAMERA @ _pose(camera, frame)[:3, :3]
    return ProjectedBody(
        project(camera, frame, body.vertices),
        body.normals @ turn.T.astype(np.float32),
    )


def up_in_eye(camera: Camera, frame: int) -> tuple[float, float, float]:
    """The world's up, in eye space."""
    return tuple((EYE_FROM_CAMERA @ _pose(camera, frame)[:3, 1]).tolist())


def _pose(camera: Camera, frame: int) -> np.ndarray:
    return camera.T_camera_world[min(frame, len(camera.T_camera_world) - 1)]


class BodyLayer:
    """Draws projected bodies into a transparent picture the size of what they cover."""

    def __init__(self) -> None:
        self._meshes: list[BodyMesh] = []
        self._begun: tuple[QOpenGLFramebufferObject, tuple[int, int, int, int]] | None = None

    def set_bodies(self, bodies: Sequence[ProjectedBody | None], faces: np.ndarray) -> None:
        if len(self._meshes) != len(bodies) or (
            self._meshes and self._meshes[0].faces is not faces
        ):
            self.free()
            self._meshes = [BodyMesh(faces) for _ in bodies]
        for mesh, body in zip(self._meshes, bodies, strict=True):
            if body is None:
                mesh.vertices = None
                continue
            flat = body.pixels.astype(np.float32)
            flat[:, 2] = NEAR / flat[:, 2]  # straight lines on screen need 1 / depth
            mesh.set_shape(flat, body.normals)

    def set_tints(self, tints: Sequence[np.ndarray | None]) -> None:
        for mesh, tint in zip(self._meshes, tints, strict=True):
            mesh.set_tint(tint)

    def free(self) -> None:
        if self._meshes:
            renderer = shared_renderer()
            renderer.make_current()
            for mesh in self._meshes:
                mesh.free()
            renderer.forget(id(self))
            self._meshes = []

    def covered(
        self, transform: PictureTransform, size: tuple[int, int]
    ) -> tuple[int, int, int, int] | None:
        """x, y, width, height in view pixels of what the bodies cover; None for nothing."""
        seen = [mesh.vertices for mesh in self._meshes if mesh.vertices is not None]
        if not seen:
            return None
        # Each coordinate in one piece of memory: a tenth of the time of `vertices.min(0)`.
        rows = [np.ascontiguousarray(vertices[:, :2].T) for vertices in seen]
        low = transform.to_view(np.min([row.min(1) for row in rows], 0))
        high = transform.to_view(np.max([row.max(1) for row in rows], 0))
        x0, y0 = np.clip(np.floor(low) - 1, 0, size).astype(int)
        x1, y1 = np.clip(np.ceil(high) + 1, 0, size).astype(int)
        return (int(x0), int(y0), int(x1 - x0), int(y1 - y0)) if x1 > x0 and y1 > y0 else None

    def draw(
        self,
        transform: PictureTransform,
        size: tuple[int, int],
        looks: Sequence[Look],
        *,
        up: tuple[float, float, float],
        samples: int,
    ) -> None:
        """Begin a picture in a view of (width, height) device pixels; `read` waits for it.

        `transform` leads from the video's pixels to device pixels.
        """
        area = self.covered(transform, size)
        self._begun = None
        if area is None:
            return
        renderer = shared_renderer()
        light = Light(_clip_from_pixels(transform, size), np.eye(3), up)
        with renderer.target(id(self), size, samples) as buffer:
            GL.glEnable(GL.GL_SCISSOR_TEST)
            GL.glScissor(*area)
            GL.glDepthMask(True)
            GL.glClearColor(0, 0, 0, 0)
            GL.glClear(GL.GL_COLOR_BUFFER_BIT | GL.GL_DEPTH_BUFFER_BIT)
            GL.glFrontFace(GL.GL_CW)
            for flag in (GL.GL_DEPTH_TEST, GL.GL_CULL_FACE, GL.GL_BLEND):
                GL.glEnable(flag)
            GL.glBlendFunc(GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA)
            shader = body_shader(renderer)
            for mesh, look in zip(self._meshes, looks, strict=True):
                GL.glDepthMask(look.edge_only == 0)
                mesh.draw(shader, light, look)
            GL.glDepthMask(True)
            GL.glDisable(GL.GL_SCISSOR_TEST)
            GL.glFlush()
            self._begun = (buffer, area)

    def read(self) -> tuple[QImage, QPointF] | None:
        """The picture begun last and where its corner lies; None where no body is in view."""
        if self._begun is None:
            return None
        (buffer, area), self._begun = self._begun, None
        renderer = shared_renderer()
        renderer.make_current()
        return renderer.read(id(self), buffer, area), QPointF(area[0], area[1])


def _clip_from_pixels(transform: PictureTransform, size: tuple[int, int]) -> np.ndarray:
    """Clip space from (x px, y px, NEAR / depth): the picture's first row comes out first."""
    matrix = np.eye(4)
    for axis in range(2):
        matrix[axis, axis] = 2 * transform.scale / size[axis]
        matrix[axis, 3] = 2 * transform.offset[axis] / size[axis] - 1
    matrix[2, 2:] = (-2.0, 1.0)
    return matrix
