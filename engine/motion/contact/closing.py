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
from engine.geometry.proximity import MeshQuery, Parts, box_overlap
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
class _Near:
    """Vertices of one person inside the other, or just outside."""

    person: int
    frame: Int[Tensor, "N"]
    vertex: Int[Tensor, "N"]
    corners: Int[Tensor, "N 3"]
    barycentric: Float[Tensor, "N 3"]
    outwards: Float[Tensor, "N 3"]


@dataclass(frozen=True)
class _Pairs:
    person: int
    frame: Int[Tensor, "N"]
    mine: Int[Tensor, "N Q"]
    theirs: Int[Tensor, "N Q"]


@dataclass(frozen=True)
class Correspondences:
    near: tuple[_Near, ...]
    pairs: tuple[_Pairs, ...]
    frames: Int[Tensor, "S"]
    """The only frames whose skins are needed."""
    deepest: float
    """Metres."""


class Closing:
    def __init__(self, stage: Stage, interaction: Interaction) -> None:
        self._stage = stage
        model = stage.model
        self._faces = model.faces
        self._query = MeshQuery(model.data.faces, model.vertex_count)
        self._part = model.weights.argmax(dim=1)
        self._parts = Parts(self._part.numpy())
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
        meshes = skins.numpy()
        overlapping = np.flatnonzero(box_overlap(meshes[0], meshes[1], 0.01))
        near: list[_Near] = []
        deepest = 0.0
        for person in (0, 1):
            found, depth = self._near(person, meshes, overlapping)
            near += [found] if found is not None else []
            deepest = max(deepest, depth)
        pairs = [self._pairs(*meeting, skins) for meeting in self._meetings]
        used = [*(term.frame for term in near), *(term.frame for term in pairs)]
        frames = torch.unique(torch.cat(used)) if used else torch.zeros(0, dtype=torch.long)
        return Correspondences(tuple(near), tuple(pairs), frames, deepest)

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
        for near in found.near:
            at = torch.searchsorted(found.frames, near.frame)
            point = skins[near.person][at, near.vertex]
            corner = skins[1 - near.person][at[:, None], near.corners]
            surface = (corner * near.barycentric[..., None]).sum(1)
            inside = ((surface - point) * near.outwards).sum(-1)
            depth = depth + ((inside - SLACK) / depth_sigma).clamp_min(0).square().sum()
        return {"contact": contact, "penetration": depth}

    def _near(
        self, person: int, meshes: Float[np.ndarray, "2 F V 3"], frames: Int[np.ndarray, "N"]
    ) -> tuple[_Near | None, float]:
        """Vertices of a person in or near the other, and how deep the deepest is (metres)."""
        rows = [self._in_frame(person, meshes, frame) for frame in frames.tolist()]
        if not sum(len(row[0]) for row in rows):
            return None, 0.0
        frame, vertex, corners, weights, outwards, depth = map(torch.cat, zip(*rows, strict=True))
        kept = self._one_way(frame, self._part[vertex], self._part[corners[:, 0]], outwards, depth)
        found = _Near(
            person, frame[kept], vertex[kept], corners[kept], weights[kept], outwards[kept]
        )
        return found, max(0.0, float(depth.max()))

    def _in_frame(
        self, person: int, meshes: Float[np.ndarray, "2 F V 3"], frame: int
    ) -> tuple[Tensor, ...]:
        """Frame, vertex, closest corners, their weights, the way out, depth (negative outside)."""
        points, mesh = meshes[person, frame], meshes[1 - person, frame]
        index = self._parts.around(mesh, points)
        self._query.move(mesh)
        closest = self._query.closest(points[index])
        corners = self._faces[closest.face]
        surface = (torch.from_numpy(mesh)[corners] * closest.barycentric[..., None]).sum(1)
        away = surface - torch.from_numpy(points[index])
        sign = torch.where(closest.inside, 1.0, -1.0)
        depth = sign * away.norm(dim=-1)
        kept = closest.found & (depth > -NEIGHBOURHOOD)
        vertex = torch.from_numpy(index)[kept]
        outwards = torch.nn.functional.normalize(sign[:, None] * away, dim=-1)[kept]
        at = torch.full_like(vertex, frame)
        return at, vertex, corners[kept], closest.barycentric[kept], outwards, depth[kept]

    def _one_way(
        self, frame: Tensor, mine: Tensor, theirs: Tensor, outwards: Tensor, depth: Tensor
    ) -> Bool[Tensor, "N"]:
        """Leaves out the vertices that would push a limb against the way out of most of it.

        A thin limb right through another has as many vertices on one side as on the other; they
        would hold each other. The way is agreed upon over a few frames, so that it stays the same.
        """
        parts = self._part.max() + 1
        ways = torch.zeros(len(self._stage.seconds), int(parts**2), 3)
        pair = mine * parts + theirs
        weight = depth.clamp_min(0).square()[:, None] * outwards
        ways.index_put_((frame, pair), weight, accumulate=True)
        smooth = torch.nn.functional.avg_pool1d(
            ways.permute(1, 2, 0), AGREED, stride=1, padding=AGREED // 2
        ).permute(2, 0, 1)
        return (depth <= 0) | ((smooth[frame, pair] * outwards).sum(-1) >= 0)

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
