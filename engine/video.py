"""Frame-exact video: a frame's index is its rank in presentation time, whatever the container says.

Seeking by frame number is wrong wherever the frame rate varies or frames are reordered. See
`engine.video_stream` for how a file is read; a folder of images is a video too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import UInt8

from engine.errors import VideoError
from engine.image_folder import STILL_SUFFIXES, ImageFolder
from engine.structures import FrameRange, VideoInfo
from engine.video_source import reason, shown_name
from engine.video_stream import VideoStream

Frame = UInt8[np.ndarray, "H W 3"]


def probe(path: str | Path) -> VideoInfo:
    """Read what there is to know of a video file or a folder of images, without decoding it all.

    A damaged file is opened as far as it decodes, and its `note` says how far. Raises VideoError,
    in one sentence, for anything that is not a video.
    """
    resolved = Path(path).expanduser().resolve()
    try:
        source = _source(resolved)
        try:
            sha256 = source.sha256() if isinstance(source, ImageFolder) else _sha256(resolved)
            width, height = source.size
            return VideoInfo(
                str(resolved), width, height, source.times, sha256, source.focal_px, source.note
            )
        finally:
            source.close()
    except OSError as error:
        raise VideoError(f"{shown_name(resolved)} cannot be read ({reason(error)})") from error


def _source(path: Path) -> VideoStream | ImageFolder:
    if not _is_text(str(path)):
        raise VideoError(
            f"The name {shown_name(path)}, or that of its folder, is not text", advice="Rename it."
        )
    if path.is_dir() or (path.is_file() and path.suffix.lower() in STILL_SUFFIXES):
        return ImageFolder(path)
    if not path.exists():
        raise VideoError(f"There is no file or folder {path.parent / shown_name(path)}")
    if not path.is_file():
        raise VideoError(f"{shown_name(path)} is a device or a pipe, not a file")
    return VideoStream(path)


def _is_text(name: str) -> bool:
    """Whether a project can keep the name: Linux allows any bytes."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class VideoReader:
    """Frames of one video in any order, each exactly the one of its presentation time.

    Going forward decodes each frame once. Not for use from two threads at a time.
    """

    def __init__(self, source: str | Path | VideoInfo) -> None:
        self.info = source if isinstance(source, VideoInfo) else probe(source)
        path = Path(self.info.path)
        if not path.exists():
            raise VideoError(
                f"The video {path} is no longer there", advice="Put it back or import it again."
            )
        self._source = _source(path)
        if len(self._source.times) != self.info.frame_count:
            received = len(self._source.times)
            self.close()
            raise VideoError(
                f"{shown_name(path)} has changed since it was imported",
                expected=f"{self.info.frame_count} frames",
                received=str(received),
                advice="Import it again.",
            )

    def frame(self, index: int, reduction: int = 1) -> Frame:
        """RGB pixels (height, width, 3) of a frame, upright. IndexError outside the video.

        `reduction` n gives the means of n x n pixels: all that a small view can show, for less.
        """
        if not 0 <= index < self.info.frame_count:
            raise IndexError(f"frame {index} of a video of {self.info.frame_count} frames")
        return self._source.frame(int(index), reduction)

    def frames(
        self, start: int | FrameRange | range = 0, stop: int | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """(index, frame) of `start <= index < stop` in one sequential pass."""
        first, last = (start, stop) if isinstance(start, int) else (start.start, start.stop)
        count = self.info.frame_count
        for index in range(max(0, first), count if last is None else min(last, count)):
            yield index, self._source.frame(index)

    @property
    def damaged(self) -> frozenset[int]:
        """Frames found undecodable so far; each shows the decodable frame before it."""
        return frozenset(self._source.damaged)

    def close(self) -> None:
        self._source.close()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
