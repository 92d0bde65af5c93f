"""Sheets and overlay videos of a project's clip, in its people's colours."""

from __future__ import annotations

import os
from pathlib import Path

from annotations.corrections import effective_observations
from annotations.records import ClipRecord, ClipState
from app.drawing import rgb
from app.rendering import evenly_spaced, overlay_video, save_picture, sheet
from engine.errors import InputError
from engine.structures import FrameRange


def render_clip(
    record: ClipRecord, state: ClipState, out: Path, frames: FrameRange, rows: int
) -> None:
    """A video where `out` ends in .mp4, else a sheet of `rows` frames. Raises InputError."""
    motion, camera = state.motion, state.camera
    if motion is None or camera is None:
        raise InputError(
            f"{record.name} has no bodies to draw", advice="Fit it first: python3 main.py fit"
        )
    folder = out.absolute().parent
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise InputError(f"Cannot write into {folder}", expected="a folder that can be written")
    colors = [rgb(identity.color) for identity in state.identities]
    if out.suffix.lower() == ".mp4":
        for _ in overlay_video(out, record.video, motion, camera, frames, colors):
            pass
        return
    picked = evenly_spaced(frames, rows)
    picture = sheet(record.video, motion, camera, effective_observations(state), picked, colors)
    save_picture(out, picture)
