"""The term that keeps bodies out of each other.

Who is inside whom, and which way is out, is found anew every few steps; between two refreshes the
points, faces and ways are fixed and the term is smooth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from engine.body.regions import region_vertices
from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.fit import terms
from engine.fit.state import Posed
from engine.geometry.hits import Hit, Search, depth_of, find_hits, to_one_side
from engine.geometry.proximity import Parts
from engine.structures import ContactLabel

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


def body_parts(body: BodyModel) -> Parts:
    """A part per joint: the vertices that follow it most."""
    return Parts(body.weights.argmax(dim=1).numpy())


class Surfaces:
    """Finds points inside the other body, for bodies of one topology, and what they cost."""

    def __init__(
        self,
        body: BodyModel,
        labels: tuple[ContactLabel, ...],
        config: FitConfig,
        step_seconds: float = 1 / 30,
    ) -> None:
        self._search = Search.of(body)
        self._config = config
        self._side_frames = SIDE_SECONDS / step_seconds
        self._labels = [label for label in labels if label.kind == "contact"]
        self._region = {
            name: region_vertices(body, name)
            for label in self._labels
            for name in (label.region_a, label.region_b)
        }

    @torch.no_grad()
    def correspondences(self, posed: Posed, movable: Bool[Tensor, "F"]) -> Correspondences:
        """Who is inside whom with the bodies as they are."""
        every = np.arange(posed.transl.shape[1])
        skins = list(posed.surfaces(torch.from_numpy(every)).numpy())
        joints = posed.body.joints.numpy()
        runs = [every], self._side_frames
        inside = []
        for found in find_hits(skins, np.flatnonzero(movable.numpy()), self._search):
            hit = to_one_side(found, joints, runs, self._search)
            inside.append(Inside(hit, torch.from_numpy(self._slack(hit))))
        used = [term.hit.frame for term in inside]
        frames = torch.unique(torch.cat(used)) if used else torch.zeros(0, dtype=torch.long)
        return Correspondences(tuple(inside), frames)

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
        skins = list(posed.surfaces(found.frames))
        each = [self._penetration(skins, found, term, time) for term in found.inside]
        return {"penetration": weight * torch.stack(each).sum()}

    def _penetration(
        self, skins: list[Tensor], found: Correspondences, term: Inside, time: Tensor
    ) -> Tensor:
        at = torch.searchsorted(found.frames, term.hit.frame)
        depth = depth_of(replace(term.hit, frame=at), skins)
        each = terms.penetration(depth, term.slack) * time[term.hit.frame]
        return each.sum() / 100 * 1200 / skins[0].shape[1]
