"""Changes of frame of a whole motion: gravity-aligned world <-> camera.

`transl` is added after skinning, so it is not the root's position: a body whose pelvis rests at J0
stands with its pelvis at J0 + transl. Under x' = R x + t its root turns by R about its own pelvis,
and `transl` becomes R (J0 + transl) + t - J0.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from engine.body.data import BodyData
from engine.structures import BodyMotion


def motion_to_camera(
    motion: BodyMotion,
    T_camera_world: Float[np.ndarray, "F 4 4"],
    body: BodyData,
) -> BodyMotion:
    """The same bodies with `global_orient` and `transl` in the camera frame."""
    return _changed(motion, T_camera_world, body)


def motion_to_world(
    motion: BodyMotion,
    T_camera_world: Float[np.ndarray, "F 4 4"],
    body: BodyData,
) -> BodyMotion:
    """Undoes `motion_to_camera`."""
    return _changed(motion, np.linalg.inv(T_camera_world), body)


def _changed(
    motion: BodyMotion,
    transform: Float[np.ndarray, "F 4 4"],
    body: BodyData,
) -> BodyMotion:
    rotation, offset = transform[:, :3, :3], transform[:, :3, 3]
    used = body.J_shapedirs[0, :, : motion.betas.shape[1]]
    rest = (body.J_template[0] + motion.betas @ used.T)[:, None, :]
    root = np.einsum("fij,pfj->pfi", rotation, rest + motion.transl) + offset
    orient = np.empty(motion.global_orient.shape)
    for person, vectors in enumerate(motion.global_orient):
        known = np.isfinite(vectors).all(axis=1)
        turned = Rotation.from_matrix(rotation[known]) * Rotation.from_rotvec(vectors[known])
        orient[person, known] = turned.as_rotvec()
        orient[person, ~known] = np.nan
    kind = motion.transl.dtype
    return replace(motion, global_orient=orient.astype(kind), transl=(root - rest).astype(kind))
