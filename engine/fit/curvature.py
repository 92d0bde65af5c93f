"""The Gauss-Newton matrix of the objective: how stiff it is in every direction.

A term that is a sum of squares c r(x)^2 has about the second derivatives 2 c J^T J; a robust one
the same with the slope of its kernel, as iteratively reweighted least squares (Holland and Welsch
1977). What is left out here (joint limits, curvature of the way points take, terms that
do not say how stiff they are) the descent finds out by itself: the matrix only says where to look.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.config import FitConfig
from engine.fit import proxemics, terms
from engine.fit.banded import Bands, by_frame
from engine.fit.jacobian import FREEDOM, TURNS, Jacobian
from engine.fit.objective import FLOOR_WIDTH, FOOT_POINTS, Evidence, foot_heights
from engine.fit.state import Anchor, Posed
from engine.geometry.camera import NEAR


@dataclass(frozen=True)
class Rows:
    """Residuals that look at one frame each: derivatives times the root of their stiffness."""

    frame: Int[Tensor, "N"]
    row: Float[Tensor, "N P 75"]


@runtime_checkable
class Stiff(Protocol):
    """A term that says how stiff it is."""

    def rows(self, posed: Posed, jacobian: Jacobian) -> Rows: ...


@dataclass(frozen=True)
class Look:
    """What every part of the matrix is made from."""

    posed: Posed
    jacobian: Jacobian
    evidence: Evidence
    config: FitConfig
    anchor: Anchor

    def anchored(self, jacobian: Float[Tensor, "P F N 3 75"]) -> Float[Tensor, "P F N 3 75"]:
        """Derivatives of points in the anchor frame, from those in the cameras'."""
        if self.anchor.rotation is None:
            return jacobian
        return torch.einsum("fij,pfnjk->pfnik", self.anchor.rotation, jacobian)


def curvature(look: Look, searched: tuple[object, ...] = ()) -> Generator[None, None, Bands]:
    """Of the objective and of those of the terms that say how stiff they are; in steps."""
    people, frames = look.posed.transl.shape[:2]
    new = look.posed.transl.new_zeros
    bands = Bands.zeros(frames, people * FREEDOM, look.posed.transl.device)
    each = [new(people, max(0, frames - lag), FREEDOM, FREEDOM) for lag in range(3)]
    for add in (_add_keypoints, _add_pose, _add_limits, _add_smoothness, _add_floor):
        with torch.no_grad():
            add(each, look)
        yield None
    for lag, (whole, part) in enumerate(
        zip((bands.here, bands.next, bands.after), each, strict=True)
    ):
        if frames > lag:
            for person in range(people):
                rows = slice(person * FREEDOM, (person + 1) * FREEDOM)
                whole[:, rows, rows] = part[person]
    _add_rows(bands, _between_people(look))
    for term in searched:
        if isinstance(term, Stiff):
            _add_rows(bands, term.rows(look.posed, look.jacobian))
            yield None
    return bands


def _slope(squared: Tensor, width: float) -> Tensor:
    """Of `terms.geman_mcclure`."""
    return 1 / (1 + squared / width**2).square()


def _add_keypoints(each: list[Tensor], look: Look) -> None:
    posed, evidence, weights = look.posed, look.evidence, look.config.weights
    K = torch.cat([evidence.K[:2, :2] * posed.log_focal.exp(), evidence.K[:2, 2:]], dim=1)
    point = posed.keypoints_camera
    depth = point[..., 2:].clamp_min(NEAR)
    ray = point[..., :2] / depth
    residual = ray * torch.stack([K[0, 0], K[1, 1]]) + K[:2, 2] - evidence.observed
    noise = evidence.noise_px[..., None]
    squared = residual.square().sum(-1) / noise.square()
    stiff = torch.where(
        evidence.edited,
        torch.full_like(squared, weights.edited),
        _slope(squared, evidence.robust_width) * weights.reprojection,
    )
    stiff = 2 * stiff * evidence.weight * evidence.frame_weight[:, None] / noise.square()
    by_point = look.jacobian.keypoints
    focal = torch.stack([K[0, 0], K[1, 1]])[:, None]
    pixel = (
        focal * (by_point[..., :2, :] - ray[..., None] * by_point[..., 2:, :]) / depth[..., None]
    )
    rows = (pixel * stiff.sqrt()[..., None, None]).flatten(2, 3)
    each[0] += rows.mT @ rows


def _add_pose(each: list[Tensor], look: Look) -> None:
    weight = 2 * look.config.weights.pose * look.evidence.pose_weight
    stiff = (weight * look.evidence.frame_weight[:, None]).repeat_interleave(3, dim=-1)
    each[0].diagonal(dim1=-2, dim2=-1)[..., :TURNS] += stiff


def _add_limits(each: list[Tensor], look: Look) -> None:
    """Of the joints that are bent too far, in every direction."""
    weight = 2 * look.config.weights.limits
    if not weight:
        return
    with torch.enable_grad():
        rotmats = look.posed.rotmats.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(terms.joint_limits(rotmats).sum(), rotmats)
    beyond = (gradient != 0).flatten(3).any(-1)
    stiff = (weight * beyond * look.evidence.frame_weight[:, None]).repeat_interleave(3, dim=-1)
    each[0].diagonal(dim1=-2, dim2=-1)[..., :TURNS] += stiff


