"""The shipped lifter on people that were made up here, and the rules around it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.body.joints import HALPE26, mirrored
from engine.body.smpl import BodyModel
from engine.errors import InputError
from engine.geometry.camera import project
from engine.geometry.rotations import axis_angle_to_matrix, geodesic_angle
from engine.perception.lifter import LiftedMotion, Lifter, resample_keypoints
from engine.perception.lifter_network import LifterNetwork, virtual_view
from tests.engine.perception.motions import in_camera, waving

WIDTH = 1280.0
K = np.array([[1200.0, 0.0, WIDTH / 2], [0.0, 1200.0, 480.0], [0.0, 0.0, 1.0]])
TIMES = np.arange(48) / 30.0


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load(density="1k2")


@pytest.fixture(scope="module")
def lifter() -> Lifter:
    return Lifter.load()


def pixels(points: torch.Tensor) -> np.ndarray:
    return project(points, torch.tensor(K, dtype=torch.float32)).double().numpy()


def lift(lifter: Lifter, keypoints: np.ndarray, times: np.ndarray = TIMES) -> LiftedMotion:
    return lifter.lift(keypoints, np.ones(keypoints.shape[:3]), "halpe26", K, times)


def rotations_of(motion: LiftedMotion) -> torch.Tensor:
    pose = np.concatenate([motion.global_orient[:, :, None], motion.body_pose], axis=2)
    return axis_angle_to_matrix(torch.tensor(pose, dtype=torch.float32))


def joint_error(motion: LiftedMotion, joints: torch.Tensor, body: BodyModel) -> float:
    """Mean distance of the joints with pelvis aligned, metres."""
    people = len(motion.transl)
    lifted = body.joints(
        torch.zeros(people, 10), rotations_of(motion), torch.tensor(motion.transl).float()
    )
    centred = [j - j[:, :, :1] for j in (lifted, joints)]
    return float((centred[0] - centred[1]).norm(dim=-1).mean())


@pytest.mark.parametrize("heading", [0.0, 0.9, 2.2, np.pi, -1.5])
def test_a_person_is_found_in_the_right_pose_and_facing_whatever_the_heading(
    lifter: Lifter, body: BodyModel, heading: float
) -> None:
    rotations, joints, keypoints = in_camera(waving(TIMES, heading), body, distance=4.0)
    motion = lift(lifter, pixels(keypoints))
    assert joint_error(motion, joints, body) < 0.07
    turned = geodesic_angle(rotations_of(motion)[:, :, 0], rotations[:, :, 0])
    assert float(turned.max()) < np.pi / 4


def test_the_lifted_body_lies_over_the_keypoints_and_at_their_distance(
    lifter: Lifter, body: BodyModel
) -> None:
    _, joints, keypoints = in_camera(waving(TIMES, 0.4), body, distance=4.0)
    motion = lift(lifter, pixels(keypoints))
    again = body.keypoints(
        torch.zeros(1, 10), rotations_of(motion), torch.tensor(motion.transl).float()
    )
    height = np.ptp(pixels(keypoints)[..., 1])
    error = np.linalg.norm(pixels(again) - pixels(keypoints), axis=-1).mean()
    assert error < 0.03 * height
    pelvis = motion.transl[0] + body.J_template[0].numpy()
    assert pelvis == pytest.approx(joints[0, :, 0].numpy(), abs=0.4)


@pytest.mark.parametrize(("pitch", "roll"), [(0.0, 0.0), (0.5, 0.0), (0.2, 0.4), (0.1, -0.4)])
def test_gravity_is_seen_from_a_tilted_camera(
    lifter: Lifter, body: BodyModel, pitch: float, roll: float
) -> None:
    poses = waving(TIMES, 0.5)
    rotations, _, keypoints = in_camera(poses, body, distance=4.0, pitch=pitch, roll=roll)
    heading = axis_angle_to_matrix(torch.tensor(poses[0, 0], dtype=torch.float32))
    up = (rotations[0, 0, 0] @ heading.T)[:, 1].numpy()
    found = lift(lifter, pixels(keypoints)).up_camera
    assert np.degrees(np.arccos(up @ found)) < 10


def test_a_mirrored_person_gives_exactly_the_mirrored_motion(
    lifter: Lifter, body: BodyModel
) -> None:
    _, _, keypoints = in_camera(waving(TIMES, 0.9), body, distance=3.0)
    straight = lift(lifter, pixels(keypoints))
    seen_in_mirror = pixels(keypoints)[:, :, list(mirrored(HALPE26))]
    seen_in_mirror[..., 0] = WIDTH - seen_in_mirror[..., 0]
    mirror = lift(lifter, seen_in_mirror)
    flip = np.array([1.0, -1.0, -1.0])
    assert mirror.global_orient == pytest.approx(straight.global_orient * flip, abs=1e-3)
    assert mirror.transl[..., 1:] == pytest.approx(straight.transl[..., 1:], abs=1e-3)
    assert mirror.up_camera == pytest.approx(straight.up_camera * [-1, 1, 1], abs=1e-4)


def test_the_frame_rate_of_the_video_does_not_matter(lifter: Lifter, body: BodyModel) -> None:
    fast = np.arange(95) / 60.0
    _, _, keypoints = in_camera(waving(fast, 0.3), body, distance=4.0)
    motion_60 = lift(lifter, pixels(keypoints), fast)
    motion_30 = lift(lifter, pixels(keypoints)[:, ::2], fast[::2])
    angle = geodesic_angle(rotations_of(motion_60)[:, ::2], rotations_of(motion_30))
    assert float(angle.max()) < 0.02


def test_each_person_is_lifted_alone(lifter: Lifter, body: BodyModel) -> None:
    people = [
        pixels(in_camera(waving(TIMES, heading), body, distance=4.0)[2]) for heading in (0.2, 2.0)
    ]
    both = lift(lifter, np.concatenate(people))
    alone = lift(lifter, people[1])
    assert both.body_pose[1] == pytest.approx(alone.body_pose[0], abs=1e-4)


def test_missing_keypoints_are_ignored_and_a_missing_person_is_only_marked(
    lifter: Lifter, body: BodyModel
) -> None:
    _, joints, keypoints = in_camera(waving(TIMES, 0.2), body, distance=4.0)
    seen = np.concatenate([pixels(keypoints)] * 2)
    confidence = np.ones(seen.shape[:3])
    seen[0, 10:20, 9:11] = np.nan
    seen[0, :, 7] = 1e6
    confidence[0, :, 7] = 0
    seen[1] = np.nan
    motion = lifter.lift(seen, confidence, "halpe26", K, TIMES)
    assert motion.evidence[0, 15] == pytest.approx(23 / 26)
    assert not motion.evidence[1].any()
    for values in (motion.global_orient, motion.body_pose, motion.transl, motion.up_camera):
        assert np.isfinite(values).all()
    first = LiftedMotion(
        *(v[:1] for v in (motion.global_orient, motion.body_pose, motion.transl)),
        motion.up_camera, motion.log_variance[:1], motion.evidence[:1],
    )  # fmt: skip
    assert joint_error(first, joints, body) < 0.08


@pytest.mark.parametrize("frames", [1, 2, 31, 33, 100])
def test_clips_of_any_length_come_back_frame_by_frame(
    lifter: Lifter, body: BodyModel, frames: int
) -> None:
    times = np.arange(frames) / 25.0
    _, joints, keypoints = in_camera(waving(times, 0.2), body, distance=4.0)
    motion = lift(lifter, pixels(keypoints), times)
    assert motion.body_pose.shape == (1, frames, 23, 3)
    assert joint_error(motion, joints, body) < 0.15


def test_coco17_is_enough(lifter: Lifter, body: BodyModel) -> None:
    _, joints, keypoints = in_camera(waving(TIMES, 0.2), body, distance=4.0)
    seen = pixels(keypoints)[:, :, :17]
    motion = lifter.lift(seen, np.ones(seen.shape[:3]), "coco17", K, TIMES)
    assert joint_error(motion, joints, body) < 0.08


def test_keypoints_of_another_layout_are_refused(lifter: Lifter) -> None:
    with pytest.raises(InputError, match="17"):
        lifter.lift(np.zeros((1, 4, 26, 2)), np.ones((1, 4, 26)), "coco17", K, TIMES[:4])


def test_a_file_that_is_no_lifter_is_refused(tmp_path) -> None:
    path = tmp_path / "lifter.safetensors"
    path.write_bytes(b"not a weight file")
    with pytest.raises(InputError, match=r"not a lifter"):
        Lifter.load(path)


def test_the_virtual_view_does_not_depend_on_where_in_the_image_somebody_is() -> None:
    generator = torch.Generator().manual_seed(0)
    offsets = torch.randn(2, 32, 26, 2, generator=generator) * 0.1
    rays = offsets.double()
    confidence = torch.rand(2, 32, 26, generator=generator).double()
    yaw = axis_angle_to_matrix(torch.tensor([0.0, 0.3, 0.0], dtype=torch.float64))
    points = torch.nn.functional.pad(rays, (0, 1), value=1.0) @ yaw.T
    turned = points[..., :2] / points[..., 2:]
    here, there = virtual_view(rays, confidence), virtual_view(turned, confidence)
    torch.testing.assert_close(here.features, there.features)
    torch.testing.assert_close(
        there.R_virtual_camera @ yaw, here.R_virtual_camera, atol=1e-5, rtol=0
    )


def test_the_virtual_view_ignores_what_has_no_confidence() -> None:
    rays = torch.randn(1, 32, 26, 2, generator=torch.Generator().manual_seed(0)) * 0.1
    confidence = torch.ones(1, 32, 26)
    confidence[:, 5:9, 10] = 0
    moved = rays.clone()
    moved[:, 5:9, 10] = 3.0
    torch.testing.assert_close(
        virtual_view(rays, confidence).features, virtual_view(moved, confidence).features
    )


def test_resampling_is_linear_in_time_and_leaves_gaps_open() -> None:
    times = np.array([0.0, 0.05, 0.1, 0.2, 0.25])
    rays = np.repeat((3 * times + 1)[None, :, None, None], 2, axis=-1)
    confidence = np.array([1.0, 1.0, 1.0, 0.0, 1.0])[None, :, None]
    grid = np.array([0.0, 0.02, 0.075, 0.14, 0.16, 0.25])
    values, seen = resample_keypoints(rays, confidence, times, grid)
    assert values[0, :3, 0, 0] == pytest.approx(3 * grid[:3] + 1)
    assert seen[0, :, 0] == pytest.approx([1, 1, 1, 1, 0, 1])
    assert values[0, 3, 0, 0] == pytest.approx(1.3)


def test_the_network_fits_its_budget() -> None:
    parameters = sum(p.numel() for p in LifterNetwork().parameters())
    assert 2 * parameters < 3e6
