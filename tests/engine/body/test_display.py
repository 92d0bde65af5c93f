"""The window's bodies are the engine's bodies, and need no torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from engine.body.benchmark import with_random_posedirs
from engine.body.data import DENSITIES, load_body_data
from engine.body.display import DisplayBody
from engine.body.smpl import BodyModel

from .conftest import Poses


@pytest.mark.parametrize("with_posedirs", [False, True], ids=["plain", "posedirs"])
@pytest.mark.parametrize("density", DENSITIES)
def test_display_equals_the_torch_model(density: str, with_posedirs: bool, poses: Poses) -> None:
    data = load_body_data(density=density)
    if with_posedirs:
        data = with_random_posedirs(data)
    display, posed = DisplayBody(data), BodyModel.from_data(data).pose(*poses.for_torch)
    for person in range(2):
        arguments = poses.for_numpy(person)
        vertices = display.vertices(*arguments)
        assert vertices.dtype == np.float32
        np.testing.assert_allclose(vertices, posed.vertices()[person].numpy(), atol=1e-5)
        np.testing.assert_allclose(
            display.joints(*arguments), posed.joints[person].numpy(), atol=1e-5
        )
        np.testing.assert_allclose(
            display.keypoints(*arguments, layout="halpe26"),
            posed.keypoints("halpe26")[person].numpy(),
            atol=1e-5,
        )


def test_one_frame_is_a_frame_of_the_batch(poses: Poses) -> None:
    display = DisplayBody.load(density="1k2")
    betas, root, body, transl = poses.for_numpy(1)
    np.testing.assert_allclose(
        display.vertices(betas, root[2], body[2], transl[2]),
        display.vertices(betas, root, body, transl)[2],
        atol=1e-6,
    )


def test_a_second_shape_is_not_the_first(poses: Poses) -> None:
    display = DisplayBody.load(density="1k2")
    first, second = (poses.for_numpy(person) for person in range(2))
    before = display.vertices(*first)
    assert np.abs(display.vertices(second[0], *first[1:]) - before).max() > 0.01
    np.testing.assert_array_equal(display.vertices(*first), before)


def test_normals_point_outwards_and_have_unit_length() -> None:
    display = DisplayBody.load()
    vertices = display.vertices(np.zeros(10), np.zeros(3), np.zeros((23, 3)), np.zeros(3))
    normals = display.normals(vertices)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    # Pushing a closed surface along outward normals enlarges it: dV = area * dx.
    assert volume(display, vertices + 1e-3 * normals) > volume(display, vertices) + 1e-3


def volume(display: DisplayBody, vertices: np.ndarray) -> float:
    a, b, c = vertices.astype(np.float64)[display.faces.T.astype(int)]
    return float(np.einsum("fc,fc->", a, np.cross(b, c)) / 6)


def test_missing_frames_stay_missing(poses: Poses) -> None:
    display = DisplayBody.load(density="1k2")
    betas, root, body, transl = poses.for_numpy(0)
    transl = transl.copy()
    transl[1] = np.nan
    vertices = display.vertices(betas, root, body, transl)
    assert np.isnan(vertices[1]).all()
    assert np.isfinite(vertices[[0, 2, 3, 4]]).all()


def test_display_and_the_choice_of_bodies_import_no_torch() -> None:
    code = (
        "import sys, engine.body.display, engine.body.user_body;"
        "sys.exit(bool({'torch', 'warp', 'onnxruntime', 'smplx'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
