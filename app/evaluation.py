"""Both sides of a comparison, each from any file that Dyad writes, over the same frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from annotations.exporters import coco_keypoints, smpl_npz
from annotations.exporters.coco_keypoints import ClipKeypoints
from annotations.exporters.smpl_npz import PersonExport
from app.fit_command import fit_file
from engine.errors import InputError
from engine.files import FitFile, read_fit, read_observations
from engine.metrics import Bodies, bodies_of, bodies_of_keypoints
from engine.npz import NpzArchive
from engine.structures import (
    BodyMotion,
    Camera,
    Diagnostics,
    FitResult,
    Observations,
    Outcome,
)

FILES = (
    "fit.npz, truth.npz, observations, an export of bodies (the folder of a clip's .npz, one per "
    "person) or of keypoints (.json)"
)
Export = tuple[PersonExport, ...] | ClipKeypoints
Content = FitFile | Observations | Export


@dataclass(frozen=True)
class _Grid:
    """The frames that are compared."""

    times: Float[np.ndarray, "F"]
    ids: Int[np.ndarray, "F"]
    """Numbers of the frames in the clip."""

    def positions(
        self, frame_ids: Int[np.ndarray, "T"], times: Float[np.ndarray, "T"]
    ) -> np.ndarray:
        """Where the frames of an export stand among these."""
        last = int(frame_ids.max(initial=0))
        if last > self.ids[-1]:
            raise InputError(
                "The exported frames are not of the other side's clip",
                expected=f"frames 0 to {self.ids[-1]}",
                received=f"frame {last}",
            )
        places = np.searchsorted(self.ids, frame_ids)
        apart = abs(self.times[places] - times).max(initial=0)
        step = float(np.median(np.diff(self.times))) if len(self.times) > 1 else 1.0
        if apart > step / 2:
            raise InputError(
                "The exported frames are not at the other side's presentation times",
                expected=f"within {step / 2:.3g} s",
                received=f"{apart:.3g} s apart",
            )
        return places


def read_sides(prediction: Path, truth: Path, clip: str | None = None) -> tuple[Bodies, Bodies]:
    """The people of two files. Frames that an export leaves out are unknown.

    `clip` names the one that is meant in a file of several. Raises InputError for a file that is
    none of `FILES`, or is damaged.
    """
    read = [(path, _read(path, clip), _cuts(path)) for path in (prediction, truth)]
    grid = _grid([content for _, content, _ in read])
    mine, true = (_bodies(content, grid, cuts) for _, content, cuts in read)
    return mine, true


def _read(path: Path, clip: str | None) -> Content:
    if path.is_dir():
        return _people_of(path)
    if path.suffix.lower() == ".json":
        return _clip_of(path, coco_keypoints.read_back(path), clip)
    with NpzArchive(path, "a file that can be evaluated") as archive:
        names = set(archive.headers)
    if "keypoints2d" in names and names.isdisjoint(("transl", "body_pose", "joints")):
        return read_observations(path).observations
    if "person_name" in names:
        return (smpl_npz.read_back(path),)
    return read_fit(path)


def _cuts(path: Path) -> tuple[int, ...]:
    """Of a truth.npz, whose other content is not needed."""
    if not path.is_file() or path.suffix.lower() != ".npz":
        return ()
    with NpzArchive(path, "a truth file") as archive:
        if "cuts" not in archive or archive.headers["cuts"].dtype.kind not in "iu":
            return ()
        return tuple(archive.array("cuts").ravel().tolist())


def _people_of(folder: Path) -> tuple[PersonExport, ...]:
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise InputError(f"There is nothing to evaluate in {folder}", expected=FILES)
    people = sorted((smpl_npz.read_back(file) for file in files), key=lambda one: one.person)
    for one, other in pairwise(people):
        if one.person == other.person or one.clip != other.clip or one.body != other.body:
            raise InputError(
                f"The files in {folder.name} are not of the people of one clip",
                expected="different people of the same clip on the same body",
            )
        if not np.array_equal(one.frame_ids, other.frame_ids):
            raise InputError(f"The people in {folder.name} are not of the same frames")
    return tuple(people)


def _clip_of(path: Path, clips: dict[str, ClipKeypoints], wanted: str | None) -> ClipKeypoints:
    if wanted is None and len(clips) == 1:
        return next(iter(clips.values()))
    if wanted not in clips:
        raise InputError(
            f"Say which clip of {path.name} is meant",
            expected="--clip with one of " + ", ".join(list(clips)[:12]),
            received=wanted or "none",
        )
    return clips[wanted]


def _frames_of(content: Content) -> tuple[np.ndarray, np.ndarray] | None:
    """Numbers and times of an export's frames; None of what covers a whole clip."""
    if isinstance(content, ClipKeypoints):
        return content.frame_ids, content.times
    if isinstance(content, tuple):
        return content[0].frame_ids, content[0].times
    return None


