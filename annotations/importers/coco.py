"""COCO JSON: keypoints, boxes and masks, as a dataset or as a list of results.

A dataset has `images` and `annotations`; results are a list of detections that name an `image_id`.
Layouts: COCO-17, COCO-17 with `foot_kpts` or 133 (COCO-WholeBody), Halpe-26 and 136, or the joint
names of the category (PoseTrack, CVAT). Tracks: `track_id`, CVAT's `attributes.track_id`. Of a
visibility v: 2 is certain, 1 (labelled, not visible) is half, 0 is nothing; where a file knows no
2, 1 is certain. Dyad's own exports carry `keypoint_scores`, which count instead.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from annotations.importers import layouts, rle
from annotations.importers.imported import (
    FrameKey,
    ImportOptions,
    Instance,
    Reading,
    check_count,
)
from annotations.importers.json_stream import JsonItems
from annotations.importers.layouts import SourceLayout
from annotations.importers.numbering import plain_name
from annotations.importers.sample import Sample
from annotations.importers.values import (
    ChoiceNeeded,
    number,
    numbers,
    printable,
    refusal,
    shown,
    whole,
)
from engine.errors import InputError
from engine.structures import Box, RunLengthMask, VideoInfo

IMAGE_LIMIT = 1_000_000
_PERSON_NAMES = ("person", "people", "human", "pedestrian", "body")
_HALF_SEEN = 0.5
"""Confidence of a joint that a person labelled though it cannot be seen."""


@dataclass(frozen=True)
class _Image:
    frame: FrameKey
    group: str
    """The video, or the folder, that it is of."""
    size: tuple[int, int] | None
    stated: int | None
    """Frame number counted from 0, where the file has one."""


@dataclass
class _Content:
    """What the top level of the file holds."""

    images: dict[int | str, _Image] = field(default_factory=dict)
    videos: dict[int | str, str] = field(default_factory=dict)
    layouts: dict[int, SourceLayout | None] = field(default_factory=dict)
    """By category, None where the category has no joint names; persons only."""
    other_categories: set[int] = field(default_factory=set)
    people: list[tuple[int | str, dict[str, Any]]] = field(default_factory=list)


class Coco:
    """The importer of this format."""

    name: ClassVar[str] = "coco"
    description: ClassVar[str] = "COCO JSON: keypoints, boxes, RLE masks, track ids"
    gives: ClassVar[str] = "detections"

    def recognises(self, sample: Sample) -> bool:
        if set(sample.first) & {"annotations", "images"} and sample.is_object:
            return True
        item = sample.item
        known = {"keypoints", "segmentation", "bbox"} & set(item)
        alphapose = {"box", "idx"} & set(item) or isinstance(item.get("image_id"), str)
        return "image_id" in item and bool(known) and not alphapose

    def reading(
        self, path: Path, video: VideoInfo, options: ImportOptions
    ) -> Generator[float, None, Reading]:
        items = JsonItems(path)
        content, raw = _Content(), _Raw(path.name)
        for count, (key, item) in enumerate(items):
            _take(content, raw, key, item)
            if count % 256 == 0:
                yield items.fraction
        is_results = not items.keys
        return _finished(content, raw, video, options, is_results)


@dataclass
class _Raw:
    """Instances as they are read; their frames are ids of images."""

    file: str
    instances: list[tuple[Instance, int, bool]] = field(default_factory=list)
    """(instance, category, whether its third numbers are visibilities rather than scores)"""
    polygons: list[tuple[int, list[Any]]] = field(default_factory=list)
    """(index of the instance, its polygons): drawn when the size is known."""
    source_layouts: set[SourceLayout] = field(default_factory=set)
    runs: int = 0


def _take(content: _Content, raw: _Raw, key: str, item: Any) -> None:
    if key in ("images", "annotations", "videos", "categories", ""):
        if not isinstance(item, dict):
            raise refusal(raw.file, f"an entry of {key or 'the list'}", "an object", item)
        if key == "images":
            _take_image(content, raw.file, item)
        elif key == "videos":
            name = printable(str(item.get("name", item.get("file_name", ""))))
            content.videos[_id(item.get("id"), raw.file, "a video's id")] = name
        elif key == "categories":
            _take_category(content, raw.file, item)
        else:
            _take_person(content, raw, item, is_dataset=key == "annotations")


def _id(value: object, file: str, what: str) -> int | str:
    if isinstance(value, str) and 0 < len(value) < 1000:
        return value
    return whole(value, partial(refusal, file, what))


def _take_image(content: _Content, file: str, item: dict[str, Any]) -> None:
    if len(content.images) >= IMAGE_LIMIT:
        raise refusal(file, "the number of images", f"at most {IMAGE_LIMIT}", "more")
    id = _id(item.get("id"), file, "an image's id")
    name = item.get("file_name", item.get("name", ""))
    if not isinstance(name, str) or len(name) > 4096:
        raise refusal(file, f"the file_name of image {shown(id)}", "a name", name)
    folder = name.replace("\\", "/").rpartition("/")[0]
    video = item.get("video_id", item.get("vid_id"))
    group = f"video {printable(str(video))}" if isinstance(video, int | str) else printable(folder)
    size = None
    if "width" in item and "height" in item:
        refuse = partial(refusal, file, f"the size of image {shown(id)}")
        size = whole(item["width"], refuse), whole(item["height"], refuse)
        if min(size) < 1:
            raise refuse("at least one pixel", "{} x {}".format(*size))
    stated = item.get("frame_index", item.get("frame_id"))
    exact = stated if type(stated) is int and stated >= 0 else None
    content.images[id] = _Image(plain_name(name) or id, group, size, exact)


def _take_category(content: _Content, file: str, item: dict[str, Any]) -> None:
    id = whole(item.get("id"), partial(refusal, file, "a category's id"))
    names = item.get("keypoints")
    label = str(item.get("name", "")).lower()
    is_named = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if is_named and names:
        content.layouts[id] = layouts.from_names(names)
    elif label in _PERSON_NAMES or not label:
        content.layouts[id] = None
    else:
        content.other_categories.add(id)


def _take_person(content: _Content, raw: _Raw, item: dict[str, Any], is_dataset: bool) -> None:
    if item.get("iscrowd") == 1:
        return
    image = _id(item.get("image_id"), raw.file, "an image_id")
    refuse = partial(refusal, raw.file, f"an entry of image {shown(image)}")
    category = whole(item.get("category_id", 1), refuse)
    points, is_visibility = _keypoints(item, refuse, is_dataset)
    score = number(item.get("score", 1.0), refuse) if item.get("score") is not None else 1.0
    mask = _mask(item, raw, refuse)
    check_count(len(raw.instances) + 1, raw.file)
    instance = Instance(image, points, _box(item, refuse), score, _track(item, refuse), mask)
    raw.instances.append((instance, category, is_visibility))


def _keypoints(
    item: dict[str, Any], refuse: Any, is_dataset: bool
) -> tuple[Float[np.ndarray, "S 3"] | None, bool]:
    """x, y and score or visibility as the file has them; the joints of the feet appended."""
    flat = item.get("keypoints")
    if not flat:
        return None, False
    refuse_joints = partial(_joint_refusal, refuse)
    points = numbers(flat, refuse_joints)
    if len(points) % 3:
        raise refuse_joints("x, y, score for each joint", f"{len(points)} numbers")
    joints = points.reshape(-1, 3)
    if item.get("foot_kpts") and len(joints) == 17:
        feet = numbers(item["foot_kpts"], refuse_joints, 18).reshape(6, 3)
        joints = np.concatenate([joints, feet])
    scores = item.get("keypoint_scores")
    if scores is not None:
        given = numbers(scores, refuse_joints, len(joints))
        seen = joints[:, 2] > 0
        joints = np.column_stack([joints[:, :2], np.where(seen, given, 0)])
        return joints, False
    return joints, is_dataset and bool(np.isin(joints[:, 2], (0, 1, 2)).all())


def _joint_refusal(refuse: Any, expected: str, received: object) -> InputError:
    return refuse(f"keypoints with {expected}", received)  # type: ignore[no-any-return]


def _box(item: dict[str, Any], refuse: Any) -> Box | None:
    flat = item.get("bbox")
    if not flat:
        return None
    x, y, width, height = numbers(flat, refuse, 4).tolist()
    if not (width > 0 and height > 0):
        return None
    return x, y, x + width, y + height


def _track(item: dict[str, Any], refuse: Any) -> str | None:
    attributes = item.get("attributes")
    found = item.get("track_id")
    if found is None and isinstance(attributes, dict):
        found = attributes.get("track_id")
    if found is None:
        return None
    if isinstance(found, str) and 0 < len(found) <= 80:
        return printable(found)
    id = whole(found, refuse)
    return str(id) if id >= 0 else None


def _mask(item: dict[str, Any], raw: _Raw, refuse: Any) -> RunLengthMask | None:
    value = item.get("segmentation")
    if isinstance(value, dict):
        mask = rle.from_coco(value, refuse)
        raw.runs += 0 if mask is None else len(mask.counts)
        if raw.runs > rle.TOTAL_RUN_LIMIT:
            raise refusal(
                raw.file, "the size of its masks", f"at most {rle.TOTAL_RUN_LIMIT} runs", "more"
            )
        return mask
    if isinstance(value, list) and value:
        raw.polygons.append((len(raw.instances), value))
    return None


# When all is read --------------------------------------------------------------------------------


def _finished(
    content: _Content, raw: _Raw, video: VideoInfo, options: ImportOptions, is_results: bool
) -> Reading:
    reading = Reading("coco", raw.file)
    images = _chosen_images(content, reading, video, options)
    reading.frames = {image.frame for image in images.values()}
    sizes = {image.size for image in images.values() if image.size is not None}
    if len(sizes) > 1:
        a, b = sorted(sizes)[:2]
        raise refusal(
            raw.file, "the size of its images", "one size for all",
            f"{a[0]} x {a[1]} and {b[0]} x {b[1]}",
        )  # fmt: skip
    reading.image_size = next(iter(sizes), None)
    _add_exact(reading, images, video)
    polygons = dict(raw.polygons)
    only_certain = _greatest_visibility(raw) <= 1
    for index, (instance, category, is_visibility) in enumerate(raw.instances):
        known = images.get(instance.frame)
        if category in content.other_categories or (content.images and known is None):
            continue
        if is_results and category != 1:
            continue
        if is_visibility:
            instance = _with_confidence(instance, only_certain)
        if index in polygons:
            size = reading.image_size or video.image_size
            refuse = partial(refusal, raw.file, "a polygon")
            instance = replace(instance, mask=rle.from_polygons(polygons[index], size, refuse))
        frame = instance.frame if known is None else known.frame
        _add(reading, replace(instance, frame=frame), content.layouts.get(category))
    if not content.images:
        reading.frames = {instance.frame for instance in reading.instances}
    return reading


def _chosen_images(
    content: _Content, reading: Reading, video: VideoInfo, options: ImportOptions
) -> dict[int | str, _Image]:
    """The images of one video: the named one, or the one that is called as the clip is."""
    titles = {f"video {printable(str(id))}": name for id, name in content.videos.items()}
    groups: dict[str, str] = {
        image.group: titles.get(image.group, image.group) or image.group
        for image in content.images.values()
    }
    if len(groups) <= 1:
        return content.images
    wanted = options.sequence or Path(video.path).stem
    fitting = {
        group
        for group, name in groups.items()
        if wanted in (name, Path(name).stem, plain_name(name), group)
    }
    if len(fitting) != 1:
        names = sorted(groups.values())
        raise ChoiceNeeded(
            f"{reading.source} is of {len(groups)} videos",
            expected="one named as the clip is, or --sequence with one of " + ", ".join(names[:12]),
            received=wanted,
        )
    chosen = fitting.pop()
    reading.notes.append(f"Of {len(groups)} videos in the file this is {groups[chosen]}.")
    return {id: image for id, image in content.images.items() if image.group == chosen}


def _add_exact(reading: Reading, images: dict[int | str, _Image], video: VideoInfo) -> None:
    """Frame numbers that the file states, if they can be those of this clip."""
    stated = {image.frame: image.stated for image in images.values()}
    known = {frame: n for frame, n in stated.items() if n is not None}
    if known and len(known) == len(stated) and max(known.values()) <= video.frame_count:
        reading.exact = known
        reading.first = 0


def _greatest_visibility(raw: _Raw) -> float:
    return max(
        (
            float(np.nanmax(instance.keypoints[:, 2]))
            for instance, _, is_visibility in raw.instances
            if is_visibility and instance.keypoints is not None
        ),
        default=0.0,
    )


def _with_confidence(instance: Instance, only_certain: bool) -> Instance:
    if instance.keypoints is None:
        return instance
    points = instance.keypoints.copy()
    if not only_certain:
        points[:, 2] = np.where(points[:, 2] == 1, _HALF_SEEN, points[:, 2] / 2)
    return replace(instance, keypoints=points)


def _add(reading: Reading, instance: Instance, named: SourceLayout | None) -> None:
    """An instance in the reading's layout. All of a file have the same."""
    if instance.keypoints is not None:
        source = layout_for(len(instance.keypoints), named, reading)
        instance = replace(instance, keypoints=source.pick(instance.keypoints))
    reading.add(instance)


def layout_for(count: int, named: SourceLayout | None, reading: Reading) -> SourceLayout:
    """The layout of `count` joints: the named one, or by their number; once for the whole file."""
    source = named if named is not None and named.count == count else layouts.BY_COUNT.get(count)
    if source is None:
        raise refusal(
            reading.source, "the number of joints", f"one of {layouts.known_counts()}", f"{count}"
        )
    if reading.source_layout not in ("", source.name):
        raise refusal(
            reading.source, "the layout of its people", f"{reading.source_layout} for all",
            f"{source.name} for one",
        )  # fmt: skip
    reading.source_layout, reading.layout = source.name, source.layout
    return source
