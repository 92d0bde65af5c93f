"""How two people of a fit stand to each other, and how sure that is.

Zone, distances and facing are those of the fitted bodies. How far they may be from the truth, the
prior says: noise is put on the bodies and taken off again by the network, which is told the
keypoints, and the answers for several draws spread where motion is uncertain. How wide they spread
depends on how much noise there was; `SPREAD` and `LEAST` make it fit the truth.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from engine.body.data import OPEN_BODY
from engine.body.smpl import BodyModel
from engine.errors import WeightError
from engine.geometry.camera import undistorted_pixels
from engine.geometry.rotations import axis_angle_to_matrix
from engine.perception.initialization import shipped_prior
from engine.prior.clip import rays_in_halpe26
from engine.prior.clip_windows import ClipBodies, ClipWindows
from engine.prior.prior import Prior
from engine.prior.proxemics import Proxemics, measured
from engine.prior.skeleton import HEAD, Skeleton, chained
from engine.structures import BodyMotion, Camera, FrameRange, Observations, PairProxemics

SAMPLES = 6
STEP = 80
"""Of noise, of 100."""
SEED = 20
CONTEXT = 16
"""Frames on each side of a part of a clip that the prior is shown as well."""
SPREAD = 0.75, 0.55, 0.5, 0.5
"""Of head distance, pelvis distance and both people's facing: times by which the truth is further
from the fit than samples are."""
LEAST = 0.02, 0.02, 0.03, 0.03
"""Deviations (metres, cosine) that are left where all samples agree."""
UNKNOWN = -1
"""The zone where somebody is not known."""


@torch.no_grad()
def closeness(
    motion: BodyMotion,
    camera: Camera,
    observations: Observations,
    body: BodyModel,
    part: FrameRange,
) -> tuple[PairProxemics, ...]:
    """Of every two people, over the whole clip; deviations in `part` alone, elsewhere NaN.

    Without the prior's weights no deviation is known.
    """
    try:
        prior: Prior | None = shipped_prior()
    except WeightError:
        prior = None
    found = []
    for pair in combinations(range(motion.person_count), 2):
        known = np.asarray(motion.valid[list(pair)].all(axis=0), bool)
        deviation = np.full((4, motion.frame_count), np.nan)
        shown = np.zeros_like(known)
        shown[max(0, part.start - CONTEXT) : part.stop + CONTEXT] = True
        shown &= known
        if prior is not None and shown.any():
            deviation[:, shown] = _deviations(prior, motion, camera, observations, pair, shown)
            deviation[:, : part.start] = deviation[:, part.stop :] = np.nan
        found.append(_pair(_measured(motion, body, pair), pair, known, deviation))
    return tuple(found)


def _pair(
    found: Proxemics,
    pair: tuple[int, int],
    known: Bool[np.ndarray, "F"],
    deviation: Float[np.ndarray, "4 F"],
) -> PairProxemics:
    def where_known(values: Tensor) -> np.ndarray:
        return np.where(known, values.double().numpy(), np.nan)

    return PairProxemics(
        person_a=pair[0],
        person_b=pair[1],
        zone=np.where(known, found.zone[0].numpy(), UNKNOWN).astype(np.int8),
        head_distance=where_known(found.head_distance[0]),
        head_deviation=deviation[0],
        pelvis_distance=where_known(found.pelvis_distance[0]),
        pelvis_deviation=deviation[1],
        facing=where_known(found.facing[0]),
        facing_deviation=deviation[2:],
    )


def _measured(motion: BodyMotion, body: BodyModel, pair: tuple[int, int]) -> Proxemics:
    joints = body.pose_of(motion).joints[list(pair)][None]
    root = axis_angle_to_matrix(torch.tensor(motion.global_orient[list(pair)], dtype=torch.float32))
    up = torch.tensor([[0.0, 1.0, 0.0]])
    return measured(joints[..., HEAD, :], joints[..., 0, :], root[None, ..., 2], up)


def _deviations(
    prior: Prior,
    motion: BodyMotion,
    camera: Camera,
    observations: Observations,
    pair: tuple[int, int],
    shown: Bool[np.ndarray, "F"],
) -> Float[np.ndarray, "4 N"]:
    """Of head distance, pelvis distance and both people's facing in the frames shown."""
    rows = np.ix_(np.array(pair), np.flatnonzero(shown))
    pixels = undistorted_pixels(observations.keypoints2d[rows], camera)
    sure = observations.confidence[rows]
    rays, seen = rays_in_halpe26(pixels, sure, observations.layout, camera.K)
    clip = ClipWindows.of(rays, seen, observations.times[shown], overlap=1)
    bodies, up = bodies_in_camera(motion, camera, prior.skeleton, pair, shown)
    windows = clip.of_bodies(bodies)
    generator = torch.Generator().manual_seed(SEED)
    fitted = _numbers(bodies, up, prior.skeleton)
    total = torch.zeros_like(fitted)
    for _ in range(SAMPLES):
        answer = prior.denoise(windows, clip.seen, STEP, generator=generator)
        sample = clip.bodies(answer.windows)
        total += (_numbers(sample, up, prior.skeleton) - fitted).square()
    spread, least = (torch.tensor(each)[:, None] for each in (SPREAD, LEAST))
    deviation = (spread.square() * total / SAMPLES + least.square()).sqrt()
    return np.asarray(deviation.double().numpy())


def bodies_in_camera(
    motion: BodyMotion,
    camera: Camera,
    skeleton: Skeleton,
    pair: tuple[int, int],
    shown: Bool[np.ndarray, "F"],
) -> tuple[ClipBodies, Float[Tensor, "N 3"]]:
    """Two people in the frames shown as the prior knows them, and which way is up there.

    The shapes of another body than the prior's mean nothing to it: people are given the mean one.
    """
    rows = np.ix_(np.array(pair), np.flatnonzero(shown))
    turns = np.concatenate([motion.global_orient[:, :, None], motion.body_pose], axis=2)[rows]
    T = torch.tensor(camera.T_camera_world[shown], dtype=torch.float32)
    rotations = chained(axis_angle_to_matrix(torch.tensor(turns, dtype=torch.float32)))
    betas = torch.tensor(motion.betas[list(pair)], dtype=torch.float32)
    if motion.body != OPEN_BODY:
        betas = torch.zeros(2, skeleton.J_shapedirs.shape[-1])
    pelvis = torch.tensor(motion.transl[rows], dtype=torch.float32)
    pelvis = pelvis + skeleton.rest(betas)[:, None, 0]
    return ClipBodies(
        torch.einsum("fij,pfnjk->pfnik", T[:, :3, :3], rotations),
        torch.einsum("fij,pfj->pfi", T[:, :3, :3], pelvis) + T[:, :3, 3],
        betas,
    ), T[:, :3, 1]


def _numbers(bodies: ClipBodies, up: Float[Tensor, "N 3"], skeleton: Skeleton) -> Tensor:
    """Head distance, pelvis distance and both people's facing, (4, N)."""
    joints = skeleton.joints(bodies.rotations, bodies.betas) + bodies.pelvis[:, :, None]
    # A window for each frame: a camera that turns has another way up in each.
    heads, pelvises = (joints[:, :, j].transpose(0, 1)[:, :, None] for j in (HEAD, 0))
    forward = bodies.rotations[:, :, 0, :, 2].transpose(0, 1)[:, :, None]
    found = measured(heads, pelvises, forward, up)
    shared = torch.stack([found.head_distance[:, 0], found.pelvis_distance[:, 0]])
    return torch.cat([shared, found.facing[..., 0].T])
