"""Scenes of Gaussians for the tests of the rasteriser."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.appearance.benchmark import two_people
from engine.appearance.rasterizer import Rendered, rasterize

WIDTH, HEIGHT = 37, 29
K = torch.tensor([[60.0, 0, 17.3], [0, 55, 14.1], [0, 0, 1]])
CHANNELS = 5
BACKENDS = ["torch", "warp"]


class Drawing:
    """A scene's tensors by name, drawn with gradients."""

    def __init__(self, *tensors: Tensor, Ks: Tensor, size: tuple[int, int]) -> None:
        self.tensors = tensors
        self.Ks, self.size = Ks, size

    def drawn(self, backend: str, **more: object) -> Rendered:
        return rasterize(*self.tensors, self.Ks, *self.size, backend=backend, **more)

    def gradients(self, backend: str, **more: object) -> list[Tensor]:
        """Gradients of a fixed linear function of the picture to means, scales and so on."""
        leaves = [tensor.detach().clone().requires_grad_() for tensor in self.tensors]
        picture = Drawing(*leaves, Ks=self.Ks, size=self.size).drawn(backend, **more)
        generator = torch.Generator().manual_seed(7)
        worth = torch.randn(picture.colors.shape, generator=generator).to(picture.colors)
        covering = torch.randn(picture.alphas.shape, generator=generator).to(picture.alphas)
        total = (picture.colors * worth).sum() + (picture.alphas * covering).sum()
        return list(torch.autograd.grad(total, leaves))

    def taken(self, order: Tensor) -> Drawing:
        means, *others = self.tensors
        return Drawing(means[:, order], *(o[order] for o in others), Ks=self.Ks, size=self.size)


def random_drawing(seed: int, count: int = 20, pictures: int = 2, channels: int = CHANNELS):
    """Gaussians before, beside and behind the camera, small and large, faint and solid."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    place = torch.randn(pictures, count, 3, generator=generator)
    means = place * torch.tensor([0.5, 0.5, 0.7]) + torch.tensor([0.0, 0.0, 1.5])
    scales = 0.004 * 50 ** uniform(count)
    return Drawing(
        means, scales, 0.97 * uniform(count), uniform(count, channels),
        Ks=K.expand(pictures, 3, 3), size=(WIDTH, HEIGHT),
    )  # fmt: skip


def one(mean: list[float], scale: float = 0.1, opacity: float = 0.8, dtype=torch.float64):
    return Drawing(
        torch.tensor([[mean]], dtype=dtype), torch.tensor([scale], dtype=dtype),
        torch.tensor([opacity], dtype=dtype), torch.ones(1, CHANNELS, dtype=dtype),
        Ks=K[None].to(dtype), size=(WIDTH, HEIGHT),
    )  # fmt: skip


def holding_each_other() -> Drawing:
    """Two people of the open body, a Gaussian at each vertex, in two pictures."""
    people = two_people("1k2", 64, pictures=2)
    tensors = people.means, people.scales, people.opacities, people.colors
    return Drawing(*tensors, Ks=people.Ks, size=(64, 64))


def close(drawing: Drawing, share: float = 1e-4) -> None:
    """Warp's picture and gradients are the reference's."""
    expected, found = drawing.drawn("torch"), drawing.drawn("warp")
    torch.testing.assert_close(found.colors, expected.colors, atol=2e-5, rtol=0)
    torch.testing.assert_close(found.alphas, expected.alphas, atol=2e-5, rtol=0)
    names = ("means", "scales", "opacities", "colors")
    pairs = zip(names, drawing.gradients("torch"), drawing.gradients("warp"), strict=True)
    for name, a, b in pairs:
        assert torch.isfinite(b).all(), name
        assert float((a - b).norm()) <= share * float(a.norm()) + 1e-6, name
