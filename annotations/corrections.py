"""Detections with what people said of them put in: joints, boxes and masks by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from annotations.arrays import Masks
from annotations.records import ClipState
from engine.structures import Constraints, MaskEdit, Observations, RunLengthMask


def effective_observations(state: ClipState) -> Observations | None:
    """What counts as seen: the detections, and stronger, what a person drew over them.

    A joint that was placed has confidence 1; one that was hidden keeps the place that was given
    for it, with confidence 0. None where nothing was detected; the detections themselves where
    nothing was said. People the clip is not about stay as they were detected.
    """
    if state.observations is None:
        return None
    return corrected(state.observations, state.constraints)


def corrected(observations: Observations, said: Constraints) -> Observations:
    """The observations with the statements in them, which must be of their people and frames."""
    changes: dict[str, Any] = {}
    if said.keypoint_edits:
        points, confidence = observations.keypoints2d.copy(), observations.confidence.copy()
        for edit in said.keypoint_edits:
            place = edit.person, edit.frame, edit.keypoint
            points[place] = edit.x, edit.y
            confidence[place] = 1.0 if edit.visible else 0.0
        changes |= {"keypoints2d": points, "confidence": confidence}
    drawn = [edit for edit in said.box_edits if edit.kind == "person"]
    if drawn:
        boxes = observations.boxes.copy()
        for box in drawn:
            boxes[box.person, box.frame] = box.box
        changes["boxes"] = boxes
    if said.mask_edits:
        changes["masks"] = _painted(observations, said.mask_edits)
    return replace(observations, **changes) if changes else observations


def _painted(observations: Observations, edits: tuple[MaskEdit, ...]) -> Masks:
    nothing = (None,) * observations.frame_count
    masks = observations.masks or (nothing,) * observations.person_count
    rows: list[list[RunLengthMask | None]] = [list(row) for row in masks]
    for edit in edits:
        rows[edit.person][edit.frame] = edit.mask
    return tuple(map(tuple, rows))
