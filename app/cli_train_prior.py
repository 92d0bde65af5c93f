"""`train-prior`: the prior over two people's motion, from motion. See engine.prior.training."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli_edits import commands
from app.output_place import check_folder, check_plot
from engine.errors import InputError

PRIOR_FILE = Path(__file__).resolve().parent.parent / "output" / "prior.safetensors"


class MotionKindName(StrEnum):
    CAPTURED = "captured"
    GRAPPLING = "grappling"
    GENERATED = "generated"
    SINGLE = "single"


@commands.command()
def train_prior(
    motion: Annotated[
        Path, typer.Option(metavar="DIR", help="Prepared motion, also in folders inside.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="NAME.safetensors; what goes on stands beside it.")
    ] = PRIOR_FILE,
    steps: Annotated[
        int, typer.Option(min=1, help="Of training in all, earlier pieces included.")
    ] = 8000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    without: Annotated[
        list[MotionKindName] | None,
        typer.Option(help="A kind of motion not to learn from; may be given again."),
    ] = None,
    without_partner: Annotated[
        bool, typer.Option("--without-partner", help="A network without attention to the partner.")
    ] = False,
    without_proxemics: Annotated[
        bool, typer.Option("--without-proxemics", help="Never tell it zones, distances, facing.")
    ] = False,
    validation: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Held-out motion. Default: that of --motion, else what ships."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the curves here as it goes.")
    ] = None,
    threads: Annotated[
        int, typer.Option(min=1, help="Of the CPU; another number rounds differently.")
    ] = 1,
) -> None:
    """Train the prior over two people's motion; goes on where an earlier run stopped."""
    if out.suffix != ".safetensors":
        raise InputError(
            "Weights are written as safetensors", expected="NAME.safetensors", received=out.name
        )
    check_folder(out.parent)
    check_plot(plot)

    from app.prior_training import TrainingOrder, run_training
    from engine.prior.training_config import TrainingConfig, ablated

    config = ablated(
        TrainingConfig(),
        without=[kind.value for kind in without or ()],
        partner=not without_partner,
        proxemics=not without_proxemics,
    )
    run_training(TrainingOrder(motion, out, steps, seed, config, validation, plot, threads))
