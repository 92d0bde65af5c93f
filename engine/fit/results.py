"""From the solver's tensors back to frozen values in a gravity-aligned world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float

from engine.appearance.evidence import PictureEvidence
from engine.body.smpl import BodyModel
from engine.errors import EngineError
from engine.fit.closeness import closeness
from engine.fit.clothes import CORRELATED
from engine.fit.diagnostics import diagnose, kept_outside, project_keypoints
from engine.fit.identity import followed, propose_swaps, propose_swaps_in
from engine.fit.problem import FitProblem
from engine.fit.start import Start
from engine.fit.state import Anchor, FitState, Posed, pose
from engine.geometry.camera import undistorted_pixels, world_from_up
from engine.geometry.rotations import matrix_to_axis_angle
from engine.perception.mask_order import Masks, ordered_masks
from engine.structures import (
    BodyMotion,
    Camera,
    Diagnostics,
    FitResult,
    FrameRange,
    Outcome,
    Provenance,
    SwapProposal,
)

ADVICE = {
    Outcome.CONVERGED: "",
    Outcome.STEP_LIMIT: "The fit was still improving when its steps ran out; re-fit to go on.",
    Outcome.DIVERGED: "The fit did not hold together; check the keypoints and identities first.",
    Outcome.CANCELLED: "",
}


@dataclass(frozen=True)
class Solved:
    """The clip after a window of it was solved."""

    motion: BodyMotion
    camera: Camera
    outcome: Outcome
    notes: tuple[str, ...]
    avatars: Mapping[int, bytes] = field(default_factory=dict)
    """By person, as the appearance branch learnt them; empty where it is off."""
    pictures: Mapping[int, PictureEvidence] = field(default_factory=dict)
    """By the first frame of the window, what the pictures said of it in the end."""


def _world(begin: Start, state: FitState, posed: Posed) -> Float[np.ndarray, "F 4 4"]:
    """T_camera_world of the window: as given, or from the estimated gravity and floor."""
    scene = begin.scene
    if scene.T_camera_world is not None:
        return scene.T_camera_world
    up = posed.up.numpy().astype(np.float64)
    pelvises = scene.anchor(posed.body.joints[:, :, :1])
    middle = pelvises.mean((0, 1, 2)).numpy().astype(np.float64)
    on_floor = middle - up * (middle @ up + float(state.floor))
    return np.asarray(scene.T_camera_anchor @ world_from_up(up, on_floor))


@torch.no_grad()
def motion_and_camera(
    begin: Start, problem: FitProblem, state: FitState, body: BodyModel
) -> tuple[BodyMotion, Camera]:
    """The whole clip as it stands: the window from the state, the rest from the warm start."""
    posed = pose(state, body, Anchor())
    T = _world(begin, state, posed)
    R_world_camera = torch.tensor(T[:, :3, :3], dtype=torch.float32).mT
    t = torch.tensor(T[:, :3, 3], dtype=torch.float32)
    root = torch.einsum("fij,pfjk->pfik", R_world_camera, posed.rotmats[:, :, 0])
    local = torch.cat([root[:, :, None], posed.rotmats[:, :, 1:]], dim=2)
    axis_angle = matrix_to_axis_angle(local).numpy()
    pelvis = torch.einsum("fij,pfj->pfi", R_world_camera, posed.body.joints[:, :, 0] - t)
    transl = (pelvis - body.rest_joints(state.betas)[:, None, 0]).numpy()
    motion = _blank(begin, problem, state, body)
    inside, part = begin.movable.numpy(), begin.frames.as_slice()
    provenance = np.where(begin.seen, Provenance.FITTED, Provenance.INFILLED).astype(np.uint8)
    for name, value in (
        ("global_orient", axis_angle[:, :, 0]),
        ("body_pose", axis_angle[:, :, 1:]),
        ("transl", transl),
        ("valid", np.ones_like(begin.seen)),
        ("provenance", provenance),
    ):
        getattr(motion, name)[:, part][:, inside] = value[:, inside]
    camera = problem.camera
    whole = np.broadcast_to(T[:1], (motion.frame_count, 4, 4)).copy()
    given = camera is not None and begin.scene.T_camera_world is not None
    if camera is not None and (given or problem.camera_found):
        whole = camera.T_camera_world.copy()
    if not given:
        whole[part] = T
    distortion = np.zeros(5) if camera is None else camera.distortion
    return motion, Camera(
        K=_intrinsics(begin, state),
        image_size=problem.observations.image_size,
        T_camera_world=whole,
        focal_source=begin.focal_source,
        distortion=distortion,
    )


def _blank(begin: Start, problem: FitProblem, state: FitState, body: BodyModel) -> BodyMotion:
    """A copy of the warm start to write into, or an empty motion of the clip's length."""
    warm, observations = problem.warm_start, problem.observations
    people, frames = observations.person_count, observations.frame_count
    gravity = begin.scene.gravity
    betas = state.betas.numpy().astype(np.float64)
    if problem.betas is not None:
        known = problem.betas[:, : betas.shape[1]]
        betas[:, : known.shape[1]] = known  # to the last digit: the solver computes in float32
    if warm is not None:
        arrays = ("global_orient", "body_pose", "transl", "valid", "provenance")
        copies = {name: getattr(warm, name).copy() for name in arrays}
        return replace(warm, betas=betas if begin.shape_free else warm.betas, **copies)
    return BodyMotion(
        body=body.name,
        betas=betas,
        global_orient=np.zeros((people, frames, 3)),
        body_pose=np.zeros((people, frames, 23, 3)),
        transl=np.zeros((people, frames, 3)),
        valid=np.zeros((people, frames), bool),
        provenance=np.zeros((people, frames), np.uint8),
        time=np.asarray(observations.times, np.float64),
        gravity=gravity,
    )


