"""`fit` from file to file, for scripts: obs.npz in, fit.npz out. See engine.files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from app import cli_progress, worker
from app.output_place import check_place
from engine.errors import CannotFitError, InputError
from engine.files import ObservationsFile, read_observations, write_fit
from engine.fit.as_file import fit_file
from engine.geometry.camera import undistorted_pixels
from engine.structures import Camera, Constraints, FitResult, Outcome, VideoInfo
from engine.video import probe


def fit_files(
    observations: Path,
    out: Path,
    video: Path | None,
    body: str,
    config: Mapping[str, Any] = MappingProxyType({}),
) -> FitResult:
    """Fit what a file holds and write what was found; `config` as `app.fit_orders.fit_config`.

    Raises InputError for a file that is not what it should be, CannotFitError where it does not
    determine the bodies; then nothing is written.
    """
    given = read_observations(observations)
    info = None if video is None else probe(video)
    if info is not None:
        given = _timed_by(given, info)
    if given.observations.person_count < 2:
        raise InputError(
            f"There is one person in {observations.name}; expected two or more who interact"
        )
    check_place(out)
    result = cli_progress.run(worker.fit({**_problem(given, body), "video": info}, config))
    if result.outcome is Outcome.DIVERGED:
        raise CannotFitError("The fit did not settle", advice=result.advice)
    if given.distortion is not None:
        result = replace(result, camera=replace(result.camera, distortion=given.distortion))
    write_fit(out, fit_file(result, given.observations.layout))
    return result


def _problem(given: ObservationsFile, body: str) -> dict[str, object]:
    """Arguments of `engine.fit.problem.FitProblem`.

    The fit undoes a lens's distortion where it is given the whole camera. Where the camera's place
    is unknown it is undone here.
    """
    observations, T = given.observations, given.T_camera_world
    distortion = np.zeros(5) if given.distortion is None else given.distortion
    still = np.tile(np.eye(4), (observations.frame_count, 1, 1))
    camera = Camera(given.K, observations.image_size, still if T is None else T, "file", distortion)
    if T is None:
        points = undistorted_pixels(observations.keypoints2d, camera)
        observations = replace(observations, keypoints2d=points)
    return {
        "observations": observations,
        "camera": None if T is None else camera,
        "K": given.K,
        "focal_source": "file",
        "body": body,
        "constraints": Constraints(heights=given.heights),
        "betas": given.betas,
    }


def _timed_by(given: ObservationsFile, info: VideoInfo) -> ObservationsFile:
    """The same observations at the video's presentation times."""
    observations = given.observations
    if (info.frame_count, info.image_size) != (observations.frame_count, observations.image_size):
        raise InputError(
            f"The observations are not of {Path(info.path).name}",
            expected=f"{info.frame_count} frames of {info.width} x {info.height}",
            received="{} frames of {} x {}".format(
                observations.frame_count, *observations.image_size
            ),
        )
    return replace(given, observations=replace(observations, times=info.times))
