"""The nearest points of patches of skin."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh

from engine.geometry.triangles import closest_on_triangles


def test_the_nearest_points_are_those_that_trimesh_finds():
    rng = np.random.default_rng(0)
    ball = trimesh.creation.icosphere(subdivisions=1)
    points = rng.normal(0, 1.5, (2, 50, 3))
    meshes = np.stack([ball.vertices, ball.vertices * [1.0, 0.5, 2.0]])
    triangles = torch.tensor(meshes[:, ball.faces], dtype=torch.float32)
    face, weights = closest_on_triangles(torch.tensor(points, dtype=torch.float32), triangles)
    assert weights.min() >= 0
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 50))
    for case in range(2):
        mesh = trimesh.Trimesh(meshes[case], ball.faces, process=False)
        expected, _, _ = trimesh.proximity.closest_point_naive(mesh, points[case])
        found = torch.einsum("nvi,nv->ni", triangles[case, face[case]], weights[case])
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("point", "nearest"),
    [
        ([0.2, 0.3, 1.0], [0.2, 0.3, 0.0]),
        ([0.4, -1.0, 0.0], [0.4, 0.0, 0.0]),
        ([-1.0, -1.0, 2.0], [0.0, 0.0, 0.0]),
    ],
    ids=["over the face", "beside an edge", "beyond a corner"],
)
def test_the_nearest_point_is_on_the_face_an_edge_or_a_corner(
    point: list[float], nearest: list[float]
):
    triangle = torch.tensor([[[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]]])
    _, weights = closest_on_triangles(torch.tensor([[point]]), triangle)
    found = (triangle[0, 0] * weights[0, 0, :, None]).sum(0)
    torch.testing.assert_close(found, torch.tensor(nearest))


def test_a_triangle_without_area_still_has_a_nearest_point():
    line = torch.tensor([[[[0.0, 0, 0], [1, 0, 0], [1, 0, 0]]]])
    _, weights = closest_on_triangles(torch.tensor([[[0.5, 1.0, 0.0]]]), line)
    found = (line[0, 0] * weights[0, 0, :, None]).sum(0)
    torch.testing.assert_close(found, torch.tensor([0.5, 0.0, 0.0]))
