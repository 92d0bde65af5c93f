"""Priors as estimators: in the benchmark of fits, on its cases, at its levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.benchmark.baseline import FOLDER, LIFTED_JOINT, LIFTER, frozen_rows
from engine.benchmark.configurations import BASELINE, PriorEstimate
from engine.benchmark.running import PROCESSES, CaseScore, Run, run_suite
from engine.benchmark.suites import CAPTURED, DEFAULT, GRAPPLING, Suite, sources_in, suite_of
from engine.benchmark.table import FROZEN, Row, mean_rows, relative
from engine.motion.prepared import MotionKind
from engine.prior.evaluation.held_out import HeldOut

SUITES: Mapping[MotionKind, str] = {
    "captured": CAPTURED,
    "grappling": GRAPPLING,
    "generated": DEFAULT,
}
HEADLINE, HEIGHTS = "detector", "detector-heights"
"""Levels: what is compared, and what is asked besides."""
COLUMNS = (
    "mpjpe_mm",
    "pa_mpjpe_mm",
    "pair_pa_mpjpe_mm",
    "inter_mm",
    "relative_depth_mm",
    "seconds_per_frame",
)
COMPARED = "pair_pa_mpjpe_mm", "inter_mm"
"""Each with its change against the frozen fit of everybody alone: a share, -0.4 is 40 % less."""
BASELINES = {BASELINE: FROZEN, LIFTER: LIFTER, LIFTED_JOINT: LIFTED_JOINT}
"""Kept rows that are shown, by the name that they are kept under."""


def suite_of_kind(motion: HeldOut, quick: bool) -> Suite:
    """The benchmark's cases of this kind of motion."""
    sources = [s for s in sources_in(motion.folder, inside=True) if s.kind == motion.kind]
    return suite_of(SUITES[motion.kind], sources, quick)


def estimating(
    networks: Mapping[str, Path | None], suite: Suite, quick: bool, processes: int = PROCESSES
) -> Run:
    """Scores of the networks' estimates on a suite, without meshes."""
    ways = {name: PriorEstimate("", path) for name, path in networks.items()}
    levels = (HEADLINE,) if quick else (HEADLINE, HEIGHTS)
    return run_suite(suite, ways, levels, processes=processes, surfaces=False)


def estimate_rows(
    suite: Suite, scores: Sequence[CaseScore], kind: MotionKind, folder: Path = FOLDER
) -> list[Row]:
    """A row for each network (with heights stated: one more) and for each kept baseline. `folder`
    is where the baselines are kept."""
    frozen = [
        (shown, row)
        for name, shown in BASELINES.items()
        for row in frozen_rows(suite.name, folder, name)
        if row["suite_digest"] == suite.digest
    ]
    levels = {one.level for one in scores}
    base = {row["level"]: row for shown, row in frozen if shown == FROZEN}
    rows = [_row(shown, row, kind) for shown, row in frozen if row["level"] in levels]
    for row in mean_rows(suite, scores):
        if row["level"]:
            was = base.get(row["level"])
            changes: Row = {change_of(name): relative(row, was, name) for name in COMPARED}
            rows.append(_row(str(row["configuration"]), row, kind) | changes)
    return rows


def change_of(metric: str) -> str:
    return metric.removesuffix("_mm").removesuffix("_mpjpe") + "_change"


def _row(method: str, row: Row, kind: MotionKind) -> Row:
    heights = ", heights stated" if row["level"] == HEIGHTS else ""
    numbers = {name: row.get(name) for name in COLUMNS}
    names: Row = {"method": method + heights, "motion": kind}
    return {**names, "suite_digest": row["suite_digest"], "cases": row.get("cases"), **numbers}
