"""The terms of the objective: small functions, unreduced, without weights.

Each returns squared residuals in units of its own standard deviation (dimensionless), so a weight
of 1 means "as sure as that". Weights and sums over time live in `objective.py`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from engine.geometry.camera import project


def geman_mcclure(squared: Float[Tensor, "*n"], width: float) -> Float[Tensor, "*n"]:
    """Robust kernel (Geman and McClure 1987): about r^2 near zero, at most `width`^2."""
    return squared / (1 + squared / width**2)


def reprojection(
    keypoints_camera: Float[Tensor, "P F K 3"],
    observed: Float[Tensor, "P F K 2"],
    K: Float[Tensor, "2 3"],
    noise_px: Float[Tensor, "P F"],
) -> Float[Tensor, "P F K"]:
    """Squared pixel distance in units of the keypoint noise."""
    residual = (project(keypoints_camera, K) - observed) / noise_px[..., None, None]
    return residual.square().sum(-1)


def rotation_distance(
    rotmats: Float[Tensor, "P F J 3 3"], target: Float[Tensor, "P F J 3 3"]
) -> Float[Tensor, "P F J"]:
    """Squared chordal distance, 2 (1 - cos angle) per joint: about the squared angle in rad^2."""
    return 0.5 * (rotmats - target).square().sum((-1, -2))


KNEES, ELBOWS = (4, 5), (18, 19)
BOUNDED = (3, 6, 9, 7, 8, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23)
"""Spine, ankles, feet, neck, collars, head, wrists, hands: joints that never turn by 90 degrees."""
BOUNDS = (0.75, 0.45, 0.75, 0.9, 0.9, 0.3, 0.3, 0.85, 0.75, 0.75, 0.5, 0.9, 0.9, 0.2, 0.2)
"""Largest sine of their angle: the 99.6 % range of the CMU recordings, rounded outwards."""


def joint_limits(rotmats: Float[Tensor, "P F 24 3 3"]) -> Float[Tensor, "P F 6"]:
    """Squared radians beyond what joints do: knees, elbows (each side), sideways knees, the rest.

    In SMPL's rest pose (arms along x) a knee bends about +x and an elbow carries the hand forwards,
    so the sign of one matrix entry tells a natural bend from a broken one.
    """
    knees = rotmats[..., KNEES, :, :]
    backwards = (-knees[..., 2, 1] - 0.08).clamp_min(0).square()
    sideways = (knees[..., 0, 1].abs() - 0.2).clamp_min(0).square()
    left, right = rotmats[..., ELBOWS[0], 2, 0], -rotmats[..., ELBOWS[1], 2, 0]
    elbows = (-torch.stack([left, right], -1) - 0.08).clamp_min(0).square()
    bounded = rotmats[..., BOUNDED, :, :]
    sine = 0.5 * torch.stack(
        [
            bounded[..., 2, 1] - bounded[..., 1, 2],
            bounded[..., 0, 2] - bounded[..., 2, 0],
            bounded[..., 1, 0] - bounded[..., 0, 1],
        ],
        -1,
    )
    limit = sine.new_tensor(BOUNDS)
    beyond = (sine.square().sum(-1) + 1e-12).sqrt() - limit
    # Past 90 degrees the sine falls again; the trace tells.
    turned = (1 - bounded.diagonal(dim1=-2, dim2=-1).sum(-1)).clamp_min(0)
    rest = (beyond.clamp_min(0).square() + turned).sum(-1, keepdim=True)
    return torch.cat([backwards, elbows, sideways.sum(-1, keepdim=True), rest], -1)


def shape(betas: Float[Tensor, "P B"]) -> Float[Tensor, "P"]:
    """Squared distance from the mean shape, in standard deviations of the population."""
    return betas.square().sum(1)


def height(standing: Float[Tensor, "P"], stated: Float[Tensor, "P"]) -> Float[Tensor, "P"]:
    """Standing height away from a stated one (metres), in units of 1 cm."""
    return ((standing - stated) / 0.01).square()


def acceleration(
    values: Float[Tensor, "P F *n"], step: Float[Tensor, "F1"]
) -> Float[Tensor, "P F2 *n"]:
    """Second derivative in time at the inner frames, for any spacing of frames (seconds).

    Divided difference on three points: 2 ((x2-x1)/h2 - (x1-x0)/h1) / (h1+h2).
    """
    shape = (1, -1) + (1,) * (values.ndim - 2)
    velocity = (values[:, 1:] - values[:, :-1]) / step.view(shape)
    span = (step[1:] + step[:-1]).view(shape)
    return 2 * (velocity[:, 1:] - velocity[:, :-1]) / span


def below_floor(height: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Points under the floor, in units of 2 cm."""
    return (-height / 0.02).clamp_min(0).square()