def _grid(contents: Sequence[Content]) -> _Grid:
    """All frames of the clip where one side has them, else those of the exports."""
    for content in contents:
        if isinstance(content, FitFile):
            return _Grid(content.motion.time, np.arange(content.motion.frame_count))
        if isinstance(content, Observations):
            return _Grid(content.times, np.arange(content.frame_count))
    (ids, times), (other, _) = (found for c in contents if (found := _frames_of(c)))
    if not np.array_equal(ids, other):
        raise InputError(
            "The two exports are not of the same frames",
            expected=f"{len(other)} frames",
            received=f"{len(ids)} frames, others",
        )
    return _Grid(times, ids)


def _bodies(content: Content, grid: _Grid, cuts: tuple[int, ...]) -> Bodies:
    gaps = tuple((np.flatnonzero(np.diff(grid.ids) > 1) + 1).tolist())
    if isinstance(content, FitFile):
        return bodies_of(content, cuts=cuts)
    if isinstance(content, Observations):
        return bodies_of_keypoints(content.keypoints2d, content.boxes, content.times)
    if isinstance(content, ClipKeypoints):
        places = grid.positions(content.frame_ids, content.times)
        points, boxes = (_spread(a, places, grid) for a in (content.keypoints2d, content.boxes))
        return bodies_of_keypoints(points, boxes, grid.times)
    return bodies_of(fit_file(_fitted(content, grid), "halpe26"), cuts=gaps)


def _spread(values: Float[np.ndarray, "P T ..."], places: np.ndarray, grid: _Grid) -> np.ndarray:
    """Values of some frames among all of them; NaN in the others."""
    result = np.full((len(values), len(grid.ids), *values.shape[2:]), np.nan)
    result[:, places] = values
    return result


def _fitted(people: tuple[PersonExport, ...], grid: _Grid) -> FitResult:
    """An export as a fit over all frames, in its own world."""
    first = people[0]
    places = grid.positions(first.frame_ids, first.times)

    def of_all(name: str) -> np.ndarray:
        return _spread(np.stack([getattr(one, name) for one in people]), places, grid)

    valid = of_all("valid") == 1
    T = np.tile(np.eye(4), (len(grid.ids), 1, 1))
    T[places] = first.T_camera_world
    return FitResult(
        motion=BodyMotion(
            body=first.body,
            betas=np.stack([one.betas for one in people]),
            global_orient=of_all("global_orient"),
            body_pose=of_all("body_pose"),
            transl=of_all("transl"),
            valid=valid,
            provenance=np.nan_to_num(of_all("provenance")).astype(np.uint8),
            time=grid.times,
        ),
        camera=Camera(first.K, first.image_size, T, "file", first.distortion),
        diagnostics=Diagnostics(np.full(valid.shape, np.nan), np.full(len(grid.ids), np.nan)),
        outcome=Outcome.CONVERGED,
    )
