"""Perception from a video to observations: decode, detect, track, look, decide.

All but the first and the last happen in the pixels of the kept frames (`engine.perception.spool`),
numbered from 0, so that no frame of the video is decoded twice.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from jaxtyping import Float

from engine.body.joints import HALPE26
from engine.errors import InputError
from engine.perception import plugins
from engine.perception.bystanders import (
    Bystanders,
    Row,
    Tracklet,
    bystanders,
    link,
    meant,
    rows_beside,
)
from engine.perception.checkpoint import DETECTIONS, HEARD, Checkpoint, key_of
from engine.perception.decision import boxes_of_people, decide, masks_of_frame, plausible
from engine.perception.detection import Detections, with_drawn_box
from engine.perception.finding import SEARCH_SECONDS, Finder
from engine.perception.gaps import sightings
from engine.perception.keypoints import NO_LOOKS, halpe26
from engine.perception.looks import Witnesses, hear
from engine.perception.mask_order import ordered_masks
from engine.perception.plugins.adapters import detections_of, found_people, people_of_tracks
from engine.perception.request import BUILT_IN, PeopleNotFoundError, PerceptionRequest
from engine.perception.runtime import PoseModels
from engine.perception.shots import ShotWatcher
from engine.perception.spool import FrameSpool
from engine.perception.tracking import Known, Tracks, assign, spoken_for, typical_colors
from engine.structures import (
    Box,
    BoxEdit,
    FrameRange,
    Observations,
    PerceptionProgress,
    RunLengthMask,
    VideoInfo,
)
from engine.video import VideoReader

PROGRESS_SECONDS = 0.25
_INTERRUPTED_KEPT = 2
_STILL = 4
"""A clip of so few frames is a photograph: everybody in it is looked at closely."""
_SHARES = {
    "decoding": 0.08,
    "searching": 0.05,
    "detecting": 0.24,
    "looking": 0.58,
    "deciding": 0.05,
}
"""Share of the whole time that each stage takes."""

Item = TypeVar("Item")
Heard = list[Witnesses | None]


def run(
    video: VideoInfo, request: PerceptionRequest, scratch: Path | None = None
) -> Generator[PerceptionProgress, None, Observations]:
    """See `engine.perception.perceive`."""
    frames = _checked(video, request)
    clock = _Clock()
    yield clock.report("decoding", 0.0)
    with ExitStack() as stack:
        folder = _folder(scratch, video, request, stack)
        whole = any(name != BUILT_IN for name in vars(request.parts).values())
        spool = stack.enter_context(FrameSpool(folder, video.image_size, whole=whole))
        watcher = yield from _decode(video, frames, spool, clock)
        scene = _Scene(video, frames, request, spool, watcher, Checkpoint(folder), PoseModels())
        hearing = yield from _listen(scene, clock)
        found = yield from _decide(scene, hearing, clock)
    if scratch is not None:
        shutil.rmtree(folder, ignore_errors=True)
    yield clock.report("done", 1.0)
    if scene.count <= _STILL:
        return _observations(scene, *found.parted(request.person_count))
    return _observations(scene, found, hearing.others)


@dataclass(frozen=True)
class Hearing:
    """Everything that was said of the people, before anything is decided."""

    heard: Sequence[Heard]
    """heard[f][p], in the pixels of the kept frames."""
    tracks: Tracks
    others: Bystanders


def _listen(scene: _Scene, clock: _Clock) -> Generator[PerceptionProgress, None, Hearing]:
    """Who is where, and what every model says of them."""
    fps = scene.video.fps
    detections, searched = yield from _detect(scene, clock)
    tracklets = link(detections, fps, scene.cuts)
    detections, tracklets = _without_nobody(scene, detections, tracklets)
    tracks = _track(scene, detections, tracklets)
    beside = rows_beside(detections, tracklets, tracks.detections, fps, searched)
    if scene.count <= _STILL:
        tracks = _everybody(tracks, beside, detections)
    yield clock.report("looking", 0.0, _preview(scene, detections, tracks))
    heard = yield from _look(scene, detections, tracks, clock)
    return Hearing(heard, tracks, bystanders(beside, detections, fps, searched))


def listen(video: VideoInfo, request: PerceptionRequest) -> tuple[Hearing, float, frozenset[int]]:
    """What is heard of a video, the scale of the kept frames, and its cuts: for calibration."""
    clock = _Clock()
    with ExitStack() as stack:
        folder = _folder(None, video, request, stack)
        spool = stack.enter_context(FrameSpool(folder, video.image_size))
        frames = _checked(video, request)
        watcher = _last(_decode(video, frames, spool, clock))
        scene = _Scene(video, frames, request, spool, watcher, Checkpoint(folder), PoseModels())
        return _last(_listen(scene, clock)), spool.scale, scene.cuts


def _last(steps: Generator[PerceptionProgress, None, Item]) -> Item:
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return cast(Item, stop.value)


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
    for kind, name in vars(request.parts).items():
        plugins.require(cast(plugins.Kind, kind), name)
    return frames


def _folder(
    scratch: Path | None, video: VideoInfo, request: PerceptionRequest, stack: ExitStack
) -> Path:
    if scratch is not None:
        folder = scratch / key_of(video, request)
        _forget_old(scratch, folder)
        return folder
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dyad-")))


def _forget_old(scratch: Path, current: Path) -> None:
    """Of interrupted runs that nobody took up again, only the newest few are kept."""
    if not scratch.is_dir():
        return
    rest = [f for f in scratch.iterdir() if f.is_dir() and not f.is_symlink() and f != current]
    rest.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in rest[_INTERRUPTED_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


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


@dataclass(frozen=True)
class _Scene:
    """What every stage is given."""

    video: VideoInfo
    frames: FrameRange
    request: PerceptionRequest
    spool: FrameSpool
    watcher: ShotWatcher
    checkpoint: Checkpoint
    models: PoseModels

    @property
    def count(self) -> int:
        return len(self.frames)

    @property
    def cuts(self) -> frozenset[int]:
        """Kept frames that begin another shot."""
        return frozenset(cut - self.frames.start for cut in self.watcher.cuts)

    @property
    def times(self) -> Float[np.ndarray, "F"]:
        return self.video.times[self.frames.as_slice()]

    @property
    def edits(self) -> list[BoxEdit]:
        """What was said of places, in the kept frames and their pixels."""
        return [
            replace(
                edit,
                frame=edit.frame - self.frames.start,
                box=cast(Box, tuple(value * self.spool.scale for value in edit.box)),
            )
            for edit in self.request.box_edits
            if edit.frame in self.frames
        ]

    @property
    def drawn(self) -> dict[tuple[int, int], Box]:
        """(person, frame) -> where a person was said to be."""
        return {(e.person, e.frame): e.box for e in self.edits if e.person is not None}


def _decode(
    video: VideoInfo, frames: FrameRange, spool: FrameSpool, clock: _Clock
) -> Generator[PerceptionProgress, None, ShotWatcher]:
    """Every frame once: kept small, and looked at for cuts and the camera's motion."""
    watcher = ShotWatcher()
    for kept in range(min(len(spool), len(frames))):
        watcher.see(frames.start + kept, spool[kept])
    with VideoReader(video) as reader:
        for frame, image in reader.frames(FrameRange(frames.start + len(spool), frames.stop)):
            spool.append(image)
            watcher.see(frame, spool[len(spool) - 1])  # as a run that goes on will see it
            if clock.due():
                yield clock.report("decoding", len(spool) / len(frames))
    return watcher


