"""The bundled sample without a window: detect, fit, draw, measure, export, and say where it is."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from annotations.records import ClipRecord, ClipState
from annotations.store import Store
from app import cli_progress, worker
from app.fit_orders import fit_arguments
from app.sample import VIDEO
from engine.body.display import DisplayBody
from engine.errors import CannotFitError, InputError
from engine.files import ObservationsFile, write_fit, write_observations
from engine.fit.as_file import fit_file
from engine.structures import FitResult, FrameRange, Outcome
from engine.video import probe

EXPORT_FORMATS = ("smpl-npz", "coco-keypoints")
SHEET_ROWS = 6
TOUCHING_M = 0.01
"""Metres of penetration that captured people show as well."""


@dataclass(frozen=True)
class SampleRun:
    """Where the results of a run are."""

    project: Path
    overlay: Path
    sheet: Path
    numbers: Path
    numbers_text: Path
    export: Path
    observations: Path
    fit: Path

    @classmethod
    def within(cls, folder: Path) -> SampleRun:
        return cls(
            project=folder / "sample.dyad",
            overlay=folder / "overlay.mp4",
            sheet=folder / "sheet.webp",
            numbers=folder / "numbers.json",
            numbers_text=folder / "numbers.txt",
            export=folder / "export",
            observations=folder / "observations.npz",
            fit=folder / "fit.npz",
        )


def run_sample(folder: Path, frames: FrameRange | None = None) -> SampleRun:
    """Run the whole loop on the bundled clip and leave the results in `folder`.

    An earlier run's results are replaced. `frames` draws and exports a part of the clip only.
    Raises InputError where the folder cannot be written, CannotFitError where the fit diverges.
    """
    from app.project_pictures import render_clip

    run = SampleRun.within(folder)
    _clear(run)
    seconds: dict[str, float] = {}
    with Store.create(run.project, author="sample") as store:
        clip_id = _import(store)
        record = store.clip(clip_id)
        span = frames or FrameRange(0, record.video.frame_count)
        _detect(store, record, seconds)
        result = _fit(store, record, seconds)
        store.review(clip_id, span, "accepted", "bundled sample")
        state = store.state(clip_id)
        _write_files(run, record, state, result)
        with _Stopwatch("draw", seconds):
            print("Drawing the sheet and the overlay video", flush=True)
            render_clip(record, state, run.sheet, span, SHEET_ROWS)
            render_clip(record, state, run.overlay, span, SHEET_ROWS)
        with _Stopwatch("export", seconds):
            _export(store, run.export)
    found = numbers(record, state, seconds)
    run.numbers.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    run.numbers_text.write_text(as_text(found), encoding="utf-8")
    print(as_text(found))
    print(_where(run))
    return run


def _clear(run: SampleRun) -> None:
    """Make the folder, and remove what an earlier run left in it (nothing else)."""
    folder = run.project.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        results = (run.overlay, run.sheet, run.numbers, run.numbers_text)
        for name in (*results, run.observations, run.fit):
            name.unlink(missing_ok=True)
        for suffix in ("", "-wal", "-shm", ".lock"):
            run.project.with_name(run.project.name + suffix).unlink(missing_ok=True)
        for name in EXPORT_FORMATS:
            shutil.rmtree(run.export / name, ignore_errors=True)
    except OSError as error:
        raise InputError(
            f"Cannot write into {folder}", received=error.strerror or str(error)
        ) from error


def _import(store: Store) -> int:
    changes = store.add_clip(probe(VIDEO))
    if changes.clip_id is None:
        raise AssertionError("an import names its clip")
    return changes.clip_id


def _detect(store: Store, record: ClipRecord, seconds: dict[str, float]) -> None:
    with _Stopwatch("detect", seconds):
        observations = _run("Detecting two people", worker.perceive(record.video, {}))
    store.set_observations(record.id, observations, {"source": "perception"})


def _fit(store: Store, record: ClipRecord, seconds: dict[str, float]) -> FitResult:
    arguments = fit_arguments(store.state(record.id), record.video, None, store.info().body)
    base = store.head(record.id).id
    with _Stopwatch("fit", seconds):
        result: FitResult = _run("Fitting two bodies", worker.fit(arguments, {}))
    if result.outcome is Outcome.DIVERGED:
        raise CannotFitError("The fit of the sample did not settle", advice=result.advice)
    store.apply_fit(record.id, result, FrameRange(0, record.video.frame_count), base)
    return result


def _write_files(run: SampleRun, record: ClipRecord, state: ClipState, result: FitResult) -> None:
    """What was detected and fitted, as files for scripts; masks would make them large."""
    if state.observations is None:
        raise AssertionError("the sample has been detected")
    observations = replace(state.observations, masks=None)
    K, fps = result.camera.K, record.video.fps
    write_observations(run.observations, ObservationsFile(observations, K, fps))
    write_fit(run.fit, fit_file(result, observations.layout))


def _run(title: str, work: Generator[Any, None, Any]) -> Any:
    print(title, flush=True)
    return cli_progress.run(work)


def _export(store: Store, folder: Path) -> None:
    from annotations.exporters import export

    for name in EXPORT_FORMATS:
        export(store, name, folder / name)


class _Stopwatch:
    """Adds the seconds of a `with` block to a table."""

    def __init__(self, name: str, seconds: dict[str, float]) -> None:
        self._name, self._seconds = name, seconds

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._seconds[self._name] = round(time.perf_counter() - self._began, 2)


def numbers(record: ClipRecord, state: ClipState, seconds: dict[str, float]) -> dict[str, Any]:
    """What the run measured; the unit stands in each name."""
    motion, camera, diagnostics = state.motion, state.camera, state.diagnostics
    if motion is None or camera is None or diagnostics is None:
        raise AssertionError("the sample has been fitted")
    body = DisplayBody.load(motion.body)
    rest = np.zeros(3), np.zeros((23, 3)), np.zeros(3)
    pelvis = np.stack(
        [
            body.joints(m, o, p, t)[:, 0]
            for m, o, p, t in zip(
                motion.betas, motion.global_orient, motion.body_pose, motion.transl, strict=True
            )
        ]
    )
    people = []
    for person, betas in enumerate(motion.betas):
        error = diagnostics.reprojection_px[person]
        people.append(
            {
                "name": state.identities[person].name,
                "frames_fitted": int(motion.valid[person].sum()),
                "height_m": round(float(np.ptp(body.vertices(betas, *rest)[:, 1])), 3),
                "reprojection_px_median": round(float(np.nanmedian(error)), 2),
                "reprojection_px_95th": round(float(np.nanpercentile(error, 95)), 2),
            }
        )
    apart = np.linalg.norm(pelvis[0] - pelvis[1], axis=-1)
    depth = diagnostics.penetration_m
    frames = record.video.frame_count
    return {
        "clip": record.name,
        "frames": frames,
        "fps": round(record.video.fps, 3),
        "body": motion.body,
        "people": people,
        "pelvis_distance_m_median": round(float(np.median(apart)), 3),
        "penetration_mm_deepest": round(1000 * float(np.nanmax(depth)), 1),
        "penetrating_frames": int((depth > TOUCHING_M).sum()),
        "focal_px": round(float(camera.K[0, 0]), 1),
        "focal_source": camera.focal_source,
        "gravity": motion.gravity,
        "seconds": seconds,
        "fit_seconds_per_frame": round(seconds["fit"] / frames, 4),
        "notes": list(diagnostics.notes),
    }


def as_text(found: dict[str, Any]) -> str:
    """The numbers in lines for people."""
    lines = [f"{found['clip']}: {found['frames']} frames at {found['fps']:g} fps, {found['body']}"]
    for person in found["people"]:
        lines.append(
            f"  {person['name']}: {person['height_m']:.2f} m tall, reprojection "
            f"{person['reprojection_px_median']:.1f} px (median), "
            f"{person['reprojection_px_95th']:.1f} px (95th percentile)"
        )
    lines.append(f"  pelvis to pelvis: {found['pelvis_distance_m_median']:.2f} m (median)")
    lines.append(
        f"  deepest penetration: {found['penetration_mm_deepest']:.0f} mm, more than "
        f"{1000 * TOUCHING_M:.0f} mm in {found['penetrating_frames']} frames"
    )
    lines.append(f"  focal length: {found['focal_px']:.0f} px, {found['focal_source']}")
    spent = ", ".join(f"{name} {value:.1f} s" for name, value in found["seconds"].items())
    lines.append(f"  time: {spent}; fit {found['fit_seconds_per_frame']:.3f} s a frame")
    lines += [f"  {note}" for note in found["notes"]]
    return "\n".join(lines) + "\n"


def _where(run: SampleRun) -> str:
    rows = (
        ("overlay video", run.overlay),
        ("picture sheet", run.sheet),
        ("numbers", run.numbers),
        ("numbers to read", run.numbers_text),
        ("detections", run.observations),
        ("fit", run.fit),
        ("export", run.export),
        ("project", run.project),
    )
    return "\n".join(f"{name + ':':<16} {path}" for name, path in rows)
