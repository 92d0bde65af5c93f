"""The motion that a clip is made from, on the open body, at the times of the clip's frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from engine.body.data import OPEN_BODY, load_body_data
from engine.errors import InputError
from engine.files import read_fit
from engine.geometry.frames import motion_to_world
from engine.motion.prepared import is_prepared, read_prepared
from engine.motion.readers.joint_npz import read_captured
from engine.motion.resampling import at_times
from engine.motion.solving import Retargeted, retarget
from engine.structures import BodyMotion, FrameRange
from engine.synthesis.motion_files import holds_fit
from engine.synthesis.order import SynthesisOrder
from engine.synthesis.timing import frame_times

KEY_POSE_FPS = 20.0
"""Motion with fewer frames a second is a row of key poses, which are joined smoothly."""
CLIP_FPS = 30.0


@dataclass(frozen=True)
class SourceMotion:
    """What the people of a clip do, before they are taken out of each other."""

    motion: BodyMotion
    """World, floor at y = 0, from 0 seconds on."""
    error_m: Float[np.ndarray, "P F"]
    """Of the solved joints against the captured ones."""
    moved_m: Float[np.ndarray, "P F"]
    """By which the joints were moved before this to take bodies out of each other."""
    finished: bool
    """Prepared or fitted: it is used as it is."""


def read_source(order: SynthesisOrder) -> SourceMotion:
    """The ordered frames of the ordered file. Raises InputError."""
    if is_prepared(order.motion):
        found = _prepared(order)
    elif holds_fit(order.motion):
        found = _fitted(order)
    else:
        found = _captured(order)
    if order.key_pose_seconds is not None:
        found = _at_pace(found, order.key_pose_seconds)
    return _in_time(found, order)


def median_fps(motion: BodyMotion) -> float:
    """Frames a second; that of a clip for a single frame."""
    return 1 / float(np.median(np.diff(motion.time))) if motion.frame_count > 1 else CLIP_FPS


def _captured(order: SynthesisOrder) -> SourceMotion:
    captured = read_captured(order.motion)
    cut = captured.cut(order.frames or FrameRange(0, captured.frame_count))
    solved = retarget(cut, order.seed)
    return SourceMotion(solved.motion, solved.error_m, np.zeros(solved.error_m.shape), False)


def _prepared(order: SynthesisOrder) -> SourceMotion:
    prepared = read_prepared(order.motion)
    cut = prepared.cut(order.frames or FrameRange(0, prepared.frame_count))
    return SourceMotion(cut.motion, cut.error_m, cut.moved_m, True)


def _fitted(order: SynthesisOrder) -> SourceMotion:
    fit = read_fit(order.motion)
    if fit.motion.body != OPEN_BODY:
        raise InputError(
            f"{order.motion.name} is on another body", expected=OPEN_BODY, received=fit.motion.body
        )
    motion = motion_to_world(fit.motion, fit.camera.T_camera_world, load_body_data(OPEN_BODY))
    frames = order.frames or FrameRange(0, motion.frame_count)
    if not 0 <= frames.start < frames.stop <= motion.frame_count:
        raise InputError(
            f"The frames are not in {order.motion.name}",
            expected=f"A:B with 0 <= A < B <= {motion.frame_count}",
            received=f"{frames.start}:{frames.stop}",
        )
    part = frames.as_slice()
    if not motion.valid[:, part].all():
        raise InputError(f"Not every person is in every one of these frames of {order.motion.name}")
    arrays: dict[str, Any] = {
        name: getattr(motion, name)[:, part]
        for name in ("global_orient", "body_pose", "transl", "valid", "provenance")
    }
    time = motion.time[part] - motion.time[frames.start]
    cut = replace(motion, **arrays, time=time)
    none = np.zeros(cut.valid.shape)
    return SourceMotion(cut, none, none, True)


def _at_pace(found: SourceMotion, seconds: float) -> SourceMotion:
    """The same frames so many seconds apart."""
    times = np.arange(found.motion.frame_count) * seconds
    return replace(found, motion=replace(found.motion, time=times))


def _in_time(found: SourceMotion, order: SynthesisOrder) -> SourceMotion:
    """The same at the clip's times."""
    motion, own = found.motion, median_fps(found.motion)
    wanted = order.fps or (CLIP_FPS if own < KEY_POSE_FPS else own)
    kept = order.fps is None or bool(np.allclose(np.diff(motion.time), 1 / order.fps, rtol=1e-3))
    if motion.frame_count < 2 or (
        kept and abs(wanted - own) < 1e-3 * own and not order.variable_rate
    ):
        return found
    generator = order.generator("times") if order.variable_rate else None
    times = frame_times(float(motion.time[-1]), wanted, generator)
    timed = at_times(Retargeted(motion, found.error_m), times)
    nearest = np.abs(times[:, None] - motion.time).argmin(axis=1)
    return replace(
        found, motion=timed.motion, error_m=timed.error_m, moved_m=found.moved_m[:, nearest]
    )
