"""Observations as what the terms compare bodies with; which feet stand; where the floor is."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.fit.objective import (
    FOOT_POINTS,
    Behind,
    Evidence,
    frame_weights,
    keypoints_as_tensors,
)
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
ON_FEET_HEIGHT = 0.1
"""Metres between a person's lowest foot and the lowest point of anybody (standard deviation) above
which nothing is said of the floor under that person: first bodies are that far from the truth."""
NEAR_DEVIATION, DEVIATION_PER_METRE = 0.1, 0.15
"""Metres by which the prior errs about who is how far behind whom: of people in each other's place,
and more for each metre between them, where less of the one tells of the other."""
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
        on_feet=torch.ones(observed.shape[:2]),
        sole=landmarks[list(FOOT_POINTS), 1] - rest[0, bottom, 1],
        heights=torch.tensor(heights),
        height_offset=body.v_template[top, 1] - body.v_template[bottom, 1],
        height_per_beta=body.shapedirs[top, 1] - body.shapedirs[bottom, 1],
        depth_orders=constraints.depth_orders,
        proxemics=constraints.proxemics,
        behind=_behind(first, constraints),
        log_focal_from_usual=math.log(K[0, 0] / assumed_intrinsics(observations.image_size)[0, 0]),
    )


def _behind(first: Start3D, constraints: Constraints) -> tuple[Behind, ...]:
    """What the start says of the depth between every two people, where nobody said more."""
    pelvis = first.seen_together
    if pelvis is None:
        return ()
    pairs = []
    for a, b in combinations(range(len(pelvis)), 2):
        ray = torch.nn.functional.normalize(pelvis[a] + pelvis[b], dim=-1)
        weight = torch.ones(len(ray))
        for order in constraints.depth_orders:
            if {order.front, order.back} == {a, b}:
                weight[order.frames.as_slice()] = 0
        for label in constraints.contacts:
            if {label.person_a, label.person_b} == {a, b}:
                weight[label.frames.as_slice()] = 0
        for said in constraints.proxemics:
            if said.says_how_far and {said.person_a, said.person_b} == {a, b}:
                weight[said.frames.as_slice()] = 0
        apart = pelvis[b] - pelvis[a]
        metres = (apart * ray).sum(-1)
        pairs.append(Behind(a, b, ray, metres, deviation_behind(apart), weight))
    return tuple(pairs)


def deviation_behind(apart: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n"]:
    """Metres by which the start errs about who is how far behind whom, of people so far apart."""
    deviation: Tensor = NEAR_DEVIATION + DEVIATION_PER_METRE * apart.norm(dim=-1)
    return deviation


def first_floor(state: FitState, body: BodyModel, anchor: Anchor, evidence: Evidence) -> Tensor:
    """The floor under most of the lowest feet of those who stand, or under everybody."""
    posed = _posed(state, body, anchor)
    feet = posed.keypoints[:, :, FOOT_POINTS] @ posed.up - evidence.sole
    lowest, ground = feet.amin(-1), _lowest(posed, evidence)
    on_feet = _on_feet(posed, evidence) > 0.5
    found = lowest[on_feet] if on_feet.any() else ground
    return -found.flatten().median()


def standing_evidence(
    evidence: Evidence, state: FitState, body: BodyModel, anchor: Anchor
) -> Evidence:
    """How surely each foot point stands: slow, not far above that person's lowest foot, and that
    one not far above whatever else of anybody is lowest."""
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
    on_feet = _on_feet(posed, evidence)
    return replace(evidence, standing=belief * on_feet[..., None], on_feet=on_feet)


def _on_feet(posed: Posed, evidence: Evidence) -> Float[Tensor, "P F"]:
    """How surely people have a foot on the floor: who lies, sits or is carried has none."""
    feet = (posed.keypoints[:, :, FOOT_POINTS] @ posed.up - evidence.sole).amin(-1)
    above = feet - _lowest(posed, evidence)
    return torch.exp(-0.5 * (above / ON_FEET_HEIGHT) ** 2)


def _lowest(posed: Posed, evidence: Evidence) -> Float[Tensor, "F"]:
    """Height of the lowest joint or sole of anybody over the anchor's origin, metres."""
    feet = (posed.keypoints[:, :, FOOT_POINTS] @ posed.up - evidence.sole).amin(-1)
    joints = (posed.joints @ posed.up).amin(-1)
    return torch.minimum(feet, joints).amin(0)


@torch.no_grad()
def _posed(state: FitState, body: BodyModel, anchor: Anchor) -> Posed:
    return pose(state, body, anchor)
