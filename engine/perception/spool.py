"""Frames decoded once, then kept small on disk for every later stage of perception.

The networks look at squares of 256 pixels, so a frame of at most 1,280 pixels says as much to them
as one of 3,840. Frames are JPEG files one after another in one file, with their places in another
one; what was written before a process died is read again by the next.
"""

from __future__ import annotations

import os
import zlib
from io import FileIO
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from jaxtyping import UInt8

from engine.errors import EngineError

Image = UInt8[np.ndarray, "H W 3"]

LONGEST_SIDE = 1280
"""Pixels of the longer side of a kept frame."""
_QUALITY = 95
_ENTRY = np.dtype([("start", "<i8"), ("size", "<i8"), ("checksum", "<u4")])


class FrameSpool:
    """Consecutive frames, numbered from 0, that are appended once and read in any order."""

    def __init__(self, folder: Path, image_size: tuple[int, int], whole: bool = False) -> None:
        """Goes on with what the folder holds; `image_size` is (width, height) of the video.

        `whole` keeps frames as large as they are.
        """
        width, height = image_size
        self.scale = 1.0 if whole else min(1.0, LONGEST_SIDE / max(width, height))
        """Pixels of a kept frame per pixel of the video."""
        self._size = max(1, round(width * self.scale)), max(1, round(height * self.scale))
        self._entries: list[tuple[int, int, int]] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Unbuffered: on a full disk nothing is left over that closing would fail to write.
            self._data = (folder / "frames.bin").open("a+b", buffering=0)
            self._index = (folder / "frames.index").open("a+b", buffering=0)
            self._restore()
        except OSError as error:
            raise _no_room(folder, error) from error
        self._folder = folder

    def __len__(self) -> int:
        return len(self._entries)

    def __enter__(self) -> FrameSpool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._data.close()
        self._index.close()

    def append(self, image: Image) -> None:
        """Keep a frame of the video."""
        small = image
        if self.scale < 1.0:
            small = np.asarray(cv2.resize(image, self._size, interpolation=cv2.INTER_AREA))
        _, coded = cv2.imencode(
            ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, _QUALITY)
        )
        start = sum(self._entries[-1][:2]) if self._entries else 0
        entry = (start, len(coded), _checksum(coded.tobytes()))
        try:
            _write(self._data, coded.tobytes())
            _write(self._index, np.array(entry, _ENTRY).tobytes())
        except OSError as error:
            raise _no_room(self._folder, error) from error
        self._entries.append(entry)

    def __getitem__(self, number: int) -> Image:
        start, size, _ = self._entries[number]
        coded = os.pread(self._data.fileno(), size, start)
        image = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise _no_room(self._folder, OSError("a kept frame was damaged"))
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))

    def _restore(self) -> None:
        """Take up what is whole; a torn end is cut off."""
        self._index.seek(0)
        raw = self._index.read()
        length = os.fstat(self._data.fileno()).st_size
        end = 0
        for start, size, checksum in np.frombuffer(
            raw[: len(raw) // _ENTRY.itemsize * _ENTRY.itemsize], _ENTRY
        ).tolist():
            whole = start == end and 0 < size <= length - start
            if not whole or _checksum(os.pread(self._data.fileno(), size, start)) != checksum:
                break
            self._entries.append((start, size, checksum))
            end = start + size
        self._data.truncate(end)
        self._index.truncate(len(self._entries) * _ENTRY.itemsize)


def _write(file: FileIO, data: bytes) -> None:
    """All of it: an unbuffered file may take a part at a time."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _checksum(data: bytes) -> int:
    return zlib.crc32(data)


def _no_room(folder: Path, error: OSError) -> EngineError:
    return EngineError(
        f"Cannot keep frames in {folder}",
        received=error.strerror or str(error),
        advice="Free some space on the disk, then detect again.",
    )
