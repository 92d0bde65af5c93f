"""What a detection or a fit of a clip is given, the same for the window and the command line.

Imports neither Qt nor torch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from annotations import ranges
from annotations.records import ClipState
from engine.structures import BoxEdit, FrameRange, Observations, VideoInfo


def protected_ranges(state: ClipState) -> tuple[FrameRange, ...]:
    """Frames that no fit may change: frozen, or accepted."""
    accepted = [mark.frames for mark in state.reviews if mark.verdict == "accepted"]
    return ranges.union([*state.constraints.frozen, *accepted])


def fit_arguments(
    state: ClipState, video: VideoInfo, frames: FrameRange | None, body: str
) -> dict[str, Any]:
    """Arguments of `engine.fit.problem.FitProblem`; `frames` None fits the whole clip anew.

    A clip whose every frame may change starts without the bodies and the camera that it has.
    """
    protected = protected_ranges(state)
    anew = state.motion is None or (frames is None and not protected)
    return {
        "observations": state.observations,
        "camera": None if anew else state.camera,
        "K": _intrinsics(video) if anew else None,
        "focal_source": "assumed" if video.focal_px is None else "file",
        "body": body if state.motion is None else state.motion.body,
        "constraints": replace(state.constraints, frozen=protected),
        "warm_start": None if anew else state.motion,
        "frames": None if state.motion is None else frames,
    }


def detect_arguments(
    state: ClipState | None, frames: FrameRange | None = None, boxes: tuple[BoxEdit, ...] = ()
) -> dict[str, Any]:
    """Arguments of `engine.perception.PerceptionRequest`: all that was ever said of the clip.

    `boxes` are said for this run alone.
    """
    if state is None:
        return {"frames": frames, "box_edits": boxes}
    said = state.constraints
    return {
        "frames": frames,
        "box_edits": (*said.box_edits, *boxes),
        "keypoint_edits": said.keypoint_edits,
        "mask_edits": said.mask_edits,
        "motion": state.motion,
        "camera": state.camera,
    }


def detected_again(
    before: Observations | None, found: Observations, frames: FrameRange
) -> Observations:
    """Detections of a part of a clip, within what was there before."""
    if before is None or before.layout != found.layout:
        return found
    if before.person_count != found.person_count:
        return found
    part = frames.as_slice()

    def merged(old: np.ndarray, new: np.ndarray) -> np.ndarray:
        result = old.copy()
        result[:, part] = new[:, part]
        return result

    nothing = ((None,) * found.frame_count,) * found.person_count
    masks = tuple(
        (*old[: frames.start], *new[part], *old[frames.stop :])
        for old, new in zip(before.masks or nothing, found.masks or nothing, strict=True)
    )
    return replace(
        before,
        keypoints2d=merged(before.keypoints2d, found.keypoints2d),
        confidence=merged(before.confidence, found.confidence),
        boxes=merged(before.boxes, found.boxes),
        masks=masks if before.masks or found.masks else None,
    )


def _intrinsics(video: VideoInfo) -> np.ndarray | None:
    """K from the focal length that the video's file states, None where it states none."""
    if video.focal_px is None:
        return None
    focal = video.focal_px
    return np.array([[focal, 0, video.width / 2], [0, focal, video.height / 2], [0, 0, 1.0]])
