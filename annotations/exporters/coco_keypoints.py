"""2D keypoints as COCO JSON: one file of COCO-17 per split, and one of Halpe-26 where there is it.

Joints, boxes and masks that a person placed, drew or painted count as they are. Visibility, as COCO
defines it: 0 not labelled, 1 labelled but not visible (a person hid it), 2 labelled and visible.
`track_id` is the person's index in the clip; `videos` and `video_id` follow KWCOCO. Pixels: x
right, y down, from the top left of the image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int

from annotations.corrections import effective_observations
from annotations.exporters.package import (
    ClipExport,
    ExportFolder,
    ExportRequest,
    provenance_of,
    ranges_json,
)
from engine.body.joints import BONES, KEYPOINT_NAMES
from engine.errors import InputError
from engine.structures import Camera, Layout, Observations, RunLengthMask

FILES: Mapping[Layout, str] = {"coco17": "person_keypoints", "halpe26": "person_keypoints_halpe26"}
FILE_LIMIT = 1 << 30
"""Bytes; a larger file is not read back."""


@dataclass(frozen=True)
class ClipKeypoints:
    """One clip's exported keypoints, as `read_back` returns them. T accepted frames, P persons."""

    names: tuple[str, ...]
    frame_ids: Int[np.ndarray, "T"]
    times: Float[np.ndarray, "T"]
    """Presentation time in seconds."""
    image_size: tuple[int, int]
    keypoints2d: Float[np.ndarray, "P T K 2"]
    """Pixels; NaN where nothing is labelled."""
    visibility: Int[np.ndarray, "P T K"]
    boxes: Float[np.ndarray, "P T 4"]
    """x0, y0, x1, y1 in pixels; NaN where the person is not annotated."""


class CocoKeypoints:
    """The exporter of this format."""

    description: ClassVar[str] = "COCO JSON: 2D keypoints, boxes, masks and track ids"

    def write(self, request: ExportRequest, folder: ExportFolder) -> None:
        for split in sorted({clip.split for clip in request.clips}, key=str):
            clips = [clip for clip in request.clips if clip.split == split]
            for layout, stem in FILES.items():
                content = document(request, clips, layout)
                if content["videos"]:
                    name = stem if split is None else f"{stem}_{split}"
                    folder.write_json(f"{name}.json", content)


def document(request: ExportRequest, clips: list[ClipExport], layout: Layout) -> dict[str, Any]:
    """The whole JSON document of the clips that have this layout's keypoints."""
    content: dict[str, Any] = {
        "info": {
            "description": "2D keypoints of close human interaction, accepted frames only",
            "version": "1",
            "layout": layout,
            "units": "pixels",
            "axes": "x right, y down, from the top left of the image",
            "body": request.project.body,
        },
        "licenses": [],
        "videos": [],
        "images": [],
        "annotations": [],
        "categories": [_category(layout)],
    }
    for export in clips:
        found = export.state.observations
        if found is not None and _has(found, layout):
            _add_clip(content, export, labelled(export, layout))
    return content


def _has(observations: Observations, layout: Layout) -> bool:
    # COCO-17 is the first part of Halpe-26.
    return observations.layout == layout or layout == "coco17"


def _category(layout: Layout) -> dict[str, Any]:
    return {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(KEYPOINT_NAMES[layout]),
        "skeleton": [[a + 1, b + 1] for a, b in BONES[layout]],
    }


@dataclass(frozen=True)
class Labelled:
    """What is seen in a clip, with what people said in place of what was detected."""

    observations: Observations
    """Of all joints, boxes and masks, drawn ones included."""
    keypoints2d: Float[np.ndarray, "P F K 2"]
    visibility: Int[np.ndarray, "P F K"]
    confidence: Float[np.ndarray, "P F K"]


def labelled(export: ClipExport, layout: Layout) -> Labelled:
    """Detections and, stronger, the joints that a person placed or hid."""
    found = effective_observations(export.state)
    assert found is not None
    count = len(KEYPOINT_NAMES[layout])
    points = found.keypoints2d[:, :, :count].astype(np.float64)
    confidence = found.confidence[:, :, :count].astype(np.float64)
    there = np.isfinite(points).all(-1) & (confidence > 0)
    visibility = np.where(there, 2, 0)
    for edit in export.state.constraints.keypoint_edits:
        if not edit.visible and edit.keypoint < count:
            visibility[edit.person, edit.frame, edit.keypoint] = 1
    points[visibility == 0] = np.nan
    return Labelled(found, points, visibility, confidence)


