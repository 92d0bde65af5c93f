"""Do the keypoints that the prior learns from err as those of the made-up detector?

    python -m engine.prior.noise_check MOTION.npz ...

MOTION are prepared motions of two people. Each is filmed once; the detector of engine.synthesis,
who looks at drawn bodies, and that of engine.prior.detecting, who looks at capsules, see the same
people from the same camera with several seeds. The numbers of `engine.synthesis.noise_check` are
taken of both, and how often capsules and drawn bodies agree on what hides a keypoint.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int

from engine.benchmark.suites import CAMERAS, KEY_POSE_SECONDS
from engine.body.smpl import BodyModel
from engine.files import boxes_of
from engine.motion.prepared import read_prepared
from engine.prior.detecting import Sight, detections, meet
from engine.prior.hiding import IN_SIGHT, OWN_BODY, PARTNER, levels
from engine.structures import FrameRange, Observations
from engine.synthesis.cases import undrawn_truth
from engine.synthesis.detector import PairNoise, detector_observations
from engine.synthesis.noise import PersonNoise
from engine.synthesis.noise_check import SEEDS, errors_of, statistics
from engine.synthesis.order import SynthesisOrder
from engine.synthesis.truth import Truth
from engine.synthesis.visibility import Visibility

FRAMES = 64
_LEVEL = {
    Visibility.VISIBLE: IN_SIGHT,
    Visibility.SELF_OCCLUDED: OWN_BODY,
    Visibility.OCCLUDED: PARTNER,
}


def capsule_levels(truth: Truth) -> Int[np.ndarray, "P F 26"]:
    """What hides each keypoint of a clip, by capsules."""
    posed = BodyModel.load(density="1k2").pose_of(truth.fit.motion)
    keypoints = posed.keypoints("halpe26")
    return levels(keypoints[None], posed.joints[None])[0].numpy()


def drawn_levels(truth: Truth) -> Int[np.ndarray, "P F 26"]:
    """The same by the bodies that were drawn; -1 outside the picture."""
    result = np.full(truth.visibility.shape, -1)
    for visibility, level in _LEVEL.items():
        result[truth.visibility == visibility] = level
    return result


def sight_of(truth: Truth) -> Sight:
    """The people of a clip as a batch of one."""
    K = truth.fit.camera.K
    posed = BodyModel.load(density="1k2").pose_of(truth.fit.motion)
    rays = (truth.keypoints2d - K[:2, 2]) / K[[0, 1], [0, 1]]
    return Sight(
        torch.from_numpy(rays).float()[None],
        posed.keypoints("halpe26")[None, ..., 2],
        torch.from_numpy(capsule_levels(truth))[None],
        torch.from_numpy(truth.visibility != Visibility.OUTSIDE)[None],
    )


def observations(truth: Truth, seed: int) -> Observations:
    """What the prior's detector says of a clip at `RATE`."""
    K, size = truth.fit.camera.K, truth.fit.camera.image_size
    generator = torch.Generator().manual_seed(seed)
    sight = sight_of(truth)
    seen = detections(sight, PersonNoise(), torch.ones(1), generator)
    rays, confidence = (
        value[0].double().numpy() for value in meet(*seen, sight, PairNoise(), generator)
    )
    points = rays * K[[0, 1], [0, 1]] + K[:2, 2]
    points[confidence == 0] = np.nan
    return Observations(
        keypoints2d=points,
        confidence=confidence,
        layout="halpe26",
        boxes=boxes_of(points, size),
        times=truth.fit.motion.time,
        image_size=size,
    )


def main(files: Sequence[str]) -> None:
    """Print both columns."""
    drawn, capsules = [], []
    agreeing, known = 0, 0
    for index, file in enumerate(map(Path, files)):
        truth = _filmed(file, index)
        by_capsules, by_drawing = capsule_levels(truth), drawn_levels(truth)
        agreeing += int((by_capsules == by_drawing).sum())
        known += int((by_drawing >= 0).sum())
        for seed in range(SEEDS):
            drawn.append(errors_of(truth, detector_observations(truth, seed)))
            capsules.append(errors_of(truth, observations(truth, seed)))
    mine = statistics(capsules)
    print(f"capsules and drawn bodies agree on {agreeing / max(known, 1):.3f} of {known} keypoints")
    print(f"{'':44}      drawn  capsules")
    for name, value in statistics(drawn).items():
        print(f"{name:44} {value:10.4f} {mine.get(name, float('nan')):9.4f}")


def _filmed(file: Path, seed: int) -> Truth:
    prepared = read_prepared(file)
    longest = max(prepared.sequences(), key=len)
    seconds = KEY_POSE_SECONDS if prepared.kind == "grappling" else None
    frames = int(FRAMES / 30 / seconds) + 1 if seconds else FRAMES
    start = longest.start + max(len(longest) - frames, 0) // 2
    order = SynthesisOrder(
        file,
        seed=seed,
        frames=FrameRange(start, min(start + frames, longest.stop)),
        camera=CAMERAS[seed % len(CAMERAS)],
        key_pose_seconds=seconds,
    )
    work = undrawn_truth(order)
    while True:
        try:
            next(work)
        except StopIteration as stop:
            truth: Truth = stop.value
            return truth


if __name__ == "__main__":
    main(sys.argv[1:])
