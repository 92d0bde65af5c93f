"""Reads motion: captured (poses, trans, joints, offsets) or fitted by this program (fit.npz).

A captured motion is an .npz of one or more people in one world, y up, metres, radians:

    poses    (F, P, 24, 3) or (F, 24, 3)   SMPL's local rotations, axis-angle
    trans    (F, P, 3) or (F, 3)           the pelvis
    offsets  (P, 24, 3) or (24, 3)         each joint relative to its parent in the rest pose
    joints   (F, P, 24, 3) or (F, 24, 3)   optional: the joints; else walked from the above
    valid    (F,)                          optional: False where the capture failed
    seq_start (S,)                         optional: frames that begin a sequence of its own
    fps      ()                            frames per second
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from engine.body.joints import SMPL_PARENTS
from engine.errors import InputError
from engine.file_checks import Axis, Checks
from engine.npz import NpzArchive
from engine.structures import FrameRange

KIND = "a motion file"
PERSON_LIMIT, FRAME_LIMIT = 16, 200_000
FIT_KEYS = {"global_orient", "body_pose", "transl"}


@dataclass(frozen=True)
class CapturedMotion:
    """People on their own skeletons, in a world with y up."""

    poses: Float[np.ndarray, "P F 24 3"]
    """Local rotations, axis-angle, radians."""
    joints: Float[np.ndarray, "P F 24 3"]
    """Metres."""
    valid: Bool[np.ndarray, "F"]
    fps: float
    name: str
    starts: tuple[int, ...] = ()
    """Frames that do not follow from the one before."""

    @property
    def frame_count(self) -> int:
        return int(self.poses.shape[1])

    def cut(self, frames: FrameRange) -> CapturedMotion:
        """The frames alone. Raises InputError where they are not all there and valid."""
        if not 0 <= frames.start < frames.stop <= self.frame_count:
            raise InputError(
                f"The frames are not in {self.name}",
                expected=f"A:B with 0 <= A < B <= {self.frame_count}",
                received=f"{frames.start}:{frames.stop}",
            )
        part = frames.as_slice()
        if not self.valid[part].all():
            bad = frames.start + int(np.flatnonzero(~self.valid[part])[0])
            raise InputError(
                f"The capture in {self.name} failed in frame {bad}", advice="Choose other frames."
            )
        if inside := [s for s in self.starts if frames.start < s < frames.stop]:
            raise InputError(
                f"Another sequence of {self.name} begins in frame {inside[0]}",
                advice="Choose frames before or after that.",
            )
        return CapturedMotion(
            self.poses[:, part], self.joints[:, part], self.valid[part], self.fps, self.name
        )


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


def read_captured(path: Path | str) -> CapturedMotion:
    """Read and check captured motion. Raises InputError with what was expected and received."""
    with NpzArchive(path, KIND) as archive:
        checks = Checks(archive, KIND)
        checks.expect_names(
            required=("poses", "trans", "offsets", "fps"), optional=("joints", "valid", "seq_start")
        )
        many = len(archive.headers["poses"].shape) == 4
        people = archive.headers["poses"].shape[1] if many else 1
        checks.at_most("people", people, PERSON_LIMIT)
        checks.at_most("frames", archive.headers["poses"].shape[0], FRAME_LIMIT)
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
            joints = _walked(poses, trans, offsets)
        valid = np.ones(frames, bool)
        if "valid" in archive:
            valid = checks.booleans("valid", (frames,))
        starts: tuple[int, ...] = ()
        if "seq_start" in archive:
            starts = tuple(checks.integers("seq_start", ("S",)).tolist())
        fps = checks.number("fps", 0.1, 1000.0)
        return CapturedMotion(poses, joints, valid, fps, Path(path).name, starts)


def _walked(poses: np.ndarray, trans: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Joints (P, F, 24, 3) of a skeleton whose bones are `offsets` (P, 24, 3)."""
    local = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(*poses.shape, 3)
    turns = np.empty(local.shape)
    joints = np.empty(poses.shape)
    turns[:, :, 0], joints[:, :, 0] = local[:, :, 0], trans
    for joint, parent in enumerate(SMPL_PARENTS[1:], start=1):
        above = turns[:, :, parent]
        turns[:, :, joint] = above @ local[:, :, joint]
        bone = np.einsum("pfij,pj->pfi", above, offsets[:, joint])
        joints[:, :, joint] = joints[:, :, parent] + bone
    return joints
