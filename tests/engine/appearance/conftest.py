"""Two people of known looks, filmed by the rasteriser itself, so that the truth costs nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from engine.appearance.crop import crops_around
from engine.appearance.footage import Footage
from engine.appearance.gaussians import Anchors, Gaussians, View, draw
from engine.body.smpl import BodyModel, PosedBody
from engine.config import AppearanceConfig
from engine.geometry.rotations import axis_angle_to_matrix

SIZE = (200, 160)
K = np.array([[220.0, 0, 100], [0, 220.0, 80], [0, 0, 1]])
CONFIG = AppearanceConfig(size=48, density="1k2", epochs=3, learning_frames=4, stride=2)


def bodies(frames: int = 4, apart: float = 0.8, behind: float = 0.3) -> PosedBody:
    """Two people side by side, 3 m away, who turn and swing an arm. Camera frame."""
    body = BodyModel.load("open-body", "1k2")
    pose = torch.zeros(2, frames, 24, 3)
    time = torch.linspace(0, 1, frames)
    pose[:, :, 0, 0] = torch.pi  # the camera's y points down
    pose[:, :, 16, 2], pose[:, :, 17, 2] = -1.0, 1.0
    pose[:, :, 18, 1] = -0.8 * time
    transl = torch.zeros(2, frames, 3)
    transl[0, :, 0], transl[1, :, 0] = -apart / 2, apart / 2
    transl[..., 1], transl[..., 2] = 0.2, 3.0
    transl[1, :, 2] += behind
    transl[..., 0] += 0.05 * time
    return body.pose(torch.zeros(2, 10), axis_angle_to_matrix(pose), transl)


def looks(anchors: Anchors) -> Gaussians:
    """A red and a blue person, brighter above than below."""
    height = (anchors.place[:, 1:2] + 1) / 2
    red, blue = torch.tensor([0.9, 0.2, 0.1]), torch.tensor([0.1, 0.3, 0.9])
    return Gaussians(
        offsets=torch.zeros(2, len(anchors), 3),
        scales=(0.6 * anchors.spacing).expand(2, -1),
        opacities=torch.full((2, len(anchors)), 0.95),
        colors=torch.stack([(0.4 + 0.6 * height) * color for color in (red, blue)]),
    )


@dataclass(frozen=True)
class Filmed:
    posed: PosedBody
    anchors: Anchors
    look: Gaussians
    footage: Footage


def filmed(posed: PosedBody, config: AppearanceConfig = CONFIG) -> Filmed:
    """Footage of bodies, with true masks and a known background."""
    anchors = Anchors.load(posed.model.name, config.density)
    look = looks(anchors)
    frames = posed.transforms.shape[1]
    corners = posed.vertices().numpy().astype(np.float64)
    pixels = corners[..., :2] / corners[..., 2:] * K[[0, 1], [0, 1]] + K[:2, 2]
    low, high = pixels.min(2), pixels.max(2)
    crops = crops_around(low.min(0), high.max(0), SIZE, config.size)
    shape = frames, crops.height, crops.width
    behind = np.full((*shape, 3), 128, np.uint8)
    view = View(torch.tensor(crops.intrinsics(K), dtype=torch.float32), *shape[:0:-1])
    with torch.no_grad():
        means = anchors.skin(posed, look.offsets, torch.arange(frames))
        colors, shares = draw(means, look, view, torch.from_numpy(behind).float() / 255)
    boxes = np.concatenate([low, high], -1).transpose(1, 0, 2) - np.tile(crops.origin, 2)[:, None]
    footage = Footage(
        frames=np.arange(frames),
        image=as_bytes(colors),
        background=behind,
        in_picture=np.ones(shape, bool),
        behind_known=np.ones(shape, bool),
        masks=as_bytes(shares),
        mask_known=np.ones((frames, 2), bool),
        mask_drawn=np.zeros((frames, 2), bool),
        boxes=boxes * crops.scale[:, None, None],
        K=crops.intrinsics(K),
    )
    return Filmed(posed, anchors, look, footage)


def as_bytes(values: torch.Tensor) -> np.ndarray:
    return (values.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


@pytest.fixture(scope="session")
def pair() -> Filmed:
    return filmed(bodies())
