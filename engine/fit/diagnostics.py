"""How well bodies explain what was seen, per person and frame."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float

from engine.body.smpl import BodyModel
from engine.fit.interaction import body_parts
from engine.fit.objective import KEYPOINT_TRUST, keypoints_as_tensors
from engine.geometry.camera import project, undistorted_pixels
from engine.geometry.proximity import penetration_depth
from engine.structures import BodyMotion, Camera, Constraints, Diagnostics, Observations


@torch.no_grad()
def project_keypoints(
    motion: BodyMotion, camera: Camera, body: BodyModel
) -> Float[np.ndarray, "P F 26 2"]:
    """Halpe-26 keypoints of the bodies in undistorted pixels."""
    world = body.pose_of(motion).keypoints("halpe26")
    T = torch.tensor(camera.T_camera_world, dtype=torch.float32)
    seen = torch.einsum("fij,pfkj->pfki", T[:, :3, :3], world) + T[:, None, :3, 3]
    return np.asarray(project(seen, torch.tensor(camera.K, dtype=torch.float32)).numpy())


@torch.no_grad()
def diagnose(
    motion: BodyMotion,
    camera: Camera,
    observations: Observations,
    constraints: Constraints,
    body: BodyModel,
    notes: tuple[str, ...] = (),
) -> Diagnostics:
    """Reprojection error and true penetration depth of the bodies as they are."""
    observed, weight, _ = keypoints_as_tensors(observations, constraints)
    undistorted = undistorted_pixels(observed.numpy().astype(np.float64), camera)
    trusted = weight.numpy() * (KEYPOINT_TRUST > 0.9)
    distance = np.linalg.norm(project_keypoints(motion, camera, body) - undistorted, axis=-1)
    total = trusted.sum(-1)
    error = (distance * trusted).sum(-1) / np.maximum(total, 1e-6)
    error = np.where((total > 0.5) & motion.valid, error, np.nan)
    return Diagnostics(error.astype(np.float64), _penetration(motion, body), notes)


def _penetration(motion: BodyMotion, body: BodyModel) -> Float[np.ndarray, "F"]:
    vertices = body.pose_of(motion).vertices().numpy()
    depth = np.zeros(motion.frame_count)
    faces, parts = np.asarray(body.faces), body_parts(body)
    for a, b in combinations(range(motion.person_count), 2):
        both = motion.valid[a] & motion.valid[b]
        pair = penetration_depth(vertices[a][both], vertices[b][both], faces, parts)
        depth[both] = np.maximum(depth[both], pair)
    return depth
