"""Windows before cameras: exact where nothing errs, and errors as a detector's otherwise."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from engine.body.smpl import BodyModel
from engine.prior.augmentation import augment
from engine.prior.dataset import Sampler, WorldWindows, load_library
from engine.prior.observing import ObservationNoise, observe
from engine.prior.skeleton import Skeleton, relative
from engine.prior.viewing import NEAREST, draw_views
from engine.prior.windows import PairWindows
from tests.engine.prior.motions import write_folder

BODY = BodyModel.load(density="1k2")


def generator(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def sampler(tmp_path_factory: pytest.TempPathFactory) -> Sampler:
    return Sampler(load_library(write_folder(tmp_path_factory.mktemp("motion")), "train"))


@pytest.fixture(scope="module")
def windows(sampler: Sampler) -> WorldWindows:
    return augment(sampler.draw(200, 16, 2, generator()), generator())


def keypoints(windows: PairWindows) -> torch.Tensor:
    """By the body's own chain of joints (B, P, F, 26, 3)."""
    shapes = windows.betas.flatten(0, 1)
    transl = windows.pelvis.flatten(0, 1) - BODY.rest_joints(shapes)[:, None, 0]
    points = BODY.keypoints(shapes, windows.local_rotations.flatten(0, 1), transl, "halpe26")
    return points.unflatten(0, windows.pelvis.shape[:2])


def test_without_noise_rays_are_the_projected_keypoints(windows: WorldWindows) -> None:
    truth, seen = observe(windows, BODY, generator(), None)
    points = keypoints(truth)
    shown = seen.confidence == 1
    assert torch.allclose((points[..., :2] / points[..., 2:])[shown], seen.rays[shown], atol=1e-4)
    assert (seen.confidence[~shown] == 0).all()
    assert (seen.rays[~shown] == 0).all()
    assert 0.6 < shown.float().mean() < 0.99


def test_a_camera_sees_the_motion_of_the_world(windows: WorldWindows) -> None:
    truth, _ = observe(windows, BODY, generator(), None)
    across, before = (w.pelvis[:, 0] - w.pelvis[:, 1] for w in (truth, windows))
    assert torch.allclose(across.norm(dim=-1), before.norm(dim=-1), atol=1e-4)
    height = (truth.pelvis * truth.up[:, None, None]).sum(-1)
    climbed = windows.pelvis[..., -1, 1] - windows.pelvis[..., 0, 1]
    assert torch.allclose(height[..., -1] - height[..., 0], climbed, atol=1e-4)
    bent = relative(windows.rotations)[:, :, :, 1:]
    assert torch.allclose(truth.local_rotations[:, :, :, 1:], bent, atol=1e-4)


def test_cameras_are_near_and_far_steep_low_and_tilted(sampler: Sampler) -> None:
    windows = sampler.draw(1000, 16, 2, generator())
    views = draw_views(windows, generator())
    depth = views.see(windows.pelvis)[..., 2]
    assert depth.min() >= NEAREST - 1e-4
    assert depth[:, :, 8].mean(1).quantile(0.05) < 2.5
    assert depth[:, :, 8].mean(1).quantile(0.95) > 6
    up = views.rotation[..., 1]
    down = -up[:, 2].clamp(-1, 1).asin()
    assert down.quantile(0.03) < -0.1
    assert down.quantile(0.97) > 0.6
    roll = torch.atan2(up[:, 0], -up[:, 1]).abs()
    assert (roll > 0.2).float().mean() > 0.15
    assert (roll < 0.1).float().mean() > 0.4
    assert torch.allclose(views.rotation @ views.rotation.mT, torch.eye(3), atol=1e-5)


def test_most_pictures_show_everybody_and_some_cut_somebody_off(windows: WorldWindows) -> None:
    _, seen = observe(windows, BODY, generator(), None)
    inside = seen.confidence.mean((2, 3)).amin(1)
    assert (inside > 0.9).float().mean() > 0.6
    assert (inside < 0.7).float().mean() > 0.05


