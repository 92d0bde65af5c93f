"""Captured motion onto the open body: shapes from bone lengths, then poses from joints.

The captured skeleton and the body disagree about where a joint is, and their rest poses differ a
little, so that copying rotations misplaces hands by centimetres. Here the betas are those whose
bones are as long as the captured ones (least squares, with a prior), and the poses are turned from
the captured ones until the body's joints meet the captured joints, with as little change from
frame to frame as that allows. Long motion is solved in windows that overlap, so that memory does
not grow with its length; the betas belong to all of it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import least_squares
from torch import Tensor

from engine.body.data import OPEN_BODY
from engine.body.joints import SMPL_JOINTS
from engine.body.smpl import BodyModel
from engine.errors import InputError
from engine.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from engine.motion.captured import SURE, CapturedMotion
from engine.structures import BodyMotion, FrameRange, Provenance

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
WINDOW, OVERLAP = 480, 24
"""Frames solved at a time, and frames over which one window fades into the next."""
_LENGTHS = (
    "left_hip left_knee", "right_hip right_knee", "left_knee left_ankle",
    "right_knee right_ankle", "pelvis neck", "left_shoulder right_shoulder",
    "left_shoulder left_elbow", "right_shoulder right_elbow", "left_elbow left_wrist",
    "right_elbow right_wrist",
)  # fmt: skip
_PAIRS = np.array([[SMPL_JOINTS.index(j) for j in pair.split()] for pair in _LENGTHS])


@dataclass(frozen=True)
class Retargeted:
    motion: BodyMotion
    """World of the capture, its floor at y = 0."""
    error_m: Float[np.ndarray, "P F"]
    """Mean distance of the body's joints to the captured ones: shoulders, elbows, wrists, hips,
    knees, ankles, neck and pelvis, as far as the format has them."""


@dataclass(frozen=True)
class SolvingProgress:
    stage: str
    fraction: float
    remaining_seconds: float | None = None


def retarget(
    captured: CapturedMotion, shape_seed: int = 0, shape_spread: float = 0.7
) -> Retargeted:
    """`solving`, run to its end."""
    work = solving(captured, shape_seed, shape_spread)
    while True:
        try:
            next(work)
        except StopIteration as stop:
            solved: Retargeted = stop.value
            return solved


def solving(
    captured: CapturedMotion, shape_seed: int = 0, shape_spread: float = 0.7
) -> Generator[SolvingProgress, None, Retargeted]:
    """Solve a captured motion onto the open body.

    `shape_spread` is the standard deviation of the betas before bone lengths are considered, so
    that one capture gives different people with (nearly) the same bones.
    """
    if not captured.valid.any() or not (captured.weights > 0).any():
        raise InputError(f"{captured.name} has no frame with known joints")
    model = BodyModel.load(OPEN_BODY, "1k2")
    people, frames = captured.poses.shape[:2]
    betas = torch.from_numpy(_shapes(model, captured, shape_seed, shape_spread))
    turned = np.empty((people, frames, 24, 3), np.float32)
    transl, miss = np.empty((people, frames, 3), np.float32), np.empty((people, frames))
    for window in _windows(frames):
        yield SolvingProgress("Solving poses", window.start / frames)
        part = window.as_slice()
        rotmats, place, joints = _solve(model, betas, _Window.of(captured, window))
        error = np.linalg.norm(joints - captured.joints[:, part], axis=-1)
        known = SURE & (captured.weights >= 1)
        fade = _fade(window)
        done = slice(window.start, window.start + len(fade))
        if len(fade):
            before = axis_angle_to_matrix(torch.from_numpy(turned[:, done]))
            share = torch.from_numpy(fade)[:, None, None]
            rotmats[:, : len(fade)] = _between(before, rotmats[:, : len(fade)], share)
            weight = fade[:, None]
            place[:, : len(fade)] = transl[:, done] * (1 - weight) + place[:, : len(fade)] * weight
        turned[:, part] = matrix_to_axis_angle(rotmats).numpy()
        transl[:, part], miss[:, part] = place, error[..., known].mean(axis=-1)
    poses = continuous(turned, captured.starts)
    motion = BodyMotion(
        body=OPEN_BODY,
        betas=betas.numpy(),
        global_orient=poses[:, :, 0],
        body_pose=poses[:, :, 1:],
        transl=transl,
        valid=np.repeat(captured.valid[None], people, axis=0),
        provenance=np.full((people, frames), Provenance.EDITED, np.uint8),
        time=np.arange(frames) / captured.fps,
        gravity="known",
    )
    return Retargeted(_on_the_floor(motion, model), miss)


def continuous(
    poses: Float[np.ndarray, "P F J 3"], starts: tuple[int, ...] = ()
) -> Float[np.ndarray, "P F J 3"]:
    """Axis-angle vectors of the same rotations, each the nearest to the frame before it.

    A rotation by the angle a about an axis is also one by a - 2 pi: a limb or a dancer that turns
    past half a turn would otherwise jump to the opposite axis. Angles stay below 2 pi.
    """
    result = poses.copy()
    first = set(starts)
    for frame in range(1, poses.shape[1]):
        if frame in first:
            continue
        now, before = result[:, frame], result[:, frame - 1]
        angle = np.linalg.norm(now, axis=-1, keepdims=True)
        turns = np.where(angle > 1e-6, 1 - 2 * np.pi / np.maximum(angle, 1e-6), 1)
        other = now * turns
        nearer = np.linalg.norm(other - before, axis=-1) < np.linalg.norm(now - before, axis=-1)
        result[:, frame] = np.where(nearer[..., None], other, now)
    return result


def body_mass_index(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "T 3"]) -> float:
    """Kilograms over squared metres of height, of a closed skin as dense as water."""
    a, b, c = vertices[faces.T]
    volume = float(np.einsum("ti,ti->", a, np.cross(b, c))) / 6
    return 1000 * volume / float(np.ptp(vertices[:, 1])) ** 2


def _shapes(
    model: BodyModel, captured: CapturedMotion, seed: int, spread: float
) -> Float[np.ndarray, "P 10"]:
    people = captured.person_count
    generator = np.random.default_rng([seed, 11])
    wanted = generator.normal(0, spread, (people, 10))
    stout = MEAN_MASS_INDEX + generator.normal(0, 2 * spread, (people,))
    joints = captured.joints[:, captured.valid]
    known = (captured.weights[_PAIRS] > 0).all(axis=1)
    rows = [
        _shape(model, _lengths(joints[p]), (wanted[p], float(stout[p])), known)
        for p in range(people)
    ]
    return np.stack(rows).astype(np.float32)


def _lengths(joints: Float[np.ndarray, "F 24 3"]) -> Float[np.ndarray, "L"]:
    bones = np.linalg.norm(joints[:, _PAIRS[:, 0]] - joints[:, _PAIRS[:, 1]], axis=-1)
    lengths: np.ndarray = np.median(bones, axis=0)
    return lengths


def _shape(
    model: BodyModel,
    lengths: Float[np.ndarray, "L"],
    looks: tuple[Float[np.ndarray, "10"], float],
    known: Bool[np.ndarray, "L"],
) -> Float[np.ndarray, "10"]:
    """Betas near those of `looks` and as stout as it says, with bones of the known lengths."""
    template, directions = model.J_template.numpy(), model.J_shapedirs.numpy()
    wanted, mass_index = looks

    def residual(betas: np.ndarray) -> np.ndarray:
        rest = template + directions @ betas
        bones = np.linalg.norm(rest[_PAIRS[:, 0]] - rest[_PAIRS[:, 1]], axis=-1)
        skin = model.v_template.numpy() + model.shapedirs.numpy() @ betas
        surplus = (body_mass_index(skin, model.data.faces) - mass_index) / MASS_SIGMA
        misses = ((bones - lengths) / BONE_SIGMA)[known]
        return np.concatenate([misses, betas - wanted, [surplus]])

    start = np.clip(wanted, -BETA_LIMIT + 0.1, BETA_LIMIT - 0.1)
    solved = least_squares(residual, start, bounds=(-BETA_LIMIT, BETA_LIMIT))
    return np.asarray(solved.x)


@dataclass(frozen=True)
class _Window:
    start: Float[Tensor, "P F 24 3 3"]
    target: Float[Tensor, "P F 24 3"]
    weights: Float[Tensor, "F 24"]
    """0 where the joint or the frame is not known."""
    follows: Float[Tensor, "G 1 1"]
    """1 where a frame follows from the one before it, 0 where a sequence begins."""

    @classmethod
    def of(cls, captured: CapturedMotion, frames: FrameRange) -> _Window:
        part = frames.as_slice()
        weights = captured.weights * captured.valid[part, None]
        target = np.where(weights[None, ..., None] > 0, captured.joints[:, part], 0)
        index = np.arange(frames.start + 1, frames.stop)
        follows = ~np.isin(index, captured.starts)
        poses = torch.from_numpy(np.ascontiguousarray(captured.poses[:, part], np.float32))
        return cls(
            axis_angle_to_matrix(poses),
            torch.from_numpy(target.astype(np.float32)),
            torch.from_numpy(weights.astype(np.float32)),
            torch.from_numpy(follows.astype(np.float32))[:, None, None],
        )


def _solve(
    model: BodyModel, betas: Tensor, window: _Window
) -> tuple[Float[Tensor, "P F 24 3 3"], Float[np.ndarray, "P F 3"], Float[np.ndarray, "P F 24 3"]]:
    """Local rotations, `transl` and joints."""
    with torch.no_grad():
        origin = torch.zeros(*window.start.shape[:2], 3)
        lacking = window.target - model.joints(betas, window.start, origin)
        share = window.weights[..., None] / window.weights.sum(dim=-1)[:, None, None].clamp_min(
            1e-6
        )
        first = (lacking * share).sum(dim=-2)
    place = first.contiguous().requires_grad_()
    turn = torch.zeros(*window.start.shape[:3], 3, requires_grad=True)
    weights = window.weights[..., None]
    optimiser = torch.optim.LBFGS(
        [turn, place], max_iter=ITERATIONS, history_size=10, line_search_fn="strong_wolfe"
    )

    def cost() -> Tensor:
        optimiser.zero_grad()
        joints = model.joints(betas, window.start @ axis_angle_to_matrix(turn), place)
        total = (weights * (joints - window.target) / JOINT_SIGMA).square().sum()
        total = total + (turn / TURN_SIGMA).square().sum()
        total = total + (window.follows * turn.diff(dim=1) / JITTER_SIGMA).square().sum()
        total.backward()
        return total

    optimiser.step(cost)
    with torch.no_grad():
        rotmats = window.start @ axis_angle_to_matrix(turn)
        joints = model.joints(betas, rotmats, place)
    return rotmats, place.detach().numpy(), joints.numpy()


def _windows(frames: int) -> Iterator[FrameRange]:
    """Windows of about equal length, each beginning `OVERLAP` frames before the last one ends."""
    count = max(1, -(-(frames - OVERLAP) // (WINDOW - OVERLAP)))
    bounds = np.linspace(0, max(frames - OVERLAP, 0), count + 1).round().astype(int)
    for start, stop in pairwise(bounds.tolist()):
        yield FrameRange(start, min(stop + OVERLAP, frames))


def _fade(window: FrameRange) -> Float[np.ndarray, "O"]:
    """How much the window counts in its first frames, which the one before has too."""
    count = min(OVERLAP, len(window)) if window.start else 0
    return ((np.arange(count) + 1) / (count + 1)).astype(np.float32)


def _between(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Rotations on the shortest way from the first to the second."""
    return first @ axis_angle_to_matrix(share * matrix_to_axis_angle(first.mT @ second))


