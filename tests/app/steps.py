"""Small tasks for the worker process in tests; the worker imports them by name."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import CannotFitError
from engine.structures import (
    BodyMotion,
    FitProgress,
    FitResult,
    FrameRange,
    Observations,
    PerceptionProgress,
    VideoInfo,
)
from tests.annotations.builders import make_fit, make_observations


def count(stop: int, pause: float = 0.0) -> Generator[int, None, int]:
    """Yield 0..stop-1, return the sum."""
    for number in range(stop):
        time.sleep(pause)
        yield number
    return stop * (stop - 1) // 2


def count_and_tidy(stop: int, tidied: Path) -> Generator[int, None, int]:
    """As `count`, and leaves a file behind when it is closed or ends."""
    try:
        return (yield from count(stop, 0.01))
    finally:
        tidied.touch()


def stuck() -> Generator[int, None, None]:
    """Never reaches a second step."""
    yield 0
    time.sleep(600)


def raise_expected() -> Generator[int, None, None]:
    yield 0
    raise CannotFitError("Only one person is in view", advice="Draw a box around the other.")


def raise_unexpected() -> Generator[int, None, None]:
    yield 0
    raise ZeroDivisionError("a bug")


def return_lambda() -> Generator[int, None, object]:
    yield 0
    return lambda: None


def pid() -> Generator[int, None, tuple[int, int]]:
    """Process id and niceness."""
    yield 0
    return os.getpid(), os.nice(0)


def perceive(
    video: VideoInfo, request: Mapping[str, Any], scratch: Path | None = None
) -> Generator[Any, None, Observations]:
    """Finds two people without looking, in the time that looking would take on a fast machine."""
    found = make_observations(video)
    for step in range(4):
        time.sleep(0.02)
        yield PerceptionProgress("keypoints", step / 4, 0.1, found)
    return found


def slow_perceive(
    video: VideoInfo, request: Mapping[str, Any], scratch: Path | None = None
) -> Generator[Any, None, Observations]:
    """As `perceive`, and takes its time."""
    found = make_observations(video)
    for step in range(400):
        yield PerceptionProgress("keypoints", step / 400, 1.0, found)
        time.sleep(0.05)
    return found


def perceive_nobody(
    video: VideoInfo, request: Mapping[str, Any], scratch: Path | None = None
) -> Generator[Any, None, Observations]:
    """Looks, and finds only one person."""
    yield PerceptionProgress("detecting", 0.5, 0.1)
    raise CannotFitError("Only one person is in view", advice="Import a video of two people.")


def fit(problem: Mapping[str, Any], config: Mapping[str, Any]) -> Generator[Any, None, FitResult]:
    """New bodies in the asked frames, the old ones elsewhere, with previews on the way."""
    observations, frames = problem["observations"], problem["frames"]
    video = video_of(observations)
    result = make_fit(video, seed=7 if problem["warm_start"] is not None else 3)
    if problem["warm_start"] is not None and frames is not None:
        result = replace(result, motion=_inside(problem["warm_start"], result.motion, frames))
    for step in range(6):
        time.sleep(0.02)
        costs = {"reprojection": 1.0 / (step + 1)}
        yield FitProgress("joint", step / 6, 0.1, costs, result.motion, result.camera)
    return result


def slow_fit(
    problem: Mapping[str, Any], config: Mapping[str, Any]
) -> Generator[Any, None, FitResult]:
    """As `fit`, and takes its time after the first preview."""
    result = make_fit(video_of(problem["observations"]), seed=3)
    for step in range(400):
        yield FitProgress("joint", step / 400, 1.0, {}, result.motion, result.camera)
        time.sleep(0.05)
    return result


def video_of(observations: Observations) -> VideoInfo:
    width, height = observations.image_size
    return VideoInfo("/videos/of-observations.mp4", width, height, observations.times, "0" * 64)


def _inside(old: BodyMotion, new: BodyMotion, frames: FrameRange) -> BodyMotion:
    def mixed(name: str) -> Any:
        value = getattr(old, name).copy()
        value[:, frames.as_slice()] = getattr(new, name)[:, frames.as_slice()]
        return value

    names = ("global_orient", "body_pose", "transl", "valid", "provenance")
    return replace(old, **{name: mixed(name) for name in names})