def _add_clip(content: dict[str, Any], export: ClipExport, found: Labelled) -> None:
    video, camera = export.clip.video, export.state.camera
    video_id = len(content["videos"]) + 1
    content["videos"].append(
        {
            "id": video_id,
            "name": export.folder_name,
            "clip": export.clip.name,
            "width": video.width,
            "height": video.height,
            "fps": video.fps,
            "frame_count": video.frame_count,
            "accepted_frames": ranges_json(export.segments),
            "people": [identity.name for identity in export.state.identities],
            "camera": None if camera is None else _camera(camera),
            **provenance_of(export),
        }
    )
    for frame in export.frame_ids.tolist():
        image_id = len(content["images"]) + 1
        content["images"].append(
            {
                "id": image_id,
                "video_id": video_id,
                "frame_id": frame,
                "time": float(video.times[frame]),
                "file_name": f"{export.folder_name}/{frame:06d}.jpg",
                "width": video.width,
                "height": video.height,
            }
        )
        for entry in _annotations(export, found, frame):
            number = len(content["annotations"]) + 1
            content["annotations"].append({"id": number, "image_id": image_id, **entry})


def _camera(camera: Camera) -> dict[str, Any]:
    facts: dict[str, Any] = {"K": camera.K.tolist(), "focal_source": camera.focal_source}
    if camera.distortion.any():
        facts["distortion"] = camera.distortion.tolist()
    return facts


def _annotations(export: ClipExport, found: Labelled, frame: int) -> Iterator[dict[str, Any]]:
    observations = found.observations
    for person in range(observations.person_count):
        points, seen = found.keypoints2d[person, frame], found.visibility[person, frame]
        box = _box(observations.boxes[person, frame], points)
        if box is None:
            continue
        x0, y0, x1, y1 = box
        mask = None if observations.masks is None else observations.masks[person][frame]
        flat = np.column_stack([np.nan_to_num(points), seen])
        yield {
            "category_id": 1,
            "track_id": person,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "area": (x1 - x0) * (y1 - y0) if mask is None else sum(mask.counts[1::2]),
            "iscrowd": 0,
            "segmentation": [] if mask is None else _segmentation(mask),
            "num_keypoints": int((seen > 0).sum()),
            "keypoints": [int(v) if i % 3 == 2 else v for i, v in enumerate(flat.ravel().tolist())],
            "keypoint_scores": np.nan_to_num(found.confidence[person, frame]).tolist(),
        }


def _segmentation(mask: RunLengthMask) -> dict[str, Any]:
    return {"size": list(mask.size), "counts": list(mask.counts)}


def _box(box: np.ndarray, points: np.ndarray) -> tuple[float, float, float, float] | None:
    """The box; without one, that of the labelled joints; without any, None."""
    if not np.isfinite(box).all():
        there = points[np.isfinite(points).all(-1)]
        if not len(there):
            return None
        box = np.concatenate([there.min(0), there.max(0)])
    x0, y0, x1, y1 = box.astype(np.float64).tolist()
    return x0, y0, x1, y1


def read_back(path: Path | str) -> dict[str, ClipKeypoints]:
    """The exported keypoints by clip. Raises InputError for any other file."""
    path = Path(path)
    try:
        if path.stat().st_size > FILE_LIMIT:
            raise InputError(f"{path.name} is too large to read")
        content = json.loads(path.read_bytes())
        names = tuple(str(name) for name in content["categories"][0]["keypoints"])
        return {video["clip"]: _read_clip(content, video, names) for video in content["videos"]}
    except OSError as error:
        raise InputError(f"Cannot open {path.name}", received=str(error.strerror)) from error
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise InputError(f"{path.name} is not a COCO keypoints export") from error


def _read_clip(content: Any, video: Any, names: tuple[str, ...]) -> ClipKeypoints:
    images = [image for image in content["images"] if image["video_id"] == video["id"]]
    position = {image["id"]: index for index, image in enumerate(images)}
    people, frames, count = len(video["people"]), len(images), len(names)
    points = np.full((people, frames, count, 2), np.nan)
    visibility = np.zeros((people, frames, count), np.int64)
    boxes = np.full((people, frames, 4), np.nan)
    for entry in content["annotations"]:
        if entry["image_id"] in position:
            place = entry["track_id"], position[entry["image_id"]]
            triples = np.array(entry["keypoints"], np.float64).reshape(count, 3)
            visibility[place] = triples[:, 2]
            points[place] = np.where(triples[:, 2:] > 0, triples[:, :2], np.nan)
            x, y, width, height = entry["bbox"]
            boxes[place] = x, y, x + width, y + height
    return ClipKeypoints(
        names=names,
        frame_ids=np.array([image["frame_id"] for image in images], np.int64),
        times=np.array([image["time"] for image in images], np.float64),
        image_size=(int(video["width"]), int(video["height"])),
        keypoints2d=points,
        visibility=visibility,
        boxes=boxes,
    )
