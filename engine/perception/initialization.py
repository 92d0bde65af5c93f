"""First bodies from 2D, before any optimisation: the lifter's, or upright guesses without it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from engine.body.smpl import BodyModel
from engine.errors import WeightError
from engine.geometry.rotations import axis_angle_to_matrix, matrix_to_6d, sixd_to_matrix
from engine.perception.lifter import Lifter
from engine.perception.plugins import InitialBodies
from engine.structures import Observations

GUESS_VARIANCE = 0.5
"""rad^2: how far people's joints are from the rest pose, roughly, where nothing was lifted."""
STANCE = {16: [0.0, 0.0, -1.1], 17: [0.0, 0.0, 1.1], 18: [0.0, -0.4, 0.0], 19: [0.0, 0.4, 0.0],
          4: [0.15, 0.0, 0.0], 5: [0.15, 0.0, 0.0]}  # fmt: skip
"""Arms hang, elbows and knees bend a little (axis-angle); SMPL itself rests with arms out."""


GIVEN_VARIANCE = 0.04
"""rad^2: how far the joints of a body initialiser are taken to be off, about 11 degrees."""
LEAST_EVIDENCE = 0.1
"""Share of keypoints (weighted by confidence) from which on a frame was seen, not guessed."""
LONGEST_GAP = 0.5
"""Seconds without evidence that the lifter fills; in longer gaps, and at the ends, it drifts."""


@dataclass(frozen=True)
class Start3D:
    """P people over F frames in the camera frame, with how much they are believed."""

    rotmats: Float[Tensor, "P F 24 3 3"]
    pelvis: Float[Tensor, "P F 3"]
    """Metres, for a body of mean shape."""
    up: Float[Tensor, "3"]
    variance: Float[Tensor, "P F 24"]
    """Expected squared error of each rotation, rad^2."""
    facings: tuple[float, ...]
    """Turns about the vertical worth trying, radians."""
    notes: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def _lifter() -> Lifter:
    return Lifter.load()


def initialize(observations: Observations, K: Float[np.ndarray, "3 3"], body: BodyModel) -> Start3D:
    """Bodies to start from, for undistorted observations of a camera with intrinsics `K`.

    With the lifter's weights: its poses, and the same turned by half a circle in case it mistook
    back for front. Without them: upright people in four facings, a median distance from their size.
    """
    try:
        lifter = _lifter()
    except WeightError as error:
        return _upright(observations, K, body, str(error))
    lifted = lifter.lift(
        observations.keypoints2d, observations.confidence, observations.layout, K,
        observations.times,
    )  # fmt: skip
    pose = np.concatenate([lifted.global_orient[:, :, None], lifted.body_pose], axis=2)
    rest = body.rest_joints(torch.zeros(1, body.shapedirs.shape[-1]))[0, 0]
    start = Start3D(
        rotmats=axis_angle_to_matrix(torch.tensor(pose, dtype=torch.float32)),
        pelvis=torch.tensor(lifted.transl, dtype=torch.float32) + rest,
        up=torch.tensor(lifted.up_camera, dtype=torch.float32),
        variance=torch.tensor(lifted.log_variance, dtype=torch.float32).exp(),
        facings=(0.0, math.pi),
    )
    return _bridged(start, lifted.evidence >= LEAST_EVIDENCE, observations.times)


def with_bodies(start: Start3D, bodies: InitialBodies, frames: slice, maker: str) -> Start3D:
    """The start with somebody else's bodies, cut to `frames`, wherever they are valid.

    Which way is up, and the facings to try, stay those of the start. `maker` is named in the notes.
    """
    valid = torch.from_numpy(bodies.valid[:, frames])
    pose = np.concatenate([bodies.global_orient[:, :, None], bodies.body_pose], axis=2)[:, frames]
    rotmats = axis_angle_to_matrix(torch.tensor(np.nan_to_num(pose), dtype=torch.float32))
    pelvis = torch.tensor(bodies.transl[:, frames], dtype=torch.float32)
    share = float(valid.float().mean())
    return replace(
        start,
        rotmats=torch.where(valid[..., None, None, None], rotmats, start.rotmats),
        pelvis=torch.where(valid[..., None], pelvis, start.pelvis),
        variance=torch.where(
            valid[..., None], torch.full_like(start.variance, GIVEN_VARIANCE), start.variance
        ),
        notes=(*start.notes, f"First bodies by {maker} in {share:.0%} of people's frames."),
    )


