"""Cameras: projection against OpenCV, worlds that are upright."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.geometry.camera import (
    assumed_intrinsics,
    project,
    undistorted_pixels,
    world_from_up,
)
from engine.structures import Camera

POINT = arrays(np.float64, 3, elements=st.floats(-1, 1))


def camera(distortion: np.ndarray) -> Camera:
    K = np.array([[900.0, 0, 640], [0, 950.0, 360], [0, 0, 1]])
    return Camera(K, (1280, 720), np.eye(4)[None], "user", distortion)


@given(POINT)
def test_projection_equals_opencv(point: np.ndarray):
    point = point + np.array([0, 0, 3])
    K = camera(np.zeros(5)).K
    expected = cv2.projectPoints(point[None], np.zeros(3), np.zeros(3), K, None)[0][0, 0]
    found = project(torch.tensor(point[None]), torch.tensor(K)).numpy()[0]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@given(POINT)
def test_undistorted_pixels_are_where_the_pinhole_would_see_them(point: np.ndarray):
    point = point + np.array([0, 0, 4])
    lens = camera(np.array([-0.2, 0.05, 0.001, -0.001, 0.0]))
    seen = cv2.projectPoints(point[None], np.zeros(3), np.zeros(3), lens.K, lens.distortion)[0]
    ideal = cv2.projectPoints(point[None], np.zeros(3), np.zeros(3), lens.K, None)[0]
    np.testing.assert_allclose(undistorted_pixels(seen[:, 0], lens), ideal[:, 0], atol=0.1)


def test_gaps_stay_gaps():
    lens = camera(np.array([-0.2, 0.05, 0.0, 0.0, 0.0]))
    assert np.isnan(undistorted_pixels(np.array([[np.nan, 3.0]]), lens)).any()


@given(POINT.filter(lambda up: np.linalg.norm(up) > 0.1), POINT)
def test_a_world_has_gravity_along_minus_y(up: np.ndarray, origin: np.ndarray):
    transform = world_from_up(up, origin)
    rotation = transform[:3, :3]
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) > 0
    np.testing.assert_allclose(rotation[:, 1], up / np.linalg.norm(up), atol=1e-9)
    np.testing.assert_allclose(transform[:3, 3], origin)


def test_a_point_behind_the_camera_projects_to_something_finite():
    K = torch.tensor(assumed_intrinsics((1920, 1080)), dtype=torch.float32)
    assert torch.isfinite(project(torch.tensor([[0.1, 0.1, -1.0]]), K)).all()
