"""Closest points in plain torch: as Warp finds them, on balls, on random scenes and on people."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.body.smpl import BodyModel
from engine.geometry import closest_torch
from engine.geometry.closest_torch import TorchMeshQuery, winding_number
from engine.geometry.hits import Search, find_hits
from engine.geometry.proximity import (
    ClosestPoints,
    MeshQuery,
    is_closed,
    surface_points,
    surface_query,
)
from engine.geometry.rotations import axis_angle_to_matrix

BALL = trimesh.creation.icosphere(subdivisions=2, radius=0.5)
FACES = BALL.faces.astype(np.int64)


def both(
    vertices: np.ndarray, faces: np.ndarray, points: np.ndarray, reach: float = 2.0
) -> tuple[ClosestPoints, ClosestPoints]:
    """Torch's answer and Warp's."""
    answers = []
    for kind in (TorchMeshQuery, MeshQuery):
        query = kind(faces, len(vertices))
        query.move(vertices)
        answers.append(query.closest(points.astype(np.float32), reach))
    return answers[0], answers[1]


def agree(vertices: np.ndarray, faces: np.ndarray, points: np.ndarray) -> None:
    """The same points of the surface; gradients of their distances to the vertices too."""
    ours, warps = both(vertices, faces, points)
    assert torch.equal(ours.found, warps.found)
    index, query = torch.from_numpy(faces), torch.from_numpy(points.astype(np.float32))
    found, gradients = [], []
    for answer in (ours, warps):
        corners = torch.tensor(vertices, dtype=torch.float32, requires_grad=True)
        on_surface = surface_points(corners, index, answer)
        (on_surface - query).square().sum().backward()
        found.append((on_surface - query).norm(dim=-1).detach())
        gradients.append(corners.grad)
    # A point that is as far from two triangles may be given either: its distance is the same.
    torch.testing.assert_close(found[0], found[1], atol=2e-6, rtol=0)
    difference = (gradients[0] - gradients[1]).norm() / gradients[1].norm()
    assert float(difference) < 1e-2


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_a_dented_ball_has_the_closest_points_that_warp_finds(seed: int):
    rng = np.random.default_rng(seed)
    vertices = (BALL.vertices * rng.uniform(0.8, 1.2, (len(BALL.vertices), 1))).astype(np.float32)
    points = rng.uniform(-0.9, 0.9, (60, 3))
    agree(vertices, FACES, points)
    ours, warps = both(vertices, FACES, points)
    number = winding_number(
        torch.from_numpy(points.astype(np.float32)), torch.from_numpy(vertices)[FACES]
    )
    assert torch.equal(ours.inside, number > 0.5)
    assert torch.equal(warps.inside, number > 0.5)
    assert int(ours.inside.sum()) > 0 and int((~ours.inside).sum()) > 0


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_the_winding_number_of_a_closed_surface_is_whole(seed: int):
    points = torch.from_numpy(np.random.default_rng(seed).uniform(-0.9, 0.9, (50, 3)))
    number = winding_number(points, torch.from_numpy(BALL.vertices[FACES]))
    inside = torch.from_numpy(BALL.contains(points.numpy())).double()
    torch.testing.assert_close(number, inside, atol=1e-9, rtol=0)
    turned = winding_number(points, torch.from_numpy(BALL.vertices[FACES[:, ::-1].copy()]))
    torch.testing.assert_close(turned, -inside, atol=1e-9, rtol=0)


@pytest.fixture(scope="module")
def people() -> tuple[BodyModel, np.ndarray]:
    """Two bodies in each other, (2, 2, V, 3)."""
    body = BodyModel.load("open-body", "1k2")
    pose = 0.15 * torch.randn(2, 2, 24, 3, generator=torch.Generator().manual_seed(0))
    pose[:, :, 0] = 0
    pose[1, :, 0, 1] = torch.pi
    transl = torch.zeros(2, 2, 3)
    transl[1, :, 2] = 0.15
    vertices = body.vertices(torch.zeros(2, 10), axis_angle_to_matrix(pose), transl)
    return body, vertices.numpy()


def test_people_have_the_closest_points_that_warp_finds(people: tuple[BodyModel, np.ndarray]):
    body, vertices = people
    faces = body.faces.numpy()
    agree(vertices[0, 0], faces, vertices[1, 0])
    ours, warps = both(vertices[0, 0], faces, vertices[1, 0])
    assert int(warps.inside.sum()) > 20
    assert torch.equal(ours.inside, warps.inside)


def folded(body: BodyModel) -> np.ndarray:
    """A body with its hands in its trunk and its shins in its thighs, (V, 3)."""
    pose = torch.zeros(1, 1, 24, 3)
    pose[..., [4, 5], 0] = 2.9
    pose[..., [16, 17], 2] = torch.tensor([-1.4, 1.4])
    pose[..., [18, 19], 1] = torch.tensor([-2.4, 2.4])
    rotmats, nowhere = axis_angle_to_matrix(pose), torch.zeros(1, 1, 3)
    return body.vertices(torch.zeros(1, 10), rotmats, nowhere)[0, 0].numpy()


def test_a_body_in_itself_goes_round_points_as_often_as_solid_angles_say(
    people: tuple[BodyModel, np.ndarray],
):
    body, mesh = people[0], folded(people[0])
    rng = np.random.default_rng(2)
    points = rng.uniform(mesh.min(0), mesh.max(0), (3000, 3)).astype(np.float32)
    query = MeshQuery(body.faces.numpy(), body.vertex_count)
    query.move(mesh)
    triangles = torch.from_numpy(mesh).double()[body.faces]
    number = winding_number(torch.from_numpy(points).double(), triangles)
    assert int((number > 1.5).sum()) > 10, "it is not in itself"
    torch.testing.assert_close(number, number.round(), atol=1e-6, rtol=0)
    assert torch.equal(query.closest(points, 2.0).inside, number > 0.5)


def test_a_surface_with_a_hole_is_round_what_most_of_it_is_round():
    hole = np.abs(BALL.vertices[FACES].mean(1)[:, 2] - 0.5) < 0.02
    faces = FACES[~hole]
    assert is_closed(FACES) and not is_closed(faces) and 3 < int(hole.sum()) < 30
    points = np.array([[0, 0, 0], [0, 0, -0.4], [0, 0.45, 0], [0, 0.55, 0], [0, 0, 0.9]])
    ours, warps = both(BALL.vertices, faces, points)
    assert ours.inside.tolist() == warps.inside.tolist() == [True, True, True, False, False]


def test_hits_are_the_same_by_either(people: tuple[BodyModel, np.ndarray]):
    body, vertices = people
    skins, frames = list(vertices), np.arange(2)
    warp = Search.of(body)
    torch_query = TorchMeshQuery(body.faces.numpy(), body.vertex_count)
    plain = Search(torch_query, warp.parts, warp.part_of_vertex, warp.faces)
    for ours, theirs in zip(
        find_hits(skins, frames, plain), find_hits(skins, frames, warp), strict=True
    ):
        deep = [
            {(f, v) for f, v, i in zip(*map(torch.Tensor.tolist, each), strict=True) if i}
            for each in ((h.frame, h.vertex, h.inside) for h in (ours, theirs))
        ]
        assert len(deep[1]) > 10 and deep[0] == deep[1]


def test_memory_that_allows_one_point_at_a_time_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    points = np.random.default_rng(0).uniform(-0.7, 0.7, (20, 3))
    whole, _ = both(BALL.vertices, FACES, points)
    monkeypatch.setattr(closest_torch, "PAIRS", 1)
    parts, _ = both(BALL.vertices, FACES, points)
    for name in ("face", "barycentric", "inside", "found"):
        assert torch.equal(getattr(whole, name), getattr(parts, name))


@pytest.mark.parametrize("kind", [TorchMeshQuery, MeshQuery])
def test_several_meshes_at_once_are_several_meshes(kind: type[TorchMeshQuery] | type[MeshQuery]):
    rng = np.random.default_rng(1)
    meshes = (BALL.vertices * rng.uniform(0.8, 1.2, (3, len(BALL.vertices), 1))).astype(np.float32)
    points = [rng.uniform(-0.9, 0.9, (n, 3)).astype(np.float32) for n in (7, 0, 12)]
    query, each = kind(FACES, len(BALL.vertices)), []
    together = query.closest_of_each(meshes, points)
    for mesh, some in zip(meshes, points, strict=True):
        query.move(mesh)
        each.append(query.closest(some))
    for name in ("face", "barycentric", "inside", "found"):
        assert torch.equal(getattr(together, name), torch.cat([getattr(one, name) for one in each]))


@pytest.mark.parametrize("kind", [TorchMeshQuery, MeshQuery])
def test_points_outside_are_looked_for_nearer_than_those_inside(
    kind: type[TorchMeshQuery] | type[MeshQuery],
):
    points = np.array([[0, 0, 0.1], [0, 0, 0.45], [0, 0, 0.55], [0, 0, 0.9]], np.float32)
    query = kind(FACES, len(BALL.vertices))
    ball = BALL.vertices[None].astype(np.float32)
    near, far = (query.closest_of_each(ball, [points], outside) for outside in (0.1, 0.5))
    assert near.found.tolist() == [True, True, True, False]
    assert far.found.tolist() == [True, True, True, True]
    assert near.inside.tolist() == far.inside.tolist() == [True, True, False, False]
    assert torch.equal(near.barycentric[:3], far.barycentric[:3])


def test_what_was_asked_before_changes_no_answer():
    rng = np.random.default_rng(3)
    meshes = (BALL.vertices * rng.uniform(0.8, 1.2, (20, len(BALL.vertices), 1))).astype(np.float32)
    points = rng.uniform(-0.6, 0.6, (9, 3)).astype(np.float32)
    query = MeshQuery(FACES, len(BALL.vertices))
    forwards = query.closest_of_each(meshes, [points] * 20)
    backwards = query.closest_of_each(meshes[::-1], [points] * 20)
    for name in ("face", "barycentric", "inside", "found"):
        one, other = (getattr(each, name).unflatten(0, (20, 9)) for each in (forwards, backwards))
        assert torch.equal(one, other.flip(0))


def test_what_is_out_of_reach_is_not_found():
    ours, warps = both(BALL.vertices, FACES, np.array([[0, 0, 0.8], [0, 0, 0.55]]), reach=0.1)
    assert ours.found.tolist() == warps.found.tolist() == [False, True]
    assert not ours.inside.any()


def test_no_points_have_no_answers():
    ours, _ = both(BALL.vertices, FACES, np.zeros((1, 3)))
    query = TorchMeshQuery(FACES, len(BALL.vertices))
    query.move(BALL.vertices)
    none = query.closest(np.zeros((0, 3), np.float32))
    assert none.barycentric.shape == (0, 3) and none.face.dtype == ours.face.dtype


def test_the_device_chooses():
    assert isinstance(surface_query(FACES, len(BALL.vertices)), MeshQuery)
    assert isinstance(surface_query(FACES, len(BALL.vertices), "meta"), TorchMeshQuery)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
def test_cuda_finds_what_the_cpu_finds(people: tuple[BodyModel, np.ndarray]):
    body, vertices = people
    _, expected = both(vertices[0, 0], body.faces.numpy(), vertices[1, 0])
    query = surface_query(body.faces.numpy(), body.vertex_count, "cuda")
    query.move(vertices[0, 0])
    found = query.closest(vertices[1, 0], 2.0)
    assert found.face.is_cuda
    corners, index = torch.from_numpy(vertices[0, 0]), body.faces
    torch.testing.assert_close(
        surface_points(corners, index, found.to("cpu")),
        surface_points(corners, index, expected), atol=1e-4, rtol=0,
    )  # fmt: skip
    assert float((found.inside.cpu() != expected.inside).float().mean()) < 0.002
