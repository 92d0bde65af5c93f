"""Perception from a video to observations: decode, detect, track, look, decide.

All but the first and the last happen in the pixels of the kept frames (`engine.perception.spool`),
numbered from 0, so that no frame of the video is decoded twice.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import cast

import numpy as np

from engine.perception.assembly import Found, observations_of
from engine.perception.by_plugins import (
    detect_by_plugin,
    masks_by_plugin,
    points_by_plugin,
    track_by_plugin,
)
from engine.perception.bystanders import (
    Bystanders,
    Row,
    Tracklet,
    bystanders,
    link,
    meant,
    rows_beside,
)
from engine.perception.checkpoint import DETECTIONS, HEARD, Checkpoint
from engine.perception.decision import boxes_of_people, decide, masks_of_frame, plausible
from engine.perception.detection import Detections, with_drawn_box
from engine.perception.finding import SEARCH_SECONDS, Finder, prominent_height
from engine.perception.gaps import sightings
from engine.perception.looks import Heard, hear
from engine.perception.request import BUILT_IN, PerceptionRequest
from engine.perception.runtime import PoseModels
from engine.perception.scene import Clock, Item, Scene, checked, folder_of, reported
from engine.perception.shots import ShotWatcher
from engine.perception.spool import FrameSpool
from engine.perception.tracking import Known, Tracks, assign, spoken_for, typical_colors
from engine.structures import (
    FrameRange,
    Observations,
    PerceptionProgress,
    RunLengthMask,
    VideoInfo,
)
from engine.video import VideoReader

_STILL = 4
"""A clip of so few frames is a photograph: everybody in it is looked at closely."""


def run(
    video: VideoInfo, request: PerceptionRequest, scratch: Path | None = None
) -> Generator[PerceptionProgress, None, Observations]:
    """See `engine.perception.perceive`."""
    frames = checked(video, request)
    clock = Clock()
    yield clock.report("decoding", 0.0)
    with ExitStack() as stack:
        folder = folder_of(scratch, video, request, stack)
        whole = any(name != BUILT_IN for name in vars(request.parts).values())
        spool = stack.enter_context(FrameSpool(folder, video.image_size, whole=whole))
        watcher = yield from _decode(video, frames, spool, clock)
        scene = Scene(video, frames, request, spool, watcher, Checkpoint(folder), PoseModels())
        hearing = yield from _listen(scene, clock)
        found = yield from _decide(scene, hearing, clock)
    if scratch is not None:
        shutil.rmtree(folder, ignore_errors=True)
    yield clock.report("done", 1.0)
    if scene.count <= _STILL:
        return observations_of(scene, *found.parted(request.person_count))
    return observations_of(scene, found, hearing.others)


@dataclass(frozen=True)
class Hearing:
    """Everything that was said of the people, before anything is decided."""

    heard: Sequence[Heard]
    """heard[f][p], in the pixels of the kept frames."""
    tracks: Tracks
    others: Bystanders


def _listen(scene: Scene, clock: Clock) -> Generator[PerceptionProgress, None, Hearing]:
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
    clock = Clock()
    with ExitStack() as stack:
        folder = folder_of(None, video, request, stack)
        spool = stack.enter_context(FrameSpool(folder, video.image_size))
        frames = checked(video, request)
        watcher = _last(_decode(video, frames, spool, clock))
        scene = Scene(video, frames, request, spool, watcher, Checkpoint(folder), PoseModels())
        return _last(_listen(scene, clock)), spool.scale, scene.cuts


def _last(steps: Generator[PerceptionProgress, None, Item]) -> Item:
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return cast(Item, stop.value)


def _decode(
    video: VideoInfo, frames: FrameRange, spool: FrameSpool, clock: Clock
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
    scene: Scene, clock: Clock
) -> Generator[PerceptionProgress, None, tuple[list[Detections], frozenset[int]]]:
    """The people of every frame, and the frames that were searched whole or show nothing."""
    if scene.request.parts.detector != BUILT_IN:
        detected = yield from detect_by_plugin(scene, clock)
        return detected, frozenset(range(scene.count))
    every = max(1, round(SEARCH_SECONDS * scene.video.fps))
    fresh = sorted({0, *scene.cuts, scene.count})
    least = scene.request.person_count
    finder = Finder(scene.models, scene.spool.__getitem__, fresh, every, least=least)
    drawn = scene.drawn_in_frames
    searching = scene.checkpoint.independent_stage(
        "search", DETECTIONS, len(finder.keys), finder.search
    )
    found = yield from reported(searching, "searching", len(finder.keys), clock)
    tall = prominent_height(found)

    def detect(frame: int, before: list[Detections]) -> Detections:
        here = drawn.get(frame, [])
        people = finder.near(frame, found, before, tall=tall, drawn=here)
        for box in here:
            people = with_drawn_box(scene.models, scene.spool[frame], people, np.array(box))
        return people

    detecting = scene.checkpoint.stage("detect", DETECTIONS, scene.count, detect)
    detected = yield from reported(detecting, "detecting", scene.count, clock)
    blank = {frame - scene.frames.start for frame in scene.watcher.black}
    return detected, frozenset(blank.union(finder.keys))


def _drawn_people(scene: Scene, detections: Sequence[Detections]) -> set[tuple[int, int]]:
    """(frame, detection) of whoever was said to be one of the people."""
    chosen = spoken_for(detections, scene.drawn)
    return {(frame, detection) for (_, frame), detection in chosen.items()}


def _without_nobody(
    scene: Scene, detections: Sequence[Detections], tracklets: list[Tracklet]
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


def _track(scene: Scene, detections: Sequence[Detections], tracklets: Sequence[Tracklet]) -> Tracks:
    """Who is who."""
    if scene.request.parts.tracker != BUILT_IN:
        return track_by_plugin(scene, detections)
    marks = [edit for edit in scene.edits if edit.kind == "someone_else"]
    strangers = meant(marks, detections, tracklets, _drawn_people(scene, detections))
    known = Known(scene.drawn, strangers, scene.cuts, tracklets)
    return assign(detections, scene.video.fps, scene.request.person_count, known)


def _preview(scene: Scene, detections: Sequence[Detections], tracks: Tracks) -> Observations:
    """The people as the detector sees them, to be shown while they are looked at closely."""
    rows = [
        [[(frame, int(d))] for frame, d in enumerate(row) if d >= 0] for row in tracks.detections
    ]
    seen = bystanders(rows, detections, scene.video.fps, frozenset())
    masks: list[list[RunLengthMask | None]] = [[None] * len(rows)] * scene.count
    return observations_of(scene, Found(seen.keypoints, seen.boxes, masks), None)


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
    scene: Scene, detections: Sequence[Detections], tracks: Tracks, clock: Clock
) -> Generator[PerceptionProgress, None, list[Heard]]:
    """What every model says of every person in every frame."""
    sought = sightings(tracks, detections, scene.video.fps, scene.cuts)

    def look(frame: int) -> Heard:
        ours = set(tracks.detections[:, frame].tolist())
        people = detections[frame]
        beside = [pose for d, pose in enumerate(people.keypoints) if d not in ours]
        return hear(scene.models, scene.spool[frame], sought[frame], beside)

    looking = scene.checkpoint.independent_stage("look", HEARD, scene.count, look)
    heard = yield from reported(looking, "looking", scene.count, clock)
    return [plausible(row) for row in heard]


def _decide(
    scene: Scene, hearing: Hearing, clock: Clock
) -> Generator[PerceptionProgress, None, Found]:
    """Joints over the whole window, then boxes and masks from them."""
    heard = hearing.heard
    points = decide(heard, scene.times, hearing.tracks.colors, sorted(scene.cuts))
    if scene.request.parts.pose_estimator != BUILT_IN:
        points = yield from points_by_plugin(scene, heard, clock)
    boxes = boxes_of_people(points, heard)
    if scene.request.parts.segmenter != BUILT_IN:
        masks = yield from masks_by_plugin(scene, points, boxes, clock)
        return Found(points, boxes, masks)
    masks = []
    size, scale = scene.video.image_size, scene.spool.scale
    for frame, row in enumerate(heard):
        masks.append(masks_of_frame(row, points[:, frame], scale, size))
        if clock.due():
            yield clock.report("deciding", frame / scene.count)
    return Found(points, boxes, masks)
