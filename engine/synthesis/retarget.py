"""Captured motion onto the open body: shapes from bone lengths, then poses from joints.

The captured skeleton and the body disagree about where a joint is, and their rest poses differ a
little, so that copying rotations misplaces hands by centimetres. Here the betas are those whose
bones are as long as the captured ones (least squares, with a prior), and the poses are turned from
the captured ones until the body's joints meet the captured joints, with as little change from
frame to frame as that allows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.interpolate import PchipInterpolator
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation, RotationSpline
from torch import Tensor

from engine.body.data import OPEN_BODY
from engine.body.joints import SMPL_JOINTS
from engine.body.smpl import BodyModel
from engine.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from engine.structures import BodyMotion, Provenance
from engine.synthesis.motion_files import CapturedMotion

BONE_SIGMA = 0.01
"""Metres by which a bone may differ as easily as a beta by one standard deviation."""
BETA_LIMIT = 2.5
MEAN_MASS_INDEX, MASS_SIGMA = 22.0, 0.7
"""Body mass index of people who dance and wrestle, and by how much it may miss as easily as a beta
by one standard deviation. Bones alone leave girth open."""
TURN_SIGMA, JITTER_SIGMA, JOINT_SIGMA = 0.35, 0.03, 0.01
"""Radians that a rotation may leave the captured one, and may do so differently from one frame to
the next; metres that a joint may miss."""
ITERATIONS = 80
SOLE_ERROR = 0.04
"""Metres by which a person may be lowered to stand on the floor that the others stand on."""
_LENGTHS = (
    "left_hip left_knee", "right_hip right_knee", "left_knee left_ankle",
    "right_knee right_ankle", "pelvis neck", "left_shoulder right_shoulder",
    "left_shoulder left_elbow", "right_shoulder right_elbow", "left_elbow left_wrist",
    "right_elbow right_wrist",
)  # fmt: skip
_PAIRS = np.array([[SMPL_JOINTS.index(j) for j in pair.split()] for pair in _LENGTHS])
_UNSURE = (
    "spine1", "spine2", "spine3", "left_collar", "right_collar", "head", "left_foot",
    "right_foot", "left_hand", "right_hand",
)  # fmt: skip
_WEIGHTS = np.array([0.2 if name in _UNSURE else 1.0 for name in SMPL_JOINTS])
"""Joints in the trunk are interpolated in captures; heads, hands and feet end where each skeleton
says: their direction counts, not their place."""


@dataclass(frozen=True)
class Retargeted:
    motion: BodyMotion
    """World of the capture, its floor at y = 0."""
    error_m: Float[np.ndarray, "P F"]
    """Mean distance of the body's joints to the captured ones: shoulders, elbows, wrists, hips,
    knees, ankles, neck and pelvis."""


def retarget(
    captured: CapturedMotion, shape_seed: int = 0, shape_spread: float = 0.7
) -> Retargeted:
    """Solve a captured motion onto the open body.

    `shape_spread` is the standard deviation of the betas before bone lengths are considered, so
    that one capture gives different people with (nearly) the same bones.
    """
    model = BodyModel.load(OPEN_BODY, "1k2")
    people, frames = captured.poses.shape[:2]
    generator = np.random.default_rng([shape_seed, 11])
    wanted = generator.normal(0, shape_spread, (people, 10))
    stout = MEAN_MASS_INDEX + generator.normal(0, 2 * shape_spread, (people,))
    betas = np.stack(
        [_shape(model, captured.joints[p], wanted[p], float(stout[p])) for p in range(people)]
    ).astype(np.float32)
    target = torch.from_numpy(np.ascontiguousarray(captured.joints, np.float32))
    start = axis_angle_to_matrix(torch.from_numpy(np.ascontiguousarray(captured.poses, np.float32)))
    rotmats, transl = _solve(model, torch.from_numpy(betas), start, target)
    joints = model.joints(torch.from_numpy(betas), rotmats, transl)
    miss = (joints - target).norm(dim=-1).numpy()[..., _WEIGHTS == 1].mean(axis=-1)
    poses = matrix_to_axis_angle(rotmats).numpy()
    motion = BodyMotion(
        body=OPEN_BODY,
        betas=betas,
        global_orient=poses[:, :, 0],
        body_pose=poses[:, :, 1:],
        transl=transl.numpy(),
        valid=np.ones((people, frames), bool),
        provenance=np.full((people, frames), Provenance.EDITED, np.uint8),
        time=np.arange(frames) / captured.fps,
        gravity="known",
    )
    return Retargeted(_on_the_floor(motion, model), miss.astype(np.float64))


def resampled(solved: Retargeted, fps: float) -> Retargeted:
    """The same motion at another steady rate: see `at_times`."""
    time = np.arange(0, solved.motion.time[-1] + 0.5 / fps, 1 / fps)
    return at_times(solved, time[time <= solved.motion.time[-1] + 1e-9])


def at_times(solved: Retargeted, time: Float[np.ndarray, "T"]) -> Retargeted:
    """The motion at other times (seconds, within its own): rotations on cubic splines, places
    without overshoot."""
    motion = solved.motion
    if motion.frame_count < 2:
        return solved
    poses = np.concatenate([motion.global_orient[:, :, None], motion.body_pose], axis=2)
    people = len(poses)
    turned = np.stack(
        [
            [RotationSpline(motion.time, Rotation.from_rotvec(poses[p, :, j]))(time).as_rotvec()
             for j in range(24)]
            for p in range(people)
        ]
    ).transpose(0, 2, 1, 3)  # fmt: skip
    shape = (people, len(time))
    nearest = np.abs(time[:, None] - motion.time).argmin(axis=1)
    smooth = replace(
        motion,
        global_orient=turned[:, :, 0],
        body_pose=turned[:, :, 1:],
        transl=PchipInterpolator(motion.time, motion.transl, axis=1)(time),
        valid=np.ones(shape, bool),
        provenance=np.full(shape, Provenance.EDITED, np.uint8),
        time=time,
    )
    return Retargeted(smooth, solved.error_m[:, nearest])


def body_mass_index(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "T 3"]) -> float:
    """Kilograms over squared metres of height, of a closed skin as dense as water."""
    a, b, c = vertices[faces.T]
    volume = float(np.einsum("ti,ti->", a, np.cross(b, c))) / 6
    return 1000 * volume / float(np.ptp(vertices[:, 1])) ** 2


def _shape(
    model: BodyModel,
    joints: Float[np.ndarray, "F 24 3"],
    wanted: Float[np.ndarray, "10"],
    mass_index: float,
) -> Float[np.ndarray, "10"]:
    """Betas near `wanted` of a body so stout whose bones are as long as those of the joints."""
    lengths = np.median(
        np.linalg.norm(joints[:, _PAIRS[:, 0]] - joints[:, _PAIRS[:, 1]], axis=-1), axis=0
    )
    template, directions = model.J_template.numpy(), model.J_shapedirs.numpy()

    def residual(betas: np.ndarray) -> np.ndarray:
        rest = template + directions @ betas
        bones = np.linalg.norm(rest[_PAIRS[:, 0]] - rest[_PAIRS[:, 1]], axis=-1)
        skin = model.v_template.numpy() + model.shapedirs.numpy() @ betas
        surplus = (body_mass_index(skin, model.data.faces) - mass_index) / MASS_SIGMA
        return np.concatenate([(bones - lengths) / BONE_SIGMA, betas - wanted, [surplus]])

    start = np.clip(wanted, -BETA_LIMIT + 0.1, BETA_LIMIT - 0.1)
    solved = least_squares(residual, start, bounds=(-BETA_LIMIT, BETA_LIMIT))
    return np.asarray(solved.x)


def _solve(
    model: BodyModel, betas: Tensor, start: Tensor, target: Tensor
) -> tuple[Float[Tensor, "P F 24 3 3"], Float[Tensor, "P F 3"]]:
    rest = model.rest_joints(betas)
    turn = torch.zeros(*start.shape[:3], 3, requires_grad=True)
    place = (target[:, :, 0] - rest[:, None, 0]).contiguous().requires_grad_()
    weights = torch.from_numpy(_WEIGHTS.astype(np.float32))[:, None]
    optimiser = torch.optim.LBFGS(
        [turn, place], max_iter=ITERATIONS, history_size=10, line_search_fn="strong_wolfe"
    )

    def cost() -> Tensor:
        optimiser.zero_grad()
        joints = model.joints(betas, start @ axis_angle_to_matrix(turn), place)
        total = (weights * (joints - target) / JOINT_SIGMA).square().sum()
        total = total + (turn / TURN_SIGMA).square().sum()
        total = total + (turn.diff(dim=1) / JITTER_SIGMA).square().sum()
        total.backward()
        return total

    optimiser.step(cost)
    with torch.no_grad():
        return start @ axis_angle_to_matrix(turn), place.detach()


def _on_the_floor(motion: BodyMotion, model: BodyModel) -> BodyMotion:
    """Shifted vertically so that the lowest soles touch y = 0.

    All people alike, and then each by up to `SOLE_ERROR`: how far a sole is below the ankle
    differs between the captured skeleton and the body.
    """
    with torch.no_grad():
        lowest = model.pose_of(motion).vertices()[..., 1].amin(dim=-1).numpy()
    shared = np.quantile(lowest.min(axis=0), 0.1)
    own = np.clip(np.quantile(lowest - shared, 0.1, axis=1), 0, SOLE_ERROR)
    shift = np.zeros((len(lowest), 1, 3), motion.transl.dtype)
    shift[:, 0, 1] = shared + own
    return replace(motion, transl=motion.transl - shift)
