"""What stands in the 3D scene: bodies, the floor with its shadows and scale, the video's camera."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float
from OpenGL import GL
from pyqtgraph import Transform3D
from pyqtgraph.opengl import GLImageItem, GLLinePlotItem
from pyqtgraph.opengl.GLGraphicsItem import GLGraphicsItem

from app.body_drawing import BodyMesh, Light, Look, body_shader
from app.gl_renderer import shared_renderer
from app.gl_view import matrix_of
from app.posed_bodies import PosedBody
from engine.structures import Camera

FLOOR_METRES = 6
"""The floor's grid reaches so far from its middle."""
FRUSTUM_METRES = 0.35
SHADOW_CELLS = 96
SHADOW_METRES = 3.2
SHADOW_STEP = 3
"""Every third vertex is enough for something so soft."""

PREMULTIPLIED = {
    GL.GL_DEPTH_TEST: True,
    GL.GL_BLEND: True,
    GL.GL_CULL_FACE: True,
    "glBlendFunc": (GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA),
}
FLAT = {
    GL.GL_DEPTH_TEST: True,
    GL.GL_BLEND: True,
    GL.GL_CULL_FACE: False,
    "glBlendFuncSeparate": (
        GL.GL_SRC_ALPHA, GL.GL_ONE_MINUS_SRC_ALPHA, GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA,
    ),
}  # fmt: skip


class BodiesItem(GLGraphicsItem):
    """Every person's body in one frame; opaque, or as glass."""

    def __init__(self) -> None:
        super().__init__()
        self.setGLOptions(PREMULTIPLIED)
        self.meshes: list[BodyMesh] = []
        self.looks: list[Look] = []
        self._shown: list[bool] = []

    def set_bodies(
        self, bodies: Sequence[PosedBody | None], faces: np.ndarray, looks: Sequence[Look]
    ) -> None:
        if len(self.meshes) != len(bodies) or (self.meshes and self.meshes[0].faces is not faces):
            self._free()
            self.meshes = [BodyMesh(faces) for _ in bodies]
        for mesh, body in zip(self.meshes, bodies, strict=True):
            if body is not None:
                mesh.set_shape(body.vertices, body.normals)
        self._shown = [body is not None for body in bodies]
        self.looks = list(looks)
        self.update()

    def clear(self) -> None:
        self._shown = [False] * len(self.meshes)
        self.update()

    def _free(self) -> None:
        if self.meshes:
            shared_renderer().make_current()
            for mesh in self.meshes:
                mesh.free()

    def paint(self) -> None:
        self.setupGLState()
        model_view = matrix_of(self.modelViewMatrix())
        rotation = model_view[:3, :3]
        light = Light(
            clip_from_model=matrix_of(self.projectionMatrix()) @ model_view,
            eye_from_model=rotation,
            up=tuple(rotation[:, 1].tolist()),
        )
        shader = body_shader(shared_renderer())
        shown = [
            (mesh, look)
            for mesh, look, is_shown in zip(self.meshes, self.looks, self._shown, strict=True)
            if is_shown and look.opacity > 0
        ]
        if any(look.edge_only > 0 for _, look in shown):
            shown.sort(key=lambda pair: _depth(pair[0], model_view))
        for mesh, look in shown:
            GL.glDepthMask(look.edge_only == 0)
            mesh.draw(shader, light, look)
        GL.glDepthMask(True)


def _depth(mesh: BodyMesh, model_view: np.ndarray) -> float:
    """Eye-space z of a mesh's middle: glass is painted from the back."""
    assert mesh.vertices is not None
    return float(model_view[2, :3] @ mesh.vertices.mean(0))


