"""Drawing Gaussians: closed forms, axioms, gradients, and the backends against each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.appearance import rasterize_torch as reference
from engine.appearance.rasterizer import rasterize
from tests.engine.appearance.drawings import (
    BACKENDS,
    CHANNELS,
    HEIGHT,
    WIDTH,
    Drawing,
    K,
    close,
    holding_each_other,
    one,
    random_drawing,
)

seeds = st.integers(0, 2**31 - 1)


def profile(mean: list[float], scale: float, opacity: float) -> np.ndarray:
    """Alpha of one Gaussian in every pixel, by the textbook's matrices and no cut."""
    x, y, z = mean
    (fx, _, cx), (_, fy, cy), _ = K.double().tolist()
    J = np.array([[fx / z, 0, -fx * x / z**2], [0, fy / z, -fy * y / z**2]])
    inverse = np.linalg.inv(scale**2 * J @ J.T + 0.3 * np.eye(2))
    columns, rows = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    offset = np.stack([columns - (fx * x / z + cx), rows - (fy * y / z + cy)], axis=-1)
    sigma = np.einsum("hwi,ij,hwj->hw", offset, inverse, offset) / 2
    return opacity * np.exp(-sigma)


def dtype_of(backend: str) -> torch.dtype:
    return torch.float64 if backend == "torch" else torch.float32


