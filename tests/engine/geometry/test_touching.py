"""Contacts are where the surfaces are within 13 mm."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from engine.body.data import BodyData, load_body_data
from engine.body.regions import region_vertices
from engine.geometry.touching import CONTACT_DISTANCE, find_touch, intervals
from engine.structures import FrameRange


def _apart(data: BodyData, gaps: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Two people with arms stretched out, the fingers `gaps` metres apart, frame by frame."""
    body = data.v_template
    reach = float(np.ptp(body[:, 0]))
    a = np.stack([body] * len(gaps))
    b = np.stack([body + np.array([reach + gap, 0, 0]) for gap in gaps])
    return a, b


def test_fingers_that_meet_are_a_contact_of_fingers() -> None:
    data = load_body_data()
    touch = find_touch(*_apart(data, [0.005] * 3), data)
    assert {(c.region_a, c.region_b) for c in touch.labels} == {("left_fingers", "right_fingers")}
    assert touch.labels[0].frames == FrameRange(0, 3)
    assert touch.penetration_m.max() == 0
    x = data.v_template[:, 0]
    assert (x[touch.vertices[0, 0]] > 0.8).all()
    assert (x[touch.vertices[1, 0]] < -0.8).all()


def test_what_is_further_than_the_limit_is_no_contact() -> None:
    data = load_body_data()
    touch = find_touch(*_apart(data, [CONTACT_DISTANCE + 0.001] * 2), data)
    assert not touch.vertices.any()
    assert touch.labels == ()


def test_fingers_that_are_inside_each_other_penetrate() -> None:
    data = load_body_data()
    touch = find_touch(*_apart(data, [-0.004, -0.004]), data)
    assert 0.001 < touch.penetration_m[0] <= 0.0041
    assert touch.vertices[:, 0].any()


def test_the_first_persons_regions_come_first() -> None:
    data = load_body_data()
    a, b = _apart(data, [0.0, 0.0])
    touch = find_touch(b, a, data, (3, 1))
    label = touch.labels[0]
    assert (label.person_a, label.region_a) == (3, "right_fingers")
    assert (label.person_b, label.region_b) == (1, "left_fingers")


def test_intervals_bridge_a_gap_and_drop_a_flicker() -> None:
    assert intervals([1, 2, 5, 6, 20]) == [FrameRange(1, 7)]
    assert intervals([1, 2, 6, 7]) == [FrameRange(1, 3), FrameRange(6, 8)]
    assert intervals([]) == []


def _in_each_other(density: str, depth: float) -> tuple[np.ndarray, np.ndarray, BodyData]:
    """Two people chest to chest, one turned round, `depth` metres nearer than touching."""
    data = load_body_data(density=density)
    a = data.v_template
    b = a * [-1, 1, -1]
    chest = a[region_vertices(data, "left_chest"), 2].max()
    b = b + np.array([0, 0, 2 * chest - depth])
    return a.astype(np.float32)[None], b.astype(np.float32)[None], data


@pytest.mark.parametrize("depth", [-0.008, 0.03, 0.15])
def test_touch_and_depth_equal_trimesh(depth: float) -> None:
    a, b, data = _in_each_other("1k2", depth)
    touch = find_touch(a, b, data)
    for side, (points, skin) in enumerate(((a[0], b[0]), (b[0], a[0]))):
        mesh = trimesh.Trimesh(skin, data.faces, process=False)
        distance = trimesh.proximity.signed_distance(mesh, points)  # positive inside
        clear = abs(distance + CONTACT_DISTANCE) > 1e-5
        expected = distance > -CONTACT_DISTANCE
        np.testing.assert_array_equal(touch.vertices[side, 0][clear], expected[clear])
    both = np.concatenate(
        [trimesh.proximity.signed_distance(trimesh.Trimesh(skin, data.faces, process=False), points)
         for points, skin in ((a[0], b[0]), (b[0], a[0]))]
    )  # fmt: skip
    inside = both[both > 0]
    assert touch.penetrating[0] == len(inside)
    assert touch.penetration_m[0] == pytest.approx(inside.max(initial=0), abs=1e-5)
    assert touch.penetration_sum_m[0] == pytest.approx(inside.sum(), abs=1e-3)


def test_a_coarser_mesh_misses_no_contact_of_a_finer_one() -> None:
    fine, coarse = (
        {(c.region_a, c.region_b) for c in find_touch(a.repeat(2, 0), b.repeat(2, 0), data).labels}
        for a, b, data in (_in_each_other(density, 0.01) for density in ("7k", "2k5"))
    )
    assert ("left_chest", "right_chest") in fine
    assert fine <= coarse
