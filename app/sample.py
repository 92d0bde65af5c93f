"""The bundled sample: two people who reach for each other, with a fit where one ships with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from annotations.records import Changes
from engine.body.data import load_body_data
from engine.files import FitFile, read_fit, read_observations
from engine.geometry.frames import motion_to_world
from engine.structures import FitResult, FrameRange
from engine.video import probe

if TYPE_CHECKING:
    from annotations.store import Store

FOLDER = Path(__file__).resolve().parent.parent / "weights" / "sample"
VIDEO = FOLDER / "reach.mp4"
OBSERVATIONS = FOLDER / "reach-observations.npz"
FIT = FOLDER / "reach-fit.npz"


def fill(store: Store) -> Changes:
    """Put the sample clip into an empty project, analysed as far as the analysis ships with it."""
    video = probe(VIDEO)
    changes = store.add_clip(video)
    clip_id = changes.clip_id
    if clip_id is None or not OBSERVATIONS.exists():
        return changes
    observations = read_observations(OBSERVATIONS).observations
    if observations.frame_count != video.frame_count:
        return changes
    store.set_observations(clip_id, observations, {"source": "shipped with the sample"})
    if FIT.exists():
        content = read_fit(FIT)
        frames = FrameRange(0, video.frame_count)
        result = _result(content)
        store.apply_fit(clip_id, result, frames, store.head(clip_id).id)
    return changes


def _result(content: FitFile) -> FitResult:
    """The shipped fit, in the world frame as the store keeps it."""
    camera = content.camera
    body = load_body_data(content.motion.body)
    motion = motion_to_world(content.motion, camera.T_camera_world, body)
    notes = ("This fit ships with the sample; Shift+E fits the clip anew.",)
    diagnostics = replace(content.diagnostics, notes=notes)
    provenance = {"source": "shipped with the sample"}
    return FitResult(motion, camera, diagnostics, content.outcome, provenance=provenance)
