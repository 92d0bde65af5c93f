"""One video stream decoded by presentation time.

A file is scanned once for the presentation times of its packets (no decoding), and a frame is
fetched by seeking to the key frame before its time and decoding up to exactly that time.
"""

from __future__ import annotations

import bisect
import logging
import os
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from jaxtyping import Float, UInt8

from engine.errors import VideoError
from engine.image_folder import FOLDER_FPS, focal_px_from_35mm
from engine.video_pictures import MOST_PIXELS, Pictures, check_coded_size
from engine.video_source import ends_early, open_container, reason, shown_name

_log = logging.getLogger(__name__)

CACHE_BYTES = 96 * 2**20
"""Decoded frames kept: about 32 of a 1080p video in its own pixel format."""
_THREADS = 8
"""Of the decoder: each holds a frame, so that frames larger than 4K get one thread."""
_GAP_SECONDS = 1.0
_SIZELESS = ("mpegts", "mpeg", "flv")
"""Formats that do not say how long they are: whether the last frames are whole is tried."""
_FOCAL_KEYS = (
    "com.apple.quicktime.camera.focal_length.35mm_equivalent",
    "com.android.camera.focal_length.35mm_equivalent",
)
Frame = UInt8[np.ndarray, "H W 3"]


class VideoStream:
    """Decodes one video stream by presentation time, with a small cache of decoded frames."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = shown_name(path)
        self.damaged: set[int] = set()
        self._notes: list[str] = []
        self._identity = _identity(path)
        self._container = open_container(path)
        try:
            self._choose_stream()
            self._cache: OrderedDict[int, av.VideoFrame] = OrderedDict()
            self._position = -1
            self._decoder: Iterator[av.VideoFrame] = iter(())
            self._pts: list[int] = []
            self._untimed = False
            self._left_out = 0
            self._pts, self._keys = self._scan()
            self._finish_index()
        except BaseException:
            self._container.close()
            raise

    @property
    def note(self) -> str:
        """What a user should know of the file, in a sentence or a few; empty if nothing."""
        return " ".join(self._notes)

    def _choose_stream(self) -> None:
        moving = _moving_streams(self._container)
        if not moving:
            sound = "only sound" if self._container.streams.audio else "no video"
            raise VideoError(f"{self._name} holds {sound}", advice="Choose a video file.")
        if len(moving) > 1:
            self._notes.append(f"It holds {len(moving)} videos; the largest is read.")
        self._stream = moving[0]

    def _scan(self) -> tuple[list[int], list[int]]:
        """Presentation times of all packets to show, and of those where decoding may start."""
        pts: set[int] = set()
        keys: set[int] = set()
        hidden = shown = 0
        try:
            for packet in self._container.demux(self._stream):
                if packet.size == 0:
                    continue
                if packet.pts is None:
                    return self._count_frames()
                if packet.is_keyframe:
                    keys.add(packet.pts)
                if packet.is_discard:  # before the start of an edited clip, yet needed to decode it
                    hidden += 1
                    continue
                shown += 1
                pts.add(packet.pts)
        except av.error.FFmpegError as error:
            _log.debug("%s: reading stopped early (%s)", self._name, reason(error))
        if shown > len(pts):
            self._notes.append(_same_time(shown - len(pts)))
        self._left_out = hidden + shown - len(pts)
        times = sorted(pts)
        return times, sorted(keys) or times[:1]

    def _count_frames(self) -> tuple[list[int], list[int]]:
        """For streams without presentation times (raw H.264): the order of decoding is the time."""
        self._untimed = True
        self._rewind()
        pts = list(range(sum(1 for _ in self._decoder)))
        return pts, pts[:1]

    def _finish_index(self) -> None:
        self._rank = {pts: index for index, pts in enumerate(self._pts)}
        first = self._first_frame()
        self._pictures = Pictures(first, self._stream)
        self.size = self._pictures.size
        self._notes += self._pictures.notes
        self._cache_frames = max(2, CACHE_BYTES // max(1, first.width * first.height * 3 // 2))
        self._drop_undecodable_end()
        rate = float(self._stream.average_rate or FOLDER_FPS)
        base = 1.0 / rate if self._untimed else float(self._stream.time_base)
        self.times: Float[np.ndarray, "F"] = (
            np.asarray(self._pts, np.float64) - self._pts[0]
        ) * base
        self._notes += _gaps(self.times)
        self.focal_px = self._metadata_focal()

    def _first_frame(self) -> av.VideoFrame:
        """The first frame that decodes; frames before it are dropped from the index."""
        if self._pts:
            self._rewind()
            for frame in self._decoder:
                if frame.pts in self._rank:
                    self._keep(slice(self._rank[frame.pts], None))
                    self._rewind()
                    return frame
        if self._container.format.name == "webp_pipe":
            raise VideoError(
                f"{self._name} is an animated WebP, which cannot be read",
                advice="Convert it to MP4 or GIF.",
            )
        raise VideoError(
            f"{self._name} holds no frame that can be decoded",
            advice="The file may be damaged; copy or convert it again.",
        )

    def _keep(self, part: slice) -> None:
        self._pts = self._pts[part]
        self._rank = {pts: index for index, pts in enumerate(self._pts)}

    def _drop_undecodable_end(self) -> None:
        """Where the file ends before its header says, the last frames may not decode."""
        early = ends_early(self._path)
        if self._untimed or not (early or self._container.format.name in _SIZELESS):
            return
        decoded: list[int] = []
        for key in self._keys_before(self._pts[-1]):
            self._seek(key)
            decoded = [f.pts for f in self._decoder if f.pts in self._rank and not f.is_corrupt]
            if decoded:
                break
        end = max(decoded, default=self._pts[0])
        early = early or end < self._pts[-1]
        self._keep(slice(bisect.bisect_right(self._pts, end)))
        self._rewind()
        if early:
            self._notes.insert(0, f"The file is cut short: {self._how_many()} there.")

    def _how_many(self) -> str:
        count = len(self._pts)
        stated = int(self._stream.frames or 0) - self._left_out
        if stated > count and "mp4" in self._container.format.name:  # AVI counts empty frames too
            return f"{count} of {stated} frames are"
        return "its first frame is" if count == 1 else f"its first {count} frames are"

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
        if _identity(self._path) != self._identity:
            raise VideoError(
                f"{self._name} was changed or removed while it was read",
                advice="Put it back or import it again.",
            )
        self._container = open_container(self._path)
        self._stream = _moving_streams(self._container)[0]
        context = self._stream.codec_context
        check_coded_size(context.width, context.height)
        large = context.width * context.height > MOST_PIXELS
        self._stream.thread_type = "AUTO"
        context.thread_count = 1 if large else min(_THREADS, os.cpu_count() or 1)
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
            _log.debug("%s: reading stopped early (%s)", self._name, reason(error))

    def _decode(self, packet: Any) -> list[av.VideoFrame]:
        try:
            return list(packet.decode())
        except av.error.FFmpegError as error:
            _log.debug("%s: %s", self._name, reason(error))
            return []

    def frame(self, index: int, reduction: int = 1) -> Frame:
        decoded = self._cache.get(index)
        if decoded is None:
            decoded = self._decode_to(index)
        else:
            self._cache.move_to_end(index)
        return self._pictures.rgb(decoded, reduction)

    def _decode_to(self, index: int) -> av.VideoFrame:
        keys = self._keys_before(self._pts[index])
        key = next(keys)
        if not self._reachable(index, key):
            self._seek(key)
        while True:
            found = self._advance_to(index)
            if found is not None:
                return found
            earlier = next(keys, None)
            if earlier is None:
                return self._stand_in(index)
            self._seek(earlier)  # the seek landed too late

    def _keys_before(self, pts: int) -> Iterator[int]:
        """The key frame at or before a time, then earlier ones in growing steps, to the first."""
        at = max(0, bisect.bisect_right(self._keys, pts) - 1)
        step = 1
        while at > 0:
            yield self._keys[at]
            at, step = at - step, 2 * step
        yield self._keys[0]

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
            f"Frame {index} of {self._name} cannot be decoded",
            advice="The file may be damaged; copy or convert it again.",
        )

    def _remember(self, index: int, frame: av.VideoFrame) -> None:
        self._cache[index] = frame
        self._cache.move_to_end(index)
        while len(self._cache) > self._cache_frames:
            self._cache.popitem(last=False)

    def close(self) -> None:
        self._decoder = iter(())
        self._cache.clear()
        self._container.close()


def _identity(path: Path) -> tuple[int, ...] | None:
    """Changes with the file; None where it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _same_time(count: int) -> str:
    if count == 1:
        return "One frame has the time of another and is left out."
    return f"{count} frames have the time of another and are left out."


def _gaps(times: Float[np.ndarray, "F"]) -> list[str]:
    """The longest stretch without a frame, where it lasts a second and is out of the ordinary."""
    steps = np.diff(times)
    if not len(steps) or steps.max() < max(_GAP_SECONDS, 10 * float(np.median(steps))):
        return []
    frame = int(steps.argmax())
    return [f"After frame {frame} there is no frame for {steps[frame]:.1f} s."]


def _moving_streams(container: Any) -> list[Any]:
    """The video streams, the largest first; album art of a sound file is one of a still picture."""
    still = av.stream.Disposition.attached_pic
    moving = [s for s in container.streams.video if not s.disposition & still]
    return sorted(moving, key=lambda s: -s.codec_context.width * s.codec_context.height)
