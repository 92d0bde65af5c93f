"""AlphaPose's `alphapose-results.json`.

A list of people with `image_id` (the image's name; a video's frames are 0.jpg, 1.jpg, ...),
`keypoints` (x, y, score: COCO-17, Halpe-26, Halpe-136 or 133), `box` (x, y, width, height), `score`
(of the proposal, may exceed 1) and, with tracking, `idx` (a number, or a list of merged ones). The
"open" and "cmu" forms are an object from image names to `people` or `bodies` of COCO-18.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from annotations.importers.coco import layout_for
from annotations.importers.imported import FrameKey, ImportOptions, Instance, Reading
from annotations.importers.json_stream import JsonItems
from annotations.importers.numbering import plain_name
from annotations.importers.openpose import add_frame
from annotations.importers.sample import Sample
from annotations.importers.values import number, numbers, refusal, shown, whole
from engine.structures import Box, VideoInfo


class AlphaPose:
    """The importer of this format."""

    name: ClassVar[str] = "alphapose"
    description: ClassVar[str] = "AlphaPose results JSON: COCO-17, Halpe-26, Halpe-136, 133"
    gives: ClassVar[str] = "detections"

    def recognises(self, sample: Sample) -> bool:
        if not sample.is_json or sample.is_folder:
            return False
        if sample.is_object:
            value = next(iter(sample.first.values()), None)
            return isinstance(value, dict) and bool({"people", "bodies"} & set(value))
        item = sample.item
        names = {"image_id", "keypoints"} <= set(item)
        return names and (isinstance(item["image_id"], str) or bool({"box", "idx"} & set(item)))

    def reading(
        self, path: Path, video: VideoInfo, options: ImportOptions
    ) -> Generator[float, None, Reading]:
        reading = Reading("alphapose", path.name)
        items = JsonItems(path)
        for count, (key, item) in enumerate(items):
            if items.keys:
                add_frame(reading, plain_name(key), item, path.name)
            else:
                _add_person(reading, item)
            if count % 256 == 0:
                yield items.fraction
        # Frames without people are not in the file, so the numbers of the others say nothing
        # about the first. Its own names of video frames count from 0.
        if all(isinstance(f, str) and f.rpartition(".")[0].isdecimal() for f in reading.frames):
            reading.first = 0 if _unpadded(reading.frames) else None
        return reading


def _unpadded(names: set[FrameKey]) -> bool:
    stems = [str(name).rpartition(".")[0] for name in names]
    return all(stem == str(int(stem)) for stem in stems) and len({len(s) for s in stems}) > 1


def _add_person(reading: Reading, item: Any) -> None:
    if not isinstance(item, dict):
        raise refusal(reading.source, "an entry", "an object", item)
    image = item.get("image_id")
    named = isinstance(image, str) and 0 < len(image) < 4096
    frame = plain_name(str(image)) if named else whole(
        image, partial(refusal, reading.source, "an image_id")
    )  # fmt: skip
    refuse = partial(refusal, reading.source, f"an entry of image {shown(image)}")
    points = numbers(item.get("keypoints"), refuse)
    if len(points) % 3 or not len(points):
        raise refuse("keypoints as x, y, score for each joint", f"{len(points)} numbers")
    joints = points.reshape(-1, 3)
    source = layout_for(len(joints), None, reading)
    score = number(item.get("score", 1.0), refuse)
    reading.add_frame(frame)
    reading.add(
        Instance(frame, source.pick(joints), _box(item, refuse), score, _track(item, refuse))
    )


def _box(item: dict[str, Any], refuse: Any) -> Box | None:
    flat = item.get("box", item.get("bbox"))
    if not flat:
        return None
    x, y, width, height = numbers(flat, refuse, 4).tolist()
    return (x, y, x + width, y + height) if width > 0 and height > 0 else None


def _track(item: dict[str, Any], refuse: Any) -> str | None:
    id = item.get("idx")
    if id is None or id == []:
        return None
    if isinstance(id, list):
        found = numbers(id, refuse)
        return str(int(found[0])) if len(found) and np.isfinite(found[0]) else None
    return str(whole(id, refuse))
