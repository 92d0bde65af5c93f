"""What people said to blocks of JSON and back.

A block holds the statements of one kind that begin in the same 64 frames, so that an edit rewrites
one. Painted masks and a camera's matrices stand in it as deflated numbers in base64: the runs of a
mask with a ragged outline in a 1080p frame take 4.6 kB, a seventh of what they take as digits.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from annotations.arrays import CHUNK_FRAMES, digest_of, pack, unpack
from annotations.schema import ConstraintRow
from engine.structures import (
    BoxEdit,
    Camera,
    Constraints,
    ContactLabel,
    DepthOrder,
    FrameRange,
    KeypointEdit,
    MaskEdit,
    ProxemicsStatement,
    RunLengthMask,
    Trust,
)

MASKS_KEPT = 256
PIXELS_LIMIT = 1 << 28
"""A mask that says it is larger is not read."""


def rows_of(rows: Session, said: Constraints) -> list[ConstraintRow]:
    """The rows that say this: those that said it before, and new ones."""
    return [_row(rows, *block) for block in blocks(said)]


def read(blocks: Iterable[ConstraintRow]) -> Constraints:
    """Inverse of `rows_of`. Raises ValueError, TypeError or KeyError for what is no statement."""
    items: dict[str, list[Any]] = {}
    for row in blocks:
        items.setdefault(row.kind, []).extend(row.items)
    whole = items.get("whole clip", [{}])[0]
    cameras = items.get("camera", [])
    return Constraints(
        keypoint_edits=tuple(KeypointEdit(*item) for item in items.get("keypoint", [])),
        contacts=tuple(contact_from_json(item) for item in items.get("contact", [])),
        depth_orders=tuple(
            DepthOrder(front, back, FrameRange(start, stop))
            for front, back, start, stop in items.get("depth order", [])
        ),
        heights=tuple(whole.get("heights", ())),
        focal_px=whole.get("focal_px"),
        floor_height=whole.get("floor_height"),
        frozen=tuple(FrameRange(start, stop) for start, stop in items.get("frozen", [])),
        box_edits=tuple(
            BoxEdit(frame, tuple(box), kind, person)
            for frame, box, kind, person in items.get("box", [])
        ),
        mask_edits=tuple(
            MaskEdit(person, frame, mask_from_json(*coded))
            for person, frame, *coded in items.get("mask", [])
        ),
        trust=tuple(
            Trust(person, FrameRange(start, stop), weight)
            for person, start, stop, weight in items.get("trust", [])
        ),
        proxemics=tuple(proxemics_from_json(item) for item in items.get("proxemics", [])),
        camera=_camera_from_json(cameras[0]) if cameras else None,
    )


def blocks(said: Constraints) -> list[tuple[str, int, list[Any]]]:
    """(kind, first frame, items) of what is kept."""
    blocks: dict[tuple[str, int], list[Any]] = {}

    def add(kind: str, frame: int, item: list[Any]) -> None:
        blocks.setdefault((kind, frame - frame % CHUNK_FRAMES), []).append(item)

    for e in said.keypoint_edits:
        item = [e.person, e.frame, e.keypoint, float(e.x), float(e.y), bool(e.visible)]
        add("keypoint", e.frame, item)
    for c in said.contacts:
        add("contact", c.frames.start, contact_to_json(c))
    for d in said.depth_orders:
        add("depth order", d.frames.start, [d.front, d.back, d.frames.start, d.frames.stop])
    for f in said.frozen:
        add("frozen", f.start, [f.start, f.stop])
    for b in said.box_edits:
        add("box", b.frame, [b.frame, list(b.box), b.kind, b.person])
    for m in said.mask_edits:
        add("mask", m.frame, [m.person, m.frame, *mask_to_json(m.mask)])
    for t in said.trust:
        add("trust", t.frames.start, [t.person, t.frames.start, t.frames.stop, float(t.weight)])
    for p in said.proxemics:
        add("proxemics", p.frames.start, proxemics_to_json(p))
    if said.camera is not None:
        add("camera", 0, _camera_to_json(said.camera))
    whole = {
        "heights": list(said.heights),
        "focal_px": said.focal_px,
        "floor_height": said.floor_height,
    }
    if any(value not in (None, []) for value in whole.values()):
        blocks["whole clip", 0] = [whole]
    return [(kind, frame, items) for (kind, frame), items in blocks.items()]


def _row(rows: Session, kind: str, first: int, items: list[Any]) -> ConstraintRow:
    digest = digest_of(kind.encode(), str(first).encode(), json.dumps(items).encode())
    row = rows.scalar(select(ConstraintRow).where(ConstraintRow.digest == digest))
    return row or ConstraintRow(digest=digest, kind=kind, first_frame=first, items=items)


def contact_to_json(c: ContactLabel) -> list[Any]:
    """The label as a list, in the order of its fields, the frames as start and stop."""
    ends = [c.person_a, c.region_a, c.person_b, c.region_b]
    return [*ends, c.frames.start, c.frames.stop, c.kind]


def contact_from_json(item: list[Any]) -> ContactLabel:
    """Inverse of `contact_to_json`."""
    a, region_a, b, region_b, start, stop, kind = item
    return ContactLabel(a, region_a, b, region_b, FrameRange(start, stop), kind)


def proxemics_to_json(p: ProxemicsStatement) -> list[Any]:
    """The statement as a list, in the order of its fields, the frames as start and stop."""
    numbers = [p.head_distance, p.pelvis_distance, *p.facing]
    values = [None if number is None else float(number) for number in numbers]
    return [p.person_a, p.person_b, p.frames.start, p.frames.stop, p.zone, *values]


def proxemics_from_json(item: list[Any]) -> ProxemicsStatement:
    """Inverse of `proxemics_to_json`."""
    a, b, start, stop, zone, heads, pelvises, *facing = item
    of_a, of_b = facing
    return ProxemicsStatement(a, b, FrameRange(start, stop), zone, heads, pelvises, (of_a, of_b))


@lru_cache(maxsize=MASKS_KEPT)
def mask_to_json(mask: RunLengthMask) -> tuple[Any, ...]:
    """Height, width, number of runs, runs. Kept: every edit of a clip reads and writes them all."""
    height, width = mask.size
    return height, width, len(mask.counts), _coded(np.asarray(mask.counts, "<u4"))


@lru_cache(maxsize=MASKS_KEPT)
def mask_from_json(height: int, width: int, count: int, code: str) -> RunLengthMask:
    """Inverse of `mask_to_json`. Unpacks no more runs than the mask can have pixels."""
    if not 0 < count <= height * width + 1 <= PIXELS_LIMIT:
        raise ValueError("a mask of more runs than pixels")
    runs = tuple(_decoded(code, "<u4", [count]).tolist())
    if sum(runs) != height * width:
        raise ValueError("a mask of another size than it says")
    return RunLengthMask((height, width), runs)


def _camera_to_json(camera: Camera) -> list[Any]:
    K, distortion = camera.K.tolist(), camera.distortion.tolist()
    transforms = np.asarray(camera.T_camera_world, "<f8")
    code = _coded(transforms)
    return [list(camera.image_size), camera.focal_source, K, distortion, len(transforms), code]


def _camera_from_json(item: list[Any]) -> Camera:
    (width, height), focal_source, K, distortion, count, code = item
    return Camera(
        K=np.array(K, np.float64),
        image_size=(width, height),
        T_camera_world=_decoded(code, "<f8", [count, 4, 4]).astype(np.float64),
        focal_source=focal_source,
        distortion=np.array(distortion, np.float64),
    )


def _coded(array: np.ndarray) -> str:
    return base64.b64encode(pack(array)).decode("ascii")


def _decoded(code: str, dtype: str, shape: list[int]) -> np.ndarray:
    try:
        return unpack(base64.b64decode(code, validate=True), np.dtype(dtype), shape)
    except zlib.error as error:
        raise ValueError("no deflated numbers") from error
