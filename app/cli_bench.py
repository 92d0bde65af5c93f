"""`bench`: what this machine measures. Each benchmark prints rows and writes them with --json.

A benchmark is a command of `benches`, with options of its own beside `Quick` and `Json`:

    @benches.command()
    def something(quick: Quick = False, json: Json = None) -> None:
        \"\"\"What it measures.\"\"\"
        with reported(json) as rows:
            rows += bench_something(quick)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from app.cli_arguments import ComputeOn
from app.cli_edits import commands
from app.number_rows import Row, print_table, write_json
from app.output_place import check_folder, check_place, check_plot
from engine.errors import InputError

Quick = Annotated[bool, typer.Option("--quick", help="Less of it: an answer in minutes.")]
Json = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the rows here too.")
]
Captured = Annotated[
    Path | None,
    typer.Option("--motion", metavar="DIR", help="Captured motion in place of the generated one."),
]


class _Benches(TyperGroup):
    """Names the benchmarks there are where one is asked for that there is not."""

    def resolve_command(self, ctx, args):  # type: ignore[no-untyped-def]
        if args[0] not in self.commands:
            raise InputError(
                "There is no such benchmark",
                expected=", ".join(self.commands),
                received=args[0][:80],
            )
        return super().resolve_command(ctx, args)


benches = typer.Typer(cls=_Benches, help="Measure speed, or how good results are.")
commands.add_typer(benches, name="bench")


@contextmanager
def reported(json: Path | None, columns: Sequence[str] | None = None) -> Iterator[list[Row]]:
    """A list to be filled with rows, which are then printed, and written where `json` says.

    A file that cannot be written is refused before the work.
    """
    check_place(json)
    rows: list[Row] = []
    yield rows
    print_table(rows, columns)
    if json is not None:
        write_json(json, rows)


@benches.command()
def body(quick: Quick = False, json: Json = None) -> None:
    """Skinning beside smplx, forward and backward."""
    from engine.body.benchmark import FRAMES, bench_body

    with reported(json) as rows:
        print(f"{FRAMES} frames, forward + backward, gradients to betas, pose and translation")
        rows += bench_body(quick)


@benches.command()
def proximity(quick: Quick = False, json: Json = None) -> None:
    """Closest points and penetration between two bodies, beside trimesh."""
    from engine.geometry.benchmark import bench_proximity

    with reported(json) as rows:
        rows += bench_proximity(quick)


@benches.command()
def raster(quick: Quick = False, json: Json = None) -> None:
    """Drawing two people of Gaussians with gradients: each way of doing it beside plain torch."""
    from engine.appearance.benchmark import CHANNELS, bench_raster

    with reported(json) as rows:
        print(f"{CHANNELS} channels, one picture, forward and backward")
        rows += bench_raster(quick)


@benches.command()
def desk(quick: Quick = False, json: Json = None) -> None:
    """Playback in the window: distinct frames per second with two 7k bodies in both views."""
    from app.benchmark import bench_desk

    with reported(json) as rows:
        rows += bench_desk(quick)


@benches.command()
def scrub(quick: Quick = False, json: Json = None) -> None:
    """Random frames of a 1080p clip in the window, from request to screen."""
    from app.scrub_benchmark import KEY_FRAME_EVERY, bench_scrub

    with reported(json) as rows:
        print(f"1080p, a key frame every {KEY_FRAME_EVERY}, two 7k bodies in both views")
        rows += bench_scrub(quick)


@benches.command()
def sample(quick: Quick = False, json: Json = None) -> None:
    """Seconds that detecting and fitting the bundled sample take, both people, one thread."""
    from app.sample_benchmark import bench_sample

    with reported(json) as rows:
        rows += bench_sample(quick)


@benches.command()
def fit(
    quick: Quick = False,
    json: Json = None,
    motion: Captured = None,
    configuration: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="One of the rows only; repeatable.")
    ] = None,
    level: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="One of the levels only; repeatable."),
    ] = None,
    cases: Annotated[bool, typer.Option("--cases", help="A row for every case too.")] = False,
    device: ComputeOn = "cpu",
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the main numbers.")
    ] = None,
) -> None:
    """How good fits are, and how long they take, on cases whose truth is known."""
    from app.fit_benchmark import FitBenchmark, bench_fit, print_results

    check_place(json)
    check_plot(plot)
    asked = FitBenchmark(quick, motion, tuple(configuration or ()), tuple(level or ()), device)
    results = bench_fit(asked)
    print_results(results, cases)
    if plot is not None:
        from app.benchmark_plot import write_plot

        write_plot(plot, results.means)
    if json is not None:
        write_json(json, [*results.means, *(results.cases if cases else ())])


@benches.command()
def refit(
    quick: Quick = False,
    json: Json = None,
    motion: Captured = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Where the time of each re-fit goes, by stage.")
    ] = False,
    appearance: Annotated[
        bool, typer.Option("--appearance", help="Filmed cases, with avatars that are kept.")
    ] = False,
) -> None:
    """What a re-fit makes somebody wait for: until bodies have moved, and until they stay."""
    from app.refit_benchmark import bench_refit, print_results

    check_place(json)
    rows = bench_refit(motion, quick, profile=profile, appearance=appearance)
    print_results(rows)
    if json is not None:
        write_json(json, rows)


@benches.command()
def diagnostics(
    quick: Quick = False,
    json: Json = None,
    motion: Captured = None,
    level: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="One of the levels only; repeatable."),
    ] = None,
) -> None:
    """Whether the frames that a fit believes to be worst are the worst."""
    from app.diagnostics_benchmark import RANKING, bench_diagnostics

    with reported(json) as rows:
        print(RANKING)
        rows += bench_diagnostics(motion, tuple(level or ()), quick)


@benches.command()
def identity(
    quick: Quick = False,
    json: Json = None,
    motion: Captured = None,
    avatars: Annotated[
        bool,
        typer.Option("--avatars", help="Fit each with its pictures too: a minute a trial."),
    ] = False,
) -> None:
    """Whether people who were exchanged for a while are found, in drawn clips."""
    from app.diagnostics_benchmark import FINDING, bench_identity

    with reported(json) as rows:
        print(FINDING)
        rows += bench_identity(motion, quick, avatars=avatars)


@benches.command()
def prior(
    quick: Quick = False,
    json: Json = None,
    motion: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Prepared motion: captured and grappling people too."),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="Weights in place of those that ship; repeatable: side by side.",
        ),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw samples to look at here.")
    ] = None,
) -> None:
    """The prior over two people's motion: estimates, hidden frames, partners, samples."""
    from app import prior_benchmark as benchmark

    check_place(json)
    if sheet is not None:
        check_folder(sheet)
    found = benchmark.bench_prior(benchmark.networks(weights or ()), motion, quick)
    benchmark.print_results(found)
    if sheet is not None:
        from app.prior_sheet import write_sheet

        sheet.mkdir(parents=True, exist_ok=True)
        for name, drawn in found.drawn.items():
            write_sheet(sheet / benchmark.sheet_name(name), drawn)
    if json is not None:
        write_json(json, benchmark.all_rows(found))


@benches.command()
def perception(
    quick: Quick = False,
    json: Json = None,
    clips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Clips that `synth` drew, a folder each.")
    ] = None,
    sheets: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write pictures to look at here.")
    ] = None,
) -> None:
    """2D perception beside plainer ways, on clips whose truth is known."""
    from app import cli_progress
    from app import perception_benchmark as benchmark
    from app.perception_sheets import write_sheet

    check_place(json)
    suites = {benchmark.REAL: benchmark.real_clips()}
    if clips is not None:
        suites[benchmark.RENDERED] = benchmark.rendered_clips(clips)

    def seen(look: benchmark.Look) -> None:
        if sheets is not None:
            write_sheet(sheets, look)

    rows: list[Row] = []
    for name, suite in suites.items():
        work = benchmark.run_suite(name, suite, benchmark.methods(), quick, seen)
        found = [benchmark.row_of(result) for result in cli_progress.run(work)]
        benchmark.print_suite(found)
        rows += found
    print("\n".join(benchmark.truth_lines()))
    if json is not None:
        write_json(json, rows)
