"""Cameras see what they are placed for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from engine.synthesis.cameras import CameraOrder, camera_place, place_camera

PEOPLE = np.random.default_rng(0).uniform([-1, 0, -0.5], [1, 1.8, 0.5], (2, 4, 24, 3))
TIME = np.arange(4) / 30


@given(st.integers(0, 1000))
def test_all_joints_are_in_the_picture(seed: int) -> None:
    camera = place_camera(PEOPLE, CameraOrder(320, 240), np.random.default_rng(seed), TIME)
    T = camera.T_camera_world
    np.testing.assert_allclose(T[0, :3, :3] @ T[0, :3, :3].T, np.eye(3), atol=1e-9)
    assert np.linalg.det(T[0, :3, :3]) > 0
    seen = np.einsum("fij,pfkj->pfki", T[:, :3, :3], PEOPLE) + T[:, None, :3, 3]
    pixels = seen @ camera.K.T
    pixels = pixels[..., :2] / pixels[..., 2:]
    assert (seen[..., 2] > 0).all()
    assert (pixels > 0).all() and (pixels < [320, 240]).all()


def test_what_is_said_is_kept() -> None:
    order = CameraOrder.parse("focal=1.5, azimuth=90, elevation=20, distance=6, width=640")
    camera = place_camera(PEOPLE, order, np.random.default_rng(0), TIME)
    assert camera.K[0, 0] == 1.5 * 640
    eye = camera_place(camera)[0]
    middle = (PEOPLE.reshape(-1, 3).min(0) + PEOPLE.reshape(-1, 3).max(0)) / 2
    assert np.linalg.norm(eye - middle) == pytest.approx(6)
    assert eye[1] - middle[1] == pytest.approx(6 * np.sin(np.radians(20)))
    assert eye[0] - middle[0] == pytest.approx(6 * np.cos(np.radians(20)))


def test_up_in_the_world_is_up_in_the_picture() -> None:
    camera = place_camera(PEOPLE, CameraOrder(roll=0.0), np.random.default_rng(0), TIME)
    assert camera.T_camera_world[0, 1, 1] < 0
    assert camera.T_camera_world[0, 0, 1] == pytest.approx(0)


def test_a_travelling_camera_travels_as_far_as_said() -> None:
    order = CameraOrder(motion=0.5, distance=4.0, roll=0.0)
    eyes = camera_place(place_camera(PEOPLE, order, np.random.default_rng(0), TIME))
    assert np.linalg.norm(eyes[-1] - eyes[0]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "text", ["focal", "zoom=2", "focal=wide", "focal=99", "width=321", "focal=1;roll=2"]
)
def test_a_camera_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        CameraOrder.parse(text)
