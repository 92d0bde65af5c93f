"""The bundled sample: a man who reaches, a woman seen from behind, a bystander far left."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.perception import PerceptionRequest, perceive
from engine.perception.runtime import PoseModels
from engine.structures import Observations, PerceptionProgress, VideoInfo
from engine.video import VideoReader
from engine.weights import WEIGHTS_DIR

SAMPLE = WEIGHTS_DIR / "sample" / "reach.mp4"


@pytest.fixture(scope="session")
def models() -> PoseModels:
    return PoseModels()


@pytest.fixture(scope="session")
def sample_frames() -> dict[int, np.ndarray]:
    with VideoReader(SAMPLE) as reader:
        return {index: reader.frame(index) for index in (0, 10, 20, 30, 50)}


def write_folder(folder: Path, images: list[np.ndarray]) -> Path:
    """RGB images as a folder that is read as a video."""
    folder.mkdir(exist_ok=True)
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / f"{number}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return folder


def run(video: VideoInfo, **request) -> tuple[Observations, list[PerceptionProgress]]:
    """Perceive a video; `request` are fields of PerceptionRequest."""
    steps = perceive(video, PerceptionRequest(**request))
    progress = []
    while True:
        try:
            progress.append(next(steps))
        except StopIteration as stop:
            return stop.value, progress
