"""Which way is up in the world of a given camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.fit.scene import upright
from tests.engine.fit.conftest import level_camera

CAMERA = level_camera(2, pitch=0.3)
UP_CAMERA = CAMERA.T_camera_world[0, :3, 1]


def in_world(axis: int, sign: int) -> np.ndarray:
    """A turn after which the given signed axis is what y was."""
    turn = np.roll(np.eye(3), axis - 1, axis=0)
    if sign < 0:
        turn = turn @ np.diag([1.0, -1.0, -1.0])
    transform = np.eye(4)
    transform[:3, :3] = turn
    return np.linalg.inv(transform)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_world_is_turned_until_y_is_up(axis: int, sign: int):
    given = replace(CAMERA, T_camera_world=CAMERA.T_camera_world @ in_world(axis, sign))
    assert abs((given.T_camera_world[0, :3, :3].T @ UP_CAMERA)[axis] * sign - 1) < 1e-9
    found = upright(given, UP_CAMERA)
    assert found is not None
    np.testing.assert_allclose(found.T_camera_world[0, :3, 1], UP_CAMERA, atol=1e-9)
    assert np.linalg.det(found.T_camera_world[0, :3, :3]) == pytest.approx(1)
    centre = -found.T_camera_world[0, :3, :3].T @ found.T_camera_world[0, :3, 3]
    expected = -CAMERA.T_camera_world[0, :3, :3].T @ CAMERA.T_camera_world[0, :3, 3]
    assert centre[1] == pytest.approx(expected[1]), "the same height above the same origin"


def test_a_tilted_world_is_not_taken_for_an_upright_one():
    tilt = np.eye(4)
    tilt[:3, :3] = [[1, 0, 0], [0, np.cos(0.5), -np.sin(0.5)], [0, np.sin(0.5), np.cos(0.5)]]
    assert upright(replace(CAMERA, T_camera_world=CAMERA.T_camera_world @ tilt), UP_CAMERA) is None


def test_the_camera_s_own_frame_says_nothing_about_gravity():
    own = replace(CAMERA, T_camera_world=np.broadcast_to(np.eye(4), (2, 4, 4)).copy())
    assert upright(own, np.array([0.0, -1.0, 0.0])) is None
