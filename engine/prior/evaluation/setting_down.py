"""A partner from elsewhere, set down as a rigid whole where the true one was: turned about the
vertical and moved over the floor so that the window's mean pelvis distance and both people's mean
facing are those of the true pair. What is left to tell the two apart is how they move together."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from engine.geometry.rotations import axis_angle_to_matrix
from engine.prior.dataset import WorldWindows

DISTANCE_TOLERANCE, FACING_TOLERANCE = 0.02, 0.05
"""Metres, and differences of mean cosines, up to which a pair counts as kept."""
_ROUNDS = 30
_STEP = 1e-3


@dataclass(frozen=True)
class SetDown:
    """Pairs in which one person is from elsewhere."""

    windows: WorldWindows
    kept: Bool[Tensor, "B"]
    """Whether distance and facing are those of the true pair; not all motion allows it."""

    def only(self, chosen: Bool[Tensor, "B"]) -> SetDown:
        return SetDown(self.windows.select(lambda v: v[chosen]), self.kept[chosen])

    def where(self, index: Int[Tensor, "N"], other: SetDown) -> SetDown:
        """This, but at `index` the other one's N pairs."""

        def put(values: Tensor, others: Tensor) -> Tensor:
            return values.index_copy(0, index, others)

        mine, theirs = self.windows, other.windows
        windows = replace(
            mine,
            rotations=put(mine.rotations, theirs.rotations),
            pelvis=put(mine.pelvis, theirs.pelvis),
            betas=put(mine.betas, theirs.betas),
        )
        return SetDown(windows, put(self.kept, other.kept))


def set_down(truth: WorldWindows, elsewhere: WorldWindows, person: int) -> SetDown:
    """The true pairs with `person` replaced by the same-numbered one of the windows elsewhere
    (world with y up). Two people only."""
    # Small turns of metre-sized differences: double precision keeps the difference quotients.
    fixed, true = (_Walker.of(truth, p) for p in (1 - person, person))
    moved = _Walker.of(elsewhere, person)
    wanted = _kept_numbers(fixed, true)
    place = _first_guess(true, moved)
    damping = torch.full((len(place),), 1e-2, dtype=place.dtype)
    best = _wrong(place, fixed, moved, wanted)
    for _ in range(_ROUNDS):
        jacobian = _jacobian(place, fixed, moved, wanted)
        # Levenberg 1944, Marquardt 1963: three numbers to be met by three, each window alone.
        normal = jacobian.mT @ jacobian
        normal = normal + damping[:, None, None] * torch.eye(3, dtype=place.dtype)
        step = torch.linalg.solve(normal, (jacobian.mT @ best[..., None])[..., 0])
        tried = place - step
        wrong = _wrong(tried, fixed, moved, wanted)
        better = wrong.square().sum(-1) < best.square().sum(-1)
        place = torch.where(better[:, None], tried, place)
        best = torch.where(better[:, None], wrong, best)
        damping = torch.where(better, damping / 3, damping * 3).clamp(1e-9, 1e6)
    kept = (best[:, 0].abs() < DISTANCE_TOLERANCE) & (best[:, 1:].abs().amax(-1) < FACING_TOLERANCE)
    return SetDown(_replaced(truth, elsewhere, person, place.float()), kept)


@dataclass(frozen=True)
class _Walker:
    """One person in each window, double precision."""

    pelvis: Float[Tensor, "B F 3"]
    forward: Float[Tensor, "B F 2"]
    """Unit vector on the floor (x, z) in which the pelvis faces; the open body faces along z."""

    @classmethod
    def of(cls, windows: WorldWindows, person: int) -> _Walker:
        ahead = windows.rotations[:, person, :, 0, :, 2].double()
        return cls(windows.pelvis[:, person].double(), F.normalize(ahead[..., [0, 2]], dim=-1))

    def at(self, place: Float[Tensor, "B 3"]) -> _Walker:
        """Turned by an angle about the vertical through the mean place, then moved on the floor."""
        turn = _turn(place[:, 0])
        middle = self.pelvis.mean(1, keepdim=True)
        moved = (self.pelvis - middle) @ turn.mT + middle
        shift = F.pad(place[:, 1:], (0, 1))[:, [0, 2, 1]]
        flat = turn[:, [0, 2]][:, :, [0, 2]]
        return _Walker(moved + shift[:, None], self.forward @ flat.mT)


def _turn(angle: Float[Tensor, "B"]) -> Float[Tensor, "B 3 3"]:
    return axis_angle_to_matrix(F.pad(angle[:, None], (1, 1)))


def _kept_numbers(fixed: _Walker, other: _Walker) -> Float[Tensor, "B 3"]:
    """Mean distance of the pelvises, mean facing of the one and of the other."""
    way = other.pelvis - fixed.pelvis
    level = F.normalize(way[..., [0, 2]], dim=-1)
    return torch.stack(
        [
            way.norm(dim=-1).mean(1),
            (level * fixed.forward).sum(-1).mean(1),
            -(level * other.forward).sum(-1).mean(1),
        ],
        dim=-1,
    )


def _first_guess(true: _Walker, moved: _Walker) -> Float[Tensor, "B 3"]:
    """Where the true one was on average, facing as the true one did on average."""
    angle = _mean_heading(true) - _mean_heading(moved)
    shift = (true.pelvis.mean(1) - moved.pelvis.mean(1))[:, [0, 2]]
    return torch.cat([angle[:, None], shift], dim=-1)


def _mean_heading(walker: _Walker) -> Float[Tensor, "B"]:
    x, z = walker.forward.mean(1).unbind(-1)
    return torch.atan2(x, z) % (2 * math.pi)


def _wrong(
    place: Float[Tensor, "B 3"], fixed: _Walker, moved: _Walker, wanted: Float[Tensor, "B 3"]
) -> Float[Tensor, "B 3"]:
    return _kept_numbers(fixed, moved.at(place)) - wanted


def _jacobian(
    place: Float[Tensor, "B 3"], fixed: _Walker, moved: _Walker, wanted: Float[Tensor, "B 3"]
) -> Float[Tensor, "B 3 3"]:
    columns = []
    for axis in range(3):
        change = torch.zeros(3, dtype=place.dtype)
        change[axis] = _STEP
        ahead = _wrong(place + change, fixed, moved, wanted)
        behind = _wrong(place - change, fixed, moved, wanted)
        columns.append((ahead - behind) / (2 * _STEP))
    return torch.stack(columns, dim=-1)


def _replaced(
    truth: WorldWindows, elsewhere: WorldWindows, person: int, place: Float[Tensor, "B 3"]
) -> WorldWindows:
    turn = _turn(place[:, 0])
    was = elsewhere.pelvis[:, person]
    middle = was.mean(1, keepdim=True)
    shift = F.pad(place[:, 1:], (0, 1))[:, [0, 2, 1]]
    rotations, pelvis, betas = (v.clone() for v in (truth.rotations, truth.pelvis, truth.betas))
    rotations[:, person] = turn[:, None, None] @ elsewhere.rotations[:, person]
    pelvis[:, person] = (was - middle) @ turn.mT + middle + shift[:, None]
    betas[:, person] = elsewhere.betas[:, person]
    return replace(truth, rotations=rotations, pelvis=pelvis, betas=betas)
