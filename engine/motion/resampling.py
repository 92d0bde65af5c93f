"""Motion at other times than its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation, RotationSpline

from engine.motion.solving import Retargeted
from engine.structures import Provenance


def at_times(solved: Retargeted, time: Float[np.ndarray, "T"]) -> Retargeted:
    """The motion at other times (seconds, within its own): rotations on cubic splines, places
    without overshoot."""
    motion = solved.motion
    if motion.frame_count < 2:
        return solved
    poses = np.concatenate([motion.global_orient[:, :, None], motion.body_pose], axis=2)
    people = len(poses)
    turned = np.stack(
        [
            [RotationSpline(motion.time, Rotation.from_rotvec(poses[p, :, j]))(time).as_rotvec()
             for j in range(24)]
            for p in range(people)
        ]
    ).transpose(0, 2, 1, 3)  # fmt: skip
    shape = (people, len(time))
    nearest = np.abs(time[:, None] - motion.time).argmin(axis=1)
    smooth = replace(
        motion,
        global_orient=turned[:, :, 0],
        body_pose=turned[:, :, 1:],
        transl=PchipInterpolator(motion.time, motion.transl, axis=1)(time),
        valid=np.ones(shape, bool),
        provenance=np.full(shape, Provenance.EDITED, np.uint8),
        time=time,
    )
    return Retargeted(smooth, solved.error_m[:, nearest])
