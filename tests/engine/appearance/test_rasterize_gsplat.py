"""gsplat: the same projection and the right arguments anywhere, the same picture on CUDA."""

from __future__ import annotations

import inspect

import pytest
import torch

from engine.appearance.projection import Scene, project
from engine.appearance.rasterize_gsplat import gsplat_arguments, gsplat_trouble
from tests.engine.appearance.drawings import (
    CHANNELS,
    HEIGHT,
    WIDTH,
    Drawing,
    holding_each_other,
    random_drawing,
)


def test_projection_is_gsplats():
    from gsplat.cuda._torch_impl import _persp_proj

    drawing = random_drawing(13, count=50)
    means, scales, opacities, colors = (tensor.double() for tensor in drawing.tensors)
    means[..., 2] = means[..., 2].abs() + 0.02
    scene = Scene(
        means, scales.expand(2, -1), opacities, colors, drawing.Ks.double(), WIDTH, HEIGHT
    )
    splats = project(scene)
    covariance = scene.scales.square()[:, None, :, None, None] * torch.eye(3).double()
    means2d, covars2d = _persp_proj(means[:, None], covariance, scene.Ks[:, None], WIDTH, HEIGHT)
    torch.testing.assert_close(splats.means2d, means2d[:, 0], rtol=1e-9, atol=1e-9)
    xx, xy, yy = splats.conics.unbind(-1)
    conics = torch.stack([torch.stack([xx, xy], -1), torch.stack([xy, yy], -1)], -2)
    expected = torch.linalg.inv(covars2d[:, 0] + 0.3 * torch.eye(2).double())
    torch.testing.assert_close(conics, expected, rtol=1e-6, atol=1e-9)


def test_gsplat_takes_the_arguments_that_it_is_given():
    from gsplat.rendering import rasterization

    drawing = random_drawing(14)
    means, scales, opacities, colors = drawing.tensors
    scene = Scene(means, scales.expand(2, -1), opacities, colors, drawing.Ks, WIDTH, HEIGHT)
    given = gsplat_arguments(scene)
    inspect.signature(rasterization).bind(**given)
    shapes = {name: tuple(value.shape) for name, value in given.items() if torch.is_tensor(value)}
    assert shapes == {
        "means": (2, 20, 3), "quats": (2, 20, 4), "scales": (2, 20, 3), "opacities": (2, 20),
        "colors": (2, 20, CHANNELS), "viewmats": (2, 1, 4, 4), "Ks": (2, 1, 3, 3),
    }  # fmt: skip


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")


@needs_cuda
@pytest.mark.parametrize("backend", ["torch", "gsplat"])
def test_cuda_draws_what_the_cpu_draws(backend: str):
    if backend == "gsplat" and gsplat_trouble():
        pytest.skip(gsplat_trouble())
    drawing = holding_each_other()
    there = Drawing(
        *(tensor.cuda() for tensor in drawing.tensors), Ks=drawing.Ks.cuda(), size=drawing.size
    )
    found = there.drawn(backend)
    torch.testing.assert_close(found.colors.cpu(), drawing.drawn("torch").colors, atol=2e-3, rtol=0)
    # The linear function of the picture is drawn by the CPU's generator, hence the same one.
    for a, b in zip(drawing.gradients("torch"), there.gradients(backend), strict=True):
        assert float((a - b.cpu()).norm()) <= 1e-2 * float(a.norm())
