"""Signed distance: against trimesh, and with gradients to both meshes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh

from engine.geometry.proximity import MeshQuery, box_overlap, penetration_depth, surface_points


@pytest.fixture(scope="module")
def ball() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=3, radius=0.5)


def test_distances_equal_trimesh(ball: trimesh.Trimesh):
    points = np.random.default_rng(0).uniform(-0.6, 0.6, (200, 3)).astype(np.float32)
    query = MeshQuery(ball.faces, len(ball.vertices))
    query.move(ball.vertices)
    closest = query.closest(points, max_distance=2.0)
    vertices = torch.tensor(ball.vertices, dtype=torch.float32)
    on_surface = surface_points(vertices, torch.tensor(ball.faces.astype(np.int64)), closest)
    distance = np.linalg.norm(points - on_surface.numpy(), axis=1)
    _, expected, _ = trimesh.proximity.closest_point_naive(ball, points)
    np.testing.assert_allclose(distance, expected, atol=1e-4)
    radius = np.linalg.norm(points, axis=1)
    clear = np.abs(radius - 0.5) > 0.01  # a ball of triangles is a little smaller
    np.testing.assert_array_equal(closest.inside.numpy()[clear], (radius < 0.5)[clear])


def test_the_gradient_reaches_the_mesh(ball: trimesh.Trimesh):
    query = MeshQuery(ball.faces, len(ball.vertices))
    query.move(ball.vertices)
    closest = query.closest(np.array([[0.0, 0.0, 0.4]], np.float32))
    vertices = torch.tensor(ball.vertices, dtype=torch.float32, requires_grad=True)
    surface_points(vertices, torch.tensor(ball.faces.astype(np.int64)), closest).sum().backward()
    assert vertices.grad is not None
    touched = vertices.grad.abs().sum(1) > 0
    assert 1 <= int(touched.sum()) <= 3


@pytest.mark.parametrize(("distance", "depth"), [(2.0, 0.0), (0.9, 0.1), (0.6, 0.4)])
def test_two_balls_penetrate_as_deep_as_they_overlap(
    ball: trimesh.Trimesh, distance: float, depth: float
):
    a = ball.vertices[None].astype(np.float32)
    b = a + np.array([distance, 0, 0], np.float32)
    assert penetration_depth(a, b, ball.faces)[0] == pytest.approx(depth, abs=0.01)


def test_only_bodies_whose_boxes_meet_are_looked_at():
    box = np.array([[[0.0, 0, 0], [1, 1, 1]], [[0, 0, 0], [1, 1, 1]]])
    shifted = box + np.array([[[0.5, 0, 0]], [[1.5, 0, 0]]])
    assert box_overlap(box, shifted).tolist() == [True, False]
    assert box_overlap(box, shifted, margin=0.6).tolist() == [True, True]
