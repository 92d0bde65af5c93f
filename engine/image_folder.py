"""A folder of images read as a video: natural order, 30 frames a second, one size."""

from __future__ import annotations

import hashlib
import re
import struct
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from engine.errors import VideoError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
FOLDER_FPS = 30.0
"""A folder carries no time: its images are taken to be 30 a second."""
_EXIF_POINTER, _FOCAL_35MM = 0x8769, 0xA405


def image_paths(folder: Path) -> tuple[Path, ...]:
    """The folder's images in natural order: frame2 comes before frame10."""
    paths = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
    return tuple(sorted(paths, key=lambda path: _natural_key(path.name)))


def _natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    parts = re.split(r"(\d+)", name.casefold())
    return tuple((1, int(p), "") if p.isdigit() else (0, 0, p) for p in parts if p)


def read_image(path: Path) -> UInt8[np.ndarray, "H W 3"]:
    """RGB, upright as its EXIF asks. Raises VideoError where the file is no readable image."""
    try:
        data = np.fromfile(path, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    except (OSError, cv2.error) as error:
        raise VideoError(f"{path.name} cannot be read as an image ({error})") from error
    if image is None:
        raise VideoError(
            f"{path.name} cannot be read as an image",
            advice="Remove it from the folder or save it again.",
        )
    return np.asarray(image, np.uint8)


class ImageFolder:
    """The images of a folder as frames. Raises VideoError where it holds none."""

    def __init__(self, folder: Path) -> None:
        self._paths = image_paths(folder)
        if not self._paths:
            raise VideoError(
                f"The folder {folder.name} holds no images", expected="JPEG or PNG files"
            )
        height, width = read_image(self._paths[0]).shape[:2]
        self.size = width, height
        self.times: Float[np.ndarray, "F"] = np.arange(len(self._paths)) / FOLDER_FPS
        self.focal_px = exif_focal_px(self._paths[0], self.size)
        self.damaged: set[int] = set()
        self.note = ""

    def frame(self, index: int, reduction: int = 1) -> UInt8[np.ndarray, "H W 3"]:
        image = read_image(self._paths[index])
        if image.shape[1::-1] != self.size:
            raise VideoError(
                f"The image {self._paths[index].name} differs in size from the first of its folder",
                expected="{} x {}".format(*self.size),
                received=f"{image.shape[1]} x {image.shape[0]}",
            )
        if reduction == 1:
            return image
        size = -(-self.size[0] // reduction), -(-self.size[1] // reduction)
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

    def sha256(self) -> str:
        """Hash of names, sizes and bytes."""
        digest = hashlib.sha256()
        for path in self._paths:
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def close(self) -> None:
        """Nothing is held open between frames."""


def exif_focal_px(path: Path, image_size: tuple[int, int]) -> float | None:
    """Focal length in pixels from EXIF's 35 mm equivalent, or None.

    The equivalent is defined by the diagonal of the frame (CIPA DCG-001: 43.27 mm).
    """
    data = path.read_bytes()[: 1 << 16]
    start = data.find(b"Exif\0\0")
    equivalent = _focal_35mm(data[start + 6 :]) if start >= 0 else None
    return focal_px_from_35mm(float(equivalent), image_size) if equivalent else None


def focal_px_from_35mm(millimetres: float, image_size: tuple[int, int]) -> float:
    return float(millimetres / 43.2666 * np.hypot(*image_size))


def _focal_35mm(tiff: bytes) -> int | None:
    """Tag FocalLengthIn35mmFilm of EXIF's TIFF structure; None if absent or broken."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(order + "I", tiff, 4)
        pointer = _tag_value(tiff, order, first, _EXIF_POINTER)
        return _tag_value(tiff, order, pointer, _FOCAL_35MM) if pointer else None
    except struct.error:
        return None


def _tag_value(tiff: bytes, order: str, directory: int, tag: int) -> int | None:
    (count,) = struct.unpack_from(order + "H", tiff, directory)
    for entry in range(directory + 2, directory + 2 + 12 * count, 12):
        name, kind = struct.unpack_from(order + "HH", tiff, entry)
        if name == tag:
            (value,) = struct.unpack_from(order + ("H" if kind == 3 else "I"), tiff, entry + 8)
            return int(value) or None
    return None
