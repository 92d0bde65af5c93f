"""Synthetic observations agree with the bodies behind them, and training resumes."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
import torch

from engine.body.joints import HALPE26, mirrored
from engine.body.smpl import BodyModel, forward_kinematics
from engine.errors import InputError
from engine.perception.detector_noise import DetectorNoise
from engine.perception.lifter import Lifter
from engine.perception.lifter_data import (
    MotionWindows,
    WindowSampler,
    augment,
    load_library,
    mirror,
)
from engine.perception.lifter_network import WINDOW, LifterNetwork, NetworkOutput
from engine.perception.lifter_training import (
    LifterTrainingConfig,
    lifter_losses,
    train,
)
from engine.perception.lifter_validation import evaluate, procrustes
from engine.perception.synthetic_views import observe
from tests.engine.perception.motions import write_motion_folder

SMALL = LifterTrainingConfig(batch=4, save_seconds=0.3, warm_up_steps=5)


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_motion_folder(tmp_path_factory.mktemp("motion"))


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load(density="1k2")


@pytest.fixture
def windows(motion: Path) -> MotionWindows:
    sampler = WindowSampler(load_library(motion, "train"))
    return augment(sampler.draw(6, seeded()), seeded())


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_held_out_people_are_in_no_training_clip(motion: Path) -> None:
    assert len(load_library(motion, "train").clips) == 4
    assert len(load_library(motion, "single_val").clips) == 1
    assert len(load_library(motion, "pairs_val").clips) == 2


def test_a_folder_without_motion_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no train motion"):
        load_library(tmp_path, "train")


def test_mirrored_motion_has_mirrored_keypoints(windows: MotionWindows, body: BodyModel) -> None:
    def keypoints(motion: MotionWindows) -> torch.Tensor:
        betas = torch.zeros(len(motion.pelvis), 10)
        return body.keypoints(betas, motion.rotations, motion.pelvis - body.J_template[0])

    reflected = keypoints(windows) * torch.tensor([-1.0, 1.0, 1.0])
    expected = reflected[:, :, list(mirrored(HALPE26))]
    torch.testing.assert_close(keypoints(mirror(windows)), expected, atol=2e-4, rtol=0)


def test_clean_observations_are_projections_of_the_truth(
    windows: MotionWindows, body: BodyModel
) -> None:
    batch = observe(windows, body, seeded(), noise=None)
    shoulder = HALPE26.index("left_shoulder")
    joints = batch.joints[:, :, 16]
    torch.testing.assert_close(batch.rays[:, :, shoulder], joints[..., :2] / joints[..., 2:])


def test_the_target_reprojects_for_a_body_of_mean_size(
    windows: MotionWindows, body: BodyModel
) -> None:
    batch = observe(windows, body, seeded(), noise=None, shape_scale=2.0)
    pelvis = batch.joints[:, :, 0]
    torch.testing.assert_close(
        batch.pelvis[..., :2] / batch.pelvis[..., 2:], pelvis[..., :2] / pelvis[..., 2:]
    )
    mean = observe(windows, body, seeded(), noise=None, shape_scale=0.0)
    torch.testing.assert_close(mean.pelvis, mean.joints[:, :, 0])


def test_up_is_the_direction_in_which_standing_people_stand(
    windows: MotionWindows, body: BodyModel
) -> None:
    batch = observe(windows, body, seeded(), noise=None)
    spine = batch.joints[:, :, 12] - batch.joints[:, :, 0]
    rise = (spine.mean(1) * batch.up).sum(-1) / spine.mean(1).norm(dim=-1)
    assert float(rise.min()) > 0.9


def test_noise_is_in_proportion_to_the_person_and_told_by_confidence(
    windows: MotionWindows, body: BodyModel
) -> None:
    quiet = DetectorNoise(focal_mismatch=0.0, swapped=0.0)
    clean = observe(windows, body, seeded(), noise=None)
    noisy = observe(windows, body, seeded(), noise=quiet)
    error = (noisy.rays - clean.rays).norm(dim=-1) * clean.joints[..., 0, 2:] / 1.7
    seen = noisy.confidence > 0
    assert 0.5 < float(seen.float().mean()) < 0.95
    assert 0.005 < float(error[seen].median()) < 0.05
    sure = noisy.confidence > noisy.confidence[seen].median()
    assert float(error[seen & sure].mean()) < float(error[seen & ~sure].mean())


def test_the_true_answer_costs_nothing(windows: MotionWindows, body: BodyModel) -> None:
    batch = observe(windows, body, seeded(), noise=None)
    level = torch.eye(3).expand(len(batch.up), 3, 3)
    certain = torch.full(batch.rotations.shape[:3], -9.0)
    turned, _ = forward_kinematics(batch.rotations, body.J_template)
    truth = NetworkOutput(turned, batch.pelvis, certain, batch.up)
    losses = lifter_losses(truth, batch, level, body)
    del losses["uncertainty"]
    assert all(float(value) < 5e-3 for value in losses.values())
    moved = NetworkOutput(turned, batch.pelvis * 1.1, certain, batch.up)
    assert float(lifter_losses(moved, batch, level, body)["depth"]) == pytest.approx(
        0.0953, abs=1e-3
    )


def test_training_learns_saves_and_goes_on_where_it_stopped(motion: Path, tmp_path: Path) -> None:
    out = tmp_path / "lifter.safetensors"
    first = list(train(motion, out, minutes=0.02, config=SMALL))
    assert first[-1].saved == out
    assert Lifter.load(out)
    steps = first[-1].step
    (again, *_) = list(islice(train(motion, out, minutes=0.03, config=SMALL), 1))
    assert again.step > steps
    assert again.minutes > first[-1].minutes
    assert again.losses["joints"] < first[0].losses["joints"]


def test_a_foreign_training_state_is_refused(motion: Path, tmp_path: Path) -> None:
    out = tmp_path / "lifter.safetensors"
    torch.save({"something": 1}, out.with_suffix(".training.pt"))
    with pytest.raises(InputError, match="no training state"):
        next(train(motion, out, minutes=1.0, config=SMALL))


def test_errors_are_the_same_at_every_call(motion: Path) -> None:
    network = LifterNetwork()
    first = evaluate(network, motion, "pairs_val", noise=DetectorNoise())
    assert first == evaluate(network, motion, "pairs_val", noise=DetectorNoise())
    assert first.mpjpe_mm > first.pa_mpjpe_mm > 0


def test_procrustes_undoes_a_similarity() -> None:
    target = torch.randn(5, 12, 3, generator=seeded())
    rotation = torch.linalg.qr(torch.randn(5, 3, 3, generator=seeded(4))).Q
    rotation = rotation * torch.det(rotation)[:, None, None]
    points = 1.7 * target @ rotation + 0.3
    torch.testing.assert_close(procrustes(points, target), target, atol=1e-4, rtol=0)


def test_windows_are_as_long_as_the_network_wants(windows: MotionWindows) -> None:
    assert windows.rotations.shape[1] == windows.pelvis.shape[1] == WINDOW
