"""What no pixel sees, what is refused, and who draws what."""

from __future__ import annotations

import math

import pytest
import torch

from engine.appearance import rasterizer
from engine.appearance.rasterizer import fastest, rasterize
from engine.errors import InputError
from tests.engine.appearance.drawings import (
    BACKENDS,
    CHANNELS,
    HEIGHT,
    WIDTH,
    close,
    one,
    random_drawing,
)

AWAY = {
    "behind the camera": [0.0, 0, -1],
    "at its plane": [0.1, 0, 0],
    "just before its plane": [0.001, 0, 0.009],
    "beside the picture": [5.0, 0, 1],
    "far above it": [0.0, -1e6, 1],
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("where", AWAY)
def test_what_no_pixel_sees_is_not_drawn_and_has_no_gradient(backend: str, where: str):
    drawing = one(AWAY[where], dtype=torch.float32)
    assert not drawing.drawn(backend).alphas.any()
    for gradient in drawing.gradients(backend):
        assert torch.equal(gradient, torch.zeros_like(gradient))


@pytest.mark.parametrize("scale", [10.0, 1e4])
def test_a_huge_gaussian_covers_everything_with_finite_gradients(scale: float):
    drawing = one([0.2, 0.1, 1], scale, 0.5, torch.float32)
    for backend in BACKENDS:
        torch.testing.assert_close(
            drawing.drawn(backend).alphas, torch.full((1, HEIGHT, WIDTH), 0.5), atol=1e-2, rtol=0
        )
        assert all(torch.isfinite(gradient).all() for gradient in drawing.gradients(backend))


def test_a_gaussian_at_the_lens_draws_alike_and_finitely():
    close(one([0.002, 0.001, 0.0101], 0.05, 0.7, torch.float32), share=1e-3)


@pytest.mark.parametrize("backend", ["auto", "torch", "warp"])
@pytest.mark.parametrize(("pictures", "count"), [(2, 0), (0, 3), (0, 0)])
def test_nothing_to_draw_leaves_the_background(backend: str, pictures: int, count: int):
    drawing = random_drawing(0, count, pictures)
    behind = torch.rand(pictures, HEIGHT, WIDTH, CHANNELS)
    drawn = drawing.drawn(backend, backgrounds=behind)
    assert torch.equal(drawn.colors, behind)
    assert drawn.alphas.shape == (pictures, HEIGHT, WIDTH) and not drawn.alphas.any()
    assert all(not gradient.any() for gradient in drawing.gradients(backend))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("index", "name"), list(enumerate(["means", "scales", "opacities", "colors"]))
)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_refused_by_name(backend: str, index: int, name: str, value: float):
    drawing = random_drawing(1)
    drawing.tensors[index].view(-1)[0] = value
    with pytest.raises(InputError, match=f"{name}.*finite"):
        drawing.drawn(backend)


def test_what_does_not_fit_together_is_refused():
    drawing = random_drawing(1)
    means, scales, opacities, colors = drawing.tensors
    with pytest.raises(InputError, match="between 0 and 1"):
        rasterize(means, scales, opacities + 1, colors, drawing.Ks, 8, 8)
    with pytest.raises(InputError, match="one type"):
        rasterize(means, scales.double(), opacities, colors, drawing.Ks, 8, 8)
    with pytest.raises(InputError, match="Focal lengths"):
        rasterize(means, scales, opacities, colors, 0 * drawing.Ks, 8, 8)
    with pytest.raises(InputError, match="must have pixels"):
        rasterize(means, scales, opacities, colors, drawing.Ks, 0, 8)


def test_a_backend_that_cannot_draw_these_tensors_says_why():
    with pytest.raises(InputError, match="float32 on the CPU"):
        one([0, 0, 1]).drawn("warp")
    with pytest.raises(InputError, match="float32 on CUDA"):
        one([0, 0, 1], dtype=torch.float32).drawn("gsplat")


def test_auto_takes_warp_on_the_cpu_and_the_reference_for_doubles():
    assert fastest(torch.device("cpu"), torch.float32) == ("warp", "")
    assert fastest(torch.device("cpu"), torch.float64) == ("torch", "")
    drawing = random_drawing(12)
    assert torch.equal(drawing.drawn("auto").colors, drawing.drawn("warp").colors)


def test_on_cuda_without_gsplat_the_reference_serves_and_a_sentence_says_so_once(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(rasterizer, "gsplat_trouble", lambda: "no nvcc")
    backend, note = fastest(torch.device("cuda"), torch.float32)
    assert backend == "torch" and "slower" in note and "no nvcc" in note
    rasterizer._say_once.cache_clear()
    with pytest.warns(UserWarning, match="no nvcc"):
        rasterizer._say_once(note)
    rasterizer._say_once(note)  # a second warning would be an error here
