"""Where bodies touch: vertices near the other's surface, region pairs, and intervals in time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int

from engine.body.data import BodyData
from engine.body.regions import face_regions, region_names, vertex_regions
from engine.geometry.proximity import MeshQuery, box_overlap
from engine.structures import ContactLabel, FrameRange

CONTACT_DISTANCE = 0.013
"""Metres between a vertex and the other body's surface that count as contact."""
PAIR_VERTICES = 3
"""Vertices (of both bodies together) that make a pair of regions touch in a frame, on a mesh of
7,000; in proportion on others, so that they stand for the same area of skin."""
BRIDGED, SHORTEST = 2, 2
"""Gaps of at most so many frames are closed; contacts of fewer frames are left out."""
_DEEP = 0.25
"""Metres within which the closest point is looked for: more than bodies can penetrate here."""
_NEAR_EDGES = 0.6
"""The same in longest edges, for a first search of all vertices: its cost grows with the reach."""


@dataclass(frozen=True)
class Touch:
    """Two people over F frames."""

    person_a: int
    person_b: int
    vertices: Bool[np.ndarray, "2 F V"]
    """Vertices of a and of b in contact: near the other's surface, or inside it."""
    labels: tuple[ContactLabel, ...]
    penetration_m: Float[np.ndarray, "F"]
    """Largest distance from a vertex inside the other body to that body's surface (0 = none)."""
    penetrating: Int[np.ndarray, "F"]
    """Vertices of both that lie inside the other body."""
    penetration_sum_m: Float[np.ndarray, "F"]
    """Sum of their distances to the other's surface."""


def find_touch(
    a: Float[np.ndarray, "F V 3"],
    b: Float[np.ndarray, "F V 3"],
    body: BodyData,
    people: tuple[int, int] = (0, 1),
) -> Touch:
    """Contacts of two bodies of one topology in every frame (metres, any frame of reference)."""
    frames, count = a.shape[:2]
    near = np.zeros((2, frames, count), bool)
    deepest, total, inside = np.zeros(frames), np.zeros(frames), np.zeros(frames, np.int64)
    by_vertex, by_face = vertex_regions(body), face_regions(body)
    search = _Search(body)
    enough = max(1, round(PAIR_VERTICES * count / 7000))
    touching: dict[tuple[int, int], list[int]] = {}
    for frame in np.flatnonzero(box_overlap(a, b, CONTACT_DISTANCE)):
        pairs: Counter[tuple[int, int]] = Counter()
        for side, (points, mesh) in enumerate(((a[frame], b[frame]), (b[frame], a[frame]))):
            found, faces, depths = search.touching(points, mesh)
            near[side, frame, found] = True
            deepest[frame] = max(deepest[frame], depths.max(initial=0.0))
            total[frame] += depths.sum()
            inside[frame] += len(depths)
            mine, theirs = by_vertex[found], by_face[faces]
            pairs.update(zip(*((mine, theirs) if side == 0 else (theirs, mine)), strict=True))
        for pair, votes in pairs.items():
            if votes >= enough:
                touching.setdefault((int(pair[0]), int(pair[1])), []).append(int(frame))
    names = region_names()
    labels = tuple(
        ContactLabel(people[0], names[first], people[1], names[second], span)
        for (first, second), when in sorted(touching.items())
        for span in intervals(when)
    )
    return Touch(*people, near, labels, deepest, inside, total)


def intervals(frames: list[int]) -> list[FrameRange]:
    """Runs of frames, short gaps closed, short runs left out."""
    runs: list[list[int]] = []
    for frame in sorted(frames):
        if runs and frame - runs[-1][1] <= BRIDGED:
            runs[-1][1] = frame + 1
        else:
            runs.append([frame, frame + 1])
    return [FrameRange(start, stop) for start, stop in runs if stop - start >= SHORTEST]


class _Search:
    """Vertices of one body that touch another of the same topology."""

    def __init__(self, body: BodyData) -> None:
        self._faces, count = body.faces, body.vertex_count
        corners = body.v_template[body.faces]
        edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1)
        self._near = _NEAR_EDGES * float(edges.max())
        self._query = MeshQuery(body.faces, count)
        first, second = body.faces.ravel(), np.roll(body.faces, -1, axis=1).ravel()
        joined = sp.csr_matrix((np.ones(len(first), bool), (first, second)), shape=(count, count))
        self._neighbours = joined + joined.T

    def touching(
        self, points: Float[np.ndarray, "V 3"], mesh: Float[np.ndarray, "V 3"]
    ) -> tuple[Int[np.ndarray, "N"], Int[np.ndarray, "N"], Float[np.ndarray, "I"]]:
        """Vertices in contact, the faces they touch, and the depths of those inside (metres).

        An edge that goes from outside to inside is shorter than two reaches of the first search,
        so one of its ends is near. Hence a vertex deep inside hangs by edges on others that are,
        and these on a near one: only what hangs on a near or a deep vertex is searched further.
        """
        low, high = mesh.min(axis=0) - CONTACT_DISTANCE, mesh.max(axis=0) + CONTACT_DISTANCE
        index = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
        if not len(index):
            return index, index, np.zeros(0)
        self._query.move(mesh)
        unknown = np.zeros(len(points), bool)
        unknown[index] = True
        results, reach = [], self._near
        while len(index):
            found, faces, distance, inside = self._closest(points, mesh, index, reach)
            unknown[index if reach == _DEEP else found] = False
            touches = (distance <= CONTACT_DISTANCE) | inside
            results.append((found[touches], faces[touches], distance[inside]))
            edge = np.zeros(len(points), bool)
            edge[found[inside] if reach == _DEEP else found] = True
            index, reach = np.flatnonzero(unknown & (self._neighbours @ edge)), _DEEP
        vertices, faces, depths = (np.concatenate(parts) for parts in zip(*results, strict=True))
        return vertices, faces, depths

    def _closest(
        self, points: np.ndarray, mesh: np.ndarray, index: np.ndarray, reach: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of the vertices within reach: index, closest face, distance, whether inside."""
        closest = self._query.closest(points[index], reach)
        found = closest.found.numpy()
        index, face = index[found], closest.face.numpy()[found]
        corners = mesh[self._faces[face]]
        surface = (corners * closest.barycentric.numpy()[found][..., None]).sum(axis=1)
        distance = np.linalg.norm(points[index] - surface, axis=1)
        return index, face, distance, closest.inside.numpy()[found]
