"""Fills the proxy cache of a clip: one sequential decode, in a process of lowest priority."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from annotations import ranges
from app.proxy_cache import FILLED, ProxyClip, ProxyFolder
from engine.structures import FrameRange, VideoInfo
from engine.video import Frame, VideoReader

LOWEST = 19
"""Niceness: of two busy cores it takes two hundredths from a window, and all that is idle."""
INTERVAL = 0.25
"""Seconds between two reports."""
_HASHED_AT_ONCE = 2**22


@dataclass(frozen=True)
class Filled:
    """How far a clip's cache is."""

    frames: tuple[FrameRange, ...]
    """What is cached, also after it has ended for want of room."""
    fraction: float
    sentence: str = ""
    """Why it ended before its time; empty otherwise."""
    stage: str = "making proxies"
    remaining_seconds: float | None = None


def fill(
    video: VideoInfo, folder: Path, limit: int, near: int = 0, *, evicts: bool = True
) -> Generator[Filled, None, Filled]:
    """Cache the frames of a video that are not cached yet, from frame `near` on, then the others.

    With `evicts` the clips that were not looked at for longest make room for it. At most `limit`
    bytes lie in the folder then, and fewer where the disk is nearly full.
    It may be stopped anywhere and goes on from there the next time. A file that is not the one
    that the project knows is left alone. What the disk refuses is said in `sentence`; VideoError
    is raised as by VideoReader.
    """
    store = ProxyFolder(folder, limit)
    missing = np.ones(video.frame_count, bool)
    clip: ProxyClip | None = None
    try:
        clip = yield from _known_clip(video, store, missing)
        if clip is None:
            return _so_far(missing)

        def has_room(size: int) -> bool:
            return store.has_room(size) or (evicts and store.make_room(size, video))

        yield _so_far(missing)
        if (yield from _fill_missing(_in_order(video, missing, near), clip, missing, has_room)):
            return _so_far(missing)
        if store.allowed() < limit:
            return _so_far(missing, "The disk is nearly full, so not every frame is cached.")
        return _so_far(missing, f"The scrubbing cache is full ({limit / 1e9:.2g} GB).")
    except FileNotFoundError:  # somebody has deleted the cache, as they may
        return _so_far(np.ones_like(missing))
    except _Changed:
        return _so_far(missing, f"{Path(video.path).name} is not the file it was.")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return _so_far(missing, f"Frames are not cached for scrubbing: {reason.lower()}.")
    finally:
        if clip is not None:
            clip.close()


def _known_clip(
    video: VideoInfo, store: ProxyFolder, missing: Bool[np.ndarray, "F"]
) -> Generator[Filled, None, ProxyClip | None]:
    """The cache of a video whose file was compared with the project's hash, here or before."""
    if not store.suits(video):
        return None
    if not store.is_verified(video):
        yield from _compare(video, missing)
        store.verify(video)
    clip = store.clip(video)
    if clip is not None:
        missing[list(clip.frames)] = False
    return clip


def _fill_missing(
    pictures: Iterator[tuple[int, Frame]],
    clip: ProxyClip,
    missing: Bool[np.ndarray, "F"],
    has_room: Callable[[int], bool],
) -> Generator[Filled, None, bool]:
    """Add the pictures; False where there is no more room."""
    report, reported, size = _so_far(missing), time.monotonic(), 0
    for index, picture in pictures:
        if index in clip:
            continue  # the window has decoded and kept it meanwhile
        if not has_room(2 * (size or picture.nbytes // 24)):  # as the last one, and to spare
            return False
        size = clip.add(index, picture, FILLED)
        missing[index] = False
        if time.monotonic() - reported >= INTERVAL:
            clip.refresh()
            missing[list(clip.frames)] = False
            report, reported = _so_far(missing), time.monotonic()
        yield report
    missing[list(clip.frames)] = False
    return True


def fill_aside(
    video: VideoInfo, folder: Path, limit: int, near: int = 0
) -> Generator[Filled, None, Filled]:
    """`fill` as a task of a worker process: behind the window, and behind a fit."""
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(max(0, LOWEST - os.nice(0)))
    return (yield from fill(video, folder, limit, near))


def _in_order(
    video: VideoInfo, missing: Bool[np.ndarray, "F"], near: int
) -> Iterator[tuple[int, Frame]]:
    """The missing frames with their pictures, in sequential passes; nothing is opened for none."""
    runs = ranges.from_mask(missing)
    behind = [FrameRange(max(r.start, near), r.stop) for r in runs if r.stop > near]
    before = [FrameRange(r.start, min(r.stop, near)) for r in runs if r.start < near]
    if not runs:
        return
    with VideoReader(video) as reader:
        for run in (*behind, *before):
            yield from reader.frames(run)


def _so_far(missing: Bool[np.ndarray, "F"], sentence: str = "") -> Filled:
    return Filled(ranges.from_mask(~missing), float(1 - missing.mean()), sentence)


def _compare(video: VideoInfo, missing: Bool[np.ndarray, "F"]) -> Generator[Filled, None, None]:
    """Raises _Changed where the file's hash is not the project's."""
    digest, report = hashlib.sha256(), _so_far(missing)
    with open(video.path, "rb") as file:
        while data := file.read(_HASHED_AT_ONCE):
            digest.update(data)
            yield report
    if digest.hexdigest() != video.sha256:
        raise _Changed


class _Changed(Exception):
    """The file is not the one that the project knows."""
