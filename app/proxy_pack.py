"""Pictures of one clip in one append-only file, which survives being cut short at any byte.

A pack is a head and then records, one per picture, little-endian:

    head      magic (8) | SHA-256 of the media (32) | width, height, frame count | CRC-32 of these
    record    magic (4) | frame index | length | CRC-32 of the picture | CRC-32 of these | picture

There is no index to go stale: the records' heads are the index, read anew when a pack is opened.
A record counts when all of its bytes are there; what a killed writer left behind is overwritten by
the next one. A pack may come from anywhere, so nothing in it is believed: sizes are checked before
they are allocated, and a picture whose checksum or size is wrong is not there.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from engine.structures import VideoInfo

HEAD_MAGIC, RECORD_MAGIC = b"DyadPrx1", b"frme"
"""The number is raised when a frame's pixels are decoded differently than before."""
_HEAD = struct.Struct("<8s32sIII")
_RECORD = struct.Struct("<4sIII")
_CRC = struct.Struct("<I")
HEAD_BYTES, RECORD_BYTES = _HEAD.size + _CRC.size, _RECORD.size + _CRC.size
_SMALLEST_PICTURE = 64
_OPEN_FLAGS = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)


@dataclass(frozen=True)
class Media:
    """What the pictures of a pack are of; pictures of anything else are never shown for it."""

    sha256: str
    width: int
    height: int
    frame_count: int

    @classmethod
    def of(cls, video: VideoInfo) -> Media:
        return cls(video.sha256, video.width, video.height, video.frame_count)

    @property
    def largest_picture(self) -> int:
        """Bytes that no JPEG of this size reaches in earnest."""
        return self.width * self.height * 3 + 65536

    def head(self) -> bytes:
        size = self.width, self.height, self.frame_count
        plain = _HEAD.pack(HEAD_MAGIC, bytes.fromhex(self.sha256), *size)
        return plain + _CRC.pack(zlib.crc32(plain))


def _record_head(index: int, picture: bytes) -> bytes:
    plain = _RECORD.pack(RECORD_MAGIC, index, len(picture), zlib.crc32(picture))
    return plain + _CRC.pack(zlib.crc32(plain))


@dataclass(frozen=True)
class _Place:
    offset: int
    length: int
    crc: int


class Pack:
    """Reads a pack while another process may be appending to it. Not for two threads at a time."""

    def __init__(self, path: Path, media: Media) -> None:
        self._path = path
        self._media = media
        self._file: BinaryIO | None = None
        self._places: dict[int, _Place] = {}
        self._records = 0
        self.end = 0
        """Offset behind the last whole record."""
        self.refresh()

    @property
    def frames(self) -> frozenset[int]:
        return frozenset(self._places)

    def __contains__(self, index: int) -> bool:
        return index in self._places

    def refresh(self) -> None:
        """Take in what was appended, or that the file was deleted."""
        try:
            if self._file is not None and os.fstat(self._file.fileno()).st_nlink == 0:
                self.close()
            if self._file is None:
                self._open()
            if self._file is not None:
                self._scan(os.fstat(self._file.fileno()).st_size)
        except OSError:
            self.close()

    def _open(self) -> None:
        with suppress(FileNotFoundError):
            self._file = opened_plainly(self._path, os.O_RDONLY, "rb")
        if self._file is None:
            return
        if self._file.read(HEAD_BYTES) == self._media.head():
            self.end = HEAD_BYTES
        else:
            self.close()

    def _scan(self, size: int) -> None:
        assert self._file is not None
        most = 2 * self._media.frame_count  # a frame is in it once, or twice where one was damaged
        while self._records < most and self.end + RECORD_BYTES <= size:
            self._file.seek(self.end)
            head = self._file.read(RECORD_BYTES)
            if len(head) < RECORD_BYTES or zlib.crc32(head[: _RECORD.size]) != _crc_of(head):
                return
            magic, index, length, crc = _RECORD.unpack_from(head)
            is_sane = _SMALLEST_PICTURE <= length <= self._media.largest_picture
            if magic != RECORD_MAGIC or index >= self._media.frame_count or not is_sane:
                return
            if self.end + RECORD_BYTES + length > size:
                return
            self._places[index] = _Place(self.end + RECORD_BYTES, length, crc)
            self._records += 1
            self.end += RECORD_BYTES + length

    def read(self, index: int) -> bytes | None:
        """The picture of a frame; None where it is not there, is damaged, or has been deleted."""
        place = self._places.get(index)
        if place is None or self._file is None:
            return None
        picture = b""
        with suppress(OSError):
            if os.fstat(self._file.fileno()).st_nlink == 0:
                self.close()
                return None
            self._file.seek(place.offset)
            picture = self._file.read(place.length)
        if len(picture) == place.length and zlib.crc32(picture) == place.crc:
            return picture
        del self._places[index]
        return None

    def forget(self, index: int) -> None:
        """Treat a picture as absent: it is whole, but not what it should be."""
        self._places.pop(index, None)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None
        self._places.clear()
        self._records = self.end = 0


class PackWriter:
    """Appends to a pack, or makes it. There may be one writer to a pack at a time.

    OSError (a full disk, a read-only folder) leaves the pack as it was before.
    """

    def __init__(self, path: Path, media: Media) -> None:
        self._path = path
        whole = Pack(path, media)
        self._end = whole.end
        whole.close()
        if not self._end:
            path.unlink(missing_ok=True)  # of another media, or not a pack: never written into
        self._file = opened_plainly(path, os.O_RDWR | os.O_CREAT, "r+b")
        try:
            self._file.truncate(self._end)
            if not self._end:
                self._append(media.head())
        except OSError:
            self._file.close()
            raise

    def append(self, index: int, picture: bytes) -> None:
        self._append(_record_head(index, picture) + picture)

    @property
    def is_deleted(self) -> bool:
        """Whether what is written now is lost, as somebody has deleted the file."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    def _append(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            self._file.seek(self._end)
            while left:
                left = left[self._file.write(left) or 0 :]
        except OSError:
            with suppress(OSError):
                self._file.truncate(self._end)
            raise
        self._end += len(data)

    def close(self) -> None:
        self._file.close()


def _crc_of(head: bytes) -> int:
    return int(_CRC.unpack_from(head, _RECORD.size)[0])


def opened_plainly(path: Path, flags: int, mode: str) -> BinaryIO:
    """Unbuffered, and never through a link: a link in a stranger's cache may point anywhere."""
    descriptor = os.open(path, flags | _OPEN_FLAGS, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    return cast(BinaryIO, open(descriptor, mode, buffering=0))
