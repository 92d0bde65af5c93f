"""From files of other tools to prepared motion on the open body, recording by recording.

What has been finished is not done again, so an interrupted run goes on where it was; a recording
that cannot be prepared is one sentence and the rest goes on.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from engine.errors import EngineError, InputError
from engine.motion.captured import CapturedMotion
from engine.motion.hands import close_hands
from engine.motion.prepared import (
    MotionKind,
    PreparedMotion,
    Split,
    read_prepared,
    write_prepared,
)
from engine.motion.readers import ReadOptions
from engine.motion.recordings import Recording, find_recordings
from engine.motion.separation import Separated, deepest, separating
from engine.motion.solving import SolvingProgress, continuous, solving
from engine.motion.splits import row_of
from engine.structures import BodyMotion

DEEPEST = 0.01
"""Metres by which people may be in each other: captured people on their own bodies are, too."""
KEY_POSE_FPS = 20.0
"""Motion with fewer frames a second is a row of key poses."""


@dataclass(frozen=True)
class PrepareOrder:
    """What to prepare, and how."""

    source: Path
    """A file, or a folder of files (searched through)."""
    out: Path
    other: Path | None = None
    """A second person's file, in the same world and time."""
    split: Split | None = None
    """None: as engine.motion.splits says, and "train" where it says nothing."""
    again: bool = False
    """Do finished files anew."""
    refine: bool = True
    """Take bodies out of each other and close hands that hold."""
    options: ReadOptions = field(default_factory=ReadOptions)


@dataclass(frozen=True)
class PreparedFile:
    """What became of one recording."""

    name: str
    prepared: PreparedMotion | None
    """None where it failed."""
    problem: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    """Of the processor; 0 where it was finished before."""


def prepare(order: PrepareOrder) -> Generator[SolvingProgress, None, tuple[PreparedFile, ...]]:
    """Write DIR/<name>.npz for every recording of the source. Raises InputError where there are
    none; a recording that fails is a PreparedFile with its problem."""
    recordings = find_recordings(order.source, order.other)
    _check_names(recordings)
    try:
        order.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot make {order.out}", received=error.strerror or str(error)
        ) from error
    done: list[PreparedFile] = []
    began = time.monotonic()
    for index, recording in enumerate(recordings):
        work = _one(recording, order)
        while True:
            try:
                step = next(work)
            except StopIteration as stop:
                done.append(stop.value)
                break
            fraction = (index + step.fraction) / len(recordings)
            left = (time.monotonic() - began) * (1 - fraction) / fraction if fraction else None
            stage = f"{recording.name} ({index + 1} of {len(recordings)}): {step.stage}"
            yield SolvingProgress(stage, fraction, left)
    return tuple(done)


def _one(
    recording: Recording, order: PrepareOrder
) -> Generator[SolvingProgress, None, PreparedFile]:
    path = order.out / f"{recording.name}.npz"
    try:
        if path.exists() and not order.again:
            return PreparedFile(recording.name, _finished(path, order.split))
        began = time.process_time()
        yield SolvingProgress("Reading", 0.0)
        captured = recording.read(order.options)
        prepared = yield from _prepared(captured, order.split, order.refine)
        write_prepared(path, prepared)
        seconds = time.process_time() - began
        return PreparedFile(recording.name, prepared, notes=captured.notes, seconds=seconds)
    except EngineError as error:
        return PreparedFile(recording.name, None, problem=str(error))


def _finished(path: Path, split: Split | None) -> PreparedMotion:
    """A file of an earlier run, moved to the split that is asked for or fixed by now."""
    found = read_prepared(path)
    known = row_of(found.name)
    wanted = split or (known.split if known else found.split)
    if wanted != found.split:
        found = replace(found, split=wanted)
        write_prepared(path, found)
    return found


def _prepared(
    captured: CapturedMotion, split: Split | None, refine: bool
) -> Generator[SolvingProgress, None, PreparedMotion]:
    known = row_of(captured.name)
    solved = yield from solving(captured, shape_seed=_seed(captured.name))
    motion, moved = solved.motion, np.zeros(solved.error_m.shape)
    if refine and captured.person_count > 1:
        motion, moved = yield from _refined(motion, captured)
    return PreparedMotion(
        motion=_continuous(motion, captured.starts),
        fps=captured.fps,
        name=captured.name,
        source=known.source if known else captured.source,
        notice=known.notice if known else captured.notice,
        split=split or (known.split if known else "train"),
        kind=_kind(captured),
        starts=captured.starts,
        error_m=solved.error_m,
        moved_m=moved,
    )


def _refined(
    motion: BodyMotion, captured: CapturedMotion
) -> Generator[SolvingProgress, None, tuple[BodyMotion, np.ndarray]]:
    """Hands closed, bodies apart, and frames left out in which they could not be taken apart."""
    yield SolvingProgress("Closing hands", 0.0)
    closed = close_hands(motion, captured.fps, captured.starts).motion
    work = separating(closed, None, captured.starts)
    while True:
        try:
            yield SolvingProgress("Taking bodies out of each other", next(work))
        except StopIteration as stop:
            separated: Separated = stop.value
            break
    deep = deepest(separated.motion) > DEEPEST
    valid = separated.motion.valid & ~deep
    return replace(separated.motion, valid=valid), np.where(valid, separated.displacement_m, np.nan)


def _continuous(motion: BodyMotion, starts: tuple[int, ...]) -> BodyMotion:
    poses = np.concatenate([motion.global_orient[:, :, None], motion.body_pose], axis=2)
    poses = continuous(poses, starts)
    return replace(motion, global_orient=poses[:, :, 0], body_pose=poses[:, :, 1:])


def _kind(captured: CapturedMotion) -> MotionKind:
    if captured.person_count == 1:
        return "single"
    return "grappling" if captured.fps < KEY_POSE_FPS else "captured"


def _seed(name: str) -> int:
    """The same for all recordings of the same people: of a name without the number of the trial."""
    return zlib.crc32(re.sub(r"_\d+(_[a-z]+)?$", "", name).encode())


def _check_names(recordings: tuple[Recording, ...]) -> None:
    """Two files of one name in different folders would be written over each other."""
    first: dict[str, Path] = {}
    for recording in recordings:
        if recording.name in first:
            raise InputError(
                f"Two recordings have the name {recording.name}",
                received=f"{first[recording.name]} and {recording.files[0]}",
                advice="Prepare the two folders into different ones.",
            )
        first[recording.name] = recording.files[0]
