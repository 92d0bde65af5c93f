"""Each loss is nothing at the truth and speaks up for what it is about."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.geometry.rotations import axis_angle_to_matrix
from engine.prior.condition import Told
from engine.prior.denoiser import Denoised
from engine.prior.diffusion import STEPS
from engine.prior.lessons import Lesson
from engine.prior.losses import LossWeights, losses, weighted
from engine.prior.motion_code import pack, view_of_windows
from engine.prior.windows import PairWindows
from tests.engine.prior.people import SKELETON, people, swapped

WINDOWS = people()
VIEW = view_of_windows(WINDOWS)
FRAMES = WINDOWS.pelvis.shape[2]
SURE = -9.0


def truth(windows: PairWindows = WINDOWS, partner: float = 1.0) -> Lesson:
    persons, frames = windows.pelvis.shape[1:3]
    told = Told.nothing(VIEW, persons, frames)
    told = Told(**{**vars(told), "partner": torch.full((3,), partner)})
    return Lesson(told, pack(windows, VIEW), torch.full((3,), STEPS - 1))


def terms(
    guess: PairWindows = WINDOWS,
    *,
    up: Tensor = WINDOWS.up,
    log_variance: float = SURE,
    partner: float = 1.0,
    of: PairWindows = WINDOWS,
) -> dict[str, float]:
    """Means of the losses of an answer."""
    count, persons, frames = guess.pelvis.shape[:3]
    turned = (VIEW.R_virtual_camera @ up[..., None])[..., 0]
    answer = Denoised(
        pack(guess, VIEW), torch.full((count, persons, frames, 24), log_variance), turned
    )
    found = losses(answer, truth(of, partner), SKELETON, of.up)
    return {name: float(value.mean()) for name, value in found.items()}


def moved(pelvis: Tensor) -> PairWindows:
    return PairWindows(WINDOWS.rotations, WINDOWS.pelvis + pelvis, WINDOWS.betas, WINDOWS.up)


def rotated(joint: int, angle: float) -> PairWindows:
    turn = axis_angle_to_matrix(torch.tensor([angle, 0.0, 0.0]))
    rotations = WINDOWS.rotations.clone()
    rotations[..., joint, :, :] = rotations[..., joint, :, :] @ turn
    return PairWindows(rotations, WINDOWS.pelvis, WINDOWS.betas, WINDOWS.up)


AT_TRUTH = terms()
IN_VIEW = VIEW.R_virtual_camera.mT[:, None, None]
"""From the virtual camera to the real one, for pelvises."""


def raised(found: dict[str, float], least: float = 2e-3) -> set[str]:
    """The losses that are more than at the truth."""
    return {name for name, value in found.items() if value > AT_TRUTH[name] + least}


def test_the_truth_costs_nothing_but_uncertainty() -> None:
    assert all(value < 2e-3 for name, value in AT_TRUTH.items() if name != "uncertainty")


def test_every_loss_has_a_weight_and_every_weight_a_loss() -> None:
    assert AT_TRUTH.keys() == vars(LossWeights()).keys()


def test_losses_are_of_each_window_alone() -> None:
    pelvis = torch.zeros(3, 1, 1, 3)
    pelvis[1] = 0.3
    answer = Denoised(pack(moved(pelvis), VIEW), torch.full((3, 2, FRAMES, 24), SURE), WINDOWS.up)
    found = losses(answer, truth(), SKELETON, WINDOWS.up)["depth"]
    assert float(found[1]) > 0.01
    assert float(found[0]) < 1e-4 and float(found[2]) < 1e-4


def test_a_bent_limb_is_a_matter_of_rotations_and_joints() -> None:
    hip = raised(terms(rotated(1, 0.4)))
    assert {"state", "rotation", "local", "joints", "placed", "interaction", "reprojection"} <= hip
    assert not hip & {"root", "depth", "up"}
    hand = raised(terms(rotated(22, 0.4)))
    assert hand <= {"state", "rotation", "local", "uncertainty"}


def test_a_chord_is_what_its_angle_says() -> None:
    angle = 0.4
    expected = 2 * 2**0.5 * torch.tensor(angle / 2).sin() / 23
    assert terms(rotated(22, angle))["rotation"] - AT_TRUTH["rotation"] == pytest.approx(
        float(expected), rel=0.02
    )


def test_a_turned_pelvis_is_the_roots() -> None:
    found = raised(terms(rotated(0, 0.3)))
    assert "root" in found
    assert "rotation" not in found


def test_everybody_further_away_is_the_depths_alone() -> None:
    away = VIEW.R_virtual_camera[:, None, None, 2] * 0.4
    found = terms(moved(away.expand(3, 2, FRAMES, 3)))
    assert found["depth"] > 0.05
    assert raised(found) <= {"state", "depth", "reprojection"}


def test_one_person_further_away_is_between_the_two() -> None:
    away = torch.zeros(3, 2, FRAMES, 3)
    away[:, 0] = VIEW.R_virtual_camera[:, None, 2] * 0.4
    found = raised(terms(moved(away)))
    assert {"placed", "interaction", "depth"} <= found
    assert not found & {"joints", "rotation", "velocity"}


def test_who_stands_beside_the_place_is_seen_beside_it() -> None:
    aside = VIEW.R_virtual_camera[:, None, None, 0] * 0.2
    found = terms(moved(aside.expand(3, 2, FRAMES, 3)))
    assert found["reprojection"] == pytest.approx(0.2, rel=0.1)
    assert not raised(found) & {"joints", "placed", "interaction", "velocity"}


def test_velocity_is_from_frame_to_frame() -> None:
    """A constant error from the second frame on is one wrong step. Displacement from the first
    frame, which published code calls velocity, would count it in every frame."""
    aside = VIEW.R_virtual_camera[:, None, None, 0] * 0.2 * torch.ones(3, 2, FRAMES, 1)
    late = aside.clone()
    late[:, :, :1] = 0
    once = terms(moved(late))["velocity"] - AT_TRUTH["velocity"]
    assert once == pytest.approx(0.2 / (FRAMES - 1), rel=0.05)
    shaking = aside.clone()
    shaking[:, :, ::2] = 0
    assert terms(moved(shaking))["velocity"] == pytest.approx(0.2, rel=0.05)
    assert terms(moved(aside))["velocity"] < 1e-3


def test_interaction_is_the_distance_of_joints_of_the_two() -> None:
    apart = torch.zeros(3, 2, FRAMES, 3)
    far = moved(apart + torch.tensor([[[[40.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]]]]))
    further = moved(apart + torch.tensor([[[[40.5, 0.0, 0.0]], [[0.0, 0.0, 0.0]]]]))
    # Before this camera both stay ahead; 40 m apart a distance grows by what people move.
    assert terms(further, of=far)["interaction"] == pytest.approx(0.5, rel=0.05)


def test_with_the_partner_cut_nothing_between_people_counts() -> None:
    away = torch.zeros(3, 2, FRAMES, 3)
    away[:, 0] = 0.3
    found = terms(moved(away), partner=0.0)
    assert found["placed"] == 0 and found["interaction"] == 0
    alone = people(persons=1)
    assert terms(alone, of=alone)["interaction"] == 0


def test_gravity_is_judged_in_the_virtual_camera() -> None:
    assert raised(terms(up=-WINDOWS.up)) == {"up"}
    assert terms(up=-WINDOWS.up)["up"] == pytest.approx(2.0, abs=1e-3)


def test_the_likeliest_variance_is_the_mean_squared_error() -> None:
    guess = rotated(22, 0.5)
    by_variance = {v: terms(guess, log_variance=v)["uncertainty"] for v in (-9.0, -2.0, 3.0)}
    assert terms(rotated(22, 0.5), log_variance=-9.0)["uncertainty"] > AT_TRUTH["uncertainty"]
    assert terms(log_variance=3.0)["uncertainty"] > terms(log_variance=-9.0)["uncertainty"]
    assert by_variance[3.0] > by_variance[-2.0]


def test_uncertainty_teaches_the_variance_and_never_excuses_a_rotation() -> None:
    state = pack(rotated(16, 0.4), VIEW).requires_grad_()
    variance = torch.zeros(3, 2, FRAMES, 24, requires_grad=True)
    found = losses(Denoised(state, variance, WINDOWS.up), truth(), SKELETON, WINDOWS.up)
    state_grad, variance_grad = torch.autograd.grad(
        found["uncertainty"].sum(), (state, variance), allow_unused=True
    )
    assert state_grad is None or bool((state_grad == 0).all())
    assert bool((variance_grad != 0).any())


def test_gradients_are_finite_at_the_truth() -> None:
    state = pack(WINDOWS, VIEW).requires_grad_()
    answer = Denoised(state, torch.zeros(3, 2, FRAMES, 24), WINDOWS.up)
    weighted(losses(answer, truth(), SKELETON, WINDOWS.up), LossWeights()).sum().backward()
    assert state.grad is not None
    assert bool(torch.isfinite(state.grad).all())


def test_exchanging_the_people_costs_the_same() -> None:
    guess = rotated(4, 0.6)
    before = terms(guess)
    after = terms(swapped(guess), of=swapped(WINDOWS))
    assert after == pytest.approx(before, rel=1e-3, abs=1e-5)


def test_the_sum_is_weighted() -> None:
    found = {name: torch.tensor([1.0, 2.0]) for name in vars(LossWeights())}
    weights = LossWeights()
    expected = sum(vars(weights).values())
    assert weighted(found, weights).tolist() == pytest.approx([expected, 2 * expected])
    assert float(weighted({"up": torch.ones(1)}, LossWeights(up=3.0))) == 3.0
