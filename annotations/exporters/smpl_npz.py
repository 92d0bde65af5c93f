"""One .npz per person with AMASS's keys, and with everything that those leave unsaid.

AMASS: `poses` (T, 156) is the root, 21 body joints and 2 x 15 hand joints in axis-angle; `trans`,
`betas`, `gender`, `mocap_framerate`. The fitted body has 24 joints and no fingers: its last two
joints (the hands) are not in `poses`, the fingers are zero. The exact parameters stand beside it
under smplx's names (`global_orient`, `body_pose`, `transl`), and these are what `read_back` reads.
The body is named as what it is; only a fit on an SMPL body is called SMPL.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from annotations.exporters.package import (
    ClipExport,
    ExportFolder,
    ExportRequest,
    provenance_of,
    safe_name,
)
from engine.body.display import DisplayBody
from engine.body.joints import SMPL_JOINTS
from engine.file_checks import Checks
from engine.files import FRAME_LIMIT, PERSON_LIMIT
from engine.npz import NpzArchive
from engine.structures import Provenance

AMASS_WIDTH, AMASS_BODY_JOINTS = 156, 21
FORMAT_VERSION = 1
KIND = "a body export"
HANDS = "flat: no fingers were fitted, so they are zero in poses"
CAMERA_CONVENTION = (
    "OpenCV: x right, y down, z forward; x_camera = T_camera_world @ x_world; pixels = K @ x_camera"
)

LENS = "; the lens bends x_camera / z first: distortion holds OpenCV's k1, k2, p1, p2, k3"


@dataclass(frozen=True)
class PersonExport:
    """One person's exported motion, as `read_back` returns it. T accepted frames."""

    body: str
    person_name: str
    person: int
    """Index in the clip, from 0."""
    clip: str
    frame_ids: Int[np.ndarray, "T"]
    times: Float[np.ndarray, "T"]
    betas: Float[np.ndarray, "B"]
    global_orient: Float[np.ndarray, "T 3"]
    body_pose: Float[np.ndarray, "T 23 3"]
    transl: Float[np.ndarray, "T 3"]
    joints: Float[np.ndarray, "T 24 3"]
    valid: Bool[np.ndarray, "T"]
    provenance: UInt8[np.ndarray, "T"]
    K: Float[np.ndarray, "3 3"]
    distortion: Float[np.ndarray, "5"]
    image_size: tuple[int, int]
    T_camera_world: Float[np.ndarray, "T 4 4"]
    revision: int


class SmplNpz:
    """The exporter of this format."""

    description: ClassVar[str] = "AMASS-like .npz per person: poses, translation, shape, camera"

    def write(self, request: ExportRequest, folder: ExportFolder) -> None:
        for export in request.clips:
            taken: set[str] = set()
            for identity in export.state.identities:
                name = safe_name(identity.name, taken)
                taken.add(name.casefold())
                place = "/".join(filter(None, (export.split, export.folder_name, f"{name}.npz")))
                arrays = person_arrays(request, export, identity.index)
                folder.write(place, lambda file, arrays=arrays: _save(file, arrays))  # type: ignore[misc]


def _save(file: Any, arrays: dict[str, np.ndarray]) -> None:
    np.savez_compressed(file, allow_pickle=False, **arrays)


def person_arrays(request: ExportRequest, export: ClipExport, person: int) -> dict[str, np.ndarray]:
    """Every array of one person's file."""
    facts = _facts(request, export, person)
    return {
        **_motion(export, person),
        **_camera(export),
        **{name: np.array(value) for name, value in facts.items()},
        "joint_names": np.array(SMPL_JOINTS),
        "provenance_names": np.array([p.name.lower() for p in Provenance]),
        "segments": np.array([[r.start, r.stop] for r in export.segments], np.int64),
    }


