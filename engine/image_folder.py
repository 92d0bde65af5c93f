"""A folder of images read as a video: natural order, 30 frames a second, one size."""

from __future__ import annotations

import hashlib
import os
import re
import struct
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from engine.errors import VideoError
from engine.video_pictures import MOST_PIXELS
from engine.video_source import shown_name

STILL_SUFFIXES = frozenset({".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
"""Images that never move: one of them alone is a video of one frame."""
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
FOLDER_FPS = 30.0
"""A folder carries no time: its images are taken to be 30 a second."""
MOST_IMAGE_PIXELS = 160 * 10**6
"""Pixels of an image that is decoded: half a gigabyte."""
_ORIENTATION = 0x0112
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
        raise _unreadable(path) from error
    if image is None:
        raise _unreadable(path)
    return np.asarray(image, np.uint8)


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) from the header, upright as EXIF asks, without decoding the image.

    Raises VideoError where the file is no readable image, or one too large to decode.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its size and its metadata: both are judged here
            with Image.open(path) as image:
                width, height = image.size
                turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unreadable(path) from error
    if width * height > MOST_IMAGE_PIXELS:
        raise VideoError(
            f"The image {shown_name(path)} is too large: {width} x {height}",
            expected=f"at most {MOST_IMAGE_PIXELS // 10**6} million pixels",
        )
    return (height, width) if turned else (width, height)


def _unreadable(path: Path) -> VideoError:
    return VideoError(
        f"{shown_name(path)} cannot be read as an image",
        advice="Remove it from the folder or save it again.",
    )


class ImageFolder:
    """The images of a folder, or one image file, as frames.

    Raises VideoError where there are none, where one cannot be read, and where they differ in
    size.
    """

    def __init__(self, path: Path) -> None:
        self._paths = (path,) if path.is_file() else image_paths(path)
        if not self._paths:
            raise VideoError(
                f"The folder {shown_name(path)} holds no images", expected="JPEG or PNG files"
            )
        whole = self._common_size()
        self._by = 1
        while whole[0] * whole[1] > self._by * self._by * MOST_PIXELS:
            self._by += 1
        self.size = -(-whole[0] // self._by), -(-whole[1] // self._by)
        self.times: Float[np.ndarray, "F"] = np.arange(len(self._paths)) / FOLDER_FPS
        self.focal_px = exif_focal_px(self._paths[0], self.size)
        self.damaged: set[int] = set()
        self.note = " ".join(self._notes())

    def _common_size(self) -> tuple[int, int]:
        first = image_size(self._paths[0])
        for path in self._paths[1:]:
            if (size := image_size(path)) != first:
                raise VideoError(
                    f"The image {shown_name(path)} differs in size from the first of its folder",
                    expected="{} x {}".format(*first),
                    received="{} x {}".format(*size),
                )
        return first

    def _notes(self) -> Iterator[str]:
        if self._by > 1:
            yield "Its images are larger than 4K; they are read at {} x {}.".format(*self.size)
        missing = _missing_numbers([path.stem for path in self._paths])
        if missing:
            yield (
                f"{missing} number{'s are' if missing > 1 else ' is'} missing between its images; "
                "they are taken to follow one another."
            )

    def frame(self, index: int, reduction: int = 1) -> UInt8[np.ndarray, "H W 3"]:
        """RGB. Raises VideoError where the image cannot be read, or has changed its size."""
        image = read_image(self._paths[index])
        size = -(-image.shape[1] // self._by), -(-image.shape[0] // self._by)
        if size != self.size:
            raise VideoError(
                f"The image {shown_name(self._paths[index])} has changed since it was imported",
                expected="{} x {}".format(*self.size),
                received="{} x {}".format(*size),
            )
        if self._by * reduction == 1:
            return image
        size = -(-self.size[0] // reduction), -(-self.size[1] // reduction)
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

    def sha256(self) -> str:
        """Hash of names, sizes and bytes."""
        digest = hashlib.sha256()
        for path in self._paths:
            digest.update(os.fsencode(path.name) + f"\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def close(self) -> None:
        """Nothing is held open between frames."""


def _missing_numbers(names: Sequence[str]) -> int:
    """How many names are left out of a row that differs only in its last number.

    0 where most are left out: such numbers are times or identifiers and count nothing.
    """
    found = [re.fullmatch(r"(.*?)(\d+)(\D*)", name) for name in names]
    rows = {(match[1], match[3]) for match in found if match}
    if len(rows) != 1 or not all(found):
        return 0
    numbers = [int(match[2]) for match in found if match]
    missing = max(numbers) - min(numbers) + 1 - len(set(numbers))
    return missing if missing < len(numbers) else 0


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
