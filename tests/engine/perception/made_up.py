"""Made-up people, detections and witnesses, so that it is known who is who and what is right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.body.joints import COCO17
from engine.perception.detection import NOBODY, Detections, keypoint_box
from engine.perception.looks import SoftMask, Source, Witnesses

RED, BLUE, GREEN = (130.0, 190.0, 170.0), (80.0, 140.0, 70.0), (150.0, 70.0, 180.0)
SHAPE = np.random.default_rng(3).uniform(-1, 1, (17, 2)) * (60, 200)
SIZE = 400.0
"""Pixels that a standing person is tall."""
LOOKS = (Source.BLAZEPOSE, Source.THUNDER, Source.THUNDER, Source.MULTIPOSE, Source.MULTIPOSE)


def person(x: float, color=RED, height: float = 400.0, seed: int = 0) -> tuple:
    """(keypoints, colours) of somebody at x."""
    jitter = np.random.default_rng(seed).normal(0, 2, (17, 2))
    points = np.column_stack([SHAPE * height / 400 + (x, 300) + jitter, np.full(17, 0.8)])
    return points, np.column_stack([np.tile(color, (10, 1)), np.full(10, 0.8)])


def seen(*people: tuple) -> Detections:
    if not people:
        return NOBODY
    points = np.stack([p for p, _ in people])
    return Detections(
        keypoints=points,
        boxes=np.stack([keypoint_box(p) for p in points]),
        scores=np.full(len(people), 0.9),
        colors=np.stack([c for _, c in people]),
        variants=tuple(p[None] for p in points),
    )


def standing(x: float = 300.0) -> np.ndarray:
    """A person of 400 px who faces the camera: x, y, confidence of COCO-17."""
    left = {
        "eye": (8, -170), "ear": (15, -165), "shoulder": (45, -110), "elbow": (60, -50),
        "wrist": (65, 5), "hip": (25, 0), "knee": (28, 95), "ankle": (30, 185),
    }  # fmt: skip
    points = np.zeros((17, 3))
    for index, name in enumerate(COCO17):
        side, _, joint = name.partition("_")
        dx, dy = (0, -160) if name == "nose" else left[joint]
        points[index] = (x + (dx if side != "right" else -dx), 300 + dy, 0.9)
    return points


def walking(frames: int, start: float = 200.0, speed: float = 3.0) -> np.ndarray:
    """(F, 17, 3): a person who goes to the right, `speed` pixels a frame."""
    return np.stack([standing(start + speed * f) for f in range(frames)])


def witnesses(
    truth: np.ndarray,
    seed: int = 0,
    noise: float = 2.0,
    sources: Sequence[Source] = LOOKS,
    color=RED,
    mask: SoftMask | None = None,
) -> Witnesses:
    """What good witnesses say of a person (17, 3) who is detected."""
    rng = np.random.default_rng(seed)
    points = np.tile(truth, (len(sources), 1, 1))
    points[..., :2] += rng.normal(0, noise, points[..., :2].shape)
    blaze = sum(s in (Source.BLAZEPOSE, Source.CROWDED_BLAZEPOSE) for s in sources)
    colors = np.column_stack([np.tile(color, (10, 1)), np.full(10, 0.8)])
    return Witnesses(
        box=keypoint_box(truth),
        detected=True,
        points=points,
        sources=tuple(sources),
        presence=np.ones(blaze),
        landmarks=np.zeros((blaze, 33, 3)),
        colors=np.tile(colors, (len(sources), 1, 1)),
        mask=mask,
    )


def heard(truth: np.ndarray, seed: int = 0, **of_each) -> list[Witnesses | None]:
    """Good witnesses of every frame of a motion (F, 17, 3)."""
    return [witnesses(points, seed + 1000 * f, **of_each) for f, points in enumerate(truth)]
