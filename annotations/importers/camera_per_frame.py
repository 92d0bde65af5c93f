"""A camera per frame, as scripts write it: JSON or NumPy's .npz.

JSON, an object or only its list of frames: intrinsics at the top or in each frame (`K`,
`intrinsics` or `camera_matrix`, or `fl_x`, `fl_y`, `cx`, `cy`; `dist` and the like; `width`/`w`,
`height`/`h`) and `frames`, a list of objects with one of
`T_camera_world` / `extrinsics` / `w2c` (4 x 4 or 3 x 4, world to camera), `R` and `t` / `T` /
`tvec`, `rvec` and `tvec` (OpenCV), or `transform_matrix` (NeRF's transforms.json: camera to world
with OpenGL's axes, x right, y up, z back), and `frame` / `frame_id` or `file_path` / `image`.

.npz: `K` / `intrinsics` / `intrins` (3 x 3, one per frame, or fx, fy, cx, cy) with `extrinsics` /
`T_camera_world` / `w2c` (F, 3 or 4, 4), or `R` and `t`, `cam_R` and `cam_t` (SLAHMR), `rvecs` and
`tvecs`. With `ids` (Hi4D's rgb_cameras.npz) the first axis is cameras, of which one is named.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from annotations.importers import json_stream
from annotations.importers.camera_opencv import DISTORTION_NAMES
from annotations.importers.cameras import (
    CameraReading,
    chosen,
    distortion_of,
    finished,
    intrinsics,
    one_of_all,
)
from annotations.importers.imported import FrameKey, ImportOptions, Reading
from annotations.importers.numbering import plain_name
from annotations.importers.sample import Sample
from annotations.importers.values import numbers, refusal, shown, whole
from engine.errors import InputError
from engine.file_checks import Checks
from engine.npz import NpzArchive
from engine.structures import VideoInfo

_KIND = "a file of cameras"
_MATRIX = ("K", "intrinsics", "intirnsics", "camera_matrix", "intrins", "cam_int", "Ks")
"""Hi4D's own files misspell it."""
_TRANSFORM = ("T_camera_world", "extrinsics", "w2c", "world_to_camera", "viewmats", "cam_ext")
_ROTATION, _TRANSLATION = ("R", "cam_R", "rotation"), ("t", "T", "tvec", "cam_t", "translation")
_VECTOR = ("rvec", "rvecs")
_FRAME = ("frame", "frame_id", "frame_index", "image", "file_name", "file_path", "img_path")
_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
_FRAME_LIMIT = 200_000


class PerFrameCameras:
    """The importer of this format."""

    name: ClassVar[str] = "camera-frames"
    description: ClassVar[str] = "A camera per frame: JSON (R|t, rvec/tvec, transforms.json) or npz"
    gives: ClassVar[str] = "camera"

    def recognises(self, sample: Sample) -> bool:
        if sample.is_json:
            item = sample.first.get("frames") if sample.is_object else sample.item
            poses = (*_TRANSFORM, *_TRANSLATION, "transform_matrix")
            return isinstance(item, dict) and any(name in item for name in poses)
        return sample.suffix == ".npz"

    def reading(
        self, path: Path, video: VideoInfo, options: ImportOptions
    ) -> Generator[float, None, Reading]:
        yield 0.0
        reading = Reading("camera-frames", path.name)
        if path.suffix.lower() == ".npz":
            found = _from_npz(path, options)
            reading.first = 0
        else:
            found = _from_json(path, video)
        yield 0.5
        return finished(reading, found, video, options)


