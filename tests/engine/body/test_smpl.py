"""Our skinning is smplx's, for every density, with and without pose blend shapes."""

from __future__ import annotations

import pytest
import torch

from engine.body.benchmark import with_random_posedirs
from engine.body.data import DENSITIES, BodyData, load_body_data
from engine.body.joints import COCO17, HALPE26, SMPL_JOINTS, SMPL_PARENTS, mirrored
from engine.body.reference import smplx_model
from engine.body.skinning import skin_rest_per_frame, skin_rest_per_frame_plainly
from engine.body.smpl import BodyModel
from engine.errors import WeightError

from .conftest import Poses


def smplx_output(data: BodyData, poses: Poses, person: int) -> tuple[torch.Tensor, torch.Tensor]:
    frames = poses.transl.shape[1]
    output = smplx_model(data, frames)(
        betas=poses.betas[person].expand(frames, -1),
        global_orient=poses.axis_angle[person, :, 0],
        body_pose=poses.axis_angle[person, :, 1:].flatten(1),
        transl=poses.transl[person],
    )
    return output.vertices, output.joints


@pytest.mark.parametrize("with_posedirs", [False, True], ids=["plain", "posedirs"])
@pytest.mark.parametrize("density", DENSITIES)
def test_vertices_and_joints_equal_those_of_smplx(
    density: str, with_posedirs: bool, poses: Poses
) -> None:
    data = load_body_data(density=density)
    if with_posedirs:
        data = with_random_posedirs(data)
    posed = BodyModel.from_data(data).pose(*poses.for_torch)
    vertices = posed.vertices()
    for person in range(2):
        expected_vertices, expected_joints = smplx_output(data, poses, person)
        torch.testing.assert_close(vertices[person], expected_vertices, atol=1e-5, rtol=0)
        torch.testing.assert_close(posed.joints[person], expected_joints[:, :24], atol=1e-5, rtol=0)


def test_all_landmarks_lie_where_smplx_puts_them(poses: Poses) -> None:
    data = load_body_data()
    vertices = BodyModel.from_data(data).vertices(*poses.for_torch)[0]
    _, joints = smplx_output(data, poses, 0)
    names = ("nose", "reye", "leye", "rear", "lear", "LBigToe", "LSmallToe", "LHeel")
    for name, position in zip(names, joints[:, 24:].unbind(1), strict=False):
        torch.testing.assert_close(vertices[:, data.vertex_ids[name]], position, atol=1e-5, rtol=0)


