"""A clip's bodies in the prior's windows and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.geometry.rotations import geodesic_angle
from engine.prior.clip_windows import ClipBodies, ClipWindows
from engine.structures import FrameRange, ProxemicsStatement
from tests.engine.prior.people import people, seen


def clip(frames: int, fps: float = 30.0, persons: int = 2) -> tuple[ClipWindows, ClipBodies]:
    """Smooth motion of people seen without error, at any rate."""
    whole = people(count=1, persons=persons, frames=frames, seed=4)
    view = seen(whole)
    bodies = ClipBodies(whole.rotations[0], whole.pelvis[0], whole.betas[0])
    times = 2.0 + np.arange(frames) / fps
    rays, sure = view.rays[0].double().numpy(), view.confidence[0].double().numpy()
    return ClipWindows.of(rays, sure, times), bodies


@pytest.mark.parametrize("frames", [1, 2, 15, 63, 65, 150])
def test_bodies_come_back_as_they_were(frames: int) -> None:
    windows, bodies = clip(frames)
    back = windows.bodies(windows.of_bodies(bodies))
    assert torch.allclose(back.pelvis, bodies.pelvis, atol=1e-4)
    assert float(geodesic_angle(back.rotations, bodies.rotations).max()) < 2e-3
    assert torch.allclose(back.betas, bodies.betas, atol=1e-5)


@pytest.mark.parametrize("fps", [60.0, 25.0])
def test_at_other_rates_what_is_between_frames_is_straight(fps: float) -> None:
    windows, bodies = clip(50, fps)
    pelvis = windows.bodies(windows.of_bodies(bodies)).pelvis
    speed = bodies.pelvis.diff(dim=1).norm(dim=-1).max()
    assert pelvis.shape == bodies.pelvis.shape
    assert float((pelvis - bodies.pelvis).norm(dim=-1).max()) < 2 * float(speed)


def test_past_the_end_the_last_frame_stands_still() -> None:
    windows, bodies = clip(20)
    padded = windows.of_bodies(bodies).pelvis
    assert padded.shape[2] == 32
    assert torch.allclose(padded[0, :, 20:], bodies.pelvis[:, -1:].expand(-1, 12, -1))


def test_what_was_said_reaches_the_frames_it_is_about_and_no_others() -> None:
    windows, _ = clip(20)
    word = ProxemicsStatement(0, 1, FrameRange(5, 9), zone="personal", facing=(0.5, None))
    said = windows.told([word])
    assert said.zone.shape == (1, 32)
    assert torch.nonzero(said.zone[0] == 1)[:, 0].tolist() == [5, 6, 7, 8]
    assert torch.nonzero(~said.facing[0, 0].isnan())[:, 0].tolist() == [5, 6, 7, 8]
    assert bool(said.facing[0, 1].isnan().all()) and bool(said.head_distance.isnan().all())


def test_who_is_named_second_is_meant_as_the_other() -> None:
    windows, _ = clip(8)
    word = ProxemicsStatement(1, 0, FrameRange(0, 8), facing=(0.5, -0.5))
    assert windows.told([word]).facing[0, :, 0].tolist() == [-0.5, 0.5]


def test_gradients_pass_through_where_nobody_is_seen_for_a_while() -> None:
    whole = people(count=1, persons=2, frames=200, seed=4)
    view = seen(whole)
    rays, sure = view.rays[0].double().numpy(), view.confidence[0].double().numpy()
    sure[:, 60:150] = 0
    windows = ClipWindows.of(rays, sure, np.arange(200) / 30)
    made = windows.of_bodies(ClipBodies(whole.rotations[0], whole.pelvis[0], whole.betas[0]))
    made.pelvis.requires_grad_()
    windows.bodies(made).pelvis.sum().backward()
    assert made.pelvis.grad is not None and bool(made.pelvis.grad.isfinite().all())
