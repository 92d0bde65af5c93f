"""`motion generate`: close contact made from the motion of single people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli_motion import SplitName, motion


@motion.command()
def generate(
    singles: Annotated[
        Path, typer.Argument(metavar="SINGLES", help="A folder of prepared single people.")
    ],
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Where <kind>-<seed>.npz go.")],
    count: Annotated[int, typer.Option(min=1, help="How many plausible ones to make.")] = 15,
    split: Annotated[
        SplitName, typer.Option(help="Use the recordings of this split alone.")
    ] = SplitName.TRAIN,
    kind: Annotated[
        list[str] | None, typer.Option(help="A kind of contact; may be given again. Default: all.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Where the seeds begin.")] = 0,
) -> None:
    """Make hugs, holds and pushes of two people from recordings of one."""
    from app import cli_progress
    from engine.motion.contact.making import GenerateOrder, make

    order = GenerateOrder(singles, out, count, split.value, tuple(kind or ()), seed)
    made = cli_progress.run(make(order))
    for reason, times in sorted(made.refused.items(), key=lambda item: -item[1]):
        print(f"thrown away {times} times: {reason}")
    print(f"Wrote {len(made.files)} motions to {out}")
