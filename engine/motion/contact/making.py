"""Folders of generated contact: attempts are made until there are enough."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InputError
from engine.motion.contact.bases import stretches
from engine.motion.contact.generator import generate
from engine.motion.prepared import PreparedMotion, Split, is_prepared, read_prepared, write_prepared


@dataclass(frozen=True)
class GenerateOrder:
    singles: Path
    """A folder of prepared motion of single people."""
    out: Path
    count: int
    split: Split = "train"
    """Recordings of this split alone are used, and the motion is marked with it."""
    kinds: tuple[str, ...] = ()
    """Names in the catalogue; none are all."""
    first_seed: int = 0


@dataclass(frozen=True)
class GenerateProgress:
    stage: str
    fraction: float
    remaining_seconds: float | None = None


@dataclass(frozen=True)
class Made:
    files: tuple[Path, ...]
    refused: dict[str, int]
    """Why attempts were thrown away, and how often."""


def make(order: GenerateOrder) -> Generator[GenerateProgress, None, Made]:
    """Write `count` motions of generated contact, <kind>-<seed>.npz.

    Raises InputError where no single person can be used, or the folder cannot be written.
    """
    singles = stretches(_read(order))
    try:
        order.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot make the folder {order.out}", received=error.strerror or str(error)
        ) from error
    files: list[Path] = []
    refused: dict[str, int] = {}
    for attempt in generate(singles, order.split, order.kinds, order.first_seed):
        if attempt.result is None:
            reason = attempt.reason.split(" in ")[0]  # without how many frames
            refused[reason] = refused.get(reason, 0) + 1
        else:
            files.append(order.out / f"{attempt.result.name}.npz")
            write_prepared(files[-1], attempt.result)
        said = attempt.reason or "kept"
        yield GenerateProgress(
            f"{attempt.name}, seed {attempt.seed}: {said}", len(files) / order.count
        )
        if len(files) >= order.count:
            break
    return Made(tuple(files), refused)


def _read(order: GenerateOrder) -> Sequence[PreparedMotion]:
    if not order.singles.is_dir():
        raise InputError(f"There is no folder {order.singles}")
    read = [read_prepared(p) for p in sorted(order.singles.glob("*.npz")) if is_prepared(p)]
    return [motion for motion in read if motion.split == order.split]
