"""Captured motion: what every reader makes of its format, before it is solved onto the open body.

Rotations are a start, joints are the aim: engine.motion.solving turns the first until the body
meets the second.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from engine.body.joints import SMPL_JOINTS, SMPL_PARENTS
from engine.errors import InputError
from engine.structures import FrameRange

PERSON_LIMIT, FRAME_LIMIT = 16, 200_000
_UNSURE = (
    "spine1", "spine2", "spine3", "left_collar", "right_collar", "head", "left_foot",
    "right_foot", "left_hand", "right_hand",
)  # fmt: skip
SURE = np.array([name not in _UNSURE for name in SMPL_JOINTS])
"""Joints that different skeletons place alike: shoulders, elbows, wrists, hips, knees, ankles, neck
and pelvis. Joints in the trunk are interpolated in captures; heads, hands and feet end where each
skeleton says: their direction counts, not their place."""
USUAL_WEIGHTS = np.where(SURE, 1.0, 0.2)


@dataclass(frozen=True)
class CapturedMotion:
    """People on their own skeletons, in a world with y up."""

    poses: Float[np.ndarray, "P F 24 3"]
    """Local rotations of SMPL's joints from the open body's rest pose, axis-angle, radians."""
    joints: Float[np.ndarray, "P F 24 3"]
    """Metres; joints of weight 0 may be anywhere."""
    valid: Bool[np.ndarray, "F"]
    fps: float
    name: str
    starts: tuple[int, ...] = ()
    """Frames that do not follow from the one before."""
    weights: Float[np.ndarray, "24"] = field(default_factory=USUAL_WEIGHTS.copy)
    """How much each joint counts: 1 where it is known, 0 where the format has no such joint."""
    source: str = ""
    """One sentence: where it comes from."""
    notice: str = ""
    """Acknowledgement that goes with whatever is made from it."""
    notes: tuple[str, ...] = ()
    """What was guessed in reading it, in sentences."""

    @property
    def person_count(self) -> int:
        return int(self.poses.shape[0])

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
        return self.at(np.arange(frames.start, frames.stop))

    def at(self, frames: np.ndarray) -> CapturedMotion:
        """The frames of the given rising indices, as one sequence at the same rate."""
        return replace(
            self,
            poses=self.poses[:, frames],
            joints=self.joints[:, frames],
            valid=self.valid[frames],
            starts=(),
        )

    def thinned(self, fps: float) -> CapturedMotion:
        """Every n-th frame of each sequence, so that about `fps` a second are left."""
        step = max(1, round(self.fps / fps))
        if step == 1:
            return self
        bounds = [0, *self.starts, self.frame_count]
        spans = [np.arange(a, b, step) for a, b in pairwise(bounds)]
        starts = np.cumsum([len(span) for span in spans])[:-1]
        return replace(
            self.at(np.concatenate(spans)), fps=self.fps / step, starts=tuple(starts.tolist())
        )


def walked(
    poses: Float[np.ndarray, "P F 24 3"],
    trans: Float[np.ndarray, "P F 3"],
    offsets: Float[np.ndarray, "P 24 3"],
) -> Float[np.ndarray, "P F 24 3"]:
    """Joints of skeletons whose bones, relative to the parent in the rest pose, are `offsets`."""
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