def _detect(
    scene: _Scene, clock: _Clock
) -> Generator[PerceptionProgress, None, tuple[list[Detections], frozenset[int]]]:
    """The people of every frame, and the frames that were searched whole or show nothing."""
    if scene.request.parts.detector != BUILT_IN:
        detected = yield from _detect_by_plugin(scene, clock)
        return detected, frozenset(range(scene.count))
    every = max(1, round(SEARCH_SECONDS * scene.video.fps))
    fresh = sorted({0, *scene.cuts, scene.count})
    finder = Finder(scene.models, scene.spool.__getitem__, fresh, every)
    drawn: dict[int, list[Box]] = {}
    for edit in scene.edits:
        if edit.person is not None:
            drawn.setdefault(edit.frame, []).append(edit.box)
    searching = scene.checkpoint.independent_stage(
        "search", DETECTIONS, len(finder.keys), finder.search
    )
    found = yield from _reported(searching, "searching", len(finder.keys), clock)

    def detect(frame: int, before: list[Detections]) -> Detections:
        here = drawn.get(frame, [])
        people = finder.near(frame, found, before, here)
        for box in here:
            people = with_drawn_box(scene.models, scene.spool[frame], people, np.array(box))
        return people

    detecting = scene.checkpoint.stage("detect", DETECTIONS, scene.count, detect)
    detected = yield from _reported(detecting, "detecting", scene.count, clock)
    blank = {frame - scene.frames.start for frame in scene.watcher.black}
    return detected, frozenset(blank.union(finder.keys))


