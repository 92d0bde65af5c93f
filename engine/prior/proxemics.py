"""How close people are and how they face each other: Hall's zones, distances, facing.

Zones are those of Hall (1966, "The Hidden Dimension"): intimate up to 0.45 m, personal to 1.2 m,
social to 3.6 m, public beyond; here between the heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from engine.prior.skeleton import HEAD, Skeleton
from engine.prior.windows import PairWindows
from engine.structures import ZONE_EDGES, ZONES, ProxemicsStatement

FEATURES = len(ZONES) + 4 * 2
"""Numbers per person and frame that `Proxemics.features` gives."""


@dataclass(frozen=True)
class Proxemics:
    """Of B windows with F frames; NaN, and -1 for the zone, where nothing is said."""

    pelvis_distance: Float[Tensor, "B F"]
    """Metres."""
    head_distance: Float[Tensor, "B F"]
    """Metres."""
    facing: Float[Tensor, "B P F"]
    """Cosine, on the floor, between where a person's pelvis faces and the way to the partner."""
    zone: Int[Tensor, "B F"]
    """Index into `ZONES`."""

    @classmethod
    def nothing(
        cls, count: int, people: int, frames: int, device: torch.device | None = None
    ) -> Proxemics:
        """Nothing is said of any window."""
        return cls(
            torch.full((count, frames), torch.nan, device=device),
            torch.full((count, frames), torch.nan, device=device),
            torch.full((count, people, frames), torch.nan, device=device),
            torch.full((count, frames), -1, device=device),
        )

    def only(self, distance: Tensor, heads: Tensor, facing: Tensor, zone: Tensor) -> Proxemics:
        """What is said where the flags (B, F) are true."""
        nan = torch.nan
        return Proxemics(
            self.pelvis_distance.masked_fill(~distance, nan),
            self.head_distance.masked_fill(~heads, nan),
            self.facing.masked_fill(~facing[:, None], nan),
            self.zone.masked_fill(~zone, -1),
        )

    def at(self, frames: Int[Tensor, "W T"]) -> Proxemics:
        """W windows of what is said of one: by frame of it, nothing where that is negative."""
        nowhere = frames < 0
        place = frames.clamp_min(0)
        return Proxemics(
            self.pelvis_distance[0, place].masked_fill(nowhere, torch.nan),
            self.head_distance[0, place].masked_fill(nowhere, torch.nan),
            self.facing[0, :, place].transpose(0, 1).masked_fill(nowhere[:, None], torch.nan),
            self.zone[0, place].masked_fill(nowhere, -1),
        )

    def features(self) -> Float[Tensor, "B P F 12"]:
        """For the network: zone one-hot (4), then value and flag of pelvis distance, head distance,
        own facing and the partner's facing."""
        people = self.facing.shape[1]
        zone = F.one_hot((self.zone + 1).long(), len(ZONES) + 1)[..., 1:].float()
        shared = [zone, _flagged(self.pelvis_distance), _flagged(self.head_distance)]
        common = torch.cat(shared, dim=-1)[:, None].expand(-1, people, -1, -1)
        return torch.cat([common, _flagged(self.facing), _flagged(self._facing_back)], dim=-1)

    @property
    def _facing_back(self) -> Float[Tensor, "B P F"]:
        """The mean of the others' facing, of those of whom it is said."""
        said = (~self.facing.isnan()).float()
        facing = self.facing.nan_to_num()
        total, count = (v.sum(1, keepdim=True) - v for v in (facing, said))
        return (total / count).masked_fill(count == 0, torch.nan)


def zone_of(head_distance: Float[Tensor, "*batch"]) -> Int[Tensor, "*batch"]:
    """Index of Hall's zone of a distance between heads in metres."""
    return torch.bucketize(head_distance, head_distance.new_tensor(ZONE_EDGES), right=True)


def stated(statements: Sequence[ProxemicsStatement], frames: int) -> Proxemics:
    """What was said of people 0 and 1 over so many frames, as one window."""
    said = Proxemics.nothing(1, 2, frames)
    for statement in statements:
        part = statement.frames.as_slice()
        for values, value in (
            (said.pelvis_distance[0], statement.pelvis_distance),
            (said.head_distance[0], statement.head_distance),
            (said.facing[0, statement.person_a], statement.facing[0]),
            (said.facing[0, statement.person_b], statement.facing[1]),
        ):
            if value is not None:
                values[part] = value
        if statement.zone is not None:
            said.zone[0, part] = ZONES.index(statement.zone)
    return said


def measure(windows: PairWindows, skeleton: Skeleton) -> Proxemics:
    """All of it, of two people (of more: the nearest two count for distances; nothing for one)."""
    count, people, frames = windows.pelvis.shape[:3]
    if people < 2:
        return Proxemics.nothing(count, people, frames)
    joints = skeleton.joints(windows.rotations, windows.betas) + windows.pelvis[..., None, :]
    # The open body faces along its own z axis.
    forward = windows.rotations[..., 0, :, 2]
    return measured(joints[..., HEAD, :], windows.pelvis, forward, windows.up)


def measured(
    heads: Float[Tensor, "B P F 3"],
    pelvises: Float[Tensor, "B P F 3"],
    forward: Float[Tensor, "B P F 3"],
    up: Float[Tensor, "B 3"],
) -> Proxemics:
    """The same of two people or more whose heads and pelvises (metres) are known, and which way
    each pelvis faces, all in one frame; `up` is a unit vector in it."""
    against = up[:, None, None]
    middle = (pelvises.sum(1, keepdim=True) - pelvises) / (pelvises.shape[1] - 1)
    way = _level(middle - pelvises, against)
    head_distance = _nearest(heads)
    return Proxemics(
        _nearest(pelvises),
        head_distance,
        (way * _level(forward, against)).sum(-1),
        zone_of(head_distance),
    )


def _level(vector: Tensor, up: Tensor) -> Tensor:
    return F.normalize(vector - (vector * up).sum(-1, keepdim=True) * up, dim=-1)


def _nearest(points: Float[Tensor, "B P F 3"]) -> Float[Tensor, "B F"]:
    people = points.shape[1]
    pairs = torch.combinations(torch.arange(people, device=points.device), 2)
    apart: Tensor = (points[:, pairs[:, 0]] - points[:, pairs[:, 1]]).norm(dim=-1)
    return apart.amin(1)


def _flagged(values: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 2"]:
    said = ~values.isnan()
    return torch.stack([torch.where(said, values, torch.zeros_like(values)), said.float()], dim=-1)
