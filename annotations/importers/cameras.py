"""A camera of the clip from what a file says: intrinsics, and where it was in some frames.

`T_camera_world` maps any world of the file to the camera (OpenCV axes: x right, y down, z forward),
one per frame. A frame without a pose is interpolated between its neighbours (the rotation along
the shortest arc) where they are within a second; a gap that is longer is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from annotations.importers.imported import FrameKey, ImportOptions, Reading
from annotations.importers.numbering import numbered
from annotations.importers.pixels import wrong_size
from annotations.importers.values import ChoiceNeeded, refusal
from engine.errors import InputError
from engine.structures import Camera, VideoInfo

GAP_SECONDS = 1.0
END_SECONDS = 0.25
"""Frames before the first and after the last pose, which hold still."""
RIGID_TOLERANCE = 1e-3
FOCAL_RANGE = 0.1, 100.0
"""In longer sides of the image."""
CENTRE_RANGE = 0.1, 0.9
"""Of the image, where a principal point may lie: further out it is of another resolution."""
_SAME_INTRINSICS = 2e-3
"""Largest relative change of K over a clip that is called none: a clip has one K."""


@dataclass
class CameraReading:
    """What a file says of a camera."""

    K: Float[np.ndarray, "3 3"]
    image_size: tuple[int, int] | None = None
    distortion: Float[np.ndarray, "5"] = field(default_factory=lambda: np.zeros(5))
    """OpenCV's k1, k2, p1, p2, k3."""
    poses: Mapping[FrameKey, Float[np.ndarray, "4 4"]] = field(default_factory=dict)
    """T_camera_world by frame; empty where the file has none."""
    still: Float[np.ndarray, "4 4"] | None = None
    """T_camera_world of a camera that stands still."""
    unit_is_metre: bool = True


def finished(
    reading: Reading, found: CameraReading, video: VideoInfo, options: ImportOptions
) -> Reading:
    """The reading with a `Camera` on the clip's frames and in its pixels."""
    K = _checked_intrinsics(reading.source, found, video, options)
    poses = np.tile(np.eye(4), (video.frame_count, 1, 1))
    if found.poses:
        poses = _on_clip(reading, found, video, options)
    elif found.still is not None:
        checked_rotation(found.still[:3, :3], "the camera", reading.source)
        poses[:] = found.still
    else:
        reading.notes.append("The file has no poses: the camera is taken to stand still.")
    if found.distortion.any():
        reading.notes.append(
            "Lens distortion k1, k2, p1, p2, k3: "
            + ", ".join(f"{value:.4g}" for value in found.distortion)
        )
    reading.camera = Camera(K, video.image_size, poses, "file", found.distortion)
    return reading


def intrinsics(fx: float, fy: float, cx: float, cy: float) -> Float[np.ndarray, "3 3"]:
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def distortion_of(values: object, source: str) -> Float[np.ndarray, "5"]:
    """OpenCV's first five coefficients; refuses models that five cannot say."""
    given = np.asarray(values, np.float64).ravel() if values is not None else np.zeros(0)
    if not np.isfinite(given).all():
        raise refusal(source, "the distortion", "finite numbers", given.tolist())
    if len(given) not in (0, 4, 5, 8, 12, 14) or given[5:].any():
        raise refusal(
            source, "the distortion", "OpenCV's k1, k2, p1, p2, k3", f"{len(given)} coefficients",
            "Undistort the video, or calibrate with five coefficients.",
        )  # fmt: skip
    return np.concatenate([given, np.zeros(5)])[:5]


def _checked_intrinsics(
    source: str, found: CameraReading, video: VideoInfo, options: ImportOptions
) -> Float[np.ndarray, "3 3"]:
    K = np.asarray(found.K, np.float64)
    if K.shape != (3, 3) or not np.isfinite(K).all():
        raise refusal(source, "the camera matrix", "3 x 3 finite numbers", K.tolist())
    skew = abs(np.array([K[0, 1], K[1, 0], K[2, 0], K[2, 1]])).max()
    if K[0, 0] <= 0 or K[1, 1] <= 0 or skew > 1e-6 * K[0, 0] or abs(K[2, 2] - 1) > 1e-9:
        raise refusal(
            source, "the camera matrix", "[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]", K.tolist()
        )
    factors = options.factors(video.image_size)
    if factors is None and found.image_size is not None and found.image_size != video.image_size:
        raise wrong_size(source, "the size of its images", found.image_size, video.image_size)
    K = K * np.array([[factors[0]], [factors[1]], [1.0]]) if factors is not None else K.copy()
    _check_view(source, K, video)
    return K


def _check_view(source: str, K: Float[np.ndarray, "3 3"], video: VideoInfo) -> None:
    low, high = (share * max(video.image_size) for share in FOCAL_RANGE)
    if min(K[0, 0], K[1, 1]) < low or max(K[0, 0], K[1, 1]) > high:
        raise refusal(
            source, "the focal length", f"{low:g} to {high:g} pixels",
            f"{K[0, 0]:g} and {K[1, 1]:g}",
        )  # fmt: skip
    centre = K[:2, 2] / video.image_size
    if centre.min() < CENTRE_RANGE[0] or centre.max() > CENTRE_RANGE[1]:
        raise refusal(
            source, "the principal point", f"one within {video.width} x {video.height}",
            f"{K[0, 2]:g}, {K[1, 2]:g}",
            "If it is of another resolution, state that image size (--scale WIDTHxHEIGHT).",
        )  # fmt: skip


