"""Does the made-up detector err as perception does?

    python -m engine.synthesis.noise_check DIR ...

DIR are drawn clips (video.mp4 and truth.npz). Perception runs on each once; what it said is kept
beside the video as observations-perceived.npz. The made-up detector runs on the same truth with
several seeds, and the same numbers are taken of both. Lengths are shares of the longer side of the
person's box; joints are COCO's 17 unless said otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8

from engine.body.joints import HALPE26
from engine.files import ObservationsFile, read_observations, write_observations
from engine.metrics.keypoints import box_iou
from engine.perception.evaluation import Comparison, compare
from engine.perception.rendered_truth import from_drawn
from engine.structures import Observations
from engine.synthesis.detector import detector_observations, true_people
from engine.synthesis.noise import sideless
from engine.synthesis.truth import Truth, read_truth
from engine.synthesis.visibility import Visibility

PERCEIVED = "observations-perceived.npz"
SEEDS = 8
RIGHT, GROSS = 0.05, 0.10
SOMEBODY_ELSE = 0.25
"""Median error in sight from which another person was followed."""
UNKNOWN = 4
_LEVELS = (
    ("in sight", Visibility.VISIBLE),
    ("behind own body", Visibility.SELF_OCCLUDED),
    ("behind partner", Visibility.OCCLUDED),
)
_BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0001)


@dataclass(frozen=True)
class Errors:
    """Of one clip, as one detector saw it: P people, F frames."""

    comparison: Comparison
    offset: Float[np.ndarray, "P F 26 2"]
    """Detected minus true, share of the box's longer side; NaN where nothing was."""
    visibility: UInt8[np.ndarray, "P F 26"]
    axes: Float[np.ndarray, "P F 2 2"]
    """`Person.axes`."""
    partners: Float[np.ndarray, "P F 17"]
    """Distance of a detected joint to the nearest other person's joint of that name."""
    merged: Bool[np.ndarray, "F"]
    """Two rows lie on one person while the true boxes are apart."""
    strangers: int
    """People in whose place somebody else was followed throughout."""


def errors_of(truth: Truth, seen: Observations) -> Errors:
    """Set what was seen beside the truth. People for whom somebody else was seen throughout are
    left out of everything but the count of them."""
    true = from_drawn(truth)
    order = _identities(truth, seen)
    points = seen.keypoints2d[order]
    people = true_people(truth)
    side = np.stack([person.side for person in people])
    offset = (points - truth.keypoints2d) / side[..., None, None]
    comparison = compare(true, seen)
    visibility = truth.visibility.copy()
    strangers = np.array([_is_somebody_else(o, v) for o, v in zip(offset, visibility, strict=True)])
    visibility[strangers] = UNKNOWN
    for name in ("visibility", "present", "limbs_known", "limbs_exchanged", "missed"):
        getattr(comparison, name)[strangers] = UNKNOWN if name == "visibility" else False
    if strangers.any():
        nobody = np.zeros_like(comparison.swapped)
        comparison = replace(comparison, swapped=nobody, switches=0)
    return Errors(
        comparison,
        offset,
        visibility,
        np.stack([person.axes for person in people]),
        _to_partners(truth, points, side),
        _merged(true.boxes, seen.boxes[order]),
        int(strangers.sum()),
    )


def _is_somebody_else(offset: np.ndarray, visibility: np.ndarray) -> bool:
    """Whether a row lies on another person whenever this one is in sight."""
    error = np.linalg.norm(offset, axis=-1)[visibility == Visibility.VISIBLE]
    found = error[np.isfinite(error)]
    return not found.size or bool(np.median(found) > SOMEBODY_ELSE)


def _identities(truth: Truth, seen: Observations) -> list[int]:
    """The seen row of each person over the whole clip."""

    def miss(order: Sequence[int]) -> float:
        apart = np.linalg.norm(seen.keypoints2d[list(order)] - truth.keypoints2d, axis=-1)
        return float(np.nanmean(np.minimum(apart, 200.0)))

    orders = [list(o) for o in permutations(range(seen.person_count), len(truth.keypoints2d))]
    return orders[int(np.argmin([miss(order) for order in orders]))]


