"""The frozen baseline: rows of `per-person` that were kept, and are never made anew by the way.

A file in `frozen/` for each suite, as `bench fit` wrote it; engine/benchmark/frozen/README.md has
the commands.
"""

from __future__ import annotations

import json
from pathlib import Path

from engine.benchmark.configurations import BASELINE
from engine.benchmark.table import Row
from engine.errors import InputError

FOLDER = Path(__file__).parent / "frozen"
LIFTER, LIFTED_JOINT = "lifter", "joint from the lifter"
"""Rows kept besides, which nothing is compared with by the way: what the single-person lifter said
without any optimisation, and `joint` as it was when it still began there."""


def frozen_rows(suite: str, folder: Path = FOLDER, configuration: str = BASELINE) -> list[Row]:
    """The kept rows of a suite; none where there are none. Raises InputError for a broken file."""
    path = folder / f"{suite}.json"
    if not path.exists():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [dict(row) for row in rows if row["configuration"] == configuration]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path.name} is not what the benchmark wrote") from error
