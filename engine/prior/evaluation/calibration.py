"""Asked for a zone, a distance or a facing: do samples keep it?"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from engine.prior.evaluation.held_out import joined
from engine.prior.proxemics import Proxemics, measure
from engine.prior.skeleton import Skeleton
from engine.prior.windows import PairWindows
from engine.structures import ZONE_EDGES, ZONES

FRAMES = 32
"""Of a sample."""
PELVIS_DISTANCES = 0.3, 0.6, 1.0, 1.6, 2.5
"""Metres that are asked for."""
HEAD_DISTANCES = 0.25, 0.6, 1.0, 1.6, 2.5
FACINGS = {
    "face to face": (0.9, 0.9),
    "one behind the other": (0.9, -0.9),
    "back to back": (-0.9, -0.9),
}
"""Cosines of the two people between where they face and the way to the partner."""
_BATCH = 64
_SEED = 31


@runtime_checkable
class Source(Protocol):
    """What `engine.prior.prior.Prior` is here."""

    def sample(
        self,
        count: int,
        frames: int,
        *,
        people: int = 2,
        proxemics: Proxemics | None = None,
        generator: torch.Generator,
    ) -> PairWindows:
        """Windows that nobody observed, as they were asked for."""
        ...


@dataclass(frozen=True)
class Asked:
    """One wish, for every frame of every sample."""

    name: str
    zone: int | None = None
    pelvis_distance: float | None = None
    head_distance: float | None = None
    facing: tuple[float, float] | None = None

    def as_proxemics(self, count: int, frames: int) -> Proxemics:
        said = Proxemics.nothing(count, 2, frames)
        if self.zone is not None:
            said = replace(said, zone=torch.full((count, frames), self.zone))
        if self.pelvis_distance is not None:
            wanted = torch.full((count, frames), self.pelvis_distance)
            said = replace(said, pelvis_distance=wanted)
        if self.head_distance is not None:
            said = replace(said, head_distance=torch.full((count, frames), self.head_distance))
        if self.facing is not None:
            each = torch.tensor(self.facing)[None, :, None]
            said = replace(said, facing=each.expand(count, 2, frames).clone())
        return said

    def kept(self, found: Proxemics) -> Tensor:
        """(B, F): frames in the zone, and true everywhere where none is asked for."""
        if self.zone is None:
            return torch.ones_like(found.zone, dtype=torch.bool)
        return found.zone == self.zone

    def error_m(self, found: Proxemics) -> Tensor:
        """(B, F): metres from the distance asked for, or to the zone."""
        if self.pelvis_distance is not None:
            return (found.pelvis_distance - self.pelvis_distance).abs()
        if self.head_distance is not None:
            return (found.head_distance - self.head_distance).abs()
        if self.zone is None:
            return torch.full_like(found.head_distance, torch.nan)
        low, high = (0.0, *ZONE_EDGES)[self.zone], (*ZONE_EDGES, torch.inf)[self.zone]
        distance = found.head_distance
        return (low - distance).clamp_min(0) + (distance - high).clamp_min(0)


def wishes() -> list[Asked]:
    """Everything that samples are asked for, one thing at a time."""
    return [
        *(Asked(f"zone {name}", zone=index) for index, name in enumerate(ZONES)),
        *(Asked(f"pelvises {d:g} m apart", pelvis_distance=d) for d in PELVIS_DISTANCES),
        *(Asked(f"heads {d:g} m apart", head_distance=d) for d in HEAD_DISTANCES),
        *(Asked(name, facing=facing) for name, facing in FACINGS.items()),
    ]


@dataclass(frozen=True)
class Calibration:
    """How a wish was kept. NaN where it says nothing of the kind."""

    asked: str
    in_zone: float
    """Share of the samples' frames in the zone asked for."""
    unasked_in_zone: float
    """The same of samples that were asked for nothing."""
    error_m: float
    """Mean distance from the one asked for, or to the zone's edge; metres."""
    unasked_error_m: float
    facing_error: float
    """Mean absolute difference of the cosines."""
    unasked_facing_error: float


def calibrations(
    prior: Source, skeleton: Skeleton, count: int
) -> Generator[float, None, list[Calibration]]:
    """`count` samples for each of `wishes`, from the same noise. Yields the share that is done."""
    asked = wishes()
    free = measure(drawn(prior, count, FRAMES), skeleton)
    rows = []
    for index, wish in enumerate(asked):
        said = wish.as_proxemics(count, FRAMES)
        found = measure(drawn(prior, count, FRAMES, said), skeleton)
        rows.append(_calibration(wish, found, free))
        yield (index + 1) / len(asked)
    return rows


def drawn(prior: Source, count: int, frames: int, said: Proxemics | None = None) -> PairWindows:
    """Samples of two people, the same noise at every call."""
    generator = torch.Generator().manual_seed(_SEED)
    parts = []
    for start in range(0, count, _BATCH):
        part = slice(start, min(start + _BATCH, count))
        wanted = None if said is None else _part(said, part)
        parts.append(
            prior.sample(part.stop - part.start, frames, proxemics=wanted, generator=generator)
        )
    return joined(parts)


def _part(said: Proxemics, part: slice) -> Proxemics:
    return Proxemics(
        said.pelvis_distance[part], said.head_distance[part], said.facing[part], said.zone[part]
    )


def _calibration(wish: Asked, found: Proxemics, free: Proxemics) -> Calibration:
    def shares(of: Proxemics) -> tuple[float, float, float]:
        zone = float(wish.kept(of).float().mean()) if wish.zone is not None else float("nan")
        facing = float("nan")
        if wish.facing is not None:
            facing = float((of.facing - torch.tensor(wish.facing)[None, :, None]).abs().mean())
        return zone, float(wish.error_m(of).mean()), facing

    asked, unasked = shares(found), shares(free)
    return Calibration(wish.name, asked[0], unasked[0], asked[1], unasked[1], asked[2], unasked[2])
