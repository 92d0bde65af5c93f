"""The curves of `bench annotator` as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.charts import Line, Panel, write_chart
from app.number_rows import Row

SHOWN = {
    "pair_pa_mpjpe_mm": "Pair-PA-MPJPE (mm)",
    "inter_mm": "Inter (mm)",
    "mpjpe_mm": "MPJPE (mm)",
    "relative_depth_mm": "relative depth (mm)",
    "pcc_5cm": "PCC at 5 cm",
    "contact_f1_regions": "region F1, unlabelled contacts",
}
ACROSS = {
    "gestures_per_100_frames": "gestures per 100 frames",
    "engine_seconds_per_100_frames": "engine seconds per 100 frames",
}


def write_plot(path: Path, curves: Sequence[Row]) -> None:
    """Error against gestures (above) and against engine time (below), a line per way of looking.

    `curves` are the rows of `report.curve_rows`. Raises InputError where it cannot be written.
    """
    panels = [
        Panel(title, spoken, _lines(curves, across, name), from_zero=True)
        for across, spoken in ACROSS.items()
        for name, title in SHOWN.items()
    ]
    write_chart(path, panels, columns=len(SHOWN) // 2)


def _lines(curves: Sequence[Row], across: str, name: str) -> tuple[Line, ...]:
    return tuple(
        Line(
            f"{looking}",
            [_number(row[across]) for row in curves if row["looking"] == looking],
            [_number(row[name]) for row in curves if row["looking"] == looking],
        )
        for looking in dict.fromkeys(row["looking"] for row in curves)
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
