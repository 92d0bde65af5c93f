"""What a keypoint detector would say of a synthetic clip: errors that grow where people overlap.

Each person's keypoints err as `engine.synthesis.noise` says. Besides there is what happens between
two people: a hidden limb is given the partner's place, two people become one, and identities are
exchanged when they part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import norm

from engine.body.joints import HALPE26
from engine.files import ObservationsFile, boxes_of, write_observations
from engine.structures import Observations
from engine.synthesis.noise import Person, PersonNoise, confidences, reported, seen_points, wander
from engine.synthesis.truth import Truth
from engine.synthesis.visibility import Visibility

CLEAN, DETECTOR = "observations-clean.npz", "observations-detector.npz"
BOX_ROOM = 0.03
"""Room around the keypoints in a person's true box, as a share of its sides."""
_LIMBS = tuple(
    tuple(
        index
        for index, name in enumerate(HALPE26)
        if name.startswith(side) and any(word in name for word in words)
    )
    for side in ("left", "right")
    for words in (("elbow", "wrist"), ("knee", "ankle", "toe", "heel"))
)
"""Keypoints of arms and legs that a detector moves together."""


@dataclass(frozen=True)
class PairNoise:
    """What happens between two people."""

    stolen_limb: float = 0.35
    """Probability that a limb behind the partner is given the place of the partner's, per stretch
    of frames in which it is hidden."""
    merged: float = 0.1
    """Probability that the person behind is not found while boxes all but coincide."""
    merging_overlap: float = 0.55
    """Intersection over union of boxes from which people may be merged."""
    mistaken: float = 0.025
    """Share of time, of that in which boxes overlap, that the two are taken for each other."""
    mistaken_s: float = 0.08
    """Seconds in which that is forgotten."""
    meeting_overlap: float = 0.1
    """Intersection over union of boxes from which people may be taken for each other."""
    exchanged: float = 0.02
    """Probability that after boxes all but coincided the two are taken for each other until that
    happens again."""


def detector_observations(
    truth: Truth,
    seed: int,
    noise: PersonNoise | None = None,
    pair_noise: PairNoise | None = None,
) -> Observations:
    """Noisy keypoints of a clip, no masks. The same seed gives the same numbers."""
    noise, pair_noise = noise or PersonNoise(), pair_noise or PairNoise()
    people = true_people(truth)
    streams = [np.random.default_rng([seed, 4, p]) for p in range(len(people))]
    points = np.stack([seen_points(p, noise, g) for p, g in zip(people, streams, strict=True)])
    confidence = np.zeros(points.shape[:3])
    generator = np.random.default_rng([seed, 3])
    meetings = _Meetings(truth, points, confidence, _box_overlap(truth), pair_noise, generator)
    for person, partner in permutations(range(len(points)), 2):
        meetings.steal_limbs(person, partner)
    for person, stream in enumerate(streams):
        told = reported(people[person], noise, stream) & truth.present[person][:, None]
        sure = confidences(people[person], points[person], noise, stream)
        confidence[person] = sure * told
    for a, b in combinations(range(len(points)), 2):
        meetings.merge(a, b)
        meetings.exchange(a, b)
    points[confidence == 0] = np.nan
    size = truth.fit.camera.image_size
    return Observations(
        keypoints2d=points,
        confidence=confidence,
        layout="halpe26",
        boxes=boxes_of(points, size),
        times=truth.fit.motion.time,
        image_size=size,
    )


def found_in_drawn_boxes(truth: Truth, seed: int) -> Observations:
    """What the detector of `detector_observations` would find of people whose boxes are drawn: as
    noisy keypoints, but nobody is lost, merged into another or taken for another."""
    found = replace(PersonNoise(), lost=(0.0,) * len(PersonNoise().lost))
    apart = replace(PairNoise(), merged=0.0, mistaken=0.0, exchanged=0.0)
    return detector_observations(truth, seed, found, apart)


def write_both_observations(folder: Path, truth: Truth) -> None:
    """observations-clean.npz: the true pixels of all joints in the picture (hidden ones too),
    masks, others, cuts, and the camera. observations-detector.npz: noisy pixels and K only.
    """
    camera = truth.fit.camera
    clean = ObservationsFile(
        clean_observations(truth), camera.K, truth.fps, T_camera_world=camera.T_camera_world
    )
    write_observations(folder / CLEAN, clean)
    noisy = detector_observations(truth, truth.seed)
    write_observations(folder / DETECTOR, ObservationsFile(noisy, camera.K, truth.fps))


