"""Splits are fixed by name, and GrappleMap is cut so that no position is on both sides."""

from __future__ import annotations

import numpy as np
import pytest

from engine.motion.connected import chunks, part_sequences
from engine.motion.splits import row_of


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("cmu_60_61_12", "validation"),
        ("60_61_13", "validation"),
        ("60_13", "validation"),
        ("cmu_60_61_01", "train"),
        ("cmu_03_04", "validation"),
        ("cmu_06_01_daz", "validation"),
        ("cmueval_basketball_1_te", "validation"),
        ("cmu_07_08_daz", "train"),
        ("cmueval_walking_37_tr", "train"),
        ("07_08", "train"),
        ("grapplemap-validation-00", "validation"),
        ("grapplemap-train-12", "train"),
    ],
)
def test_every_known_recording_has_its_split_and_its_source(name: str, split: str) -> None:
    row = row_of(name)
    assert row is not None
    assert row.split == split
    assert row.source


def test_unknown_names_are_nobodys() -> None:
    assert row_of("my_dance") is None


def _graph(clusters: int = 2, size: int = 12, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Clusters of positions in rings, joined by one sequence each to the next."""
    generator = np.random.default_rng(seed)
    poses = generator.normal(0, 0.5, (clusters * size, 2, 24, 3))
    edges = [
        (c * size + k, c * size + (k + 1) % size) for c in range(clusters) for k in range(size)
    ]
    edges += [(c * size, (c + 1) * size) for c in range(clusters - 1)]
    frames = []
    for a, b in edges:
        angle = generator.uniform(0, 2 * np.pi)
        turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0],
                         [-np.sin(angle), 0, np.cos(angle)]])  # fmt: skip
        moved = [poses[a], (poses[a] + poses[b]) / 2, poses[b]]
        frames += [pose @ turn.T + [generator.normal(), 0, 0] for pose in moved]
    return np.stack(frames, axis=1), list(range(0, 3 * len(edges) + 1, 3))


def test_positions_are_known_again_wherever_they_stand() -> None:
    joints, bounds = _graph(clusters=3)
    assert part_sequences(joints, bounds).positions == 36


def test_no_position_is_in_both_parts() -> None:
    joints, bounds = _graph(clusters=10)
    parts = part_sequences(joints, bounds)
    everything = sorted((*parts.train, *parts.validation, *parts.between))
    assert everything == list(range(len(bounds) - 1))
    assert len(parts.validation) >= 0.1 * len(everything)
    # A cluster is cut off where few sequences lead to it.
    assert len(parts.between) <= 3
    # A distance between two people's joints tells random positions apart, wherever they stand.
    between = np.linalg.norm(joints[0, :, 20] - joints[1, :, 15], axis=-1).round(6)
    sides = [
        {between[f] for s in side for f in (bounds[s], bounds[s + 1] - 1)}
        for side in (parts.train, parts.validation)
    ]
    assert not sides[0] & sides[1]


def test_chunks_keep_sequences_whole() -> None:
    joints, bounds = _graph(clusters=10)
    made = chunks(joints, bounds)
    assert {chunk.name for chunk in made} == {"train-00", "validation-00"}
    for chunk in made:
        edges = np.array([0, *chunk.starts, len(chunk.frames)])
        assert (np.diff(edges) == 3).all()
        assert np.isin(chunk.frames[edges[:-1]], bounds).all()
