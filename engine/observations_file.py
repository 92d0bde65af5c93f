"""obs.npz: what a fit is given. See engine.files."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import cast, get_args

import numpy as np
from jaxtyping import Float

from engine.body.joints import KEYPOINT_NAMES
from engine.file_checks import Checks
from engine.npz import NpzArchive, write_npz
from engine.structures import Layout, Observations, RunLengthMask

PERSON_LIMIT, OTHERS_LIMIT, FRAME_LIMIT = 16, 256, 200_000
"""Larger files are refused: they are mistakes, or worse."""
FPS_RANGE, DURATION_LIMIT = (0.1, 10_000.0), 24 * 3600.0
"""Frames per second, and seconds from the first frame to the last."""
FOCAL_RANGE = 0.1, 100.0
"""Focal lengths in longer sides of the image: fields of view from 157 to 0.6 degrees."""
BETA_LIMIT = 20.0
"""Standard deviations of the population; no human body comes near."""
KIND = "an observations file"
OPTIONAL = (
    "times", "masks", "T_camera_world", "betas", "heights", "others", "cuts", "distortion",
)  # fmt: skip
SHAPE_COUNT = 10


@dataclass(frozen=True)
class ObservationsFile:
    """The content of obs.npz."""

    observations: Observations
    K: Float[np.ndarray, "3 3"]
    fps: float
    """Frames per second; `observations.times` has the times themselves."""
    T_camera_world: Float[np.ndarray, "F 4 4"] | None = None
    """World (y up) to camera; None where the camera's place is unknown."""
    betas: Float[np.ndarray, "P 10"] | None = None
    """Known shapes: the fit holds them."""
    heights: tuple[float | None, ...] = ()
    """Metres per person, None where unknown; empty where none is known."""
    distortion: Float[np.ndarray, "5"] | None = None
    """Of the lens that took the video: OpenCV's k1, k2, p1, p2, k3; None where it has none."""


def read_observations(path: Path | str) -> ObservationsFile:
    """Read and check an obs.npz. Raises InputError with what was expected and what was received."""
    with NpzArchive(path, KIND) as archive:
        checks = Checks(archive, KIND)
        checks.expect_names(
            required=("keypoints2d", "layout", "K", "image_size", "fps"),
            optional=OPTIONAL,
        )
        layout = cast(Layout, checks.choice("layout", get_args(Layout)))
        count = len(KEYPOINT_NAMES[layout])
        checks.shape("keypoints2d", ("P", "F", count, 3), kinds="fiu")
        people, frames = archive.headers["keypoints2d"].shape[:2]
        checks.at_most("people", people, PERSON_LIMIT)
        checks.at_most("frames", frames, FRAME_LIMIT)
        keypoints = checks.floats("keypoints2d", (people, frames, count, 3), nan=True)
        size = checks.image_size("image_size")
        fps = checks.number("fps", *FPS_RANGE)
        points, confidence = _split_keypoints(checks, keypoints, "keypoints2d")
        found = Observations(
            keypoints2d=points,
            confidence=confidence,
            layout=layout,
            boxes=boxes_of(points, size),
            times=_times(checks, frames, fps),
            image_size=size,
            masks=_masks(checks, (people, frames, size[1], size[0])),
        )
        return ObservationsFile(
            observations=replace(found, others=_others(checks, found), cuts=_cuts(checks, frames)),
            K=_intrinsics(checks, size),
            fps=fps,
            T_camera_world=checks.rigid("T_camera_world", frames),
            betas=_betas(checks, people),
            heights=_heights(checks, people),
            distortion=checks.distortion("distortion"),
        )


def write_observations(path: Path | str, content: ObservationsFile) -> None:
    """Write an obs.npz that `read_observations` returns unchanged."""
    observations = content.observations
    arrays: dict[str, np.ndarray] = {
        "keypoints2d": _joined_keypoints(observations),
        "layout": np.array(observations.layout),
        "K": content.K,
        "image_size": np.array(observations.image_size),
        "fps": np.array(content.fps),
        "times": observations.times,
    }
    if content.T_camera_world is not None:
        arrays["T_camera_world"] = content.T_camera_world
    if content.betas is not None:
        arrays["betas"] = content.betas
    if content.heights:
        arrays["heights"] = np.array([np.nan if h is None else h for h in content.heights])
    if observations.others is not None:
        arrays["others"] = _joined_keypoints(observations.others)
    if observations.cuts:
        arrays["cuts"] = np.array(observations.cuts)
    if content.distortion is not None:
        arrays["distortion"] = content.distortion
    write_npz(path, arrays, lambda archive: _write_masks(archive, observations))


def _joined_keypoints(observations: Observations) -> Float[np.ndarray, "P F K 3"]:
    """x, y, confidence."""
    points, confidence = observations.keypoints2d, observations.confidence
    return np.concatenate([points, confidence[..., None]], axis=-1)


def boxes_of(
    points: Float[np.ndarray, "P F K 2"], image_size: tuple[int, int], margin: float = 0.1
) -> Float[np.ndarray, "P F 4"]:
    """x0, y0, x1, y1 around a person's keypoints, a tenth larger, in the image; NaN in gaps."""
    seen = np.isfinite(points).all(axis=-1).any(axis=-1)
    boxes = np.full((*points.shape[:2], 4), np.nan)
    if seen.any():
        low, high = np.nanmin(points[seen], axis=1), np.nanmax(points[seen], axis=1)
        border = margin * (high - low)
        limit = np.array(image_size, float)
        boxes[seen] = np.concatenate(
            [np.clip(low - border, 0, limit), np.clip(high + border, 0, limit)], axis=1
        )
    return boxes


