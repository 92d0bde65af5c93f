"""First bodies from 2D, before any optimisation: the prior's, or upright guesses without it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engine.body.data import OPEN_BODY
from engine.body.joints import SMPL_JOINTS
from engine.body.smpl import BodyModel
from engine.errors import WeightError
from engine.geometry.rotations import axis_angle_to_matrix
from engine.perception.plugins import InitialBodies
from engine.prior.prior import Prior
from engine.structures import Observations, ProxemicsStatement

GUESS_VARIANCE = 0.5
"""rad^2: how far people's joints are from the rest pose, roughly, where nothing was seen."""
STANCE = {16: [0.0, 0.0, -1.1], 17: [0.0, 0.0, 1.1], 18: [0.0, -0.4, 0.0], 19: [0.0, 0.4, 0.0],
          4: [0.15, 0.0, 0.0], 5: [0.15, 0.0, 0.0]}  # fmt: skip
"""Arms hang, elbows and knees bend a little (axis-angle); SMPL itself rests with arms out."""
_CHAINS = ("pelvis spine3 neck head", "left_hip left_knee left_ankle",
           "right_hip right_knee right_ankle", "left_shoulder left_elbow left_wrist",
           "right_shoulder right_elbow right_wrist")  # fmt: skip
GIVEN_VARIANCE = 0.04
"""rad^2: how far the joints of a body initialiser are taken to be off, about 11 degrees."""
LEAST_CONFIDENCE = 0.2
"""Of a keypoint that an upright guess is made from."""
UNSEEN_DEPTH = 4.0
"""Metres from the camera at which somebody who is never seen is guessed to stand."""


@dataclass(frozen=True)
class Start3D:
    """P people over F frames in the camera frame, with how much they are believed."""

    rotmats: Float[Tensor, "P F 24 3 3"]
    pelvis: Float[Tensor, "P F 3"]
    """Metres, for a body of shape `betas`."""
    betas: Float[Tensor, "P B"]
    up: Float[Tensor, "3"]
    variance: Float[Tensor, "P F 24"]
    """Expected squared error of each rotation, rad^2."""
    facings: tuple[float, ...]
    """Turns about the vertical worth trying, radians."""
    seen_together: Float[Tensor, "P F 3"] | None = None
    """Pelvises, metres, by somebody who saw the people together, so that what lies between them
    counts as evidence; None where everybody was placed alone."""
    notes: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def _prior() -> Prior:
    return Prior.load()


def shipped_prior() -> Prior:
    """The prior that ships, read once. Raises WeightError where it is missing or altered."""
    return _prior()


def initialize(
    observations: Observations,
    K: Float[np.ndarray, "3 3"],
    body: BodyModel,
    *,
    heights: Sequence[float | None] = (),
    proxemics: Sequence[ProxemicsStatement] = (),
) -> Start3D:
    """Bodies to start from, for undistorted observations of a camera with intrinsics `K`.

    With the prior's weights: what it says of everybody together, `heights` (metres, by person) as
    far as they were stated, and what was said of how two people stand to each other. Who is never
    seen stands where the others suggest, with a large variance. Without the weights, or where
    nobody is seen at all: upright people in four facings, at a distance that follows from their
    size.
    """
    if not (observations.confidence > 0).any():
        return _upright(observations, K, body, "nobody is seen here.")
    try:
        prior = _prior()
    except WeightError as error:
        return _upright(observations, K, body, str(error))
    start = _seen(prior, observations, K, heights, proxemics)
    if body.name == OPEN_BODY:
        return start
    # Shapes of another body mean something else: people of its mean shape, as large in the picture.
    mean = torch.zeros(len(start.betas), body.shapedirs.shape[-1])
    size = size_of(prior.skeleton.rest(start.betas))
    return _resized(start, mean, size_of(body.rest_joints(mean)) / size)


