"""fit.npz: what a fit finds. See engine.files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import numpy as np
from jaxtyping import Bool, Float

from engine.body.joints import KEYPOINT_NAMES
from engine.file_checks import Checks
from engine.npz import NpzArchive, write_npz
from engine.structures import (
    BodyMotion,
    Camera,
    Diagnostics,
    FocalSource,
    Layout,
    Outcome,
    Provenance,
)

KIND = "a fit file"


@dataclass(frozen=True)
class FitFile:
    """The content of fit.npz."""

    motion: BodyMotion
    """In the camera frame, unlike every other BodyMotion: see engine.geometry.frames."""
    joints: Float[np.ndarray, "P F 24 3"]
    """Metres, camera frame."""
    keypoints2d_reprojected: Float[np.ndarray, "P F K 2"]
    layout: Layout
    camera: Camera
    outcome: Outcome
    diagnostics: Diagnostics
    """Errors per person and frame; its notes are not kept in the file."""


def write_fit(path: Path | str, content: FitFile) -> None:
    """Write a fit.npz, complete or not at all."""
    motion, camera = content.motion, content.camera
    lens = {"distortion": camera.distortion} if np.any(camera.distortion) else {}
    write_npz(
        path,
        {
            **lens,
            "betas": motion.betas,
            "global_orient": motion.global_orient,
            "body_pose": motion.body_pose,
            "transl": motion.transl,
            "joints": content.joints,
            "keypoints2d_reprojected": content.keypoints2d_reprojected,
            "body": np.array(motion.body),
            "frame": np.array("camera"),
            "outcome": np.array(content.outcome.value),
            "layout": np.array(content.layout),
            "valid": motion.valid,
            "times": motion.time,
            "gravity": np.array(motion.gravity),
            "K": camera.K,
            "image_size": np.array(camera.image_size),
            "T_camera_world": camera.T_camera_world,
            "focal_source": np.array(camera.focal_source),
            "reprojection_px": content.diagnostics.reprojection_px,
            "penetration_m": content.diagnostics.penetration_m,
        },
    )


def read_fit(path: Path | str) -> FitFile:
    """Read and check a fit.npz that `write_fit` wrote."""
    with NpzArchive(path, KIND) as archive:
        checks = Checks(archive, KIND)
        checks.expect_names(required=_FIT_NAMES, optional=("distortion",))
        checks.choice("frame", ("camera",))
        betas = checks.floats("betas", ("P", "B"))
        people = len(betas)
        transl = checks.floats("transl", (people, "F", 3), nan=True)
        frames = transl.shape[1]
        layout = cast(Layout, checks.choice("layout", get_args(Layout)))
        count = len(KEYPOINT_NAMES[layout])
        valid = checks.booleans("valid", (people, frames))
        motion = BodyMotion(
            body=checks.text("body"),
            betas=betas,
            global_orient=checks.floats("global_orient", (people, frames, 3), nan=True),
            body_pose=checks.floats("body_pose", (people, frames, 23, 3), nan=True),
            transl=transl,
            valid=valid,
            provenance=_provenance(valid),
            time=checks.increasing("times", frames),
            gravity="known" if checks.text("gravity") == "known" else "estimated",
        )
        transforms = checks.rigid("T_camera_world", frames)
        if transforms is None:
            raise AssertionError("expect_names has seen T_camera_world")
        focal = cast(FocalSource, checks.choice("focal_source", get_args(FocalSource)))
        lens = checks.distortion("distortion")
        distortion = np.zeros(5) if lens is None else lens
        size = checks.image_size("image_size")
        camera = Camera(checks.intrinsics("K"), size, transforms, focal, distortion)
        return FitFile(
            motion=motion,
            joints=checks.floats("joints", (people, frames, 24, 3), nan=True),
            keypoints2d_reprojected=checks.floats(
                "keypoints2d_reprojected", (people, frames, count, 2), nan=True
            ),
            layout=layout,
            camera=camera,
            outcome=Outcome(checks.choice("outcome", tuple(o.value for o in Outcome))),
            diagnostics=Diagnostics(
                reprojection_px=checks.floats("reprojection_px", (people, frames), nan=True),
                penetration_m=checks.floats("penetration_m", (frames,), nan=True),
            ),
        )


_FIT_NAMES = (
    "betas", "global_orient", "body_pose", "transl", "joints", "keypoints2d_reprojected", "body",
    "frame", "outcome", "layout", "valid", "times", "gravity", "K", "image_size",
    "T_camera_world", "focal_source", "reprojection_px", "penetration_m",
)  # fmt: skip


def _provenance(valid: Bool[np.ndarray, "P F"]) -> np.ndarray:
    return np.where(valid, Provenance.FITTED, Provenance.MISSING).astype(np.uint8)
