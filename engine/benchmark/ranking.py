"""Do diagnostics put the worst frames first? Expected errors of fits beside their true errors.

Three true errors of a person in a frame, means over 24 joints, in metres:

    pair   after the middle of the people's pelvises was moved onto the true one: pose and place
           relative to the partner, which is what the expected error is of
    pose   after each person's own pelvis was moved onto the true one (MPJPE)
    place  pelvis of the person, with the middle of the pelvises moved onto the true one

Ranks are compared within each clip and level, over all its people and frames, and then averaged:
that some clips are harder than others must not help.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from engine.benchmark.running import BenchCase, Fitted
from engine.files import FitFile
from engine.metrics import bodies_of

PELVIS = 0
WORST = 0.1
"""Share of the frames that are looked at first."""
Row = dict[str, str | int | float | None]
Errors = dict[str, Float[np.ndarray, "P F"]]


def true_errors(
    joints: Float[np.ndarray, "P F 24 3"], truth: Float[np.ndarray, "P F 24 3"]
) -> Errors:
    """The three errors; see the module. NaN where either side does not know the person."""
    apart = joints - truth
    together = apart - apart[:, :, PELVIS].mean(axis=0)[None, :, None]
    alone = apart - apart[:, :, PELVIS : PELVIS + 1]
    return {
        "pair": np.linalg.norm(together, axis=-1).mean(axis=-1),
        "pose": np.linalg.norm(alone, axis=-1).mean(axis=-1),
        "place": np.linalg.norm(together[:, :, PELVIS], axis=-1),
    }


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's, over what both know; NaN where either does not vary."""
    known = np.isfinite(a) & np.isfinite(b)
    first, second = rankdata(a[known]), rankdata(b[known])
    if known.sum() < 3 or not np.ptp(first) or not np.ptp(second):
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def top_share(expected: np.ndarray, true: np.ndarray, share: float = WORST) -> float:
    """Of the person-frames that are expected to be worst, how many are among the truly worst."""
    known = np.isfinite(expected) & np.isfinite(true)
    count = max(1, round(share * int(known.sum())))
    if known.sum() <= count:
        return float("nan")
    first, second = (
        set(np.argsort(-values[known], kind="stable")[:count].tolist())
        for values in (expected, true)
    )
    return len(first & second) / count


def clip_row(fit: FitFile, truth: FitFile) -> Row | None:
    """Numbers of one clip; None where nothing was expected."""
    expected = fit.diagnostics.expected_error
    if expected is None:
        return None
    mine, theirs = bodies_of(fit).joints, bodies_of(truth).joints
    errors = true_errors(mine, theirs)
    row: Row = {f"rank_{name}": rank_correlation(expected, e) for name, e in errors.items()}
    known = np.isfinite(errors["pair"]) & np.isfinite(expected)
    return row | {
        "top_decile": top_share(expected, errors["pair"]),
        "worst_over_best": _contrast(expected[known], errors["pair"][known]),
        "expected_mm": 1000 * float(np.mean(expected[known])),
        "true_mm": 1000 * float(np.mean(errors["pair"][known])),
        "spread": float(np.std(np.log(errors["pair"][known]))),
        "frames": int(expected.shape[1]),
    }


def _contrast(expected: np.ndarray, true: np.ndarray) -> float:
    """Mean true error of the tenth expected to be worst over that of the tenth expected to be
    best."""
    order = np.argsort(expected, kind="stable")
    count = max(1, round(WORST * len(order)))
    return float(true[order[-count:]].mean() / max(float(true[order[:count]].mean()), 1e-9))


def rows_of(suite: str, cases: Sequence[BenchCase], fitted: Sequence[Fitted]) -> list[Row]:
    """A row for each level: means over clips; `frames` is the sum."""
    rows: list[Row] = []
    for level in fitted:
        clips = [
            row
            for case, fit in zip(cases, level.fits, strict=True)
            if fit is not None and (row := clip_row(fit, case.truth)) is not None
        ]
        rows.append({"suite": suite, "level": level.level, "clips": len(clips), **_mean(clips)})
    return rows


def _mean(rows: Sequence[Row]) -> Row:
    result: Row = {}
    for name in rows[0] if rows else ():
        values = np.array([row[name] for row in rows], float)
        if name == "frames":
            result[name] = int(values.sum())
        else:
            result[name] = float(np.nanmean(values)) if np.isfinite(values).any() else None
    return result
