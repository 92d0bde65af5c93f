"""Who is who: IDF1, the one of this project."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linear_sum_assignment

from engine.metrics.contacts import f1_score


@dataclass(frozen=True)
class IdentityCounts:
    """Person-frames: found under the right identity, reported otherwise, not found otherwise."""

    hits: int
    extra: int
    lost: int

    @property
    def idf1(self) -> float:
        """0..1; NaN where nobody is there and nobody reported."""
        return f1_score(self.hits, self.extra, self.lost)

    def __add__(self, other: IdentityCounts) -> IdentityCounts:
        return IdentityCounts(
            self.hits + other.hits, self.extra + other.extra, self.lost + other.lost
        )


def identity_counts(
    matches: Bool[np.ndarray, "P Q F"],
    present: Bool[np.ndarray, "P F"],
    reported: Bool[np.ndarray, "Q F"],
    *,
    named: bool = False,
) -> IdentityCounts:
    """IDTP, IDFP and IDFN. `matches` says where row q, as reported in frame f, fits person p.

    `named`: row p claims to be person p, so that people who are exchanged over the whole clip are
    errors too. Otherwise whole tracks are assigned to people so that there are most hits. That
    equals the `Identity` metric of TrackEval, which minimises IDFP + IDFN: both totals are fixed.
    Source: Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera
    Tracking", ECCV workshops 2016.
    """
    there = matches & present[:, None] & reported[None]
    shared = there.sum(axis=-1)
    if named:
        rows = columns = np.arange(len(present))
    else:
        rows, columns = linear_sum_assignment(-shared)
    hits = int(shared[rows, columns].sum())
    return IdentityCounts(hits, int(reported.sum()) - hits, int(present.sum()) - hits)


def better_order(
    similarity: Float[np.ndarray, "P P F"], margin: float = 0.05
) -> tuple[int, ...] | None:
    """For each true person the row that fits best over the whole clip, where that is another
    order than the given one by `margin` of mean similarity; None where it is not."""
    mean = np.nanmean(similarity, axis=-1)
    people = len(mean)

    def worth(order: tuple[int, ...]) -> float:
        return float(mean[range(people), order].mean())

    best = max(permutations(range(people)), key=worth)
    given = tuple(range(people))
    return best if worth(best) > worth(given) + margin else None
