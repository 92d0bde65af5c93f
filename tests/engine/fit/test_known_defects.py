"""Defects that published code for this method has had, on the side of motion: none comes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.body.smpl import BodyModel
from engine.config import FitConfig, TermWeights
from engine.fit import objective, rounds, stages, terms
from engine.fit.interaction import Surfaces
from engine.fit.labels import Labels
from engine.fit.problem import FitProblem
from engine.fit.setting import Setting
from engine.fit.solver import solve
from engine.fit.start import Start, prepare
from engine.fit.state import FitState, people, pose
from engine.fit.window import cut_constraints
from engine.structures import (
    Constraints,
    ContactLabel,
    DepthOrder,
    FrameRange,
    KeypointEdit,
    RunLengthMask,
    Trust,
)
from tests.engine.fit.conftest import Scene, run, two_people

CONFIG = FitConfig()


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load("open-body", "1k2")


@pytest.fixture(scope="module")
def scene() -> Scene:
    """People who stand in each other."""
    return two_people(frames=6, apart=0.2)


@pytest.fixture(scope="module")
def begin(scene: Scene, body: BodyModel) -> Start:
    return prepare(FitProblem(scene.observations, camera=scene.camera), body, CONFIG)


def setting_of(begin: Start, body: BodyModel, config: FitConfig = CONFIG) -> Setting:
    return Setting(
        body=body,
        evidence=begin.evidence,
        anchor=begin.scene.anchor,
        movable=begin.movable,
        config=config,
        labels=Labels(body, begin.labels, begin.movable),
        shape_free=False,
        up_free=False,
        floor_free=False,
        focal_free=False,
    )


def penetration(begin: Start, body: BodyModel, config: FitConfig) -> dict[str, torch.Tensor]:
    setting = setting_of(begin, body, config)
    surfaces = Surfaces(body, (), config)
    search, posed = stages._repel(setting, surfaces), setting.posed(begin.state)
    return run(rounds.looked(search, posed))(posed)


def test_penetration_is_weighted_by_more_than_nothing(begin: Start, body: BodyModel):
    """There it was computed and then weighted zero."""
    assert CONFIG.weights.penetration > 0
    costs = penetration(begin, body, CONFIG)
    assert float(costs["penetration"]) > 1
    twice_as_much = 2 * CONFIG.weights.penetration
    doubled = replace(CONFIG, weights=replace(CONFIG.weights, penetration=twice_as_much))
    twice = penetration(begin, body, doubled)
    assert float(twice["penetration"]) == pytest.approx(2 * float(costs["penetration"]))


@pytest.mark.parametrize("name", ["pose", "limits", "acceleration", "rotation", "floor", "skating"])
def test_what_weighs_nothing_is_not_computed(begin: Start, body: BodyModel, name: str):
    off = replace(CONFIG, weights=replace(CONFIG.weights, **{name: 0.0}))
    costs = objective.objective(setting_of(begin, body).posed(begin.state), begin.evidence, off)
    assert name not in costs


def test_without_penetration_nobody_looks_for_it(begin: Start, body: BodyModel):
    off = replace(CONFIG, weights=TermWeights(penetration=0.0))
    assert penetration(begin, body, off) == {}


def _told_to_the_fit(
    problem: FitProblem, monkeypatch: pytest.MonkeyPatch, body: BodyModel
) -> torch.Tensor:
    """The weights of keypoints (P, F, 26) that a whole fit works with."""
    kept = []

    def instead(told: FitProblem, *_: object) -> None:
        kept.append(prepare(told, body, CONFIG).evidence.weight)
        raise StopHereError

    monkeypatch.setattr("engine.fit.start.prepare", instead)
    with pytest.raises(StopHereError):
        run(solve(problem, CONFIG))
    return kept[0]


class StopHereError(Exception):
    """What was asked for is known."""


def test_a_joint_found_on_somebody_else_hardly_pulls(
    body: BodyModel, monkeypatch: pytest.MonkeyPatch
):
    """There keypoints were not gated by the people's masks."""
    apart = two_people(frames=4, apart=1.6)
    seen = apart.observations
    width, height = seen.image_size
    masks = []
    for row in seen.boxes:
        x0, y0, x1, y1 = row[0].astype(int)
        picture = np.zeros((height, width), bool)
        picture[max(0, y0 - 30) : y1 + 30, max(0, x0 - 30) : x1 + 30] = True
        masks.append((RunLengthMask.encode(picture),) * 4)
    pixels = seen.keypoints2d.copy()
    pixels[0, :, 9] = pixels[1, :, 9]
    wrong = replace(seen, keypoints2d=pixels)
    weight = [
        _told_to_the_fit(FitProblem(each, camera=apart.camera), monkeypatch, body)[:, :, 9]
        for each in (wrong, replace(wrong, masks=tuple(masks)))
    ]
    assert (weight[1][0] < 0.2 * weight[0][0]).all()
    torch.testing.assert_close(weight[1][1], weight[0][1])


