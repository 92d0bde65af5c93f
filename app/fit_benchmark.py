"""`bench fit`: runs a suite and prints its tables. See engine.benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app import cli_progress
from app.number_rows import Row, print_table
from engine.benchmark.baseline import frozen_rows
from engine.benchmark.configurations import configurations
from engine.benchmark.levels import chosen_levels
from engine.benchmark.running import run_suite
from engine.benchmark.suites import captured_suite, default_suite
from engine.benchmark.table import COMPARED, case_rows, change_of, compared, mean_rows
from engine.config import Device
from engine.metrics import METRICS

NAMES = ("configuration", "level")
COSTS = ("seconds_per_frame", "peak_mb", "cases", "failed")


@dataclass(frozen=True)
class FitBenchmark:
    """What is asked for; empty tuples mean all."""

    quick: bool = False
    motion: Path | None = None
    configurations: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    device: Device = "cpu"


@dataclass(frozen=True)
class FitResults:
    """What came of it."""

    title: str
    means: list[Row]
    """Means over cases, the frozen baseline among them."""
    cases: list[Row]


def bench_fit(asked: FitBenchmark) -> FitResults:
    """Raises InputError for a folder without usable motion, or a name that nothing has,
    or where the device cannot be had."""
    chosen = configurations(asked.configurations, asked.device)
    levels = chosen_levels(asked.levels, asked.quick)
    if asked.motion is None:
        suite = default_suite(asked.quick)
    else:
        suite = captured_suite(asked.motion, asked.quick)
    scores = cli_progress.run(run_suite(suite, chosen, levels))
    means = mean_rows(suite, scores)
    return FitResults(
        f"Suite {suite.name} ({suite.digest}): {means[0]['cases']} cases, "
        f"{means[0]['frames']} frames",
        [*compared(means, frozen_rows(suite.name))],
        [*case_rows(suite, scores)],
    )


def print_results(results: FitResults, cases: bool) -> None:
    """Means over cases, changes against the frozen baseline, and the cases where asked for."""
    print(f"\n{results.title}. Means over cases; units at the end of each name.\n")
    print_table(results.means, (*NAMES, *METRICS, *COSTS))
    changes = [change_of(name) for name in COMPARED]
    against = [row for row in results.means if row.get(changes[0]) is not None]
    if against:
        print("\nChange against the frozen baseline of the level (-0.1: a tenth less)\n")
        print_table(against, (*NAMES, *changes))
    if cases:
        print("\nCase by case\n")
        print_table(results.cases, _case_columns(results.cases))


def _case_columns(rows: Sequence[Row]) -> list[str]:
    return [name for name in rows[0] if not name.startswith("suite") and name != "peak_mb"]
