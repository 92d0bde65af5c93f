"""Augmented motion is motion that people could have made, and pairs stay together."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from engine.body.joints import SMPL_JOINTS, mirrored
from engine.body.smpl import BodyModel
from engine.prior.augmentation import Augmentation, augment, mirror
from engine.prior.dataset import Sampler, WorldWindows, load_library
from engine.prior.skeleton import Skeleton, relative
from tests.engine.prior.motions import write_folder

STILL = Augmentation(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def sampler(tmp_path_factory: pytest.TempPathFactory) -> Sampler:
    return Sampler(load_library(write_folder(tmp_path_factory.mktemp("motion")), "train"))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def joints(windows: WorldWindows) -> torch.Tensor:
    body = Skeleton.of(BodyModel.load(density="1k2"))
    return body.joints(windows.rotations, windows.betas) + windows.pelvis[..., None, :]


def apart(points: torch.Tensor) -> torch.Tensor:
    """Distances between all joints of the two people (B, F, 24, 24)."""
    return torch.cdist(points[:, 0], points[:, 1])


def test_a_mirror_image_has_the_joints_of_the_other_side(sampler: Sampler) -> None:
    windows = sampler.draw(4, 16, 2, generator())
    flip = torch.tensor([-1.0, 1.0, 1.0])
    expected = joints(windows)[..., list(mirrored(SMPL_JOINTS)), :] * flip
    # The open body is symmetric.
    assert torch.allclose(joints(mirror(windows)), expected, atol=1e-4)
    assert torch.allclose(mirror(mirror(windows)).rotations, windows.rotations)


def test_turning_mirroring_and_exchanging_people_keep_their_distances(sampler: Sampler) -> None:
    windows = sampler.draw(40, 16, 2, generator())

    changed = augment(windows, generator(), STILL)

    before, after = apart(joints(windows)), apart(joints(changed))
    side = list(mirrored(SMPL_JOINTS))
    ways = [before, before.mT, before[:, :, side][..., side], before[:, :, side][..., side].mT]
    errors = torch.stack([(after - way).abs().amax((1, 2, 3)) for way in ways])
    assert errors.amin(0).max() < 1e-3
    assert set(errors.argmin(0).tolist()) == {0, 1, 2, 3}
    assert torch.allclose(changed.pelvis[..., 1].mean(1), windows.pelvis[..., 1].mean(1))


def test_headings_are_all_round(sampler: Sampler) -> None:
    windows = sampler.draw(400, 16, 2, generator())
    forward = augment(windows, generator(), STILL).rotations[:, 0, 0, 0, :, 2]
    quarters = torch.stack([forward[:, 0] > 0, forward[:, 2] > 0]).long()
    counts = torch.bincount(quarters[0] * 2 + quarters[1])
    assert counts.min() > 60


def test_contact_survives_other_shapes_and_bends(sampler: Sampler) -> None:
    windows = sampler.draw(200, 16, 2, generator())
    turned = Augmentation(build=0.0, own_build=0.0, paired_bend=0.0)

    reference = apart(joints(augment(windows, generator(), turned)))
    changed = apart(joints(augment(windows, generator())))

    close = reference < 0.3
    moved = (changed - reference).abs()[close]
    assert moved.median() < 0.03
    assert moved.quantile(0.9) < 0.08


def test_builds_differ_and_motion_grows_with_them(sampler: Sampler) -> None:
    windows = sampler.draw(300, 16, 2, generator())
    changed = augment(windows, generator(), dataclasses.replace(STILL, build=1.0))

    change = changed.betas.sum(1) - windows.betas.sum(1)
    assert 1.2 < change.std() < 2.2
    assert changed.betas.abs().max() <= 3
    heights = joints(changed)[..., SMPL_JOINTS.index("head"), 1].mean((1, 2))
    pelvis = changed.pelvis[..., 1].mean((1, 2))
    together = torch.corrcoef(torch.stack([heights, pelvis]))[0, 1]
    assert together > 0.9


def test_people_alone_get_any_shape_and_others_arms(sampler: Sampler) -> None:
    windows = sampler.draw(300, 16, 1, generator())

    changed = augment(windows, generator(), dataclasses.replace(STILL, other_arms=1.0))

    assert 0.9 < changed.betas.std() < 1.1
    bent = cosines(changed) - cosines(windows)
    arms = [i for i, name in enumerate(SMPL_JOINTS) if name.endswith(("shoulder", "elbow"))]
    legs = [i for i, name in enumerate(SMPL_JOINTS) if name.endswith(("hip", "knee"))]
    assert bent[..., arms].abs().max() > 0.1
    # A mirror exchanges the legs; it takes nothing from them.
    both = bent[..., legs] + bent[..., [legs[i] for i in (1, 0, 3, 2)]]
    assert both.abs().max() < 1e-5


def cosines(windows: WorldWindows) -> torch.Tensor:
    """Of the angles by which joints are bent (B, 1, F, 24)."""
    trace = relative(windows.rotations).diagonal(dim1=-2, dim2=-1).sum(-1)
    return (trace - 1) / 2


def test_the_same_seed_changes_motion_alike(sampler: Sampler) -> None:
    windows = sampler.draw(8, 16, 2, generator())
    first, second = (augment(windows, generator()) for _ in range(2))
    assert torch.equal(first.rotations, second.rotations)
    assert torch.equal(first.betas, second.betas)
