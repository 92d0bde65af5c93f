"""What a fit found, to rows and back: bodies, camera, diagnostics, proxemics, proposals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, cast, get_args

import numpy as np
from sqlalchemy.orm import Session

from annotations.arrays import ArrayStore
from annotations.proxemics import FRAME_AXES as PROXEMICS_AXES
from annotations.records import ClipState
from annotations.schema import ArrayRow, MotionArrayRow, MotionRow
from engine.structures import (
    BodyMotion,
    Camera,
    Diagnostics,
    FrameRange,
    PairProxemics,
    Reason,
    SwapProposal,
)

MOTION_AXES = {
    "betas": None, "global_orient": 1, "body_pose": 1, "transl": 1, "valid": 1, "provenance": 1,
    "time": 0,
}  # fmt: skip
CAMERA_AXES = {"K": None, "T_camera_world": 0, "distortion": None}
DIAGNOSTIC_AXES = {"reprojection_px": 1, "penetration_m": 0}
"""The frame axis of each array; None: the array has none."""
EXPECTED_ERROR = "expected_error"
REASON, PROXEMICS = "reason ", "proxemics "
"""What the names of their arrays begin with; then come the reason, or two people and a field."""


def parts_of(state: ClipState) -> tuple[object, ...]:
    """What a row of bodies holds of a state."""
    return state.motion, state.camera, state.diagnostics, state.proxemics, state.swaps


def write(rows: Session, arrays: ArrayStore, state: ClipState) -> MotionRow:
    """A new row of the state's bodies and all that was found along with them."""
    motion, camera, diagnostics = state.motion, state.camera, state.diagnostics
    assert motion is not None
    stored: dict[str, ArrayRow] = {}

    def put(found: Mapping[str, tuple[np.ndarray, int | None]]) -> None:
        stored.update({n: arrays.put(rows, array, axis) for n, (array, axis) in found.items()})

    parts = ((motion, MOTION_AXES), (camera, CAMERA_AXES), (diagnostics, DIAGNOSTIC_AXES))
    for part, axes in parts:
        if part is not None:
            put({name: (getattr(part, name), axis) for name, axis in axes.items()})
    if diagnostics is not None:
        put({REASON + reason: (score, 1) for reason, score in diagnostics.reasons.items()})
        if diagnostics.expected_error is not None:
            put({EXPECTED_ERROR: (diagnostics.expected_error, 1)})
    for pair in state.proxemics:
        start = f"{PROXEMICS}{pair.person_a} {pair.person_b} "
        put({start + name: (getattr(pair, name), axis) for name, axis in PROXEMICS_AXES.items()})
    facts: dict[str, Any] = {}
    if camera is not None:
        facts = {"image_size": list(camera.image_size), "focal_source": camera.focal_source}
    return MotionRow(
        body=motion.body,
        gravity=motion.gravity,
        camera=facts,
        notes=list(diagnostics.notes) if diagnostics is not None else [],
        swaps=[swap_to_json(swap) for swap in state.swaps],
        arrays={n: MotionArrayRow(name=n, array=array) for n, array in stored.items()},
    )


def read(rows: Session, arrays: ArrayStore, row: MotionRow | None) -> dict[str, Any]:
    """The fields of a `ClipState` that the row holds. Raises ValueError, TypeError or KeyError."""
    if row is None:
        return {}
    found = _arrays_of(rows, arrays, row, MOTION_AXES)
    return {
        "motion": BodyMotion(body=row.body, gravity=cast(Any, row.gravity), **found),
        "camera": _read_camera(rows, arrays, row),
        "diagnostics": _read_diagnostics(rows, arrays, row),
        "proxemics": _read_proxemics(rows, arrays, row),
        "swaps": tuple(swap_from_json(item) for item in row.swaps),
    }


def swap_to_json(swap: SwapProposal) -> list[Any]:
    """The proposal as a list, in the order of its fields, the frames as start and stop."""
    frames = swap.frames
    costs = [float(swap.cost_before), float(swap.cost_after)]
    return [swap.person_a, swap.person_b, frames.start, frames.stop, *costs]


def swap_from_json(item: list[Any]) -> SwapProposal:
    """Inverse of `swap_to_json`."""
    a, b, start, stop = (int(number) for number in item[:4])
    before, after = (float(cost) for cost in item[4:])
    if not (0 <= a != b >= 0 and 0 <= start < stop):
        raise ValueError("a proposal to swap nobody")
    return SwapProposal(a, b, FrameRange(start, stop), before, after)


def _arrays_of(
    rows: Session, arrays: ArrayStore, row: MotionRow, names: Iterable[str]
) -> dict[str, Any]:
    return {name: arrays.get(rows, row.arrays[name].array) for name in names}


def _read_camera(rows: Session, arrays: ArrayStore, row: MotionRow) -> Camera | None:
    if not row.camera:
        return None
    width, height = row.camera["image_size"]
    return Camera(
        image_size=(width, height),
        focal_source=row.camera["focal_source"],
        **_arrays_of(rows, arrays, row, CAMERA_AXES),
    )


def _read_diagnostics(rows: Session, arrays: ArrayStore, row: MotionRow) -> Diagnostics | None:
    if "penetration_m" not in row.arrays:
        return None
    names = (reason for reason in get_args(Reason) if REASON + reason in row.arrays)
    expected = row.arrays.get(EXPECTED_ERROR)
    return Diagnostics(
        **_arrays_of(rows, arrays, row, DIAGNOSTIC_AXES),
        notes=tuple(row.notes),
        reasons={name: arrays.get(rows, row.arrays[REASON + name].array) for name in names},
        expected_error=None if expected is None else arrays.get(rows, expected.array),
    )


def _read_proxemics(rows: Session, arrays: ArrayStore, row: MotionRow) -> tuple[PairProxemics, ...]:
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for name, each in row.arrays.items():
        if name.startswith(PROXEMICS):
            a, b, field = name.removeprefix(PROXEMICS).split(" ")
            found.setdefault((int(a), int(b)), {})[field] = arrays.get(rows, each.array)
    for pair in found.values():
        if set(pair) != {f.name for f in fields(PairProxemics)} - {"person_a", "person_b"}:
            raise ValueError("proxemics that are not whole")
    return tuple(PairProxemics(*persons, **found[persons]) for persons in sorted(found))
