"""Speed of the rasteriser's backends, and how far they are apart: `python3 main.py bench raster`.

Two bodies that hold each other, a Gaussian on each vertex, three channels of colour and one of
identity for each person, one picture at a time, gradients to everything. Times are medians: of the
processor on the CPU, of the clock on CUDA. Differences are from the plain torch reference, on the
same machine's CPU.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engine.appearance.rasterize_gsplat import gsplat_trouble
from engine.appearance.rasterizer import Backend, Rendered, rasterize
from engine.body.data import OPEN_BODY
from engine.body.smpl import BodyModel
from engine.geometry.rotations import axis_angle_to_matrix

CHANNELS = 5
SIZES = {"1k2": 128, "2k5": 192, "7k": 256}
"""Pixels along the side of a picture for each density of the body."""
REPETITIONS = {"warp": 15, "gsplat": 15, "torch": 3}


@dataclass(frozen=True)
class Pictures:
    """What `rasterize` takes, of two people."""

    means: Float[Tensor, "B N 3"]
    scales: Float[Tensor, "N"]
    opacities: Float[Tensor, "N"]
    colors: Float[Tensor, "N C"]
    Ks: Float[Tensor, "B 3 3"]
    size: int

    def drawn(self, backend: Backend) -> tuple[Rendered, list[Tensor]]:
        """The pictures, and the leaves for which they have gradients."""
        given = (self.means, self.scales, self.opacities, self.colors)
        leaves = [tensor.detach().clone().requires_grad_() for tensor in given]
        means, scales, opacities, colors = leaves
        width = height = self.size
        picture = rasterize(
            means, scales, opacities, colors, self.Ks, width, height, backend=backend
        )
        return picture, leaves

    def on(self, device: str) -> Pictures:
        tensors = {name: getattr(self, name) for name in ("means", "scales", "opacities")}
        tensors |= {"colors": self.colors, "Ks": self.Ks}
        return replace(self, **{name: tensor.to(device) for name, tensor in tensors.items()})


def two_people(density: str, size: int, pictures: int = 1) -> Pictures:
    """Bodies 0.3 m apart and 3 m away, upright in the picture; always the same ones."""
    body = BodyModel.load(OPEN_BODY, density)
    generator = torch.Generator().manual_seed(0)
    pose = 0.15 * torch.randn(2, pictures, 24, 3, generator=generator)
    pose[:, :, 0] = 0
    pose[1, :, 0, 1] = torch.pi
    transl = torch.zeros(2, pictures, 3)
    transl[1, :, 2] = 0.3
    vertices = body.vertices(torch.zeros(2, 10), axis_angle_to_matrix(pose), transl)
    means = vertices.transpose(0, 1).flatten(1, 2)
    means = (means - means.mean(dim=(0, 1))) * torch.tensor([1.0, -1, -1])
    count = means.shape[1]
    K = torch.tensor([[1.4 * size, 0, size / 2], [0, 1.4 * size, size / 2], [0, 0, 1]])
    return Pictures(
        means=means + torch.tensor([0.0, 0, 3]),
        scales=torch.full((count,), 0.6 * (3.8 / count) ** 0.5),  # two skins of 1.9 m²
        opacities=torch.full((count,), 0.9),
        colors=torch.rand(count, CHANNELS, generator=generator),
        Ks=K.expand(pictures, 3, 3),
        size=size,
    )


def bench_raster(quick: bool = False) -> list[dict[str, str | int | float | None]]:
    """A row per density and backend that this machine has.

    `covered`: share of the pixels more than half covered. `color_diff`: largest difference of a
    channel (colours lie within 0..1). `gradient_diff`: norm of the difference over the norm, the
    worst of means, scales, opacities and colours. `quick` leaves the finest bodies out.
    """
    places: list[tuple[Backend, str]] = [("warp", "cpu"), ("torch", "cpu")]
    if torch.cuda.is_available():
        places.append(("torch", "cuda"))
    if not gsplat_trouble():
        places.append(("gsplat", "cuda"))
    rows = []
    for density in ("1k2", "2k5") if quick else SIZES:
        pictures = two_people(density, SIZES[density])
        expected = _answer(pictures, "torch")
        rows += [_row(pictures, expected, place) for place in places]
    return rows


def _answer(pictures: Pictures, backend: Backend) -> tuple[Rendered, list[Tensor]]:
    picture, leaves = pictures.drawn(backend)
    gradients = list(torch.autograd.grad(_worth(picture), leaves))
    return Rendered(picture.colors.detach(), picture.alphas.detach()), gradients


def _worth(picture: Rendered) -> Float[Tensor, ""]:
    """A function of the picture with another gradient in every pixel and channel."""
    return (picture.colors - 0.3).square().mean() + picture.alphas.mean()


def _row(
    pictures: Pictures, expected: tuple[Rendered, list[Tensor]], place: tuple[Backend, str]
) -> dict[str, str | int | float | None]:
    backend, device = place
    there = pictures.on(device)
    picture, gradients = _answer(there, backend)
    forward, backward = _milliseconds(there, backend)
    reference, expected_gradients = expected
    return {
        "backend": backend,
        "device": device,
        "gaussians": pictures.means.shape[1],
        "size_px": pictures.size,
        "covered": float((reference.alphas > 0.5).float().mean()),
        "forward_ms": forward,
        "backward_ms": backward,
        "color_diff": float((picture.colors.cpu() - reference.colors).abs().max()),
        "gradient_diff": max(
            float((found.cpu() - other).norm() / other.norm())
            for found, other in zip(gradients, expected_gradients, strict=True)
        ),
    }


def _milliseconds(pictures: Pictures, backend: Backend) -> tuple[float, float]:
    """Forward and backward, after one of each that may compile."""
    spent = []
    for _ in range(1 + REPETITIONS[backend]):
        began = _now(pictures)
        picture, leaves = pictures.drawn(backend)
        drawn = _now(pictures)
        torch.autograd.grad(_worth(picture), leaves)
        spent.append((drawn - began, _now(pictures) - drawn))
    forward, backward = np.median(spent[1:], axis=0)
    return 1e3 * float(forward), 1e3 * float(backward)


def _now(pictures: Pictures) -> float:
    if pictures.means.is_cuda:
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()
