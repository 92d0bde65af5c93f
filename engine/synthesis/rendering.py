"""Pictures and buffers of clothed bodies in a place, on the CPU, without OpenGL.

Triangles are drawn into depth buffers, and each pixel is lit once: engine.synthesis.raster_kernels.
Light is linear RGB; engine.synthesis.film makes a picture of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from engine.body.data import OPEN_BODY, load_body_data
from engine.synthesis.figures import DENSITY, Figure
from engine.synthesis.raster import NOTHING, Buffers, drawn_alone, on_device, rasterized, screen_of
from engine.synthesis.scenery import Ground

SHADOW_SIZE = 1024
LIGHT_DENSITY = "1k2"
"""Mesh on which the light that surroundings block is computed."""
OCCLUSION_REACH = 0.5
"""Metres: what is further away blocks no light from the sky."""
FLOOR_TEXEL = 0.02


@dataclass(frozen=True)
class Lighting:
    """Sun (or lamp) and sky, linear RGB, on a surface that faces them."""

    to_sun: Float[np.ndarray, "3"]
    sun: Float[np.ndarray, "3"]
    sky: Float[np.ndarray, "3"]
    ground: Float[np.ndarray, "3"]
    """Light that the floor throws back up."""


class Renderer:
    """Draws figures before one camera in one place. `Renderer.picture` is deterministic."""

    def __init__(
        self,
        figures: Sequence[Figure],
        K: Float[np.ndarray, "3 3"],
        size: tuple[int, int],
        lighting: Lighting,
    ) -> None:
        from engine.synthesis import raster_kernels

        self._kernels = raster_kernels
        self.figures = tuple(figures)
        self.K, self.size, self.lighting = K, size, lighting
        data = load_body_data(OPEN_BODY, DENSITY)
        self._one = data.faces.astype(np.int32)
        count, wp = data.vertex_count, raster_kernels.wp
        self._faces_of_one = on_device(self._one, wp.int32)
        stacked = np.concatenate([self._one + p * count for p in range(len(figures))])
        self._faces = on_device(stacked, wp.int32)
        self._person = on_device(np.repeat(np.arange(len(figures), dtype=np.int32), count))
        rest = np.tile(data.v_template.astype(np.float32), (len(figures), 1))
        self._rest = on_device(rest, wp.vec3)
        self._clothes = on_device(np.concatenate([f.clothes for f in figures]), wp.vec4)
        self._colors = on_device(np.stack([f.outfit.colors() for f in figures]), wp.vec3)
        self._style = on_device(np.stack([f.outfit.numbers(f.seed) for f in figures]))
        self._directions = on_device(_hemisphere(24), wp.vec3)
        self._blocker: Any = None

    def buffers(
        self, vertices: Float[np.ndarray, "P N 3"], T_camera_world: Float[np.ndarray, "4 4"]
    ) -> Buffers:
        """Each person drawn alone."""
        view = self.K, T_camera_world, self.size
        return drawn_alone(vertices, self._faces_of_one, view)

    def light(
        self,
        vertices: Float[np.ndarray, "P N 3"],
        T_camera_world: Float[np.ndarray, "4 4"],
        moments: Sequence[tuple[np.ndarray, tuple[float, float]]],
        ground: Ground,
    ) -> Float[np.ndarray, "H W 3"]:
        """Mean light of the passes: bodies (vertices, shift in pixels) before the place."""
        wp = self._kernels.wp
        normals = self._normals(vertices)
        shadow_map, to_light = self._shadow_map(vertices)
        openness = on_device(self._openness(vertices, normals))
        behind = self._shadowed(ground, vertices)
        total = np.zeros_like(behind)
        wp_normals = on_device(normals.reshape(-1, 3), wp.vec3)
        rotation = T_camera_world[:3, :3]
        to_eye = wp.vec3(*(-rotation[2]).tolist())
        light = self.lighting
        vectors = [wp.vec3(*v.tolist()) for v in (light.sun, light.sky, light.ground)]
        for moment, shift in moments:
            stacked = moment.reshape(-1, 3)
            screen = screen_of(stacked, self.K, T_camera_world, shift)
            _, face = rasterized(screen, self._faces, (self.size[1], self.size[0]))
            lamp = on_device(to_light(stacked), wp.vec3)
            wp.launch(
                self._kernels.shade, dim=(self.size[1], self.size[0]), device="cpu",
                inputs=[face, self._faces, screen, wp_normals, self._rest, self._clothes, openness,
                        lamp, self._person, self._colors, self._style, shadow_map,
                        wp.vec3(*light.to_sun.tolist()), to_eye, *vectors],
                outputs=[image := on_device(behind, wp.vec3)],
            )  # fmt: skip
            total += image.numpy()
        return total / np.float32(len(moments))

    def _normals(self, vertices: Float[np.ndarray, "P N 3"]) -> Float[np.ndarray, "P N 3"]:
        return np.stack(
            [f.drawn.normals(body) for f, body in zip(self.figures, vertices, strict=True)]
        ).astype(np.float32)

    def _shadow_map(self, vertices: Float[np.ndarray, "P N 3"]) -> tuple[Any, Any]:
        """Depth of the bodies as the sun sees them, and the map from world to its texels."""
        z = -self.lighting.to_sun
        x = np.cross(z, [0.0, 0.0, 1.0] if abs(z[1]) > 0.9 else [0.0, 1.0, 0.0])
        x /= np.linalg.norm(x)
        axes = np.stack([x, np.cross(z, x), z])
        points = vertices.reshape(-1, 3) @ axes.T
        low, high = points.min(axis=0), points.max(axis=0)
        scale = (SHADOW_SIZE - 8) / max(float((high - low)[:2].max()), 1e-3)

        def to_light(world: np.ndarray) -> np.ndarray:
            seen = world @ axes.T - low
            # Far from the sun's "eye" 1 / z is all but linear, as an orthographic view needs.
            texels = [seen[:, :2] * scale + 4, seen[:, 2:] + 100.0]
            return np.concatenate(texels, axis=1).astype(np.float32)

        screen = on_device(to_light(vertices.reshape(-1, 3)), self._kernels.wp.vec3)
        depth, _ = rasterized(screen, self._faces, (SHADOW_SIZE, SHADOW_SIZE), cull=0.0)
        return depth, to_light

    def _openness(
        self, vertices: Float[np.ndarray, "P N 3"], normals: Float[np.ndarray, "P N 3"]
    ) -> Float[np.ndarray, "PN"]:
        """Share of the surroundings' light that reaches each vertex past both bodies and floor."""
        wp = self._kernels.wp
        light = _light_mesh()
        points = vertices[:, light.vertices].reshape(-1, 3).astype(np.float32)
        chosen = normals[:, light.vertices].reshape(-1, 3)
        if self._blocker is None:
            count, people = len(light.vertices), len(vertices)
            faces = np.concatenate([light.faces + p * count for p in range(people)])
            corners = on_device(faces.ravel().astype(np.int32))
            self._blocker = wp.Mesh(on_device(points, wp.vec3), corners)
        wp.copy(self._blocker.points, on_device(points, wp.vec3))
        self._blocker.refit()
        result = on_device(np.zeros(len(points), np.float32))
        wp.launch(
            self._kernels.occlusion, dim=len(points), device="cpu",
            inputs=[self._blocker.id, on_device(points, wp.vec3), on_device(chosen, wp.vec3),
                    self._directions, OCCLUSION_REACH],
            outputs=[result],
        )  # fmt: skip
        free = result.numpy().reshape(len(vertices), -1)
        spread = (free[:, light.index] * light.weight).sum(axis=-1)
        return np.asarray(spread.ravel(), np.float32)

    def _shadowed(self, ground: Ground, vertices: np.ndarray) -> Float[np.ndarray, "H W 3"]:
        """The place with the bodies' shadows on its floor: the sun's, and that of their mere
        presence."""
        if not ground.floor.any():
            return ground.image.copy()
        points = vertices.reshape(-1, 3).astype(np.float64)
        sun = self.lighting.to_sun
        cast = points[:, [0, 2]] - points[:, 1:2] / max(float(sun[1]), 0.2) * sun[[0, 2]]
        low = np.minimum(cast, points[:, [0, 2]]).min(axis=0) - 1.5
        high = np.maximum(cast, points[:, [0, 2]]).max(axis=0) + 1.5
        rows = int(np.clip((high - low)[1] / FLOOR_TEXEL, 8, 2048))
        columns = int(np.clip((high - low)[0] / FLOOR_TEXEL, 8, 2048))
        size = (rows, columns)
        shadow = self._footprint(cast, points[:, 1], low, size)
        under = self._footprint(points[:, [0, 2]], points[:, 1], low, size)
        below = np.where(under < NOTHING, np.exp(-np.maximum(under - 1.0, 0) / 0.25), 0)
        sharp = cv2.GaussianBlur((shadow < NOTHING).astype(np.float32), (0, 0), 2.0)
        dark = cv2.GaussianBlur(below.astype(np.float32), (0, 0), 5.0)
        dark = dark + 0.6 * cv2.GaussianBlur(below.astype(np.float32), (0, 0), 14.0)
        x, y = (
            (ground.places[..., axis] - np.float32(low[axis])) / np.float32(FLOOR_TEXEL) - 0.5
            for axis in (0, 1)
        )
        in_shade = cv2.remap(sharp, x, y, cv2.INTER_LINEAR, borderValue=0.0) * ground.floor
        near = cv2.remap(dark, x, y, cv2.INTER_LINEAR, borderValue=0.0) * ground.floor
        direct = float(self.lighting.sun.mean() * max(sun[1], 0))
        share = direct / (direct + float(self.lighting.sky.mean()))
        keep = (1 - 0.9 * share * in_shade) * (1 - 0.65 * np.clip(near, 0, 1))
        return np.asarray(ground.image * keep[..., None], np.float32)

    def _footprint(
        self, places: np.ndarray, height: np.ndarray, low: np.ndarray, size: tuple[int, int]
    ) -> np.ndarray:
        """1 + height of what lies lowest over each texel of the floor; NOTHING where nothing is."""
        screen = np.concatenate(
            [(places - low) / FLOOR_TEXEL, 1.0 + np.maximum(height, 0)[:, None]], axis=1
        )
        device = on_device(screen.astype(np.float32), self._kernels.wp.vec3)
        depth, _ = rasterized(device, self._faces, size, cull=0.0)
        return np.asarray(depth.numpy())


