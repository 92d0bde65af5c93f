"""`bench prior`: judges priors and prints their tables. See engine.prior.evaluation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app import cli_progress
from app.number_rows import Row, print_table
from engine.errors import InputError
from engine.prior.evaluation.running import FULL, METHODS, QUICK, Evaluation, evaluate

SHIPPED = "prior"
"""What the prior that ships is called in the tables."""
NAMES = "method", "motion"


@dataclass(frozen=True)
class _Table:
    """A part of the numbers: the rows that have the first of its columns."""

    title: str
    columns: tuple[str, ...]


TABLES = (
    _Table(
        "As estimator, from keypoints as a detector finds them; change against everybody fitted "
        "alone (-0.1: a tenth less)",
        (
            "mpjpe_mm", "pa_mpjpe_mm", "pair_pa_mpjpe_mm", "inter_mm", "relative_depth_mm",
            "pair_pa_change", "inter_change", "seconds_per_frame", "cases",
        ),
    ),
    _Table(
        "As infiller: 8, 16, 24 of 64 frames of both hidden; change against interpolation",
        (
            "infill_8_mm", "infill_16_mm", "infill_24_mm", "infill_8_change", "infill_16_change",
            "infill_24_change", "infill_windows",
        ),
    ),
    _Table(
        "One person hidden for the whole window, and the same with the partner cut",
        (
            "react_mm", "react_cut_mm", "react_change", "react_pose_mm", "react_cut_pose_mm",
            "infill_windows",
        ),
    ),
    _Table(
        "Share of windows in which the true partner is told from another one",
        (
            "same_trial_right", "same_trial_right_by_information", "same_trial_windows",
            "same_trial_left_out", "other_trials_right", "other_trials_right_by_information",
            "other_trials_windows", "other_trials_left_out",
        ),
    ),
)  # fmt: skip


def networks(said: Sequence[str]) -> dict[str, Path | None]:
    """Weight files by name, from NAME=FILE or FILE; where none is said the one that ships.

    Raises InputError for a file that is not there, and for a name that is taken.
    """
    found: dict[str, Path | None] = {}
    for text in said:
        name, _, file = text.rpartition("=")
        path = Path(file)
        name = name or path.stem
        if name in found or name in METHODS:
            raise InputError("A name for weights is taken", received=name[:80])
        if not path.is_file():
            raise InputError(f"There is no file {path}", expected="--weights NAME=FILE")
        found[name] = path
    return found or {SHIPPED: None}


def bench_prior(
    asked: Mapping[str, Path | None], motion: Path | None, quick: bool = False
) -> Evaluation:
    """Raises InputError and WeightError as engine.prior.evaluation.running.evaluate does."""
    import torch

    torch.set_num_threads(1)  # what is measured is one core's time
    return cli_progress.run(evaluate(asked, motion, QUICK if quick else FULL))


def print_results(found: Evaluation) -> None:
    """A table for each question; a method's row is in those that it can answer."""
    for table in TABLES:
        rows = [row for row in found.numbers if row.get(table.columns[0]) is not None]
        print(f"\n{table.title}\n")
        print_table(rows, (*NAMES, *table.columns))
    print("\nSamples that were asked for something, and the same noise asked for nothing\n")
    print_table(found.calibration)
    print("\nSamples that were asked for nothing, beside recorded motion\n")
    print_table(found.pairs)


def all_rows(found: Evaluation) -> list[Row]:
    """For a file: every row, with the table that it is of."""
    tables = {"numbers": found.numbers, "calibration": found.calibration, "pairs": found.pairs}
    return [{"table": name, **row} for name, rows in tables.items() for row in rows]


def sheet_name(method: str) -> str:
    """The picture's file, for a network's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", method).strip("-.") + ".png"
