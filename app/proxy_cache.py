"""The proxy cache: JPEG pictures of a clip's frames, from which any frame is shown at once.

It lies in a folder beside the project and may be deleted at any time. Each video has a folder of
its own there, named by its SHA-256:

    NAME.dyad-cache/proxies/SHA256/stamp.json    size and time of the file that was hashed
                                   filled.pack   written by the process that fills it
                                   shown.pack    written by the window, from what it decoded anyway

Pictures are whole-size: libjpeg decodes one at a half or a quarter of its size for less, so there
is no need of a second set (docs/decisions/0007-proxy-cache.md has the measurements).
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from app.proxy_pack import Media, Pack, PackWriter, opened_plainly
from engine.structures import VideoInfo

CACHE_GIGABYTES = 4.0
"""Of proxies beside a project, unless the user prefers more or less."""
QUALITY = 95
"""JPEG, with the chroma at half size that nearly all video has anyway: 46 to 49 dB PSNR against
what the decoder gives (0007-proxy-cache.md)."""
FILLED, SHOWN, STAMP = "filled.pack", "shown.pack", "stamp.json"
_PARTIAL = "stamp.part"
_FILES = (STAMP, FILLED, SHOWN, _PARTIAL)
_LARGEST_SIDE = 65500
"""Pixels; libjpeg's limit."""
DISK_SHARE = 0.25
"""Of what would be free without the cache: the most that it takes, whatever was preferred."""
_NAME = re.compile("[0-9a-f]{64}")
_REDUCED = {1: 0, 2: cv2.IMREAD_REDUCED_GRAYSCALE_2, 4: cv2.IMREAD_REDUCED_GRAYSCALE_4}
_FLAGS = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
Picture = UInt8[np.ndarray, "H W 3"]


def folder_beside(project: Path) -> Path:
    """Where the caches of a project lie: study.dyad-cache for study.dyad."""
    return project.with_name(project.name + "-cache")


def encoded(picture: Picture) -> bytes:
    """An RGB picture as JPEG."""
    how = [
        *(cv2.IMWRITE_JPEG_QUALITY, QUALITY),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
    ]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), how)
    if not done:
        raise ValueError("a picture that cannot be a JPEG")
    return data.tobytes()


