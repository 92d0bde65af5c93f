"""The main numbers of `bench fit` as a picture: a panel each, levels across."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from app.charts import Line, Panel, write_chart
from app.number_rows import Row

DRAWN = (
    "mpjpe_mm",
    "pair_pa_mpjpe_mm",
    "inter_mm",
    "contact_f1_regions",
    "penetration_max_mm",
    "seconds_per_frame",
)


def write_plot(path: Path, rows: Sequence[Row]) -> None:
    """A line for each configuration; rows without a level, the truth's, are left out."""
    write_chart(path, panels(rows))


def panels(rows: Sequence[Row]) -> list[Panel]:
    levels = tuple(dict.fromkeys(str(row["level"]) for row in rows if row["level"]))
    names = dict.fromkeys(str(row["configuration"]) for row in rows if row["level"])
    places = range(len(levels))
    found = []
    for metric in DRAWN:
        lines = []
        for name in names:
            at = {row["level"]: row.get(metric) for row in rows if row["configuration"] == name}
            lines.append(Line(name, places, [_number(at.get(level)) for level in levels]))
        found.append(Panel(metric, "", tuple(lines), levels))
    return found


def _number(value: str | int | float | None) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
