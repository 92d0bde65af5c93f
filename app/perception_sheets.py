"""Contact sheets of perception beside the truth, to look at."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from app.perception_benchmark import Look
from engine.body.joints import COCO17_BONES
from engine.errors import InputError
from engine.perception.truth import Visibility
from engine.video import VideoReader

COLUMNS, ROWS = 4, 2
HEIGHT = 540
"""Pixels of each picture."""
_TRUE, _HIDDEN = (90, 220, 90), (150, 150, 150)
_PEOPLE = ((255, 140, 0), (60, 160, 255), (220, 80, 220))
_SURE = 0.3

Picture = UInt8[np.ndarray, "H W 3"]


def write_sheet(folder: Path, look: Look) -> Path:
    """Pictures of one clip, evenly spaced: the truth in green (joints nobody can see in grey), the
    observed people in a colour each, joints of little confidence as rings."""
    first, last = look.frames.start, look.frames.stop - 1
    frames = np.unique(np.linspace(first, last, COLUMNS * ROWS).round().astype(int)).tolist()
    pictures = []
    with VideoReader(look.clip.video) as reader:
        for frame in frames:
            image = np.ascontiguousarray(reader.frame(frame)).copy()
            pictures.append(_picture(image, look, frame - look.frames.start))
    blank = np.zeros_like(pictures[0])
    pictures += [blank] * (-len(pictures) % COLUMNS)
    rows = [np.hstack(pictures[i : i + COLUMNS]) for i in range(0, len(pictures), COLUMNS)]
    method = look.method.replace(",", "").replace(" ", "-").lower()
    path = folder / f"{look.clip.name}-{method}.jpg"
    folder.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".jpg", np.vstack(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not done:
        raise InputError(f"The picture {path.name} cannot be written")
    path.write_bytes(data.tobytes())
    return path


def _picture(image: Picture, look: Look, frame: int) -> Picture:
    """`frame` counts from the first frame looked at."""
    thick = max(1, round(image.shape[0] / 500))
    truth = look.truth
    for person in range(truth.person_count):
        seen = truth.scored[person, frame, :17]
        _bones(image, truth.keypoints2d[person, frame, :17], _TRUE, thick)
        hidden = seen & (truth.visibility[person, frame, :17] != Visibility.VISIBLE)
        _joints(image, truth.keypoints2d[person, frame, :17][hidden], _HIDDEN, 3 * thick)
    points, confidence = look.observations.keypoints2d, look.observations.confidence
    for person in range(look.observations.person_count):
        color = _PEOPLE[person % len(_PEOPLE)]
        _bones(image, points[person, frame, :17], color, thick)
        sure = confidence[person, frame, :17] >= _SURE
        _joints(image, points[person, frame, :17][sure], color, 3 * thick)
        _joints(image, points[person, frame, :17][~sure], color, 3 * thick, ring=thick)
    scale = HEIGHT / image.shape[0]
    small = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    cv2.putText(
        small,
        str(frame + look.frames.start),
        (6, 22),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.6,
        (255, 255, 255),
        2,
    )
    return small


def _bones(
    image: Picture, points: Float[np.ndarray, "17 2"], color: tuple[int, int, int], thick: int
) -> None:
    for a, b in COCO17_BONES:
        if np.isfinite(points[[a, b]]).all():
            ends = [tuple(int(v) for v in np.clip(points[i], -9999, 9999)) for i in (a, b)]
            cv2.line(image, ends[0], ends[1], color, thick, cv2.LINE_AA)


def _joints(
    image: Picture,
    points: Float[np.ndarray, "N 2"],
    color: tuple[int, int, int],
    radius: int,
    ring: int = -1,
) -> None:
    for point in points[np.isfinite(points).all(axis=-1)]:
        at = tuple(int(v) for v in np.clip(point, -9999, 9999))
        cv2.circle(image, at, radius, color, ring, cv2.LINE_AA)