def _motion(export: ClipExport, person: int) -> dict[str, np.ndarray]:
    motion, chosen = export.state.motion, export.frame_ids
    assert motion is not None
    orient = motion.global_orient[person, chosen]
    pose = motion.body_pose[person, chosen]
    transl, betas = motion.transl[person, chosen], motion.betas[person]
    poses = np.zeros((len(chosen), AMASS_WIDTH), pose.dtype)
    poses[:, :3] = orient
    poses[:, 3 : 3 + 3 * AMASS_BODY_JOINTS] = pose[:, :AMASS_BODY_JOINTS].reshape(len(chosen), -1)
    valid = motion.valid[person, chosen]
    joints = np.full((len(chosen), len(SMPL_JOINTS), 3), np.nan, np.float32)
    if valid.any():
        body = DisplayBody.load(motion.body)
        joints[valid] = body.joints(betas, orient[valid], pose[valid], transl[valid])
    arrays = {
        "poses": poses,
        "trans": transl,
        "betas": betas,
        "global_orient": orient,
        "body_pose": pose,
        "transl": transl,
        "joints": joints,
        "valid": valid,
        "provenance": motion.provenance[person, chosen],
        "frame_ids": chosen.astype(np.int64),
        "times": export.clip.video.times[chosen],
    }
    diagnostics = export.state.diagnostics
    if diagnostics is not None:
        arrays["reprojection_px"] = diagnostics.reprojection_px[person, chosen]
        arrays["penetration_m"] = diagnostics.penetration_m[chosen]
    return arrays


def _camera(export: ClipExport) -> dict[str, np.ndarray]:
    camera = export.state.camera
    if camera is None:
        return {}
    return {
        "K": camera.K,
        "distortion": camera.distortion,
        "T_camera_world": camera.T_camera_world[export.frame_ids],
        "image_size": np.array(camera.image_size),
        "focal_source": np.array(camera.focal_source),
        "camera_convention": np.array(
            CAMERA_CONVENTION + (LENS if camera.distortion.any() else "")
        ),
    }


def _facts(request: ExportRequest, export: ClipExport, person: int) -> dict[str, Any]:
    motion, identity = export.state.motion, export.state.identities[person]
    assert motion is not None
    fps = export.clip.video.fps
    return {
        "format_version": FORMAT_VERSION,
        "body": motion.body,
        "body_sha256": request.project.body_sha256,
        "model_type": motion.body,
        "num_betas": motion.betas.shape[1],
        "gender": identity.gender,
        "hands": HANDS,
        "mocap_framerate": fps,
        "mocap_frame_rate": fps,
        "fps": fps,
        "units": "metres, radians, seconds, pixels",
        "rotation": "axis-angle, each joint relative to its parent",
        "root": "transl is added after skinning; the rest pelvis is not at the origin",
        "up_axis": "y",
        "coord_frame": "world, aligned with gravity, floor at y = 0 where a floor is known",
        "gravity": motion.gravity,
        "clip": export.clip.name,
        "person": person,
        "person_name": identity.name,
        "revision": export.revision.id,
        "history": json.dumps(provenance_of(export), ensure_ascii=False),
    }


def read_back(path: Path | str) -> PersonExport:
    """The exported parameters of one person. Raises InputError for any other file."""
    with NpzArchive(path, KIND) as archive:
        checks = Checks(archive, KIND)
        checks.expect_names(tuple(PersonExport.__dataclass_fields__))
        checks.shape("frame_ids", ("T",), "i")
        count = archive.headers["frame_ids"].shape[0]
        transforms = checks.rigid("T_camera_world", count)
        lens = checks.distortion("distortion")
        if transforms is None or lens is None:
            raise AssertionError("expect_names has seen both")
        return PersonExport(
            body=checks.text("body"),
            person_name=checks.text("person_name"),
            person=int(checks.number("person", 0.0, PERSON_LIMIT - 1.0)),
            clip=checks.text("clip"),
            frame_ids=_frame_ids(checks, count),
            times=checks.increasing("times", count),
            betas=checks.floats("betas", ("B",)),
            global_orient=checks.floats("global_orient", (count, 3), nan=True),
            body_pose=checks.floats("body_pose", (count, 23, 3), nan=True),
            transl=checks.floats("transl", (count, 3), nan=True),
            joints=checks.floats("joints", (count, 24, 3), nan=True).astype(np.float32),
            valid=checks.booleans("valid", (count,)),
            provenance=checks.integers("provenance", (count,)).astype(np.uint8),
            K=checks.intrinsics("K"),
            distortion=lens,
            image_size=checks.image_size("image_size"),
            T_camera_world=transforms,
            revision=int(checks.number("revision", 0.0, 2.0**53)),
        )


def _frame_ids(checks: Checks, count: int) -> Int[np.ndarray, "T"]:
    frames = checks.integers("frame_ids", (count,))
    if frames[0] < 0 or (np.diff(frames) <= 0).any() or frames[-1] >= FRAME_LIMIT:
        limits = f"frames 0 to {FRAME_LIMIT - 1} that increase"
        raise checks.refusal("frame_ids", limits, f"{frames[:8].tolist()}")
    return frames