def _on_the_floor(motion: BodyMotion, model: BodyModel) -> BodyMotion:
    """Shifted vertically so that the lowest soles touch y = 0.

    All people alike, and then each by up to `SOLE_ERROR`: how far a sole is below the ankle
    differs between the captured skeleton and the body.
    """
    lowest = np.concatenate(
        [
            _lowest(motion, model, slice(a, a + WINDOW))
            for a in range(0, motion.frame_count, WINDOW)
        ],
        axis=1,
    )[:, motion.valid[0]]
    shared = np.quantile(lowest.min(axis=0), 0.1)
    own = np.clip(np.quantile(lowest - shared, 0.1, axis=1), 0, SOLE_ERROR)
    shift = np.zeros((len(lowest), 1, 3), motion.transl.dtype)
    shift[:, 0, 1] = shared + own
    return replace(motion, transl=motion.transl - shift)


def _lowest(motion: BodyMotion, model: BodyModel, part: slice) -> Float[np.ndarray, "P F"]:
    poses = np.concatenate([motion.global_orient[:, part, None], motion.body_pose[:, part]], axis=2)
    with torch.no_grad():
        rotmats = axis_angle_to_matrix(torch.from_numpy(poses))
        transl = torch.from_numpy(np.ascontiguousarray(motion.transl[:, part]))
        posed = model.pose(torch.from_numpy(motion.betas), rotmats, transl)
        low: np.ndarray = posed.vertices()[..., 1].amin(dim=-1).numpy()
    return low