def _first(values: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((values[name] for name in names if values.get(name) is not None), None)


# JSON --------------------------------------------------------------------------------------------


def _from_json(path: Path, video: VideoInfo) -> CameraReading:
    content = json_stream.load(path)
    if isinstance(content, list):
        content = {"frames": content}
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not 0 < len(frames) <= _FRAME_LIMIT:
        raise refusal(path.name, "the file", f"frames, 1 to {_FRAME_LIMIT} of them", "another list")
    _check_model(content, path.name)
    poses: dict[FrameKey, Float[np.ndarray, "4 4"]] = {}
    for index, frame in enumerate(frames):
        if not isinstance(frame, dict):
            raise refusal(path.name, f"frame {index}", "an object", frame)
        poses[_frame_key(frame, index, path.name)] = _pose(frame, index, path.name)
    if len(poses) < len(frames):
        raise refusal(path.name, "its frames", f"{len(frames)} different ones", f"{len(poses)}")
    K = [_matrix(each, path.name, video) for each in (content, *frames)]
    known = [matrix for matrix in K if matrix is not None]
    if not known:
        raise refusal(path.name, "the intrinsics", "K, or fl_x, fl_y, cx and cy", "none")
    return CameraReading(
        K=one_of_all(np.stack(known), path.name),
        image_size=_size(content, path.name),
        distortion=_distortion(content, path.name),
        poses=poses,
        # NeRF's scenes are scaled at will.
        unit_is_metre="transform_matrix" not in frames[0],
    )


def _check_model(content: Mapping[str, Any], source: str) -> None:
    model = content.get("camera_model", "OPENCV")
    if model not in ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL"):
        raise refusal(source, "the camera model", "OPENCV or PINHOLE", model)


def _frame_key(frame: Mapping[str, Any], index: int, source: str) -> FrameKey:
    key = _first(frame, _FRAME)
    if key is None:
        return index
    if isinstance(key, str) and 0 < len(key) < 4096:
        return plain_name(key)
    return whole(key, partial(refusal, source, f"the number of frame {index}"))


def _pose(frame: Mapping[str, Any], index: int, source: str) -> Float[np.ndarray, "4 4"]:
    refuse = partial(refusal, source, f"the pose of frame {index}")
    if frame.get("transform_matrix") is not None:
        camera_to_world = _square(numbers(frame["transform_matrix"], refuse), refuse)
        if not np.isfinite(camera_to_world).all() or abs(np.linalg.det(camera_to_world)) < 1e-9:
            raise refuse("a transform that can be inverted", "another")
        return np.linalg.inv(camera_to_world @ _OPENGL)
    transform = _first(frame, _TRANSFORM)
    if transform is not None:
        return _square(numbers(transform, refuse), refuse)
    rotation, vector = _first(frame, _ROTATION), _first(frame, _VECTOR)
    translation = _first(frame, _TRANSLATION)
    if translation is None or (rotation is None and vector is None):
        raise refuse("R and t, rvec and tvec, or a 4 x 4 transform", ", ".join(list(frame)[:8]))
    pose = np.eye(4)
    pose[:3, 3] = numbers(translation, refuse, 3)
    if rotation is not None:
        pose[:3, :3] = numbers(rotation, refuse, 9).reshape(3, 3)
    else:
        pose[:3, :3] = _rodrigues(numbers(vector, refuse, 3))
    return pose


def _rodrigues(vector: Float[np.ndarray, "*N 3"]) -> Float[np.ndarray, "*N 3 3"]:
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_rotvec(np.nan_to_num(vector, nan=1e3)).as_matrix())