def checked_rotation(R: Float[np.ndarray, "3 3"], where: str, source: str) -> None:
    error = abs(R @ R.T - np.eye(3)).max() if np.isfinite(R).all() else np.inf
    if not error < RIGID_TOLERANCE or np.linalg.det(R) < 0:
        raise refusal(source, f"the rotation of {where}", "R with R R^T = I, det R = 1", "another")


def _on_clip(
    reading: Reading, found: CameraReading, video: VideoInfo, options: ImportOptions
) -> Float[np.ndarray, "F 4 4"]:
    reading.frames = set(found.poses)
    numbering = numbered(reading, video, options)
    if numbering.note:
        reading.notes.append(numbering.note)
    reading.offset = numbering.offset
    poses = np.full((video.frame_count, 4, 4), np.nan)
    for key, frame in numbering.frames.items():
        pose = np.asarray(found.poses[key], np.float64)
        checked_rotation(pose[:3, :3], f"frame {key}", reading.source)
        if not np.isfinite(pose).all():
            raise refusal(reading.source, f"the pose of frame {key}", "finite numbers", "others")
        poses[frame] = pose
    unit = options.metres_per_unit
    if unit is not None:
        poses[:, :3, 3] *= unit
    moves = float(np.nanmax(np.ptp(_centres(poses[np.isfinite(poses[:, 0, 0])]), axis=0)))
    if unit is None and not found.unit_is_metre and moves > 0:
        reading.notes.append(
            "The file's world has no unit; it is taken for metres "
            f"(the camera moves by {moves:.3g}). State it with --metres-per-unit."
        )
    return _filled(poses, video, reading)


def _centres(poses: Float[np.ndarray, "N 4 4"]) -> Float[np.ndarray, "N 3"]:
    """Places of the camera in the world: -R^T t."""
    return np.asarray(-np.einsum("nji,nj->ni", poses[:, :3, :3], poses[:, :3, 3]))


def _filled(
    poses: Float[np.ndarray, "F 4 4"], video: VideoInfo, reading: Reading
) -> Float[np.ndarray, "F 4 4"]:
    """The frames between known poses, interpolated; refuses long gaps."""
    from scipy.spatial.transform import Rotation, Slerp

    known = np.flatnonzero(np.isfinite(poses[:, 0, 0]))
    if len(known) == video.frame_count:
        return poses
    times = video.times
    widest = float(np.diff(times[known]).max(initial=0.0))
    ends = float(max(times[known[0]] - times[0], times[-1] - times[known[-1]]))
    if widest > GAP_SECONDS or ends > END_SECONDS:
        raise InputError(
            f"{reading.source}: poses are missing for {video.frame_count - len(known)} of the "
            f"clip's {video.frame_count} frames",
            expected=f"gaps of at most {GAP_SECONDS:g} s, and {END_SECONDS:g} s at the ends",
            received=f"gaps up to {widest:.2g} s, ends up to {ends:.2g} s",
        )
    reading.notes.append(
        f"{video.frame_count - len(known)} frames without a pose are interpolated."
    )
    filled = np.tile(np.eye(4), (video.frame_count, 1, 1))
    at = np.clip(times, times[known[0]], times[known[-1]])
    if len(known) == 1:
        filled[:] = poses[known[0]]
        return filled
    filled[:, :3, :3] = Slerp(times[known], Rotation.from_matrix(poses[known, :3, :3]))(
        at
    ).as_matrix()
    centres = _centres(poses[known])
    between = np.stack([np.interp(at, times[known], row) for row in centres.T], axis=-1)
    filled[:, :3, 3] = -np.einsum("fij,fj->fi", filled[:, :3, :3], between)
    filled[known] = poses[known]
    return filled


def one_of_all(
    all_K: Float[np.ndarray, "N 3 3"], source: str, what: str = "frames"
) -> Float[np.ndarray, "3 3"]:
    """The one K of many; refuses a zoom."""
    K = np.asarray(all_K, np.float64)
    change = abs(K - K[0]).max() / max(K[0, 0, 0], 1e-9)
    if not change < _SAME_INTRINSICS:
        low, high = K[:, 0, 0].min(), K[:, 0, 0].max()
        raise refusal(
            source, f"the camera matrix of its {what}", "one for the whole clip",
            f"focal lengths from {low:g} to {high:g}",
        )  # fmt: skip
    return np.asarray(np.median(K, axis=0))


def chosen(names: Mapping[str, Any], source: str, options: ImportOptions) -> str:
    """Which of several cameras is meant."""
    if len(names) == 1:
        return next(iter(names))
    if options.sequence in names:
        return str(options.sequence)
    raise ChoiceNeeded(
        f"{source} has {len(names)} cameras",
        expected="--sequence with one of " + ", ".join(list(names)[:20]),
        received=options.sequence or "none named",
    )