def _to_partners(truth: Truth, points: np.ndarray, side: np.ndarray) -> np.ndarray:
    apart = np.full((*points.shape[:2], 17), np.inf)
    for person in range(len(points)):
        for partner in range(len(points)):
            if partner != person:
                away = points[person, :, :17] - truth.keypoints2d[partner, :, :17]
                near = np.linalg.norm(away, axis=-1) / side[person][:, None]
                apart[person] = np.fmin(apart[person], near)
    return apart


def _merged(true: np.ndarray, seen: np.ndarray) -> Bool[np.ndarray, "F"]:
    if len(true) < 2:
        return np.zeros(true.shape[1], bool)
    return np.asarray((box_iou(seen[0], seen[1]) > 0.8) & (box_iou(true[0], true[1]) < 0.6))


def statistics(clips: Sequence[Errors]) -> dict[str, float]:
    """One number per name, over all clips together."""
    result: dict[str, float] = {}
    error, confidence, level, partners = (
        np.concatenate([get(c).ravel() for c in clips]) for get in _getters()
    )
    for name, value in _LEVELS:
        result |= _of_level(name, error, confidence, partners, level == value)
    known = level != UNKNOWN
    result |= _calibration(error[known], confidence[known])
    result |= _in_time(clips)
    result |= _of_people(clips)
    return result


def _getters() -> Iterator[Callable[[Errors], np.ndarray]]:
    yield lambda e: e.comparison.error
    yield lambda e: e.comparison.confidence
    yield lambda e: e.comparison.visibility
    yield lambda e: e.partners


def _of_level(
    name: str, error: np.ndarray, confidence: np.ndarray, partners: np.ndarray, which: np.ndarray
) -> dict[str, float]:
    error, confidence, partners = error[which], confidence[which], partners[which]
    found = np.isfinite(error)
    if not found.any():
        return {}
    own = error[found]
    stolen = (partners[found] < RIGHT) & (own > GROSS)
    return {
        f"{name}: joints": float(which.sum()),
        f"{name}: reported": float(found.mean()),
        f"{name}: error, median": float(np.median(own)),
        f"{name}: error, 90 %": float(np.quantile(own, 0.9)),
        f"{name}: within 5 %": float((error <= RIGHT).mean()),
        f"{name}: within 10 %": float((error <= GROSS).mean()),
        f"{name}: on the partner's joint": float(stolen.mean()),
        f"{name}: confidence, mean": float(confidence[found].mean()),
        f"{name}: confidence where right": _mean(confidence[found][own <= RIGHT]),
        f"{name}: confidence where wrong": _mean(confidence[found][own > RIGHT]),
        f"{name}: above 0.7": float((confidence > 0.7).mean()),
        f"{name}: right of those": _mean(error[confidence > 0.7] <= RIGHT),
    }


def _calibration(error: np.ndarray, confidence: np.ndarray) -> dict[str, float]:
    found = np.isfinite(error) & (confidence > 0)
    result = {}
    for low, high in pairwise(_BINS):
        inside = found & (confidence >= low) & (confidence < high)
        name = f"confidence {low:.1f} to {min(high, 1):.1f}"
        result[f"{name}: share"] = _mean(inside[found])
        result[f"{name}: right"] = _mean(error[inside] <= RIGHT)
    return result


def _in_time(clips: Sequence[Errors]) -> dict[str, float]:
    """How steady the error of a joint is, in sight; without the gross ones."""
    result = {}
    for lag in (1, 5, 15):
        pairs = [_pairs(clip, lag) for clip in clips if clip.offset.shape[1] > lag]
        if not pairs:
            continue
        first, second = (np.concatenate(part) for part in zip(*pairs, strict=True))
        power = float((first**2).sum() + (second**2).sum())
        alike = 2 * float((first * second).sum()) / power if power else float("nan")
        result[f"error alike after {lag} frames"] = alike
        change = np.linalg.norm(first - second, axis=-1)
        result[f"error's change in {lag} frames, median"] = float(np.median(change))
    return result


