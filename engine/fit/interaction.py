"""The term that keeps bodies out of each other.

Who is inside whom is found anew every few steps; between two refreshes the points and faces are
fixed and the term is smooth.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from engine.body.regions import region_vertices
from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.fit import terms
from engine.fit.state import Posed
from engine.geometry.proximity import MeshQuery, Parts, box_overlap
from engine.structures import ContactLabel


@dataclass(frozen=True)
class Inside:
    """Points of one person that lie inside another, and the closest points of the surface."""

    frame: Int[Tensor, "N"]
    vertex: Int[Tensor, "N"]
    corners: Int[Tensor, "N 3"]
    barycentric: Float[Tensor, "N 3"]
    slack: Float[Tensor, "N"]
    """Metres that are no fault: more where a person said that the bodies touch."""
    person: int
    other: int


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
        self, body: BodyModel, labels: tuple[ContactLabel, ...], config: FitConfig
    ) -> None:
        self._body = body
        self._faces = torch.as_tensor(np.asarray(body.faces), dtype=torch.long)
        self._query = MeshQuery(np.asarray(body.faces), body.v_template.shape[0])
        self._parts = body_parts(body)
        self._config = config
        self._labels = [label for label in labels if label.kind == "contact"]
        self._region = {
            name: region_vertices(body, name)
            for label in self._labels
            for name in (label.region_a, label.region_b)
        }

    @torch.no_grad()
    def correspondences(self, posed: Posed, movable: Bool[Tensor, "F"]) -> Correspondences:
        """Who is inside whom with the bodies as they are."""
        frames = torch.arange(posed.transl.shape[1])
        vertices = posed.surfaces(frames).numpy()
        inside: list[Inside] = []
        for a, b in combinations(range(len(vertices)), 2):
            near = np.flatnonzero(box_overlap(vertices[a], vertices[b]) & movable.numpy())
            inside += self._inside(vertices, a, b, near)
            inside += self._inside(vertices, b, a, near)
        used = [term.frame for term in inside]
        return Correspondences(tuple(inside), torch.unique(torch.cat(used)) if used else frames[:0])

    def _inside(
        self, vertices: np.ndarray, person: int, other: int, frames: np.ndarray
    ) -> list[Inside]:
        found: list[tuple[np.ndarray, ...]] = []
        for frame in frames:
            mesh, points = vertices[other, frame], vertices[person, frame]
            index = self._parts.around(mesh, points)
            if not len(index):
                continue
            self._query.move(mesh)
            closest = self._query.closest(points[index])
            deep = closest.inside.numpy()
            if deep.any():
                corners = self._faces[closest.face[closest.inside]].numpy()
                found.append(
                    (np.full(deep.sum(), frame), index[deep], corners,
                     closest.barycentric[closest.inside].numpy(),
                     self._slack(person, int(frame), index[deep]))
                )  # fmt: skip
        if not found:
            return []
        parts = [torch.from_numpy(np.concatenate(part)) for part in zip(*found, strict=True)]
        return [Inside(parts[0], parts[1], parts[2], parts[3], parts[4], person, other)]

    def _slack(self, person: int, frame: int, index: np.ndarray) -> Float[np.ndarray, "N"]:
        """Metres of depth that are allowed: flesh gives way where regions are said to touch."""
        slack = np.full(len(index), self._config.penetration_slack, np.float32)
        for label in self._labels:
            if frame in label.frames:
                for who, region in ((label.person_a, label.region_a),
                                    (label.person_b, label.region_b)):  # fmt: skip
                    if who == person:
                        slack[np.isin(index, self._region[region])] = self._config.contact_slack
        return slack

    def cost(
        self, posed: Posed, found: Correspondences, time: Tensor
    ) -> dict[str, Float[Tensor, ""]]:
        """Weighted cost of penetration under fixed correspondences."""
        weight = self._config.weights.penetration
        if not weight or not found.inside:
            return {}
        vertices = posed.surfaces(found.frames)
        each = [self._penetration(vertices, found, term, time) for term in found.inside]
        return {"penetration": weight * torch.stack(each).sum()}

    def _penetration(
        self, vertices: Tensor, found: Correspondences, term: Inside, time: Tensor
    ) -> Tensor:
        at = torch.searchsorted(found.frames, term.frame)
        point = vertices[term.person, at, term.vertex]
        corner = vertices[term.other, at[:, None], term.corners]
        surface = (corner * term.barycentric[..., None]).sum(1)
        depth = ((point - surface).square().sum(-1) + 1e-12).sqrt()
        each = terms.penetration(depth, term.slack) * time[term.frame]
        return each.sum() / 100 * 1200 / vertices.shape[2]
