"""Where a fit begins: evidence, camera, first bodies and the hypotheses about them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.fit.objective import (
    FOOT_POINTS,
    Evidence,
    frame_weights,
    keypoints_as_tensors,
)
from engine.fit.problem import FitProblem
from engine.fit.scene import Scene, held, scene_of, upright
from engine.fit.state import Anchor, FitState, Posed, pose
from engine.geometry.camera import assumed_intrinsics, undistorted_pixels
from engine.geometry.rotations import axis_angle_to_matrix, matrix_to_6d, sixd_to_matrix
from engine.perception.initialization import Start3D, initialize
from engine.structures import (
    Constraints,
    ContactLabel,
    FocalSource,
    FrameRange,
    Observations,
    Provenance,
)

PERSON_SIZE = 1.7
"""Metres: keypoint noise is a share of a standing person's size in the image."""
STANDING_SPEED = 0.25
"""Metres per second: a foot point slower than this (standard deviation) is taken to stand."""
STANDING_HEIGHT = 0.10
"""Metres above the lowest foot at which half of that belief is gone."""
SMOOTHING_SECONDS = 0.06
"""Standard deviation of the Gaussian over time that the first bodies are smoothed with."""
LEAST_VARIANCE, MOST_VARIANCE = 0.02, 0.6
"""Bounds (rad^2) on how sure the first pose is believed to be."""


@dataclass(frozen=True)
class Hypotheses:
    """Several starts per person, stacked on the person axis."""

    state: FitState
    owner: Int[Tensor, "H"]
    """Which person each hypothesis is about."""
    pose_target: Float[Tensor, "H F 24 3 3"]
    handicap: Float[Tensor, "H"]
    """Cost that a hypothesis starts with: how much less it is believed before looking."""
    first: Int[Tensor, "P"]
    """One hypothesis per person, to show meanwhile."""

    @property
    def count(self) -> int:
        return len(self.owner)


@dataclass(frozen=True)
class Start:
    """A window of the clip, ready to be solved."""

    frames: FrameRange
    """Frames of the clip that the window covers, held context included."""
    movable: Bool[Tensor, "F"]
    evidence: Evidence
    scene: Scene
    state: FitState
    hypotheses: Hypotheses | None
    labels: tuple[ContactLabel, ...]
    K: Float[np.ndarray, "3 3"]
    focal_source: FocalSource
    shape_free: bool
    focal_free: bool
    seen: Bool[np.ndarray, "P F"]
    notes: tuple[str, ...]


def prepare(problem: FitProblem, body: BodyModel, config: FitConfig) -> Start:
    """Cut out the window, lift it to 3D, and lay out what the solver needs."""
    frames, movable, warm = _window(problem, config)
    observations = _cut(problem.observations, frames)
    constraints = _cut_constraints(problem.constraints, frames)
    K, focal_source = _intrinsics(problem)
    camera = problem.camera
    if camera is not None:
        pixels = undistorted_pixels(observations.keypoints2d, replace(camera, K=K))
        observations = replace(observations, keypoints2d=pixels.astype(np.float64))
    first = _smoothed(initialize(observations, K, body), observations.times)
    continued = held(movable, warm)
    scene = scene_of(problem, frames, first.up, continued)
    state = _first_state(first, observations, scene.up, body, problem, frames, warm, K)
    evidence = _evidence(observations, constraints, first, state, body, K, scene.up, config)
    floor = scene.floor
    if floor is None:
        floor = float(_first_floor(state, body, scene.anchor, evidence))
    state = replace(state, floor=torch.tensor(floor))
    return Start(
        frames=frames,
        movable=movable,
        evidence=standing_evidence(evidence, state, body, scene.anchor),
        scene=scene,
        state=state,
        hypotheses=_hypotheses(first, state, warm, movable),
        labels=constraints.contacts,
        K=K,
        focal_source=focal_source,
        shape_free=not continued and problem.betas is None,
        focal_free=not continued and focal_source == "assumed" and scene.gravity == "estimated",
        seen=(evidence.weight.sum(-1) > 1).numpy(),
        notes=_notes(problem, scene, first),
    )


def oriented(problem: FitProblem, body: BodyModel) -> FitProblem:
    """The problem in a world with y up, where its camera's world has an axis that points up."""
    if problem.camera is None or problem.warm_start is not None:
        return problem
    first = initialize(problem.observations, problem.camera.K, body)
    camera = upright(problem.camera, first.up.numpy().astype(np.float64))
    if camera is None:
        return replace(problem, gravity_known=False)
    return replace(problem, camera=camera)


