"""Fills the proxy cache of a clip: one sequential decode, in a process of lowest priority."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Generator, Iterator
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
    video: VideoInfo, folder: Path, limit: int, near: int = 0
) -> Generator[Filled, None, Filled]:
    """Cache the frames of a video that are not cached yet, from frame `near` on, then the others.

    It may be stopped anywhere and goes on from there the next time. A file that is not the one
    that the project knows is left alone. What the disk refuses is said in `sentence`; VideoError
    is raised as by VideoReader.
    """
    store = ProxyFolder(folder, limit)
    missing = np.ones(video.frame_count, bool)
    if not store.suits(video):
        return _so_far(missing)
    clip: ProxyClip | None = None
    try:
        if not store.is_verified(video):
            if not (yield from _is_unchanged(video, missing)):
                return _so_far(missing, f"{Path(video.path).name} is not the file it was.")
            store.verify(video)
        clip = store.clip(video)
        if clip is None:
            return _so_far(missing)
        missing[list(clip.frames)] = False
        yield _so_far(missing)
        return (yield from _fill_missing(video, near, (store, clip), missing))
    except FileNotFoundError:  # somebody has deleted the cache, as they may
        return _so_far(np.ones_like(missing))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return _so_far(missing, f"Frames are not cached for scrubbing: {reason.lower()}.")
    finally:
        if clip is not None:
            clip.close()


def fill_aside(
    video: VideoInfo, folder: Path, limit: int, near: int = 0
) -> Generator[Filled, None, Filled]:
    """`fill` as a task of a worker process: behind the window, and behind a fit."""
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(max(0, LOWEST - os.nice(0)))
    return (yield from fill(video, folder, limit, near))


def _fill_missing(
    video: VideoInfo,
    near: int,
    cache: tuple[ProxyFolder, ProxyClip],
    missing: Bool[np.ndarray, "F"],
) -> Generator[Filled, None, Filled]:
    store, clip = cache
    report, reported, size = _so_far(missing), time.monotonic(), video.width * video.height // 4
    for index, picture in _in_order(video, missing, near):
        needed = 2 * size  # as the last one, with some to spare
        if not (store.has_room(needed) or store.make_room(needed, video)):
            allowed = f"{store.allowed() / 1e9:.2g} GB"
            return _so_far(missing, f"The scrubbing cache is full ({allowed}).")
        size = clip.add(index, picture, FILLED)
        missing[index] = False
        if time.monotonic() - reported >= INTERVAL:
            report, reported = _so_far(missing), time.monotonic()
        yield report
    return _so_far(missing)


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


def _is_unchanged(
    video: VideoInfo, missing: Bool[np.ndarray, "F"]
) -> Generator[Filled, None, bool]:
    digest, report = hashlib.sha256(), _so_far(missing)
    with open(video.path, "rb") as file:
        while data := file.read(_HASHED_AT_ONCE):
            digest.update(data)
            yield report
    return digest.hexdigest() == video.sha256
