"""What a fit takes from its start: who is behind whom, who stands, which shapes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.body.smpl import BodyModel
from engine.config import FitConfig, TermWeights
from engine.fit import start
from engine.fit.evidence import STANDING_HEIGHT
from engine.fit.problem import FitProblem
from engine.fit.solver import solve
from engine.fit.start import Start, prepare
from engine.perception.initialization import Start3D
from engine.structures import Constraints, ContactLabel, DepthOrder, FrameRange
from tests.engine.fit.conftest import Scene, run, two_people

FRAMES = 16
CONFIG = FitConfig(weights=TermWeights(penetration=0.0), joint_steps=30, contact_rounds=1)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return two_people(frames=FRAMES, noise=2.0)


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load("open-body", "1k2")


@pytest.fixture(scope="module")
def problem(scene: Scene) -> FitProblem:
    return FitProblem(scene.observations, K=scene.camera.K)


@pytest.fixture(scope="module")
def first(problem: FitProblem, body: BodyModel) -> Start3D:
    return start.initialize(problem.observations, problem.K, body)


def begun(problem: FitProblem, body: BodyModel, first: Start3D, monkeypatch) -> Start:
    """The fit's start where `first` is what is seen of the people."""
    monkeypatch.setattr(start, "initialize", lambda *_, **__: first)
    return prepare(problem, body, FitConfig())


def depth_between(problem: FitProblem) -> float:
    """Metres by which the fit puts the second person behind the first."""
    result = run(solve(problem, CONFIG))
    T, motion = result.camera.T_camera_world, result.motion
    depth = np.einsum("fij,pfj->pfi", T[:, :3, :3], motion.transl)[..., 2]
    return float(np.median(depth[1] - depth[0]))


def test_bodies_keep_the_depth_between_them_that_was_seen(problem, body, first, monkeypatch):
    fits = []
    for metres in (-0.25, 0.25):
        together = first.seen_together.clone()
        together[1, :, 2] = together[0, :, 2] + metres
        seen = replace(first, seen_together=together)
        begin = begun(problem, body, seen, monkeypatch)
        (pair,) = begin.evidence.behind
        assert pair.metres.numpy() == pytest.approx(metres, abs=0.06)
        fits.append(depth_between(problem))
    assert fits[1] - fits[0] > 0.05


def test_where_a_person_said_more_it_counts_for_nothing(problem, body, first, monkeypatch):
    said = Constraints(
        depth_orders=(DepthOrder(1, 0, FrameRange(0, 4)),),
        contacts=(ContactLabel(0, "left_palm", 1, "right_palm", FrameRange(10, 12)),),
    )
    begin = begun(replace(problem, constraints=said), body, first, monkeypatch)
    (pair,) = begin.evidence.behind
    silent = [*range(4), 10, 11]
    assert not pair.weight[silent].any()
    assert pair.weight.sum() == FRAMES - len(silent)


def test_people_who_were_placed_alone_say_nothing_of_each_other(problem, body, first, monkeypatch):
    alone = replace(first, seen_together=None)
    assert begun(problem, body, alone, monkeypatch).evidence.behind == ()


def test_feet_in_the_air_do_not_stand(problem, body, first, monkeypatch):
    """The second person is carried."""
    standing = begun(problem, body, first, monkeypatch)
    assert (standing.evidence.on_feet > 0.5).all()
    pelvis = first.pelvis.clone()
    pelvis[1] += 0.5 * first.up
    carried = begun(problem, body, replace(first, pelvis=pelvis), monkeypatch)
    assert (carried.evidence.on_feet[0] > 0.5).all()
    assert (carried.evidence.on_feet[1] < 0.01).all()
    assert not carried.evidence.standing[1].gt(0.01).any()
    floors = [float(begin.state.floor) for begin in (standing, carried)]
    assert floors[1] == pytest.approx(floors[0], abs=STANDING_HEIGHT)


def test_shapes_that_are_known_replace_those_that_were_seen(problem, body, first, monkeypatch):
    known = np.full((2, 10), 0.4, np.float32)
    begin = begun(replace(problem, betas=known), body, first, monkeypatch)
    assert begin.state.betas.numpy() == pytest.approx(known)


def test_shapes_begin_at_the_mean_but_for_stated_heights(problem, body, first, monkeypatch):
    said = replace(problem, constraints=Constraints(heights=(None, 1.8)))
    begin = begun(said, body, first, monkeypatch)
    assert not begin.state.betas[0].any()
    assert torch.equal(begin.state.betas[1], first.betas[1])
    smaller = first.pelvis[0, :, 2] / begin.state.placement[0, :, 2].exp()
    assert (smaller - smaller.mean()).abs().max() < 0.02, "moved along the rays"
