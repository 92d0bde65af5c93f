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
_TRUE, _HIDDEN, _TEXT = (90, 220, 90), (150, 150, 150), (255, 255, 255)
_PEOPLE = ((255, 140, 0), (60, 160, 255), (220, 80, 220))
_SURE = 0.3
_ROOM = 0.1
"""Around the people, as a share of the longer side."""

Picture = UInt8[np.ndarray, "H W 3"]


def write_sheet(folder: Path, look: Look) -> Path:
    """Pictures of one clip, evenly spaced: the truth in green (joints nobody can see in grey), the
    observed people in a colour each, joints of little confidence as rings."""
    first, last = look.frames.start, look.frames.stop - 1
    frames = np.unique(np.linspace(first, last, COLUMNS * ROWS).round().astype(int)).tolist()
    pictures = []
    x0, y0, x1, y1 = _window(look)
    with VideoReader(look.clip.video) as reader:
        for frame in frames:
            image = np.ascontiguousarray(reader.frame(frame)).copy()
            _draw(image, look, frame - first)
            scale = HEIGHT / (y1 - y0)
            size = (max(1, round((x1 - x0) * scale)), HEIGHT)
            small = cv2.resize(image[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
            cv2.putText(small, str(frame), (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, _TEXT, 2)
            pictures.append(np.asarray(small))
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


def _window(look: Look) -> tuple[int, int, int, int]:
    """The part of the picture in which the true people are, x0, y0, x1, y1; all of it if none."""
    width, height = look.truth.image_size
    boxes = look.truth.boxes[np.isfinite(look.truth.boxes).all(axis=-1)]
    if not len(boxes):
        return 0, 0, width, height
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    room = _ROOM * float((high - low).max())
    x0, y0 = np.clip(low - room, 0, (width - 2, height - 2)).astype(int).tolist()
    x1, y1 = np.clip(high + room, (x0 + 2, y0 + 2), (width, height)).astype(int).tolist()
    return x0, y0, x1, y1


def _draw(image: Picture, look: Look, frame: int) -> None:
    """Onto the picture; `frame` counts from the first frame looked at."""
    thick = max(1, round(image.shape[0] / 700))
    truth = look.truth
    for person in range(truth.person_count):
        points = truth.keypoints2d[person, frame, :17]
        hidden = truth.visibility[person, frame, :17] != Visibility.VISIBLE
        _bones(image, points, _TRUE, thick)
        _joints(image, points[hidden & truth.scored[person, frame, :17]], _HIDDEN, 3 * thick)
    observed = look.observations
    for person in range(observed.person_count):
        color = _PEOPLE[person % len(_PEOPLE)]
        points = observed.keypoints2d[person, frame, :17]
        sure = observed.confidence[person, frame, :17] >= _SURE
        _bones(image, points, color, thick)
        _joints(image, points[sure], color, 3 * thick)
        _joints(image, points[~sure], color, 3 * thick, ring=thick)


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
