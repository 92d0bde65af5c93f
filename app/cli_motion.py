"""`motion`: motion of other tools onto the open body. See engine.motion."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli_edits import commands

if TYPE_CHECKING:
    from engine.motion.preparing import PreparedFile

motion = typer.Typer(no_args_is_help=True, help="Motion of people: prepare it for everything else.")
commands.add_typer(motion, name="motion")


class SplitName(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"


@motion.callback()
def _group() -> None:
    """A group even while it has one command."""


@motion.command()
def prepare(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="A motion file (.npz, .amc, .bvh, GrappleMap.txt) or a folder."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Where <name>.npz go.")],
    other: Annotated[
        Path | None,
        typer.Option("--with", metavar="OTHER", help="A second person's file, in the same world."),
    ] = None,
    split: Annotated[
        SplitName | None, typer.Option(help="Default: by the table in docs/data.md, else train.")
    ] = None,
    rate: Annotated[
        float, typer.Option(min=1, help="Frames a second to keep of faster captures.")
    ] = 30.0,
    metres: Annotated[
        float | None,
        typer.Option(min=1e-6, help="Metres per unit. Default: the format's, or by the height."),
    ] = None,
    fps: Annotated[
        float | None, typer.Option(min=0.1, help="Frames a second, where the file does not say.")
    ] = None,
    skeleton: Annotated[
        Path | None, typer.Option(metavar="FILE.asf", help="Default: the one beside the .amc.")
    ] = None,
    refine: Annotated[
        bool,
        typer.Option(help="Take bodies out of each other and close hands that hold."),
    ] = True,
    again: Annotated[bool, typer.Option("--again", help="Do finished files anew.")] = False,
) -> None:
    """Solve motion onto the open body, for synth, the benchmarks and training."""
    from app import cli_progress
    from engine.errors import InputError
    from engine.motion.preparing import PrepareOrder
    from engine.motion.preparing import prepare as prepare_motion
    from engine.motion.readers import ReadOptions

    order = PrepareOrder(
        source=source,
        out=out,
        other=other,
        split=None if split is None else split.value,
        again=again,
        refine=refine,
        options=ReadOptions(rate=rate, metres=metres, fps=fps, skeleton=skeleton),
    )
    files = cli_progress.run(prepare_motion(order))
    for file in files:
        print("\n".join(_lines(file)))
    failed = [file for file in files if file.prepared is None]
    if failed:
        raise InputError(
            f"{len(failed)} of {len(files)} recordings were not prepared",
            received=f"{failed[0].name}: {failed[0].problem.rstrip('.')}",
        )
    print(f"Prepared {len(files)} recordings in {out}")


def _lines(file: PreparedFile) -> list[str]:
    if file.prepared is None:
        return [f"{file.name}: not prepared. {file.problem}"]
    import numpy as np

    motion, prepared = file.prepared.motion, file.prepared
    error = 1000 * prepared.error_m[motion.valid]
    people = motion.person_count
    line = (
        f"{file.name}: {people} {'person' if people == 1 else 'people'}, {motion.frame_count} "
        f"frames at {prepared.fps:.3g} a second, {prepared.kind}, {prepared.split}; joints "
        f"{error.mean():.1f} mm from the captured ones (95 %: {np.quantile(error, 0.95):.1f})"
    )
    if prepared.moved_m.any():
        line += f", then moved by {1000 * prepared.moved_m[motion.valid].mean():.1f} mm"
    done = "finished before" if file.seconds == 0 else f"{file.seconds:.1f} s"
    return [f"{line}; {done}", *file.notes]