# Closed forms.


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scale", [0.002, 0.05, 0.3])
def test_one_gaussian_has_the_profile_of_its_projected_covariance(backend: str, scale: float):
    mean, opacity = [0.12, -0.2, 1.3], 0.8
    picture = one(mean, scale, opacity, dtype_of(backend)).drawn(backend)
    expected = profile(mean, scale, opacity)
    drawn = picture.alphas[0].numpy()
    clear = np.abs(expected - 1 / 255) > 1e-5
    np.testing.assert_allclose(
        drawn[clear], np.where(expected < 1 / 255, 0, expected)[clear], atol=1e-6
    )
    assert (drawn > 0).any()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_nearer_of_two_covers_the_other_however_they_are_listed(backend: str, order):
    near, far = profile([0, 0, 1], 0.2, 0.7), profile([0.1, 0, 2], 0.3, 0.9)
    two = Drawing(
        torch.tensor([[[0.0, 0, 1], [0.1, 0, 2]]]), torch.tensor([0.2, 0.3]),
        torch.tensor([0.7, 0.9]), torch.eye(2, CHANNELS), Ks=K[None], size=(WIDTH, HEIGHT),
    ).taken(torch.tensor(order))  # fmt: skip
    row, column = 14, 17
    drawn = two.drawn(backend)
    expected = [near[row, column], (1 - near[row, column]) * far[row, column], 0, 0, 0]
    np.testing.assert_allclose(drawn.colors[0, row, column].numpy(), expected, atol=1e-5)
    assert float(drawn.alphas[0, row, column]) == pytest.approx(sum(expected), abs=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_background_shows_by_as_much_as_is_left_and_has_a_gradient(backend: str):
    drawing = random_drawing(3)
    behind = torch.rand(2, HEIGHT, WIDTH, CHANNELS, requires_grad=True)
    over, alone = drawing.drawn(backend, backgrounds=behind), drawing.drawn(backend)
    left = 1 - alone.alphas[..., None]
    torch.testing.assert_close(over.colors, alone.colors + left * behind)
    over.colors.sum().backward()
    torch.testing.assert_close(behind.grad, left.expand_as(behind))


@pytest.mark.parametrize("backend", BACKENDS)
def test_alpha_stays_under_its_limit_and_a_pixel_ends_before_it_is_full(backend: str):
    solid = one([0, 0, 1], 0.5, 1.0, torch.float32)
    centre = solid.drawn(backend).alphas[0, 14, 17]
    assert float(centre) == pytest.approx(0.999, abs=1e-6)
    depth = torch.tensor([1.0, 1.1, 1.2])
    three = Drawing(
        torch.stack([torch.zeros(3), torch.zeros(3), depth], dim=-1)[None],
        torch.full((3,), 0.5), torch.tensor([0.98, 0.98, 0.98]), torch.eye(3, CHANNELS),
        Ks=K[None], size=(WIDTH, HEIGHT),
    ).drawn(backend)  # fmt: skip
    # 0.02² is left behind two, and the third would leave 8e-6: it is not drawn at all.
    assert float(three.colors[0, 14, 17, 2]) == 0
    assert float(three.alphas[0, 14, 17]) == pytest.approx(1 - 0.02**2, abs=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_too_faint_is_not_drawn_and_has_no_gradient(backend: str):
    faint = one([0, 0, 1], 0.2, 0.9 / 255, torch.float32)
    assert not faint.drawn(backend).alphas.any()
    assert not any(gradient.any() for gradient in faint.gradients(backend))


@given(seeds)
@settings(max_examples=10, deadline=None, derandomize=True)
def test_channels_of_ones_are_alpha(seed: int):
    drawing = random_drawing(seed)
    means, scales, opacities, colors = drawing.tensors
    white = Drawing(
        means, scales, opacities, torch.ones_like(colors), Ks=drawing.Ks, size=drawing.size
    )
    for backend in BACKENDS:
        drawn = white.drawn(backend)
        torch.testing.assert_close(
            drawn.colors, drawn.alphas[..., None].expand_as(drawn.colors), atol=2e-6, rtol=0
        )


# Axioms.


@given(seeds)
@settings(max_examples=10, deadline=None, derandomize=True)
def test_the_order_in_which_gaussians_are_listed_does_not_matter(seed: int):
    drawing = random_drawing(seed)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(seed))
    shuffled = drawing.taken(order)
    picture, other = drawing.drawn("warp"), shuffled.drawn("warp")
    assert torch.equal(picture.colors, other.colors) and torch.equal(picture.alphas, other.alphas)
    before, after = drawing.gradients("warp"), shuffled.gradients("warp")
    assert torch.equal(before[0][:, order], after[0])
    assert all(torch.equal(a[order], b) for a, b in zip(before[1:], after[1:], strict=True))


@pytest.mark.parametrize("backend", BACKENDS)
def test_pictures_do_not_know_of_each_other(backend: str):
    drawing = random_drawing(5, pictures=3)
    together = drawing.drawn(backend)
    for index in range(3):
        means, *others = drawing.tensors
        alone = Drawing(means[[index]], *others, Ks=drawing.Ks[[index]], size=drawing.size)
        torch.testing.assert_close(
            alone.drawn(backend).colors[0], together.colors[index], atol=1e-6, rtol=0
        )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_scale_for_all_pictures_is_the_same_as_one_for_each(backend: str):
    drawing = random_drawing(6)
    means, scales, *others = drawing.tensors
    each = Drawing(means, scales.expand(2, -1), *others, Ks=drawing.Ks, size=drawing.size)
    assert torch.equal(drawing.drawn(backend).colors, each.drawn(backend).colors)
    torch.testing.assert_close(each.gradients(backend)[1].sum(0), drawing.gradients(backend)[1])


@given(seeds)
@settings(max_examples=5, deadline=None, derandomize=True)
def test_the_same_input_gives_the_same_bits_by_one_thread_or_two(seed: int):
    drawing = random_drawing(seed, pictures=3)
    first, again = drawing.drawn("warp"), drawing.drawn("warp", threads=2)
    assert torch.equal(first.colors, again.colors) and torch.equal(first.alphas, again.alphas)
    gradients, others = drawing.gradients("warp"), drawing.gradients("warp", threads=2)
    assert all(torch.equal(a, b) for a, b in zip(gradients, others, strict=True))


def test_the_reference_repeats_itself_bit_for_bit():
    drawing = random_drawing(8)
    for a, b in zip(drawing.gradients("torch"), drawing.gradients("torch"), strict=True):
        assert torch.equal(a, b)


def test_memory_that_allows_little_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    drawing = random_drawing(9)
    whole, gradients = drawing.drawn("torch"), drawing.gradients("torch")
    monkeypatch.setattr(reference, "AT_ONCE", 1)
    torch.testing.assert_close(drawing.drawn("torch").colors, whole.colors, atol=1e-6, rtol=0)
    for a, b in zip(drawing.gradients("torch"), gradients, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4 * float(b.abs().max()), rtol=0)


# Gradients.


@given(seeds)
@settings(max_examples=5, deadline=None, derandomize=True)
def test_the_reference_has_the_gradients_of_finite_differences(seed: int):
    drawing = random_drawing(seed, count=3, pictures=1)
    leaves = [tensor.double().requires_grad_() for tensor in drawing.tensors]
    leaves[0] = (leaves[0].detach() * 0.4 + torch.tensor([0.0, 0, 1.0])).requires_grad_()
    generator = torch.Generator().manual_seed(seed)
    worth = torch.randn(1, 13, 11, CHANNELS, generator=generator, dtype=torch.float64)
    small = torch.tensor([[20.0, 0, 5], [0, 20, 6], [0, 0, 1]])[None].double()

    def total(tensors: list[Tensor]) -> Tensor:
        picture = rasterize(*tensors, small, 11, 13, backend="torch")
        return (picture.colors * worth).sum() + picture.alphas.sum()

    gradients = torch.autograd.grad(total(leaves), leaves)
    for index, gradient in enumerate(gradients):
        # Along one direction in each tensor; a step across a cut would show as a jump.
        direction = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
        steps = []
        for sign in (1, -1):
            moved = [leaf.detach() for leaf in leaves]
            moved[index] = moved[index] + sign * 1e-7 * direction
            steps.append(total(moved))
        found = float(steps[0] - steps[1]) / 2e-7
        expected = float((gradient * direction).sum())
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)


@given(seeds, st.integers(1, 40), st.sampled_from([(37, 29), (8, 8), (1, 1), (5, 70)]))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_warp_draws_what_the_reference_draws(seed: int, count: int, size: tuple[int, int]):
    drawing = random_drawing(seed, count)
    drawing.size = size
    close(drawing)


def test_any_number_of_channels_will_do():
    close(random_drawing(11, channels=1))


def test_warp_draws_two_people_as_the_reference_does():
    drawing = holding_each_other()
    assert float(drawing.drawn("warp").alphas.mean()) > 0.1
    close(drawing)
