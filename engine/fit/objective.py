"""Evidence as tensors, and the one weighted sum of terms."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from engine.body.joints import HALPE26
from engine.config import FitConfig
from engine.fit import proxemics, terms
from engine.fit.state import Posed
from engine.fit.trust import trust
from engine.structures import Constraints, DepthOrder, Observations, ProxemicsStatement

LAYOUT = "halpe26"
"""Bodies always carry all 26 keypoints; a COCO-17 detection leaves the last nine without weight."""
FOOT_POINTS = tuple(HALPE26.index(f"{side}_{part}") for side in ("left", "right")
                    for part in ("big_toe", "small_toe", "heel"))  # fmt: skip
ANKLES = (HALPE26.index("left_ankle"), HALPE26.index("right_ankle"))
FLOOR_WIDTH = 2.5
"""Heights in units of 2 cm are robust at this multiple of the keypoints' width."""
STANDARD_STEP = 1 / 30
"""Seconds: terms are summed over time in units of this."""
KEYPOINT_TRUST = np.array([1.0] + [0.5] * 4 + [1.0] * 6 + [0.7] * 2 + [1.0] * 4
                          + [0.3, 0.3, 0.3] + [0.6] * 6)  # fmt: skip
"""Detectors disagree on where eyes, ears, hips, neck and the crown are, less so on limbs."""


@dataclass(frozen=True)
class Behind:
    """How far along the view the pelvis of one person lies behind that of another."""

    front: int
    back: int
    ray: Float[Tensor, "F 3"]
    """Unit vector from the camera to the middle of the two."""
    metres: Float[Tensor, "F"]
    deviation: Float[Tensor, "F"]
    """Metres by which that may be wrong: the less the nearer the two are."""
    weight: Float[Tensor, "F"]
    """1, or 0 where a person said where the two are."""


@dataclass(frozen=True)
class Evidence:
    """What the terms compare the bodies with."""

    K: Float[Tensor, "3 3"]
    observed: Float[Tensor, "P F 26 2"]
    weight: Float[Tensor, "P F 26"]
    """Squared confidence times trust; 0 where nothing was seen."""
    edited: Bool[Tensor, "P F 26"]
    noise_px: Float[Tensor, "P F"]
    pose_target: Float[Tensor, "P F 24 3 3"]
    pose_weight: Float[Tensor, "P F 24"]
    """Inverse variance of the target rotations, 1/rad^2."""
    up_expected: Float[Tensor, "3"]
    step: Float[Tensor, "F1"]
    """Seconds between frames."""
    frame_weight: Float[Tensor, "F"]
    """Length of each frame in standard steps."""
    standing: Float[Tensor, "P F 6"]
    """How surely each foot point stands, 0..1."""
    on_feet: Float[Tensor, "P F"]
    """How surely some foot of a person is on the floor, 0..1."""
    sole: Float[Tensor, "6"]
    """Height of each foot point above the sole in metres."""
    heights: Float[Tensor, "P"]
    """Stated heights in metres, NaN where unknown."""
    height_offset: Float[Tensor, ""]
    height_per_beta: Float[Tensor, "B"]
    depth_orders: tuple[DepthOrder, ...] = ()
    proxemics: tuple[ProxemicsStatement, ...] = ()
    """As people stated them."""
    behind: tuple[Behind, ...] = ()
    """As the prior saw them, of every two people."""
    log_focal_from_usual: float = 0.0
    """Logarithm of the first focal length over the one assumed for an image of this size."""
    robust_width: float = 4.0
    """Standard deviations beyond which a keypoint stops pulling; wide while bodies are far off."""

    def height_of(self, betas: Float[Tensor, "P B"]) -> Float[Tensor, "P"]:
        """Standing heights of shapes, metres."""
        height: Tensor = self.height_offset + betas @ self.height_per_beta
        return height

    def people(self, index: Tensor) -> Evidence:
        """The evidence for some of the people, repeated where `index` repeats.

        What is known of two people is kept only where everybody is there once.
        """
        if index.tolist() == list(range(len(self.observed))):
            return self
        per_person = ("observed", "weight", "edited", "noise_px", "pose_target", "pose_weight",
                      "standing", "on_feet", "heights")  # fmt: skip
        chosen = {name: getattr(self, name)[index] for name in per_person}
        return replace(self, **chosen, depth_orders=(), proxemics=(), behind=())