def _detect_by_plugin(
    scene: _Scene, clock: _Clock
) -> Generator[PerceptionProgress, None, list[Detections]]:
    with plugins.load("detector", scene.request.parts.detector) as detector:
        detector.begin(scene.video, scene.frames)

        def detect(frame: int, _: list[Detections]) -> Detections:
            image = scene.spool[frame]
            people = detections_of(image, detector.detect([image])[0])
            for edit in scene.edits:
                if edit.frame == frame and edit.person is not None:
                    people = with_drawn_box(scene.models, image, people, np.array(edit.box))
            return people

        detecting = scene.checkpoint.stage("detect", DETECTIONS, scene.count, detect)
        return (yield from _reported(detecting, "detecting", scene.count, clock))


def _reported(
    steps: Generator[int, None, list[Item]], stage: str, count: int, clock: _Clock
) -> Generator[PerceptionProgress, None, list[Item]]:
    """Run a stage, reporting a few times a second."""
    while True:
        try:
            done = next(steps)
        except StopIteration as stop:
            return cast(list[Item], stop.value)
        if clock.due():
            yield clock.report(stage, done / max(1, count))


def _drawn_people(scene: _Scene, detections: Sequence[Detections]) -> set[tuple[int, int]]:
    """(frame, detection) of whoever was said to be one of the people."""
    chosen = spoken_for(detections, scene.drawn)
    return {(frame, detection) for (_, frame), detection in chosen.items()}


def _without_nobody(
    scene: _Scene, detections: Sequence[Detections], tracklets: list[Tracklet]
) -> tuple[list[Detections], list[Tracklet]]:
    """Without what was said not to be a person."""
    marks = [edit for edit in scene.edits if edit.kind == "not_a_person"]
    nobody = meant(marks, detections, tracklets, _drawn_people(scene, detections))
    if not nobody:
        return list(detections), tracklets
    kept = [
        found.only([d for d in range(len(found)) if (frame, d) not in nobody])
        for frame, found in enumerate(detections)
    ]
    return kept, link(kept, scene.video.fps, scene.cuts)


def _track(
    scene: _Scene, detections: Sequence[Detections], tracklets: Sequence[Tracklet]
) -> Tracks:
    """Who is who."""
    if scene.request.parts.tracker != BUILT_IN:
        return _track_by_plugin(scene, detections)
    marks = [edit for edit in scene.edits if edit.kind == "someone_else"]
    strangers = meant(marks, detections, tracklets, _drawn_people(scene, detections))
    known = Known(scene.drawn, strangers, scene.cuts, tracklets)
    return assign(detections, scene.video.fps, scene.request.person_count, known)


def _track_by_plugin(scene: _Scene, detections: Sequence[Detections]) -> Tracks:
    count = scene.request.person_count
    found = [found_people(people) for people in detections]
    with plugins.load("tracker", scene.request.parts.tracker) as tracker:
        tracker.begin(scene.video, scene.frames)
        rows = people_of_tracks(tracker.track(found, scene.times), found, count)
    if len(rows) < count:
        raise PeopleNotFoundError(
            f"The tracker {scene.request.parts.tracker!r} followed too few people",
            expected=str(count),
            received=str(len(rows)),
        )
    unknown = np.zeros((count, 10, 4))
    return Tracks(rows, typical_colors(detections, rows, unknown))


def _preview(scene: _Scene, detections: Sequence[Detections], tracks: Tracks) -> Observations:
    """The people as the detector sees them, to be shown while they are looked at closely."""
    rows = [
        [[(frame, int(d))] for frame, d in enumerate(row) if d >= 0] for row in tracks.detections
    ]
    seen = bystanders(rows, detections, scene.video.fps, frozenset())
    masks: list[list[RunLengthMask | None]] = [[None] * len(rows)] * scene.count
    return _observations(scene, _Found(seen.keypoints, seen.boxes, masks), None)


