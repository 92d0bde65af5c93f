"""Triangles end up in the pixels and at the depth that geometry says."""

from __future__ import annotations

import numpy as np
import pytest

from engine.synthesis.figures import make_figure, random_outfit
from engine.synthesis.film import Film, developed, moments
from engine.synthesis.raster import NOTHING, Buffers
from engine.synthesis.rendering import Renderer, random_lighting
from engine.synthesis.scenery import SCENERIES, make_scenery
from engine.synthesis.visibility import Visibility, in_front, joint_visibility

K = np.array([[100.0, 0, 32], [0, 100, 24], [0, 0, 1]])
T = np.eye(4)
T[:3, :3] = np.diag([1.0, -1.0, -1.0])
T[:3, 3] = [0, 0.9, 4]
SIZE = (64, 48)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    outfit = random_outfit(np.random.default_rng(0))
    figure = make_figure(np.zeros(10), outfit, 0)
    return Renderer([figure], K, SIZE, random_lighting(np.random.default_rng(0), False))


def _standing(renderer: Renderer) -> np.ndarray:
    body = renderer.figures[0].drawn
    return body.vertices(np.zeros(10), np.zeros(3), np.zeros((23, 3)), np.array([0, 1.21, 0]))[None]


def test_depth_is_that_of_the_surface_on_the_pixels_ray(renderer: Renderer) -> None:
    vertices = _standing(renderer)
    buffers = renderer.buffers(vertices, T)
    faces = renderer.figures[0].drawn.faces
    row, column = (int(v) for v in np.argwhere(buffers.face[0] >= 0)[300])
    corners = vertices[0, faces[buffers.face[0, row, column]]] @ T[:3, :3].T + T[:3, 3]
    ray = np.linalg.solve(K, [column + 0.5, row + 0.5, 1.0])
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    expected = (normal @ corners[0]) / (normal @ ray)
    assert buffers.depth[0, row, column] == pytest.approx(expected, abs=1e-3)


def test_no_surface_lies_before_what_was_drawn(renderer: Renderer) -> None:
    """Every vertex is behind the depth buffer, or on it."""
    vertices = _standing(renderer)
    buffers = renderer.buffers(vertices, T)
    seen = vertices[0] @ T[:3, :3].T + T[:3, 3]
    pixels = seen @ K.T
    column, row = (pixels[:, :2] / pixels[:, 2:]).astype(int).T
    inside = (column > 0) & (row > 0) & (column < SIZE[0] - 1) & (row < SIZE[1] - 1)
    depth = buffers.depth[0, row[inside], column[inside]]
    covered = depth < NOTHING
    assert covered.mean() > 0.8
    # One pixel is 4 cm wide here, over which a surface may recede a lot.
    assert np.quantile((depth - seen[inside, 2])[covered], 0.9) < 0.02


def test_the_picture_shows_the_body_where_the_buffers_do(renderer: Renderer) -> None:
    vertices = _standing(renderer)
    place = make_scenery("studio", np.zeros(2), 4.0, np.random.default_rng(1))
    ground = place.seen_from(K, T, SIZE)
    film = Film(shutter=0.0, passes=1)
    light = renderer.light(vertices, T, moments(vertices, vertices, vertices, film), ground)
    mask = renderer.buffers(vertices, T).mask(0)
    changed = np.abs(light - ground.image).max(axis=-1) > 1e-4
    assert changed[mask].mean() > 0.93
    below = np.zeros_like(mask)
    below[30:] = True
    assert changed[~mask & ~below].mean() < 0.05


def test_a_moving_body_is_blurred(renderer: Renderer) -> None:
    now = _standing(renderer)
    step = np.array([0.3, 0, 0], np.float32)
    film = Film(shutter=1.0, passes=4)
    bodies = [body for body, _ in moments(now - step, now, now + step, film)]
    shifts = [float((body - now)[0, 0, 0]) for body in bodies]
    np.testing.assert_allclose(shifts, [-0.1125, -0.0375, 0.0375, 0.1125], atol=1e-6)


@pytest.mark.parametrize("kind", SCENERIES)
def test_places_on_the_floor_project_to_their_pixels(kind: str) -> None:
    place = make_scenery(kind, np.zeros(2), 4.0, np.random.default_rng(2))  # type: ignore[arg-type]
    ground = place.seen_from(K, T, SIZE)
    assert ground.floor.any()
    assert np.isfinite(ground.image).all()
    row, column = np.argwhere(ground.floor)[50]
    x, z = ground.places[row, column]
    pixel = K @ (T[:3, :3] @ [x, 0, z] + T[:3, 3])
    np.testing.assert_allclose(pixel[:2] / pixel[2], [column + 0.5, row + 0.5], atol=0.3)


def test_noise_is_the_films(renderer: Renderer) -> None:
    grey = np.full((40, 40, 3), 0.2, np.float32)
    quiet = developed(grey, Film(noise=0.0, vignette=0.0), np.random.default_rng(0))
    loud = developed(grey, Film(noise=0.02, vignette=0.0), np.random.default_rng(0))
    assert quiet.std() == 0
    assert 2 < loud.std() < 8


def _two_walls(near: int, far: int) -> Buffers:
    """Two people who cover the left two thirds and the right two thirds, at 2 and 3 metres."""
    depth = np.full((2, 4, 6), NOTHING, np.float32)
    depth[near, :, :4] = 2
    depth[far, :, 2:] = 3
    return Buffers(depth, np.where(depth < NOTHING, 0, -1).astype(np.int32))


def test_the_nearer_surface_is_in_front() -> None:
    share = in_front(_two_walls(near=1, far=0))
    assert share[1, 0] == 1 and share[0, 1] == 0
    assert np.isnan(np.diag(share)).all()


def test_a_joint_behind_somebody_else_is_occluded_and_one_outside_is_outside() -> None:
    pixels = np.full((2, 26, 2), 3.0)
    pixels[:, 5] = [-1.0, 2.0]
    depth = np.array([np.full(26, 2.02), np.full(26, 3.02)])
    levels = joint_visibility(pixels, depth, _two_walls(near=0, far=1))
    assert levels[0, 5] == Visibility.OUTSIDE
    assert levels[1, 0] == Visibility.OCCLUDED
