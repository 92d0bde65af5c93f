"""Poses that the body tests share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from engine.geometry.rotations import axis_angle_to_matrix


@dataclass(frozen=True)
class Poses:
    """Two people, five frames, far from rest: axis-angle and what the torch model takes."""

    betas: torch.Tensor
    axis_angle: torch.Tensor
    transl: torch.Tensor

    @property
    def rotmats(self) -> torch.Tensor:
        return axis_angle_to_matrix(self.axis_angle)

    @property
    def for_torch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.betas, self.rotmats, self.transl

    def for_numpy(self, person: int) -> tuple[np.ndarray, ...]:
        pose = self.axis_angle[person].numpy()
        return self.betas[person].numpy(), pose[:, 0], pose[:, 1:], self.transl[person].numpy()


@pytest.fixture
def poses() -> Poses:
    generator = torch.Generator().manual_seed(3)
    return Poses(
        betas=torch.randn(2, 10, generator=generator),
        axis_angle=0.5 * torch.randn(2, 5, 24, 3, generator=generator),
        transl=2 * torch.randn(2, 5, 3, generator=generator),
    )