def _everybody(tracks: Tracks, beside: Sequence[Row], detections: Sequence[Detections]) -> Tracks:
    """The people of the clip and those beside them: in a photograph all are looked at closely."""
    rows = np.full((len(beside), tracks.detections.shape[1]), -1)
    for row, parts in zip(rows, beside, strict=True):
        for frame, detection in chain.from_iterable(parts):
            row[frame] = detection
    colors = typical_colors(detections, rows, np.zeros((len(beside), 10, 4)))
    return Tracks(
        np.concatenate([tracks.detections, rows]), np.concatenate([tracks.colors, colors])
    )


def _look(
    scene: _Scene, detections: Sequence[Detections], tracks: Tracks, clock: _Clock
) -> Generator[PerceptionProgress, None, list[Heard]]:
    """What every model says of every person in every frame."""
    sought = sightings(tracks, detections, scene.video.fps, scene.cuts)

    def look(frame: int) -> Heard:
        ours = set(tracks.detections[:, frame].tolist())
        people = detections[frame]
        beside = [pose for d, pose in enumerate(people.keypoints) if d not in ours]
        return hear(scene.models, scene.spool[frame], sought[frame], beside)

    looking = scene.checkpoint.independent_stage("look", HEARD, scene.count, look)
    heard = yield from _reported(looking, "looking", scene.count, clock)
    return [plausible(row) for row in heard]


@dataclass(frozen=True)
class _Found:
    """The people of the clip, in the pixels of the kept frames; masks in those of the video."""

    points: Float[np.ndarray, "P F 26 3"]
    boxes: Float[np.ndarray, "P F 4"]
    masks: list[list[RunLengthMask | None]]
    """masks[f][p]."""

    def parted(self, count: int) -> tuple[_Found, Bystanders]:
        """The first `count` people, and the others."""
        people = _Found(
            self.points[:count], self.boxes[:count], [row[:count] for row in self.masks]
        )
        return people, Bystanders(self.points[count:], self.boxes[count:])


def _decide(
    scene: _Scene, hearing: Hearing, clock: _Clock
) -> Generator[PerceptionProgress, None, _Found]:
    """Joints over the whole window, then boxes and masks from them."""
    heard = hearing.heard
    points = decide(heard, scene.times, hearing.tracks.colors, sorted(scene.cuts))
    if scene.request.parts.pose_estimator != BUILT_IN:
        points = yield from _points_by_plugin(scene, heard, clock)
    boxes = boxes_of_people(points, heard)
    if scene.request.parts.segmenter != BUILT_IN:
        masks = yield from _masks_by_plugin(scene, points, boxes, clock)
        return _Found(points, boxes, masks)
    masks = []
    size, scale = scene.video.image_size, scene.spool.scale
    for frame, row in enumerate(heard):
        masks.append(masks_of_frame(row, points[:, frame], scale, size))
        if clock.due():
            yield clock.report("deciding", frame / scene.count)
    return _Found(points, boxes, masks)


def _points_by_plugin(
    scene: _Scene, heard: Sequence[Heard], clock: _Clock
) -> Generator[PerceptionProgress, None, Float[np.ndarray, "P F 26 3"]]:
    points = np.full((len(heard[0]), scene.count, len(HALPE26), 3), np.nan)
    points[..., 2] = 0.0
    with plugins.load("pose_estimator", scene.request.parts.pose_estimator) as estimator:
        estimator.begin(scene.video, scene.frames)
        for frame, row in enumerate(heard):
            there = [(p, w) for p, w in enumerate(row) if w is not None]
            boxes = np.array([w.box for _, w in there]).reshape(-1, 4)
            for (p, w), said in zip(
                there, estimator.estimate(scene.spool[frame], boxes), strict=True
            ):
                whole = estimator.layout == "halpe26"
                points[p, frame] = said if whole else halpe26(said, NO_LOOKS, w.size)
            if clock.due():
                yield clock.report("deciding", frame / scene.count)
    return points