def keypoints_as_tensors(
    observations: Observations, constraints: Constraints
) -> tuple[Tensor, Tensor, Tensor]:
    """Observed (P,F,26,2), weight and edited flags (P,F,26); people's edits applied as truth, and
    detections believed as far as `engine.fit.trust` says."""
    people, frames, count = observations.confidence.shape
    observed = np.zeros((people, frames, 26, 2))
    confidence = np.zeros((people, frames, 26))
    observed[:, :, :count] = observations.keypoints2d
    confidence[:, :, :count] = observations.confidence
    edited = np.zeros((people, frames, 26), bool)
    for edit in constraints.keypoint_edits:
        if edit.frame >= frames or edit.person >= people:
            continue
        observed[edit.person, edit.frame, edit.keypoint] = edit.x, edit.y
        confidence[edit.person, edit.frame, edit.keypoint] = 1.0 if edit.visible else 0.0
        edited[edit.person, edit.frame, edit.keypoint] = edit.visible
    seen = np.isfinite(observed).all(-1) & (confidence > 0.1)
    weight = np.where(seen, np.square(confidence) * KEYPOINT_TRUST, 0.0)
    weight *= trust(observations, constraints)[..., None]
    weight = np.where(edited, 1.0, weight)
    return (
        torch.tensor(np.where(seen[..., None], observed, 0.0), dtype=torch.float32),
        torch.tensor(weight, dtype=torch.float32),
        torch.tensor(edited),
    )


def frame_weights(times: np.ndarray) -> tuple[Tensor, Tensor]:
    """Steps between frames (F-1) in seconds and the share of time (F) in standard steps."""
    if len(times) < 2:
        return torch.zeros(0), torch.ones(len(times))
    step = np.diff(times)
    length = np.concatenate([step[:1], (step[1:] + step[:-1]) / 2, step[-1:]])
    # A gap in the recording is not evidence for longer.
    length = np.minimum(length, 3 * np.median(step))
    return (
        torch.tensor(step, dtype=torch.float32),
        torch.tensor(length / STANDARD_STEP, dtype=torch.float32),
    )


def keypoint_cost(posed: Posed, evidence: Evidence, config: FitConfig) -> Float[Tensor, "P F"]:
    """Weighted cost of the keypoints of everybody in every frame."""
    weights = config.weights
    K = torch.cat([evidence.K[:2, :2] * posed.log_focal.exp(), evidence.K[:2, 2:]], dim=1)
    squared = terms.reprojection(posed.keypoints_camera, evidence.observed, K, evidence.noise_px)
    robust = terms.geman_mcclure(squared, evidence.robust_width) * weights.reprojection
    believed = torch.where(evidence.edited, squared * weights.edited, robust)
    return (believed * evidence.weight).sum(-1)


