"""Skins together, and not through each other: contact and penetration on meshes.

Which vertices meet, and which are inside the other body, is found anew every few steps; in
between those are fixed and the costs are smooth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from engine.body.regions import region_vertices
from engine.body.smpl import PosedBody
from engine.geometry.hits import Hit, Search, depth_of, find_hits
from engine.motion.contact.catalogue import Interaction
from engine.motion.contact.stage import Stage

TOUCHING = 0.004
"""Metres between vertices that are left alone once they are so near."""
SLACK = 0.001
"""Metres of penetration that are left alone."""
CONTACT_SIGMA = 0.01
NEIGHBOURHOOD = 0.015
"""Metres outside a body within which vertices are watched."""
AGREED = 7
"""Frames over which the way out of a limb is the same."""
PAIRS = 6
"""Nearest vertex pairs that are drawn together for each meeting and frame."""


@dataclass(frozen=True)
class _Pairs:
    person: int
    frame: Int[Tensor, "N"]
    mine: Int[Tensor, "N Q"]
    theirs: Int[Tensor, "N Q"]


@dataclass(frozen=True)
class Correspondences:
    hits: tuple[Hit, ...]
    pairs: tuple[_Pairs, ...]
    frames: Int[Tensor, "S"]
    """The only frames whose skins are needed."""


class Closing:
    def __init__(self, stage: Stage, interaction: Interaction) -> None:
        self._stage = stage
        model = stage.model
        self._part = model.weights.argmax(dim=1)
        self._search = Search.of(model)
        self._meetings = [
            (
                m.person,
                torch.from_numpy(region_vertices(model, m.region)),
                torch.from_numpy(region_vertices(model, m.other_region)),
                torch.nonzero(stage.window(m.span))[:, 0],
            )
            for m in interaction.meetings
        ]

    @torch.no_grad()
    def correspondences(self) -> Correspondences:
        skins = self._stage.posed().vertices()
        every = np.arange(skins.shape[1])
        found = find_hits(list(skins.numpy()), every, self._search, NEIGHBOURHOOD)
        hits = [hit.kept(self._one_way(hit, depth_of(hit, list(skins)))) for hit in found]
        pairs = [self._pairs(*meeting, skins) for meeting in self._meetings]
        used = [*(hit.frame for hit in hits), *(term.frame for term in pairs)]
        frames = torch.unique(torch.cat(used)) if used else torch.zeros(0, dtype=torch.long)
        return Correspondences(tuple(hits), tuple(pairs), frames)

    def costs(
        self, posed: PosedBody, found: Correspondences, depth_sigma: float
    ) -> dict[str, Tensor]:
        skins = _skins(posed, found.frames)
        contact, depth = torch.zeros(()), torch.zeros(())
        for pairs in found.pairs:
            at = torch.searchsorted(found.frames, pairs.frame)[:, None]
            apart = skins[pairs.person][at, pairs.mine] - skins[1 - pairs.person][at, pairs.theirs]
            distance = apart.square().sum(-1).add(1e-10).sqrt()
            each = ((distance - TOUCHING) / CONTACT_SIGMA).clamp_min(0)
            # Beyond a few centimetres it pulls evenly, so that one meeting does not rule the rest.
            contact = contact + torch.nn.functional.huber_loss(
                each, torch.zeros_like(each), delta=4.0, reduction="sum"
            ) * (2 / pairs.mine.shape[1])
        for hit in found.hits:
            at = torch.searchsorted(found.frames, hit.frame)
            inside = depth_of(replace(hit, frame=at), list(skins))
            depth = depth + ((inside - SLACK) / depth_sigma).clamp_min(0).square().sum()
        return {"contact": contact, "penetration": depth}

    def _one_way(self, hit: Hit, depth: Float[Tensor, "N"]) -> Bool[Tensor, "N"]:
        """Leaves out the vertices that would push a limb against the way out of most of it.

        A thin limb right through another has as many vertices on one side as on the other; they
        would hold each other. The way is agreed upon over a few frames, so that it stays the same.
        """
        parts = self._part.max() + 1
        ways = torch.zeros(len(self._stage.seconds), int(parts**2), 3)
        pair = self._part[hit.vertex] * parts + self._part[hit.corners[:, 0]]
        weight = depth.clamp_min(0).square()[:, None] * hit.outwards
        ways.index_put_((hit.frame, pair), weight, accumulate=True)
        smooth = torch.nn.functional.avg_pool1d(
            ways.permute(1, 2, 0), AGREED, stride=1, padding=AGREED // 2
        ).permute(2, 0, 1)
        return (depth <= 0) | ((smooth[hit.frame, pair] * hit.outwards).sum(-1) >= 0)

    def _pairs(
        self, person: int, mine: Tensor, theirs: Tensor, frames: Tensor, skins: Tensor
    ) -> _Pairs:
        a, b = skins[person][frames][:, mine], skins[1 - person][frames][:, theirs]
        distance = torch.cdist(a, b)
        # Each of my vertices with its nearest: a few different ones, so that a palm lies flat.
        nearest, at = distance.min(dim=2)
        order = nearest.topk(min(PAIRS, nearest.shape[1]), largest=False).indices
        return _Pairs(person, frames, mine[order], theirs[at.gather(1, order)])


def _skins(posed: PosedBody, frames: Tensor) -> Tensor:
    return replace(
        posed,
        rotmats=posed.rotmats[:, frames],
        transforms=posed.transforms[:, frames],
        joints=posed.joints[:, frames],
    ).vertices()
