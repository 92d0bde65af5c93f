"""Pictures of body surfaces without a window: pyrender where there is OpenGL, else a painter.

For processes without a window (the command line, the worker): an off-screen context of pyrender in
the window's process would take the 3D view's OpenGL platform away. `make_renderer` sees to that.
"""

from __future__ import annotations

import ctypes.util
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8

NEAR, FAR = 0.05, 100.0
"""Metres: what lies outside is not drawn."""
AMBIENT = 0.42
"""Share of the base colour that a surface shows when it faces away from every light."""


@dataclass(frozen=True)
class Surface:
    """One body as it is drawn."""

    vertices: Float[np.ndarray, "V 3"]
    """Metres, in the frame that the view starts from."""
    normals: Float[np.ndarray, "V 3"]
    faces: Integer[np.ndarray, "T 3"]
    color: tuple[int, int, int]
    """RGB, 0..255."""


@dataclass(frozen=True)
class View:
    """Where a picture is taken from: perspective with `K`, else orthographic."""

    T_view_world: Float[np.ndarray, "4 4"]
    """OpenCV axes in the view: x right, y down, z forward."""
    size: tuple[int, int]
    """(width, height) in pixels."""
    K: Float[np.ndarray, "3 3"] | None = None
    metres_per_pixel: float = 0.01
    """Of an orthographic view, whose axis meets the picture's centre."""

    def pixels(self, points: Float[np.ndarray, "*N 3"]) -> Float[np.ndarray, "*N 3"]:
        """x, y in pixels and depth in metres of points in the frame that the view starts from."""
        seen = points @ self.T_view_world[:3, :3].T + self.T_view_world[:3, 3]
        depth = seen[..., 2:]
        if self.K is None:
            centre = np.array(self.size) / 2
            return np.concatenate([seen[..., :2] / self.metres_per_pixel + centre, depth], -1)
        image = (seen / np.maximum(depth, NEAR)) @ self.K.T
        return np.concatenate([image[..., :2], depth], -1)


class Renderer(Protocol):
    """Draws surfaces; where none is, `mask` is False."""

    name: str

    def draw(
        self, surfaces: Sequence[Surface], view: View
    ) -> tuple[UInt8[np.ndarray, "H W 3"], Bool[np.ndarray, "H W"]]: ...


class Painter:
    """Depth-sorted triangles with OpenCV: no OpenGL, exact but where surfaces cross."""

    name = "painter"

    def draw(
        self, surfaces: Sequence[Surface], view: View
    ) -> tuple[UInt8[np.ndarray, "H W 3"], Bool[np.ndarray, "H W"]]:
        import cv2

        width, height = view.size
        image = np.zeros((height, width, 4), np.uint8)
        corners, depths, colors = [], [], []
        for surface in surfaces:
            triangles, color = _facing_triangles(surface, view)
            corners.append(triangles[..., :2])
            depths.append(triangles[..., 2].mean(axis=1))
            colors.append(color)
        if corners:
            order = np.argsort(-np.concatenate(depths))
            fixed = np.round(np.concatenate(corners)[order] * 16).astype(np.int32)
            for triangle, color in zip(fixed, np.concatenate(colors)[order].tolist(), strict=True):
                cv2.fillConvexPoly(image, triangle, (*color, 255), shift=4)
        return image[..., :3], image[..., 3] > 0


def _facing_triangles(
    surface: Surface, view: View
) -> tuple[Float[np.ndarray, "N 3 3"], Float[np.ndarray, "N 3"]]:
    """Triangles in the picture that face the viewer (pixels, depth), and their shaded colour."""
    triangles = view.pixels(surface.vertices)[surface.faces]
    first, second = (
        triangles[:, 1, :2] - triangles[:, 0, :2],
        triangles[:, 2, :2] - triangles[:, 0, :2],
    )
    # Counter-clockwise seen from outside is clockwise on a screen whose y points down.
    facing = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] < 0
    xy = triangles[..., :2]
    inside = (xy.max(axis=1) > 0).all(axis=1) & (xy.min(axis=1) < view.size).all(axis=1)
    kept = facing & inside & (triangles[..., 2] > NEAR).all(axis=1)
    normals = surface.normals[surface.faces[kept]].mean(axis=1) @ view.T_view_world[:3, :3].T
    light = AMBIENT + (1 - AMBIENT) * np.clip(normals @ _LIGHT, 0, 1)
    return triangles[kept], np.clip(np.array(surface.color) * light[:, None], 0, 255)


