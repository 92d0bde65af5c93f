"""2D perception: two people found, followed, and their joints and masks estimated.

Importing this package is cheap; the models and onnxruntime are loaded when `perceive` runs.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from engine.perception.request import PeopleNotFoundError, PerceptionParts, PerceptionRequest
from engine.structures import Observations, PerceptionProgress, VideoInfo

__all__ = ["PeopleNotFoundError", "PerceptionParts", "PerceptionRequest", "perceive"]


def perceive(
    video: VideoInfo, request: PerceptionRequest, scratch: Path | None = None
) -> Generator[PerceptionProgress, None, Observations]:
    """Find the people of a video; yields progress a few times a second, returns Halpe-26.

    The observations cover all frames of the video; frames outside `request.frames`, and frames
    where a person is neither detected nor can be followed, are NaN with confidence 0. Persons are
    numbered from left to right where they are seen best, unless the request's box edits number
    them. Closing the generator frees the video and the models. `scratch` is a folder for work in
    progress: a run that was interrupted is taken up there by the next one that asks the same, and
    leaves nothing behind when it is done. Without it nothing is taken up.

    Raises PeopleNotFoundError where nobody, or not everybody, is found; VideoError where the video
    cannot be read; WeightError where a model is missing.
    """
    from engine.perception.pipeline import run

    return (yield from run(video, request, scratch))
