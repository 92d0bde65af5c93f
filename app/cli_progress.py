"""Runs long work on the command line and shows the generator's progress.

On a terminal that is one line of stderr, gone afterwards. Elsewhere it goes to stdout, so that
stderr holds nothing but the sentence of a failure.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from typing import Any, TextIO, TypeVar

Result = TypeVar("Result")
INTERVAL = 0.1
"""Seconds between two updates of the line."""


def run(work: Generator[Any, None, Result], stream: TextIO | None = None) -> Result:
    """Iterate work that yields FitProgress or PerceptionProgress; return what it returns.

    On a terminal one line is kept up to date; elsewhere each stage is said once.
    """
    shown = _Line(stream or (sys.stderr if sys.stderr.isatty() else sys.stdout))
    try:
        while True:
            shown.update(next(work))
    except StopIteration as stop:
        return stop.value
    finally:
        work.close()
        shown.end()


class _Line:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._last = 0.0
        self._stage = ""

    def update(self, progress: Any) -> None:
        if not self._is_terminal:
            if progress.stage != self._stage:
                self._stream.write(f"{progress.stage}\n")
                self._stream.flush()
            self._stage = progress.stage
            return
        now = time.monotonic()
        if now - self._last >= INTERVAL:
            self._last = now
            left = progress.remaining_seconds
            rest = "" if left is None else f", {left:.0f} s left"
            self._stream.write(f"\r\x1b[K{progress.stage}: {100 * progress.fraction:.0f} %{rest}")
            self._stream.flush()

    def end(self) -> None:
        if self._is_terminal and self._last:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