def objective(posed: Posed, evidence: Evidence, config: FitConfig) -> dict[str, Float[Tensor, "P"]]:
    """Weighted cost of each term per person (scene terms are shared equally)."""
    weights = config.weights
    time = evidence.frame_weight
    people = posed.transl.shape[0]
    costs: dict[str, Tensor] = {}

    if weights.reprojection or weights.edited:
        believed = keypoint_cost(posed, evidence, config)
        costs["reprojection"] = torch.einsum("pf,f->p", believed, time)

    if weights.pose:
        distance = terms.rotation_distance(posed.rotmats, evidence.pose_target)
        costs["pose"] = weights.pose * torch.einsum(
            "pfj,pfj,f->p", distance, evidence.pose_weight, time
        )
    if weights.limits:
        beyond = terms.joint_limits(posed.rotmats).sum(-1)
        costs["limits"] = weights.limits * (beyond * time).sum(1)
    if weights.shape:
        costs["shape"] = weights.shape * terms.shape(posed.betas) * time.sum()
    if weights.height and not bool(evidence.heights.isnan().all()):
        height = evidence.height_of(posed.betas)
        stated = torch.where(evidence.heights.isnan(), height.detach(), evidence.heights)
        error = terms.height(height, stated)
        costs["height"] = weights.height * error * evidence.frame_weight.sum() / 10
    costs |= _smoothness(posed, evidence, config)
    costs |= _floor(posed, evidence, config)
    if weights.gravity:
        tilt = terms.direction(posed.up, evidence.up_expected) * time.sum() / people
        costs["gravity"] = 0.1 * weights.gravity * tilt.expand(people)
    if weights.focal:
        zoom = terms.log_ratio(posed.log_focal + evidence.log_focal_from_usual)
        costs["focal"] = 0.1 * weights.focal * zoom * (time.sum() / people).expand(people)
    if weights.depth_order and evidence.depth_orders:
        ordered = _depth_order(posed, evidence) / people
        costs["depth order"] = weights.depth_order * ordered.expand(people)
    if weights.proxemics and evidence.proxemics:
        stated = proxemics.cost(posed, evidence.proxemics, time) / people
        costs["proxemics"] = weights.proxemics * stated.expand(people)
    if weights.behind and evidence.behind:
        costs["behind"] = weights.behind * (_behind(posed, evidence) / people).expand(people)
    return costs


def _behind(posed: Posed, evidence: Evidence) -> Float[Tensor, ""]:
    pelvis = posed.body.joints[:, :, 0]
    total = pelvis.new_zeros(())
    for pair in evidence.behind:
        metres = ((pelvis[pair.back] - pelvis[pair.front]) * pair.ray).sum(-1)
        each = terms.behind(metres, pair.metres, pair.deviation) * pair.weight
        total = total + (each * evidence.frame_weight).sum()
    return total


def _depth_order(posed: Posed, evidence: Evidence) -> Float[Tensor, ""]:
    depth = posed.body.joints[:, :, 0, 2]
    total = depth.new_zeros(())
    for order in evidence.depth_orders:
        part = order.frames.as_slice()
        each = terms.depth_order(depth[order.front, part], depth[order.back, part])
        total = total + (each * evidence.frame_weight[part]).sum()
    return total


def _smoothness(posed: Posed, evidence: Evidence, config: FitConfig) -> dict[str, Tensor]:
    weights, step = config.weights, evidence.step
    costs: dict[str, Tensor] = {}
    if len(step) < 2:
        return costs
    inner = evidence.frame_weight[1:-1]
    if weights.acceleration:
        jerkiness = terms.acceleration(posed.joints, step).square().sum(-1).mean(-1)
        costs["acceleration"] = weights.acceleration * (jerkiness * inner).sum(1)
    if weights.rotation:
        spin = terms.acceleration(posed.rotation, step).square().sum(-1).mean(-1)
        costs["rotation"] = weights.rotation * (spin * inner).sum(1)
    return costs


def foot_heights(posed: Posed, evidence: Evidence) -> Float[Tensor, "P F 6"]:
    """Height of the soles above the floor at toes and heels, metres."""
    feet = posed.keypoints[:, :, FOOT_POINTS]
    return feet @ posed.up + posed.floor - evidence.sole


def _floor(posed: Posed, evidence: Evidence, config: FitConfig) -> dict[str, Tensor]:
    weights, time = config.weights, evidence.frame_weight
    costs: dict[str, Tensor] = {}
    if weights.floor:
        height = foot_heights(posed, evidence)
        width = FLOOR_WIDTH * evidence.robust_width
        standing = terms.on_floor(height, width) * evidence.standing
        lowest = terms.on_floor(height.amin(-1), width) * 0.3 * evidence.on_feet
        each = terms.below_floor(height).sum(-1) + standing.sum(-1) + lowest
        costs["floor"] = weights.floor * (each * time).sum(1)
    if weights.skating and len(evidence.step):
        feet = posed.keypoints[:, :, FOOT_POINTS]
        both = torch.minimum(evidence.standing[:, 1:], evidence.standing[:, :-1])
        slide = (terms.skating(feet, evidence.step) * both).sum(-1)
        costs["skating"] = weights.skating * (slide * time[1:]).sum(1)
    return costs
