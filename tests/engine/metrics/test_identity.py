"""IDF1 by hand, against TrackEval, and where rows carry names.

TrackEval brings another build of OpenCV along, so it is not installed beside Dyad:
golden/trackeval/identity.json holds random tracks of two to four people and what the `Identity`
metric of trackeval 1.3.0 (threshold 0.5) says of them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.metrics.identity import IdentityCounts, better_order, identity_counts

GOLDEN = Path(__file__).parents[2] / "golden" / "trackeval" / "identity.json"
CASES = json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES)
def test_counts_equal_those_of_trackeval(case: dict) -> None:
    counts = identity_counts(
        np.array(case["similarity"]) >= 0.5,
        np.array(case["present"], bool),
        np.array(case["reported"], bool),
    )
    assert (counts.hits, counts.extra, counts.lost) == (case["idtp"], case["idfp"], case["idfn"])
    assert counts.idf1 == pytest.approx(case["idf1"])


def exchanged(frames: int, wrong: int) -> np.ndarray:
    """Two people, who carry each other's number in the first frames."""
    matches = np.zeros((2, 2, frames), bool)
    matches[[0, 1], [1, 0], :wrong] = True
    matches[[0, 1], [0, 1], wrong:] = True
    return matches


def counts_of(matches: np.ndarray, named: bool) -> IdentityCounts:
    always = np.ones((2, matches.shape[2]), bool)
    return identity_counts(matches, always, always, named=named)


def test_three_of_ten_frames_exchanged_are_seven_tenths() -> None:
    assert counts_of(exchanged(10, 3), named=False).idf1 == pytest.approx(0.7)
    assert counts_of(exchanged(10, 3), named=True).idf1 == pytest.approx(0.7)


def test_a_whole_clip_exchanged_is_wrong_only_where_rows_carry_names() -> None:
    assert counts_of(exchanged(10, 10), named=False).idf1 == 1
    assert counts_of(exchanged(10, 10), named=True).idf1 == 0


def test_who_is_missed_is_lost_and_who_is_invented_is_extra() -> None:
    matches = np.ones((1, 1, 10), bool)
    present, reported = np.ones((1, 10), bool), np.ones((1, 10), bool)
    reported[0, :4] = False
    present[0, 8:] = False
    assert identity_counts(matches, present, reported) == IdentityCounts(hits=4, extra=2, lost=4)


def test_nobody_at_all_is_nothing_to_measure() -> None:
    nobody = np.zeros((2, 3), bool)
    assert np.isnan(identity_counts(np.zeros((2, 2, 3), bool), nobody, nobody).idf1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(3)))
def test_the_numbering_of_tracks_changes_nothing(seed: int, order: list[int]) -> None:
    rng = np.random.default_rng(seed)
    matches, present, reported = (rng.random(shape) < 0.6 for shape in ((3, 3, 8), (3, 8), (3, 8)))
    assert identity_counts(matches, present, reported) == identity_counts(
        matches[:, order], present, reported[order]
    )
    named = identity_counts(matches, present, reported, named=True)
    assert named.hits <= identity_counts(matches, present, reported).hits


def test_clips_are_counted_together() -> None:
    assert IdentityCounts(3, 1, 0) + IdentityCounts(1, 0, 2) == IdentityCounts(4, 1, 2)


def test_another_order_is_named_where_it_fits_better() -> None:
    fits = np.where(exchanged(10, 8), 0.9, 0.2)
    assert better_order(fits) == (1, 0)
    assert better_order(fits[:, ::-1]) is None
    assert better_order(np.full((2, 2, 4), 0.5)) is None
