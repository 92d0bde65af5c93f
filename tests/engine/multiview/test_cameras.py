"""Cameras around points whose place is known."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import InputError
from engine.multiview.cameras import (
    adjust,
    centre,
    consensus,
    midpoints,
    moved,
    normalized,
    project,
    read_qualisys,
    sight,
    sight_equations,
)
from tests.engine.multiview.scene import STANDING, cameras, person, seen_by

QUALISYS = """<?xml version='1.0' encoding='ASCII'?>
<calibration><cameras>
<camera serial="b"><fov_video bottom="799" left="0" right="999" top="0"/>
<transform r11="1" r12="0" r13="0" r21="0" r22="1" r23="0" r31="0" r32="0" r33="1"
 x="1000" y="2000" z="5000"/>
<intrinsic centerPointU="32000" centerPointV="25600" focalLengthU="64000" focalLengthV="64000"
 radialDistortion1="0.64" radialDistortion2="0" tangentalDistortion1="0" tangentalDistortion2="0"/>
</camera>
<camera serial="a"><fov_video bottom="799" left="10" right="999" top="20"/>
<transform r11="1" r12="0" r13="0" r21="0" r22="1" r23="0" r31="0" r32="0" r33="1"
 x="0" y="0" z="5000"/>
<intrinsic centerPointU="32000" centerPointV="25600" focalLengthU="64000" focalLengthV="64000"
 radialDistortion1="0" radialDistortion2="0" tangentalDistortion1="0" tangentalDistortion2="0"/>
</camera></cameras></calibration>
"""


def test_a_qualisys_camera_looks_along_its_negative_z_axis(tmp_path):
    path = tmp_path / "calibration.qca.txt"
    path.write_text(QUALISYS)
    first, second = read_qualisys(path)
    # By name, not by their order in the file; the crop of the picture moves the centre.
    np.testing.assert_allclose(first.K[:2, 2], (500 - 10, 400 - 20))
    assert (first.image_size, second.image_size) == ((990, 780), (1000, 800))
    np.testing.assert_allclose(centre(second), (1, 2, 5))
    # A metre to the right of its axis and half a metre above, five metres before the lens.
    pixels, depth = project(first, np.array([1.0, 0.5, 0.0]))
    np.testing.assert_allclose(depth, 5.0)
    np.testing.assert_allclose(pixels, (490 + 1000 / 5, 380 - 500 / 5))
    np.testing.assert_allclose(second.distortion, (0.01, 0, 0, 0, 0))


@pytest.mark.parametrize(
    "text", ["", "<calibration/", "<!DOCTYPE x [<!ENTITY a 'b'>]><x/>",
             "<calibration><cameras><camera serial='a'/></cameras></calibration>"],
)  # fmt: skip
def test_another_file_is_refused_in_a_sentence(tmp_path, text):
    path = tmp_path / "calibration.txt"
    path.write_text(text)
    with pytest.raises(InputError):
        read_qualisys(path)


def test_a_sight_line_leads_back_to_its_point():
    for camera in cameras():
        camera.distortion[:] = (-0.05, 0.1, 0.001, 0.001, 0)
        pixels, _ = project(camera, STANDING)
        rays = sight(camera, pixels)
        along = STANDING - centre(camera)
        np.testing.assert_allclose(np.cross(rays, along), 0, atol=1e-5)


def test_nothing_stays_nothing():
    camera = cameras()[0]
    point = np.array([np.nan, 1.0, 0.0])
    assert np.isnan(project(camera, point)[0]).all()
    assert np.isnan(normalized(camera, np.full((2, 2), np.nan))).all()


def test_lines_that_pass_each_other_meet_half_way():
    points, gap = midpoints(
        (np.zeros(3), np.array([0.0, 2.0, 1.0])),
        (np.array([[0.0, 0.0, 1.0]]), np.array([[0.0, -1.0, 0.0]])),
    )
    np.testing.assert_allclose(points, [[0, 0, 1]])
    np.testing.assert_allclose(gap, [0])
    _, behind = midpoints(
        (np.zeros(3), np.array([0.0, 2.0, 1.0])),
        (np.array([[0.0, 0.0, -1.0]]), np.array([[0.0, -1.0, 0.0]])),
    )
    assert np.isinf(behind).all()


def test_sight_equations_measure_metres_beside_the_line():
    views = cameras()
    point = np.array([0.2, 1.1, -0.3])
    plane = np.stack([normalized(c, project(c, point)[0]) for c in views])
    A, b = sight_equations(views, plane[None])
    np.testing.assert_allclose(A[0] @ point - b[0], 0, atol=1e-7)
    sideways = views[1].T_camera_world[0, 0, :3]
    np.testing.assert_allclose(A[0, 1] @ (point + 0.1 * sideways) - b[0, 1], (0.1, 0), atol=1e-6)


def test_three_views_that_agree_overrule_a_sure_one_that_does_not():
    views = cameras()
    evidence = seen_by(views, person(frames=1))
    pixels, weight = evidence.pixels[:, 0, :, 9].copy(), evidence.weight[:, 0, :, 9].copy()
    pixels[2] += (60, -40)
    weight[:] = 0.3
    weight[2] = 1.0
    np.testing.assert_allclose(consensus(views, pixels, weight), person(frames=1)[0, 9], atol=1e-5)


def test_one_view_alone_says_nothing():
    views = cameras()
    evidence = seen_by(views, person(frames=1))
    weight = evidence.weight[:, 0, :, 9].copy()
    weight[1:] = 0.0
    assert np.isnan(consensus(views, evidence.pixels[:, 0, :, 9], weight)).all()


def test_a_camera_that_was_bumped_is_put_right():
    views = cameras()
    points = np.concatenate([person(x, z, frames=4) for x, z in ((-0.6, 0.2), (0.5, -0.3))])
    evidence = seen_by(views, points)
    pixels = evidence.pixels[:, :, 0].transpose(1, 2, 0, 3).reshape(-1, 4, 2)
    rng = np.random.default_rng(2)
    bumped = np.zeros((4, 6))
    bumped[2] = (0.02, -0.035, 0.01, 0.02, 0.0, -0.02)
    wrong = moved(views, bumped.ravel())
    weight = np.ones(pixels.shape[:2])
    off_rows = rng.choice(len(pixels), 12, replace=False)
    pixels[off_rows, 0] += 80.0  # gross errors of a detector
    corrected = adjust(wrong, pixels, weight)

    def disagreement(of):
        rows = np.setdiff1d(np.arange(len(pixels)), off_rows)
        A, b = sight_equations(of, np.stack([normalized(c, pixels[rows, v]) for v, c in
                                             enumerate(of)], axis=1))  # fmt: skip
        place = np.linalg.solve(np.einsum("nvij,nvik->njk", A, A),
                                np.einsum("nvij,nvi->nj", A, b)[..., None])  # fmt: skip
        return np.linalg.norm(A @ place[:, None] - b[..., None], axis=(-1, -2)).mean()

    assert disagreement(wrong) > 0.015
    assert disagreement(corrected) < 0.004
