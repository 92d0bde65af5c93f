"""What a fit found, as the content of a fit.npz: in the camera frame, with joints and pixels."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from engine.body.data import load_body_data
from engine.body.display import DisplayBody
from engine.files import FitFile
from engine.geometry.frames import motion_to_camera
from engine.structures import Camera, FitResult, Layout


def fit_file(result: FitResult, layout: Layout) -> FitFile:
    """A result in the camera frame, with the joints and their pixels."""
    camera = result.camera
    data = load_body_data(result.motion.body)
    motion = motion_to_camera(result.motion, camera.T_camera_world, data)
    display = DisplayBody(data)
    joints = np.full((*motion.valid.shape, 24, 3), np.nan)
    pixels = []
    for person, known in enumerate(motion.valid):
        posed = (
            motion.betas[person],
            motion.global_orient[person, known],
            motion.body_pose[person, known],
            motion.transl[person, known],
        )
        joints[person, known] = display.joints(*posed)
        keypoints = display.keypoints(*posed, layout)
        placed = np.full((len(known), *keypoints.shape[1:-1], 2), np.nan)
        placed[known] = _projected(keypoints, camera)
        pixels.append(placed)
    return FitFile(
        motion=motion,
        joints=joints,
        keypoints2d_reprojected=np.stack(pixels),
        layout=layout,
        camera=camera,
        outcome=result.outcome,
        diagnostics=result.diagnostics,
    )


def _projected(points: Float[np.ndarray, "*N 3"], camera: Camera) -> Float[np.ndarray, "*N 2"]:
    """Pixels of the picture as it was taken: with the lens's distortion."""
    if np.any(camera.distortion):
        import cv2

        flat = np.ascontiguousarray(points.reshape(-1, 1, 3), np.float64)
        still = np.zeros(3)
        pixels, _ = cv2.projectPoints(flat, still, still, camera.K, camera.distortion)
        return np.asarray(pixels).reshape(*points.shape[:-1], 2)
    image = points @ camera.K.T
    return np.asarray(image[..., :2] / image[..., 2:])