def _square(flat: Float[np.ndarray, "N"], refuse: Any) -> Float[np.ndarray, "4 4"]:
    if len(flat) not in (12, 16):
        raise refuse("4 x 4 or 3 x 4 numbers", f"{len(flat)} numbers")
    pose = np.eye(4)
    pose[: len(flat) // 4] = flat.reshape(-1, 4)
    if abs(pose[3] - [0, 0, 0, 1]).max() > 1e-6:
        raise refuse("a last row of 0 0 0 1", shown(pose[3].tolist()))
    return pose


def _matrix(
    values: Mapping[str, Any], source: str, video: VideoInfo
) -> Float[np.ndarray, "3 3"] | None:
    refuse = partial(refusal, source, "the intrinsics")
    found = _first(values, _MATRIX)
    if isinstance(found, dict):
        values = {**values, **found}
        found = _first(found, _MATRIX)
    if found is not None:
        return numbers(found, refuse, 9).reshape(3, 3)
    fx = _first(values, ("fl_x", "fx", "f", "focal"))
    if fx is None:
        return None
    fy = _first(values, ("fl_y", "fy"))
    width = _first(values, ("w", "width")) or video.width
    height = _first(values, ("h", "height")) or video.height
    cx, cy = values.get("cx", width / 2), values.get("cy", height / 2)
    given = numbers([fx, fx if fy is None else fy, cx, cy], refuse, 4)
    return intrinsics(*given.tolist())


def _size(values: Mapping[str, Any], source: str) -> tuple[int, int] | None:
    refuse = partial(refusal, source, "the image size")
    pair = values.get("image_size")
    if isinstance(pair, list) and len(pair) == 2:
        width, height = (whole(side, refuse) for side in pair)
        return width, height
    sides = (
        _first(values, ("w", "width", "image_width")),
        _first(values, ("h", "height", "image_height")),
    )
    if None in sides:
        return None
    return whole(sides[0], refuse), whole(sides[1], refuse)


def _distortion(values: Mapping[str, Any], source: str) -> Float[np.ndarray, "5"]:
    refuse = partial(refusal, source, "the distortion")
    given = _first(values, DISTORTION_NAMES)
    if given is not None:
        return distortion_of(numbers(given, refuse), source)
    five = [values.get(name, 0.0) for name in ("k1", "k2", "p1", "p2", "k3")]
    if values.get("k4"):
        raise refuse("k1, k2, p1, p2 and k3", "k4 as well")
    return distortion_of(numbers(five, refuse), source)


# npz ---------------------------------------------------------------------------------------------


def _from_npz(path: Path, options: ImportOptions) -> CameraReading:
    with NpzArchive(path, _KIND) as archive:
        checks = Checks(archive, _KIND)
        names = set(archive.headers)
        key = next((name for name in _MATRIX if name in names), None)
        if key is None:
            raise InputError(
                f"{path.name} is not {_KIND}",
                expected="an array K or intrinsics",
                received=", ".join(sorted(names)[:12]) or "nothing",
            )
        K = _intrinsics(checks, key)
        poses = _npz_poses(checks, names)
        distortion = next((name for name in DISTORTION_NAMES if name in names), None)
        given = None if distortion is None else _array(checks, distortion)
        if "ids" in names:
            return _of_rig(checks, K, poses, given, options)
        K = one_of_all(K, path.name)
        if given is not None and given.ndim > 1:
            given = given.reshape(-1, given.shape[-1])[0]
        size = checks.integers("image_size", (2,)) if "image_size" in names else None
        return CameraReading(
            K,
            None if size is None else (int(size[0]), int(size[1])),
            distortion_of(given, path.name),
            dict(enumerate(poses)) if poses is not None else {},
        )


def _of_rig(
    checks: Checks,
    K: Float[np.ndarray, "N 3 3"],
    poses: Float[np.ndarray, "N 4 4"] | None,
    distortion: np.ndarray | None,
    options: ImportOptions,
) -> CameraReading:
    """One of several cameras that stand still."""
    source = checks.archive.path.name
    ids = [str(each) for each in checks.integers("ids", (len(K),))]
    index = ids.index(chosen(dict.fromkeys(ids), source, options))
    given = None if distortion is None else distortion_of(distortion[index], source)
    found = CameraReading(K[index], None, np.zeros(5) if given is None else given)
    if poses is not None:
        # A camera that stands still: its world is the rig's.
        found.still = poses[index]
    return found


def _array(checks: Checks, name: str) -> np.ndarray:
    header = checks.archive.headers[name]
    if not 1 <= len(header.shape) <= 4 or header.shape[0] > _FRAME_LIMIT:
        raise checks.refusal(f"the shape of {name}", "one entry per frame", str(header.shape))
    return checks.floats(name, header.shape)


def _intrinsics(checks: Checks, name: str) -> Float[np.ndarray, "N 3 3"]:
    array = _array(checks, name)
    if array.shape[-2:] == (3, 3):
        return array.reshape(-1, 3, 3)
    if array.shape[-1] == 4:
        return np.stack([intrinsics(*row) for row in array.reshape(-1, 4).tolist()])
    raise checks.refusal(f"the shape of {name}", "(3, 3) or (F, 3, 3)", str(array.shape))


def _npz_poses(checks: Checks, names: set[str]) -> Float[np.ndarray, "F 4 4"] | None:
    def first(options: Sequence[str]) -> np.ndarray | None:
        name = next((each for each in options if each in names), None)
        return None if name is None else _array(checks, name)

    transform = first(_TRANSFORM)
    if transform is not None:
        if transform.ndim != 3 or transform.shape[1] not in (3, 4) or transform.shape[2] != 4:
            raise checks.refusal("the extrinsics", "(F, 3, 4) or (F, 4, 4)", str(transform.shape))
        poses = np.tile(np.eye(4), (len(transform), 1, 1))
        poses[:, :3] = transform[:, :3]
        return poses
    translation, rotation, vector = (
        first((*_TRANSLATION, "tvecs")),
        first(_ROTATION),
        first(_VECTOR),
    )
    if translation is None or (rotation is None and vector is None):
        return None
    R = rotation
    if R is None:
        assert vector is not None
        R = _rodrigues(vector.reshape(-1, 3))
    if translation.ndim == 3 and translation.shape[-1] == 1:  # OpenCV's columns
        translation = translation[..., 0]
    # SLAHMR repeats the camera for each person: (B, T, 3, 3).
    R, t = (a[0] if a.ndim == d else a for a, d in ((R, 4), (translation, 3)))
    count = len(t)
    if R.shape != (count, 3, 3) or t.reshape(count, -1).shape != (count, 3):
        raise checks.refusal("R and t", "(F, 3, 3) and (F, 3)", f"{R.shape} and {t.shape}")
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = R, t.reshape(count, 3)
    return poses
