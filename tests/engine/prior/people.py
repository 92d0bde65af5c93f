"""Windows of made-up people before a camera, and how they are seen without error."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.body.smpl import BodyModel
from engine.geometry.rotations import axis_angle_to_matrix
from engine.prior.dataset import chained
from engine.prior.skeleton import Skeleton
from engine.prior.windows import PairWindows, Seen

BODY = BodyModel.load(density="1k2")
SKELETON = Skeleton.of(BODY)


def generator(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def people(count: int = 3, persons: int = 2, frames: int = 16, seed: int = 7) -> PairWindows:
    """Upright people 3 to 5 m away, about half a metre apart, who turn, sway and bend."""
    by = generator(seed)
    time = torch.linspace(0, 1, frames)[:, None, None]
    pose = 0.3 * torch.randn(count, persons, 1, 24, 3, generator=by)
    pose = pose + 0.4 * time * torch.randn(count, persons, 1, 24, 3, generator=by)
    heading = axis_angle_to_matrix(
        torch.rand(count, persons, 1, 1, generator=by) * torch.tensor([0.0, 6.28, 0.0])
    )
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    middle = torch.tensor([0.3, 0.1, 4.0]) + 0.5 * torch.randn(count, 1, 1, 3, generator=by)
    apart = torch.tensor([0.5, 0.05, 0.3]) * torch.randn(count, persons, 1, 3, generator=by)
    sway = 0.2 * time[..., 0] * torch.randn(count, persons, 1, 3, generator=by)
    tilt = axis_angle_to_matrix(0.2 * torch.randn(count, 3, generator=by)) @ upright
    rotations = tilt[:, None, None, None] @ (
        heading[:, :, None] @ chained(axis_angle_to_matrix(pose))
    )
    betas = torch.randn(count, persons, 10, generator=by)
    return PairWindows(rotations, middle + apart + sway, betas, tilt[..., 1])


def seen(windows: PairWindows) -> Seen:
    """Every keypoint exactly, with confidence 1."""
    points = keypoints(windows)
    rays = points[..., :2] / points[..., 2:]
    return Seen(rays, torch.ones(rays.shape[:-1]))


def keypoints(windows: PairWindows) -> Tensor:
    """Halpe-26, camera frame (B, P, F, 26, 3)."""
    shapes = windows.betas.flatten(0, 1)
    transl = windows.pelvis.flatten(0, 1) - BODY.rest_joints(shapes)[:, None, 0]
    points = BODY.keypoints(shapes, windows.local_rotations.flatten(0, 1), transl, "halpe26")
    return points.unflatten(0, windows.pelvis.shape[:2])


def swapped(windows: PairWindows) -> PairWindows:
    """The people in the opposite order."""
    return PairWindows(
        windows.rotations.flip(1), windows.pelvis.flip(1), windows.betas.flip(1), windows.up
    )


def swapped_seen(what: Seen) -> Seen:
    return Seen(what.rays.flip(1), what.confidence.flip(1))


def turns(count: int, size: float, seed: int) -> Tensor:
    """Random rotations of at most `size` radians (B, 3, 3)."""
    by = generator(seed)
    axis = F.normalize(torch.randn(count, 3, generator=by), dim=-1)
    return axis_angle_to_matrix(axis * size * torch.rand(count, 1, generator=by))


def turned_seen(what: Seen, rotation: Tensor) -> Seen:
    """The same seen by a camera turned about its centre."""
    ahead = F.pad(what.rays, (0, 1), value=1.0)
    turned = torch.einsum("bij,bpfkj->bpfki", rotation, ahead)
    return Seen(turned[..., :2] / turned[..., 2:], what.confidence)


def close(first: PairWindows, second: PairWindows, atol: float = 1e-4) -> bool:
    """Whether bodies are the same; gravity aside."""
    return all(
        torch.allclose(a, b, atol=atol)
        for a, b in (
            (first.rotations, second.rotations),
            (first.pelvis, second.pelvis),
            (first.betas, second.betas),
        )
    )
