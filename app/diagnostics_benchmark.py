"""`bench diagnostics` and `bench identity`: see engine.benchmark.ranking and .identity."""

from __future__ import annotations

from pathlib import Path

from app import cli_progress
from app.number_rows import Row
from engine.benchmark.configurations import configurations
from engine.benchmark.identity import FRAMES, bench_clips
from engine.benchmark.levels import QUICK_LEVELS, chosen_levels
from engine.benchmark.ranking import rows_of
from engine.benchmark.running import fit_suite
from engine.benchmark.suites import (
    DEFAULT,
    GENERATED,
    captured_suite,
    default_suite,
    sources_in,
    suite_of,
)

WAY = "joint"
RANKING = (
    "Spearman's rank correlation of the expected with the true error, within each clip, mean over "
    "clips;\ntop_decile: share of the tenth expected to be worst that is among the worst tenth "
    "(by chance 0.1)"
)
FINDING = (
    "found: share of exchanges that a proposal overlaps by at least half (IoU of frames); right: "
    "share of\nproposals that are of an exchange; false_in_calm: proposals in clips without any"
)
CLIPS, QUICK_CLIPS = 18, 6


def bench_diagnostics(
    motion: Path | None, levels: tuple[str, ...], quick: bool = False
) -> list[Row]:
    """A row for each level. Raises InputError for a folder without usable motion, or a level that
    does not exist."""
    chosen = chosen_levels(levels, quick) if levels else QUICK_LEVELS
    suite = default_suite(quick) if motion is None else captured_suite(motion, quick)
    cases, fitted = cli_progress.run(fit_suite(suite, configurations((WAY,)), chosen))
    rows: list[Row] = [*rows_of(suite.name, cases, fitted)]
    return rows


def bench_identity(motion: Path | None, quick: bool = False, *, avatars: bool = False) -> list[Row]:
    """Rows for the joints alone, with clothes and (if asked for) with avatars: of all clips, and of
    those in which people wear different clothes. Raises InputError for a folder without usable
    motion."""
    name, sources = (DEFAULT, sources_in(motion or GENERATED))
    count = QUICK_CLIPS if quick else CLIPS
    suite = suite_of(name, sources, count=count, lengths=(FRAMES,))
    found: list[Row] = [*cli_progress.run(bench_clips(suite, avatars=avatars))]
    return found
