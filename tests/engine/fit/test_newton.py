"""Second-order descent: derivatives in closed form, factors of bands, and where it ends."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.body.smpl import BodyModel
from engine.config import FitConfig, TermWeights
from engine.fit.banded import Bands, Factor
from engine.fit.curvature import Look, curvature
from engine.fit.evidence import gather
from engine.fit.jacobian import FREEDOM, TURNS, Jacobian, moved, upright
from engine.fit.newton import Moves, Point, descend, newton_step
from engine.fit.objective import Behind, Evidence, objective
from engine.fit.state import Anchor, FitState, Posed, pose
from engine.fit.walls import Walls, step_beside
from engine.geometry.rotations import axis_angle_to_matrix, matrix_to_6d
from engine.perception.initialization import Start3D
from engine.structures import Constraints, Observations
from tests.engine.fit.conftest import level_camera
from tests.engine.fit.conftest import run as done

PEOPLE, FRAMES = 2, 5
EVERY = torch.ones(FRAMES, dtype=torch.bool)
SMOOTH = FitConfig(
    weights=TermWeights(floor=0.0, skating=0.0, limits=0.0, gravity=0.0, focal=0.0, height=0.0)
)
"""Terms whose second derivatives are known at the truth."""


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load("open-body", "1k2")


def some_rotations() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return axis_angle_to_matrix(0.3 * torch.randn(PEOPLE, FRAMES, 24, 3, generator=generator))


def some_state(rotmats: Tensor) -> FitState:
    place = torch.tensor([[-0.1, 0.0, 1.4], [0.15, 0.05, 1.5]])[:, None].expand(-1, FRAMES, -1)
    return FitState(
        betas=torch.linspace(-1, 1, 20).reshape(2, 10),
        rotation=matrix_to_6d(rotmats),
        placement=place.clone(),
        log_focal=torch.tensor(0.1),
        up=torch.tensor([0.0, -1.0, 0.0]),
        floor=torch.tensor(1.0),
    )


@pytest.fixture(scope="module")
def rotmats() -> Tensor:
    return some_rotations()


@pytest.fixture(scope="module")
def state(rotmats: Tensor) -> FitState:
    return some_state(rotmats)


def a_direction(seed: int = 0) -> Tensor:
    return torch.randn(PEOPLE, FRAMES, FREEDOM, generator=torch.Generator().manual_seed(seed))


def test_joints_keypoints_and_skin_move_as_autograd_says(body, state, rotmats):
    posed, way = pose(state, body, Anchor()), a_direction()
    jacobian = Jacobian(state, posed)
    vertices = torch.tensor([[3, 500, 900], [7, 8, 1100]])
    share = torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    frame, normal = torch.tensor([1, 4]), torch.tensor([[0.0, 0.6, 0.8], [1.0, 0.0, 0.0]])

    def points(move: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        now = pose(moved(state, rotmats, move), body, Anchor())
        skin = now.surfaces(torch.arange(FRAMES))[1, frame[:, None], vertices]
        along = ((skin * share[..., None]).sum(1) * normal).sum(-1)
        return now.joints, now.keypoints_camera, along, now.rotation

    _, expected = torch.func.jvp(points, (torch.zeros_like(way),), (way,))
    found = jacobian.along(jacobian.skin(vertices, share, 1, frame), normal)
    turns = way[..., :72].unflatten(-1, (24, 3))
    for value, truth in zip(
        (
            torch.einsum("pfnij,pfj->pfni", jacobian.joints, way),
            torch.einsum("pfnij,pfj->pfni", jacobian.keypoints, way),
            (found * way[1, frame]).sum(-1),
            torch.einsum("pfjab,pfjb->pfja", jacobian.sixd, turns),
        ),
        expected,
        strict=True,
    ):
        torch.testing.assert_close(value, truth, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("frames", [1, 2, 3, 6, 7])
def test_bands_are_solved_as_the_whole_matrix_is(frames: int):
    size, generator = 4, torch.Generator().manual_seed(frames)
    lower = torch.randn(frames * size, frames * size, generator=generator)
    whole = (lower @ lower.T + 60 * torch.eye(frames * size)).unflatten(0, (frames, size))
    whole = whole.unflatten(2, (frames, size)).transpose(1, 2)
    for row in range(frames):
        for column in range(frames):
            whole[row, column] *= abs(row - column) <= 2
    lag = [torch.stack([whole[i, i + k] for i in range(frames - k)]) if frames > k
           else torch.zeros(0, size, size) for k in range(3)]  # fmt: skip
    matrix = Bands(*lag).freed(torch.ones(frames, size), torch.zeros(size))
    right, rows = (torch.randn(frames, size, generator=generator) for _ in range(2))
    looked_at = torch.arange(frames).flip(0)
    for with_rows in (False, True):
        if with_rows:
            matrix = matrix.plus(looked_at, rows)
            for row, frame in zip(rows, looked_at, strict=True):
                whole[frame, frame] += torch.outer(row, row)
        factor = done(Factor.of(matrix))
        dense = whole.transpose(1, 2).reshape(frames * size, -1)
        expected = torch.linalg.solve(dense, right.flatten()).reshape(frames, size)
        solved = factor.backward_solve(factor.forward_solve(right))
        torch.testing.assert_close(solved, expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(factor.forward(solved), factor.forward_solve(right))


def seen_exactly(body: BodyModel, state: FitState) -> tuple[Evidence, Posed]:
    """Evidence that nothing of a state contradicts."""
    posed, camera = pose(state, body, Anchor()), level_camera(FRAMES, pitch=0.0)
    K = torch.tensor(camera.K, dtype=torch.float32)
    K[:2, :2] *= state.log_focal.exp()
    pixels = posed.keypoints_camera @ K.T
    observations = Observations(
        keypoints2d=(pixels[..., :2] / pixels[..., 2:]).double().numpy(),
        confidence=torch.ones(PEOPLE, FRAMES, 26).double().numpy(),
        layout="halpe26",
        boxes=torch.tensor([[0.0, 0, 1, 1], [2.0, 2, 3, 3]])[:, None]
        .expand(-1, FRAMES, -1)
        .numpy(),
        times=torch.arange(FRAMES).double().numpy() / 30,
        image_size=(1280, 720),
    )
    first = Start3D(
        rotmats=posed.rotmats,
        pelvis=posed.body.joints[:, :, 0],
        betas=state.betas,
        up=state.up,
        variance=torch.full((PEOPLE, FRAMES, 24), 0.1),
        facings=(0.0,),
        seen_together=posed.body.joints[:, :, 0],
    )
    said = Constraints()
    return gather(observations, said, first, state, body, camera.K, state.up, SMOOTH), posed


def standing_still() -> FitState:
    """People of mean shape who do not move."""
    state = some_state(some_rotations())
    return replace(
        state,
        rotation=state.rotation[:, :1].expand_as(state.rotation).clone(),
        betas=torch.zeros_like(state.betas),
    )


@pytest.fixture(scope="module")
def still() -> FitState:
    return standing_still()


def test_where_nothing_is_contradicted_the_matrix_holds_the_second_derivatives(body, still):
    evidence, posed = seen_exactly(body, still)
    assert isinstance(evidence.behind[0], Behind)
    look = Look(posed, Jacobian(still, posed), evidence, SMOOTH, Anchor())
    bands, rotmats = done(curvature(look)), posed.rotmats

    def cost(move: Tensor) -> Tensor:
        now = pose(moved(still, rotmats, move), body, Anchor())
        return torch.stack(list(objective(now, evidence, SMOOTH).values())).sum()

    for seed in range(3):
        way = a_direction(seed)
        _, product = torch.autograd.functional.vhp(cost, torch.zeros_like(way), way)
        flat = way.transpose(0, 1).flatten(1)
        found = torch.einsum("fi,fij,fj->", flat, bands.here, flat)
        found = found + 2 * torch.einsum("fi,fij,fj->", flat[:-1], bands.next, flat[1:])
        found = found + 2 * torch.einsum("fi,fij,fj->", flat[:-2], bands.after, flat[2:])
        assert float(found) == pytest.approx(float((product * way).sum()), rel=2e-3)


def test_people_who_were_moved_a_little_are_found_again_in_a_few_steps(body, still):
    evidence, truth = seen_exactly(body, still)
    off = upright(moved(still, truth.rotmats, 0.01 * a_direction(5)))
    begun = pose(off, body, Anchor())
    jacobian = Jacobian(off, begun)
    bands = done(curvature(Look(begun, jacobian, evidence, SMOOTH, Anchor())))
    moves = Moves(off, begun, jacobian, EVERY)

    def cost(now: FitState) -> dict[str, Tensor]:
        posed = pose(now, body, Anchor())
        return {"all": torch.stack(list(objective(posed, evidence, SMOOTH).values())).sum()}

    begin = moves.at(moves.zeros(), cost)
    model = done(newton_step(moves, bands, begin, Walls.none(begun.transl)))
    steps = [step for step in descend(moves, cost, begin, model, 8) if step is not None]
    costs = [step.costs["all"] for step in steps]
    assert costs == sorted(costs, reverse=True)
    assert steps[-1].way < 1e-3 < 0.01 < steps[0].way
    assert costs[-1] < 0.01 * float(cost(off)["all"])


def test_whole_people_step_where_they_would_if_nobody_could_be_bent(body, state):
    """The small matrix of places alone, beside walls, against the large one with turns held."""
    posed = pose(state, body, Anchor())
    generator = torch.Generator().manual_seed(4)
    rows = torch.randn(400, FRAMES, 2 * FREEDOM, generator=generator).transpose(0, 1)
    bands = Bands.zeros(FRAMES, 2 * FREEDOM)
    bands.here += rows.mT @ rows
    bands.next += 0.1 * (rows[1:].mT @ rows[:-1])
    walls = Walls(
        torch.tensor([0, 3, 3]),
        30 * torch.randn(3, 2, FREEDOM, generator=generator),
        torch.tensor([1.0, 0.5, -0.1]),
    )
    pulled = torch.randn(FRAMES, 2 * FREEDOM, generator=generator)
    places = torch.arange(2 * FREEDOM) % FREEDOM >= TURNS
    moves = Moves(state, posed, Jacobian(state, posed), EVERY, whole=True)
    begin = Point(0.0, pulled[:, places], {}, state)
    _, small = done(newton_step(moves, bands, begin, walls))

    def factored(matrix: Bands) -> Generator[None, None, Factor]:
        return Factor.of(matrix)

    free = places.float().expand(FRAMES, -1)
    matrix = bands.freed(free, torch.full((2 * FREEDOM,), 100.0))
    _, large = done(step_beside(matrix, pulled, walls, free, factored))
    torch.testing.assert_close(small, large[:, places], atol=1e-6, rtol=1e-4)
    assert not large[:, ~places].any() and small.abs().max() > 1e-3


@pytest.mark.parametrize("whole", [False, True])
def test_what_is_held_stays_exactly_where_it_is(body, state, whole: bool):
    posed = pose(state, body, Anchor())
    movable = torch.tensor([False, True, False, True, False])
    moves = Moves(state, posed, Jacobian(state, posed), movable, whole=whole)
    there = moves.at(torch.ones_like(moves.zeros()), lambda now: {"turns": now.rotation.sum()})
    changed = (there.state.placement != state.placement).any(-1).any(0)
    assert changed.tolist() == movable.tolist()
    bent = ((there.state.rotation - state.rotation).abs() > 1e-6).flatten(2).any(-1).any(0)
    assert bent.tolist() == ([False] * FRAMES if whole else movable.tolist())