def _split_keypoints(
    checks: Checks, keypoints: Float[np.ndarray, "P F K 3"], name: str
) -> tuple[Float[np.ndarray, "P F K 2"], Float[np.ndarray, "P F K"]]:
    confidence = np.nan_to_num(keypoints[..., 2], nan=0.0)
    low, high = float(confidence.min(initial=0)), float(confidence.max(initial=0))
    if low < 0 or high > 1:
        raise checks.refusal(f"a confidence in {name}", "0..1", f"{low:.3g} to {high:.3g}")
    points = keypoints[..., :2].copy()
    missing = (confidence == 0) | ~np.isfinite(points).all(axis=-1)
    points[missing] = np.nan
    confidence[missing] = 0.0
    return points, confidence


def _others(checks: Checks, found: Observations) -> Observations | None:
    """People whom the clip is not about, as the clip's own are stored, without masks."""
    if "others" not in checks.archive:
        return None
    frames, count = found.frame_count, found.keypoints2d.shape[2]
    checks.shape("others", ("P", frames, count, 3), kinds="fiu")
    people = checks.archive.headers["others"].shape[0]
    checks.at_most("others", people, OTHERS_LIMIT)
    keypoints = checks.floats("others", (people, frames, count, 3), nan=True)
    points, confidence = _split_keypoints(checks, keypoints, "others")
    boxes = boxes_of(points, found.image_size)
    return replace(found, keypoints2d=points, confidence=confidence, boxes=boxes, masks=None)


def _cuts(checks: Checks, frames: int) -> tuple[int, ...]:
    """Frames that begin another shot, increasing."""
    if "cuts" not in checks.archive or checks.archive.headers["cuts"].shape == (0,):
        return ()
    cuts = checks.integers("cuts", ("C",)).tolist()
    if any(b <= a for a, b in pairwise([0, *cuts, frames])):
        received = ", ".join(map(str, cuts[:8]))
        raise checks.refusal("cuts", f"frames 1 to {frames - 1} that increase", received)
    return tuple(cuts)


def _times(checks: Checks, frames: int, fps: float) -> Float[np.ndarray, "F"]:
    given = "times" in checks.archive
    times = checks.increasing("times", frames) if given else np.arange(frames) / fps
    if (duration := float(times[-1] - times[0])) > DURATION_LIMIT:
        raise checks.refusal(
            "the length", f"at most {DURATION_LIMIT / 3600:g} hours", f"{duration / 3600:g} hours"
        )
    return times


def _intrinsics(checks: Checks, image_size: tuple[int, int]) -> Float[np.ndarray, "3 3"]:
    """Of a camera that could have taken the image: a focal length may not be pixels at all."""
    K = checks.intrinsics("K")
    low, high = (share * max(image_size) for share in FOCAL_RANGE)
    focal = np.array([K[0, 0], K[1, 1]])
    if focal.min() < low or focal.max() > high:
        received = " and ".join(f"{length:g}" for length in focal)
        raise checks.refusal("a focal length in K", f"{low:g} to {high:g} pixels", received)
    return K


def _betas(checks: Checks, people: int) -> Float[np.ndarray, "P 10"] | None:
    if "betas" not in checks.archive:
        return None
    betas = checks.floats("betas", (people, SHAPE_COUNT))
    if (largest := float(abs(betas).max())) > BETA_LIMIT:
        limits = f"-{BETA_LIMIT:g} to {BETA_LIMIT:g}"
        raise checks.refusal("a value of betas", limits, f"{largest:g} in size")
    return betas


def _heights(checks: Checks, people: int) -> tuple[float | None, ...]:
    if "heights" not in checks.archive:
        return ()
    heights = checks.floats("heights", (people,), nan=True)
    known = heights[np.isfinite(heights)]
    if known.size and not (known.min() >= 0.4 and known.max() <= 2.8):
        raise checks.refusal("heights", "0.4 to 2.8 metres", ", ".join(f"{h:g}" for h in known))
    return tuple(float(h) if np.isfinite(h) else None for h in heights)


def _masks(
    checks: Checks, shape: tuple[int, int, int, int]
) -> tuple[tuple[RunLengthMask | None, ...], ...] | None:
    """Masks are run-length coded one by one: a clip's worth of them need never fit in memory."""
    if "masks" not in checks.archive:
        return None
    checks.shape("masks", shape, kinds="bui")
    coded = [
        RunLengthMask.encode(mask != 0) if mask.any() else None
        for mask in checks.archive.slices("masks", axes=2)
    ]
    people, frames = shape[:2]
    return tuple(tuple(coded[p * frames : (p + 1) * frames]) for p in range(people))


def _write_masks(archive: zipfile.ZipFile, observations: Observations) -> None:
    """Masks one by one, as they are read."""
    if observations.masks is None:
        return
    width, height = observations.image_size
    shape = (observations.person_count, observations.frame_count, height, width)
    header = {"descr": "|b1", "fortran_order": False, "shape": shape}
    empty = np.zeros((height, width), bool)
    with archive.open("masks.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for row in observations.masks:
            for mask in row:
                pixels = empty if mask is None else mask.decode()
                member.write(np.ascontiguousarray(pixels, bool).tobytes())
