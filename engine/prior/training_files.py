"""What a training leaves beside its weights FILE.safetensors, and how it goes on from that.

FILE.training.pt holds the state to go on from, FILE.curve.jsonl one line of losses for each
progress, FILE.validation.jsonl one for each row of a validation table.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.errors import InputError
from engine.prior.weight_file import replace_file


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
        raise foreign(out, "a damaged file, or one of something else") from error
    return state


def write_state(out: Path, state: Mapping[str, Any]) -> None:
    """Complete or not at all. Raises OSError where it cannot be written."""
    content = io.BytesIO()  # torch's own files do not say that a disk is full
    torch.save(dict(state), content)
    replace_file(_state_file(out), content.getvalue())


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


@dataclass(frozen=True)
class StepLog:
    """A JSON-lines file of numbers and names; each line is of one `step`."""

    path: Path

    def lines(self) -> list[dict[str, Any]]:
        """In the order of writing; empty where there is no file. Lines that a stop in mid-writing
        left incomplete are passed over. Raises InputError where the file cannot be read."""
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"Cannot read {self.path.name}", received=str(error)) from error
        lines = []
        for row in text.splitlines():
            with suppress(ValueError, KeyError, TypeError, AttributeError):
                pairs = json.loads(row).items()
                line = {n: v if isinstance(v, str) else float(v) for n, v in pairs}
                if math.isfinite(float(line["step"])):
                    lines.append(line)
        return lines

    def extend(self, line: Mapping[str, str | int | float]) -> None:
        """Raises OSError where it cannot be written."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(line)) + "\n")

    def cut(self, step: int) -> None:
        """Leave the lines up to a step: what came after the saved state is done again.

        Raises OSError where it cannot be written.
        """
        if self.path.exists():
            kept = [line for line in self.lines() if line["step"] <= step]
            self.path.write_text("".join(json.dumps(line) + "\n" for line in kept))


def curve(out: Path) -> StepLog:
    """Losses by name, with `minutes`, of the training of `out`."""
    return StepLog(out.with_suffix(".curve.jsonl"))


def validations(out: Path) -> StepLog:
    """Rows of engine.prior.validation of the training of `out`."""
    return StepLog(out.with_suffix(".validation.jsonl"))


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turn a failure to write into one sentence that says what to do."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise InputError(
            f"Cannot write {out.name} and what belongs to it into {out.parent}",
            received=error.strerror or str(error),
            advice="What was saved before is kept: mend that and run the same again.",
        ) from error


def _state_file(out: Path) -> Path:
    return out.with_suffix(".training.pt")
