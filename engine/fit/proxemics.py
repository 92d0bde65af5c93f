"""What people said of how two people stand to each other, as a term of the objective."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.fit import terms
from engine.fit.state import Posed
from engine.prior.proxemics import measured
from engine.prior.skeleton import HEAD
from engine.structures import ZONE_EDGES, ZONES, FrameRange, ProxemicsStatement

_EDGES = 0.0, *ZONE_EDGES, float("inf")


def moved(
    statements: Sequence[ProxemicsStatement], window: FrameRange
) -> tuple[ProxemicsStatement, ...]:
    """Counted from a window's first frame; what is outside is left out."""
    kept = []
    for statement in statements:
        low = max(statement.frames.start, window.start)
        high = min(statement.frames.stop, window.stop)
        if low < high:
            frames = FrameRange(low - window.start, high - window.start)
            kept.append(replace(statement, frames=frames))
    return tuple(kept)


def cost(
    posed: Posed, statements: Sequence[ProxemicsStatement], time: Float[Tensor, "F"]
) -> Float[Tensor, ""]:
    """How far the bodies are from what was said, summed over time; 0 where they keep to it."""
    total = posed.joints.new_zeros(())
    for statement in statements:
        part = statement.frames.as_slice()
        each = _each(posed, statement)
        total = total + (each * time[part]).sum()
    return total


@dataclass(frozen=True)
class Pull:
    """A distance that is not as it was said: two people are drawn along a way, or pushed."""

    front: int
    back: int
    frames: Int[Tensor, "N"]
    way: Float[Tensor, "N 3"]
    """Unit vector from the one to the other, camera frame."""
    stiff: float
    """Half the second derivative of the cost in metres along it."""


def pulls(posed: Posed, statements: Sequence[ProxemicsStatement]) -> Iterator[Pull]:
    """Of every distance that was said, in the frames in which it is not so."""
    for said in statements:
        pair, part = (said.person_a, said.person_b), said.frames.as_slice()
        every = torch.arange(posed.joints.shape[1], device=posed.joints.device)[part]
        for joint, low, high in _said_distances(said):
            place = posed.body.joints[:, part, joint]
            apart = place[pair[1]] - place[pair[0]]
            metres = apart.norm(dim=-1)
            wrong = (metres < low) | (metres > high)
            way = apart[wrong] / metres[wrong, None].clamp_min(1e-6)
            yield Pull(*pair, every[wrong], way, 1 / terms.DISTANCE_UNIT**2)


def _said_distances(said: ProxemicsStatement) -> Iterator[tuple[int, float, float]]:
    """Joint, and the least and largest distance that cost nothing."""
    if said.zone is not None:
        index = ZONES.index(said.zone)
        yield HEAD, _EDGES[index], _EDGES[index + 1]
    for joint, stated in ((HEAD, said.head_distance), (0, said.pelvis_distance)):
        if stated is not None:
            yield joint, stated - terms.DISTANCE_SLACK, stated + terms.DISTANCE_SLACK


def _each(posed: Posed, said: ProxemicsStatement) -> Float[Tensor, "N"]:
    pair, part = [said.person_a, said.person_b], said.frames.as_slice()
    joints = posed.joints[pair, part][None]
    forward = posed.forward[pair, part][None]
    found = measured(joints[..., HEAD, :], joints[..., 0, :], forward, posed.up[None])
    each = joints.new_zeros(joints.shape[2])
    if said.zone is not None:
        index = ZONES.index(said.zone)
        each = each + terms.zone(found.head_distance[0], _EDGES[index], _EDGES[index + 1])
    if said.head_distance is not None:
        each = each + terms.stated_distance(found.head_distance[0], said.head_distance)
    if said.pelvis_distance is not None:
        each = each + terms.stated_distance(found.pelvis_distance[0], said.pelvis_distance)
    for cosine, value in zip(found.facing[0], said.facing, strict=True):
        if value is not None:
            each = each + terms.facing(cosine, value)
    return each
