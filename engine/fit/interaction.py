"""Terms between the people's surfaces: penetration, labelled contact, labelled absence of contact.

Who is near whom (the correspondences) is found anew every few steps; between two refreshes the
chosen points, faces and pairs are fixed and the terms are smooth.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.fit import terms
from engine.fit.state import Posed
from engine.geometry.proximity import MeshQuery, Parts, box_overlap
from engine.structures import ContactLabel

PAIRS_HELD = 3
"""Vertex pairs per frame that carry a labelled contact: the nearest ones."""


@dataclass(frozen=True)
class Inside:
    """Points of one person that lie inside another, and the closest points of the surface."""

    frame: Int[Tensor, "N"]
    vertex: Int[Tensor, "N"]
    corners: Int[Tensor, "N 3"]
    barycentric: Float[Tensor, "N 3"]
    person: int
    other: int


@dataclass(frozen=True)
class Held:
    """Vertex pairs of one label."""

    label: ContactLabel
    frame: Int[Tensor, "N"]
    pair: Int[Tensor, "N Q 2"]
    """Vertex of person_a, vertex of person_b."""


@dataclass(frozen=True)
class Correspondences:
    inside: tuple[Inside, ...]
    held: tuple[Held, ...]
    frames: Int[Tensor, "S"]
    """The only frames whose surfaces are needed."""


def body_parts(body: BodyModel) -> Parts:
    """A part per joint: the vertices that follow it most."""
    return Parts(body.weights.argmax(dim=1).numpy())


class Surfaces:
    """Finds correspondences between bodies of one topology, and turns them into costs."""

    def __init__(self, body: BodyModel, labels: tuple[ContactLabel, ...]) -> None:
        self._body = body
        self._faces = torch.as_tensor(np.asarray(body.faces), dtype=torch.long)
        self._query = MeshQuery(np.asarray(body.faces), body.v_template.shape[0])
        self._parts = body_parts(body)
        self._labels = labels
        if labels:
            from engine.body.regions import region_vertices
        self._region = {
            name: torch.as_tensor(np.asarray(region_vertices(body, name)), dtype=torch.long)
            for label in labels
            for name in (label.region_a, label.region_b)
        }

    @torch.no_grad()
    def correspondences(self, posed: Posed, movable: Bool[Tensor, "F"]) -> Correspondences:
        """Who is inside whom, and which pairs carry each label, with the bodies as they are."""
        frames = torch.arange(posed.transl.shape[1])
        vertices = posed.surfaces(frames).numpy()
        inside: list[Inside] = []
        for a, b in combinations(range(len(vertices)), 2):
            near = np.flatnonzero(box_overlap(vertices[a], vertices[b]) & movable.numpy())
            inside += self._inside(vertices, a, b, near)
            inside += self._inside(vertices, b, a, near)
        held = tuple(self._held(label, vertices) for label in self._labels)
        used = [*(term.frame for term in inside), *(term.frame for term in held)]
        frames = torch.unique(torch.cat(used)) if used else frames[:0]
        return Correspondences(tuple(inside), held, frames)

    def _inside(
        self, vertices: np.ndarray, person: int, other: int, frames: np.ndarray
    ) -> list[Inside]:
        found: list[tuple[np.ndarray, ...]] = []
        for frame in frames:
            mesh, points = vertices[other, frame], vertices[person, frame]
            index = self._parts.around(mesh, points)
            index = index[~self._exempt(person, int(frame), index)]
            if not len(index):
                continue
            self._query.move(mesh)
            closest = self._query.closest(points[index])
            deep = closest.inside.numpy()
            if deep.any():
                corners = self._faces[closest.face[closest.inside]].numpy()
                found.append(
                    (np.full(deep.sum(), frame), index[deep], corners,
                     closest.barycentric[closest.inside].numpy())
                )  # fmt: skip
        if not found:
            return []
        frame, vertex, corners, weights = (
            np.concatenate(part) for part in zip(*found, strict=True)
        )
        return [
            Inside(torch.from_numpy(frame), torch.from_numpy(vertex), torch.from_numpy(corners),
                   torch.from_numpy(weights), person, other)
        ]  # fmt: skip

    def _exempt(self, person: int, frame: int, index: np.ndarray) -> np.ndarray:
        """Points in a region that is labelled as touching: soft flesh may overlap there."""
        exempt = np.zeros(len(index), bool)
        for label in self._labels:
            if label.kind == "contact" and frame in label.frames:
                for who, region in ((label.person_a, label.region_a),
                                    (label.person_b, label.region_b)):  # fmt: skip
                    if who == person:
                        exempt |= np.isin(index, self._region[region].numpy())
        return exempt

    def _held(self, label: ContactLabel, vertices: np.ndarray) -> Held:
        region_a, region_b = self._region[label.region_a], self._region[label.region_b]
        count = vertices.shape[1]
        frames = torch.arange(max(0, label.frames.start), min(count, label.frames.stop))
        a = torch.from_numpy(vertices[label.person_a])[frames][:, region_a]
        b = torch.from_numpy(vertices[label.person_b])[frames][:, region_b]
        distance = torch.cdist(a, b).flatten(1)
        quantity = min(PAIRS_HELD, distance.shape[1]) if label.kind == "contact" else 1
        nearest = distance.topk(quantity, largest=False).indices
        pair = torch.stack(
            [region_a[nearest // len(region_b)], region_b[nearest % len(region_b)]], dim=-1
        )
        return Held(label, frames, pair)

    def costs(
        self, posed: Posed, found: Correspondences, frame_weight: Tensor, config: FitConfig
    ) -> dict[str, Tensor]:
        """Weighted costs (scalars) of penetration and labels under fixed correspondences."""
        costs: dict[str, Tensor] = {}
        if not len(found.frames):
            return costs
        weights = config.weights
        vertices = posed.surfaces(found.frames)
        if weights.penetration and found.inside:
            total = sum(self._penetration(vertices, found, term, frame_weight, config)
                        for term in found.inside)  # fmt: skip
            costs["penetration"] = weights.penetration * torch.as_tensor(total)
        for kind, weight in (("contact", weights.contact), ("no_contact", weights.no_contact)):
            held = [term for term in found.held if term.label.kind == kind and len(term.frame)]
            if weight and held:
                total = sum(self._label(vertices, found, term, frame_weight, config)
                            for term in held)  # fmt: skip
                costs[kind] = weight * torch.as_tensor(total)
        return costs

    def _penetration(
        self,
        vertices: Tensor,
        found: Correspondences,
        term: Inside,
        time: Tensor,
        config: FitConfig,
    ) -> Tensor:
        at = torch.searchsorted(found.frames, term.frame)
        point = vertices[term.person, at, term.vertex]
        corner = vertices[term.other, at[:, None], term.corners]
        surface = (corner * term.barycentric[..., None]).sum(1)
        depth = ((point - surface).square().sum(-1) + 1e-12).sqrt()
        each = terms.penetration(depth, config.penetration_slack) * time[term.frame]
        return each.sum() / 100 * 1200 / vertices.shape[2]

    def _label(
        self, vertices: Tensor, found: Correspondences, term: Held, time: Tensor, config: FitConfig
    ) -> Tensor:
        at = torch.searchsorted(found.frames, term.frame)
        distance = terms.gathered_distance(
            vertices[term.label.person_a, at], vertices[term.label.person_b, at], term.pair
        )
        if term.label.kind == "contact":
            each = terms.contact(distance).mean(1)
        else:
            each = terms.no_contact(distance, config.clearance).mean(1)
        return (each * time[term.frame]).sum()
