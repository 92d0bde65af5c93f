"""Depths of all pairs together. How they are measured: tests of engine.geometry.touching."""

from __future__ import annotations

import numpy as np
import pytest

from engine.geometry.touching import Touch
from engine.metrics.penetration import DEEP, penetration_of


def touch(depths: list[list[float]]) -> Touch:
    """Two people, with the depths (metres) of the vertices inside, frame by frame."""
    return Touch(
        0, 1, np.zeros((2, len(depths), 5), bool), (),
        penetration_m=np.array([max(d, default=0.0) for d in depths]),
        penetrating=np.array([len(d) for d in depths]),
        penetration_sum_m=np.array([float(sum(d)) for d in depths]),
    )  # fmt: skip


ALL = np.ones(4, bool)


def test_the_mean_is_over_vertices_not_over_frames() -> None:
    found = penetration_of([touch([[0.001, 0.002, 0.003], [], [0.030], []])], ALL)
    assert found.mean_m == pytest.approx(0.036 / 4)
    assert found.deepest_m == pytest.approx(0.030)
    assert found.deep_frames == pytest.approx(1 / 4)


def test_a_frame_is_deep_above_the_limit_and_not_at_it() -> None:
    assert penetration_of([touch([[DEEP], [DEEP + 1e-6], [], []])], ALL).deep_frames == 0.25


def test_pairs_are_taken_together() -> None:
    pairs = [touch([[0.03], [], [], []]), touch([[0.05], [0.03], [], []])]
    found = penetration_of(pairs, ALL)
    assert found.deep_frames == 0.5
    assert found.mean_m == pytest.approx(0.11 / 3)


def test_frames_that_do_not_count_are_left_out() -> None:
    found = penetration_of([touch([[0.5], [], [], [0.01]])], np.array([False, True, True, True]))
    assert found.deepest_m == pytest.approx(0.01)


def test_bodies_apart_are_zero_deep_and_one_person_is_nothing_to_measure() -> None:
    assert penetration_of([touch([[]] * 4)], ALL).mean_m == 0
    assert np.isnan(penetration_of([], ALL).mean_m)
    assert np.isnan(penetration_of([touch([[]] * 4)], ~ALL).deep_frames)