def _bridged(
    start: Start3D, seen: Bool[np.ndarray, "P F"], times: Float[np.ndarray, "F"]
) -> Start3D:
    """The start with its long gaps filled from the frames around them; its ends stand still."""
    rotation, pelvis = matrix_to_6d(start.rotmats), start.pelvis.clone()
    variance = start.variance.clone()
    for person, frames in enumerate(seen):
        before, after = _neighbours(frames)
        between = (before != after) & (times[after] - times[before] <= LONGEST_GAP)
        lifted = frames | between
        if lifted.all() or not frames.any():
            continue
        low, high = _neighbours(lifted)
        span = np.maximum(times[high] - times[low], 1e-9)
        part = torch.tensor(np.clip((times - times[low]) / span, 0, 1), dtype=torch.float32)
        for values in (rotation[person], pelvis[person]):
            share = part.view(-1, *[1] * (values.ndim - 1))
            values[:] = values[low] * (1 - share) + values[high] * share
        variance[person, ~lifted] = variance[person, ~lifted].clamp_min(GUESS_VARIANCE)
    return replace(start, rotmats=sixd_to_matrix(rotation), pelvis=pelvis, variance=variance)


def _neighbours(
    known: Bool[np.ndarray, "F"],
) -> tuple[Int[np.ndarray, "F"], Int[np.ndarray, "F"]]:
    """Of every frame, the nearest known ones before and after it; at the ends the same twice."""
    index = np.arange(len(known))
    places = index[known]
    if not len(places):
        return index, index
    before = np.searchsorted(places, index, side="right") - 1
    after = np.searchsorted(places, index)
    last = len(places) - 1
    low, high = places[np.maximum(before, 0)], places[np.minimum(after, last)]
    return np.where(before < 0, high, low), np.where(after > last, low, high)


def _upright(observations: Observations, K: np.ndarray, body: BodyModel, reason: str) -> Start3D:
    """Standing people at the distance that their vertical extent suggests."""
    people, frames = observations.confidence.shape[:2]
    keypoints = np.where(observations.confidence[..., None] > 0.2, observations.keypoints2d, np.nan)
    flat = keypoints.reshape(people, frames, -1, 2)
    with np.errstate(all="ignore"):
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            extent = np.nanmax(flat[..., 1], axis=2) - np.nanmin(flat[..., 1], axis=2)
            centre = np.nanmedian(flat, axis=2)
            size = np.nanpercentile(extent, 90, axis=1)
    rays = (_filled(centre) - K[:2, 2]) / K[0, 0]
    depth = np.broadcast_to(
        (K[0, 0] * 1.5 / np.maximum(size, 1.0))[:, None, None], (people, frames, 1)
    )
    pelvis = np.concatenate([rays * depth, depth], axis=-1)
    upright = axis_angle_to_matrix(torch.tensor([math.pi, 0.0, 0.0]))
    rotmats = torch.eye(3).expand(people, frames, 24, 3, 3).clone()
    rotmats[:, :, 0] = upright
    for joint, turn in STANCE.items():
        rotmats[:, :, joint] = axis_angle_to_matrix(torch.tensor(turn))
    return Start3D(
        rotmats=rotmats,
        pelvis=torch.tensor(pelvis, dtype=torch.float32),
        up=torch.tensor([0.0, -1.0, 0.0]),
        variance=torch.full((people, frames, 24), GUESS_VARIANCE),
        facings=tuple(k * math.pi / 2 for k in range(4)),
        notes=(f"Started without the lifter, from four facings: {reason}",),
    )


def _filled(values: Float[np.ndarray, "P F 2"]) -> Float[np.ndarray, "P F 2"]:
    """Gaps filled by linear interpolation in time."""
    result = values.copy()
    frames = np.arange(values.shape[1])
    for series in result.reshape(-1, values.shape[1], 2):
        for axis in range(2):
            known = np.isfinite(series[:, axis])
            if known.any():
                series[:, axis] = np.interp(frames, frames[known], series[known, axis])
    return result
