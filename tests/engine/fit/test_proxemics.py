"""What was said of how two people stand to each other is a term of the fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.body.smpl import BodyModel
from engine.config import FitConfig, TermWeights
from engine.fit import proxemics
from engine.fit.problem import FitProblem
from engine.fit.solver import solve
from engine.fit.state import Anchor, FitState, Posed, pose
from engine.fit.window import cut_constraints
from engine.geometry.rotations import axis_angle_to_matrix, matrix_to_6d
from engine.prior.proxemics import measured
from engine.prior.skeleton import HEAD
from engine.structures import (
    ZONES,
    Constraints,
    FitResult,
    FrameRange,
    Provenance,
    ProxemicsStatement,
)
from tests.engine.fit.conftest import run, two_people

FRAMES = 4
TIME = torch.ones(FRAMES, dtype=torch.float64)
BODY = BodyModel.load("open-body", "1k2")
QUICK = FitConfig(
    placement_steps=15, hypothesis_steps=10, joint_steps=30, contact_rounds=24,
    weights=TermWeights(penetration=0.0), prior="start",
)  # fmt: skip


def said(**what: object) -> ProxemicsStatement:
    return ProxemicsStatement(0, 1, FrameRange(0, FRAMES), **what)  # type: ignore[arg-type]


def pair(apart: float = 1.0, seed: int = 2) -> FitState:
    """Two upright people side by side before the camera, each in a pose of its own."""
    generator = torch.Generator().manual_seed(seed)
    turns = 0.2 * torch.randn(2, FRAMES, 24, 3, generator=generator)
    turns[:, :, 0] = torch.tensor([torch.pi, 0.0, 0.0])
    depth = torch.tensor([4.0, 4.3])
    x = torch.tensor([-apart / 2, apart / 2]) / depth
    placement = torch.stack([x, torch.zeros(2), depth.log()], -1)[:, None].expand(-1, FRAMES, -1)
    return FitState(
        betas=torch.zeros(2, 10),
        rotation=matrix_to_6d(axis_angle_to_matrix(turns)),
        placement=placement.clone(),
        log_focal=torch.tensor(0.0),
        up=torch.tensor([0.0, -1.0, 0.0]),
        floor=torch.tensor(0.0),
    )


def posed(state: FitState) -> Posed:
    return pose(state, BODY, Anchor())


def truth(bodies: Posed) -> ProxemicsStatement:
    """All that can be said of the first frame."""
    joints = bodies.joints[None]
    found = measured(joints[..., HEAD, :], joints[..., 0, :], bodies.forward[None], bodies.up[None])
    return ProxemicsStatement(
        0, 1, FrameRange(0, 1),
        zone=ZONES[int(found.zone[0, 0])],
        head_distance=float(found.head_distance[0, 0]),
        pelvis_distance=float(found.pelvis_distance[0, 0]),
        facing=(float(found.facing[0, 0, 0]), float(found.facing[0, 1, 0])),
    )  # fmt: skip


def test_nothing_is_paid_at_the_truth() -> None:
    bodies = posed(pair())
    assert float(proxemics.cost(bodies, (truth(bodies),), TIME.float())) == 0.0


def test_every_word_that_is_wrong_is_paid_for() -> None:
    bodies = posed(pair())
    right = truth(bodies)
    wrong = [
        replace(right, zone="public"),
        replace(right, head_distance=right.head_distance + 0.12),
        replace(right, pelvis_distance=right.pelvis_distance + 0.12),
        replace(right, facing=(right.facing[0] + 0.25, right.facing[1])),
        replace(right, facing=(right.facing[0], right.facing[1] + 0.25)),
    ]
    costs = [float(proxemics.cost(bodies, (one,), TIME.float())) for one in wrong]
    assert costs[1:] == pytest.approx([4.0] * 4, rel=1e-3)
    assert costs[0] > 100


def test_who_is_said_to_be_whom_does_not_matter() -> None:
    bodies = posed(pair())
    wrong = replace(truth(bodies), facing=(0.9, -0.3))
    other = replace(wrong, person_a=1, person_b=0, facing=(-0.3, 0.9))
    costs = [float(proxemics.cost(bodies, (one,), TIME.float())) for one in (wrong, other)]
    assert costs[0] == pytest.approx(costs[1])


@pytest.mark.parametrize(
    "what",
    [{"zone": "intimate"}, {"zone": "public"}, {"head_distance": 0.6}, {"pelvis_distance": 1.9},
     {"facing": (0.9, -0.8)}],
    ids=["nearer", "further", "heads", "pelvises", "facing"],
)  # fmt: skip
def test_the_gradient_is_that_of_the_cost(what: dict[str, object]) -> None:
    body, state = double(BODY), pair()
    rotation = state.rotation.double().requires_grad_()
    placement = state.placement.double().requires_grad_()

    def cost(rotation: torch.Tensor, placement: torch.Tensor) -> torch.Tensor:
        now = FitState(state.betas.double(), rotation, placement, state.log_focal.double(),
                       state.up.double(), state.floor.double())  # fmt: skip
        return proxemics.cost(pose(now, body, Anchor()), (said(**what),), TIME)

    assert torch.autograd.gradcheck(cost, (rotation, placement), atol=1e-4, fast_mode=True)


def double(body: BodyModel) -> BodyModel:
    names = [name for name, value in vars(body).items() if torch.is_tensor(value)]
    floats = {n: getattr(body, n).double() for n in names if getattr(body, n).is_floating_point()}
    return replace(body, **floats)


def test_only_distances_that_are_wrong_pull() -> None:
    bodies = posed(pair())
    right = truth(bodies)
    assert all(len(pull.frames) == 0 for pull in proxemics.pulls(bodies, (right,)))
    (pull,) = proxemics.pulls(bodies, (said(pelvis_distance=0.4),))
    assert pull.frames.tolist() == list(range(FRAMES))
    apart = bodies.body.joints[1, :, 0] - bodies.body.joints[0, :, 0]
    assert torch.allclose(pull.way, apart / apart.norm(dim=-1, keepdim=True), atol=1e-5)


def test_words_about_other_frames_are_left_out_of_a_window() -> None:
    words = [replace(said(zone="intimate"), frames=FrameRange(a, b)) for a, b in ((0, 5), (8, 20))]
    kept = cut_constraints(Constraints(proxemics=tuple(words)), FrameRange(10, 14)).proxemics
    assert [word.frames for word in kept] == [FrameRange(0, 4)]


# In a fit ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain() -> FitResult:
    return run(solve(problem(), QUICK))


def problem(**more: object) -> FitProblem:
    scene = two_people(frames=8, noise=2.0)
    told = Constraints(**more)  # type: ignore[arg-type]
    return FitProblem(scene.observations, camera=scene.camera, constraints=told)


def distances(fit: FitResult) -> np.ndarray:
    return fit.proxemics[0].head_distance


def test_a_stated_distance_moves_people_along_the_depth_that_they_are_uncertain_about(
    plain: FitResult,
) -> None:
    wanted = distances(plain).mean() + 0.35
    word = ProxemicsStatement(0, 1, FrameRange(0, 8), head_distance=float(wanted))
    fit = run(solve(problem(proxemics=(word,)), QUICK))
    assert np.abs(distances(fit) - wanted).max() < 0.06
    apart = [f.motion.transl[1] - f.motion.transl[0] for f in (plain, fit)]
    moved = np.abs(apart[1] - apart[0]).mean(axis=0)
    assert moved[2] > 3 * moved[0], "the camera looks along z"
    pixels = [np.nanmean(f.diagnostics.reprojection_px) for f in (plain, fit)]
    assert pixels[1] < pixels[0] + 1.5


def test_frozen_frames_stay_where_they_are(plain: FitResult) -> None:
    word = ProxemicsStatement(0, 1, FrameRange(0, 8), zone="social")
    held = problem(proxemics=(word,), frozen=(FrameRange(0, 3),))
    fit = run(solve(replace(held, warm_start=plain.motion, camera=plain.camera), QUICK))
    assert (plain.motion.provenance[:, :3] == Provenance.FITTED).all()
    np.testing.assert_array_equal(fit.motion.transl[:, :3], plain.motion.transl[:, :3])
    assert distances(fit)[-1] > distances(plain)[-1] + 0.1, "at once, though little else is run"
