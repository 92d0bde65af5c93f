"""Trains the prior on the command line: progress, validation tables, curves."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from app import cli_progress
from app.charts import Line, Panel, write_chart
from app.number_rows import Row, print_table
from engine.errors import InputError
from engine.prior.prior import Prior
from engine.prior.training import TrainingProgress, train
from engine.prior.training_config import TrainingConfig
from engine.prior.training_files import curve, steps_done, validations, writing
from engine.prior.validation import VALIDATION_KINDS, held_out_windows, validate
from engine.weights import WEIGHTS_DIR

VALIDATION_STEPS = 1000
"""Between validation tables."""
SHOWN = {"joints": "joints", "interaction": "between people"}
"""Losses in metres that the progress tells, and what they are called there."""
DRAWN_POINTS = 80
"""Of a curve of losses; each is the mean of its neighbourhood."""
SHIPPED_MOTION = WEIGHTS_DIR / "motion"


@dataclass(frozen=True)
class TrainingOrder:
    """What `train-prior` was asked for."""

    motion: Path
    out: Path
    steps: int
    seed: int
    config: TrainingConfig
    validation: Path | None = None
    plot: Path | None = None
    threads: int = 1


def run_training(order: TrainingOrder) -> None:
    """Train, and say how it goes. Stopped by Ctrl-C, say what is saved and how to go on."""
    torch.set_num_threads(order.threads)
    held_out = _held_out(order)
    training = train(
        order.motion, order.out, steps=order.steps, seed=order.seed, config=order.config
    )
    try:
        while cli_progress.run(_until_validation(training)):
            _validate(order, held_out)
    except KeyboardInterrupt:
        print(_stopped(order))
        raise
    print(f"Wrote {order.out}")


def _held_out(order: TrainingOrder) -> Path:
    """Where held-out motion is; looked for before the work."""
    if order.validation is not None:
        held_out_windows(order.validation)
        return order.validation
    try:
        held_out_windows(order.motion)
    except InputError:
        return SHIPPED_MOTION
    return order.motion


@dataclass(frozen=True)
class _Shown:
    """Progress as cli_progress takes it."""

    stage: str
    fraction: float
    remaining_seconds: float | None = None


def _until_validation(
    training: Generator[TrainingProgress, None, Path],
) -> Generator[_Shown, None, bool]:
    """Whether there is something new to be looked at; False when the training is over."""
    for now in training:
        yield _Shown(progress_line(now), now.step / now.steps)
        if now.saved and (now.step % VALIDATION_STEPS == 0 or now.step == now.steps):
            return True
    return False


def progress_line(now: TrainingProgress) -> str:
    """Steps, minutes, time left, losses."""
    left = now.minutes / now.step * (now.steps - now.step)
    losses = [f"loss {now.losses['loss']:.2f}"]
    losses += [f"{title} {1000 * now.losses[name]:.0f} mm" for name, title in SHOWN.items()]
    steps = f"step {now.step} of {now.steps}, {now.minutes:.0f} min, {left:.0f} left"
    return f"{steps}: {', '.join(losses)}"


def _validate(order: TrainingOrder, held_out: Path) -> None:
    """Print the table, note it beside the weights, draw the curves."""
    step = steps_done(order.out)
    rows: list[Row] = [asdict(row) for row in validate(Prior.load(order.out), held_out)]
    print(f"After {step} steps, on motion never seen, mm:")
    print_table(rows)
    with writing(order.out):
        for row in rows:
            validations(order.out).extend({"step": step, **row})
    if order.plot is not None:
        write_chart(order.plot, panels(curve(order.out).lines(), validations(order.out).lines()))


def _stopped(order: TrainingOrder) -> str:
    done = steps_done(order.out)
    if not done:
        return "Nothing was saved yet: the same command begins anew."
    return (
        f"{done} of {order.steps} steps are saved beside {order.out}; the same command goes on "
        "from there."
    )


def panels(losses: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> list[Panel]:
    """Losses over steps, and errors on held-out motion, a line for each kind."""

    def loss(name: str, title: str, scale: float = 1.0) -> Line:
        points = _thinned([(line["step"], scale * line.get(name, math.nan)) for line in losses])
        return Line(title, [x for x, _ in points], [y for _, y in points])

    def error(title: str, column: str, over: str = "") -> Panel:
        lines = []
        for kind in VALIDATION_KINDS:
            mine = [row for row in rows if row.get("kind") == kind]
            values = [row.get(column, math.nan) / (row.get(over, 1.0) or math.nan) for row in mine]
            lines.append(Line(kind, [row["step"] for row in mine], values))
        return Panel(title, "steps", tuple(lines), from_zero=True)

    lengths = tuple(loss(name, title, 1000.0) for name, title in SHOWN.items())
    return [
        Panel("loss", "steps", (loss("loss", "loss"),)),
        Panel("losses in mm", "steps", lengths, from_zero=True),
        error("MPJPE from 2D, mm", "mpjpe"),
        error("Pair-PA from 2D, mm", "pair_pa"),
        error("relative depth from 2D, mm", "depth"),
        error("hidden frames, over straight lines", "fill", "line"),
    ]


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `DRAWN_POINTS`, each the mean of its neighbourhood."""
    size = max(1, math.ceil(len(points) / DRAWN_POINTS))
    parts = [points[i : i + size] for i in range(0, len(points), size)]
    return [(sum(x for x, _ in p) / len(p), sum(y for _, y in p) / len(p)) for p in parts]
