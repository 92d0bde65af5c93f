"""Where a fit begins: what the prior says of the people, and what there is without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.body.smpl import BodyModel
from engine.errors import WeightError
from engine.geometry.camera import project
from engine.perception import initialization
from engine.perception.initialization import GUESS_VARIANCE, Start3D, initialize, with_shapes
from engine.structures import Observations
from tests.engine.fit.conftest import Scene, two_people

FRAMES = 24


@pytest.fixture(scope="module")
def scene() -> Scene:
    return two_people(frames=FRAMES, noise=2.0)


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load("open-body", "1k2")


@pytest.fixture(scope="module")
def start(scene: Scene, body: BodyModel) -> Start3D:
    return initialize(scene.observations, scene.camera.K, body)


def of_people(observations: Observations, people: list[int]) -> Observations:
    return replace(
        observations,
        keypoints2d=observations.keypoints2d[people],
        confidence=observations.confidence[people],
        boxes=observations.boxes[people],
    )


def unseen(observations: Observations, person: int) -> Observations:
    keypoints, confidence = observations.keypoints2d.copy(), observations.confidence.copy()
    keypoints[person], confidence[person] = np.nan, 0.0
    return replace(observations, keypoints2d=keypoints, confidence=confidence)


def joints(start: Start3D, body: BodyModel) -> np.ndarray:
    rest = body.rest_joints(start.betas)[:, None, 0]
    return body.joints(start.betas, start.rotmats, start.pelvis - rest).numpy()


def true_joints(scene: Scene) -> np.ndarray:
    T = scene.camera.T_camera_world
    return np.einsum("fij,pfnj->pfni", T[:, :3, :3], scene.joints) + T[:, None, :3, 3]


def finite(start: Start3D) -> bool:
    parts = start.rotmats, start.pelvis, start.betas, start.up, start.variance
    return all(bool(torch.isfinite(part).all()) for part in parts)


def misfit(start: Start3D, scene: Scene, body: BodyModel) -> float:
    """Mean distance of the bodies' keypoints from those observed, in heights of the people."""
    rest = body.rest_joints(start.betas)[:, None, 0]
    points = body.keypoints(start.betas, start.rotmats, start.pelvis - rest, "halpe26")
    pixels = project(points, torch.tensor(scene.camera.K, dtype=torch.float32)).numpy()
    seen = scene.observations.keypoints2d
    error = np.linalg.norm(pixels - seen, axis=-1).mean()
    return float(error / np.ptp(seen[..., 1], axis=-1).mean())


def test_people_are_found_in_pose_facing_and_place(start, scene, body):
    found, true = joints(start, body), true_joints(scene)
    own = (found - found[:, :, :1]) - (true - true[:, :, :1])
    assert np.linalg.norm(own, axis=-1).mean() < 0.12
    apart, truly = (v[1, :, 0] - v[0, :, 0] for v in (found, true))
    assert np.linalg.norm(apart - truly, axis=-1).mean() < 0.25
    assert misfit(start, scene, body) < 0.04


def test_what_lies_between_them_is_evidence_and_one_facing_enough(start):
    assert torch.equal(start.seen_together, start.pelvis)
    assert start.facings == (0.0,)


def test_gravity_is_seen(start, scene):
    up = scene.camera.T_camera_world[0, :3, 1]
    assert np.degrees(np.arccos(up @ start.up.numpy())) < 12


def test_stated_heights_are_believed(scene, body):
    stated = 1.55, 1.9
    start = initialize(scene.observations, scene.camera.K, body, heights=stated)
    unsaid = initialize(scene.observations, scene.camera.K, body, heights=(None,))
    skin = body.rest(start.betas)[0]
    heights = skin[..., 1].amax(-1) - skin[..., 1].amin(-1)
    assert heights.numpy() == pytest.approx(stated, abs=0.08)
    nearer, further = (start.pelvis - unsaid.pelvis)[..., 2].mean(-1)
    assert nearer < further


def test_another_body_has_its_mean_shape_and_the_same_size_in_the_picture(start, scene, body):
    """SMPL's betas are not those of the open body."""
    larger = replace(
        body,
        data=replace(body.data, name="smpl-neutral"),
        **{
            name: getattr(body, name) * 1.2
            for name in ("v_template", "J_template", "shapedirs", "J_shapedirs")
        },
    )
    other = initialize(scene.observations, scene.camera.K, larger)
    assert not other.betas.any()
    assert other.betas.shape == (2, larger.shapedirs.shape[-1])
    assert misfit(other, scene, larger) < 0.05
    assert torch.equal(other.seen_together, start.pelvis), "metres do not depend on the body"


