"""Regions are the same on every density, symmetric, and where their names say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.body.data import DENSITIES, BodyData, load_body_data, make_body_data, read_npz
from engine.body.display import DisplayBody
from engine.body.regions import (
    face_regions,
    mirror_region,
    region_names,
    region_vertices,
    vertex_regions,
)
from engine.body.smpl import BodyModel
from engine.body.user_body import read_body
from engine.errors import InputError
from engine.weights import find
from tests.engine.body.fake_models import JOINT_COUNTS, fake_arrays, write_npz


@pytest.fixture(scope="module")
def body() -> BodyData:
    return load_body_data()


def center(body: BodyData, name: str) -> np.ndarray:
    return body.v_template[region_vertices(body, name)].mean(0)


def test_there_are_77_regions_with_different_names() -> None:
    assert len(set(region_names())) == 77


def test_names_come_in_pairs() -> None:
    for name in region_names():
        assert mirror_region(mirror_region(name)) == name
        assert (mirror_region(name) == name) == (not name.startswith(("left_", "right_")))


@pytest.mark.parametrize("density", DENSITIES)
def test_every_region_has_vertices_and_faces(density: str) -> None:
    body = load_body_data(density=density)
    count = len(region_names())
    assert np.bincount(vertex_regions(body), minlength=count).min() >= 4
    assert np.bincount(face_regions(body), minlength=count).min() >= 1


@pytest.mark.parametrize("density", DENSITIES[1:])
def test_a_coarser_mesh_has_the_regions_of_its_vertices(density: str) -> None:
    full, coarse = (read_npz(find(f"open-body-{d}").path) for d in ("full", density))
    kept = np.searchsorted(full["src_index"], coarse["src_index"])
    np.testing.assert_array_equal(
        vertex_regions(load_body_data(density=density)),
        vertex_regions(load_body_data(density="full"))[kept],
    )


def test_left_and_right_mirror_each_other(body: BodyData) -> None:
    arrays = read_npz(find("open-body-7k").path)
    names = np.array(region_names())[vertex_regions(body)]
    off_middle = arrays["mirror"] != np.arange(body.vertex_count)
    mirrored = np.array([mirror_region(name) for name in names])
    np.testing.assert_array_equal(names[arrays["mirror"]][off_middle], mirrored[off_middle])


def test_left_is_the_bodys_left(body: BodyData) -> None:
    for name in region_names():
        if name.startswith("left_"):
            assert center(body, name)[0] > 0 > center(body, mirror_region(name))[0]


@pytest.mark.parametrize(
    ("further", "nearer", "axis"),
    [
        ("left_chest", "left_upper_back", 2),
        ("left_belly", "left_lower_back", 2),
        ("left_thigh_front", "left_thigh_back", 2),
        ("left_thigh_outer", "left_thigh_inner", 0),
        ("left_shin", "left_calf", 2),
        ("left_hand_back", "left_palm", 1),
        ("left_fingers", "left_palm", 0),
        ("left_upper_arm_outer", "left_upper_arm_inner", 1),
        ("left_lower_arm_front", "left_lower_arm_back", 2),
        ("left_foot_top", "left_foot_sole", 1),
        ("left_toes", "left_foot_sole", 2),
        ("forehead", "left_face", 1),
        ("left_face", "chin", 1),
        ("chin", "neck_front", 1),
        ("neck_front", "neck_back", 2),
        ("left_shoulder", "left_chest", 1),
        ("left_chest", "left_belly", 1),
        ("left_belly", "groin", 1),
        ("groin", "left_buttock", 2),
        ("left_hip", "groin", 0),
        ("left_knee", "left_shin", 1),
    ],
)
def test_regions_lie_where_their_names_say(
    body: BodyData, further: str, nearer: str, axis: int
) -> None:
    assert center(body, further)[axis] > center(body, nearer)[axis]


def test_landmarks_lie_in_their_regions(body: BodyData) -> None:
    names = np.array(region_names())[vertex_regions(body)]
    expected = {
        "leye": "left_face", "rear": "right_head_side", "crown": "head_top",
        "lthumb": "left_thumb", "rmiddle": "right_fingers", "LBigToe": "left_toes",
    }  # fmt: skip
    assert {mark: str(names[body.vertex_ids[mark]]) for mark in expected} == expected


def test_models_for_computing_and_display_agree(body: BodyData) -> None:
    display = DisplayBody(body)
    np.testing.assert_array_equal(display.vertex_regions, vertex_regions(BodyModel.load()))
    np.testing.assert_array_equal(display.region_of_face, face_regions(body))
    assert len(display.region_of_face) == len(display.faces)


def test_an_unknown_region_is_refused(body: BodyData) -> None:
    with pytest.raises(InputError, match="left_tail"):
        region_vertices(body, "left_tail")


@pytest.mark.parametrize("kind", JOINT_COUNTS)
@pytest.mark.parametrize("density", ["7k", "2k5"])
def test_a_users_mesh_has_the_regions_of_the_same_places(
    tmp_path: Path, kind: str, density: str
) -> None:
    """A model file of 24, 52 or 55 joints: fingers, jaw and eyes move what hands and head move.

    The tips of its thumbs are searched for, which may move the border of a thumb by a vertex.
    """
    user = read_body(write_npz(tmp_path / "x.npz", fake_arrays(kind, density)), "x")
    ours = load_body_data(density=density)
    same = vertex_regions(user)[: ours.vertex_count] == vertex_regions(ours)
    assert same.mean() > 0.999


EXTREMES = [*(sign * 2.5 * np.eye(10)[i] for i in range(3) for sign in (-1, 1))]


@pytest.mark.parametrize("betas", EXTREMES, ids=lambda b: f"{b.nonzero()[0][0]}:{b.sum():+}")
def test_another_body_at_rest_keeps_its_regions(body: BodyData, betas: np.ndarray) -> None:
    """Thin, stout, tall and small ones, of another size and about another origin: what a user's
    template may be."""
    stored = read_npz(find("open-body-7k").path)
    template = 0.95 * (body.v_template + body.shapedirs @ betas) + [0, 0.3, 0.02]
    other = make_body_data("x", stored | {"v_template": template}, body.vertex_ids)
    regions = vertex_regions(other)
    assert np.bincount(regions, minlength=77).min() >= 8
    assert (regions == vertex_regions(body)).mean() > 0.88
    names = np.array(region_names())[regions]
    mirror = stored["mirror"]
    off_middle = mirror != np.arange(len(mirror))
    counterparts = np.array([mirror_region(name) for name in names])
    same = names[mirror][off_middle] == counterparts[off_middle]
    assert same.mean() > 0.995


def test_skinning_of_another_hand_keeps_nearly_all_regions(body: BodyData) -> None:
    """Weights blurred over neighbours, as other riggers paint them."""
    stored = read_npz(find("open-body-7k").path)
    edges = np.concatenate([body.faces[:, [0, 1]], body.faces[:, [1, 2]], body.faces[:, [2, 0]]])
    blurred = body.weights.copy()
    for _ in range(3):
        total, count = blurred.copy(), np.ones(body.vertex_count)
        for a, b in (edges.T, edges.T[::-1]):
            np.add.at(total, a, blurred[b])
            np.add.at(count, a, 1)
        blurred = total / count[:, None]
    other = make_body_data("x", stored | {"weights": blurred}, body.vertex_ids)
    assert np.bincount(vertex_regions(other), minlength=77).min() >= 8
    assert (vertex_regions(other) == vertex_regions(body)).mean() > 0.95
