"""Stages of perception that an installed plugin does in place of the built-in part."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np
from jaxtyping import Float

from engine.body.joints import HALPE26
from engine.perception import plugins
from engine.perception.checkpoint import DETECTIONS
from engine.perception.detection import Detections, with_drawn_box
from engine.perception.keypoints import NO_LOOKS, halpe26
from engine.perception.looks import Heard
from engine.perception.plugins.adapters import detections_of, found_people, people_of_tracks
from engine.perception.request import PeopleNotFoundError
from engine.perception.scene import Clock, Scene, reported
from engine.perception.tracking import Tracks, typical_colors
from engine.structures import PerceptionProgress, RunLengthMask


def detect_by_plugin(
    scene: Scene, clock: Clock
) -> Generator[PerceptionProgress, None, list[Detections]]:
    with plugins.load("detector", scene.request.parts.detector) as detector:
        detector.begin(scene.video, scene.frames)
        drawn = scene.drawn_in_frames

        def detect(frame: int, _: list[Detections]) -> Detections:
            image = scene.spool[frame]
            people = detections_of(image, detector.detect([image])[0])
            for box in drawn.get(frame, []):
                people = with_drawn_box(scene.models, image, people, np.array(box))
            return people

        detecting = scene.checkpoint.stage("detect", DETECTIONS, scene.count, detect)
        return (yield from reported(detecting, "detecting", scene.count, clock))


def track_by_plugin(scene: Scene, detections: Sequence[Detections]) -> Tracks:
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


def points_by_plugin(
    scene: Scene, heard: Sequence[Heard], clock: Clock
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


def masks_by_plugin(
    scene: Scene,
    points: Float[np.ndarray, "P F 26 3"],
    boxes: Float[np.ndarray, "P F 4"],
    clock: Clock,
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
