"""The prior in the middle of a fit: asked again, or fine-tuned to the clip."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest
import torch

from engine.body.smpl import BodyModel
from engine.config import FitConfig, TermWeights
from engine.errors import WeightError
from engine.fit import prior_stage, start
from engine.fit.labels import Labels
from engine.fit.prior_stage import Look
from engine.fit.problem import FitProblem
from engine.fit.setting import Setting
from engine.fit.solver import solve
from engine.fit.state import FitState
from engine.perception import initialization
from engine.perception.initialization import shipped_prior
from engine.structures import FitProgress, Observations
from tests.engine.fit.conftest import Scene, run, two_people

BODY = BodyModel.load("open-body", "1k2")
CONFIG = FitConfig(prior="deep", deep_steps=4)
Result = TypeVar("Result")


def begun(
    scene: Scene, config: FitConfig = CONFIG, body: BodyModel = BODY
) -> tuple[Setting, FitState, Look | None]:
    """A fit that has not moved yet."""
    return of_observations(scene.observations, scene, config, body)


def of_observations(
    observations: Observations, scene: Scene, config: FitConfig, body: BodyModel = BODY
) -> tuple[Setting, FitState, Look | None]:
    problem = FitProblem(observations, K=scene.camera.K)
    begin = start.prepare(problem, body, config)
    setting = Setting(
        body=body, evidence=begin.evidence, anchor=begin.scene.anchor, movable=begin.movable,
        config=config, labels=Labels(body, (), begin.movable),
        shape_free=True, up_free=True, floor_free=True, focal_free=False,
    )  # fmt: skip
    return setting, begin.state, prior_stage.look(begin.told, begin.K, setting)


def silent(*_: object) -> FitProgress:
    return FitProgress("", 0.0, None)


def tuned(setting: Setting, state: FitState, look: Look | None) -> Setting:
    assert look is not None
    work: Generator[FitProgress | None, None, Setting] = prior_stage.deep(
        setting, state, look, silent
    )
    return run(work)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return two_people(frames=16, noise=3.0)


@pytest.mark.parametrize(
    ("frames", "fps"),
    [(1, 30.0), (7, 30.0), (33, 30.0), (80, 60.0), (31, 15.0), (101, 30.0)],
    ids=["one", "short", "odd", "other rate", "slow", "more than a window"],
)
def test_clips_of_any_length_and_rate(frames: int, fps: float) -> None:
    """Windows are the network's, losses the clip's: neither knows the other's length."""
    setting, state, look = begun(two_people(frames=frames, fps=fps, noise=3.0),
                                 replace(CONFIG, deep_steps=2))  # fmt: skip
    found = tuned(setting, state, look).evidence
    assert found.pose_target.shape == (2, frames, 24, 3, 3)
    assert found.pose_weight.shape == (2, frames, 24)
    unit = found.pose_target.mT @ found.pose_target
    assert torch.allclose(unit, torch.eye(3).expand_as(unit), atol=1e-4)
    first, second = found.behind
    assert first is setting.evidence.behind[0], "what the start said still counts"
    assert second.metres.shape == (frames,)
    assert not torch.equal(found.pose_target, setting.evidence.pose_target)


def test_tuning_brings_the_keypoints_nearer(scene: Scene) -> None:
    setting, state, look = begun(scene, replace(CONFIG, deep_steps=12))
    assert look is not None
    costs: list[dict[str, float]] = []

    def heard(_: str, terms: dict[str, float], *rest: object) -> FitProgress:
        costs.append(terms)
        return FitProgress("", 0.0, None)

    short = replace(setting, config=replace(setting.config, deep_steps=10))
    long = replace(setting, config=replace(setting.config, deep_steps=30))
    for one in (short, long):
        run(prior_stage.deep(one, state, look, heard))
    assert costs[-1]["reprojection"] < 0.9 * costs[0]["reprojection"]
    assert "pose" not in costs[0] and "behind" not in costs[0], "the network itself is the prior"


