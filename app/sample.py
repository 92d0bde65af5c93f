"""The bundled sample: two people who reach for each other, and two who hug and are drawn.

Both come with their analysis. The drawn clip's truth ships too (hug-synthetic-truth.npz): what a
fit, or a curator, makes of it can be measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class SampleClip:
    """A video of the sample, and the files of its analysis where they ship with it."""

    video: Path
    observations: Path
    fit: Path

    @classmethod
    def named(cls, name: str) -> SampleClip:
        files = f"{name}.mp4", f"{name}-observations.npz", f"{name}-fit.npz"
        return cls(*(FOLDER / file for file in files))


CLIPS = SampleClip.named("reach"), SampleClip.named("hug-synthetic")
VIDEO = CLIPS[0].video
TRUTH = FOLDER / "hug-synthetic-truth.npz"


def fill(store: Store) -> Changes:
    """Put the sample's clips into an empty project, analysed as far as the analysis ships.

    Returns what changed with the first clip.
    """
    changes = [_add(store, clip) for clip in CLIPS]
    return changes[0]


def _add(store: Store, clip: SampleClip) -> Changes:
    video = probe(clip.video)
    changes = store.add_clip(video)
    clip_id = changes.clip_id
    if clip_id is None or not clip.observations.exists():
        return changes
    observations = read_observations(clip.observations).observations
    if observations.frame_count != video.frame_count:
        return changes
    store.set_observations(clip_id, observations, {"source": "shipped with the sample"})
    if clip.fit.exists():
        content = read_fit(clip.fit)
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
