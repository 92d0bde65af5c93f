"""Cases as perception sees them: drawn and looked at once, then kept in the user's cache.

What is kept is found again only while everything that it follows from is the same: the motion, the
order of the clip, the weights of the 2D models, and the code that draws and that looks. The folder
may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Generator
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

import engine
from engine.benchmark.suites import order_key
from engine.files import ObservationsFile, read_observations, write_observations
from engine.metrics import Bodies, other_order
from engine.metrics.bodies import boxes_around
from engine.perception import PeopleNotFoundError, PerceptionRequest, perceive
from engine.stamped_cache import cache_folder
from engine.structures import Observations, PerceptionProgress, RunLengthMask, VideoInfo
from engine.synthesis.clip import VIDEO, synthesize
from engine.synthesis.order import SynthesisOrder, SynthesisProgress
from engine.video import probe
from engine.weights import WEIGHTS_DIR

_CODE = "perception", "synthesis", "body"
"""Packages of engine that decide what is drawn and what is seen in it."""
Progress = SynthesisProgress | PerceptionProgress
OUTLINE_NOISE = 0.01
"""Standard deviation by which an outline is off in a "filmed" case, as a share of the height of the
mask. It changes from frame to frame, over a ninth of the picture."""


def perceived(
    order: SynthesisOrder, truth: Bodies, K: Float[np.ndarray, "3 3"], folder: Path | None = None
) -> Generator[Progress, None, Observations]:
    """What perception finds in the drawn clip of an order, people in the truth's order.

    Where it finds nobody nothing is observed. `folder`: where it is kept, else the user's cache.
    """
    kept = (folder or cache_folder() / "benchmark") / f"{_key(order)}.npz"
    if kept.exists():
        return read_observations(kept).observations
    with tempfile.TemporaryDirectory() as place:
        clip = replace(order, out=Path(place))
        yield from synthesize(clip)
        video = probe(Path(place) / VIDEO)
        try:
            request = PerceptionRequest(person_count=truth.person_count)
            seen = yield from perceive(video, request)
            found = named_as(replace(seen, masks=None, others=None), truth)
        except PeopleNotFoundError:
            found = nothing_seen(truth, video.image_size)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_observations(kept, ObservationsFile(found, K, video.fps))
    return read_observations(kept).observations


def filmed(
    order: SynthesisOrder,
    detector: Observations,
    masks: tuple[tuple[RunLengthMask, ...], ...],
    folder: Path | None = None,
) -> Generator[Progress, None, tuple[VideoInfo, Observations]]:
    """The drawn video of an order, and the made-up detector's keypoints with masks as rough as a
    segmenter's. `folder`: where the video is kept, else the user's cache."""
    kept = (folder or cache_folder() / "benchmark") / f"{_key(order)}.mp4"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as place:
            yield from synthesize(replace(order, out=Path(place)))
            (Path(place) / VIDEO).replace(kept)
    generator = np.random.default_rng([order.seed, 5])
    rough = tuple(tuple(rough_mask(mask, generator) for mask in row) for row in masks)
    return probe(kept), replace(detector, masks=rough)


def rough_mask(mask: RunLengthMask, generator: np.random.Generator) -> RunLengthMask | None:
    """A mask whose outline wanders by `OUTLINE_NOISE`; None where nothing is left of it."""
    pixels = mask.decode().astype(np.uint8)
    if not pixels.any():
        return None
    height, width = pixels.shape
    inside, outside = (cv2.distanceTransform(side, cv2.DIST_L2, 3) for side in (pixels, 1 - pixels))
    coarse = generator.normal(size=(9, 9)).astype(np.float32)
    wander = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    amount = OUTLINE_NOISE * float(pixels.any(axis=1).sum())
    rough = np.asarray(inside - outside + amount * wander) > 0
    return RunLengthMask.encode(rough) if rough.any() else None


def named_as(observations: Observations, truth: Bodies) -> Observations:
    """The same with the people in the order that fits the truth best over the whole clip: nothing
    in a video says who of two people is the first."""
    points = observations.keypoints2d
    seen = Bodies(
        joints=np.full((*points.shape[:2], 24, 3), np.nan),
        valid=np.isfinite(points).all(axis=-1).any(axis=-1),
        times=observations.times,
        keypoints2d=points[:, :, : truth.keypoints2d.shape[2]],
        boxes=boxes_around(points),
    )
    order = other_order(seen, truth)
    if order is None:
        return observations
    rows = list(order)
    return replace(
        observations,
        keypoints2d=points[rows],
        confidence=observations.confidence[rows],
        boxes=observations.boxes[rows],
    )


def nothing_seen(truth: Bodies, size: tuple[int, int]) -> Observations:
    """Observations of a clip in which nobody was found."""
    shape = truth.valid.shape
    return Observations(
        keypoints2d=np.full((*shape, 26, 2), np.nan),
        confidence=np.zeros((*shape, 26)),
        layout="halpe26",
        boxes=np.full((*shape, 4), np.nan),
        times=truth.times,
        image_size=size,
    )


def _key(order: SynthesisOrder) -> str:
    return hashlib.sha256(f"{order_key(order)} {_code_digest()}".encode()).hexdigest()[:32]


@cache
def _code_digest() -> str:
    """Of the sources and the weights by which a clip is drawn and perceived."""
    root = Path(engine.__path__[0])
    files = sorted(path for name in _CODE for path in (root / name).rglob("*.py"))
    digest = hashlib.sha256((WEIGHTS_DIR / "manifest.toml").read_bytes())
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()