def test_smoothness_is_of_neighbouring_frames_and_not_of_the_way_from_the_first():
    """There "velocity" was how far one was from where one was in the first frame."""
    step = torch.full((9,), 0.1)
    steady = torch.arange(10.0)[None, :, None].expand(1, 10, 3)
    assert terms.acceleration(steady, step).abs().max() < 1e-3
    feet = steady[..., None, :]
    speeds = terms.skating(feet, step)
    torch.testing.assert_close(speeds, speeds[:, :1].expand_as(speeds))
    jump = steady.clone()
    jump[:, 5:] += 1.0
    where = terms.acceleration(jump, step).abs().sum(-1)[0].nonzero()[:, 0].tolist()
    assert where == [3, 4], "one jump is felt beside it and nowhere else"


def test_every_tensor_of_a_window_is_as_long_as_the_window(body: BodyModel):
    """There tensors of a window met losses of the whole clip."""
    scene = two_people(frames=20, noise=1.0)
    said = Constraints(
        keypoint_edits=(KeypointEdit(0, 9, 9, 500.0, 300.0), KeypointEdit(1, 2, 9, 1.0, 1.0)),
        contacts=(ContactLabel(0, "left_palm", 1, "left_palm", FrameRange(6, 18)),),
        depth_orders=(DepthOrder(0, 1, FrameRange(0, 9)),),
        trust=(Trust(1, FrameRange(10, 20), 0.5),),
    )
    problem = FitProblem(
        scene.observations, camera=scene.camera, constraints=said, frames=FrameRange(8, 14)
    )
    begin = prepare(problem, body, CONFIG)
    evidence, count = begin.evidence, 6
    assert len(begin.movable) == count == evidence.frame_weight.shape[0] == len(evidence.step) + 1
    for name in ("observed", "weight", "edited", "noise_px", "pose_target", "pose_weight",
                 "standing", "on_feet"):  # fmt: skip
        assert getattr(evidence, name).shape[:2] == (2, count), name
    assert begin.state.rotation.shape[1] == begin.state.placement.shape[1] == count
    assert torch.nonzero(evidence.edited).tolist() == [[0, 1, 9]]
    for piece in (*begin.labels, *evidence.depth_orders):
        assert 0 <= piece.frames.start < piece.frames.stop <= count
    moved = cut_constraints(said, FrameRange(8, 14))
    assert moved.trust[0].frames == FrameRange(2, 6)
    costs = objective.objective(pose(begin.state, body, begin.scene.anchor), evidence, CONFIG)
    assert all(cost.shape == (2,) for cost in costs.values())


def test_moving_one_person_leaves_the_other_where_they_are(begin: Start, body: BodyModel):
    """There the latent tensors of both people were one storage."""
    state = begin.state
    for name in ("betas", "rotation", "placement"):
        value = getattr(state, name)
        assert 0 not in value.stride(), f"{name} repeats one person's memory"
    moves = {n: torch.zeros_like(getattr(state, n)) for n in ("betas", "rotation", "placement")}
    for move in moves.values():
        move[0] += 0.01
    other = replace(state, **{n: getattr(state, n) + move for n, move in moves.items()})
    before, after = (pose(each, body, begin.scene.anchor).joints for each in (state, other))
    torch.testing.assert_close(after[1], before[1], rtol=0, atol=0)
    assert (after[0] - before[0]).norm(dim=-1).min() > 1e-3


def test_one_person_twice_is_two_people_from_then_on(begin: Start):
    twice = people(begin.state, torch.tensor([0, 0]))
    assert isinstance(twice, FitState)
    twice.placement[0] += 1.0
    assert (twice.placement[1] != twice.placement[0]).all()
