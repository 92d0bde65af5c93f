"""Gaussians ride on the skin, and whose they are is fixed."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from engine.appearance.gaussians import Anchors, View, draw
from engine.body.smpl import BodyModel
from engine.geometry.rotations import axis_angle_to_matrix
from tests.engine.appearance.conftest import Filmed, bodies, filmed, looks


def test_without_offsets_they_are_the_vertices() -> None:
    posed = bodies()
    anchors = Anchors.load("open-body", "2k5")
    means = anchors.skin(posed, torch.zeros(2, len(anchors), 3), torch.tensor([1, 3]))
    skin = BodyModel.load("open-body", "2k5").skin(posed)[:, [1, 3]]
    assert torch.allclose(means, skin, atol=1e-6)


def test_offsets_are_along_the_axes_of_the_rest_pose() -> None:
    """3 cm to the front of the body is 3 cm to its front however it is turned."""
    body, anchors = BodyModel.load("open-body", "1k2"), Anchors.load("open-body", "1k2")
    pose = torch.zeros(1, 1, 24, 3)
    pose[0, 0, 0, 1] = math.pi / 2
    turned = body.pose(torch.zeros(1, 10), axis_angle_to_matrix(pose), torch.zeros(1, 1, 3))
    forward = torch.tensor([0.0, 0.0, 0.03]).expand(1, len(anchors), 3)
    frame = torch.tensor([0])
    moved = anchors.skin(turned, forward, frame) - anchors.skin(turned, 0 * forward, frame)
    assert torch.allclose(moved, torch.tensor([0.03, 0.0, 0.0]).expand_as(moved), atol=1e-6)


def test_scales_follow_the_distance_of_neighbours() -> None:
    spacing = {name: Anchors.load("open-body", name).spacing.mean() for name in ("1k2", "7k")}
    assert 0.01 < spacing["7k"] < spacing["1k2"] < 0.06


def test_the_identity_of_a_gaussian_is_that_of_its_body() -> None:
    anchors = Anchors.load("open-body", "1k2")
    look = looks(anchors)
    learnable = replace(look, colors=look.colors.clone().requires_grad_())
    identity = learnable.channels[:, 3:]
    (to_colors,) = torch.autograd.grad(identity.sum(), learnable.colors, retain_graph=True)
    assert (to_colors == 0).all()
    assert (identity[: len(anchors)] == torch.tensor([1.0, 0.0])).all()
    assert (identity[len(anchors) :] == torch.tensor([0.0, 1.0])).all()
    assert torch.equal(look.exchanged(0, 1).channels[:, 3:], identity)
    assert torch.equal(look.exchanged(0, 1).colors[0], look.colors[1])


def test_who_is_nearer_hides_the_other() -> None:
    for behind, seen in ((0.6, 0), (-0.6, 1)):
        pair = filmed(bodies(frames=1, apart=0.0, behind=behind))
        shares = pair.footage.masks[0].astype(float).sum((0, 1))
        assert shares[seen] > 3 * shares[1 - seen]


def test_shares_and_background_make_up_a_pixel(pair: Filmed) -> None:
    view = View(torch.tensor(pair.footage.K, dtype=torch.float32), *pair.footage.size)
    means = pair.anchors.skin(pair.posed, pair.look.offsets, torch.arange(4))
    white = replace(pair.look, colors=torch.ones_like(pair.look.colors))
    black = torch.zeros(4, *pair.footage.size[::-1], 3)
    colors, shares = draw(means, white, view, black)
    assert torch.allclose(colors[..., 0], shares.sum(-1), atol=1e-5)
    assert shares.sum(-1).max() > 0.9 and shares.sum(-1).min() == 0
