"""A user's SMPL, SMPL-H or SMPL-X works as the body; a hostile or wrong file is refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial import cKDTree

from engine.body import user_body, user_density
from engine.body.data import OPEN_BODY, load_body_data
from engine.body.display import DisplayBody
from engine.body.landmark_search import find_landmarks
from engine.body.reference import largest_difference, run_smplx, smplx_model_of_file
from engine.body.regions import region_names, vertex_regions
from engine.body.smpl import BodyModel
from engine.errors import InputError, UnsafeFileError, WeightError

from .conftest import Poses
from .fake_models import JOINT_COUNTS, fake_arrays, write_chumpy_pickle, write_npz

NAMES = {
    "smpl": "SMPL_NEUTRAL.npz",
    "smplh": "smplh/male/model.npz",
    "smplx": "models/smplx/SMPLX_FEMALE.npz",
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    return folder


def test_the_open_body_comes_first_and_alone_where_there_is_no_other(root: Path) -> None:
    (choice,) = user_body.available_bodies(root)
    assert (choice.name, choice.kind) == (OPEN_BODY, "open")


def test_files_are_found_in_the_names_they_are_distributed_under(root: Path) -> None:
    for kind, name in NAMES.items():
        write_npz(root / name, fake_arrays(kind))
    choices = {choice.name: choice for choice in user_body.available_bodies(root)}
    assert set(choices) == {OPEN_BODY, "smpl-neutral", "smplh-male", "smplx-female"}
    assert choices["smplx-female"].gender == "female"
    assert choices["smplh-male"].path == root / "smplh/male/model.npz"
    assert len(choices["smpl-neutral"].sha256) == 64


@pytest.mark.parametrize(
    ("name", "gender"),
    [
        ("basicModel_f_lbs_10_207_0_v1.0.0.npz", "female"),
        ("basicmodel_m_lbs_10_207_0_v1.1.0.npz", "male"),
        ("basicModel_neutral_lbs_10_207_0_v1.0.0.npz", "neutral"),
        ("smpl_custom.npz", "neutral"),
    ],
)
def test_gender_follows_from_the_name(root: Path, name: str, gender: str) -> None:
    write_npz(root / name, fake_arrays("smpl"))
    assert user_body.available_bodies(root)[1].gender == gender


def test_two_files_of_a_kind_have_two_names(root: Path) -> None:
    write_npz(root / "SMPL_MALE.npz", fake_arrays("smpl"))
    write_npz(root / "smpl_v11_male.npz", fake_arrays("smpl"))
    names = [choice.name for choice in user_body.available_bodies(root)]
    assert names == [OPEN_BODY, "smpl-male", "smpl-male-smpl-v11-male-npz"]


@pytest.mark.parametrize("kind", JOINT_COUNTS)
def test_a_users_body_moves_as_in_smplx(root: Path, kind: str, poses: Poses) -> None:
    path = write_npz(root / NAMES[kind], fake_arrays(kind))
    choice = user_body.available_bodies(root)[1]
    assert largest_difference(choice) < 1e-5

    pose = poses.axis_angle[0].clone()
    if kind != "smpl":
        pose[:, 22:] = 0
    still = Poses(poses.betas[:1], pose[None], poses.transl[:1])
    data = user_body.load_user_body(choice.name, root=root)
    posed = BodyModel.from_data(data).pose(*still.for_torch)
    vertices, joints = run_smplx(
        smplx_model_of_file(path, len(pose)), poses.betas[:1], pose, poses.transl[0]
    )
    torch.testing.assert_close(posed.vertices()[0], vertices, atol=1e-5, rtol=0)
    torch.testing.assert_close(posed.joints[0, :, :22], joints[:, :22], atol=1e-5, rtol=0)
    np.testing.assert_allclose(
        DisplayBody(data).vertices(*still.for_numpy(0)), vertices.numpy(), atol=1e-5
    )


@pytest.mark.parametrize("kind", ["smplh", "smplx"])
def test_flat_hands_ignore_the_rotation_of_hand_joints(root: Path, kind: str, poses: Poses) -> None:
    data = user_body.read_body(write_npz(root / NAMES[kind], fake_arrays(kind)), kind)
    model = BodyModel.from_data(data)
    turned = poses.rotmats.clone()
    turned[:, :, 22:] = torch.eye(3)
    torch.testing.assert_close(
        model.vertices(poses.betas, turned, poses.transl), model.vertices(*poses.for_torch)
    )


def test_official_pickles_are_read_without_chumpy(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = fake_arrays("smpl")
    pickled = write_chumpy_pickle(root / "SMPL_NEUTRAL.pkl", arrays, monkeypatch)
    read = user_body.read_model(pickled)
    for key in ("v_template", "shapedirs", "weights", "J_regressor", "posedirs", "f"):
        np.testing.assert_array_equal(read[key], arrays[key])
    from_npz = user_body.read_body(write_npz(root / "SMPL_NEUTRAL.npz", arrays), "smpl-neutral")
    from_pickle = user_body.read_body(pickled, "smpl-neutral")
    np.testing.assert_array_equal(from_pickle.J_template, from_npz.J_template)
    assert from_pickle.vertex_ids == from_npz.vertex_ids


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_plain_pickles_of_any_protocol_are_read(root: Path, protocol: int) -> None:
    arrays = fake_arrays("smpl")
    path = root / "SMPL_MALE.pkl"
    path.write_bytes(pickle.dumps(arrays, protocol=protocol))
    np.testing.assert_array_equal(user_body.read_model(path)["weights"], arrays["weights"])


class _Call:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self._call


@pytest.mark.parametrize("hidden", [False, True], ids=["open", "inside an array"])
@pytest.mark.parametrize(
    "call", [(os.mkdir,), (exec,), (getattr, "x", "y")], ids=["mkdir", "exec", "getattr"]
)
def test_a_malicious_pickle_is_refused_and_not_run(
    root: Path, call: tuple[Any, ...], hidden: bool
) -> None:
    trace = root / "trace"
    arguments = call[1:] or (
        (str(trace),) if call[0] is os.mkdir else (f"open({str(trace)!r},'w')",)
    )
    payload: Any = _Call(call[0], *arguments)
    if hidden:
        payload = np.array([payload], dtype=object)
    path = root / "SMPL_NEUTRAL.pkl"
    path.write_bytes(pickle.dumps({**fake_arrays("smpl"), "extra": payload}))
    with pytest.raises(UnsafeFileError, match=r"SMPL_NEUTRAL\.pkl asks to run") as caught:
        user_body.read_body(path, "smpl-neutral")
    assert not trace.exists()
    assert "\n" not in str(caught.value)


def test_a_refused_file_is_reported_and_the_others_stay_available(root: Path) -> None:
    (root / "SMPL_MALE.pkl").write_bytes(pickle.dumps(_Call(os.getcwd)))
    write_npz(root / "SMPL_FEMALE.npz", fake_arrays("smpl"))
    bodies, refused = user_body.scan_bodies(root)
    assert [body.name for body in bodies] == [OPEN_BODY, "smpl-female"]
    assert [file.path.name for file in refused] == ["SMPL_MALE.pkl"]
    assert "asks to run" in refused[0].reason


def wrong(change: str) -> dict[str, np.ndarray]:
    arrays = fake_arrays("smpl")
    if change == "weights":
        arrays["weights"] = arrays["weights"][:, :20]
    elif change == "faces":
        arrays["f"] = arrays["f"] + 1_000_000
    elif change == "numbers":
        arrays["v_template"] = arrays["v_template"] * np.nan
    elif change == "tree":
        arrays["kintree_table"] = arrays["kintree_table"][:, ::-1]
    elif change == "joints":
        arrays["kintree_table"] = arrays["kintree_table"][:, :20]
    elif change == "shapes":
        arrays["shapedirs"] = arrays["shapedirs"][..., :5]
    else:
        del arrays["posedirs"]
    return arrays


@pytest.mark.parametrize(
    "change", ["weights", "faces", "numbers", "tree", "joints", "shapes", "missing"]
)
def test_a_file_that_is_no_body_is_refused_in_a_sentence(root: Path, change: str) -> None:
    path = write_npz(root / "SMPL_NEUTRAL.npz", wrong(change))
    with pytest.raises(InputError, match=r"SMPL_NEUTRAL\.npz is not a body model; expected"):
        user_body.read_body(path, "smpl-neutral")
    assert len(user_body.available_bodies(root)) == 1


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04K\x01.", b"PK\x03\x04 broken"])
@pytest.mark.parametrize("name", ["SMPL_NEUTRAL.pkl", "SMPL_NEUTRAL.npz"])
def test_any_other_content_is_refused(root: Path, name: str, content: bytes) -> None:
    path = root / name
    path.write_bytes(content)
    with pytest.raises(InputError, match="SMPL_NEUTRAL"):
        user_body.read_body(path, "smpl-neutral")


def test_a_changed_file_is_looked_at_again(root: Path) -> None:
    path = write_npz(root / "SMPL_NEUTRAL.npz", fake_arrays("smpl"))
    first = user_body.available_bodies(root)[1]
    assert user_body.available_bodies(root)[1] == first
    path.write_bytes(b"broken now")
    assert len(user_body.available_bodies(root)) == 1


def test_a_body_that_is_gone_is_named(root: Path) -> None:
    with pytest.raises(WeightError, match="smplx-male"):
        user_body.body_choice("smplx-male", root)


def test_landmarks_found_by_shape_lie_at_those_of_the_open_body(root: Path) -> None:
    data = load_body_data()
    found = find_landmarks(data.v_template, data.weights, data.J_template)
    assert set(found) == set(data.vertex_ids)
    for name, vertex in found.items():
        off = np.linalg.norm(data.v_template[vertex] - data.v_template[data.vertex_ids[name]])
        assert off < 0.02, f"{name} is off by {off:.3f} m"


def test_regions_exist_on_a_users_body(root: Path) -> None:
    data = user_body.read_body(write_npz(root / "SMPLX_MALE.npz", fake_arrays("smplx")), "x")
    counts = np.bincount(vertex_regions(data), minlength=len(region_names()))
    assert (counts > 0).all()


def test_a_coarser_mesh_of_a_users_body_has_the_same_joints_and_motion(
    root: Path, poses: Poses
) -> None:
    arrays = fake_arrays("smpl", density="2k5")
    write_npz(root / "SMPL_NEUTRAL.npz", arrays)
    fine = user_body.load_user_body("smpl-neutral", "7k", root)
    coarse = user_body.load_user_body("smpl-neutral", "1k2", root)
    assert (fine.vertex_count, coarse.vertex_count) == (2500, 1200)
    mesh = trimesh.Trimesh(coarse.v_template, coarse.faces, process=False)
    assert mesh.is_watertight
    there, here = (BodyModel.from_data(data).pose(*poses.for_torch) for data in (fine, coarse))
    torch.testing.assert_close(here.joints, there.joints, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        here.keypoints("halpe26"), there.keypoints("halpe26"), atol=1e-5, rtol=0
    )
    np.testing.assert_allclose(coarse.J_regressor @ coarse.v_template, coarse.J_template, atol=1e-9)
    kept = cKDTree(fine.v_template).query(coarse.v_template)[1]
    torch.testing.assert_close(
        here.vertices(), there.vertices()[:, :, torch.from_numpy(kept)], atol=1e-5, rtol=0
    )


def test_a_coarser_mesh_is_made_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_npz(root / "SMPL_NEUTRAL.npz", fake_arrays("smpl", density="2k5"))
    first = user_body.load_user_body("smpl-neutral", "1k2", root)
    monkeypatch.setattr(user_density, "levels_of_detail", None)
    second = user_body.load_user_body("smpl-neutral", "1k2", root)
    np.testing.assert_array_equal(first.faces, second.faces)
