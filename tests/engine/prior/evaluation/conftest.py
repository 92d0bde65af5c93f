"""Two people who walk round each other and wave, as windows, and a body to measure them on."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
import torch

from engine.body.smpl import BodyModel
from engine.geometry.rotations import axis_angle_to_matrix
from engine.prior.dataset import WorldWindows, chained
from engine.prior.skeleton import Skeleton

FRAMES = 32


@pytest.fixture(scope="session")
def body() -> BodyModel:
    return BodyModel.load(density="1k2")


@pytest.fixture(scope="session")
def skeleton(body: BodyModel) -> Skeleton:
    return Skeleton.of(body)


def walkers(count: int = 6, frames: int = FRAMES, apart: float = 1.0) -> WorldWindows:
    """One clip cut every 15 frames: the two circle their middle, each window later than the one
    before; the first one also sways, more and more quickly."""
    time = (torch.arange(count)[:, None] * 15 + torch.arange(frames)) / 30
    phase = torch.stack([time * 1.3, time * 1.3 + torch.pi], dim=1)
    reach = apart / 2 + 0.1 * torch.sin(2 * time + 0.15 * time**2)[:, None]
    pelvis = torch.stack(
        [reach * phase.sin(), torch.full_like(phase, 0.95), reach * phase.cos()], dim=-1
    )
    turn = torch.zeros(count, 2, frames, 24, 3)
    turn[..., 0, 1] = phase + torch.pi  # each looks at the other
    turn[..., 0, 1] += 0.3 * torch.sin(3 * time)[:, None]
    turn[..., 18, 1] = 0.8 * torch.sin(4 * time)[:, None]
    return WorldWindows(
        rotations=chained(axis_angle_to_matrix(turn)),
        pelvis=pelvis,
        betas=torch.zeros(count, 2, 10),
        kinds=torch.zeros(count, dtype=torch.long),
        clips=torch.zeros(count, dtype=torch.long),
        first=torch.arange(count) * 15.0,
    )


def returned(work: Generator[Any, None, Any]) -> Any:
    """What a generator returns in the end."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value