def _intrinsics(begin: Start, state: FitState) -> Float[np.ndarray, "3 3"]:
    K = begin.K.copy()
    K[:2, :2] *= float(state.log_focal.exp())
    return K


def _focal_note(camera: Camera) -> str:
    said = {
        "file": "from the file",
        "user": "as stated",
        "assumed": "assumed and adjusted to the people",
    }
    return f"Focal length {camera.K[0, 0]:.0f} px, {said[camera.focal_source]}."


def _masks(problem: FitProblem, motion: BodyMotion, camera: Camera) -> Masks | None:
    """Of the frames that were solved, divided by whose body is in front."""
    frames = _part(problem)
    return ordered_masks(problem.observations, motion, camera, range(frames.start, frames.stop))


def _part(problem: FitProblem) -> FrameRange:
    """The frames that were to be solved."""
    return problem.frames or FrameRange(0, problem.observations.frame_count)


def _swaps(problem: FitProblem, body: BodyModel, solved: Solved) -> tuple[SwapProposal, ...]:
    """People who are probably exchanged. Of a part of a clip only the joints are asked, those of
    the frames around it too."""
    if problem.frames is not None:
        return propose_swaps_in(problem.observations, problem.frames)
    pictures = {(0, 1): _seen_exchanged(problem, body, solved)} if solved.pictures else None
    try:
        return propose_swaps(problem.observations, problem.video, evidence=pictures)
    except EngineError:  # a fit is worth keeping also where its video has gone or is damaged
        return propose_swaps(problem.observations, evidence=pictures)


def _seen_exchanged(problem: FitProblem, body: BodyModel, solved: Solved) -> Float[np.ndarray, "F"]:
    """Nats by which avatars say that the first two rows of the observations are exchanged."""
    said = np.zeros(solved.motion.frame_count)
    for start, seen in solved.pictures.items():
        nats = np.nan_to_num(seen.cost_as_is - seen.cost_exchanged)
        said[start : start + len(nats)] = nats
    projected = project_keypoints(solved.motion, solved.camera, body).astype(np.float64)
    flat = undistorted_pixels(problem.observations.keypoints2d, solved.camera)
    observations = replace(problem.observations, keypoints2d=flat)
    return CORRELATED * followed(observations, projected, (0, 1)) * said


def _diagnostics(
    problem: FitProblem,
    body: BodyModel,
    solved: Solved,
    swaps: tuple[SwapProposal, ...],
) -> Diagnostics:
    """Of the whole clip; where a part was solved and the rest is known, of that part anew."""
    notes = (_focal_note(solved.camera), *solved.notes)
    before = problem.diagnostics
    part = None if before is None else problem.frames
    found = diagnose(
        solved.motion, solved.camera, problem.observations, problem.constraints, body, notes,
        swaps=swaps, part=part,
    )  # fmt: skip
    return found if before is None or part is None else kept_outside(found, before, part)


@torch.no_grad()
def result(problem: FitProblem, body: BodyModel, solved: Solved, seconds: float) -> FitResult:
    """The last window's bodies are those of the whole clip; they are diagnosed once."""
    motion, camera = solved.motion, solved.camera
    swaps = _swaps(problem, body, solved)
    return FitResult(
        motion=motion,
        camera=camera,
        diagnostics=_diagnostics(problem, body, solved, swaps),
        outcome=solved.outcome,
        advice=ADVICE[solved.outcome],
        appearance=solved.avatars,
        swaps=swaps,
        proxemics=closeness(motion, camera, problem.observations, body, _part(problem)),
        masks=_masks(problem, motion, camera),
        provenance={
            "solver": "both branches" if solved.avatars else "motion branch",
            "body": body.name,
            "seconds": f"{seconds:.2f}",
        },
    )