def clean_observations(truth: Truth) -> Observations:
    """The true pixels of all joints in the picture, hidden ones too; masks, passers-by, cuts."""
    boxes = np.full((*truth.present.shape, 4), np.nan)
    for person, frame in np.argwhere(truth.present):
        mask = truth.masks[person][frame].decode()
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        boxes[person, frame] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    people = _exact(truth, truth.keypoints2d, truth.visibility)
    others = None
    if len(truth.others_keypoints2d):
        others = _exact(truth, truth.others_keypoints2d, truth.others_visibility)
    return replace(people, boxes=boxes, masks=truth.masks, others=others, cuts=truth.cuts)


def _exact(truth: Truth, pixels: np.ndarray, visibility: np.ndarray) -> Observations:
    shown = visibility != Visibility.OUTSIDE
    points = np.where(shown[..., None], pixels, np.nan)
    size = truth.fit.camera.image_size
    return Observations(
        keypoints2d=points,
        confidence=shown.astype(np.float64),
        layout="halpe26",
        boxes=boxes_of(points, size),
        times=truth.fit.motion.time,
        image_size=size,
    )


def true_people(truth: Truth) -> list[Person]:
    """The people as the noise sees them."""
    boxes = boxes_of(truth.keypoints2d, truth.fit.camera.image_size, margin=BOX_ROOM)
    side = np.nan_to_num((boxes[..., 2:] - boxes[..., :2]).max(axis=-1), nan=1.0)
    return [
        Person(truth.fit.motion.time, pixels, visibility, np.maximum(length, 1.0))
        for pixels, visibility, length in zip(
            truth.keypoints2d, truth.visibility, side, strict=True
        )
    ]


def _box_overlap(truth: Truth) -> Float[np.ndarray, "P P F"]:
    """Intersection over union of the people's boxes."""
    boxes = boxes_of(truth.keypoints2d, truth.fit.camera.image_size, margin=0.0)
    low = np.maximum(boxes[:, None, :, :2], boxes[None, :, :, :2])
    high = np.minimum(boxes[:, None, :, 2:], boxes[None, :, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=-1)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)
    return np.asarray(both / np.maximum(area[:, None] + area[None] - both, 1e-9))


def _stretches(flags: Bool[np.ndarray, "F"]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


@dataclass(frozen=True)
class _Meetings:
    """Detections that what happens between two people changes in place."""

    truth: Truth
    points: Float[np.ndarray, "P F 26 2"]
    confidence: Float[np.ndarray, "P F 26"]
    overlap: Float[np.ndarray, "P P F"]
    noise: PairNoise
    generator: np.random.Generator

    def steal_limbs(self, person: int, partner: int) -> None:
        for limb in map(list, _LIMBS):
            hidden = self.truth.visibility[person][:, limb] == Visibility.OCCLUDED
            for start, stop in _stretches(hidden.mean(axis=1) > 0.5):
                if self.generator.random() < self.noise.stolen_limb:
                    span = slice(start, stop)
                    self.points[person, span, limb] = self.points[partner, span, limb]

    def merge(self, a: int, b: int) -> None:
        for start, stop in self._between(a, b):
            if self.generator.random() < self.noise.merged:
                nearer = np.nan_to_num(self.truth.in_front[a, b, start:stop], nan=0.5).mean()
                self.confidence[b if nearer > 0.5 else a, start:stop] = 0

    def exchange(self, a: int, b: int) -> None:
        times = self.truth.fit.motion.time
        fickle = wander(times, self.noise.mistaken_s, (), self.generator)
        mistaken = fickle < norm.ppf(self.noise.mistaken)
        mistaken &= self.overlap[a, b] > self.noise.meeting_overlap
        meetings = self._between(a, b)
        ends = [start for start, _ in meetings[1:]] + [self.overlap.shape[2]]
        for (start, stop), end in zip(meetings, ends, strict=False):
            if self.generator.random() < self.noise.exchanged:
                mistaken[(start + stop) // 2 : end] ^= True
        frames = np.flatnonzero(mistaken)
        for array in (self.points, self.confidence):
            array[a, frames], array[b, frames] = array[b, frames], array[a, frames]

    def _between(self, a: int, b: int) -> list[tuple[int, int]]:
        return _stretches(self.overlap[a, b] > self.noise.merging_overlap)
