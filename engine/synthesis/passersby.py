"""Passers-by, whom a clip is not about, and the person who walks out of the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.transform import Rotation

from engine.body.data import OPEN_BODY, load_body_data
from engine.errors import InputError
from engine.motion.captured import CapturedMotion
from engine.motion.prepared import PreparedMotion, is_prepared, read_prepared
from engine.motion.readers.joint_npz import read_captured
from engine.motion.resampling import at_times
from engine.motion.solving import Retargeted, retarget
from engine.structures import BodyMotion, Camera, FrameRange
from engine.synthesis.cameras import camera_place
from engine.synthesis.order import SynthesisOrder
from engine.synthesis.people import joined, joints_of, rows_of

NEAR, FAR = 1.3, 3.5
"""Metres from the middle of the people at which passers-by stand or pass."""
CLEARANCE = 0.4
"""Metres over the ground that passers-by keep, joint to joint, from everybody else."""
TRIALS = 60
"""Places that are tried for each; after half of them, further and further away."""


def with_passers_by(
    order: SynthesisOrder, motion: BodyMotion, camera: Camera, middle: Float[np.ndarray, "3"]
) -> BodyMotion:
    """The people, and then `order.others` who move as windows of `order.others_motion` do.

    They are set down around `middle`, the people's, where they walk through nobody. Raises
    InputError for a motion that cannot be used.
    """
    assert order.others_motion is not None
    generator = order.generator("others")
    motions = _Motions.read(order.others_motion)
    towards_camera = float(np.arctan2(*(camera_place(camera)[0] - middle)[[0, 2]]))
    for index in range(order.others):
        moving = motions.window(motion.time, generator, order.seed * 10 + index + 1)
        motion = joined(motion, _set_free(moving, motion, middle, towards_camera, generator))
    return motion


def walked_off(motion: BodyMotion, camera: Camera) -> BodyMotion:
    """The last person goes out of the picture sideways, stays away a while and comes back."""
    width, focal = camera.image_size[0], camera.K[0, 0]
    sideways = camera.T_camera_world[0, 0, :3] * [1, 0, 1]
    sideways /= np.linalg.norm(sideways)
    place = motion.transl[-1].mean(axis=0)
    seen = camera.T_camera_world[0] @ np.append(place, 1.0)
    half = (width / 2 / focal) * seen[2]
    # Away from the others, not through them.
    others = motion.transl[:-1].mean(axis=(0, 1)) if len(motion.transl) > 1 else place - sideways
    direction = 1.0 if (place - others) @ sideways >= 0 else -1.0
    distance = half - direction * seen[0] + 0.9
    share = motion.time / max(float(motion.time[-1]), 1e-9)
    away = np.clip(np.minimum((share - 0.25) / 0.2, (0.8 - share) / 0.2), 0, 1)
    away = away * away * (3 - 2 * away)
    transl = motion.transl.copy()
    transl[-1] += (away[:, None] * direction * distance * sideways).astype(transl.dtype)
    return replace(motion, transl=transl)


@dataclass(frozen=True)
class _Motions:
    """A motion file from which windows of single people are taken."""

    content: CapturedMotion | PreparedMotion
    usable: list[FrameRange]
    """Frames that follow each other and are all valid."""

    @classmethod
    def read(cls, path: Path) -> _Motions:
        content = read_prepared(path) if is_prepared(path) else read_captured(path)
        if isinstance(content, CapturedMotion):
            valid = content.valid
        else:
            valid = np.asarray(content.motion.valid.all(axis=0))
        usable = _runs(valid, content.starts)
        if not usable:
            raise InputError(
                f"No frame of {path.name} can be used: the capture failed in all of them"
            )
        return cls(content, usable)

    def window(
        self, time: Float[np.ndarray, "F"], generator: np.random.Generator, seed: int
    ) -> BodyMotion:
        """One person for as long as `time` lasts: if need be there and back again."""
        wanted = int(np.ceil(float(time[-1]) * self.content.fps)) + 1
        usable = [span for span in self.usable if len(span) >= wanted]
        usable = usable or [max(self.usable, key=len)]
        span = usable[int(generator.integers(len(usable)))]
        start = span.start + int(generator.integers(0, max(1, len(span) - wanted)))
        frames = FrameRange(start, min(start + wanted, span.stop))
        motion = self._solved(frames, generator, seed)
        order = _there_and_back(len(frames), max(wanted, 2))
        arrays: dict[str, Any] = {
            name: getattr(motion, name)[:, order]
            for name in ("global_orient", "body_pose", "transl", "valid", "provenance")
        }
        steady = np.arange(len(order)) / self.content.fps
        moving = replace(motion, **arrays, time=steady)
        return at_times(Retargeted(moving, np.zeros(moving.valid.shape)), time).motion

    def _solved(self, frames: FrameRange, generator: np.random.Generator, seed: int) -> BodyMotion:
        content = self.content
        if isinstance(content, PreparedMotion):
            motion = content.cut(frames).motion
            person = int(generator.integers(motion.person_count))
            return rows_of(motion, slice(person, person + 1))
        person = int(generator.integers(len(content.poses)))
        one = slice(person, person + 1)
        window = replace(content, poses=content.poses[one], joints=content.joints[one]).cut(frames)
        return retarget(window, seed, shape_spread=1.0).motion


def _runs(valid: Bool[np.ndarray, "F"], starts: tuple[int, ...]) -> list[FrameRange]:
    bounds = [0, *starts, len(valid)]
    runs = []
    for first, last in pairwise(bounds):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], valid[first:last], [False]])))
        runs += [FrameRange(first + int(a), first + int(b)) for a, b in edges.reshape(-1, 2)]
    return runs


def _there_and_back(length: int, frames: int) -> Int[np.ndarray, "F"]:
    """Indices 0 to `length` - 1 and back again, as often as fills the frames."""
    if length == 1:
        return np.zeros(frames, int)
    phase = np.arange(frames) % (2 * length - 2)
    return np.asarray(np.minimum(phase, 2 * length - 2 - phase))


def _set_free(
    moving: BodyMotion,
    present: BodyMotion,
    middle: Float[np.ndarray, "3"],
    towards_camera: float,
    generator: np.random.Generator,
) -> BodyMotion:
    """Set down where the person comes near nobody who is there already: the first such place
    that is drawn, or the freest of all."""
    taken = joints_of(present)[..., [0, 2]]
    best: tuple[float, BodyMotion] | None = None
    for trial in range(TRIALS):
        # Mostly behind the people and beside them; one in four passes before them.
        side = np.pi if generator.random() > 0.25 else 0.0
        angle = towards_camera + side + generator.uniform(-1.1, 1.1)
        reach = generator.uniform(NEAR, FAR * max(1.0, 2 * trial / TRIALS))
        place = middle + reach * np.array([np.sin(angle), 0, np.cos(angle)])
        placed = _set_down(moving, place, float(generator.uniform(-np.pi, np.pi)))
        free = _clearance(joints_of(placed)[0][..., [0, 2]], taken)
        if best is None or free > best[0]:
            best = free, placed
        if free >= CLEARANCE:
            break
    assert best is not None
    return best[1]


def _clearance(own: Float[np.ndarray, "F 24 2"], taken: Float[np.ndarray, "P F 24 2"]) -> float:
    """Smallest distance over the ground between a joint of one and of anybody else, metres."""
    apart = own[None, :, :, None] - taken[:, :, None]
    return float(np.sqrt((apart**2).sum(axis=-1).min()))


def _set_down(motion: BodyMotion, place: Float[np.ndarray, "3"], yaw: float) -> BodyMotion:
    """Turned about the vertical and moved so that the mean pelvis is over `place`."""
    turn = Rotation.from_euler("y", yaw)
    data = load_body_data(OPEN_BODY)
    rest = data.J_template[0] + motion.betas @ data.J_shapedirs[0].T
    pelvis = motion.transl + rest[:, None]
    centre = pelvis.mean(axis=(0, 1)) * [1, 0, 1]
    moved = turn.apply((pelvis - centre).reshape(-1, 3)).reshape(pelvis.shape) + place * [1, 0, 1]
    orient = turn * Rotation.from_rotvec(motion.global_orient.reshape(-1, 3))
    return replace(
        motion,
        global_orient=orient.as_rotvec().reshape(pelvis.shape),
        transl=moved - rest[:, None],
    )
