"""Drawing Gaussians: closed forms, the backends against each other, and what is out of the way."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.appearance import rasterize_torch as reference
from engine.appearance import rasterizer
from engine.appearance.benchmark import two_people
from engine.appearance.projection import Scene, project
from engine.appearance.rasterize_gsplat import gsplat_arguments, gsplat_trouble
from engine.appearance.rasterizer import Rendered, fastest, rasterize
from engine.errors import InputError

WIDTH, HEIGHT = 37, 29
K = torch.tensor([[60.0, 0, 17.3], [0, 55, 14.1], [0, 0, 1]])
CHANNELS = 5
BACKENDS = ["torch", "warp"]
seeds = st.integers(0, 2**31 - 1)


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


def in_both(backend: str) -> torch.dtype:
    return torch.float64 if backend == "torch" else torch.float32


# Closed forms.


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scale", [0.002, 0.05, 0.3])
def test_one_gaussian_has_the_profile_of_its_projected_covariance(backend: str, scale: float):
    mean, opacity = [0.12, -0.2, 1.3], 0.8
    picture = one(mean, scale, opacity, in_both(backend)).drawn(backend)
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


@given(seeds, st.integers(1, 40), st.sampled_from([(37, 29), (8, 8), (1, 1), (5, 70)]))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_warp_draws_what_the_reference_draws(seed: int, count: int, size: tuple[int, int]):
    drawing = random_drawing(seed, count)
    drawing.size = size
    close(drawing)


def test_any_number_of_channels_will_do():
    close(random_drawing(11, channels=1))


def holding_each_other() -> Drawing:
    """Two people of the open body, a Gaussian at each vertex, in two pictures."""
    people = two_people("1k2", 64, pictures=2)
    tensors = people.means, people.scales, people.opacities, people.colors
    return Drawing(*tensors, Ks=people.Ks, size=(64, 64))


def test_warp_draws_two_people_as_the_reference_does():
    drawing = holding_each_other()
    assert float(drawing.drawn("warp").alphas.mean()) > 0.1
    close(drawing)


# Out of the way.

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


# gsplat.


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