def _pairs(clip: Errors, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (N, 2) of joints in sight, and those of the same joints `lag` frames earlier."""
    offset = clip.offset[:, :, :17]
    fine = clip.visibility[:, :, :17] == Visibility.VISIBLE
    fine &= np.linalg.norm(offset, axis=-1) < GROSS
    both = fine[:, lag:] & fine[:, :-lag]
    return offset[:, lag:][both], offset[:, :-lag][both]


def _of_people(clips: Sequence[Errors]) -> dict[str, float]:
    frames = sum(c.comparison.swapped.size for c in clips)
    present = sum(int(c.comparison.present.sum()) for c in clips)
    known = sum(int(c.comparison.limbs_known.sum()) for c in clips)
    return {
        "limbs on the other side": sum(int(c.comparison.limbs_exchanged.sum()) for c in clips)
        / max(known, 1),
        "person missed": sum(int(c.comparison.missed.sum()) for c in clips) / max(present, 1),
        "identities exchanged": sum(int(c.comparison.swapped.sum()) for c in clips) / frames,
        "exchanges in 100 frames": 100 * sum(c.comparison.switches for c in clips) / frames,
        "somebody else followed": sum(c.strangers for c in clips)
        / sum(len(c.visibility) for c in clips),
        "two rows on one person": sum(int(c.merged.sum()) for c in clips) / frames,
    }


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def sitting(clips: Sequence[Errors]) -> dict[str, tuple[float, float]]:
    """Where each keypoint sits relative to the truth, of those in sight that are not gross.

    Least squares of the offsets on two vectors in the picture: the trunk's upward direction, and
    from the other shoulder to the one on the keypoint's side. Keypoints of either side together.
    """
    result = {}
    for name in dict.fromkeys(map(sideless, HALPE26)):
        normal, right_hand = np.zeros((2, 2)), np.zeros(2)
        for clip in clips:
            for index, full in enumerate(HALPE26):
                if sideless(full) != name:
                    continue
                seen = clip.visibility[:, :, index] == Visibility.VISIBLE
                seen &= np.linalg.norm(clip.offset[:, :, index], axis=-1) < GROSS
                axes = (
                    clip.axes[seen]
                    * np.array([1.0, -1.0 if full.startswith("right") else 1.0])[:, None]
                )
                normal += np.einsum("nac,nbc->ab", axes, axes)
                right_hand += np.einsum("nac,nc->a", axes, clip.offset[:, :, index][seen])
        up, out = np.linalg.lstsq(normal, right_hand)[0]
        result[name] = float(up), float(out)
    return result


def perceived(folder: Path, K: Float[np.ndarray, "3 3"]) -> Observations:
    """What perception says of the clip; run at first, read afterwards."""
    kept = folder / PERCEIVED
    if kept.exists():
        return read_observations(kept).observations
    from engine.perception import PerceptionRequest, perceive
    from engine.video import probe

    info = probe(folder / "video.mp4")
    work = perceive(info, PerceptionRequest())
    while True:
        try:
            next(work)
        except StopIteration as stop:
            seen: Observations = stop.value
            break
    seen = replace(seen, masks=None, others=None)
    write_observations(kept, ObservationsFile(seen, K, info.fps))
    return seen


def main(folders: Sequence[str]) -> None:
    """Print the table, and where each keypoint is seen relative to the truth."""
    perception, model = [], []
    for folder in map(Path, folders):
        truth = read_truth(folder / "truth.npz")
        perception.append(errors_of(truth, perceived(folder, truth.fit.camera.K)))
        for seed in range(SEEDS):
            seen = detector_observations(truth, seed)
            model.append(errors_of(truth, seen))
        print(f"{folder.name}: {truth.fit.motion.frame_count} frames", file=sys.stderr)
    real, made = statistics(perception), statistics(model)
    print(f"{'':44} perception  made up")
    for name, value in real.items():
        print(f"{name:44} {value:10.4f} {made.get(name, float('nan')):8.4f}")
    print("\nmean offset: up along the trunk, and towards the own side for shoulders' width")
    for (name, a), b in zip(sitting(perception).items(), sitting(model).values(), strict=True):
        print(f"{name:12} {a[0]:8.4f} {a[1]:8.3f}     {b[0]:8.4f} {b[1]:8.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
