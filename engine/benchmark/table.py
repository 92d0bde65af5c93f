"""Rows of the benchmark: means over cases, and beside the frozen baseline."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from engine.benchmark.configurations import BASELINE
from engine.benchmark.running import CaseScore
from engine.benchmark.suites import Suite
from engine.metrics import METRICS

Row = dict[str, str | int | float | None]
COUNTS = "frames", "frames_left_out"
"""Metrics that are summed over cases; of all others the mean is taken."""
COMPARED = "mpjpe_mm", "pa_mpjpe_mm", "mpvpe_mm", "pair_pa_mpjpe_mm", "inter_mm"
FROZEN = f"{BASELINE} (frozen)"


def case_rows(suite: Suite, scores: Sequence[CaseScore]) -> list[Row]:
    """A row for each case: `case` names it, `fps` and `azimuth` say how it was filmed."""
    rows: list[Row] = []
    for one in scores:
        order = one.case.order
        rows.append(
            {
                **_names(suite, one),
                "case": one.case.name,
                "fps": order.fps,
                "azimuth": order.camera.azimuth,
                **(one.metrics or dict.fromkeys(METRICS)),
                "seconds_per_frame": one.seconds_per_frame,
                "peak_mb": one.peak_mb,
                "failed": int(one.metrics is None),
            }
        )
    return rows


def mean_rows(suite: Suite, scores: Sequence[CaseScore]) -> list[Row]:
    """A row for each configuration and level: the mean over the cases that could be fitted."""
    groups: dict[tuple[str, str], list[CaseScore]] = {}
    for one in scores:
        groups.setdefault((one.configuration, one.level), []).append(one)
    return [_mean_row(suite, group) for group in groups.values()]


def compared(rows: Sequence[Row], frozen: Sequence[Row]) -> list[Row]:
    """The rows, each with its change against the frozen one of its level, and the frozen ones.

    `mpjpe_change` and their like are shares: -0.1 is a tenth less. They are None where there is no
    frozen row of the same cases.
    """
    kept = [row for row in frozen if any(_same_cases(row, now) for now in rows)]
    by_level = {row["level"]: row for row in kept}
    found: list[Row] = [{**row, "configuration": FROZEN} for row in kept]
    for row in rows:
        base = by_level.get(row["level"])
        found.append(row | {change_of(name): relative(row, base, name) for name in COMPARED})
    return found


def _same_cases(a: Mapping[str, object], b: Mapping[str, object]) -> bool:
    return all(a.get(name) == b.get(name) for name in ("suite", "suite_digest", "level"))


def change_of(metric: str) -> str:
    """Name of the column that compares a metric with the frozen one."""
    return metric.removesuffix("_mm") + "_change"


def relative(row: Row, base: Row | None, metric: str) -> float | None:
    """By which share a metric differs from that of another row; None where one has none."""
    value, was = row.get(metric), None if base is None else base.get(metric)
    if not isinstance(value, float) or not isinstance(was, float) or not was:
        return None
    return value / was - 1


def _names(suite: Suite, one: CaseScore) -> Row:
    return {
        "suite": suite.name,
        "suite_digest": suite.digest,
        "configuration": one.configuration,
        "level": one.level,
    }


def _mean_row(suite: Suite, group: Sequence[CaseScore]) -> Row:
    scored = [one.metrics for one in group if one.metrics is not None]
    row: Row = dict(_names(suite, group[0]))
    with warnings.catch_warnings():  # a mean over nothing is the NaN that it should be
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        for name in METRICS:
            values = np.array([metrics[name] for metrics in scored], float)
            row[name] = int(values.sum()) if name in COUNTS else float(np.nanmean(values))
        frames = sum(one.case.truth.motion.frame_count for one in group)
        spent = [one.seconds_per_frame * one.case.truth.motion.frame_count for one in group]
        row["seconds_per_frame"] = float(np.sum(spent)) / frames
        row["peak_mb"] = group[0].peak_mb
    return row | {"cases": len(group), "failed": len(group) - len(scored)}
