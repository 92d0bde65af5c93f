"""COLMAP's text model: a folder with `cameras.txt` and `images.txt`.

Camera models SIMPLE_PINHOLE, PINHOLE, SIMPLE_RADIAL, RADIAL and OPENCV; the others have distortions
that five coefficients cannot say. COLMAP puts pixel centres at (0.5, 0.5); the principal point is
moved by half a pixel to OpenCV's (0, 0). `images.txt` has world-to-camera quaternions (w, x, y, z)
and translations by image name, in a world without a unit. Points are not read.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from annotations.importers import rle
from annotations.importers.cameras import (
    CameraReading,
    chosen,
    finished,
    intrinsics,
    one_of_all,
)
from annotations.importers.imported import FrameKey, ImportOptions, Reading
from annotations.importers.numbering import plain_name
from annotations.importers.sample import Sample
from annotations.importers.values import read_text, refusal, shown
from engine.errors import InputError
from engine.structures import VideoInfo

_PARAMETERS = {"SIMPLE_PINHOLE": 3, "PINHOLE": 4, "SIMPLE_RADIAL": 4, "RADIAL": 5, "OPENCV": 8}


@dataclass(frozen=True)
class _Lens:
    size: tuple[int, int]
    K: Float[np.ndarray, "3 3"]
    distortion: Float[np.ndarray, "5"]


class Colmap:
    """The importer of this format."""

    name: ClassVar[str] = "colmap"
    description: ClassVar[str] = "COLMAP text model: cameras.txt and images.txt"
    gives: ClassVar[str] = "camera"

    def recognises(self, sample: Sample) -> bool:
        if sample.is_folder:
            return "cameras.txt" in sample.files
        return sample.path.name in ("cameras.txt", "images.txt")

    def reading(
        self, path: Path, video: VideoInfo, options: ImportOptions
    ) -> Generator[float, None, Reading]:
        yield 0.0
        folder = path if path.is_dir() else path.parent
        cameras = folder / "cameras.txt"
        if not cameras.is_file():
            advice = "Export the model as text." if (folder / "cameras.bin").is_file() else ""
            raise InputError(f"{folder.name} has no cameras.txt", advice=advice)
        reading = Reading("colmap", path.name)
        images = folder / "images.txt"
        reading.files = tuple(file for file in (cameras, images) if file.is_file())
        lenses = _lenses(cameras)
        poses, of_image = _poses(images) if images.is_file() else ({}, {})
        used = {of_image[key] for key in poses} or set(lenses)
        if missing := used - set(lenses):
            raise refusal(images.name, "a camera id", "one of cameras.txt", min(missing))
        if len(used) > 1 and options.sequence is None and poses:
            lens = _common(cameras.name, [lenses[id] for id in sorted(used)])
        else:
            id = chosen({each: lenses[each] for each in sorted(used)}, cameras.name, options)
            lens = lenses[id]
            poses = {key: pose for key, pose in poses.items() if of_image[key] == id}
        yield 0.5
        found = CameraReading(lens.K, lens.size, lens.distortion, poses, unit_is_metre=False)
        return finished(reading, found, video, options)


def _common(source: str, lenses: list[_Lens]) -> _Lens:
    """COLMAP may give every image a camera of its own; the clip has one."""
    if len({lens.size for lens in lenses}) > 1:
        raise refusal(source, "the size of its cameras", "one for the whole clip", "several")
    K = one_of_all(np.stack([lens.K for lens in lenses]), source, "cameras")
    return _Lens(lenses[0].size, K, np.median([lens.distortion for lens in lenses], axis=0))


def _rows(path: Path) -> list[tuple[int, str]]:
    lines = read_text(path).splitlines()
    return [(n, line) for n, line in enumerate(lines, 1) if not line.startswith("#")]


def _lenses(path: Path) -> dict[str, _Lens]:
    lenses: dict[str, _Lens] = {}
    for number, line in _rows(path):
        if line.strip():
            fields = line.split()
            lenses[fields[0]] = _lens(path.name, number, fields)
    if not lenses:
        raise refusal(path.name, "the file", "a line per camera", "none")
    return lenses


def _lens(source: str, number: int, fields: list[str]) -> _Lens:
    what = f"line {number}"
    model = fields[1] if len(fields) > 1 else ""
    if model not in _PARAMETERS:
        raise refusal(source, what, "a model of " + ", ".join(_PARAMETERS), shown(model))
    try:
        width, height = int(fields[2]), int(fields[3])
        p = np.array([float(field) for field in fields[4:]])
    except (ValueError, IndexError) as error:
        raise refusal(source, what, "numbers", shown(" ".join(fields))) from error
    if not 0 < min(width, height) <= max(width, height) <= rle.SIDE_LIMIT:
        raise refusal(source, what, f"a size of 1 to {rle.SIDE_LIMIT} pixels", shown(fields[2:4]))
    if len(p) != _PARAMETERS[model] or not np.isfinite(p).all():
        raise refusal(source, what, f"{_PARAMETERS[model]} parameters of {model}", f"{len(p)}")
    distortion = np.zeros(5)
    if model in ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL"):
        K = intrinsics(p[0], p[0], p[1] - 0.5, p[2] - 0.5)
        distortion[: len(p) - 3] = p[3:]
    else:
        K = intrinsics(p[0], p[1], p[2] - 0.5, p[3] - 0.5)
        distortion[: len(p) - 4] = p[4:]
    return _Lens((width, height), K, distortion)


def _poses(
    path: Path,
) -> tuple[dict[FrameKey, Float[np.ndarray, "4 4"]], dict[FrameKey, str]]:
    """(T_camera_world, camera id) by image name. Every second line has points and is skipped."""
    poses: dict[FrameKey, Float[np.ndarray, "4 4"]] = {}
    cameras: dict[FrameKey, str] = {}
    rows = _rows(path)
    while rows and not rows[-1][1].strip():
        rows.pop()
    for number, line in rows[::2]:
        fields = line.split(maxsplit=9)
        try:
            q, t = np.array(fields[1:5], float), np.array(fields[5:8], float)
            camera, name = fields[8], plain_name(fields[9].strip())
        except (ValueError, IndexError) as error:
            expected = "IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME"
            raise refusal(path.name, f"line {number}", expected, shown(line)) from error
        length = np.linalg.norm(q)
        if not abs(length - 1) < 1e-2 or not np.isfinite(t).all():
            raise refusal(
                path.name, f"line {number}", "a quaternion of length 1", f"length {length:.3g}"
            )
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = _rotation(q / length), t
        poses[name], cameras[name] = pose, camera
    return poses, cameras


def _rotation(q: Float[np.ndarray, "4"]) -> Float[np.ndarray, "3 3"]:
    """Hamilton's convention, w first."""
    w, x, y, z = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