@pytest.mark.parametrize("with_posedirs", [False, True], ids=["plain", "posedirs"])
def test_gradients_equal_those_of_smplx(with_posedirs: bool, poses: Poses) -> None:
    data = load_body_data(density="1k2")
    if with_posedirs:
        data = with_random_posedirs(data)
    leaves = [t.requires_grad_() for t in (poses.betas, poses.axis_angle, poses.transl)]
    weight = torch.randn(5, data.vertex_count, 3, generator=torch.Generator().manual_seed(0))
    ours = BodyModel.from_data(data).vertices(*poses.for_torch)[0]
    theirs, _ = smplx_output(data, poses, 0)
    for mine, reference in zip(
        torch.autograd.grad((ours * weight).sum(), leaves),
        torch.autograd.grad((theirs * weight).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(mine, reference, atol=2e-3, rtol=1e-4)


def test_fast_skinning_with_pose_blend_shapes_equals_its_formula() -> None:
    generator = torch.Generator().manual_seed(1)
    weights = torch.rand(30_000, 24, generator=generator)  # enough vertices for several parts
    rest = torch.randn(1, 3, 3, 30_000, generator=generator).requires_grad_()
    transforms = torch.randn(1, 3, 24, 3, 4, generator=generator).requires_grad_()
    fast = skin_rest_per_frame(weights, rest, transforms)
    plain = skin_rest_per_frame_plainly(weights, rest, transforms)
    torch.testing.assert_close(fast, plain, atol=1e-4, rtol=1e-4)
    weight = torch.randn(fast.shape, generator=generator)
    for mine, reference in zip(
        torch.autograd.grad((fast * weight).sum(), (rest, transforms)),
        torch.autograd.grad((plain * weight).sum(), (rest, transforms)),
        strict=True,
    ):
        torch.testing.assert_close(mine, reference, atol=1e-2, rtol=1e-3)


def test_a_subset_is_the_same_vertices(poses: Poses) -> None:
    for data in (load_body_data(), with_random_posedirs(load_body_data())):
        model = BodyModel.from_data(data)
        subset = torch.tensor([5, 4000, 17])
        torch.testing.assert_close(
            model.vertices(*poses.for_torch, subset=subset),
            model.vertices(*poses.for_torch)[:, :, subset],
            atol=1e-5, rtol=0,
        )  # fmt: skip


def test_rest_is_the_pose_of_no_rotation(poses: Poses) -> None:
    model = BodyModel.load(density="2k5")
    at_rest = torch.eye(3).expand(2, 1, 24, 3, 3)
    vertices, joints = model.rest(poses.betas)
    posed = model.pose(poses.betas, at_rest, torch.zeros(2, 1, 3))
    torch.testing.assert_close(posed.vertices()[:, 0], vertices, atol=1e-6, rtol=0)
    torch.testing.assert_close(posed.joints[:, 0], joints, atol=1e-6, rtol=0)
    torch.testing.assert_close(model.J_regressor @ vertices, joints, atol=1e-5, rtol=0)


def test_fewer_betas_leave_the_others_at_zero(poses: Poses) -> None:
    model = BodyModel.load(density="1k2")
    padded = torch.cat([poses.betas[:, :4], torch.zeros(2, 6)], 1)
    torch.testing.assert_close(model.rest(poses.betas[:, :4])[0], model.rest(padded)[0])


def test_keypoints_are_joints_and_landmarks_of_the_posed_body(poses: Poses) -> None:
    model = BodyModel.load()
    posed = model.pose(*poses.for_torch)
    keypoints, vertices = posed.keypoints("halpe26"), posed.vertices()
    assert keypoints.shape == (2, 5, 26, 3)

    def keypoint(name: str) -> torch.Tensor:
        return keypoints[:, :, HALPE26.index(name)]

    def joint(name: str) -> torch.Tensor:
        return posed.joints[:, :, SMPL_JOINTS.index(name)]

    for name in ("left_shoulder", "right_elbow", "left_wrist", "right_knee", "left_ankle"):
        torch.testing.assert_close(keypoint(name), joint(name), atol=1e-6, rtol=0)
    for name, landmark in (("nose", "nose"), ("left_heel", "LHeel"), ("right_big_toe", "RBigToe")):
        at = vertices[:, :, model.data.vertex_ids[landmark]]
        torch.testing.assert_close(keypoint(name), at, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        keypoint("hip"), (joint("left_hip") + joint("right_hip")) / 2, atol=1e-6, rtol=0
    )
    spread = (keypoint("left_hip") - keypoint("right_hip")).norm(dim=-1)
    assert (spread > 1.1 * (joint("left_hip") - joint("right_hip")).norm(dim=-1)).all()


def test_coco_keypoints_are_the_first_of_halpe(poses: Poses) -> None:
    model = BodyModel.load(density="1k2")
    coco = model.keypoints(*poses.for_torch, layout="coco17")
    assert coco.shape[2] == len(COCO17)
    torch.testing.assert_close(coco, model.keypoints(*poses.for_torch)[:, :, :17])


def test_keypoints_and_joints_agree_at_all_densities(poses: Poses) -> None:
    reference = BodyModel.load(density="full").pose(*poses.for_torch)
    for density in DENSITIES[1:]:
        posed = BodyModel.load(density=density).pose(*poses.for_torch)
        torch.testing.assert_close(posed.joints, reference.joints, atol=1e-5, rtol=0)
        torch.testing.assert_close(
            posed.keypoints("halpe26"), reference.keypoints("halpe26"), atol=1e-5, rtol=0
        )


def test_the_mirror_image_of_a_pose_has_the_mirrored_keypoints() -> None:
    model = BodyModel.load(density="1k2")
    flip = torch.tensor([-1.0, 1.0, 1.0])
    generator = torch.Generator().manual_seed(5)
    betas = torch.randn(1, 10, generator=generator)
    pose = Poses(betas, torch.randn(1, 3, 24, 3, generator=generator), torch.zeros(1, 3, 3))
    swapped = pose.axis_angle[:, :, list(mirrored(SMPL_JOINTS))] * torch.tensor([1.0, -1.0, -1.0])
    image = Poses(betas, swapped, pose.transl)
    torch.testing.assert_close(
        model.keypoints(*image.for_torch),
        model.keypoints(*pose.for_torch)[:, :, list(mirrored(HALPE26))] * flip,
        atol=1e-5, rtol=0,
    )  # fmt: skip


def test_a_body_moves_to_another_type(poses: Poses) -> None:
    model = BodyModel.load(density="1k2")
    double = model.to(torch.float64)
    exact = double.vertices(*(t.double() for t in poses.for_torch))
    assert exact.dtype == torch.float64
    assert double.faces.dtype == torch.int64
    torch.testing.assert_close(model.vertices(*poses.for_torch).double(), exact, atol=1e-5, rtol=0)


def test_the_tree_is_smpls() -> None:
    assert BodyModel.load().parents == SMPL_PARENTS


def test_an_unknown_density_is_refused() -> None:
    with pytest.raises(WeightError, match="density"):
        BodyModel.load(density="3k")