def test_the_prior_itself_is_not_changed_and_the_answer_is_the_same_every_time(
    scene: Scene,
) -> None:
    setting, state, look = begun(scene)
    before = [p.detach().clone() for p in shipped_prior().parameters()]
    first, again = (tuned(setting, state, look).evidence for _ in range(2))
    assert torch.equal(first.pose_target, again.pose_target)
    after = shipped_prior().parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_copy_of_the_prior_shares_no_storage_with_it() -> None:
    prior = shipped_prior()
    mine = {p.data_ptr() for p in prior.parameters()}
    assert mine.isdisjoint(p.data_ptr() for p in prior.copy().parameters())


def test_where_nobody_is_seen_for_a_while_gradients_are_numbers() -> None:
    scene = two_people(frames=140, noise=3.0)
    scene.observations.confidence[:, 20:120] = 0.0
    setting, state, look = begun(scene, replace(CONFIG, deep_steps=2))
    found = tuned(setting, state, look).evidence
    assert not torch.equal(found.pose_target, setting.evidence.pose_target)
    assert bool(found.pose_target.isfinite().all()) and bool(found.pose_weight.isfinite().all())


@pytest.mark.parametrize("people", [1, 3])
def test_people_who_are_not_two_are_each_looked_at_alone(scene: Scene, people: int) -> None:
    seen, rows = scene.observations, [0, 1, 0][:people]
    some = replace(
        seen, keypoints2d=seen.keypoints2d[rows], confidence=seen.confidence[rows],
        boxes=seen.boxes[rows],
    )  # fmt: skip
    setting, state, look = of_observations(some, scene, CONFIG)
    found = tuned(setting, state, look).evidence
    assert found.pose_target.shape[0] == people and found.behind == ()


@pytest.mark.parametrize("level", [0, 20, 99])
def test_denoised_bodies_are_a_new_opinion_and_always_the_same(scene: Scene, level: int) -> None:
    config = replace(CONFIG, prior="denoise", denoise_level=level, denoise_draws=2)
    setting, state, look = begun(scene, config)
    assert look is not None
    first, again = (prior_stage.denoised(setting, state, look).evidence for _ in range(2))
    assert torch.equal(first.pose_target, again.pose_target)
    assert not torch.equal(first.pose_target, setting.evidence.pose_target)
    assert torch.equal(first.behind[1].weight, setting.evidence.behind[0].weight)
    angle = 0.5 * (first.pose_target - setting.evidence.pose_target).square().sum((-1, -2))
    assert float(angle.mean()) < 0.5, "still the same people"


def test_more_noise_leaves_less_of_the_bodies(scene: Scene) -> None:
    """Of bodies that were turned round, a little noise leaves them so; the keypoints turn them
    back once nothing of them is left."""
    errors = []
    for level in (2, 99):
        config = replace(CONFIG, prior="denoise", denoise_level=level, denoise_draws=1)
        setting, state, look = begun(scene, config)
        assert look is not None
        spun = state.rotation.clone()
        spun[:, :, 0] = -spun[:, :, 0]  # half a turn about the axis that is left
        found = prior_stage.denoised(setting, replace(state, rotation=spun), look).evidence
        apart = (found.pose_target - setting.evidence.pose_target)[:, :, 0]
        errors.append(float(apart.square().sum((-1, -2)).mean()))
    assert errors[0] > 2 * errors[1]


def test_a_prior_that_only_starts_a_fit_is_not_asked_again(scene: Scene) -> None:
    assert begun(scene, replace(CONFIG, prior="start"))[2] is None


def test_without_weights_a_fit_goes_on_as_it_can(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise WeightError("no weights")

    monkeypatch.setattr(initialization, "_prior", missing)
    assert begun(scene)[2] is None


@pytest.mark.parametrize("prior", ["denoise", "deep"])
def test_a_whole_fit_tells_of_it_and_ends(scene: Scene, prior: str) -> None:
    config = FitConfig(
        placement_steps=5, hypothesis_steps=5, joint_steps=10, consulted_steps=5, deep_steps=10,
        contact_rounds=1, contact_steps=2, prior=prior, weights=TermWeights(penetration=0.0),
    )  # type: ignore[arg-type]  # fmt: skip
    stages, work = [], solve(FitProblem(scene.observations, K=scene.camera.K), config)
    while True:
        try:
            stages.append(next(work).stage)
        except StopIteration as stop:
            result = stop.value
            break
    assert ("Tuning the prior" in stages) == (prior == "deep")
    assert np.isfinite(result.motion.transl).all() and result.motion.valid.all()