def _seen(
    prior: Prior,
    observations: Observations,
    K: Float[np.ndarray, "3 3"],
    heights: Sequence[float | None],
    proxemics: Sequence[ProxemicsStatement],
) -> Start3D:
    """What the prior sees, in shapes of the open body."""
    people = observations.person_count
    found = prior.estimate(
        observations.keypoints2d, observations.confidence, observations.layout, K,
        observations.times, heights=[*heights[:people], *[None] * (people - len(heights))],
        proxemics=proxemics,
    )  # fmt: skip
    pose = np.concatenate([found.global_orient[:, :, None], found.body_pose], axis=2)
    betas = torch.tensor(found.betas, dtype=torch.float32)
    rest = prior.skeleton.rest(betas)[:, None, 0]
    pelvis = torch.tensor(found.transl, dtype=torch.float32) + rest
    variance = torch.tensor(found.log_variance, dtype=torch.float32).exp()
    unseen = torch.from_numpy((found.evidence <= 0).all(axis=1))[:, None, None]
    return Start3D(
        rotmats=axis_angle_to_matrix(torch.tensor(pose, dtype=torch.float32)),
        pelvis=pelvis,
        betas=betas,
        up=torch.tensor(found.up_camera, dtype=torch.float32),
        variance=torch.where(unseen, variance.clamp_min(GUESS_VARIANCE), variance),
        facings=(0.0,),
        seen_together=pelvis if people == 2 else None,
    )


def with_shapes(start: Start3D, body: BodyModel, betas: Float[Tensor, "P B"]) -> Start3D:
    """The start for other shapes of the same body: further away where they are larger."""
    sizes = [size_of(body.rest_joints(shape)) for shape in (betas, start.betas)]
    return _resized(start, betas, sizes[0] / sizes[1])


def _resized(start: Start3D, betas: Tensor, ratio: Float[Tensor, "P"]) -> Start3D:
    return replace(start, betas=betas, pelvis=start.pelvis * ratio[:, None, None])


def size_of(rest: Float[Tensor, "P 24 3"]) -> Float[Tensor, "P"]:
    """Length of spine, arms and legs together, metres: what a distant camera sees as size."""
    total = rest.new_zeros(len(rest))
    for chain in _CHAINS:
        joints = rest[:, [SMPL_JOINTS.index(name) for name in chain.split()]]
        total = total + joints.diff(dim=1).norm(dim=-1).sum(-1)
    return total


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


def _upright(observations: Observations, K: np.ndarray, body: BodyModel, reason: str) -> Start3D:
    """Standing people at the distance that their vertical extent suggests."""
    people, frames = observations.confidence.shape[:2]
    seen = np.nan_to_num(observations.confidence) > LEAST_CONFIDENCE
    pixels = np.ma.masked_invalid(observations.keypoints2d)
    pixels = np.ma.masked_where(np.broadcast_to(~seen[..., None], pixels.shape), pixels)
    extent = np.ma.filled(np.ma.ptp(pixels[..., 1], axis=2).astype(float), np.nan)
    centre = np.ma.filled(np.ma.median(pixels, axis=2), np.nan)
    size = np.array([_largest(person) for person in extent])
    depth = np.where(np.isfinite(size), K[0, 0] * 1.5 / np.maximum(size, 1.0), UNSEEN_DEPTH)
    rays = (_filled(centre, K[:2, 2]) - K[:2, 2]) / K[0, 0]
    pelvis = np.concatenate([rays, np.ones_like(rays[..., :1])], axis=-1) * depth[:, None, None]
    upright = axis_angle_to_matrix(torch.tensor([math.pi, 0.0, 0.0]))
    rotmats = torch.eye(3).expand(people, frames, 24, 3, 3).clone()
    rotmats[:, :, 0] = upright
    for joint, turn in STANCE.items():
        rotmats[:, :, joint] = axis_angle_to_matrix(torch.tensor(turn))
    return Start3D(
        rotmats=rotmats,
        pelvis=torch.tensor(pelvis, dtype=torch.float32),
        betas=torch.zeros(people, body.shapedirs.shape[-1]),
        up=torch.tensor([0.0, -1.0, 0.0]),
        variance=torch.full((people, frames, 24), GUESS_VARIANCE),
        facings=tuple(k * math.pi / 2 for k in range(4)),
        notes=(f"Started without the prior, from four facings: {reason}",),
    )


def _largest(extent: Float[np.ndarray, "F"]) -> float:
    """Pixels that a person is high, NaN for who is never seen."""
    known = extent[np.isfinite(extent)]
    return float(np.percentile(known, 90)) if len(known) else np.nan


def _filled(
    values: Float[np.ndarray, "P F 2"], otherwise: Float[np.ndarray, "2"]
) -> Float[np.ndarray, "P F 2"]:
    """Gaps filled by linear interpolation in time; `otherwise` where nothing is known."""
    result = values.copy()
    frames = np.arange(values.shape[1])
    for person in result:
        for axis in range(2):
            known = np.isfinite(person[:, axis])
            person[:, axis] = (
                np.interp(frames, frames[known], person[known, axis])
                if known.any()
                else otherwise[axis]
            )
    return result
