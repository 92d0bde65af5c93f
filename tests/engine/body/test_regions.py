"""Regions are the same on every density, symmetric, and where their names say."""

from __future__ import annotations

import numpy as np
import pytest

from engine.body.data import DENSITIES, BodyData, load_body_data, read_npz
from engine.body.display import DisplayBody
from engine.body.regions import (
    face_regions,
    mirror_region,
    region_names,
    region_vertices,
    vertex_regions,
)
from engine.body.smpl import BodyModel
from engine.errors import InputError
from engine.weights import find


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
