"""`evaluate`: a prediction against the truth, as a table and as a row of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from app.cli_bench import Json
from app.cli_edits import commands
from app.number_rows import Row, print_table, write_json
from app.output_place import check_place

if TYPE_CHECKING:
    from engine.metrics import Bodies


@commands.command()
def evaluate(
    prediction: Annotated[Path, typer.Argument(metavar="PRED", help="What was found.")],
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="What is so.")],
    quick: Annotated[bool, typer.Option("--quick", help="Joints only, no meshes.")] = False,
    json: Json = None,
    clip: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a keypoint file with several clips.")
    ] = None,
) -> None:
    """Compare a prediction with the truth, metric by metric.

    Either may be a fit.npz, a truth.npz, observations, or an export: the folder of a clip's bodies,
    or a JSON file of keypoints (then the numbers of keypoints and identities only).
    """
    from app.evaluation import read_sides
    from engine.metrics import other_order, score, truth_row

    check_place(json)
    mine, true = read_sides(prediction, truth, clip)
    row = score(mine, true, quick=quick)
    print("\n".join(_heading(mine, true)))
    print_table(metric_rows(row, truth_row(true, quick=quick)))
    if order := other_order(mine, true):
        print(_about_order(order))
    if json is not None:
        write_json(json, [{"prediction": str(prediction), "truth": str(truth), **row}])
        print(f"Wrote {json}")


def metric_rows(row: dict[str, float], own: dict[str, float]) -> list[Row]:
    """A line per metric; beside those that the truth has of its own, what they are there."""
    from engine.metrics import METRICS

    lines: list[Row] = []
    for name, metric in METRICS.items():
        if np.isnan(row[name]) and np.isnan(row["mpjpe_mm"]):
            continue  # there are only keypoints
        beside = _written(own[name], metric.unit) if metric.own else ""
        lines.append(
            {
                "metric": name,
                "value": _written(row[name], metric.unit),
                "truth": beside,
                "unit": metric.unit,
                "of": metric.says,
            }
        )
    return lines


def _written(value: float, unit: str) -> str:
    if np.isnan(value):
        return f"{'-':>8}"
    digits = {"frames": 0, "1": 3, "mm": 1, "mm/s": 1}.get(unit, 2)
    return f"{value:8.{digits}f}"


def _heading(mine: Bodies, true: Bodies) -> list[str]:
    if mine.motion is None or true.motion is None:
        return [f"{true.person_count} people, {true.frame_count} frames, keypoints only"]
    return [
        f"{true.person_count} people, {true.frame_count} frames at {true.fps:.4g} a second, "
        f"{true.motion.body} ({true.density}), camera frame"
    ]


def _about_order(order: tuple[int, ...]) -> str:
    pairs = ", ".join(f"{row + 1} for {person + 1}" for person, row in enumerate(order))
    return (
        "The people of the prediction are in another order than the truth's: person "
        f"{pairs} would fit better. Nothing was exchanged."
    )
