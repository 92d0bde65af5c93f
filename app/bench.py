"""`python3 main.py bench WHAT`: each benchmark prints what it measured on this machine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from engine.errors import InputError


def bench_body(quick: bool) -> None:
    """Skinning beside smplx, forward and backward."""
    from engine.body.benchmark import FRAMES, bench_body

    print(f"{FRAMES} frames, forward + backward, gradients to betas, pose and translation")
    print("vertices   smplx ms   dyad ms   ratio   with posedirs   largest difference")
    for row in bench_body(quick):
        print(
            f"{row['vertices']:>8.0f} {row['smplx_ms']:>10.1f} {row['dyad_ms']:>9.1f} "
            f"{row['ratio']:>7.2f} {row['ratio_posedirs']:>15.2f} {row['max_diff_m']:>18.1e} m"
        )


def bench_fit(quick: bool) -> None:
    """Detection and fit of the bundled sample, one thread."""
    from app import cli_progress, worker
    from app.sample import VIDEO
    from engine.structures import FrameRange
    from engine.video import probe

    video = probe(VIDEO)
    span = FrameRange(0, 30) if quick else FrameRange(0, video.frame_count)
    request = {"frames": span} if quick else {}
    began = time.perf_counter()
    observations = cli_progress.run(worker.perceive(video, request))
    detected = time.perf_counter()
    result = cli_progress.run(worker.fit({"observations": observations}, {}))
    fitted = time.perf_counter()
    print(f"detection: {(detected - began) / len(span):.3f} s a frame, both people")
    print(f"fit:       {(fitted - detected) / video.frame_count:.3f} s a frame, both people")
    print(f"outcome:   {result.outcome.value}")


def bench_desk(quick: bool) -> None:
    """Playback in the window: distinct frames per second with two 7k bodies in both views."""
    from app.benchmark import bench_desk

    print("view                    fps   p95 ms   p99 ms   distinct frames")
    for row in bench_desk(quick):
        print(
            f"{row['view']:<20} {row['fps']:>6.1f} {row['p95_ms']:>8.1f} {row['p99_ms']:>8.1f} "
            f"{row['distinct_frames']:>17}"
        )


def bench_scrub(quick: bool) -> None:
    """Random frames of a 1080p clip in the window, from request to screen."""
    from app.scrub_benchmark import KEY_FRAME_EVERY, bench_scrub

    print(f"1080p, a key frame every {KEY_FRAME_EVERY}, two 7k bodies in both views")
    print("source   median ms   p95 ms   CPU ms   right")
    for row in (rows := bench_scrub(quick)):
        print(
            f"{row['source']:<8} {row['median_ms']:>9.1f} {row['p95_ms']:>8.1f} "
            f"{row['cpu_ms']:>8.1f} {row['right']:>7.0%}"
        )
    filled = rows[-1]
    print(
        f"filling the cache: {filled['frames']} frames in {filled['filled_s']} CPU seconds, "
        f"{filled['megabytes']} MB"
    )


def bench_perception(
    quick: bool,
    json_file: Path | None = None,
    clips: Path | None = None,
    sheets: Path | None = None,
) -> None:
    """2D perception beside plainer ways, on clips whose truth is known."""
    from app import perception_benchmark as benchmark
    from app.perception_sheets import write_sheet

    suites = {benchmark.REAL: benchmark.real_clips()}
    if clips is not None:
        suites[benchmark.RENDERED] = benchmark.rendered_clips(clips)
    ways = benchmark.methods()

    def seen(look: benchmark.Look) -> None:
        if sheets is not None:
            write_sheet(sheets, look)

    results: list[benchmark.Result] = []
    for result in benchmark.run_suites(suites, ways, quick, seen):
        results.append(result)
        if len(results) % len(ways) == 0:
            print("\n".join(benchmark.table(results[-len(ways) :])), flush=True)
    print("\n".join(benchmark.truth_lines()))
    if json_file is not None:
        write_text(json_file, json.dumps(benchmark.as_json(results), indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Raises InputError where the file cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"Cannot write {path}", received=error.strerror or str(error)) from error


BENCHES: Mapping[str, Callable[[bool], None]] = MappingProxyType(
    {
        "body": bench_body,
        "fit": bench_fit,
        "desk": bench_desk,
        "scrub": bench_scrub,
        "perception": bench_perception,
    }
)
