"""`bench annotator`: how many gestures to the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli_bench import Json, Quick, benches
from app.number_rows import print_table, write_json
from app.output_place import check_place, check_plot

QUICK_CLIPS = 2
PER_100_FRAMES, QUICK_PER_100_FRAMES = 14.0, 7.0


@benches.command()
def annotator(
    quick: Quick = False,
    json: Json = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the curves here (.png).")
    ] = None,
    motion: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Motion to make the clips of; else what ships."),
    ] = None,
    clips: Annotated[
        int | None, typer.Option(min=1, help="Play the first so many clips of the suite only.")
    ] = None,
    gestures: Annotated[
        float | None, typer.Option(min=0, max=100, help="How many per 100 frames.")
    ] = None,
    ranked_only: Annotated[
        bool, typer.Option("--ranked-only", help="Leave out the curator who looks at random.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the curator's slips.")] = 0,
) -> None:
    """How close a simulated curator brings clips to the truth, gesture by gesture."""
    from app import cli_progress
    from app.annotator.bench import Contest, bench_annotator
    from app.annotator.plot import write_plot
    from app.annotator.report import CURVE, curve_rows, gain_rows, step_rows
    from engine.benchmark.suites import captured_suite, default_suite

    check_place(json)
    check_plot(plot)
    suite = default_suite(quick) if motion is None else captured_suite(motion, quick)
    count = clips if clips is not None else QUICK_CLIPS if quick else len(suite.orders)
    usual = QUICK_PER_100_FRAMES if quick else PER_100_FRAMES
    contest = Contest(
        orders=suite.orders[:count],
        per_100_frames=usual if gestures is None else gestures,
        looking=("ranked",) if ranked_only or quick else ("ranked", "random"),
        seed=seed,
    )
    points = cli_progress.run(bench_annotator(contest))
    curves, gains = curve_rows(points), gain_rows(points)
    print(f"suite {suite.name} {suite.digest}, {len(contest.orders)} clips, mean over clips")
    print_table(
        curves, ("looking", "gestures_per_100_frames", "engine_seconds_per_100_frames", *CURVE)
    )
    print("\nmean change by one gesture and its re-fit")
    print_table(gains, ("looking", "gesture", "made", "made_worse", "fit_seconds", *CURVE))
    if json is not None:
        write_json(json, [*curves, *gains, *step_rows(points)])
    if plot is not None:
        write_plot(plot, curves)
