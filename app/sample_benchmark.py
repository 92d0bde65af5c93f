"""How long detecting and fitting the bundled sample take: `python3 main.py bench sample`."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from app import cli_progress, worker
from app.number_rows import Row
from app.sample import VIDEO
from engine.structures import FrameRange
from engine.video import probe

QUICK_FRAMES = 30


def bench_sample(quick: bool = False) -> list[Row]:
    """A row each for detecting and fitting: seconds a frame for all people together.

    `seconds_per_frame` are those of the clock, `cpu_seconds_per_frame` those of all processors.
    Detection looks at the first frames only where it is `quick`; the fit is of the whole clip.
    """
    video = probe(VIDEO)
    count = video.frame_count
    span = FrameRange(0, min(QUICK_FRAMES, count) if quick else count)
    request = {"frames": span} if quick else {}
    observations, detected = _timed("detect", len(span), worker.perceive(video, request))
    result, fitted = _timed("fit", count, worker.fit({"observations": observations}, {}))
    return [detected, {**fitted, "outcome": result.outcome.value}]


def _timed(step: str, frames: int, work: Generator[Any, None, Any]) -> tuple[Any, Row]:
    began, busy = time.perf_counter(), time.process_time()
    done = cli_progress.run(work)
    row: Row = {
        "step": step,
        "frames": frames,
        "seconds_per_frame": (time.perf_counter() - began) / frames,
        "cpu_seconds_per_frame": (time.process_time() - busy) / frames,
    }
    return done, row