def test_a_wrong_focal_length_moves_the_pair_and_leaves_it_as_it_is(windows: WorldWindows) -> None:
    noise = ObservationNoise(focal_mismatch=0.3)
    right, _ = observe(windows, BODY, generator(), dataclasses.replace(noise, focal_mismatch=0.0))
    wrong, _ = observe(windows, BODY, generator(), noise)
    shift = wrong.pelvis - right.pelvis
    assert torch.allclose(shift, shift[:, :1, :1].expand_as(shift), atol=1e-5)
    assert (shift[..., :2] == 0).all()
    ratio = right.pelvis[..., 2].mean((1, 2)) / wrong.pelvis[..., 2].mean((1, 2))
    assert 0.24 < ratio.log().std() < 0.36


def test_under_a_wrong_focal_length_rays_still_point_at_the_people(windows: WorldWindows) -> None:
    exact = dataclasses.replace(
        ObservationNoise(focal_mismatch=0.15, unlike=0.0, generic=0.0),
        person=_silent().person,
        pair=_silent().pair,
    )
    truth, seen = observe(windows, BODY, generator(), exact)
    joints = keypoints(truth)
    rays = joints[..., :2] / joints[..., 2:].clamp_min(0.2)
    off = (rays - seen.rays).norm(dim=-1)[seen.confidence > 0]
    # A person's own depth is seen under the wrong focal length too: a few percent of his size.
    assert off.median() < 0.015


def _silent() -> ObservationNoise:
    from engine.synthesis.detector import PairNoise
    from engine.synthesis.noise import NONE

    return ObservationNoise(
        person=NONE,
        pair=PairNoise(stolen_limb=0.0, merged=0.0, mistaken=0.0, exchanged=0.0),
        generic=0.0,
        focal_mismatch=0.0,
    )


def test_a_detector_that_does_not_err_sees_the_truth(windows: WorldWindows) -> None:
    _, seen = observe(windows, BODY, generator(), _silent())
    _, exact = observe(windows, BODY, generator(), None)
    told = seen.confidence > 0
    assert torch.allclose(seen.rays[told], exact.rays[told], atol=1e-5)
    assert (exact.confidence[told] == 1).all()


def test_missing_keypoints_have_no_ray(windows: WorldWindows) -> None:
    _, seen = observe(windows, BODY, generator(), ObservationNoise())
    assert torch.isfinite(seen.rays).all()
    assert (seen.rays[seen.confidence == 0] == 0).all()
    assert (seen.confidence >= 0).all() and (seen.confidence <= 1).all()
    whole = (seen.confidence == 0).all(-1).float().mean()
    assert 0.005 < whole < 0.3


def test_some_windows_are_seen_by_other_detectors(windows: WorldWindows) -> None:
    toe = 23
    shares = []
    for generic in (0.0, 0.5):
        _, seen = observe(windows, BODY, generator(), ObservationNoise(generic=generic))
        shares.append(float((seen.confidence[..., toe] > 0).any(-1).any(-1).float().mean()))
    # Dyad's own perception never reports small toes.
    assert shares[0] == 0
    assert 0.2 < shares[1] < 0.5


def test_one_person_is_observed_too(sampler: Sampler) -> None:
    alone = augment(sampler.draw(20, 16, 1, generator()), generator())
    truth, seen = observe(alone, BODY, generator(), ObservationNoise())
    assert seen.rays.shape == (20, 1, 16, 26, 2)
    joints = Skeleton.of(BODY).joints(truth.rotations, truth.betas)
    assert torch.isfinite(joints).all()


def test_the_same_seed_sees_the_same(windows: WorldWindows) -> None:
    (_, first), (_, second) = (
        observe(windows, BODY, generator(), ObservationNoise()) for _ in range(2)
    )
    assert torch.equal(first.rays, second.rays)
    assert torch.equal(first.confidence, second.confidence)
