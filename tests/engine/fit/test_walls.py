"""Steps beside what costs nothing on one side."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.fit import interaction
from engine.fit import walls as module
from engine.fit.banded import Bands, Factor
from engine.fit.interaction import Memory, PenetrationTerm, Surfaces
from engine.fit.jacobian import FREEDOM, Jacobian, moved
from engine.fit.state import Anchor, FitState, pose
from engine.fit.walls import Walls, step_beside, walls_of
from engine.geometry.hits import depth_of, find_hits, to_one_side
from engine.geometry.rotations import axis_angle_to_matrix, matrix_to_6d
from tests.engine.fit.conftest import run as done

FRAMES, SIZE = 3, 2 * FREEDOM


def factored(matrix: Bands) -> Generator[None, None, Factor]:
    return Factor.of(matrix)


def unit_matrix() -> Bands:
    """A matrix that is the identity."""
    none = Bands.zeros(FRAMES, SIZE)
    return none.freed(torch.ones(FRAMES, SIZE), torch.ones(SIZE))


def one_wall(value: float, stiff: float, frame: int = 1) -> Walls:
    row = torch.zeros(1, 2, FREEDOM)
    row[0, 0, 0] = stiff
    return Walls(torch.tensor([frame]), row, torch.tensor([value * stiff]))


def step(walls: Walls, gradient: Tensor, free: Tensor | None = None) -> Tensor:
    free = torch.ones(FRAMES, SIZE) if free is None else free
    _, found = done(step_beside(unit_matrix(), gradient, walls, free, factored))
    return found


def pull(strength: float) -> Tensor:
    gradient = torch.zeros(FRAMES, SIZE)
    gradient[1, 0] = -strength
    return gradient


def test_a_step_ends_at_the_wall_that_it_would_have_run_through():
    assert float(step(Walls.none(torch.zeros(2, FRAMES, 3)), pull(1.0))[1, 0]) == 1.0
    assert float(step(one_wall(-0.4, 100.0), pull(1.0))[1, 0]) == pytest.approx(0.4, abs=1e-3)


def test_a_wall_does_not_draw_back_what_has_left_it():
    """Behind it by 0.4, and pulled out of it by 1 anyway."""
    walls = one_wall(0.4, 100.0)
    gradient = pull(-1.0)
    gradient[1, 0] += 0.4 * 100.0 * 100.0  # of the wall itself, where the step begins
    assert float(step(walls, gradient)[1, 0]) == pytest.approx(-1.0, abs=1e-4)


def test_what_is_held_does_not_move_out_of_a_wall():
    free = torch.ones(FRAMES, SIZE)
    free[1] = 0
    gradient = pull(0.0)
    gradient[1, 0] = 0.4 * 100.0
    assert not step(one_wall(0.4, 10.0), gradient, free).any()


def test_the_step_is_where_the_model_costs_least():
    generator = torch.Generator().manual_seed(2)
    row = torch.randn(12, 2, FREEDOM, generator=generator)
    frame = torch.arange(12) % FRAMES
    value = torch.randn(12, generator=generator) - 0.3
    gradient = torch.randn(FRAMES, SIZE, generator=generator)
    counting = value > 0
    flat = row.flatten(1)
    with_walls = gradient.index_add(0, frame[counting], flat[counting] * value[counting, None])
    found = step(Walls(frame, row, value), with_walls).requires_grad_()
    model = (gradient * found).sum() + 0.5 * found.square().sum()
    met = (value + (flat * found[frame]).sum(1)).clamp_min(0)
    (slope,) = torch.autograd.grad(model + 0.5 * met.square().sum(), found)
    assert float(slope.abs().max()) < 1e-4


@pytest.mark.parametrize("seed", range(5))
def test_every_further_solution_costs_less(seed: int, monkeypatch: pytest.MonkeyPatch):
    """So many stiff walls that a solution which counts some runs far into others."""
    generator = torch.Generator().manual_seed(seed)
    frame = torch.arange(120) % FRAMES
    walls = Walls(
        frame,
        20 * torch.randn(120, 2, FREEDOM, generator=generator),
        20 * (torch.randn(120, generator=generator) - 0.5),
    )
    rows = walls.row.flatten(1)
    gradient = 5 * torch.randn(FRAMES, SIZE, generator=generator)
    met = walls.value.clamp_min(0)
    begin = gradient.index_add(0, frame, met[:, None] * rows)
    costs = [0.5 * float(met.square().sum())]
    for count in range(1, 6):
        monkeypatch.setattr(module, "SOLUTIONS", count)
        found = step(walls, begin)
        now = (walls.value + (rows * found[frame]).sum(1)).clamp_min(0)
        smooth = (gradient * found).sum() + 0.5 * found.square().sum()
        costs.append(float(smooth + 0.5 * now.square().sum()))
    assert costs[1] < costs[0]
    assert all(b <= a + 1e-3 * abs(a) for a, b in pairwise(costs))


def test_ways_out_turn_less_than_the_faces_do(meeting):
    """Points close to the surface, and the same ones with one of the people 3 mm higher."""
    state, surfaces, body = meeting
    plain, smooth = [], []
    for shift in (0.0, 0.003):
        lift = torch.tensor([[[0.0, 0.0, 0.0]], [[0.0, shift, 0.0]]])
        posed = pose(replace(state, placement=state.placement + lift), body, Anchor())
        skins = posed.surfaces(torch.arange(2), surfaces._body).numpy()
        hit = find_hits(list(skins), np.arange(2), surfaces._search)[0]
        hit = hit.kept(depth_of(hit, list(torch.from_numpy(skins))).abs() < 0.005)
        names = (hit.frame * 10000 + hit.vertex).tolist()
        for ways, found in ((plain, hit), (smooth, surfaces._rounded(hit, skins))):
            ways.append(dict(zip(names, found.outwards, strict=True)))

    def turned(ways: list[dict[int, Tensor]]) -> float:
        both = ways[0].keys() & ways[1].keys()
        cosine = torch.stack([(ways[0][name] * ways[1][name]).sum() for name in both])
        return float(torch.quantile(cosine.clamp(-1, 1).acos(), 0.9))

    assert turned(plain) > 1.5 * turned(smooth)


def test_points_are_not_sent_to_and_fro_between_leaving_and_waiting(meeting):
    state, surfaces, body = meeting
    posed = pose(state, body, Anchor())
    skins = posed.surfaces(torch.arange(2), surfaces._body).numpy()
    joints, every = posed.body.joints.numpy(), np.arange(2)
    found = find_hits(list(skins), every, surfaces._search)[0]
    runs = [every], 4.0
    leaving = to_one_side(found, joints, runs, surfaces._search)
    assert 0 < len(leaving.frame) < len(found.frame)
    memory = Memory()
    assert not memory.bias(found).any()
    memory.keep(skins, memory.stale(skins, every), [found])
    memory.decide(found, leaving)
    bias = memory.bias(found)
    assert (bias > 0).sum() == len(leaving.frame) and (bias < 0).any()
    again = to_one_side(found, joints, runs, surfaces._search, bias=bias)
    torch.testing.assert_close(again.vertex, leaving.vertex)
    everybody = to_one_side(found, joints, runs, surfaces._search, bias=np.full(len(bias), 2.0))
    assert len(everybody.frame) == len(found.frame), "what was to leave by far is not held up"


@pytest.fixture(scope="module")
def meeting() -> tuple[FitState, Surfaces, BodyModel]:
    """Two people who stand in each other, on one mesh, and what looks for it on a finer one."""
    generator = torch.Generator().manual_seed(0)
    rotmats = axis_angle_to_matrix(0.2 * torch.randn(2, 2, 24, 3, generator=generator))
    state = FitState(
        betas=torch.zeros(2, 10),
        rotation=matrix_to_6d(rotmats),
        placement=torch.tensor([[0.0, 0.0, 1.1], [0.04, 0.0, 1.14]])[:, None].repeat(1, 2, 1),
        log_focal=torch.tensor(0.0),
        up=torch.tensor([0.0, -1.0, 0.0]),
        floor=torch.tensor(1.0),
    )
    fine = BodyModel.load("open-body", "2k5")
    return state, Surfaces(fine, (), FitConfig()), BodyModel.load("open-body", "1k2")


def test_walls_push_as_penetration_does(meeting):
    state, surfaces, body = meeting
    posed, movable, time = pose(state, body, Anchor()), torch.ones(2).bool(), torch.tensor([1.0, 2])
    found = done(surfaces.correspondences(posed, movable, Memory()))
    term = PenetrationTerm(surfaces, found, time)

    def cost(move: Tensor) -> Tensor:
        return term(pose(moved(state, posed.rotmats, move), body, Anchor()))["penetration"]

    move = torch.zeros(2, 2, FREEDOM, requires_grad=True)
    (slope,) = torch.autograd.grad(cost(move), move)
    walls = walls_of([term, object()], posed, Jacobian(state, posed))
    deep = walls.value.clamp_min(0)
    assert float(deep.max()) > 0 > float(walls.value.min())
    expected = torch.zeros(2, 2, FREEDOM).index_add(0, walls.frame, deep[:, None, None] * walls.row)
    torch.testing.assert_close(
        slope.transpose(0, 1), expected, rtol=2e-3, atol=2e-3 * float(slope.abs().max())
    )


def test_walls_of_a_part_are_counted_from_its_first_frame():
    walls = Walls.together([one_wall(0.1, 1.0, frame) for frame in range(5)])
    part = walls.within(slice(2, 4))
    assert part.frame.tolist() == [0, 1]
    np.testing.assert_array_equal(part.value.numpy(), walls.value[2:4].numpy())


def test_penetration_that_weighs_nothing_has_no_walls(meeting):
    state, _, body = meeting
    weights = replace(FitConfig().weights, penetration=0.0)
    none = Surfaces(BodyModel.load("open-body", "2k5"), (), FitConfig(weights=weights))
    posed = pose(state, body, Anchor())
    found = done(none.correspondences(posed, torch.ones(2).bool(), Memory()))
    term = PenetrationTerm(none, found, torch.ones(2))
    assert not len(walls_of([term], posed, Jacobian(state, posed)).frame)


def test_what_was_found_stays_while_nobody_moves_and_goes_when_bodies_part(
    meeting, monkeypatch: pytest.MonkeyPatch
):
    """Looked at by themselves: without what was decided about points before."""
    monkeypatch.setattr(interaction, "LOYALTY", 0.0)
    state, surfaces, body = meeting
    movable, memory = torch.ones(2).bool(), Memory()
    one, other = (
        replace(state, placement=state.placement + shift * torch.eye(2)[1][:, None, None])
        for shift in (0.0, 1.0)
    )
    first_apart = replace(
        one, placement=torch.cat([other.placement[:, :1], one.placement[:, 1:]], 1)
    )
    looked_at = []
    for now in (one, one, first_apart, other):
        posed = pose(now, body, Anchor())
        found = done(surfaces.correspondences(posed, movable, memory))
        again = done(surfaces.correspondences(posed, movable, Memory()))
        assert len(found.inside) == len(again.inside)
        for kept, anew in zip(found.inside, again.inside, strict=True):
            assert torch.equal(kept.hit.vertex, anew.hit.vertex)
            assert torch.equal(kept.hit.outwards, anew.hit.outwards)
        cost = surfaces.cost(posed, found, torch.ones(2))
        looked_at.append((found.frames.tolist(), float(cost["penetration"]) if cost else 0.0))
    assert [frames for frames, _ in looked_at] == [[0, 1], [0, 1], [1], []]
    assert looked_at[1][1] > looked_at[2][1] > looked_at[3][1] == 0.0