def _window(
    problem: FitProblem, config: FitConfig
) -> tuple[FrameRange, Bool[Tensor, "F"], Bool[np.ndarray, "F"] | None]:
    """The frames to load, which of them may move, and which have bodies to start from."""
    count = problem.observations.frame_count
    part = problem.frames or FrameRange(0, count)
    known = _known(problem)
    start, stop = part.start, part.stop
    for _ in range(config.context):
        start -= start > 0 and bool(known[start - 1])
        stop += stop < count and bool(known[stop])
    cut = slice(start, stop)
    movable = torch.from_numpy(movable_frames(problem)[cut])
    has_warm = known[cut] if known[cut].any() else None
    return FrameRange(int(start), int(stop)), movable, has_warm


def movable_frames(problem: FitProblem) -> Bool[np.ndarray, "F"]:
    """Frames of the clip that a fit may change: in its part, and not frozen with bodies."""
    count = problem.observations.frame_count
    movable = np.zeros(count, bool)
    movable[(problem.frames or FrameRange(0, count)).as_slice()] = True
    known = _known(problem)
    for frozen in problem.constraints.frozen:
        movable[frozen.as_slice()] &= ~known[frozen.as_slice()]
    return movable


def _known(problem: FitProblem) -> Bool[np.ndarray, "F"]:
    """Frames in which everybody has a body already."""
    warm = problem.warm_start
    if warm is None:
        return np.zeros(problem.observations.frame_count, bool)
    return np.asarray((warm.provenance != Provenance.MISSING).all(axis=0), bool)


def _cut(observations: Observations, frames: FrameRange) -> Observations:
    part = frames.as_slice()
    return replace(
        observations,
        keypoints2d=observations.keypoints2d[:, part],
        confidence=observations.confidence[:, part],
        boxes=observations.boxes[:, part],
        times=observations.times[part],
        masks=None,
    )


def _cut_constraints(constraints: Constraints, frames: FrameRange) -> Constraints:
    """Constraints counted from the window's first frame; those outside are left out."""

    def moved(piece: FrameRange) -> FrameRange:
        low, high = max(piece.start, frames.start), min(piece.stop, frames.stop)
        return FrameRange(low - frames.start, max(low, high) - frames.start)

    return replace(
        constraints,
        keypoint_edits=tuple(
            replace(edit, frame=edit.frame - frames.start)
            for edit in constraints.keypoint_edits
            if edit.frame in frames
        ),
        contacts=tuple(
            replace(label, frames=moved(label.frames))
            for label in constraints.contacts
            if len(moved(label.frames))
        ),
        depth_orders=tuple(
            replace(order, frames=moved(order.frames))
            for order in constraints.depth_orders
            if len(moved(order.frames))
        ),
        frozen=(),
    )


def _intrinsics(problem: FitProblem) -> tuple[Float[np.ndarray, "3 3"], FocalSource]:
    """A stated focal length wins over the given camera, that over the file, that over a guess."""
    if problem.camera is not None:
        K, source = problem.camera.K.astype(np.float64).copy(), problem.camera.focal_source
    elif problem.K is not None:
        K, source = problem.K.astype(np.float64).copy(), problem.focal_source
    else:
        K, source = assumed_intrinsics(problem.observations.image_size), "assumed"
    stated = problem.constraints.focal_px
    if stated is not None:
        K[0, 0] = K[1, 1] = stated
        source = "user"
    return K, source


def _first_state(
    first: Start3D,
    observations: Observations,
    up: Tensor,
    body: BodyModel,
    problem: FitProblem,
    frames: FrameRange,
    warm: np.ndarray | None,
    K: np.ndarray,
) -> FitState:
    people = observations.person_count
    shapes = body.shapedirs.shape[-1]
    betas = torch.zeros(people, shapes)
    if problem.betas is not None:
        given = torch.tensor(problem.betas, dtype=torch.float32)[:, :shapes]
        betas[:, : given.shape[1]] = given
    rotation = matrix_to_6d(first.rotmats)
    pelvis = first.pelvis
    if warm is not None and problem.warm_start is not None:
        start = problem.warm_start
        betas = torch.tensor(start.betas, dtype=torch.float32)
        warm_rotation, warm_pelvis = _warm_bodies(problem, frames, body, betas)
        keep = torch.from_numpy(warm)[None, :, None]
        rotation = torch.where(keep[..., None], warm_rotation, rotation)
        pelvis = torch.where(keep, warm_pelvis, pelvis)
    depth = pelvis[..., 2:].clamp_min(0.3)
    placement = torch.cat([pelvis[..., :2] / depth, depth.log()], dim=-1)
    return FitState(
        betas=betas,
        rotation=rotation,
        placement=placement,
        log_focal=torch.tensor(0.0),
        up=up.clone(),
        floor=torch.tensor(0.0),
    )


