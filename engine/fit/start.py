"""Where a fit begins: evidence, camera, first bodies and the hypotheses about them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.errors import InputError
from engine.fit.evidence import first_floor, gather, standing_evidence
from engine.fit.hypotheses import Hypotheses, hypotheses, placement_of
from engine.fit.objective import Evidence
from engine.fit.problem import FitProblem
from engine.fit.scene import Scene, held, scene_of, upright
from engine.fit.state import FitState
from engine.fit.trust import believed
from engine.fit.window import (
    cut,
    cut_constraints,
    only,
    shapes_held,
    shots_apart,
    window_of,
)
from engine.geometry.camera import assumed_intrinsics, undistorted_pixels
from engine.geometry.rotations import axis_angle_to_matrix, matrix_to_6d, sixd_to_matrix
from engine.perception.initialization import Start3D, initialize, with_bodies, with_shapes
from engine.perception.plugins import load
from engine.structures import (
    Camera,
    Constraints,
    ContactLabel,
    FocalSource,
    FrameRange,
    Observations,
)

SMOOTHING_SECONDS = 0.06
"""Standard deviation of the Gaussian over time that the first bodies are smoothed with."""


CAMERA_MOVES = "The camera moves", "The camera may move", "The camera shakes"
"""How perception begins its sentences about a camera that does not stand."""
HEIGHT_HELD = 0.01
"""Metres by which a body that is held may differ from its stated height without a word."""


@dataclass(frozen=True)
class Start:
    """A window of the clip, ready to be solved."""

    frames: FrameRange
    """Frames of the clip that the window covers, held context included."""
    movable: Bool[Tensor, "F"]
    evidence: Evidence
    told: Observations
    """What the prior was shown: undistorted, and trusted as people said."""
    scene: Scene
    state: FitState
    hypotheses: Hypotheses
    labels: tuple[ContactLabel, ...]
    K: Float[np.ndarray, "3 3"]
    focal_source: FocalSource
    shape_free: bool
    focal_free: bool
    seen: Bool[np.ndarray, "P F"]
    notes: tuple[str, ...]


def undistorted_edits(constraints: Constraints, camera: Camera) -> Constraints:
    """Joints that people placed, on the pinhole's pixels as the detected ones are."""
    edits = constraints.keypoint_edits
    if not edits or not camera.distortion.any():
        return constraints
    placed = undistorted_pixels(np.array([[edit.x, edit.y] for edit in edits]), camera)
    return replace(
        constraints,
        keypoint_edits=tuple(
            replace(edit, x=float(x), y=float(y))
            for edit, (x, y) in zip(edits, placed, strict=True)
        ),
    )


def prepare(problem: FitProblem, body: BodyModel, config: FitConfig) -> Start:
    """Cut out the window, lift it to 3D, and lay out what the solver needs."""
    frames, movable, warm = window_of(problem, config)
    constraints = cut_constraints(problem.constraints, frames)
    observations = shots_apart(cut(problem.observations, frames))
    K, focal_source = _intrinsics(problem)
    camera = problem.camera
    if camera is not None:
        pixels = undistorted_pixels(observations.keypoints2d, replace(camera, K=K))
        observations = replace(observations, keypoints2d=pixels.astype(np.float64))
        constraints = undistorted_edits(constraints, replace(camera, K=K))
    told = believed(observations, constraints)
    first = initialize(told, K, body, heights=constraints.heights, proxemics=constraints.proxemics)
    first = with_shapes(first, body, _first_shapes(problem, first, body))
    if problem.initial is not None:
        first = with_bodies(first, problem.initial, frames.as_slice(), config.initializer)
    first = _smoothed(first, observations.times)
    continued = held(movable, warm)
    kept = continued or shapes_held(problem)
    scene = scene_of(problem, frames, first.up, continued)
    state = _first_state(first, scene.up, body, problem, frames, warm)
    evidence = gather(observations, constraints, first, state, body, K, scene.up, config)
    floor = scene.floor
    if floor is None:
        floor = float(first_floor(state, body, scene.anchor, evidence))
    state = replace(state, floor=torch.tensor(floor))
    return Start(
        frames=frames,
        movable=movable,
        evidence=standing_evidence(evidence, state, body, scene.anchor),
        told=told,
        scene=scene,
        state=state,
        hypotheses=hypotheses(with_shapes(first, body, state.betas), state, warm, movable),
        labels=constraints.contacts,
        K=K,
        focal_source=focal_source,
        shape_free=not kept and problem.betas is None,
        focal_free=not kept and focal_source == "assumed" and scene.gravity == "estimated",
        seen=(evidence.weight.sum(-1) > 1).numpy(),
        notes=(
            *_notes(problem, scene, first),
            *(_kept_heights(evidence, state) if kept else ()),
        ),
    )


