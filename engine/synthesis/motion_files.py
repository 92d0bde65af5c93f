"""What kind a motion file is, and how long: captured (engine.motion.readers.joint_npz), prepared
(engine.motion.prepared) or fitted by this program (fit.npz)."""

from __future__ import annotations

from pathlib import Path

from engine.errors import InputError
from engine.npz import NpzArchive

KIND = "a motion file"
FIT_KEYS = {"global_orient", "body_pose", "transl"}


def holds_fit(path: Path | str) -> bool:
    """Whether a file is a fit.npz (or a truth.npz) rather than captured motion."""
    with NpzArchive(path, KIND) as archive:
        return set(archive.headers) >= FIT_KEYS


def motion_length(path: Path | str) -> int:
    """Number of frames of a motion file of either kind."""
    with NpzArchive(path, KIND) as archive:
        fitted = "transl" in archive
        name, axis = ("transl", 1) if fitted else ("poses", 0)
        if name not in archive or len(archive.headers[name].shape) <= axis:
            raise InputError(
                f"{Path(path).name} is not {KIND}",
                expected="the arrays poses, trans, offsets, fps, or those of a fit.npz",
                received=", ".join(sorted(archive.headers)[:12])[:200] or "nothing",
            )
        return archive.headers[name].shape[axis]
