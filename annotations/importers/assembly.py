"""From people frame by frame, as a file has them, to tracks on the clip's frames and pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from annotations.importers.imported import (
    Imported,
    ImportedTrack,
    ImportOptions,
    Instance,
    Kind,
    Reading,
)
from annotations.importers.linking import link
from annotations.importers.numbering import numbered
from annotations.importers.people import with_people
from annotations.importers.pixels import mask_box, resized_mask, scale_of
from annotations.importers.values import refusal
from engine.body.joints import KEYPOINT_NAMES
from engine.structures import VideoInfo

PEOPLE_LIMIT = 200
"""People in one frame."""


@dataclass(frozen=True)
class _Placed:
    """An instance on a frame of the clip, in the clip's pixels."""

    frame: int
    instance: Instance
    box: Float[np.ndarray, "4"]


def assembled(reading: Reading, video: VideoInfo, options: ImportOptions, sha256: str) -> Imported:
    """Tracks, the clip's people among them, and what is worth saying of the file.

    Raises InputError where frames, sizes or people do not fit the clip.
    """
    _check_crowds(reading)
    numbering = numbered(reading, video, options)
    scale = scale_of(reading, video, options)
    placed: list[list[_Placed]] = [[] for _ in range(video.frame_count)]
    for instance in reading.instances:
        frame = numbering.frames.get(instance.frame)
        if frame is not None:
            each = _place(instance, frame, scale, video)
            if np.isfinite(each.box).all():  # else nothing of this person is known here
                placed[frame].append(each)
    if not any(placed):
        raise refusal(
            reading.source, "the number of people", "people in frames of the clip", "none"
        )
    named = any(each.instance.track is not None for row in placed for each in row)
    by_name, doubles = _by_track(placed, video)
    tracks = _tracks(by_name, video, reading.layout)
    notes = [note for note in (*reading.notes, numbering.note) if note]
    if doubles:
        notes.append(f"Where a track is twice in a frame (cases: {doubles}), the surer one counts.")
    if not named:
        notes.append("The file has no track ids: people were followed by box and pose alone.")
    found = Imported(
        source=reading.source,
        format=reading.format,
        kind=_kind(reading),
        video=video,
        sha256=sha256,
        tracks=tracks,
        left_out=(),
        layout=reading.layout,
        source_layout=reading.source_layout,
        offset=numbering.offset,
        scale=scale,
        notes=tuple(notes),
    )
    return with_people(found, options, named)


def _check_crowds(reading: Reading) -> None:
    per_frame: dict[object, int] = {}
    for instance in reading.instances:
        per_frame[instance.frame] = per_frame.get(instance.frame, 0) + 1
    if per_frame and (most := max(per_frame.values())) > PEOPLE_LIMIT:
        frame = max(per_frame, key=lambda key: per_frame[key])
        raise refusal(
            reading.source, f"the number of people in frame {frame}", f"at most {PEOPLE_LIMIT}",
            str(most),
        )  # fmt: skip


def _kind(reading: Reading) -> Kind:
    if reading.layout is not None:
        return "keypoints"
    masks = any(instance.mask is not None for instance in reading.instances)
    return "masks" if masks else "boxes"


def _place(instance: Instance, frame: int, scale: tuple[float, float], video: VideoInfo) -> _Placed:
    points, mask = instance.keypoints, instance.mask
    if mask is not None and mask.size != (video.height, video.width):
        mask = resized_mask(mask, video.image_size)
    if points is not None and scale != (1.0, 1.0):
        points = points * np.array([*scale, 1.0])
    box = np.full(4, np.nan)
    if instance.box is not None:
        box = np.array(instance.box) * np.tile(scale, 2)
    elif points is not None:
        there = np.isfinite(points[:, :2]).all(axis=1) & (points[:, 2] > 0)
        seen = points[there, :2]
        if len(seen):
            box = np.concatenate([seen.min(axis=0), seen.max(axis=0)])
    elif mask is not None:
        box = mask_box(mask)
    return _Placed(frame, replace(instance, keypoints=points, mask=mask), box)


def _by_track(
    placed: Sequence[Sequence[_Placed]], video: VideoInfo
) -> tuple[dict[str, list[_Placed]], int]:
    """Instances by track (the file's, or followed here), and how often one is double in a frame.

    Who has no id in a file with ids is followed apart, under a name with #.
    """
    tracks: dict[str, dict[int, _Placed]] = {}
    nameless: list[list[_Placed]] = [[] for _ in placed]
    doubles = 0
    for each in (each for row in placed for each in row):
        if each.instance.track is None:
            nameless[each.frame].append(each)
            continue
        frames = tracks.setdefault(each.instance.track, {})
        before = frames.get(each.frame)
        doubles += before is not None
        if before is None or each.instance.score > before.instance.score:
            frames[each.frame] = each
    prefix = "#" if tracks else ""
    boxes = [_stacked([each.box for each in row], 4) for row in nameless]
    numbers = link(boxes, [_poses(row) for row in nameless], video.fps)
    for row, ids in zip(nameless, numbers, strict=True):
        for each, number in zip(row, ids, strict=True):
            tracks.setdefault(f"{prefix}{number + 1}", {})[each.frame] = each
    return {name: list(frames.values()) for name, frames in tracks.items()}, doubles


def _stacked(rows: Sequence[np.ndarray], width: int) -> Float[np.ndarray, "N W"]:
    return np.stack(rows) if rows else np.zeros((0, width))


def _poses(row: Sequence[_Placed]) -> Float[np.ndarray, "N K 2"] | None:
    found = [each.instance.keypoints for each in row]
    if not found or any(points is None for points in found):
        return None
    return np.stack([points[:, :2] for points in found if points is not None])


def _tracks(
    by_name: Mapping[str, Sequence[_Placed]], video: VideoInfo, layout: str | None
) -> tuple[ImportedTrack, ...]:
    joints = len(KEYPOINT_NAMES[layout]) if layout is not None else 0
    made = [_track(name, found, joints, video) for name, found in by_name.items()]
    return tuple(sorted(made, key=lambda track: (-track.prominence, track.name)))


def _track(name: str, found: Sequence[_Placed], joints: int, video: VideoInfo) -> ImportedTrack:
    nothing = np.full((joints, 3), [np.nan, np.nan, 0.0])
    points = np.stack(
        [nothing if each.instance.keypoints is None else each.instance.keypoints for each in found]
    ).reshape(len(found), joints, 3)
    confidence = np.clip(np.nan_to_num(points[..., 2]), 0, 1)
    missing = (confidence == 0) | ~np.isfinite(points[..., :2]).all(axis=-1)
    boxes = np.stack([each.box for each in found])
    heights = np.nan_to_num(boxes[:, 3] - boxes[:, 1])
    sure = confidence.mean(axis=1) if joints else np.ones(len(found))
    weight = (0.5 + 0.5 * sure) * heights / video.height
    return ImportedTrack(
        name=name,
        frames=np.array([each.frame for each in found]),
        keypoints2d=np.where(missing[..., None], np.nan, points[..., :2]),
        confidence=np.where(missing, 0.0, confidence),
        boxes=boxes,
        masks=tuple(each.instance.mask for each in found),
        prominence=float(weight.sum() / video.frame_count),
    )