def _warm_bodies(
    problem: FitProblem, frames: FrameRange, body: BodyModel, betas: Tensor
) -> tuple[Float[Tensor, "P F 24 6"], Float[Tensor, "P F 3"]]:
    """The warm start in the camera frame: 6D rotations and pelvis."""
    motion, camera = problem.warm_start, problem.camera
    assert motion is not None
    part = frames.as_slice()
    pose = np.concatenate([motion.global_orient[:, :, None], motion.body_pose], axis=2)[:, part]
    rotmats = axis_angle_to_matrix(torch.tensor(pose, dtype=torch.float32))
    pelvis = torch.tensor(motion.transl[:, part], dtype=torch.float32)
    pelvis = pelvis + body.rest_joints(betas)[:, None, 0]
    if camera is not None:
        T = torch.tensor(camera.T_camera_world[part], dtype=torch.float32)
        root = torch.einsum("fij,pfjk->pfik", T[:, :3, :3], rotmats[:, :, 0])
        rotmats = torch.cat([root[:, :, None], rotmats[:, :, 1:]], dim=2)
        pelvis = torch.einsum("fij,pfj->pfi", T[:, :3, :3], pelvis) + T[:, :3, 3]
    return matrix_to_6d(rotmats), pelvis


def _evidence(
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


def _first_floor(state: FitState, body: BodyModel, anchor: Anchor, evidence: Evidence) -> Tensor:
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


def _smoothed(first: Start3D, times: np.ndarray) -> Start3D:
    """The start without its jitter, which the preconditioned descent would be slow to remove."""
    distance = (times[:, None] - times[None]) / SMOOTHING_SECONDS
    kernel = np.exp(-0.5 * distance**2)
    weights = torch.tensor(kernel / kernel.sum(axis=1, keepdims=True), dtype=torch.float32)
    sixd = torch.einsum("fg,pgji->pfji", weights, matrix_to_6d(first.rotmats))
    return replace(
        first,
        rotmats=sixd_to_matrix(sixd),
        pelvis=torch.einsum("fg,pgi->pfi", weights, first.pelvis),
    )


def _hypotheses(
    first: Start3D,
    state: FitState,
    warm: np.ndarray | None,
    movable: Tensor,
) -> Hypotheses | None:
    """Facings to try per person: the start, the start turned, and the bodies there were."""
    lifted = matrix_to_6d(first.rotmats)
    starts: list[tuple[Tensor, Tensor, float]] = []
    if warm is not None:
        starts.append((state.rotation, first.rotmats, 0.0))
    for angle, handicap in first.facings:
        turned = _turned(first.rotmats, first.up, angle)
        starts.append((matrix_to_6d(turned), turned, handicap))
    if warm is not None:
        held = ~movable[None, :, None, None]
        starts = [(torch.where(held, state.rotation, r), t, h) for r, t, h in starts]
    if len(starts) < 2:
        return None
    people, tries = lifted.shape[0], len(starts)
    rotation = torch.cat([r for r, _, _ in starts])
    owner = torch.arange(people).repeat(tries)
    return Hypotheses(
        state=replace(
            state,
            betas=state.betas.repeat(tries, 1),
            rotation=rotation,
            placement=state.placement.repeat(tries, 1, 1),
        ),
        owner=owner,
        pose_target=torch.cat([t for _, t, _ in starts]),
        handicap=torch.tensor([h for _, _, h in starts]).repeat_interleave(people),
        first=torch.arange(people),
    )


def _turned(rotmats: Tensor, up: Tensor, angle: float) -> Tensor:
    """Every body turned about the vertical through its pelvis."""
    if angle == 0.0:
        return rotmats
    turn = axis_angle_to_matrix(up / up.norm() * angle)
    return torch.cat([(turn @ rotmats[:, :, 0])[:, :, None], rotmats[:, :, 1:]], dim=2)


def _notes(problem: FitProblem, scene: Scene, first: Start3D) -> tuple[str, ...]:
    notes = [
        "Gravity as the camera's world has it, floor estimated."
        if scene.gravity == "known"
        else "Gravity and floor estimated."
    ]
    heights = problem.constraints.heights
    if not any(h is not None for h in heights):
        notes.append(
            "No height stated: sizes come from the population, so depths may be off by 5 %."
        )
    return (*notes, *first.notes)