@dataclass(frozen=True, eq=False)
class _LightMesh:
    vertices: Int[np.ndarray, "S"]
    """Indices in the drawn mesh of the coarse one's vertices."""
    faces: Int[np.ndarray, "T 3"]
    index: Int[np.ndarray, "N 3"]
    weight: Float[np.ndarray, "N 3"]


@lru_cache(maxsize=1)
def _light_mesh() -> _LightMesh:
    coarse, fine = load_body_data(OPEN_BODY, LIGHT_DENSITY), load_body_data(OPEN_BODY, DENSITY)
    _, vertices = cKDTree(fine.v_template).query(coarse.v_template)
    distance, index = cKDTree(coarse.v_template).query(fine.v_template, k=3)
    weight = 1 / (distance + 1e-4)
    return _LightMesh(vertices, coarse.faces, index, weight / weight.sum(axis=1, keepdims=True))


def _hemisphere(count: int) -> Float[np.ndarray, "N 3"]:
    """Directions all round, as even as a Fibonacci spiral is."""
    index = np.arange(2 * count) + 0.5
    z = 1 - index / count
    angle = np.pi * (1 + 5**0.5) * index
    ring = np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(angle), z, ring * np.sin(angle)], 1).astype(np.float32)


def random_lighting(generator: np.random.Generator, outdoor: bool) -> Lighting:
    """A lamp or the sun from above, and light from all round."""
    azimuth, height = generator.uniform(-np.pi, np.pi), np.radians(generator.uniform(35, 70))
    to_sun = np.array(
        [np.cos(height) * np.sin(azimuth), np.sin(height), np.cos(height) * np.cos(azimuth)]
    )
    strength = generator.uniform(1.0, 1.7) if outdoor else generator.uniform(0.35, 0.9)
    warm = np.array([1.05, 1.0, 0.92]) if outdoor else np.array([1.04, 1.0, 0.95])
    sky = np.array([0.5, 0.56, 0.66]) if outdoor else np.array([0.62, 0.62, 0.62])
    around = sky * generator.uniform(0.85, 1.2)
    return Lighting(to_sun, warm * strength, around, around * np.array([0.55, 0.5, 0.45]))
