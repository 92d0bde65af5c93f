"""How two people of a fit stand to each other, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.body.smpl import BodyModel
from engine.errors import WeightError
from engine.fit.closeness import UNKNOWN, closeness
from engine.geometry.rotations import axis_angle_to_matrix
from engine.perception import initialization
from engine.structures import (
    ZONE_EDGES,
    BodyMotion,
    Camera,
    FrameRange,
    Observations,
    PairProxemics,
)
from tests.engine.fit.conftest import level_camera, project_world

FRAMES = 12
WHOLE = FrameRange(0, FRAMES)
BODY = BodyModel.load("open-body", "1k2")


def facing_each_other(apart: float, people: int = 2) -> BodyMotion:
    """Upright people on a line along x; the first two look at each other, a third looks away."""
    turn = np.array([math.pi / 2, -math.pi / 2, math.pi / 2])[:people]
    orient = np.zeros((people, FRAMES, 3))
    orient[..., 1] = turn[:, None]
    pose = np.zeros((people, FRAMES, 23, 3))
    pose[:, :, 15], pose[:, :, 16] = [0, 0, -1.2], [0, 0, 1.2]
    transl = np.zeros((people, FRAMES, 3))
    transl[..., 0] = (np.arange(people) * apart - apart / 2)[:, None]
    transl[..., 1] = 1.1
    return BodyMotion(
        body="open-body",
        betas=np.zeros((people, 10)),
        global_orient=orient,
        body_pose=pose,
        transl=transl,
        valid=np.ones((people, FRAMES), bool),
        provenance=np.full((people, FRAMES), 2, np.uint8),
        time=np.arange(FRAMES) / 30,
    )


def seen(motion: BodyMotion, camera: Camera) -> Observations:
    rotmats = np.concatenate([motion.global_orient[:, :, None], motion.body_pose], axis=2)
    points = BODY.keypoints(
        torch.tensor(motion.betas, dtype=torch.float32),
        axis_angle_to_matrix(torch.tensor(rotmats, dtype=torch.float32)),
        torch.tensor(motion.transl, dtype=torch.float32),
        "halpe26",
    )
    pixels = project_world(points.double().numpy(), camera)
    return Observations(
        keypoints2d=pixels,
        confidence=np.full(pixels.shape[:3], 0.9),
        layout="halpe26",
        boxes=np.concatenate([pixels.min(2), pixels.max(2)], axis=-1),
        times=motion.time,
        image_size=camera.image_size,
    )


def found(motion: BodyMotion, part: FrameRange = WHOLE, hidden: int | None = None) -> PairProxemics:
    camera = level_camera(FRAMES, pitch=0.1)
    observations = seen(motion, camera)
    if hidden is not None:
        observations.confidence[hidden] = 0.0
    return closeness(motion, camera, observations, BODY, part)[0]


@pytest.mark.parametrize(("apart", "zone"), [(0.4, 0), (1.0, 1), (2.0, 2), (3.7, 3)])
def test_distances_zone_and_facing_are_those_of_the_bodies(apart: float, zone: int) -> None:
    pair = found(facing_each_other(apart))
    np.testing.assert_allclose(pair.pelvis_distance, apart, atol=1e-2)
    np.testing.assert_allclose(pair.facing, 1.0, atol=1e-3)
    assert (pair.zone == zone).all() and pair.zone.dtype == np.int8
    edges = (0.0, *ZONE_EDGES, np.inf)
    assert ((pair.head_distance >= edges[zone]) & (pair.head_distance < edges[zone + 1])).all()


def test_every_two_people_are_a_pair() -> None:
    motion, camera = facing_each_other(0.8, people=3), level_camera(FRAMES, pitch=0.1)
    pairs = closeness(motion, camera, seen(motion, camera), BODY, WHOLE)
    assert [(p.person_a, p.person_b) for p in pairs] == [(0, 1), (0, 2), (1, 2)]
    np.testing.assert_allclose(pairs[1].pelvis_distance, 1.6, atol=1e-2)
    np.testing.assert_allclose(pairs[2].facing[1], -1.0, atol=1e-3)


def test_one_person_alone_is_no_pair() -> None:
    motion, camera = facing_each_other(1.0, people=1), level_camera(FRAMES, pitch=0.1)
    assert closeness(motion, camera, seen(motion, camera), BODY, WHOLE) == ()


def test_how_sure_it_is_is_the_same_every_time_and_positive() -> None:
    first, again = (found(facing_each_other(0.8)) for _ in range(2))
    for name in ("head_deviation", "pelvis_deviation", "facing_deviation"):
        values = getattr(first, name)
        assert (values > 0).all() and np.isfinite(values).all()
        np.testing.assert_array_equal(values, getattr(again, name))


def test_it_is_less_sure_where_one_of_them_is_not_seen() -> None:
    motion = facing_each_other(0.8)
    plain, blind = found(motion), found(motion, hidden=1)
    assert blind.head_deviation.mean() > 1.5 * plain.head_deviation.mean()
    assert blind.facing_deviation[1].mean() > plain.facing_deviation[1].mean()


def test_outside_the_part_that_was_solved_nothing_is_said_of_how_sure_it_is() -> None:
    pair = found(facing_each_other(0.8), FrameRange(3, 7))
    known = np.isfinite(pair.head_deviation)
    assert np.flatnonzero(known).tolist() == [3, 4, 5, 6]
    assert np.isfinite(pair.head_distance).all()


def test_where_somebody_is_unknown_nothing_is_known() -> None:
    motion = facing_each_other(0.8)
    motion.valid[1, 4:6] = False
    pair = found(motion)
    assert (pair.zone[4:6] == UNKNOWN).all() and (pair.zone[:4] >= 0).all()
    for name in ("head_distance", "head_deviation", "pelvis_distance", "facing"):
        values = getattr(pair, name)
        assert np.isnan(values[..., 4:6]).all(), name
        assert np.isfinite(values[..., :4]).all(), name


def test_without_the_prior_distances_are_known_and_deviations_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> None:
        raise WeightError("no weights")

    monkeypatch.setattr(initialization, "_prior", missing)
    pair = found(replace(facing_each_other(0.8)))
    assert np.isfinite(pair.head_distance).all() and np.isnan(pair.head_deviation).all()
