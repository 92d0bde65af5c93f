"""Observations as what the terms compare bodies with; which feet stand; where the floor is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.fit.objective import FOOT_POINTS, Evidence, frame_weights, keypoints_as_tensors
from engine.fit.state import Anchor, FitState, Posed, pose
from engine.geometry.camera import assumed_intrinsics
from engine.perception.initialization import Start3D
from engine.structures import Constraints, Observations

PERSON_SIZE = 1.7
"""Metres: keypoint noise is a share of a standing person's size in the image."""
STANDING_SPEED = 0.25
"""Metres per second: a foot point slower than this (standard deviation) is taken to stand."""
STANDING_HEIGHT = 0.10
"""Metres above the lowest foot at which half of that belief is gone."""
LEAST_VARIANCE, MOST_VARIANCE = 0.02, 0.6
"""Bounds (rad^2) on how sure the first pose is believed to be."""


def gather(
    observations: Observations,
    constraints: Constraints,
    first: Start3D,
    state: FitState,
    body: BodyModel,
    K: np.ndarray,
    up: Tensor,
    config: FitConfig,
) -> Evidence:
    observed, weight, edited = keypoints_as_tensors(observations, constraints)
    step, frame_weight = frame_weights(observations.times)
    size = float(K[0, 0]) * PERSON_SIZE / state.placement[..., 2].exp()
    size = size.median(dim=1, keepdim=True).values.expand_as(size)
    variance = first.variance.clamp(LEAST_VARIANCE, MOST_VARIANCE)
    rest, _ = body.rest(torch.zeros(1, body.shapedirs.shape[-1]))
    identity = torch.eye(3).expand(1, 1, 24, 3, 3)
    landmarks = body.keypoints(
        torch.zeros(1, body.shapedirs.shape[-1]), identity, torch.zeros(1, 1, 3), "halpe26"
    )[0, 0]
    top, bottom = int(rest[0, :, 1].argmax()), int(rest[0, :, 1].argmin())
    heights = [h if h is not None else float("nan") for h in constraints.heights]
    heights += [float("nan")] * (observations.person_count - len(heights))
    return Evidence(
        K=torch.tensor(K, dtype=torch.float32),
        observed=observed,
        weight=weight,
        edited=edited,
        noise_px=(config.keypoint_noise * size).clamp_min(1.0),
        pose_target=first.rotmats,
        pose_weight=1 / variance,
        up_expected=up / up.norm(),
        step=step,
        frame_weight=frame_weight,
        standing=torch.zeros(*observed.shape[:2], len(FOOT_POINTS)),
        sole=landmarks[list(FOOT_POINTS), 1] - rest[0, bottom, 1],
        heights=torch.tensor(heights),
        height_offset=body.v_template[top, 1] - body.v_template[bottom, 1],
        height_per_beta=body.shapedirs[top, 1] - body.shapedirs[bottom, 1],
        depth_orders=constraints.depth_orders,
        log_focal_from_usual=math.log(K[0, 0] / assumed_intrinsics(observations.image_size)[0, 0]),
    )


def first_floor(state: FitState, body: BodyModel, anchor: Anchor, evidence: Evidence) -> Tensor:
    """The floor under most of the lowest feet of everyone."""
    posed = _posed(state, body, anchor)
    feet = posed.keypoints[:, :, FOOT_POINTS] @ posed.up - evidence.sole
    return -feet.amin(-1).flatten().median()


def standing_evidence(
    evidence: Evidence, state: FitState, body: BodyModel, anchor: Anchor
) -> Evidence:
    """How surely each foot point stands: slow, and not far above that person's lowest foot."""
    posed = _posed(state, body, anchor)
    feet = posed.keypoints[:, :, FOOT_POINTS]
    height = feet @ posed.up + posed.floor - evidence.sole
    lifted = height - height.amin(-1, keepdim=True)
    speed = torch.zeros_like(height)
    if len(evidence.step):
        velocity = (feet[:, 1:] - feet[:, :-1]).norm(dim=-1) / evidence.step[:, None]
        speed[:, 1:] += velocity / 2
        speed[:, :-1] += velocity / 2
    belief = torch.exp(-0.5 * (speed / STANDING_SPEED) ** 2 - (lifted / STANDING_HEIGHT) ** 2)
    return replace(evidence, standing=belief)


@torch.no_grad()
def _posed(state: FitState, body: BodyModel, anchor: Anchor) -> Posed:
    return pose(state, body, anchor)
