"""The bundled sample: two people who reach for each other, with a fit where one ships with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from annotations.records import Changes
from engine.body.data import load_body_data
from engine.files import FitFile, read_fit, read_observations
from engine.geometry.frames import motion_to_world
from engine.structures import Diagnostics, FitResult, FrameRange, Observations
from engine.video import probe

if TYPE_CHECKING:
    from annotations.store import Store

FOLDER = Path(__file__).resolve().parent.parent / "weights" / "sample"
VIDEO = FOLDER / "reach.mp4"
OBSERVATIONS = FOLDER / "reach-observations.npz"
FIT = FOLDER / "reach-fit.npz"
TRUSTED = 0.3
"""Confidence from which a keypoint counts as evidence for the shown error."""


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
        result = _result(content, observations)
        store.apply_fit(clip_id, result, frames, store.head(clip_id).id)
    return changes


def _result(content: FitFile, observations: Observations) -> FitResult:
    """The shipped fit in the world frame, with its errors against the shipped observations."""
    camera = content.camera
    motion = motion_to_world(
        content.motion, camera.T_camera_world, load_body_data(content.motion.body)
    )
    distance = np.linalg.norm(content.keypoints2d_reprojected - observations.keypoints2d, axis=-1)
    weight = np.where(observations.confidence >= TRUSTED, observations.confidence, 0.0)
    weight = np.where(np.isfinite(distance), weight, 0.0)
    total = weight.sum(axis=-1)
    error = (np.nan_to_num(distance) * weight).sum(axis=-1) / np.maximum(total, 1e-9)
    error = np.where(total > 0, error, np.nan)
    penetration = np.full(observations.frame_count, np.nan)
    notes = ("This fit ships with the sample; fit the clip to measure penetration.",)
    diagnostics = Diagnostics(error, penetration, notes)
    provenance = {"source": "shipped with the sample"}
    return FitResult(motion, camera, diagnostics, content.outcome, provenance=provenance)