_LIGHT = np.array([-0.35, -0.5, -0.79])
"""Unit vector towards the light, in the view's axes: over the viewer's left shoulder."""


class PyrenderRenderer:
    """pyrender on OSMesa (software) or EGL (a GPU). One context per picture size is kept."""

    def __init__(self, platform: str) -> None:
        import pyrender

        self.name = f"pyrender on {platform}"
        self._pyrender = pyrender
        self._contexts: dict[tuple[int, int], Any] = {}
        self._context((64, 64))  # fails here, not in the middle of a video

    def _context(self, size: tuple[int, int]) -> Any:
        if size not in self._contexts:
            self._contexts[size] = self._pyrender.OffscreenRenderer(*size)
        return self._contexts[size]

    def draw(
        self, surfaces: Sequence[Surface], view: View
    ) -> tuple[UInt8[np.ndarray, "H W 3"], Bool[np.ndarray, "H W"]]:
        scene = self._pyrender.Scene(bg_color=(0, 0, 0, 0), ambient_light=(AMBIENT / 2,) * 3)
        for surface in surfaces:
            scene.add(self._mesh(surface))
        pose = np.linalg.inv(view.T_view_world) @ np.diag([1.0, -1.0, -1.0, 1.0])
        scene.add(self._camera(view), pose=pose)
        scene.add(self._pyrender.DirectionalLight(intensity=2.8), pose=pose @ _LIGHT_POSE)
        color, depth = self._context(view.size).render(scene)
        return np.ascontiguousarray(color[..., :3]), depth > 0

    def _mesh(self, surface: Surface) -> Any:
        material = self._pyrender.MetallicRoughnessMaterial(
            baseColorFactor=(*(np.array(surface.color) / 255.0) ** 2.0, 1.0),
            metallicFactor=0.0,
            roughnessFactor=0.85,
        )
        primitive = self._pyrender.Primitive(
            positions=np.asarray(surface.vertices, np.float32),
            normals=np.asarray(surface.normals, np.float32),
            indices=np.asarray(surface.faces, np.int32),
            material=material,
            mode=4,
        )
        return self._pyrender.Mesh([primitive])

    def _camera(self, view: View) -> Any:
        if view.K is None:
            half_width, half_height = np.array(view.size) * view.metres_per_pixel / 2
            return self._pyrender.OrthographicCamera(half_width, half_height, znear=NEAR, zfar=FAR)
        K = view.K
        return self._pyrender.IntrinsicsCamera(
            K[0, 0], K[1, 1], K[0, 2], K[1, 2], znear=NEAR, zfar=FAR
        )


def _looking_along(direction: Float[np.ndarray, "3"]) -> Float[np.ndarray, "4 4"]:
    """Rotation that turns OpenGL's viewing axis -z to `direction`."""
    z = -direction / np.linalg.norm(direction)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    return pose


# The light shines away from where _LIGHT points; OpenGL's y and z are the view's turned over.
_LIGHT_POSE = _looking_along(-_LIGHT * np.array([1.0, -1.0, -1.0]))


def off_screen_platform() -> str | None:
    """The OpenGL platform that can draw without a window here: "egl", "osmesa" or None."""
    if Path("/dev/nvidia0").exists() and ctypes.util.find_library("EGL"):
        return "egl"
    return "osmesa" if ctypes.util.find_library("OSMesa") else None


def make_renderer() -> Renderer:
    """pyrender if a platform is there and this process may still choose it; else the painter."""
    platform = off_screen_platform()
    chosen = os.environ.get("PYOPENGL_PLATFORM")
    if platform is None or ("OpenGL" in sys.modules and chosen != platform):
        return Painter()
    os.environ["PYOPENGL_PLATFORM"] = platform
    try:
        return PyrenderRenderer(platform)
    except Exception:  # a driver may fail in any way; the painter is always there
        return Painter()
