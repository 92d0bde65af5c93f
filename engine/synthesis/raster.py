"""Triangles into depth buffers, on the CPU, without OpenGL: who covers which pixel, how far off."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

NEAR = 0.05
"""Metres before the camera from which anything is drawn."""
NOTHING = np.float32(1e9)
"""Depth where nothing is."""


@dataclass(frozen=True)
class Buffers:
    """What of whom is in each pixel of one frame, at its own time, without blur."""

    depth: Float[np.ndarray, "P H W"]
    """Metres; NOTHING where the person is not, whatever stands before the person."""
    face: Int[np.ndarray, "P H W"]
    """Face of the drawn mesh; -1 where the person is not."""

    @cached_property
    def nearest(self) -> Int[np.ndarray, "H W"]:
        """The person seen in each pixel; -1 is the background."""
        return np.where(self.depth.min(axis=0) < NOTHING, self.depth.argmin(axis=0), -1)

    def mask(self, person: int) -> Bool[np.ndarray, "H W"]:
        """Pixels in which the person is seen."""
        return np.asarray(self.nearest == person)


def drawn_alone(
    bodies: Float[np.ndarray, "P N 3"],
    faces: Any,
    view: tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "4 4"], tuple[int, int]],
) -> Buffers:
    """Each body (world, metres) alone, as the camera (K, T_camera_world, size) sees it.

    `faces` are those of one body, on Warp's device: `on_device(faces)`.
    """
    K, T_camera_world, (columns, rows) = view
    drawn = [
        rasterized(screen_of(body, K, T_camera_world), faces, (rows, columns)) for body in bodies
    ]
    depth, face = zip(*drawn, strict=True)
    return Buffers(np.stack([d.numpy() for d in depth]), np.stack([f.numpy() for f in face]))


def on_device(array: np.ndarray, kind: Any = None) -> Any:
    """A copy as an array of Warp's."""
    from engine.synthesis.raster_kernels import wp

    kinds = {np.dtype(np.float32): wp.float32, np.dtype(np.int32): wp.int32}
    whole = np.ascontiguousarray(array)
    return wp.array(whole, dtype=kind or kinds[whole.dtype], device="cpu", copy=True)


def screen_of(
    points: Float[np.ndarray, "N 3"],
    K: Float[np.ndarray, "3 3"],
    T_camera_world: Float[np.ndarray, "4 4"],
    shift: tuple[float, float] = (0, 0),
) -> Any:
    """x, y in pixels (moved by `shift`) and depth of world points, on Warp's device."""
    from engine.synthesis.raster_kernels import wp

    seen = points @ T_camera_world[:3, :3].T + T_camera_world[:3, 3]
    depth = np.maximum(seen[:, 2:], 1e-3)
    pixels = seen[:, :2] / depth * [K[0, 0], K[1, 1]] + K[:2, 2] + shift
    screen = np.concatenate([pixels, seen[:, 2:]], axis=1).astype(np.float32)
    return on_device(screen, wp.vec3)


def rasterized(
    screen: Any, faces: Any, shape: tuple[int, int], cull: float = -1.0
) -> tuple[Any, Any]:
    """Depth and face of each pixel of (rows, columns), on Warp's device.

    `cull` is -1 to draw what faces the camera, +1 what is turned away, 0 both.
    """
    from engine.synthesis import raster_kernels

    depth = on_device(np.full(shape, NOTHING, np.float32))
    face = on_device(np.full(shape, -1, np.int32))
    raster_kernels.wp.launch(
        raster_kernels.rasterize, dim=len(faces), device="cpu",
        inputs=[screen, faces, cull, NEAR], outputs=[depth, face],
    )  # fmt: skip
    return depth, face