class FloorItem(GLLinePlotItem):
    """A grid of one-metre squares at y = 0 that fades with distance."""

    def __init__(self) -> None:
        super().__init__(mode="lines", glOptions=FLAT)
        self.centre = np.zeros(3)

    def set_floor(self, centre: Float[np.ndarray, "3"], color: tuple[float, float, float]) -> None:
        """Lay it around a point (rounded to whole metres, so that the lines stay put)."""
        self.centre = np.array([round(centre[0]), 0.0, round(centre[2])])
        steps = np.arange(-FLOOR_METRES, FLOOR_METRES + 1, dtype=float)
        across, along = np.meshgrid(steps, steps[:-1])
        starts = np.stack([across.ravel(), np.zeros(across.size), along.ravel()], 1)
        ends = starts + np.array([0.0, 0.0, 1.0])
        lines = np.stack([starts, ends], 1)
        points = np.concatenate([lines, lines[..., ::-1]]).reshape(-1, 3)
        fade = np.clip(1 - np.linalg.norm(points, axis=1) / FLOOR_METRES, 0, 1) ** 1.5
        colors = np.concatenate([np.tile(color, (len(points), 1)), fade[:, None]], 1)
        self.setData(pos=(points + self.centre).astype(np.float32), color=colors.astype(np.float32))


class ShadowItem(GLImageItem):
    """Soft shadows where the bodies are near the floor, so that feet are seen to stand on it."""

    def __init__(self) -> None:
        nothing = np.zeros((SHADOW_CELLS, SHADOW_CELLS, 4), np.uint8)
        super().__init__(nothing, smooth=True, glOptions={**FLAT, GL.GL_DEPTH_TEST: False})
        self.strength = 0.5

    def set_bodies(self, bodies: Sequence[PosedBody | None]) -> None:
        points = [body.vertices[::SHADOW_STEP] for body in bodies if body is not None]
        self.setVisible(bool(points))
        if not points:
            return
        every = np.concatenate(points)
        middle = every.mean(0) * (1, 0, 1)
        image = np.zeros((SHADOW_CELLS, SHADOW_CELLS, 4), np.uint8)
        image[..., 3] = _shadow(every - middle).T * (255 * self.strength)
        self.setData(image)
        self.setTransform(_on_floor(middle))


def _on_floor(middle: Float[np.ndarray, "3"]) -> Transform3D:
    """From the cells of a shadow (x, y; z is 0) to the floor around a point of it."""
    cell, half = SHADOW_METRES / SHADOW_CELLS, SHADOW_METRES / 2
    x, y, z = middle
    rows = (cell, 0, 0, x - half), (0, 0, 1, y), (0, cell, 0, z - half), (0, 0, 0, 1)
    return Transform3D(np.array(rows))


def _shadow(points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "C C"]:
    """How much of the light from above each cell of the floor loses, 0..1: (z, x) order."""
    cells = np.floor((points[:, [2, 0]] / SHADOW_METRES + 0.5) * SHADOW_CELLS).astype(int)
    inside = ((cells >= 0) & (cells < SHADOW_CELLS)).all(1)
    index = cells[inside, 0] * SHADOW_CELLS + cells[inside, 1]
    nearness = np.exp(-np.clip(points[inside, 1], 0, None) / 0.25)
    dark = np.bincount(index, nearness, SHADOW_CELLS**2).astype(np.float32)
    dark = dark.reshape(SHADOW_CELLS, SHADOW_CELLS)
    near = cv2.GaussianBlur(dark, (0, 0), 1.6)
    wide = cv2.GaussianBlur(dark, (0, 0), 6.0)
    return 1 - np.exp(-SHADOW_STEP * (0.22 * near + 0.5 * wide))


class FrustumItem(GLLinePlotItem):
    """The video's camera: a small pyramid at its place, open where it looks."""

    def __init__(self) -> None:
        super().__init__(mode="lines", glOptions=FLAT)
        self._shown: tuple[object, ...] = ()

    def set_camera(self, camera: Camera, frame: int, color: tuple[float, ...]) -> None:
        T = camera.T_camera_world[min(frame, len(camera.T_camera_world) - 1)]
        shown = camera.K.tobytes(), camera.image_size, T.tobytes(), color
        if shown == self._shown:
            return  # most cameras stand still
        self._shown = shown
        width, height = camera.image_size
        corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1.0]])
        rays = corners @ np.linalg.inv(camera.K).T * FRUSTUM_METRES
        top = (rays[0] + rays[1]) / 2 * (1, 1.35, 1)
        seen = np.concatenate([np.zeros((1, 3)), rays, top[None]])
        world = (seen - T[:3, 3]) @ T[:3, :3]
        pairs = [0, 1, 0, 2, 0, 3, 0, 4, 1, 2, 2, 3, 3, 4, 4, 1, 1, 5, 5, 2]
        self.setData(pos=world[pairs].astype(np.float32), color=color)
