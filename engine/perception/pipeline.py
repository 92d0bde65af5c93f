"""Perception from a video to observations: search, detect, track, estimate, clean up."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from engine.body.joints import HALPE26
from engine.errors import InputError
from engine.perception.detection import (
    NOBODY,
    Detections,
    box_heights,
    look,
    merge,
    pad_box,
    search,
    union,
    with_drawn_box,
)
from engine.perception.estimation import Following, Person, Sighting, estimate
from engine.perception.keypoints import drop_outliers, untangle_sides
from engine.perception.request import PerceptionRequest
from engine.perception.runtime import PoseModels
from engine.perception.segmentation import encode_window
from engine.perception.tracking import Tracks, assign
from engine.structures import (
    FrameRange,
    Observations,
    PerceptionProgress,
    RunLengthMask,
    VideoInfo,
)
from engine.video import VideoReader

SEARCH_SECONDS = 0.5
"""The whole frame is searched this often; between, only where people were."""
PATIENCE_SECONDS = 1.0
"""How long a person is followed without being detected."""
PROGRESS_SECONDS = 0.25
_SHARES = {"searching": 0.06, "detecting": 0.3, "estimating": 0.64}
"""Share of the whole time that each stage takes."""

Progress = Generator[PerceptionProgress, None, None]


def run(
    video: VideoInfo, request: PerceptionRequest
) -> Generator[PerceptionProgress, None, Observations]:
    """See `engine.perception.perceive`."""
    frames = _checked(video, request)
    clock = _Clock()
    yield clock.report("searching", 0.0)
    with VideoReader(video) as reader:
        models = PoseModels()
        detections: list[Detections] = []
        yield from _detect(models, reader, frames, request, detections, clock)
        drawn = {
            (e.person, e.frame - frames.start): e.box
            for e in request.box_edits
            if e.person is not None and e.frame in frames
        }
        tracks = assign(detections, video.fps, request.person_count, drawn)
        result = _Result.empty(video, request.person_count)
        yield from _estimate(models, reader, frames, detections, tracks, result, clock)
    _clean(result, request)
    yield clock.report("done", 1.0)
    return result.observations()


def _checked(video: VideoInfo, request: PerceptionRequest) -> FrameRange:
    frames = FrameRange(0, video.frame_count) if request.frames is None else request.frames
    if not (0 <= frames.start < frames.stop <= video.frame_count):
        raise InputError(
            "The frames to look at are not in the video",
            expected=f"a range within 0..{video.frame_count}",
            received=f"{frames.start}..{frames.stop}",
        )
    for edit in request.box_edits:
        if edit.person is not None and not 0 <= edit.person < request.person_count:
            raise InputError(
                "A box was drawn for a person whom the clip does not have",
                expected=f"a person below {request.person_count}",
                received=f"person {edit.person}",
            )
    for joint in request.keypoint_edits:
        known = 0 <= joint.person < request.person_count and 0 <= joint.keypoint < len(HALPE26)
        if not (known and 0 <= joint.frame < video.frame_count):
            raise InputError(
                "An edited joint is not one of the clip's",
                expected=f"a person below {request.person_count}, a frame below "
                f"{video.frame_count} and a joint below {len(HALPE26)}",
                received=f"person {joint.person}, frame {joint.frame}, joint {joint.keypoint}",
            )
    return frames


class _Clock:
    """Progress of the whole job, at most a few reports a second."""

    def __init__(self) -> None:
        self._start = self._last = time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self._last >= PROGRESS_SECONDS

    def report(
        self, stage: str, done: float, observations: Observations | None = None
    ) -> PerceptionProgress:
        self._last = time.monotonic()
        names = list(_SHARES)
        fraction = 1.0
        if stage in _SHARES:
            before = sum(_SHARES[name] for name in names[: names.index(stage)])
            fraction = before + _SHARES[stage] * done
        elapsed = self._last - self._start
        remaining = elapsed / fraction * (1 - fraction) if fraction > 0.02 else None
        return PerceptionProgress(stage, fraction, remaining, observations)


def _detect(
    models: PoseModels,
    reader: VideoReader,
    frames: FrameRange,
    request: PerceptionRequest,
    detections: list[Detections],
    clock: _Clock,
) -> Progress:
    """Append the people of every frame to `detections`."""
    every = max(1, round(SEARCH_SECONDS * reader.info.fps))
    keys = sorted({*range(frames.start, frames.stop, every), frames.stop - 1})
    found: list[Detections] = []
    for count, key in enumerate(keys):
        found.append(search(models, reader.frame(key)))
        if clock.due():
            yield clock.report("searching", (count + 1) / len(keys))
    tall = _prominent_height(found)
    for frame, image in reader.frames(frames):
        slot = min((frame - frames.start) // every, len(keys) - 1)
        if frame == keys[slot]:
            people = found[slot]
        else:
            near = found[slot : slot + 2] + detections[-1:]
            people = _detect_near(models, image, near, tall)
        for edit in request.box_edits:
            if edit.frame == frame and edit.person is not None:
                people = with_drawn_box(models, image, people, np.asarray(edit.box, np.float64))
        detections.append(people)
        if clock.due():
            yield clock.report("detecting", len(detections) / len(frames))


def _prominent_height(found: Sequence[Detections]) -> float:
    """Above which height people count as prominent: half of the tallest."""
    heights = [float(box_heights(d.boxes).max()) for d in found if len(d)]
    return 0.5 * max(heights, default=0.0)


def _detect_near(
    models: PoseModels, image: np.ndarray, near: Sequence[Detections], tall: float
) -> Detections:
    """Look where prominent people were a moment ago and will be in a moment."""
    boxes = np.concatenate([d.boxes for d in near])
    boxes = boxes[box_heights(boxes) > tall] if len(boxes) else boxes
    if not len(boxes):
        return NOBODY
    height = float(np.median(box_heights(boxes)))
    return merge(image, look(models, image, pad_box(union(boxes), 0.25), height))


def _estimate(
    models: PoseModels,
    reader: VideoReader,
    frames: FrameRange,
    detections: Sequence[Detections],
    tracks: Tracks,
    result: _Result,
    clock: _Clock,
) -> Progress:
    """Fill `result` forward, then go back over gaps before somebody was found."""
    patience = round(PATIENCE_SECONDS * reader.info.fps)
    followed: list[Following | None] = [None] * len(tracks.colors)
    for count, (frame, image) in enumerate(reader.frames(frames)):
        seen = _sightings(detections[count], tracks, count)
        people = estimate(models, image, seen, followed, patience)
        followed = [p.following if p else None for p in people]
        result.put(frame, people)
        if clock.due():
            yield clock.report("estimating", (count + 1) / len(frames), result.observations(False))
    for frame in _before_found(result, frames, patience):
        count = frame - frames.start
        seen = _sightings(detections[count], tracks, count)
        followed = [result.following[p].get(frame + 1) for p in range(len(tracks.colors))]
        result.put_missing(frame, estimate(models, reader.frame(frame), seen, followed, patience))
        if clock.due():
            yield clock.report("estimating", 1.0, result.observations(False))


def _sightings(found: Detections, tracks: Tracks, count: int) -> list[Sighting]:
    return [
        Sighting(colors, found.boxes[d], found.variants[d]) if d >= 0 else Sighting(colors)
        for d, colors in zip(tracks.detections[:, count].tolist(), tracks.colors, strict=True)
    ]


def _before_found(result: _Result, frames: FrameRange, patience: int) -> Iterator[int]:
    """Frames, last first, in which somebody is missing who is there in the next frame."""
    for frame in range(frames.stop - 2, frames.start - 1, -1):
        for following in result.following:
            after = following.get(frame + 1)
            if frame not in following and after is not None and after.missed < patience:
                yield frame
                break


@dataclass
class _Result:
    """Observations under construction."""

    video: VideoInfo
    keypoints: Float[np.ndarray, "P F 26 3"]
    boxes: Float[np.ndarray, "P F 4"]
    masks: list[list[RunLengthMask | None]]
    following: list[dict[int, Following]] = field(default_factory=list)

    @classmethod
    def empty(cls, video: VideoInfo, persons: int) -> _Result:
        count = video.frame_count
        keypoints = np.full((persons, count, len(HALPE26), 3), np.nan)
        keypoints[..., 2] = 0.0
        boxes = np.full((persons, count, 4), np.nan)
        masks: list[list[RunLengthMask | None]] = [[None] * count for _ in range(persons)]
        return cls(video, keypoints, boxes, masks, [{} for _ in range(persons)])

    def put(self, frame: int, people: Sequence[Person | None]) -> None:
        for index, person in enumerate(people):
            if person is not None:
                self._put(index, frame, person)

    def put_missing(self, frame: int, people: Sequence[Person | None]) -> None:
        for index, person in enumerate(people):
            if person is not None and frame not in self.following[index]:
                self._put(index, frame, person)

    def _put(self, index: int, frame: int, person: Person) -> None:
        self.keypoints[index, frame] = person.keypoints
        self.boxes[index, frame] = person.box
        self.masks[index][frame] = encode_window(
            person.mask, person.mask_origin, self.video.image_size
        )
        self.following[index][frame] = person.following

    def observations(self, masks: bool = True) -> Observations:
        """A copy of what is known; without masks it is light enough to show while it grows."""
        return Observations(
            keypoints2d=self.keypoints[..., :2].copy(),
            confidence=self.keypoints[..., 2].copy(),
            layout="halpe26",
            boxes=self.boxes.copy(),
            times=self.video.times,
            image_size=self.video.image_size,
            masks=tuple(tuple(row) for row in self.masks) if masks else None,
        )


def _clean(result: _Result, request: PerceptionRequest) -> None:
    """Left and right made continuous, leaps dropped, and what people said put in last."""
    for person, points in enumerate(result.keypoints):
        boxes = result.boxes[person]
        sizes = np.nan_to_num(box_heights(boxes), nan=1.0)
        result.keypoints[person] = drop_outliers(untangle_sides(points, sizes), sizes)
    for drawn in request.box_edits:
        asked = request.frames is None or drawn.frame in request.frames
        if asked and drawn.kind == "person" and drawn.person is not None:
            result.boxes[drawn.person, drawn.frame] = drawn.box
    for edit in request.keypoint_edits:
        confidence = 1.0 if edit.visible else 0.0
        result.keypoints[edit.person, edit.frame, edit.keypoint] = (edit.x, edit.y, confidence)
