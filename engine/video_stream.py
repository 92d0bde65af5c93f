"""One video stream decoded by presentation time.

A file is scanned once for the presentation times of its packets (no decoding), and a frame is
fetched by seeking to the key frame before its time and decoding up to exactly that time.
"""

from __future__ import annotations

import bisect
import logging
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from jaxtyping import Float, UInt8

from engine.errors import VideoError
from engine.image_folder import FOLDER_FPS, focal_px_from_35mm

_log = logging.getLogger(__name__)

CACHE_BYTES = 96 * 2**20
"""Decoded frames kept: about 32 of a 1080p video in its own pixel format."""
MAX_PIXELS = 16384 * 16384
_FOCAL_KEYS = (
    "com.apple.quicktime.camera.focal_length.35mm_equivalent",
    "com.android.camera.focal_length.35mm_equivalent",
)
Frame = UInt8[np.ndarray, "H W 3"]


@dataclass(frozen=True)
class _Orientation:
    """The display matrix of a stream as a transpose followed by mirrorings."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> _Orientation:
        data = frame.side_data.get("DISPLAYMATRIX")
        if data is None:
            return cls()
        # libavutil/display.h: x' = a x + c y, y' = b x + d y, rows (a b u), (c d v), (x y w)
        a, b, _, c, d = np.frombuffer(data, np.int32)[:5]  # type: ignore[call-overload]
        if abs(int(a)) >= abs(int(b)):
            return cls(False, bool(a < 0), bool(d < 0))
        return cls(True, bool(c < 0), bool(b < 0))

    def apply(self, image: Frame) -> UInt8[np.ndarray, "H_upright W_upright 3"]:
        if self.transpose:
            image = np.asarray(cv2.transpose(image), np.uint8)
        if self.flip_x or self.flip_y:
            code = -1 if self.flip_x and self.flip_y else int(self.flip_x)
            image = np.asarray(cv2.flip(image, code), np.uint8)
        return image


class VideoStream:
    """Decodes one video stream by presentation time, with a small cache of decoded frames."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.damaged: set[int] = set()
        self.note = ""
        self._reformatter = VideoReformatter()
        self._container = self._open()
        try:
            self._stream = self._container.streams.best("video")
            if self._stream is None or self._is_cover(self._stream):
                raise VideoError(f"{path.name} holds no video", advice="Choose a video file.")
            self._cache: OrderedDict[int, av.VideoFrame] = OrderedDict()
            self._position = -1
            self._decoder: Iterator[av.VideoFrame] = iter(())
            self._pts: list[int] = []
            self._untimed = False
            self._pts, self._keys = self._scan()
            self._finish_index()
        except BaseException:
            self._container.close()
            raise

    def _open(self) -> Any:
        try:
            return av.open(str(self._path), metadata_errors="ignore")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise VideoError(
                f"{self._path.name} is not a video that can be opened ({_reason(error)})",
                advice="If it plays elsewhere, convert it to MP4 (H.264).",
            ) from error

    @staticmethod
    def _is_cover(stream: Any) -> bool:
        """Album art of a sound file is a stream of one picture."""
        return bool(stream.disposition & av.stream.Disposition.attached_pic)

    def _scan(self) -> tuple[list[int], list[int]]:
        """Presentation times of all packets, and of those where decoding may start."""
        pts: set[int] = set()
        keys: set[int] = set()
        untimed = False
        try:
            for packet in self._container.demux(self._stream):
                if packet.size == 0 or packet.is_discard:
                    continue
                if packet.pts is None:
                    untimed = True
                    break
                pts.add(packet.pts)
                if packet.is_keyframe:
                    keys.add(packet.pts)
        except av.error.FFmpegError as error:
            _log.warning("%s: reading stopped early (%s)", self._path.name, _reason(error))
        if untimed:
            return self._count_frames()
        return sorted(pts), sorted(keys)

    def _count_frames(self) -> tuple[list[int], list[int]]:
        """For streams without presentation times (raw H.264): the order of decoding is the time."""
        self._untimed = True
        self._rewind()
        pts = list(range(sum(1 for _ in self._decoder)))
        return pts, pts[:1]

    def _finish_index(self) -> None:
        self._rank = {pts: index for index, pts in enumerate(self._pts)}
        first = self._first_frame()
        self._orientation = _Orientation.of(first)
        self._coded_size = first.width, first.height
        self.size = self._coded_size[::-1] if self._orientation.transpose else self._coded_size
        if first.width * first.height > MAX_PIXELS:
            raise VideoError(f"{self._path.name} is too large: {first.width} x {first.height}")
        self._cache_frames = max(2, CACHE_BYTES // max(1, first.width * first.height * 3 // 2))
        self._drop_undecodable_end()
        rate = float(self._stream.average_rate or FOLDER_FPS)
        base = 1.0 / rate if self._untimed else float(self._stream.time_base)
        self.times: Float[np.ndarray, "F"] = (
            np.asarray(self._pts, np.float64) - self._pts[0]
        ) * base
        self.focal_px = self._metadata_focal()

    def _first_frame(self) -> av.VideoFrame:
        """The first frame that decodes; frames before it are dropped from the index."""
        if self._pts:
            self._rewind()
            for frame in self._decoder:
                if frame.pts in self._rank:
                    self._pts = self._pts[self._rank[frame.pts] :]
                    self._rank = {pts: index for index, pts in enumerate(self._pts)}
                    self._rewind()
                    return frame
        raise VideoError(
            f"{self._path.name} holds no frame that can be decoded",
            advice="The file may be damaged; copy or convert it again.",
        )

    def _drop_undecodable_end(self) -> None:
        """Where the file ends before its header says, the last frames may not decode."""
        declared = int(self._stream.frames or 0)
        if declared <= len(self._pts):
            return
        last_key = self._keys[max(0, bisect.bisect_right(self._keys, self._pts[-1]) - 1)]
        self._seek(last_key)
        decoded = [f.pts for f in self._decoder if f.pts in self._rank and not f.is_corrupt]
        end = max(decoded, default=last_key)
        self._pts = self._pts[: bisect.bisect_right(self._pts, end)]
        self._rank = {pts: index for index, pts in enumerate(self._pts)}
        self._rewind()
        self.note = f"The file is cut short: {len(self._pts)} of {declared} frames are there."
        _log.warning("%s: %s", self._path.name, self.note)

    def _metadata_focal(self) -> float | None:
        metadata = {**self._container.metadata, **self._stream.metadata}
        for key in _FOCAL_KEYS:
            try:
                millimetres = float(metadata[key])
            except (KeyError, ValueError):
                continue
            if 5 < millimetres < 2000:
                return focal_px_from_35mm(millimetres, self.size)
        return None

    def _rewind(self) -> None:
        """Decode from the very start: opened anew, as some formats cannot seek to their start."""
        self._container.close()
        self._container = self._open()
        self._stream = self._container.streams.best("video")
        self._stream.thread_type = "AUTO"
        self._start_decoding(floor=-(2**63))

    def _seek(self, pts: int) -> None:
        """Start decoding at or before the key frame of that time."""
        if pts <= self._keys[0]:
            return self._rewind()
        try:
            self._container.seek(pts, stream=self._stream, backward=True)
        except av.error.FFmpegError:
            return self._rewind()
        self._start_decoding(floor=pts)

    def _start_decoding(self, floor: int) -> None:
        """`floor`: frames shown before the key frame refer to frames that are not decoded here."""
        self._floor = floor
        self._position = -1
        self._decoder = self._decoded()

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Frames from here on, each with its time; a damaged packet is skipped."""
        count = 0
        try:
            for packet in self._container.demux(self._stream):
                for frame in self._decode(packet):
                    if self._untimed:
                        frame.pts = count
                    count += 1
                    yield frame
        except av.error.FFmpegError as error:
            _log.debug("%s: reading stopped early (%s)", self._path.name, _reason(error))

    def _decode(self, packet: Any) -> list[av.VideoFrame]:
        try:
            return list(packet.decode())
        except av.error.FFmpegError as error:
            _log.debug("%s: %s", self._path.name, _reason(error))
            return []

    def frame(self, index: int, reduction: int = 1) -> Frame:
        decoded = self._cache.get(index)
        if decoded is None:
            decoded = self._decode_to(index)
        else:
            self._cache.move_to_end(index)
        return self._to_rgb(decoded, reduction)

    def _decode_to(self, index: int) -> av.VideoFrame:
        key = max(0, bisect.bisect_right(self._keys, self._pts[index]) - 1)
        if not self._reachable(index, self._keys[key]):
            self._seek(self._keys[key])
        while True:
            found = self._advance_to(index)
            if found is not None:
                return found
            if key == 0:
                break
            key //= 2  # the seek landed too late: start further back
            self._seek(self._keys[key])
        return self._stand_in(index)

    def _reachable(self, index: int, key_pts: int) -> bool:
        """Whether decoding on from here gets there at least as soon as seeking would."""
        if self._position < 0 or index <= self._position:
            return False
        return index == self._position + 1 or key_pts <= self._pts[self._position]

    def _advance_to(self, index: int) -> av.VideoFrame | None:
        """Decode until the frame; None if decoding began after it or ended before it."""
        best: av.VideoFrame | None = None
        for frame in self._decoder:
            rank = -1 if frame.pts is None else self._rank.get(frame.pts, -1)
            if rank < 0 or self._pts[rank] < self._floor:
                continue
            self._position = rank
            self._remember(rank, frame)
            if rank == index:
                return frame
            if rank > index:
                if best is None:
                    return None
                self.damaged.add(index)
                return best
            best = frame
        self._position = -1
        return None

    def _stand_in(self, index: int) -> av.VideoFrame:
        """The nearest decodable frame before a damaged one."""
        self.damaged.add(index)
        earlier = [rank for rank in self._cache if rank < index]
        if earlier:
            return self._cache[max(earlier)]
        raise VideoError(
            f"Frame {index} of {self._path.name} cannot be decoded",
            advice="The file may be damaged; copy or convert it again.",
        )

    def _remember(self, index: int, frame: av.VideoFrame) -> None:
        self._cache[index] = frame
        self._cache.move_to_end(index)
        while len(self._cache) > self._cache_frames:
            self._cache.popitem(last=False)

    def _to_rgb(self, frame: av.VideoFrame, reduction: int) -> Frame:
        width, height = (-(-side // reduction) for side in self._coded_size)
        how = Interpolation.BILINEAR if reduction == 1 else Interpolation.AREA
        resized = self._reformatter.reformat(frame, width, height, "rgb24", interpolation=how)
        image = resized.to_ndarray()
        return self._orientation.apply(image)

    def close(self) -> None:
        self._decoder = iter(())
        self._cache.clear()
        self._container.close()


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error).rstrip(".")
