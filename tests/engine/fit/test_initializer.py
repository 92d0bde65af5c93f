"""A fit that starts from a body initialiser's bodies instead of the prior's."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.errors import InputError, WeightError
from engine.fit.problem import FitProblem
from engine.fit.solver import solve
from engine.fit.start import initialized, prepare
from engine.geometry.rotations import axis_angle_to_matrix
from engine.perception import initialization
from engine.perception.initialization import initialize
from engine.perception.plugins import InitialBodies, PluginError
from engine.structures import FitProgress, FrameRange, VideoInfo
from tests.engine.fit.conftest import Scene, run, two_people

FRAMES = 20
HALF = 10
NAMED = FitConfig(initializer="hmr")
PLUGIN = """
from engine.perception.plugins import InitialBodies
asked = []
class Initializer:
    def initialize(self, video, observations, K):
        asked.append((video, observations, K))
        return bodies
"""


@pytest.fixture(scope="module")
def scene() -> Scene:
    return two_people(frames=FRAMES, noise=2.0)


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load("open-body", "1k2")


@pytest.fixture(scope="module")
def problem(scene: Scene) -> FitProblem:
    size = scene.camera.image_size
    video = VideoInfo("clip.mp4", *size, scene.observations.times, "0" * 64)
    return FitProblem(scene.observations, K=scene.camera.K, video=video)


@pytest.fixture(scope="module")
def bodies(scene: Scene) -> InitialBodies:
    """People who raise an arm, at the true pelvises, known in the first half of the frames."""
    T = scene.camera.T_camera_world
    pelvis = np.einsum("fij,pfj->pfi", T[:, :3, :3], scene.joints[:, :, 0]) + T[:, :3, 3]
    pose = np.zeros((2, FRAMES, 23, 3))
    pose[:, :, 15, 2] = 0.7
    orient = np.tile([np.pi, 0, 0], (2, FRAMES, 1)).astype(np.float64)
    valid = np.ones((2, FRAMES), bool)
    valid[:, HALF:] = False
    pelvis[~valid] = np.nan
    return InitialBodies(orient, pose, pelvis, valid)


@pytest.fixture
def plugin(install, bodies):
    """The plugin "hmr", which gives those bodies; its module tells what it was asked."""
    install("hmr_plugin", PLUGIN, {"dyad.body_initializers": {"hmr": "hmr_plugin:Initializer"}})
    import importlib

    module = importlib.import_module("hmr_plugin")
    module.bodies = bodies
    return module


def test_its_bodies_are_the_start_where_they_are_valid(problem, bodies, body):
    begin = prepare(replace(problem, initial=bodies), body, NAMED)
    lifted = prepare(problem, body, FitConfig())
    raised = axis_angle_to_matrix(torch.tensor([0, 0, 0.7]))
    target = begin.evidence.pose_target
    torch.testing.assert_close(target[:, :3, 16], raised.expand(2, 3, 3, 3), atol=0.01, rtol=0)
    torch.testing.assert_close(
        target[:, -3:], lifted.evidence.pose_target[:, -3:], atol=0.01, rtol=0
    )
    depth = torch.exp(begin.state.placement[:, :3, 2])
    np.testing.assert_allclose(depth, bodies.transl[:, :3, 2], rtol=0.01)
    assert torch.isfinite(begin.state.placement).all()


def test_it_is_believed_more_than_the_prior_is_of_what_it_cannot_see(problem, bodies, body):
    first = initialize(problem.observations, problem.K, body)
    given = initialization.with_bodies(first, bodies, slice(None), "hmr")
    assert (given.variance[:, :HALF] == initialization.GIVEN_VARIANCE).all()
    assert torch.equal(given.variance[:, HALF:], first.variance[:, HALF:])
    assert given.notes[-1] == "First bodies by hmr in 50% of people's frames."


def test_a_plugin_is_asked_once_with_the_video_and_the_intrinsics(problem, plugin):
    found = initialized(problem, NAMED)
    ((video, observations, K),) = plugin.asked
    assert video is problem.video and found.initial is not None
    np.testing.assert_array_equal(K, problem.K)
    np.testing.assert_array_equal(observations.boxes, problem.observations.boxes)


def test_for_a_part_it_is_shown_people_only_there(problem, plugin):
    initialized(replace(problem, frames=FrameRange(4, 8)), NAMED)
    _, observations, _ = plugin.asked[0]
    seen = np.isfinite(observations.boxes).all(axis=-1)
    assert seen[:, 4:8].all() and not seen[:, :4].any() and not seen[:, 8:].any()
    assert (observations.confidence[:, :4] == 0).all()
    assert np.isfinite(problem.observations.boxes).all(), "the clip's own are as they were"


def test_a_fit_by_name_says_what_it_waits_for_and_who_began(problem, plugin, monkeypatch):
    """Where there is no prior, too."""

    def missing() -> None:
        raise WeightError("prior.safetensors is missing")

    monkeypatch.setattr(initialization, "_prior", missing)
    quick = replace(
        NAMED, placement_steps=2, hypothesis_steps=2, joint_steps=2, contact_rounds=1,
        contact_steps=1,
    )  # fmt: skip
    steps = solve(problem, quick)
    first = next(steps)
    assert isinstance(first, FitProgress) and first.stage == "First bodies by hmr"
    result = run(steps)
    assert any("First bodies by hmr in 50%" in note for note in result.diagnostics.notes)
    assert len(plugin.asked) == 1


def test_betas_are_taken_only_by_a_body_of_smpls_shapes(problem, bodies, body):
    shaped = replace(bodies, betas=np.full((2, 10), 0.5))
    given = replace(problem, initial=shaped)
    assert (prepare(given, body, NAMED).state.betas == 0).all()
    smpl = prepare(replace(given, body="smpl-neutral"), body, NAMED)
    assert (smpl.state.betas == 0.5).all()


def test_without_the_video_there_is_nothing_to_look_at(problem, plugin):
    with pytest.raises(InputError, match="'hmr' needs the video"):
        run(solve(replace(problem, video=None), NAMED))


def test_a_video_of_another_length_is_refused(problem):
    longer = replace(problem.video, times=np.arange(40) / 30)
    with pytest.raises(InputError, match="not of this video; expected 40 frames, received 20"):
        run(solve(replace(problem, video=longer)))


def test_a_plugin_that_is_not_installed_is_named(problem):
    with pytest.raises(PluginError, match="no body initialiser called 'hmr'; expected 'dyad'"):
        run(solve(problem, NAMED))


def test_a_plugin_that_fails_is_named(problem, plugin):
    sys.modules["hmr_plugin"].bodies = None
    with pytest.raises(PluginError, match=r"'hmr' returned bodies .*received NoneType"):
        run(solve(problem, NAMED))
