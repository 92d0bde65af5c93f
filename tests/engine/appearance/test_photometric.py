"""Terms of pictures: zero at the truth, and silent where nothing is known."""

from __future__ import annotations

import pytest
import torch

from engine.appearance import photometric


@pytest.fixture
def picture() -> torch.Tensor:
    return torch.rand(2, 24, 20, 3, generator=torch.Generator().manual_seed(0))


def test_equal_pictures_cost_nothing(picture: torch.Tensor) -> None:
    counted = torch.ones(2, 24, 20)
    assert photometric.of_pictures(picture, picture, counted, 0.2).abs().max() < 1e-6


def test_a_constant_difference_is_its_size(picture: torch.Tensor) -> None:
    """Rounded off by less than the softness."""
    off = photometric.absolute(picture + 0.3, picture)
    assert torch.allclose(off, torch.tensor(0.3), atol=photometric.SOFTNESS)


def test_structure_is_that_of_wang_et_al() -> None:
    """SSIM written out for one window: the middle of a picture of the window's size."""
    generator = torch.Generator().manual_seed(1)
    x, y = torch.rand(2, 1, 11, 11, 1, generator=generator, dtype=torch.float64)
    at = torch.arange(11, dtype=torch.float64) - 5
    window = torch.exp(-0.5 * (at / 1.5) ** 2)
    weight = torch.outer(window, window) / window.sum() ** 2
    u, v = x[0, :, :, 0], y[0, :, :, 0]
    mu, nu = (weight * u).sum(), (weight * v).sum()
    suu, svv = (weight * u * u).sum() - mu**2, (weight * v * v).sum() - nu**2
    suv = (weight * u * v).sum() - mu * nu
    ssim = (2 * mu * nu + 1e-4) * (2 * suv + 9e-4) / (mu**2 + nu**2 + 1e-4) / (suu + svv + 9e-4)
    found = photometric.dissimilarity(x, y)[0, 5, 5]
    assert float(found) == pytest.approx(float((1 - ssim) / 2), abs=1e-6)


def test_pixels_that_do_not_count_have_no_say(picture: torch.Tensor) -> None:
    counted = torch.ones(2, 24, 20)
    counted[:, :, 8:] = 0
    rendered = torch.rand_like(picture).requires_grad_()
    photometric.of_pictures(rendered, picture, counted, 0.5).sum().backward()
    assert rendered.grad is not None
    assert rendered.grad[:, :, :8].abs().sum() > 0
    assert (rendered.grad[:, :, 8:] == 0).all()


def boxes(*people: list[float]) -> torch.Tensor:
    return torch.tensor([list(people)], dtype=torch.float32)


YES, NO = torch.tensor([[True, True]]), torch.tensor([[False, False]])


def test_masks_are_not_trusted_where_the_boxes_overlap() -> None:
    trusted = photometric.trusted_masks(boxes([0, 0, 12, 24], [8, 0, 20, 24]), YES, NO, (20, 24))
    assert not trusted[0, :, 8:12].any()
    assert trusted[0, :, :8].all() and trusted[0, :, 12:].all()


def test_a_mask_that_a_person_drew_is_trusted_also_there() -> None:
    drawn = torch.tensor([[True, False]])
    trusted = photometric.trusted_masks(boxes([0, 0, 12, 24], [8, 0, 20, 24]), YES, drawn, (20, 24))
    assert trusted[0, :, :, 0].all()
    assert not trusted[0, :, 8:12, 1].any()


def test_who_has_no_mask_is_not_compared() -> None:
    known = torch.tensor([[True, False]])
    trusted = photometric.trusted_masks(boxes([0, 0, 8, 24], [12, 0, 20, 24]), known, NO, (20, 24))
    assert trusted[0, ..., 0].all() and not trusted[0, ..., 1].any()


def test_identity_is_compared_only_where_masks_are_trusted() -> None:
    shares = torch.rand(1, 6, 6, 2, requires_grad=True)
    trusted = torch.zeros(1, 6, 6, 2, dtype=torch.bool)
    trusted[:, :3] = True
    photometric.identity(shares, torch.ones(1, 6, 6, 2), trusted).sum().backward()
    assert shares.grad is not None
    assert (shares.grad[:, :3] < 0).all() and (shares.grad[:, 3:] == 0).all()
    exact = photometric.identity(torch.ones(1, 6, 6, 2), torch.ones(1, 6, 6, 2), trusted)
    assert (exact == 0).all()


def test_gradients_are_those_of_the_formulas() -> None:
    generator = torch.Generator().manual_seed(2)
    x, y = torch.rand(2, 1, 12, 12, 1, generator=generator, dtype=torch.float64)
    counted = (torch.rand(1, 12, 12, generator=generator) > 0.3).double()
    x.requires_grad_()
    torch.autograd.gradcheck(lambda v: photometric.of_pictures(v, y, counted, 0.4), (x,))
