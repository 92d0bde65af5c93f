"""What a keypoint detector would say of a synthetic clip: errors that grow where people overlap.

Each person's keypoints are disturbed as `engine.perception.detector_noise` does, with the joints
that are hidden in the picture as the hidden ones. Then comes what happens between two people: a
hidden limb is given the partner's place, two people become one, and identities are exchanged when
they part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float

from engine.body.joints import HALPE26
from engine.files import ObservationsFile, boxes_of, write_observations
from engine.perception.detector_noise import DetectorNoise, corrupt
from engine.structures import Observations
from engine.synthesis.truth import Truth
from engine.synthesis.visibility import Visibility

CLEAN, DETECTOR = "observations-clean.npz", "observations-detector.npz"
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
_HIDDEN = Visibility.SELF_OCCLUDED, Visibility.OCCLUDED
RENDERED = DetectorNoise(
    jitter=(0.0015, 0.0065), bias=0.011, missing=0.01, limb_lost=0.02, limb_misplaced=0.03,
    self_occluded_error=0.9, occluded_lost=0.45, swapped=0.03, optional_missing=0.0,
)  # fmt: skip
"""Errs as Dyad's own perception did on three drawn clips of two dancers (COCO-17, shares of the
person's box height; perception first, this second). In sight: median 1.5 and 1.6 %, 93 and 93 %
within 5 %. Behind the own body: 2.7 and 3.0 %, 78 and 80 %. Behind the partner: 6.4 and 6.6 %, 30
and 28 %, found 72 and 80 %. Its confidences are more honest than those of perception were.
"""


@dataclass(frozen=True)
class PairNoise:
    """Probabilities per stretch of frames in which it can happen."""

    stolen_limb: float = 0.35
    """A limb behind the partner is given the place of the partner's."""
    merged: float = 0.25
    """While boxes all but coincide, the person behind is not found."""
    exchanged: float = 0.25
    """After they overlapped, the two are taken for each other until they overlap again."""
    merging_overlap: float = 0.55
    """Intersection over union of boxes from which people may be merged."""


def detector_observations(
    truth: Truth,
    seed: int,
    noise: DetectorNoise | None = None,
    pair_noise: PairNoise | None = None,
) -> Observations:
    """Noisy keypoints of a clip, no masks. The same seed gives the same numbers."""
    noise, pair_noise = noise or RENDERED, pair_noise or PairNoise()
    points, confidence = _single_errors(truth, noise, seed)
    generator = np.random.default_rng([seed, 3])
    meetings = _Meetings(truth, points, confidence, _box_overlap(truth), pair_noise, generator)
    for person, partner in permutations(range(len(points)), 2):
        meetings.steal_limbs(person, partner)
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


def _single_errors(
    truth: Truth, noise: DetectorNoise, seed: int
) -> tuple[Float[np.ndarray, "P F 26 2"], Float[np.ndarray, "P F 26"]]:
    camera, people = truth.fit.camera, len(truth.keypoints2d)
    depth = _keypoint_depth(truth)
    centre, focal = camera.K[:2, 2], camera.K[[0, 1], [0, 1]]
    rays = (truth.keypoints2d - centre) / focal
    seen = np.concatenate([rays * depth[..., None], depth[..., None]], axis=-1)
    hidden = [truth.visibility == level for level in _HIDDEN]
    longer = max(camera.image_size)
    rays_out, confidence = corrupt(
        torch.from_numpy(np.ascontiguousarray(seen, np.float32)),
        torch.full((people,), float(focal[0]) / longer),
        torch.tensor([[s / longer / 2 for s in camera.image_size]] * people),
        generator=torch.Generator().manual_seed(seed),
        noise=noise,
        hidden=(torch.from_numpy(hidden[0]), torch.from_numpy(hidden[1])),
    )
    pixels = rays_out.numpy().astype(np.float64) * focal + centre
    known = confidence.numpy().astype(np.float64)
    known[~truth.present] = 0
    return pixels, np.clip(known, 0, 1)


def _keypoint_depth(truth: Truth) -> Float[np.ndarray, "P F 26"]:
    """Of the keypoints in the camera frame, metres."""
    from engine.body.display import DisplayBody

    motion = truth.fit.motion
    body = DisplayBody.load(motion.body)
    depth = [
        body.keypoints(
            motion.betas[p], motion.global_orient[p], motion.body_pose[p], motion.transl[p]
        )[..., 2]
        for p in range(motion.person_count)
    ]
    return np.stack(depth).astype(np.float64)


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
                    taken = self.confidence[partner, span, limb]
                    self.confidence[person, span, limb] = 0.8 * taken

    def merge(self, a: int, b: int) -> None:
        for start, stop in self._between(a, b):
            if self.generator.random() < self.noise.merged:
                nearer = np.nan_to_num(self.truth.in_front[a, b, start:stop], nan=0.5).mean()
                self.confidence[b if nearer > 0.5 else a, start:stop] = 0

    def exchange(self, a: int, b: int) -> None:
        meetings = self._between(a, b)
        ends = [start for start, _ in meetings[1:]] + [self.overlap.shape[2]]
        for (start, stop), end in zip(meetings, ends, strict=False):
            if self.generator.random() < self.noise.exchanged:
                span, rows = slice((start + stop) // 2, end), [a, b]
                self.points[rows, span] = self.points[rows[::-1], span]
                self.confidence[rows, span] = self.confidence[rows[::-1], span]

    def _between(self, a: int, b: int) -> list[tuple[int, int]]:
        return _stretches(self.overlap[a, b] > self.noise.merging_overlap)
