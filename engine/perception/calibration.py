"""Fits the weights of `engine.perception.confidence` to clips whose truth is known.

    python -m engine.perception.calibration VIDEO TRUTH [VIDEO TRUTH ...]

TRUTH is a file that `engine.perception.truth` or `engine.synthesis.truth` reads. Prints, for each
clip with weights from all the others, how many joints are told with confidence above 0.7 and how
many of these are right, then the weights from all clips together. Every clip counts the same.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from engine.errors import InputError
from engine.metrics.keypoints import RIGHT
from engine.perception.confidence import NAMES, fit_weights
from engine.perception.decision import joints_with_evidence
from engine.perception.evaluation import SURE
from engine.perception.pipeline import listen
from engine.perception.rendered_truth import any_truth
from engine.perception.request import PerceptionRequest
from engine.perception.truth import PerceptionTruth
from engine.video import probe


@dataclass(frozen=True)
class Sample:
    """The N joints of one clip whose truth is known."""

    name: str
    facts: Float[np.ndarray, "N E"]
    right: Bool[np.ndarray, "N"]


def sample(video: Path, truth: PerceptionTruth) -> Sample:
    """What speaks for every joint of a clip, and whether it is right."""
    info = probe(video)
    hearing, scale, cuts = listen(info, PerceptionRequest())
    xy, facts = joints_with_evidence(hearing.heard, info.times, hearing.tracks.colors, sorted(cuts))
    true = truth.keypoints2d[:, :, :17]
    longer = np.maximum(*(truth.boxes[..., 2:] - truth.boxes[..., :2]).transpose(2, 0, 1))
    off = np.linalg.norm(true[:, None] - xy[None] / scale, axis=-1) / longer[:, None, :, None]
    people = range(len(true))
    order = min(
        permutations(range(len(xy)), len(true)),
        key=lambda row: float(np.nanmedian([np.nanmedian(off[p, row[p]]) for p in people])),
    )
    known = truth.scored[:, :, :17]
    error = np.stack([off[p, order[p]] for p in people])
    told = known & np.isfinite(error)
    return Sample(video.name, facts[list(order)][told], error[told] < RIGHT)


def weights_of(samples: Sequence[Sample]) -> Float[np.ndarray, "E"]:
    return fit_weights(
        np.concatenate([s.facts for s in samples]),
        np.concatenate([s.right for s in samples]),
        np.concatenate([np.full(len(s.right), 1000.0 / len(s.right)) for s in samples]),
    )


def main(arguments: Sequence[str]) -> None:
    if not arguments or len(arguments) % 2:
        raise InputError("A truth is needed for every video", advice=str(__doc__).split("\n")[2])
    samples = []
    for video, truth in zip(arguments[::2], arguments[1::2], strict=True):
        samples.append(sample(Path(video), any_truth(Path(truth))))
        print(video, f"{samples[-1].right.mean():.3f} right", flush=True)
    for left_out in samples:
        rest = [s for s in samples if s is not left_out] or samples
        sure = 1.0 / (1.0 + np.exp(-left_out.facts @ weights_of(rest))) > SURE
        right = left_out.right[sure].mean() if sure.any() else np.nan
        print(f"{left_out.name}: {sure.mean():.3f} above {SURE}, {right:.3f} of them right")
    for name, weight in zip(NAMES, weights_of(samples), strict=True):
        print(f"{weight:8.3f}  {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
