"""`bench refit`: runs re-fits and prints what they make somebody wait for."""

from __future__ import annotations

from pathlib import Path

import torch

from app import cli_progress
from app.number_rows import Row, print_table
from engine.benchmark import refit
from engine.benchmark.suites import captured_suite, default_suite
from engine.config import AppearanceConfig, FitConfig


def bench_refit(
    motion: Path | None, quick: bool, *, profile: bool = False, appearance: bool = False
) -> list[Row]:
    """Rows of `engine.benchmark.refit`. Raises InputError for a folder without usable motion."""
    suite = default_suite(True) if motion is None else captured_suite(motion, True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the window's worker does
    try:
        cases = refit.QUICK_CASES if quick else None
        config = FitConfig(appearance=AppearanceConfig() if appearance else None)
        return [*cli_progress.run(refit.bench_refit(suite, config, cases=cases, profile=profile))]
    finally:
        torch.set_num_threads(threads)


def print_results(rows: list[Row]) -> None:
    """The re-fits, then where their time went if that was asked for."""
    refits = [row for row in rows if "stage" not in row]
    print("\n32 frames, penetration on; seconds are the processor's but for those of the wall\n")
    print_table(refits)
    if stages := [row for row in rows if "stage" in row]:
        print("\nWhere the time goes\n")
        print_table(stages)
