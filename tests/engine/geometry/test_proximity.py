"""Signed distance: against trimesh, and with gradients to both meshes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh

from engine.body.smpl import BodyModel
from engine.fit.interaction import body_parts
from engine.geometry.proximity import (
    MeshQuery,
    Parts,
    box_overlap,
    penetration_depth,
    surface_points,
)
from engine.geometry.rotations import axis_angle_to_matrix


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
    assert penetration_depth(a, b, ball.faces, one_part(ball))[0] == pytest.approx(depth, abs=0.01)


def one_part(mesh: trimesh.Trimesh) -> Parts:
    return Parts(np.zeros(len(mesh.vertices), int))


def test_no_point_inside_a_posed_body_is_skipped():
    body = BodyModel.load("open-body", "1k2")
    pose = torch.randn(1, 40, 24, 3, generator=torch.Generator().manual_seed(0)) * 0.25
    vertices = body.vertices(torch.zeros(1, 10), axis_angle_to_matrix(pose), torch.zeros(1, 40, 3))[
        0
    ].numpy()
    query = MeshQuery(body.faces.numpy(), body.vertex_count)
    rng = np.random.default_rng(0)
    for mesh in vertices:
        points = rng.uniform(mesh.min(axis=0), mesh.max(axis=0), (500, 3)).astype(np.float32)
        query.move(mesh)
        inside = query.closest(points, max_distance=2.0).inside.numpy()
        kept = body_parts(body).around(mesh, points)
        assert np.isin(np.flatnonzero(inside), kept).all()
        assert len(kept) < 0.6 * len(points)


def test_only_bodies_whose_boxes_meet_are_looked_at():
    box = np.array([[[0.0, 0, 0], [1, 1, 1]], [[0, 0, 0], [1, 1, 1]]])
    shifted = box + np.array([[[0.5, 0, 0]], [[1.5, 0, 0]]])
    assert box_overlap(box, shifted).tolist() == [True, False]
    assert box_overlap(box, shifted, margin=0.6).tolist() == [True, True]