def oriented(problem: FitProblem, body: BodyModel) -> FitProblem:
    """The problem in a world with y up, where its camera's world has an axis that points up."""
    if problem.camera is None or problem.warm_start is not None:
        return problem
    said = problem.constraints.heights
    shots = shots_apart(problem.observations)
    first = initialize(shots, problem.camera.K, body, heights=said)
    camera = upright(problem.camera, first.up.numpy().astype(np.float64))
    if camera is None:
        return replace(problem, gravity_known=False)
    return replace(problem, camera=camera)


def initialized(problem: FitProblem, config: FitConfig) -> FitProblem:
    """The problem with first bodies by the plugin that the configuration names.

    It is asked once, for the frames that the fit will look at: elsewhere it is shown nobody.
    """
    if problem.video is None:
        raise InputError(
            f"The body initialiser {config.initializer!r} needs the video and was given none",
            advice="Say which video the observations are of.",
        )
    K, _ = _intrinsics(problem)
    frames, _, _ = window_of(problem, config)
    observations = only(problem.observations, frames)
    with load("body_initializer", config.initializer) as plugin:
        bodies = plugin.initialize(problem.video, observations, K)
    return replace(problem, initial=bodies)


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


def _first_shapes(problem: FitProblem, first: Start3D, body: BodyModel) -> Float[Tensor, "P B"]:
    """Shapes that were stated, or come with the bodies of an initialiser; else what the start says
    of those whose height was stated. Of others 2D says less than that people are alike."""
    betas = torch.zeros_like(first.betas)
    given = problem.betas
    if given is None and problem.initial is not None and problem.body.startswith("smpl-"):
        given = problem.initial.betas
    if given is not None:
        given = given[:, : betas.shape[1]]
        betas[:, : given.shape[1]] = torch.tensor(given, dtype=torch.float32)
        return betas
    for person, height in enumerate(problem.constraints.heights[: len(betas)]):
        if height is not None:
            betas[person] = first.betas[person]
    return betas


def _first_state(
    first: Start3D,
    up: Tensor,
    body: BodyModel,
    problem: FitProblem,
    frames: FrameRange,
    warm: np.ndarray | None,
) -> FitState:
    betas = first.betas
    rotation = matrix_to_6d(first.rotmats)
    pelvis, start = first.pelvis, problem.warm_start
    if start is not None and (warm is not None or shapes_held(problem)):
        betas = torch.tensor(start.betas, dtype=torch.float32)
    if warm is not None and start is not None:
        warm_rotation, warm_pelvis = _warm_bodies(problem, frames, body, betas)
        keep = torch.from_numpy(warm)[None, :, None]
        rotation = torch.where(keep[..., None], warm_rotation, rotation)
        pelvis = torch.where(keep, warm_pelvis, pelvis)
    return FitState(
        betas=betas,
        rotation=rotation,
        placement=placement_of(pelvis),
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


def _smoothed(first: Start3D, times: np.ndarray) -> Start3D:
    """The start without its jitter, which the preconditioned descent would be slow to remove."""
    distance = (times[:, None] - times[None]) / SMOOTHING_SECONDS
    kernel = np.exp(-0.5 * distance**2)
    weights = torch.tensor(kernel / kernel.sum(axis=1, keepdims=True), dtype=torch.float32)
    sixd = torch.einsum("fg,pgji->pfji", weights, matrix_to_6d(first.rotmats))
    together = first.seen_together
    return replace(
        first,
        rotmats=sixd_to_matrix(sixd),
        pelvis=weights @ first.pelvis,
        seen_together=None if together is None else weights @ together,
    )


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
    unknown = problem.camera is None or problem.camera_found
    if unknown and any(note.startswith(CAMERA_MOVES) for note in problem.observations.notes):
        notes.append(
            "The camera moves and is taken to stand still, as no path of it is known: where people "
            "go and how fast is wrong by its own motion. Import its path, and fit again."
        )
    return (*notes, *first.notes)


def _kept_heights(evidence: Evidence, state: FitState) -> tuple[str, ...]:
    """Where a stated height has to wait, because frames that hold still hold the shapes too."""
    bodies = evidence.height_of(state.betas).tolist()
    return tuple(
        f"Person {person + 1} was stated to be {stated:.2f} m tall and stays {height:.2f} m: "
        "frames that hold still keep their shape. Fit the whole clip to change it."
        for person, (stated, height) in enumerate(
            zip(evidence.heights.tolist(), bodies, strict=True)
        )
        if abs(stated - height) > HEIGHT_HELD
    )