def test_larger_shapes_stand_further_away_on_the_same_rays(start, scene, body):
    tall = start.betas.clone()
    tall[0] = initialize(scene.observations, scene.camera.K, body, heights=(2.1, None)).betas[0]
    moved = with_shapes(start, body, tall)
    assert torch.equal(moved.betas, tall)
    assert (moved.pelvis[0, :, 2] > start.pelvis[0, :, 2]).all()
    torch.testing.assert_close(moved.pelvis[1], start.pelvis[1])
    rays = [pelvis[..., :2] / pelvis[..., 2:] for pelvis in (moved.pelvis, start.pelvis)]
    torch.testing.assert_close(*rays)


def test_somebody_never_seen_is_guessed_from_the_partner(start, scene, body):
    guess = initialize(unseen(scene.observations, 1), scene.camera.K, body)
    assert finite(guess)
    assert float(guess.variance[1].min()) >= GUESS_VARIANCE
    assert float(guess.variance[0].mean()) < 0.5 * GUESS_VARIANCE
    assert float((guess.pelvis[1] - guess.pelvis[0]).norm(dim=-1).max()) < 3.0
    torch.testing.assert_close(guess.pelvis[0], start.pelvis[0], atol=0.4, rtol=0)


def test_one_person_alone_has_nobody_to_be_seen_with(scene, body):
    alone = initialize(of_people(scene.observations, [0]), scene.camera.K, body)
    assert alone.rotmats.shape == (1, FRAMES, 24, 3, 3)
    assert alone.seen_together is None
    true = true_joints(scene)[:1]
    found = joints(alone, body)
    own = (found - found[:, :, :1]) - (true - true[:, :, :1])
    assert np.linalg.norm(own, axis=-1).mean() < 0.15


def test_of_three_people_each_is_looked_at_alone(scene, body):
    three = initialize(of_people(scene.observations, [0, 1, 0]), scene.camera.K, body)
    alone = initialize(of_people(scene.observations, [0]), scene.camera.K, body)
    assert three.pelvis.shape == (3, FRAMES, 3)
    assert three.seen_together is None
    torch.testing.assert_close(three.rotmats[2], alone.rotmats[0], atol=1e-3, rtol=0)


def test_keypoints_that_are_no_numbers_are_missing(start, scene, body):
    keypoints = scene.observations.keypoints2d.copy()
    keypoints[0, 8:12] = np.nan
    keypoints[1, ::3, 9] = np.inf
    part = initialize(replace(scene.observations, keypoints2d=keypoints), scene.camera.K, body)
    assert finite(part)
    torch.testing.assert_close(part.pelvis, start.pelvis, atol=0.4, rtol=0)


@pytest.mark.parametrize("with_weights", [True, False])
def test_where_nothing_is_seen_people_stand_before_the_camera(
    scene, body, with_weights, monkeypatch
):
    if not with_weights:
        monkeypatch.setattr(initialization, "_prior", no_weights)
    nobody = unseen(unseen(scene.observations, 0), 1)
    start = initialize(nobody, scene.camera.K, body)
    assert finite(start)
    assert (start.pelvis[..., 2] == initialization.UNSEEN_DEPTH).all()
    assert (start.variance == GUESS_VARIANCE).all()


def no_weights():
    raise WeightError("prior.safetensors is missing")


def test_without_weights_upright_people_stand_where_their_size_says(scene, body, monkeypatch):
    monkeypatch.setattr(initialization, "_prior", no_weights)
    start = initialize(scene.observations, scene.camera.K, body)
    assert len(start.facings) == 4
    assert start.notes == (
        "Started without the prior, from four facings: prior.safetensors is missing.",
    )
    assert not start.betas.any()
    assert start.seen_together is None
    true = true_joints(scene)[:, :, 0]
    off = np.linalg.norm(start.pelvis.numpy() - true, axis=-1)
    assert (off / np.linalg.norm(true, axis=-1)).max() < 0.25
    one = initialize(unseen(scene.observations, 1), scene.camera.K, body)
    assert finite(one)
