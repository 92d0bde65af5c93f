"""The term that keeps bodies out of each other.

Who is inside whom, and which way is out, is found anew every few steps; between two refreshes the
points, faces and ways are fixed and the term is smooth.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from engine.body.regions import region_vertices
from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.device import on
from engine.fit import terms
from engine.fit.jacobian import FREEDOM, Jacobian
from engine.fit.state import Posed
from engine.fit.walls import Walls
from engine.geometry.hits import Hit, Search, depth_of, find_hits, to_one_side, together
from engine.geometry.proximity import Parts
from engine.geometry.rounding import Normals
from engine.structures import ContactLabel

AT_ONCE = 16
"""Frames between two breaths."""
UNMOVED = 0.0003
"""Metres that no vertex of a frame has moved in for what was found there to be used again."""
WITHIN_A_STEP = 0.01
"""Metres by which a point may be clear of the other body and yet run into it in one step."""
ROUND = 0.01
"""Metres from the surface up to which the way out follows its normals rather than its faces."""
LOYALTY = 0.3
"""Cosine past square to the line between two bones from which on a point that was to leave waits,
or the reverse (`engine.geometry.hits.to_one_side`)."""
SIDE_SECONDS = 0.13
"""Standard deviation of the smoothing of the way by which a limb leaves the other body."""


@dataclass(frozen=True)
class Inside:
    """Points of one person in or near another."""

    hit: Hit
    slack: Float[Tensor, "N"]
    """Metres that are no fault: more where a person said that the bodies touch."""


@dataclass(frozen=True)
class Correspondences:
    inside: tuple[Inside, ...]
    frames: Int[Tensor, "S"]
    """The only frames whose surfaces are needed."""


@dataclass
class Memory:
    """What was found in each frame when it was last looked at, and where the skins were."""

    skins: Float[np.ndarray, "P F V 3"] | None = None
    """NaN in frames that nobody has looked at."""
    found: list[Hit] = field(default_factory=list)
    sides: dict[tuple[int, int], Float[np.ndarray, "F V"]] = field(default_factory=dict)
    """Of each two people: 1 for points that were to leave, -1 for those that waited."""

    def stale(
        self, skins: Float[np.ndarray, "P F V 3"], frames: Int[np.ndarray, "W"]
    ) -> Int[np.ndarray, "W2"]:
        """Those of the frames that must be looked at (again)."""
        if self.skins is None:
            self.skins = np.full_like(skins, np.nan)
        moved = [np.abs(skins[:, frame] - self.skins[:, frame]).max() for frame in frames]
        # Not "beyond": what is unknown is not unmoved.
        stale: np.ndarray = frames[~(np.array(moved) <= UNMOVED)]
        return stale

    def keep(
        self, skins: Float[np.ndarray, "P F V 3"], frames: Int[np.ndarray, "W"], hits: list[Hit]
    ) -> None:
        """`hits` are all that was found in the frames."""
        assert self.skins is not None, "asked first what is stale"
        self.skins[:, frames] = skins[:, frames]
        known = torch.from_numpy(frames)
        kept = [hit.kept(~torch.isin(hit.frame, known)) for hit in self.found]
        self.found = together([hit for hit in (*kept, *hits) if len(hit.frame)])

    def bias(self, found: Hit) -> Float[np.ndarray, "N"]:
        """Towards what was decided about each point when it was last looked at: points that are
        sent to and fro between leaving and waiting keep bodies from coming to rest."""
        sides = self.sides.get((found.inner, found.outer))
        if sides is None:
            return np.zeros(len(found.frame), np.float32)
        bias: np.ndarray = LOYALTY * sides[found.frame.numpy(), found.vertex.numpy()]
        return bias

    def decide(self, found: Hit, leaving: Hit) -> None:
        """`leaving` are those of the points `found` that do not wait."""
        assert self.skins is not None, "asked first what is stale"
        sides = np.zeros(self.skins.shape[1:3], np.float32)
        for hit, side in ((found, -1.0), (leaving, 1.0)):
            sides[hit.frame.numpy(), hit.vertex.numpy()] = side
        self.sides[found.inner, found.outer] = sides

    def hits(self) -> list[Hit]:
        """Everything between every two people, frame by frame."""
        return [hit.kept(torch.argsort(hit.frame, stable=True)) for hit in self.found]


def body_parts(body: BodyModel) -> Parts:
    """A part per joint: the vertices that follow it most."""
    return Parts(body.weights.argmax(dim=1).cpu().numpy())


class Surfaces:
    """Finds points inside the other body, for bodies of one topology, and what they cost."""

    def __init__(
        self,
        body: BodyModel,
        labels: tuple[ContactLabel, ...],
        config: FitConfig,
        step_seconds: float = 1 / 30,
    ) -> None:
        self._body, self._search = body, Search.of(body)
        self._normals = Normals.of(body.data.faces, body.vertex_count)
        self._config = config
        self._side_frames = SIDE_SECONDS / step_seconds
        self._labels = [label for label in labels if label.kind == "contact"]
        self._region = {
            name: region_vertices(body, name)
            for label in self._labels
            for name in (label.region_a, label.region_b)
        }

    def correspondences(
        self, posed: Posed, movable: Bool[Tensor, "F"], memory: Memory
    ) -> Generator[None, None, Correspondences]:
        """Who is inside whom with the bodies as they are; in steps. What `memory` holds of frames
        in which nobody has moved since is not looked for again."""
        every = np.arange(posed.transl.shape[1])
        with torch.no_grad():
            every_frame = torch.from_numpy(every).to(movable.device)
            skins = posed.surfaces(every_frame, self._body).cpu().numpy()
        joints = posed.body.joints.detach().cpu().numpy()
        runs = [every], self._side_frames
        stale = memory.stale(skins, np.flatnonzero(movable.cpu().numpy()))
        for first in range(0, len(stale), AT_ONCE):
            frames = stale[first : first + AT_ONCE]
            hits = find_hits(list(skins), frames, self._search)
            memory.keep(skins, frames, [self._rounded(hit, skins) for hit in hits])
            yield None
        inside = []
        for found in memory.hits():
            hit = to_one_side(found, joints, runs, self._search, bias=memory.bias(found))
            memory.decide(found, hit)
            inside.append(Inside(hit, torch.from_numpy(self._slack(hit))))
        used = [term.hit.frame for term in inside]
        needed = torch.unique(torch.cat(used)) if used else torch.zeros(0, dtype=torch.long)
        return on(Correspondences(tuple(inside), needed), movable.device)

    def _rounded(self, hit: Hit, skins: Float[np.ndarray, "P F V 3"]) -> Hit:
        """With ways out that turn smoothly as a point slides along the surface."""
        meshes = torch.from_numpy(skins)
        depth = depth_of(hit, list(meshes)).abs()
        frame = hit.frame[:, None].expand_as(hit.corners)
        normals = self._normals.at(meshes[hit.outer], frame.flatten(), hit.corners.flatten())
        smooth = (normals.unflatten(0, (-1, 3)) * hit.barycentric[..., None]).sum(1)
        way = depth[:, None] * hit.outwards + ROUND * smooth
        return replace(hit, outwards=torch.nn.functional.normalize(way, dim=-1))

    def _slack(self, hit: Hit) -> Float[np.ndarray, "N"]:
        """Metres of depth that are allowed: flesh gives way where regions are said to touch."""
        slack = np.full(len(hit.vertex), self._config.penetration_slack, np.float32)
        frame, vertex = hit.frame.numpy(), hit.vertex.numpy()
        for label in self._labels:
            while_it_lasts = (frame >= label.frames.start) & (frame < label.frames.stop)
            for who, region in (
                (label.person_a, label.region_a),
                (label.person_b, label.region_b),
            ):
                if who == hit.inner:
                    part = while_it_lasts & np.isin(vertex, self._region[region])
                    slack[part] = self._config.contact_slack
        return slack

    def cost(
        self, posed: Posed, found: Correspondences, time: Tensor
    ) -> dict[str, Float[Tensor, ""]]:
        """Weighted cost of penetration under fixed correspondences."""
        weight = self._config.weights.penetration
        if not weight or not found.inside:
            return {}
        skins = list(posed.surfaces(found.frames, self._body))
        each = [self._penetration(skins, found, term, time) for term in found.inside]
        return {"penetration": weight * torch.stack(each).sum()}

    def walls(
        self, found: Correspondences, posed: Posed, jacobian: Jacobian, time: Tensor
    ) -> Walls:
        """Every point that is deeper than it may be, or nearly, along its way out."""
        people, weight = len(posed.transl), self._config.weights.penetration
        parts = [Walls.none(posed.transl)]
        skins = list(posed.surfaces(found.frames, self._body)) if found.inside and weight else []
        for term in found.inside if weight else ():
            at = torch.searchsorted(found.frames, term.hit.frame)
            beyond = depth_of(replace(term.hit, frame=at), skins) - term.slack
            near = beyond > -WITHIN_A_STEP
            hit = term.hit.kept(near)
            outer = jacobian.skin(hit.corners, hit.barycentric, hit.outer, hit.frame, self._body)
            alone = torch.ones_like(hit.barycentric[:, :1])
            inner = jacobian.skin(hit.vertex[:, None], alone, hit.inner, hit.frame, self._body)
            row = posed.transl.new_zeros(len(hit.frame), people, FREEDOM)
            row[:, hit.outer] += jacobian.along(outer, hit.outwards)
            row[:, hit.inner] -= jacobian.along(inner, hit.outwards)
            stiff = 2 * weight * time[hit.frame] / 0.01**2 / 100 * 1200 / skins[0].shape[1]
            # As much as the term pulls, and so stiff that no step leads past the other side.
            pulling = (terms.DEEP * 0.01 / beyond[near].clamp_min(1e-6)).clamp_max(1.0)
            root = (stiff * pulling).sqrt()
            parts.append(Walls(hit.frame, row * root[:, None, None], beyond[near] * root))
        return Walls.together(parts)

    def _penetration(
        self, skins: list[Tensor], found: Correspondences, term: Inside, time: Tensor
    ) -> Tensor:
        at = torch.searchsorted(found.frames, term.hit.frame)
        depth = depth_of(replace(term.hit, frame=at), skins)
        each = terms.penetration(depth, term.slack) * time[term.hit.frame]
        return each.sum() / 100 * 1200 / skins[0].shape[1]


@dataclass(frozen=True)
class PenetrationTerm:
    """Bodies out of each other, with the points as they were when they were looked for."""

    surfaces: Surfaces
    found: Correspondences
    time: Float[Tensor, "F"]

    def __call__(self, posed: Posed) -> dict[str, Tensor]:
        return self.surfaces.cost(posed, self.found, self.time)

    def walls(self, posed: Posed, jacobian: Jacobian) -> Walls:
        return self.surfaces.walls(self.found, posed, jacobian, self.time)
