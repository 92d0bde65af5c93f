"""Two people who meet, and one who walks by, as other tools would write them.

The numbers are made up; keys, nesting and number formats are those of the tools.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from engine.body.joints import HALPE26
from engine.structures import VideoInfo

FRAMES = 12
SIZE = (320, 240)
BODY = {
    "nose": (0, -0.86), "left_eye": (0.03, -0.89), "right_eye": (-0.03, -0.89),
    "left_ear": (0.06, -0.87), "right_ear": (-0.06, -0.87), "left_shoulder": (0.13, -0.72),
    "right_shoulder": (-0.13, -0.72), "left_elbow": (0.18, -0.55), "right_elbow": (-0.18, -0.55),
    "left_wrist": (0.2, -0.4), "right_wrist": (-0.2, -0.4), "left_hip": (0.08, -0.42),
    "right_hip": (-0.08, -0.42), "left_knee": (0.09, -0.22), "right_knee": (-0.09, -0.22),
    "left_ankle": (0.09, -0.04), "right_ankle": (-0.09, -0.04), "head": (0, -1.0),
    "neck": (0, -0.75), "hip": (0, -0.42), "left_big_toe": (0.12, 0.0),
    "right_big_toe": (-0.12, 0.0), "left_small_toe": (0.14, 0.0), "right_small_toe": (-0.14, 0.0),
    "left_heel": (0.08, -0.01), "right_heel": (-0.08, -0.01),
}  # fmt: skip
"""Offsets from the feet in body heights."""
HEIGHTS = (150.0, 140.0, 70.0)
"""Pixels; the third person is far away."""


def make_video(frames: int = FRAMES, path: str = "/videos/meeting.mp4") -> VideoInfo:
    return VideoInfo(path, *SIZE, np.arange(frames) / 30, "5" * 64)


def feet(person: int, frame: int) -> tuple[float, float]:
    """Where a person stands: the first comes from the left, the second from the right."""
    share = frame / (FRAMES - 1)
    if person == 0:
        return 60.0 + 70.0 * share, 210.0
    if person == 1:
        return 250.0 - 70.0 * share, 205.0
    return 20.0 + 10.0 * share, 120.0


def is_seen(person: int, frame: int) -> bool:
    """The passer-by is seen in the first eight frames; the second person is lost once."""
    if person == 2:
        return frame < 8
    return not (person == 1 and frame == 5)


def joint(person: int, frame: int, name: str) -> tuple[float, float]:
    x, y = feet(person, frame)
    dx, dy = BODY[name]
    return round(x + dx * HEIGHTS[person], 3), round(y + dy * HEIGHTS[person], 3)


def confidence(person: int, name: str) -> float:
    """Distinct, and none for the second person's right heel, which is never found."""
    if person == 1 and name == "right_heel":
        return 0.0
    return round(0.95 - 0.02 * HALPE26.index(name) - 0.1 * person, 4)


def triples(person: int, frame: int, names: Any) -> list[float]:
    """x, y, confidence of each name; zeros for None and for what was not found."""
    flat: list[float] = []
    for name in names:
        sure = 0.0 if name is None else confidence(person, name)
        flat += [*joint(person, frame, name), sure] if sure else [0.0, 0.0, 0.0]
    return flat


def box(person: int, frame: int) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1."""
    x, y = feet(person, frame)
    height = HEIGHTS[person]
    return x - 0.25 * height, y - 1.05 * height, x + 0.25 * height, y + 0.05 * height


def xywh(person: int, frame: int) -> list[float]:
    x0, y0, x1, y1 = box(person, frame)
    return [round(x0, 2), round(y0, 2), round(x1 - x0, 2), round(y1 - y0, 2)]


def seen(people: int = 3, frames: int = FRAMES) -> Iterator[tuple[int, int]]:
    """(frame, person), frame by frame."""
    for frame in range(frames):
        for person in range(people):
            if is_seen(person, frame):
                yield frame, person


def mask(person: int, frame: int) -> np.ndarray:
    """An ellipse in the box, (height, width)."""
    x0, y0, x1, y1 = box(person, frame)
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    across = (columns - (x0 + x1) / 2) / (x1 - x0) * 2
    along = (rows - (y0 + y1) / 2) / (y1 - y0) * 2
    return across**2 + along**2 < 1
