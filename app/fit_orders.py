"""What a detection or a fit of a clip is given, the same for the window and the command line.

Imports neither Qt nor torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from annotations import observed, ranges
from annotations.corrections import effective_observations
from annotations.records import ClipState
from engine.config import AppearanceConfig, Device
from engine.fit.edits import REACH_S
from engine.perception.request import PerceptionParts
from engine.structures import BoxEdit, Camera, FrameRange, Observations, VideoInfo

MARGIN_SECONDS = 0.3
"""A re-fit reaches this far beyond what was edited, so that the motion can give way smoothly."""
NEAR_SECONDS = 1.0
"""Edits closer than this are fitted together."""


def protected_ranges(state: ClipState) -> tuple[FrameRange, ...]:
    """Frames that no fit may change: frozen, or accepted."""
    accepted = [mark.frames for mark in state.reviews if mark.verdict == "accepted"]
    return ranges.union([*state.constraints.frozen, *accepted])


def edited_frames(state: ClipState, video: VideoInfo, here: int) -> FrameRange | None:
    """What a re-fit is of: the edited stretch at or nearest to a frame, with its margin, and the
    frames around joints placed there whose detections these speak of.

    None where nothing was edited since the last fit.
    """
    if not state.edited:
        return None
    gap = round(NEAR_SECONDS * video.fps / 2)
    wide = ranges.union(FrameRange(r.start - gap, r.stop + gap) for r in state.edited)
    stretches = [FrameRange(r.start + gap, r.stop - gap) for r in wide]
    nearest = min(stretches, key=lambda r: max(r.start - here, here - r.stop + 1, 0))
    margin = round(MARGIN_SECONDS * video.fps)
    start, stop = nearest.start - margin, nearest.stop + margin
    reach = round(REACH_S * video.fps)
    for edit in state.constraints.keypoint_edits:
        if edit.frame in nearest:
            start, stop = min(start, edit.frame - reach), max(stop, edit.frame + reach + 1)
    return FrameRange(max(0, start), min(video.frame_count, stop))


def fit_config(initializer: str, *, appearance: bool, device: Device = "cpu") -> dict[str, Any]:
    """Arguments of `engine.config.FitConfig`; `appearance`: whether pictures are compared too."""
    return {
        "initializer": initializer,
        "device": device,
        "appearance": AppearanceConfig() if appearance else None,
    }


def fit_arguments(
    state: ClipState,
    video: VideoInfo,
    frames: FrameRange | None,
    body: str,
    *,
    avatars: Mapping[int, bytes] | None = None,
) -> dict[str, Any]:
    """Arguments of `engine.fit.problem.FitProblem`; `frames` None fits the whole clip anew.

    A clip whose every frame may change starts without the bodies and the camera that it has, and
    with the camera that was measured, where there is one. Frames that stay hold the camera that
    their bodies were fitted with, and so does a fit beside them. `avatars` are those that the
    project has (`Store.avatars`), for a fit that compares pictures; a fit of the whole clip learns
    anew how its people look, for what was corrected meanwhile may show in them.
    """
    protected, measured = protected_ranges(state), state.constraints.camera
    if measured is not None:
        measured = replace(measured, focal_source="file")
        if frames == FrameRange(0, video.frame_count) and not _agree(measured, state.camera):
            frames = None
    anew = state.motion is None or (frames is None and not protected)
    return {
        "observations": _as_detected(state),
        "camera": measured if anew else state.camera,
        "K": _intrinsics(video) if anew else None,
        "focal_source": "assumed" if video.focal_px is None else "file",
        "body": body if state.motion is None else state.motion.body,
        "constraints": replace(state.constraints, frozen=protected),
        "warm_start": None if anew else state.motion,
        "frames": None if state.motion is None else frames,
        "video": video,
        "avatars": {
            person: content
            for person, content in (avatars or {}).items()
            if frames is not None or person not in state.avatars
        },
        "diagnostics": None if anew else state.diagnostics,
    }


def _as_detected(state: ClipState) -> Observations | None:
    """With boxes and masks by hand, but joints as they were found: a fit learns from how far that
    is from where people placed them."""
    said = replace(state.constraints, keypoint_edits=())
    return effective_observations(replace(state, constraints=said))


def _agree(measured: Camera, fitted: Camera | None) -> bool:
    """Whether bodies were fitted with the measured camera, in whatever world."""
    if fitted is None or not np.array_equal(measured.distortion, fitted.distortion):
        return False
    change = np.linalg.inv(measured.T_camera_world) @ fitted.T_camera_world
    return np.allclose(measured.K, fitted.K) and np.allclose(change, change[:1], atol=1e-4)


def detect_arguments(
    state: ClipState | None,
    frames: FrameRange | None = None,
    boxes: tuple[BoxEdit, ...] = (),
    parts: PerceptionParts = PerceptionParts(),  # noqa: B008  frozen
) -> dict[str, Any]:
    """Arguments of `engine.perception.PerceptionRequest`: all that was ever said of the clip.

    `boxes` are said for this run alone; `parts` do the work.
    """
    if state is None:
        return {"frames": frames, "box_edits": boxes, "parts": parts}
    said = state.constraints
    return {
        "frames": frames,
        "person_count": len(state.identities),
        "box_edits": (*said.box_edits, *boxes),
        "keypoint_edits": said.keypoint_edits,
        "mask_edits": said.mask_edits,
        "motion": state.motion,
        "camera": state.camera,
        "parts": parts,
    }


def detection_provenance(parts: PerceptionParts) -> dict[str, str]:
    """What is kept with detections: who made them."""
    return {"source": "perception", **asdict(parts)}


def detected_again(
    before: Observations | None, found: Observations, frames: FrameRange
) -> Observations:
    """Detections of a part of a clip, within what was there before."""
    if before is None or before.layout != found.layout:
        return found
    if before.person_count != found.person_count:
        return found
    return observed.detected_again(before, found, frames)


def _intrinsics(video: VideoInfo) -> np.ndarray | None:
    """K from the focal length that the video's file states, None where it states none."""
    if video.focal_px is None:
        return None
    focal = video.focal_px
    return np.array([[focal, 0, video.width / 2], [0, focal, video.height / 2], [0, 0, 1.0]])
