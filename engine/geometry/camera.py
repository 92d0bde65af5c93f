"""Pinhole cameras in OpenCV's axes: x right, y down, z forward."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from engine.structures import Camera

NEAR = 0.05
"""Metres: points nearer than this (or behind the camera) are projected as if they were here, so
that a step of an optimiser that crosses the image plane stays finite."""


ASSUMED_FOCAL = 0.75
"""Focal length over image diagonal where nothing is known: a lens of 32 mm on full frame.

Phones (24 to 28 mm) and depth cameras (21 mm) lie below, camcorders and zooms above. The field's
usual guess, the diagonal itself (Kissos et al. 2020), is a 43 mm lens: too long indoors.
"""


def assumed_intrinsics(image_size: tuple[int, int]) -> Float[np.ndarray, "3 3"]:
    """K for an unknown camera: square pixels, centre of the image, `ASSUMED_FOCAL`."""
    width, height = image_size
    focal = ASSUMED_FOCAL * float(np.hypot(width, height))
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])


def project(
    points: Float[torch.Tensor, "*batch 3"], K: Float[torch.Tensor, "rows 3"]
) -> Float[torch.Tensor, "*batch 2"]:
    """Pixels of points in the camera frame (metres), without lens distortion."""
    depth = points[..., 2:].clamp_min(NEAR)
    normalised = points[..., :2] / depth
    focal = torch.stack([K[0, 0], K[1, 1]])
    return normalised * focal + K[:2, 2]


def undistorted_pixels(
    pixels: Float[np.ndarray, "*batch 2"], camera: Camera
) -> Float[np.ndarray, "*batch 2"]:
    """Where the pixels would be if the lens had no distortion (same K); NaN stays NaN."""
    if not np.any(camera.distortion):
        return pixels
    import cv2

    flat = np.ascontiguousarray(pixels, dtype=np.float64).reshape(-1, 1, 2)
    known = np.isfinite(flat).all(axis=(1, 2))
    result = np.full_like(flat, np.nan)
    if known.any():
        result[known] = cv2.undistortPoints(
            flat[known], camera.K, camera.distortion, P=camera.K
        ).reshape(-1, 1, 2)
    return result.reshape(pixels.shape)


def world_from_up(
    up_camera: Float[np.ndarray, "3"], origin_camera: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "4 4"]:
    """`T_camera_world` of a static camera in a gravity-aligned world (y up).

    World x is the camera's x made horizontal, world z points back towards the camera, and the
    world's origin lies at `origin_camera` (metres, camera frame).
    """
    y = up_camera / np.linalg.norm(up_camera)
    x = np.array([1.0, 0.0, 0.0])
    if abs(y @ x) > 0.95:  # the camera lies on its side
        x = np.array([0.0, 0.0, -1.0])
    x = x - (x @ y) * y
    x /= np.linalg.norm(x)
    transform = np.eye(4)
    transform[:3, :3] = np.stack([x, y, np.cross(x, y)], axis=1)
    transform[:3, 3] = origin_camera
    return transform
