"""What a training leaves beside its weights FILE.safetensors, and how it goes on from that.

FILE.training.pt holds the state to go on from, FILE.curve.jsonl one line of losses for each
progress.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from engine.errors import InputError


def steps_done(out: Path) -> int:
    """How many steps the training beside `out` has behind it; 0 where there is none.

    Raises InputError where its state cannot be read.
    """
    return int(read_state(out).get("step", 0))


def read_state(out: Path) -> dict[str, Any]:
    """The state beside `out`, empty where there is none. Raises InputError for what is none."""
    path = _state_file(out)
    if not path.exists():
        return {}
    try:
        state = dict(torch.load(path, weights_only=True))
        int(state["step"])
    except Exception as error:  # torch.load raises whatever a damaged file leads it to
        raise foreign(out, str(error)) from error
    return state


def write_state(out: Path, state: Mapping[str, Any]) -> None:
    """Complete or not at all. Raises OSError or RuntimeError where it cannot be written."""
    partial = _state_file(out).with_suffix(".partial")
    try:
        torch.save(dict(state), partial)
        partial.replace(_state_file(out))
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def foreign(out: Path, received: str) -> InputError:
    """For a state that is of something else."""
    return InputError(
        f"{_state_file(out).name} is not the state of a training of this network",
        received=(received.splitlines() or [""])[0][:120],
        advice="Move it away to begin anew.",
    )


def check_same_training(out: Path, saved: object, asked: Mapping[str, str]) -> None:
    """Raise InputError where the state beside `out` is of a training with other settings.

    States of before settings were kept (`saved` None) say nothing of them and are taken as they
    are.
    """
    if saved is None:
        return
    if not isinstance(saved, dict):
        raise foreign(out, "settings that are none")
    other = sorted(n for n in saved.keys() | asked.keys() if saved.get(n) != asked.get(n))
    if other:
        more = f" and {len(other) - 1} more" if len(other) > 1 else ""
        raise InputError(
            f"{_state_file(out).name} is the state of a training with other settings",
            expected=f"{other[0]} {asked.get(other[0], 'unset')}"[:120],
            received=f"{str(saved.get(other[0], 'unset'))[:120]}{more}",
            advice="Write to another file, or move it away to begin anew.",
        )


def check_steps(out: Path, done: int, asked: int) -> None:
    """Raise InputError where a training has more steps behind it than are asked for."""
    if done > asked:
        raise InputError(
            f"{_state_file(out).name} has {done} steps behind it",
            expected=f"a training of at least {done} steps",
            received=str(asked),
            advice="Move it away to begin anew.",
        )


def read_curve(out: Path) -> list[dict[str, float]]:
    """Losses by name, with `step` and `minutes`, of the training of `out`; empty where there are
    none. Lines that a stop in mid-writing left incomplete are passed over."""
    try:
        text = _curve_file(out).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"Cannot read {_curve_file(out).name}", received=str(error)) from error
    lines = []
    for row in text.splitlines():
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            line = {name: float(value) for name, value in json.loads(row).items()}
            if math.isfinite(line["step"]):
                lines.append(line)
    return lines


def extend_curve(out: Path, line: Mapping[str, float]) -> None:
    """One more line. Raises OSError where it cannot be written."""
    with _curve_file(out).open("a") as file:
        file.write(json.dumps(dict(line)) + "\n")


def cut_curve(out: Path, step: int) -> None:
    """Leave the lines up to a step: what came after the saved state is done again.

    Raises OSError where it cannot be written.
    """
    if _curve_file(out).exists():
        kept = [line for line in read_curve(out) if line["step"] <= step]
        _curve_file(out).write_text("".join(json.dumps(line) + "\n" for line in kept))


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turn a failure to write into one sentence that says what to do."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield
    except (OSError, RuntimeError, SafetensorError) as error:  # each writer has its own
        raise InputError(
            f"Cannot write {out.name} or what belongs to it into {out.parent}",
            received=(str(error).splitlines() or [type(error).__name__])[0][:160],
            advice="What was saved before is kept: make room for it and run the same again.",
        ) from error


def _state_file(out: Path) -> Path:
    return out.with_suffix(".training.pt")


def _curve_file(out: Path) -> Path:
    return out.with_suffix(".curve.jsonl")
