"""What interpolation can do it does exactly; known frames stay as they are."""

from __future__ import annotations

from dataclasses import replace

import torch

from engine.geometry.rotations import axis_angle_to_matrix, geodesic_angle
from engine.prior.dataset import chained
from engine.prior.evaluation.held_out import filmed
from engine.prior.evaluation.infilling import in_the_middle
from engine.prior.evaluation.interpolation import cubic, linear, spherical
from engine.prior.windows import PairWindows
from tests.engine.prior.evaluation.conftest import FRAMES, walkers

HIDDEN = in_the_middle(FRAMES, 12)


def turning(rate: float) -> PairWindows:
    """Everything turns at one rate about one axis, relative to the parents."""
    windows, _ = filmed(walkers(2))
    angle = rate * torch.arange(FRAMES)[:, None, None] * torch.tensor([0.3, 0.2, 0.1])
    local = axis_angle_to_matrix(angle.expand(2, 2, FRAMES, 24, 3))
    pelvis = torch.arange(FRAMES)[:, None] * torch.tensor([0.01, 0.0, 0.02]) + 1.0
    return replace(windows, rotations=chained(local), pelvis=pelvis.expand(2, 2, FRAMES, 3))


def test_the_middle_is_as_far_from_both_ends() -> None:
    assert HIDDEN.nonzero()[:, 0].tolist() == list(range(10, 22))
    assert in_the_middle(64, 24).nonzero()[[0, -1], 0].tolist() == [20, 43]


def test_what_goes_straight_is_found_by_straight_lines() -> None:
    points = turning(0.02).pelvis
    torch.testing.assert_close(linear(points.where(~HIDDEN[:, None], 9.0), HIDDEN), points)


def test_what_falls_is_found_by_a_cubic() -> None:
    time = torch.arange(FRAMES) / 30
    points = torch.stack([time**2, time**3 - time, 2 * time], dim=-1).expand(2, 2, FRAMES, 3)
    blind = points.where(~HIDDEN[:, None], 9.0)
    found = cubic(blind, HIDDEN)
    # The speed is that of the frame before, half a frame too old.
    assert (found - points).abs().max() < 0.3 * (linear(blind, HIDDEN) - points).abs().max()
    torch.testing.assert_close(found[..., 2], points[..., 2])
    assert (found[:, :, ~HIDDEN] == points[:, :, ~HIDDEN]).all()


def test_at_the_ends_a_cubic_is_a_line() -> None:
    hidden = torch.arange(6) < 2
    points = torch.arange(6.0)[None, None, :, None] ** 2
    assert cubic(points, hidden).ravel().tolist() == [4, 4, 4, 9, 16, 25]


def test_what_turns_evenly_is_found_by_even_turns() -> None:
    truth = turning(0.1)
    # What is hidden is not looked at.
    blind = torch.where(HIDDEN[:, None, None, None], torch.eye(3), truth.rotations)
    found = spherical(replace(truth, rotations=blind), HIDDEN)
    assert geodesic_angle(found.rotations, truth.rotations).max() < 2e-3
    torch.testing.assert_close(found.pelvis, truth.pelvis)


def test_known_frames_stay() -> None:
    windows, _ = filmed(walkers(2))
    found = spherical(windows, HIDDEN)
    torch.testing.assert_close(
        found.rotations[:, :, ~HIDDEN], windows.rotations[:, :, ~HIDDEN], atol=1e-5, rtol=0
    )
    assert (found.rotations - windows.rotations)[:, :, HIDDEN].abs().max() > 0.01


def test_at_the_ends_the_nearest_known_frame_stands() -> None:
    hidden = torch.arange(6) < 2
    points = torch.arange(6.0)[None, None, :, None]
    assert linear(points, hidden).ravel().tolist() == [2, 2, 2, 3, 4, 5]
    assert linear(points, hidden.flip(0)).ravel().tolist() == [0, 1, 2, 3, 3, 3]
