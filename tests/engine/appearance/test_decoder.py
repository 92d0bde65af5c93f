"""A person's latent tensor becomes Gaussians."""

from __future__ import annotations

import torch

from engine.appearance.avatar import Avatar, gaussians_of
from engine.appearance.decoder import OFFSET_LIMIT, features, new_latent
from engine.appearance.gaussians import Anchors


def avatar(seed: int = 0) -> Avatar:
    return Avatar.new("open-body", "1k2", torch.Generator().manual_seed(seed))


def test_it_begins_as_a_grey_solid_bare_body() -> None:
    look = avatar().gaussians()
    assert look.offsets.norm(dim=-1).max() < 0.01
    assert (look.colors - 0.5).abs().max() < 0.1
    assert (look.opacities - 0.9).abs().max() < 0.05
    assert look.scales.min() > 0.005


def test_each_person_has_storage_of_their_own() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (Avatar.new("open-body", "1k2", generator) for _ in range(2))
    kept = second.gaussians()
    with torch.no_grad():
        first.latent.add_(1.0)
        for value in first.decoder.parameters():
            value.add_(1.0)
    assert first.latent.untyped_storage().data_ptr() != second.latent.untyped_storage().data_ptr()
    assert torch.equal(second.gaussians().colors, kept.colors)


def test_whatever_is_decoded_stays_a_body() -> None:
    """Gaussians leave the skin by centimetres at most, and cannot fade away."""
    wild = avatar()
    wild.latent.mul_(1e4)
    look = wild.gaussians()
    assert look.offsets.detach().abs().max() <= OFFSET_LIMIT
    assert look.opacities.detach().min() >= 0.6
    share = look.scales.detach()[0] / Anchors.load("open-body", "1k2").spacing
    assert share.min() >= 0.299 and share.max() <= 1.201


def test_left_and_right_front_and_back_read_different_features() -> None:
    latent = new_latent(torch.Generator().manual_seed(1))
    corners = torch.tensor([[x, 0.3, z] for x in (-0.8, 0.8) for z in (-0.8, 0.8)])
    read = features(latent, corners)
    for a in range(4):
        for b in range(a):
            assert (read[a] - read[b]).abs().max() > 0.01


def test_widening_widens_every_gaussian_alike() -> None:
    person = avatar()
    assert torch.allclose(person.gaussians(1.5).scales, 1.5 * person.gaussians().scales)


def test_people_are_stacked_in_order() -> None:
    people = avatar(0), avatar(1)
    both = gaussians_of(people)
    count = len(Anchors.load("open-body", "1k2"))
    assert both.colors.shape == (2, count, 3)
    assert torch.equal(both.colors[1], people[1].gaussians().colors[0])
