"""What every stage of perception is given, and how its progress is told."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from jaxtyping import Float

from engine.body.joints import HALPE26
from engine.errors import InputError
from engine.perception import plugins
from engine.perception.checkpoint import Checkpoint, key_of
from engine.perception.request import PerceptionRequest
from engine.perception.runtime import PoseModels
from engine.perception.shots import ShotWatcher
from engine.perception.spool import FrameSpool
from engine.structures import Box, BoxEdit, FrameRange, Observations, PerceptionProgress, VideoInfo

PROGRESS_SECONDS = 0.25
_INTERRUPTED_KEPT = 2
_SHARES = {
    "decoding": 0.08,
    "searching": 0.05,
    "detecting": 0.24,
    "looking": 0.58,
    "deciding": 0.05,
}
"""Share of the whole time that each stage takes."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Scene:
    """What every stage is given."""

    video: VideoInfo
    frames: FrameRange
    request: PerceptionRequest
    spool: FrameSpool
    watcher: ShotWatcher
    checkpoint: Checkpoint
    models: PoseModels

    @property
    def count(self) -> int:
        return len(self.frames)

    @property
    def cuts(self) -> frozenset[int]:
        """Kept frames that begin another shot."""
        return frozenset(cut - self.frames.start for cut in self.watcher.cuts)

    @property
    def times(self) -> Float[np.ndarray, "F"]:
        return self.video.times[self.frames.as_slice()]

    @property
    def edits(self) -> list[BoxEdit]:
        """What was said of places, in the kept frames and their pixels."""
        return [
            replace(
                edit,
                frame=edit.frame - self.frames.start,
                box=cast(Box, tuple(value * self.spool.scale for value in edit.box)),
            )
            for edit in self.request.box_edits
            if edit.frame in self.frames
        ]

    @property
    def drawn_in_frames(self) -> dict[int, list[Box]]:
        """The boxes that were said to be people, by kept frame."""
        boxes: dict[int, list[Box]] = {}
        for edit in self.edits:
            if edit.person is not None:
                boxes.setdefault(edit.frame, []).append(edit.box)
        return boxes

    @property
    def drawn(self) -> dict[tuple[int, int], Box]:
        """(person, frame) -> where a person was said to be."""
        return {(e.person, e.frame): e.box for e in self.edits if e.person is not None}


class Clock:
    """Progress of the whole job, at most a few reports a second."""

    def __init__(self) -> None:
        self._start = self._last = time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self._last >= PROGRESS_SECONDS

    def report(
        self, stage: str, done: float, observations: Observations | None = None
    ) -> PerceptionProgress:
        self._last = time.monotonic()
        names = list(_SHARES)
        fraction = 1.0
        if stage in _SHARES:
            before = sum(_SHARES[name] for name in names[: names.index(stage)])
            fraction = before + _SHARES[stage] * done
        elapsed = self._last - self._start
        remaining = elapsed / fraction * (1 - fraction) if fraction > 0.02 else None
        return PerceptionProgress(stage, fraction, remaining, observations)


def reported(
    steps: Generator[int, None, list[Item]], stage: str, count: int, clock: Clock
) -> Generator[PerceptionProgress, None, list[Item]]:
    """Run a stage, reporting a few times a second."""
    while True:
        try:
            done = next(steps)
        except StopIteration as stop:
            return cast(list[Item], stop.value)
        if clock.due():
            yield clock.report(stage, done / max(1, count))


def checked(video: VideoInfo, request: PerceptionRequest) -> FrameRange:
    frames = FrameRange(0, video.frame_count) if request.frames is None else request.frames
    if not (0 <= frames.start < frames.stop <= video.frame_count):
        raise InputError(
            "The frames to look at are not in the video",
            expected=f"a range within 0..{video.frame_count}",
            received=f"{frames.start}..{frames.stop}",
        )
    for edit in request.box_edits:
        if edit.person is not None and not 0 <= edit.person < request.person_count:
            raise InputError(
                "A box was drawn for a person whom the clip does not have",
                expected=f"a person below {request.person_count}",
                received=f"person {edit.person}",
            )
    for joint in request.keypoint_edits:
        known = 0 <= joint.person < request.person_count and 0 <= joint.keypoint < len(HALPE26)
        if not (known and 0 <= joint.frame < video.frame_count):
            raise InputError(
                "An edited joint is not one of the clip's",
                expected=f"a person below {request.person_count}, a frame below "
                f"{video.frame_count} and a joint below {len(HALPE26)}",
                received=f"person {joint.person}, frame {joint.frame}, joint {joint.keypoint}",
            )
    for kind, name in vars(request.parts).items():
        plugins.require(cast(plugins.Kind, kind), name)
    return frames


def folder_of(
    scratch: Path | None, video: VideoInfo, request: PerceptionRequest, stack: ExitStack
) -> Path:
    if scratch is not None:
        folder = scratch / key_of(video, request)
        _forget_old(scratch, folder)
        return folder
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dyad-")))


def _forget_old(scratch: Path, current: Path) -> None:
    """Of interrupted runs that nobody took up again, only the newest few are kept."""
    if not scratch.is_dir():
        return
    rest = [f for f in scratch.iterdir() if f.is_dir() and not f.is_symlink() and f != current]
    rest.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in rest[_INTERRUPTED_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