def _masks_by_plugin(
    scene: _Scene,
    points: Float[np.ndarray, "P F 26 3"],
    boxes: Float[np.ndarray, "P F 4"],
    clock: _Clock,
) -> Generator[PerceptionProgress, None, list[list[RunLengthMask | None]]]:
    masks = []
    with plugins.load("segmenter", scene.request.parts.segmenter) as segmenter:
        segmenter.begin(scene.video, scene.frames)
        for frame in range(scene.count):
            drawn = segmenter.segment(scene.spool[frame], boxes[:, frame], points[:, frame])
            masks.append([RunLengthMask.encode(mask) if mask.any() else None for mask in drawn])
            if clock.due():
                yield clock.report("deciding", frame / scene.count)
    return masks


def _observations(
    scene: _Scene,
    found: _Found,
    others: Bystanders | None,
) -> Observations:
    """In the pixels of the video and over all its frames, with what people said put in last."""
    video, part, scale = scene.video, scene.frames.as_slice(), scene.spool.scale
    people, count = len(found.points), video.frame_count
    points = _spread(found.points, count, part, scale)
    boxes = np.full((people, count, 4), np.nan)
    boxes[:, part] = found.boxes / scale
    notes = scene.watcher.notes(
        video.fps, scene.watcher.camera_motion_behind(boxes[:, : scene.frames.stop] * scale)
    )
    masks: list[list[RunLengthMask | None]] = [[None] * count for _ in range(people)]
    for frame, row in enumerate(found.masks):
        for person, mask in enumerate(row):
            masks[person][scene.frames.start + frame] = mask
    _put_in(scene.request, scene.frames, points, boxes, masks)
    found_here = Observations(
        keypoints2d=points[..., :2],
        confidence=points[..., 2],
        layout="halpe26",
        boxes=boxes,
        times=video.times,
        image_size=video.image_size,
        masks=tuple(tuple(row) for row in masks),
        cuts=tuple(scene.watcher.cuts),
        notes=notes,
    )
    base = _with_front_masks(scene, found_here)
    if others is None or not len(others.boxes):
        return base
    told = _spread(others.keypoints, count, part, scale)
    whole = np.full((len(told), count, 4), np.nan)
    whole[:, part] = others.boxes / scale
    beside = replace(
        base,
        keypoints2d=told[..., :2],
        confidence=told[..., 2],
        boxes=whole,
        masks=None,
        cuts=(),
        notes=(),
    )
    return replace(base, others=beside)


def _with_front_masks(scene: _Scene, observations: Observations) -> Observations:
    """Masks divided by whose body is in front, where bodies were fitted; painted ones stay."""
    motion, camera = scene.request.motion, scene.request.camera
    matches = motion is not None and motion.valid.shape == observations.boxes.shape[:2]
    if motion is None or camera is None or not matches:
        return observations
    painted = {edit.frame for edit in scene.request.mask_edits}
    frames = [f for f in range(scene.frames.start, scene.frames.stop) if f not in painted]
    return replace(observations, masks=ordered_masks(observations, motion, camera, frames))


def _spread(
    points: Float[np.ndarray, "P f 26 3"], count: int, part: slice, scale: float
) -> Float[np.ndarray, "P F 26 3"]:
    """Over all frames of the video, in its pixels."""
    whole = np.full((len(points), count, *points.shape[2:]), np.nan)
    whole[..., 2] = 0.0
    whole[:, part] = points / (scale, scale, 1.0)
    return whole


def _put_in(
    request: PerceptionRequest,
    frames: FrameRange,
    points: Float[np.ndarray, "P F 26 3"],
    boxes: Float[np.ndarray, "P F 4"],
    masks: list[list[RunLengthMask | None]],
) -> None:
    """What people said, in place of what was found."""
    for drawn in request.box_edits:
        if drawn.kind == "person" and drawn.person is not None and drawn.frame in frames:
            boxes[drawn.person, drawn.frame] = drawn.box
    for joint in request.keypoint_edits:
        if joint.frame in frames:
            said = (joint.x, joint.y, 1.0 if joint.visible else 0.0)
            points[joint.person, joint.frame, joint.keypoint] = said
    for painted in request.mask_edits:
        if painted.frame in frames:
            masks[painted.person][painted.frame] = painted.mask
