"""Captured motion on SMPL's tree of joints: an .npz of people in one world, y up, metres.

poses     (F, P, 24, 3) or (F, 24, 3)   SMPL's local rotations, axis-angle
trans     (F, P, 3) or (F, 3)           the pelvis
offsets   (P, 24, 3) or (24, 3)         each joint relative to its parent in the rest pose
joints    (F, P, 24, 3) or (F, 24, 3)   optional: the joints; else walked from the above
valid     (F,)                          optional: False where the capture failed
seq_start (S,)                          optional: frames that begin a sequence of its own
fps       ()                            frames per second
source    ()                            optional: where it comes from
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from engine.errors import EngineError
from engine.file_checks import Axis, Checks
from engine.motion.captured import FRAME_LIMIT, PERSON_LIMIT, CapturedMotion, walked
from engine.motion.connected import Chunk, chunk_of, chunks
from engine.motion.readers.reader import Reader, ReadOptions
from engine.npz import NpzArchive

KIND = "a motion file"
NAMES = ("poses", "trans", "offsets", "fps")
GRAPH_SEQUENCES = 50
"""Two people's files of more sequences are graphs of positions, like GrappleMap."""
_OPTIONAL = ("joints", "valid", "seq_start")


def read_captured(path: Path | str) -> CapturedMotion:
    """Read and check captured motion. Raises InputError with what was expected and received."""
    with NpzArchive(path, KIND) as archive:
        checks = Checks(archive, KIND)
        checks.expect_names(required=NAMES, optional=_OPTIONAL)
        many = len(archive.headers["poses"].shape) == 4
        people = archive.headers["poses"].shape[1] if many else 1
        checks.at_most("people", people, PERSON_LIMIT)
        checks.at_most("frames", max(archive.headers["poses"].shape[:1], default=0), FRAME_LIMIT)
        axis: tuple[Axis, ...] = (people,) if many else ()
        poses = checks.floats("poses", ("F", *axis, 24, 3))
        frames = len(poses)
        trans = checks.floats("trans", (frames, *axis, 3))
        offsets = checks.floats("offsets", (*axis, 24, 3)).reshape(people, 24, 3)
        poses = np.moveaxis(poses.reshape(frames, people, 24, 3), 0, 1)
        trans = np.moveaxis(trans.reshape(frames, people, 3), 0, 1)
        if "joints" in archive:
            joints = checks.floats("joints", (frames, *axis, 24, 3))
            joints = np.moveaxis(joints.reshape(frames, people, 24, 3), 0, 1)
        else:
            joints = walked(poses, trans, offsets)
        return CapturedMotion(
            poses=poses,
            joints=joints,
            valid=_valid(checks, frames),
            fps=checks.number("fps", 0.1, 1000.0),
            name=Path(path).name,
            starts=_starts(checks, frames),
            source=_text(checks, "source"),
        )


def _takes(path: Path) -> bool:
    if path.suffix.lower() != ".npz":
        return False
    try:
        with NpzArchive(path, KIND) as archive:
            return set(archive.headers) >= set(NAMES)
    except EngineError:
        return False


def _parts(path: Path) -> tuple[str, ...]:
    """One; of key poses that form a graph, chunks of parts that share no pose."""
    if not _is_graph(path):
        return (path.stem,)
    return tuple(f"{path.stem}-{chunk.name}" for chunk in _graph(path, path.stat().st_mtime_ns)[1])


def _read(path: Path, part: int, options: ReadOptions) -> CapturedMotion:
    if not _is_graph(path):
        return read_captured(path)
    captured, parts = _graph(path, path.stat().st_mtime_ns)
    return chunk_of(captured, parts[part])


def _is_graph(path: Path) -> bool:
    with NpzArchive(path, KIND) as archive:
        shape = archive.headers["seq_start"].shape if "seq_start" in archive else (0,)
        people = archive.headers["poses"].shape[1:-2]
        return people == (2,) and len(shape) == 1 and shape[0] > GRAPH_SEQUENCES


@lru_cache(maxsize=1)
def _graph(path: Path, changed: int) -> tuple[CapturedMotion, tuple[Chunk, ...]]:
    captured = read_captured(path)
    bounds = [0, *captured.starts, captured.frame_count]
    return captured, chunks(captured.joints, bounds)


READER = Reader("joints in an .npz", ".npz (poses, trans, offsets, fps)", _takes, _parts, _read)


def _valid(checks: Checks, frames: int) -> np.ndarray:
    if "valid" not in checks.archive:
        return np.ones(frames, bool)
    return checks.booleans("valid", (frames,))


def _starts(checks: Checks, frames: int) -> tuple[int, ...]:
    """Frames that begin another sequence; the first frame and the end are left out."""
    if "seq_start" not in checks.archive:
        return ()
    starts = checks.integers("seq_start", ("S",))
    if not (starts.min() >= 0 and starts.max() <= frames and (np.diff(starts) > 0).all()):
        raise checks.refusal("seq_start", f"rising frames in 0 to {frames}", "others")
    return tuple(starts[(starts > 0) & (starts < frames)].tolist())


def _text(checks: Checks, name: str) -> str:
    headers = checks.archive.headers
    return checks.text(name) if name in headers and headers[name].shape == () else ""
