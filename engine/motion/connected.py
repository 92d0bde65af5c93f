"""Parts of a graph of positions that share no position: for a split that leaks nothing.

GrappleMap is one graph: its sequences begin and end in shared positions (up to place, direction,
mirror image and who is who), and nearly all hang together. Parts of it are held out by cutting: a
region is grown from one position, always by the position that leaves the fewest sequences across
its border, until it holds its share of the sequences. Those across the border are left out of both
sides, so that no position is on both. Of all positions to begin with, the one that loses the fewest
sequences is taken, so the result is the same every time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from engine.body.joints import SMPL_JOINTS, mirrored
from engine.motion.captured import SURE, CapturedMotion

SAME = 0.02
"""Metres: positions are the same whose distances between joints, and heights, differ by no more
(root mean square)."""
SHARE = 0.1
"""Of the sequences that validation holds out."""
_SPREAD = 24
"""Principal directions in which neighbours are looked for before they are compared in full."""


@dataclass(frozen=True)
class Parts:
    """Numbers of the sequences."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    between: tuple[int, ...]
    """Across the border, left out."""
    positions: int
    """Different positions in which sequences begin and end."""


def part_sequences(joints: Float[np.ndarray, "2 F 24 3"], bounds: Sequence[int]) -> Parts:
    """Hold out sequences; `bounds` are their first frames and the end. Metres, y up."""
    first, last = np.array(bounds[:-1]), np.array(bounds[1:]) - 1
    ends = np.concatenate([joints[:, first], joints[:, last]], axis=1).transpose(1, 0, 2, 3)
    position = _positions(ends)
    count = len(first)
    edges = np.stack([position[:count], position[count:]], axis=1)
    region = _region(edges)
    inside = np.isin(edges, list(region))
    validation, train = inside.all(axis=1), ~inside.any(axis=1)
    return Parts(
        train=tuple(np.flatnonzero(train).tolist()),
        validation=tuple(np.flatnonzero(validation).tolist()),
        between=tuple(np.flatnonzero(~train & ~validation).tolist()),
        positions=len(np.unique(position)),
    )


def _positions(ends: Float[np.ndarray, "E 2 24 3"]) -> Int[np.ndarray, "E"]:
    """A number for each end; ends of the same position have the same one."""
    sure = np.flatnonzero(SURE)
    swap = np.array(mirrored(SMPL_JOINTS))[sure]
    plain, mirror = ends[:, :, sure], ends[:, :, swap]
    own = _description(plain)
    centre = own.mean(axis=0)
    _, _, directions = np.linalg.svd(own[:: max(1, len(own) // 2000)] - centre, full_matrices=False)
    directions = directions[:_SPREAD].T
    tree = cKDTree((own - centre) @ directions)
    radius = SAME * np.sqrt(own.shape[1])
    pairs = []
    for variant in (plain, plain[:, ::-1], mirror, mirror[:, ::-1]):
        other = _description(variant)
        near = tree.query_ball_point((other - centre) @ directions, radius)
        left = np.repeat(np.arange(len(near)), [len(n) for n in near])
        right = np.concatenate([np.asarray(n, int) for n in near])
        alike = np.array(
            [np.sum((other[a] - own[b]) ** 2) < radius**2 for a, b in zip(left, right, strict=True)]
        )
        pairs.append(np.stack([left, right], axis=1)[alike.astype(bool)])
    joined = np.concatenate(pairs)
    graph = coo_array((np.ones(len(joined)), joined.T), shape=(len(ends), len(ends)))
    return np.asarray(connected_components(graph, directed=False)[1])


def _description(ends: Float[np.ndarray, "E 2 J 3"]) -> Float[np.ndarray, "E D"]:
    """The same wherever the two people are and whichever way they face."""
    points = ends.reshape(len(ends), -1, 3)
    a, b = np.triu_indices(points.shape[1], 1)
    distances = np.linalg.norm(points[:, a] - points[:, b], axis=-1)
    return np.concatenate([distances, points[..., 1]], axis=1)


def _region(edges: Int[np.ndarray, "S 2"]) -> set[int]:
    """Positions that validation holds."""
    wanted = SHARE * len(edges)
    links: dict[int, Counter[int]] = defaultdict(Counter)
    for a, b in edges.tolist():
        links[a][b] += 1
        if a != b:
            links[b][a] += 1
    best: tuple[int, set[int]] | None = None
    for seed in sorted(links):
        grown = _grown(links, seed, wanted)
        if grown is not None and (best is None or grown[0] < best[0]):
            best = grown
    return best[1] if best else set()


def _grown(links: dict[int, Counter[int]], seed: int, wanted: float) -> tuple[int, set[int]] | None:
    """Sequences across the border, and the region; None where its graph is too small."""
    region, inside, across = {seed}, links[seed][seed], 0
    border = Counter({n: c for n, c in links[seed].items() if n != seed})
    across = sum(border.values())
    while inside < wanted:
        if not border:
            return None
        # By how many sequences the border changes when a position is taken in.
        costs = {n: sum(links[n].values()) - links[n][n] - 2 * c for n, c in border.items()}
        chosen = min(costs, key=lambda n: (costs[n], n))
        inside += border[chosen] + links[chosen][chosen]
        across += costs[chosen]
        region.add(chosen)
        del border[chosen]
        for neighbour, count in links[chosen].items():
            if neighbour not in region:
                border[neighbour] += count
    return across, region


CHUNK_FRAMES = 500
"""Frames of one prepared file: one that is interrupted costs little to do again."""


@dataclass(frozen=True)
class Chunk:
    """Sequences that are prepared into one file."""

    name: str
    frames: Int[np.ndarray, "F"]
    starts: tuple[int, ...]
    """Positions in `frames` at which another sequence begins."""


def chunks(joints: Float[np.ndarray, "2 F 24 3"], bounds: Sequence[int]) -> tuple[Chunk, ...]:
    """The sequences of a graph as "train-00", ..., "validation-00", ..., in their order."""
    parts = part_sequences(joints, bounds)
    made = []
    for split, members in (("train", parts.train), ("validation", parts.validation)):
        group: list[int] = []
        groups = [group]
        for member in members:
            if group and sum(bounds[m + 1] - bounds[m] for m in group) >= CHUNK_FRAMES:
                group = []
                groups.append(group)
            group.append(member)
        for index, group in enumerate(groups):
            if group:
                made.append(_chunk(f"{split}-{index:02d}", group, bounds))
    return tuple(made)


def _chunk(name: str, members: list[int], bounds: Sequence[int]) -> Chunk:
    spans = [np.arange(bounds[m], bounds[m + 1]) for m in members]
    starts = np.cumsum([len(span) for span in spans])[:-1]
    return Chunk(name, np.concatenate(spans), tuple(starts.tolist()))


def chunk_of(captured: CapturedMotion, chunk: Chunk) -> CapturedMotion:
    """The frames of a chunk as a recording of their own."""
    return replace(captured.at(chunk.frames), starts=chunk.starts)