def _add_smoothness(each: list[Tensor], look: Look) -> None:
    """Squared second differences of joints and of rotations."""
    evidence, weights = look.evidence, look.config.weights
    if len(evidence.step) < 2:
        return
    squares = _second_differences(evidence)
    joints = look.anchored(look.jacobian.joints).flatten(2, 3)
    sixd = look.jacobian.sixd
    for lag, band in enumerate(each):
        factor = 2 * squares.diagonal(lag)[:, None, None] / 24
        count = joints.shape[1] - lag
        if weights.acceleration:
            product = joints[:, :count].mT @ joints[:, lag:]
            band += weights.acceleration * factor * product
        if weights.rotation:
            turning = weights.rotation * factor[..., None] * (sixd[:, :count].mT @ sixd[:, lag:])
            for joint in range(TURNS // 3):
                part = slice(3 * joint, 3 * joint + 3)
                band[..., part, part] += turning[:, :, joint]


def _second_differences(evidence: Evidence) -> Float[Tensor, "F F"]:
    """D^T W D of `terms.acceleration` with the frames' weights."""
    step = evidence.step
    frames = len(step) + 1
    matrix = step.new_zeros(frames - 2, frames)
    row = torch.arange(frames - 2, device=step.device)
    span = step[1:] + step[:-1]
    matrix[row, row] = 2 / (step[:-1] * span)
    matrix[row, row + 2] = 2 / (step[1:] * span)
    matrix[row, row + 1] = -matrix[row, row] - matrix[row, row + 2]
    return matrix.T @ (matrix * evidence.frame_weight[1:-1, None])


def _add_floor(each: list[Tensor], look: Look) -> None:
    posed, evidence, weights = look.posed, look.evidence, look.config.weights
    time = evidence.frame_weight[:, None]
    feet = look.anchored(look.jacobian.keypoints[:, :, FOOT_POINTS])
    if weights.floor:
        height = foot_heights(posed, evidence)
        width = FLOOR_WIDTH * evidence.robust_width
        units = height / 0.02
        stiff = (height < 0) + evidence.standing * _slope(units.square(), width)
        lowest = height == height.amin(-1, keepdim=True)
        stiff = stiff + 0.3 * lowest * evidence.on_feet[..., None] * _slope(units.square(), width)
        rows = torch.einsum("i,pfnik->pfnk", posed.up, feet)
        rows = rows * (2 * weights.floor * stiff * time / 0.02**2).sqrt()[..., None]
        each[0].add_(rows.mT @ rows)
    if weights.skating and len(evidence.step):
        points = posed.keypoints[:, :, FOOT_POINTS]
        step = evidence.step[:, None]
        speed = (points[:, 1:] - points[:, :-1]).square().sum(-1) / (0.1 * step).square()
        both = torch.minimum(evidence.standing[:, 1:], evidence.standing[:, :-1])
        stiff = 2 * weights.skating * both * _slope(speed, 5.0) * time[1:] / (0.1 * step).square()
        root = stiff.sqrt()[..., None, None]
        before, after = ((feet[:, part] * root).flatten(2, 3) for part in (_FIRST, _SECOND))
        each[0][:, :-1] += before.mT @ before
        each[0][:, 1:] += after.mT @ after
        each[1].sub_(before.mT @ after)


_FIRST, _SECOND = slice(None, -1), slice(1, None)


def _between_people(look: Look) -> Rows:
    """Who is how far behind whom: of the prior, and as somebody said."""
    posed, evidence, weights = look.posed, look.evidence, look.config.weights
    people, frames = posed.transl.shape[:2]
    pelvis, place = posed.body.joints[:, :, 0], look.jacobian.places
    every = torch.arange(frames, device=pelvis.device)
    found: list[tuple[Tensor, Tensor]] = [(every[:0], pelvis.new_zeros(0, people, FREEDOM))]

    def add(front: int, back: int, ray: Tensor, stiff: Tensor, when: Tensor) -> None:
        row = pelvis.new_zeros(len(when), people, FREEDOM)
        for person, sign in ((front, -1.0), (back, 1.0)):
            along = torch.einsum("fi,fik->fk", ray, place[person, when])
            row[:, person, TURNS:] = sign * along * stiff.sqrt()[:, None]
        found.append((when, row))

    for pair in evidence.behind if weights.behind else ():
        metres = ((pelvis[pair.back] - pelvis[pair.front]) * pair.ray).sum(-1)
        slope = _slope(((metres - pair.metres) / pair.deviation).square(), 3.0)
        stiff = 2 * weights.behind * slope * pair.weight * evidence.frame_weight
        add(pair.front, pair.back, pair.ray, stiff / pair.deviation.square(), every)
    for order in evidence.depth_orders if weights.depth_order else ():
        when = every[order.frames.as_slice()]
        depth = pelvis[:, when, 2]
        wrong = (depth[order.front] - depth[order.back]) / 0.05 + 1 > 0
        stiff = 2 * weights.depth_order * wrong * evidence.frame_weight[when] / 0.05**2
        ahead = pelvis.new_tensor([0.0, 0.0, 1.0]).expand(len(when), 3)
        add(order.front, order.back, ahead, stiff, when)
    for pull in proxemics.pulls(posed, evidence.proxemics) if weights.proxemics else ():
        stiff = 2 * weights.proxemics * pull.stiff * evidence.frame_weight[pull.frames]
        add(pull.front, pull.back, pull.way, stiff, pull.frames)
    frame, row = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Rows(frame, row)


def _add_rows(bands: Bands, rows: Rows) -> None:
    for frame, part in by_frame(rows.frame, rows.row.flatten(1)):
        bands.here[frame] += part.T @ part
