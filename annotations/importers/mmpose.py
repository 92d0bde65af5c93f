"""MMPose's predictions (ViTPose, RTMPose and others run through it).

Of a video a list of {frame_id, instances}, counted from 0 by the inferencer and from 1 by the
demo scripts, which put the list under `instance_info` beside a `meta_info` that names the joints.
Of images a folder with one JSON file each, a list of instances. An instance has `keypoints`
[[x, y], ...], `keypoint_scores`, `bbox` [[x0, y0, x1, y1]], `bbox_score` and, from some scripts,
`track_id`.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from annotations.importers import json_stream, layouts
from annotations.importers.coco import layout_for
from annotations.importers.folders import files_of, one_sequence
from annotations.importers.imported import FrameKey, ImportOptions, Instance, Reading
from annotations.importers.json_stream import JsonItems
from annotations.importers.layouts import SourceLayout
from annotations.importers.openpose import FRAME_FILE_LIMIT
from annotations.importers.sample import Sample
from annotations.importers.values import number, numbers, refusal, shown, whole
from engine.errors import InputError
from engine.structures import Box, VideoInfo

_INSTANCE_KEYS = {"keypoints", "keypoint_scores"}


class MMPose:
    """The importer of this format."""

    name: ClassVar[str] = "mmpose"
    description: ClassVar[str] = "MMPose predictions JSON (ViTPose, RTMPose): 17, 26, 133 joints"
    gives: ClassVar[str] = "detections"

    def recognises(self, sample: Sample) -> bool:
        if sample.is_folder:
            first = next((name for name in sample.files if name.lower().endswith(".json")), None)
            return first is not None and set(Sample.of(sample.path / first).item) >= _INSTANCE_KEYS
        if sample.is_object:
            return "instance_info" in sample.first
        return "instances" in sample.item or set(sample.item) >= _INSTANCE_KEYS

    def reading(
        self, path: Path, video: VideoInfo, options: ImportOptions
    ) -> Generator[float, None, Reading]:
        reading = Reading("mmpose", path.name)
        if path.is_dir():
            yield from _read_folder(reading, path, video, options)
        else:
            yield from _read_file(reading, path)
        return reading


def _read_folder(
    reading: Reading, folder: Path, video: VideoInfo, options: ImportOptions
) -> Generator[float, None, None]:
    files = one_sequence(files_of(folder, (".json",)), reading, video, options)
    reading.files = tuple(files)
    for count, file in enumerate(files):
        _add_frame(reading, file.name, json_stream.load(file, FRAME_FILE_LIMIT), None)
        if count % 32 == 0:
            yield count / len(files)


def _read_file(reading: Reading, path: Path) -> Generator[float, None, None]:
    items = JsonItems(path)
    named: SourceLayout | None = None
    for count, (key, item) in enumerate(items):
        if key == "meta_info":
            named = _named_layout(item)
        elif key in ("", "instance_info"):
            if not isinstance(item, dict) or "frame_id" not in item:
                raise _no_frame(reading.source, item)
            refuse = partial(refusal, reading.source, "a frame_id")
            frame = whole(item["frame_id"], refuse)
            if frame < 0 or frame in reading.frames:
                raise refuse("each frame once, from 0 or 1 up", frame)
            _add_frame(reading, frame, item.get("instances"), named)
        if count % 64 == 0:
            yield items.fraction
    reading.first = 1 if 0 not in reading.frames and 1 in reading.frames else 0


def _no_frame(source: str, item: object) -> InputError:
    if isinstance(item, dict) and set(item) >= _INSTANCE_KEYS:
        return InputError(
            f"{source} holds the people of one image", advice="Give the folder that it is in."
        )
    return refusal(source, "an entry", "an object with frame_id and instances", item)


def _named_layout(meta: object) -> SourceLayout | None:
    """From meta_info's keypoint_id2name, {"0": "nose", ...}."""
    names = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if not isinstance(names, dict) or not names or len(names) > 1000:
        return None
    listed = [names.get(str(index)) for index in range(len(names))]
    if not all(isinstance(name, str) for name in listed):
        return None
    return layouts.from_names([str(name) for name in listed])


def _add_frame(
    reading: Reading, frame: FrameKey, instances: object, named: SourceLayout | None
) -> None:
    refuse = partial(refusal, reading.source, f"frame {shown(frame)}")
    if not isinstance(instances, list):
        raise refuse("a list of instances", instances)
    reading.add_frame(frame)
    for item in instances:
        if not isinstance(item, dict) or not set(item) >= _INSTANCE_KEYS:
            raise refuse("instances with keypoints and keypoint_scores", item)
        scores = numbers(item["keypoint_scores"], refuse)
        points = numbers(item["keypoints"], refuse)
        dimensions = len(points) // max(1, len(scores))
        if dimensions not in (2, 3) or dimensions * len(scores) != len(points):
            raise refuse(f"x, y for each of {len(scores)} scores", f"{len(points)} numbers")
        if dimensions == 3:
            raise refuse("2D joints", "3D joints")
        joints = np.column_stack([points.reshape(-1, 2), np.clip(scores, 0, 1)])
        source = layout_for(len(joints), named, reading)
        score = number(item.get("bbox_score", 1.0), refuse)
        track = item.get("track_id", item.get("instance_id"))
        name = None if track is None else str(whole(track, refuse))
        picked = source.pick(joints)
        reading.add(Instance(frame, picked, _box(item, refuse), score, name))


def _box(item: dict[str, Any], refuse: Any) -> Box | None:
    flat = item.get("bbox")
    if not flat:
        return None
    found = numbers(flat, refuse)
    if len(found) not in (4, 5):
        raise refuse("a bbox of x0, y0, x1, y1", f"{len(found)} numbers")
    x0, y0, x1, y1 = found[:4].tolist()
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None