def on_floor(height: Float[Tensor, "*n"], width: float) -> Float[Tensor, "*n"]:
    """Standing feet off the floor, in units of 2 cm, robust: people also jump."""
    return geman_mcclure((height / 0.02).square(), width)


def skating(feet: Float[Tensor, "P F N 3"], step: Float[Tensor, "F1"]) -> Float[Tensor, "P F1 N"]:
    """Speed of foot points, in units of 0.1 m/s, robust."""
    velocity = (feet[:, 1:] - feet[:, :-1]) / step[:, None, None]
    return geman_mcclure((velocity / 0.1).square().sum(-1), 5.0)


def log_ratio(log_ratio: Float[Tensor, ""], deviation: float = 0.25) -> Float[Tensor, ""]:
    """A focal length away from the usual, in units of 25 %."""
    return (log_ratio / deviation).square()


def direction(up: Float[Tensor, "3"], expected: Float[Tensor, "3"]) -> Float[Tensor, ""]:
    """Angle between two unit vectors, in units of 0.1 rad."""
    return 2 * (1 - up @ expected) / 0.1**2


def depth_order(front: Float[Tensor, "F"], back: Float[Tensor, "F"]) -> Float[Tensor, "F"]:
    """`front` (depth in metres) not nearer than `back` by 5 cm, in units of 5 cm."""
    return ((front - back) / 0.05 + 1).clamp_min(0).square()


def behind(
    metres: Float[Tensor, "F"], expected: Float[Tensor, "F"], deviation: Float[Tensor, "F"]
) -> Float[Tensor, "F"]:
    """How far one person is behind another, in units of its standard deviation (metres), robust:
    the prior may be mistaken altogether about who is in front."""
    return geman_mcclure(((metres - expected) / deviation).square(), 3.0)


DEEP = 3.0
"""Units of 1 cm beyond the slack from which on penetration does not push harder."""


def penetration(depth: Float[Tensor, "N"], slack: Float[Tensor, "N"] | float) -> Float[Tensor, "N"]:
    """Depth inside the other body (metres) beyond the slack, in units of 1 cm.

    Linear from `DEEP` units on (Huber 1964): people who were put into each other's place stay in
    each other rather than being torn.
    """
    beyond = ((depth - slack) / 0.01).clamp_min(0)
    return torch.where(beyond < DEEP, beyond.square(), DEEP * (2 * beyond - DEEP))


TOUCHING, NEAR = 0.005, 3.0
"""Metres that regions may be apart which touch, and the units of 1 cm beyond that from which on
the pull does not grow."""


def contact(
    distance: Float[Tensor, "*n"], touching: float = TOUCHING, near: float = NEAR
) -> Float[Tensor, "*n"]:
    """Distance between two regions that touch, in units of 1 cm, beyond `touching` metres.

    Linear from `near` units on (Huber 1964): regions that are far apart approach without tearing
    at the limbs.
    """
    beyond = ((distance - touching) / 0.01).clamp_min(0)
    return torch.where(beyond < near, beyond.square(), near * (2 * beyond - near))


def no_contact(distance: Float[Tensor, "*n"], clearance: float) -> Float[Tensor, "*n"]:
    """Regions nearer than `clearance` metres, in units of 1 cm."""
    return ((clearance - distance) / 0.01).clamp_min(0).square()


DISTANCE_UNIT, DISTANCE_SLACK = 0.05, 0.02
"""Metres: the unit of a distance between people that is not as it was said, and how far it may be
from what was said at no cost."""


def zone(distance: Float[Tensor, "*n"], nearest: float, furthest: float) -> Float[Tensor, "*n"]:
    """A distance between heads (metres) outside a zone, in units of 5 cm beyond its edge."""
    beyond = torch.maximum(nearest - distance, distance - furthest)
    return (beyond / DISTANCE_UNIT).clamp_min(0).square()


def stated_distance(distance: Float[Tensor, "*n"], stated: float) -> Float[Tensor, "*n"]:
    """A distance (metres) more than 2 cm from a stated one, in units of 5 cm."""
    beyond = (distance - stated).abs() - DISTANCE_SLACK
    return (beyond / DISTANCE_UNIT).clamp_min(0).square()


def facing(cosine: Float[Tensor, "*n"], stated: float) -> Float[Tensor, "*n"]:
    """The cosine of where somebody faces more than 0.05 from a stated one, in units of 0.1."""
    return (((cosine - stated).abs() - 0.05) / 0.1).clamp_min(0).square()
