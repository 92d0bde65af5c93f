"""OpenPose's `--write_json`: a folder with one JSON file per frame.

Each file has `people`, each of them `pose_keypoints_2d` (BODY_25 or COCO-18: x, y, confidence,
zeros where a joint was not found) and `person_id`, [-1] where OpenPose did not track. Frames of a
video are counted from 0 in the files' names (NAME_000000000012_keypoints.json). The same reader
takes AlphaPose's `sep-json` folders, whose files have `people` or `bodies`.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from annotations.importers import json_stream, layouts
from annotations.importers.folders import files_of, one_sequence
from annotations.importers.imported import FrameKey, ImportOptions, Instance, Reading
from annotations.importers.sample import Sample
from annotations.importers.values import numbers, refusal, whole
from engine.errors import InputError
from engine.structures import VideoInfo

FRAME_FILE_LIMIT = 16 << 20
_VIDEO_FRAME = re.compile(r"_\d{12}_keypoints$")


class OpenPose:
    """The importer of this format."""

    name: ClassVar[str] = "openpose"
    description: ClassVar[str] = "OpenPose: a folder of JSON files, BODY_25 or COCO-18"
    gives: ClassVar[str] = "detections"

    def recognises(self, sample: Sample) -> bool:
        if not sample.is_folder:
            return False
        first = next((name for name in sample.files if name.lower().endswith(".json")), None)
        if first is None:
            return False
        if first.endswith("_keypoints.json"):
            return True
        inside = Sample.of(sample.path / first)
        return inside.is_object and bool({"people", "bodies"} & set(inside.first))

    def reading(
        self, path: Path, video: VideoInfo, options: ImportOptions
    ) -> Generator[float, None, Reading]:
        reading = Reading("openpose", path.name)
        if not path.is_dir():
            raise InputError(
                f"{path.name} is one frame of OpenPose", advice="Give the folder that it is in."
            )
        files = files_of(path, (".json",))
        files = [f for f in files if f.stem.endswith("_keypoints")] or files
        files = one_sequence(files, reading, video, options)
        reading.files = tuple(files)
        if files and all(_VIDEO_FRAME.search(file.stem) for file in files):
            reading.first = 0
        for count, file in enumerate(files):
            add_frame(reading, file.name, json_stream.load(file, FRAME_FILE_LIMIT), file.name)
            if count % 32 == 0:
                yield count / len(files)
        return reading


def add_frame(reading: Reading, frame: FrameKey, content: Any, file: str) -> None:
    """The people of one frame, as OpenPose or AlphaPose's "open" and "cmu" forms have them."""
    people = None
    if isinstance(content, dict):
        people = content.get("people", content.get("bodies"))
    if not isinstance(people, list):
        raise refusal(file, "the file", "a list of people or bodies", content)
    reading.add_frame(frame)
    for index, person in enumerate(people):
        refuse = partial(refusal, file, f"person {index + 1}")
        if not isinstance(person, dict):
            raise refuse("an object", person)
        flat = person.get("pose_keypoints_2d", person.get("joints"))
        if flat is None:
            raise refuse("pose_keypoints_2d", ", ".join(list(person)[:6])[:80])
        if flat:
            reading.add(_instance(reading, frame, person, flat, refuse))


def _instance(
    reading: Reading, frame: FrameKey, person: dict[str, Any], flat: object, refuse: Any
) -> Instance:
    points = numbers(flat, refuse)
    source = layouts.OPENPOSE_BY_COUNT.get(len(points) // 3) if len(points) % 3 == 0 else None
    if source is None:
        known = "75 numbers (BODY_25) or 54 (COCO-18)"
        raise refuse(known, f"{len(points)} numbers")
    if reading.source_layout not in ("", source.name):
        raise refuse(f"{reading.source_layout}, as in other frames", source.name)
    reading.source_layout, reading.layout = source.name, source.layout
    id = person.get("person_id", [-1])
    id = id[0] if isinstance(id, list) and id else id
    track = whole(id, refuse) if id != [] else -1
    picked = source.pick(points.reshape(-1, 3))
    score = float(np.nan_to_num(picked[:, 2]).mean())
    return Instance(frame, picked, None, score, str(track) if track >= 0 else None)
