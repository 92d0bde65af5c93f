"""The bodies of a motion, posed once per frame, and the views that people judge them in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from app.drawing import (
    FLOOR,
    GRID,
    INK,
    PAPER,
    PERSON_COLORS,
    Color,
    Picture,
    blend,
    draw_segments,
    resized,
    write,
)
from app.offscreen import Renderer, Surface, View, make_renderer
from engine.body.display import DisplayBody
from engine.structures import BodyMotion, Camera, Layout

OPACITY = 0.82
"""Of a body over its video: enough to see what lies behind."""
SUPERSAMPLING = 2
"""Views on paper are drawn this much larger and averaged, for smooth edges."""
BODY_RADIUS = 0.35
"""Metres around the joints that a view leaves for flesh, hands and feet."""


@dataclass(frozen=True)
class Crop:
    """A part of the video frame, drawn at another size."""

    x0: float
    y0: float
    x1: float
    y1: float
    size: tuple[int, int]
    """(width, height) in pixels of the picture."""

    @property
    def scale(self) -> Float[np.ndarray, "2"]:
        return np.array([self.size[0] / (self.x1 - self.x0), self.size[1] / (self.y1 - self.y0)])

    def pixels(self, points: Float[np.ndarray, "*N 2"]) -> Float[np.ndarray, "*N 2"]:
        """Pixels of the video frame as pixels of the picture."""
        return (points - np.array([self.x0, self.y0])) * self.scale

    def intrinsics(self, K: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
        adapt = np.eye(3)
        adapt[[0, 1], [0, 1]] = self.scale
        adapt[:2, 2] = -np.array([self.x0, self.y0]) * self.scale
        return adapt @ K


class Stage:
    """Poses the bodies of a motion and draws them from the camera, the side and the top.

    The world is gravity-aligned (y up, floor at y = 0). The side view looks across the camera's
    viewing direction, with the camera to the left; in the top view the camera is below.
    """

    def __init__(
        self,
        motion: BodyMotion,
        camera: Camera,
        colors: Sequence[Color] = PERSON_COLORS,
        renderer: Renderer | None = None,
    ) -> None:
        self.motion = motion
        self.camera = camera
        self.colors = tuple(colors)
        self.renderer = renderer or make_renderer()
        self._body = DisplayBody.load(motion.body)
        self._surfaces: tuple[int, list[Surface]] = (-1, [])

    def color(self, person: int) -> Color:
        return self.colors[person % len(self.colors)]

    def surfaces(self, frame: int) -> list[Surface]:
        """The bodies that are valid in a frame, in the world."""
        if self._surfaces[0] != frame:
            self._surfaces = (
                frame,
                [
                    self._surface(person, frame)
                    for person in range(self.motion.person_count)
                    if self.motion.valid[person, frame]
                ],
            )
        return self._surfaces[1]

    def _surface(self, person: int, frame: int) -> Surface:
        m = self.motion
        vertices = self._body.vertices(
            m.betas[person],
            m.global_orient[person, frame],
            m.body_pose[person, frame],
            m.transl[person, frame],
        )
        normals = self._body.normals(vertices)
        return Surface(vertices, normals, self._body.faces, self.color(person))

    def reprojected(self, person: int, frame: int, layout: Layout) -> Float[np.ndarray, "K 2"]:
        """Keypoints of the fitted body in pixels of the video frame."""
        m = self.motion
        keypoints = self._body.keypoints(
            m.betas[person],
            m.global_orient[person, frame],
            m.body_pose[person, frame],
            m.transl[person, frame],
            layout,
        )
        view = View(self.camera.T_camera_world[frame], self.camera.image_size, self.camera.K)
        return view.pixels(keypoints)[:, :2]

    @cached_property
    def joints(self) -> Float[np.ndarray, "P F 24 3"]:
        """World positions in metres; NaN where a body is not valid."""
        m = self.motion
        joints = np.full((m.person_count, m.frame_count, 24, 3), np.nan)
        for person, known in enumerate(m.valid):
            if known.any():
                joints[person, known] = self._body.joints(
                    m.betas[person],
                    m.global_orient[person, known],
                    m.body_pose[person, known],
                    m.transl[person, known],
                )
        return joints

    def overlay(self, frame: int, image: Picture, crop: Crop) -> Picture:
        """The bodies over `image`, which shows `crop` of the video frame at its size."""
        K = crop.intrinsics(self.camera.K)
        view = View(self.camera.T_camera_world[frame], crop.size, K)
        drawn, mask = self.renderer.draw(self.surfaces(frame), view)
        return blend(image, drawn, mask, OPACITY)

    def side(self, frame: int, size: tuple[int, int], bounds: Bounds) -> Picture:
        away = self._away(frame)
        rotation = np.stack([away, [0, -1, 0], np.cross(away, [0, -1, 0])])
        image, view = self._paper(rotation, size, bounds)
        _draw_floor_line(image, view)
        return self._on_paper(frame, image, view)

    def top(self, frame: int, size: tuple[int, int], bounds: Bounds) -> Picture:
        away = self._away(frame)
        right = np.cross(away, [0, 1, 0])
        image, view = self._paper(np.stack([right, -away, [0, -1, 0]]), size, bounds)
        _draw_grid(image, view)
        return self._on_paper(frame, image, view)

    def bounds(self, frames: Sequence[int]) -> Bounds:
        """A cube that holds the bodies of the frames and the floor under them."""
        points = self.joints[:, list(frames)].reshape(-1, 3)
        points = points[np.isfinite(points).all(axis=1)]
        if not len(points):
            return Bounds(np.array([0.0, 1.0, 0.0]), 2.0)
        low, high = points.min(axis=0) - BODY_RADIUS, points.max(axis=0) + BODY_RADIUS
        low[1] = min(low[1], -0.1)
        return Bounds((low + high) / 2, float((high - low).max()))

    def _away(self, frame: int) -> Float[np.ndarray, "3"]:
        """The camera's viewing direction in the world, made horizontal."""
        forward = self.camera.T_camera_world[frame, 2, :3] * [1, 0, 1]
        length = np.linalg.norm(forward)
        return forward / length if length > 1e-3 else np.array([0.0, 0.0, -1.0])

    def _paper(
        self, rotation: Float[np.ndarray, "3 3"], size: tuple[int, int], bounds: Bounds
    ) -> tuple[Picture, View]:
        transform = np.eye(4)
        transform[:3, :3] = rotation
        transform[:3, 3] = -rotation @ bounds.centre
        transform[2, 3] += 20.0  # far enough for everything to lie before the view
        fine = size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING
        view = View(transform, fine, metres_per_pixel=bounds.extent / min(fine))
        image = np.empty((fine[1], fine[0], 3), np.uint8)
        image[:] = PAPER
        return image, view

    def _on_paper(self, frame: int, image: Picture, view: View) -> Picture:
        drawn, mask = self.renderer.draw(self.surfaces(frame), view)
        width, height = (length // SUPERSAMPLING for length in view.size)
        image = resized(blend(image, drawn, mask, 1.0), (width, height))
        metre = 1 / (view.metres_per_pixel * SUPERSAMPLING)
        ruler = np.array([[width - 14 - metre, height - 12], [width - 14, height - 12]])
        draw_segments(image, [ruler], INK, 2)
        write(image, "1 m", (int(width - 14 - metre / 2) - 10, height - 32), size=13)
        return image


@dataclass(frozen=True)
class Bounds:
    """What an orthographic view shows: a cube in the world, in metres."""

    centre: Float[np.ndarray, "3"]
    extent: float


def _draw_floor_line(image: Picture, view: View) -> None:
    level = float(view.pixels(np.zeros(3))[1])
    if 0 <= level < view.size[1]:
        draw_segments(
            image, [np.array([[0, level], [view.size[0], level]])], FLOOR, 2 * SUPERSAMPLING
        )


def _draw_grid(image: Picture, view: View) -> None:
    """Lines on the floor, half a metre apart, along the view's own axes."""
    width, height = view.size
    step = 0.5 / view.metres_per_pixel
    x0, y0 = view.pixels(np.zeros(3))[:2] % step
    upright = [np.array([[x, 0], [x, height]]) for x in np.arange(x0, width, step)]
    level = [np.array([[0, y], [width, y]]) for y in np.arange(y0, height, step)]
    draw_segments(image, upright + level, GRID, SUPERSAMPLING)