def decoded(data: bytes, size: tuple[int, int], reduction: int = 1) -> Picture | None:
    """The RGB picture (width, height) `size` of a JPEG, as means of `reduction` x `reduction`
    pixels; None for anything but a baseline JPEG of just that size.
    """
    if jpeg_size(data) != size:
        return None  # before anything is allocated for it
    flag = _REDUCED.get(reduction, 0)
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS | flag)
    except cv2.error:
        return None
    wanted = -(-size[0] // reduction), -(-size[1] // reduction)
    if picture is not None and not flag and reduction > 1:
        picture = cv2.resize(picture, wanted, interpolation=cv2.INTER_AREA)
    if picture is None or picture.shape != (wanted[1], wanted[0], 3):
        return None
    return np.asarray(picture, np.uint8)


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) in the frame header of a baseline colour JPEG (ITU-T T.81, B.2.2)."""
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xC0:
            height, width = (int.from_bytes(data[at + i : at + i + 2], "big") for i in (5, 7))
            return (width, height) if data[at + 4] == 8 and data[at + 9] == 3 else None
        if marker < 0xC0 or (0xC1 <= marker <= 0xDA and marker != 0xC4):
            return None
        at += 2 + length
    return None


@dataclass(frozen=True)
class _Stamp:
    """Size in bytes and time in nanoseconds of the video file whose hash was compared."""

    size: int
    time: int

    @classmethod
    def of(cls, video: VideoInfo) -> _Stamp:
        found = os.stat(video.path)
        return cls(found.st_size, found.st_mtime_ns)

    @classmethod
    def read(cls, path: Path) -> _Stamp | None:
        try:
            with opened_plainly(path, os.O_RDONLY, "rb") as file:
                content = json.loads(file.read(200))
            return cls(int(content["size"]), int(content["time"]))
        except (OSError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
            return None

    def write(self, path: Path) -> None:
        partial = path.with_name(_PARTIAL)
        partial.unlink(missing_ok=True)
        partial.write_text(json.dumps({"size": self.size, "time": self.time}))
        partial.replace(path)


class ProxyFolder:
    """All the pictures beside one project, held within `limit` bytes.

    Any method may raise OSError where the disk says no; reading never does.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._root = folder
        self._folder = folder / "proxies"
        self._limit = limit

    @staticmethod
    def suits(video: VideoInfo) -> bool:
        """Folders of images need no proxies: each image decodes on its own."""
        fits = 0 < video.width <= _LARGEST_SIDE and 0 < video.height <= _LARGEST_SIDE
        return bool(fits and _NAME.fullmatch(video.sha256) and Path(video.path).is_file())

    def clip(self, video: VideoInfo) -> ProxyClip | None:
        """The pictures of a video; None unless the file is still the one they were made of."""
        try:
            place = self._place(video)
            if not self.suits(video) or self._is_linked(place):
                return None
            if _Stamp.read(place / STAMP) != _Stamp.of(video):
                return None
            os.utime(place / STAMP)  # the least recently used make room for others
        except OSError:
            return None
        return ProxyClip(place, Media.of(video), self)

    def is_verified(self, video: VideoInfo) -> bool:
        place = self._place(video)
        with suppress(OSError):
            return _Stamp.read(place / STAMP) == _Stamp.of(video)
        return False

    def verify(self, video: VideoInfo) -> None:
        """Make the folder of a video whose file was just found to have the hash of the project."""
        place = self._place(video)
        if self._is_linked(place):
            raise OSError(errno.ELOOP, "a link where a folder should be", str(place))
        place.mkdir(parents=True, exist_ok=True)
        _Stamp.of(video).write(place / STAMP)

    def used(self) -> int:
        """Bytes of all clips."""
        return sum(size for _, size, _ in self._clips())

    def has_room(self, more: int) -> bool:
        """Whether `more` bytes may be added as it is."""
        return self.used() + more <= self.allowed()

    def allowed(self) -> int:
        """The most bytes that it may have: as preferred, or less where the disk is nearly full."""
        free = shutil.disk_usage(self._root.parent).free + self.used()
        return min(self._limit, int(free * DISK_SHARE))

    def make_room(self, more: int, keep: VideoInfo) -> bool:
        """Drop the clips that were not looked at for longest, but never `keep`."""
        others = [(age, place) for age, _, place in self._clips() if place != self._place(keep)]
        for _, place in sorted(others):
            if self.has_room(more):
                break
            _delete(place)
        return self.has_room(more)

    def clear(self) -> int:
        """Delete every picture; how many bytes that freed."""
        freed = self.used()
        for _, _, place in self._clips():
            _delete(place)
        for folder in (self._folder, self._root):
            with suppress(OSError):  # what is not ours stays, and its folder with it
                folder.rmdir()
        return freed

    def _place(self, video: VideoInfo) -> Path:
        return self._folder / video.sha256

    def _is_linked(self, place: Path) -> bool:
        return any(path.is_symlink() for path in (self._root, self._folder, place))

    def _clips(self) -> list[tuple[float, int, Path]]:
        """When it was last looked at, bytes, and place of each clip's folder."""
        if self._is_linked(self._folder) or not self._folder.is_dir():
            return []
        found = []
        for place in self._folder.iterdir():
            if not _NAME.fullmatch(place.name) or place.is_symlink():
                continue
            sizes, age = 0, 0.0
            for name in _FILES:
                with suppress(OSError):
                    facts = (place / name).lstat()
                    sizes += facts.st_size
                    age = facts.st_mtime if name == STAMP else age
            found.append((age, sizes, place))
        return found


def _delete(place: Path) -> None:
    """Only files that bear our names: the folder may come from anywhere."""
    for name in _FILES:
        with suppress(OSError):
            (place / name).unlink()
    with suppress(OSError):
        place.rmdir()


class ProxyClip:
    """Pictures of one video. For one thread of one process; another may be filling it."""

    def __init__(self, place: Path, media: Media, folder: ProxyFolder) -> None:
        self._place = place
        self._media = media
        self._folder = folder
        self._packs = [Pack(place / name, media) for name in (SHOWN, FILLED)]
        self._writer: PackWriter | None = None

    @property
    def frames(self) -> frozenset[int]:
        """Frames that there are pictures of."""
        return frozenset().union(*(pack.frames for pack in self._packs))

    def __contains__(self, index: int) -> bool:
        return any(index in pack for pack in self._packs)

    def refresh(self) -> None:
        """Take in what another process has added, or that the cache was deleted."""
        for pack in self._packs:
            pack.refresh()

    def frame(self, index: int, reduction: int = 1) -> Picture | None:
        """RGB pixels as VideoReader.frame gives them; None where there is no whole picture."""
        if index not in self:
            self.refresh()
        for pack in self._packs:
            data = pack.read(index)
            if data is None:
                continue
            picture = decoded(data, (self._media.width, self._media.height), reduction)
            if picture is not None:
                return picture
            pack.forget(index)
        return None

    def add(self, index: int, picture: Picture, name: str = SHOWN) -> int:
        """Append a frame to a pack (one writer to each); how many bytes it took.

        OSError where it cannot be written.
        """
        if self._writer is not None and self._writer.is_deleted:
            self.close_writer()
        if self._writer is None:
            self._writer = PackWriter(self._place / name, self._media)
        data = encoded(picture)
        self._writer.append(index, data)
        return len(data)

    def keep(self, index: int, picture: Picture) -> None:
        """Add a frame that was decoded anyway, where there is room for it."""
        if self._folder.has_room(self._media.width * self._media.height // 4):
            self.add(index, picture)
            self.refresh()

    def close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    def close(self) -> None:
        self.close_writer()
        for pack in self._packs:
            pack.close()
