"""Motion capture to train and judge the lifter: clips, windows, augmentation.

Motion files are `.npz` with `poses` (F, 24, 3) or (F, P, 24, 3), SMPL axis-angle in radians, and
`trans` (F, 3) or (F, P, 3), the pelvis in metres, in a world with y up; optionally `valid` (F,),
`seq_start` (hand-posed sequences without real timing) and `fps`. Folders: `pairs_train`, `single`,
`pairs_val`, and `grapplemap.npz` beside them. Held out for validation are `pairs_val` and the
single clips whose names begin as in `HELD_OUT_SINGLES`, two whole subjects among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engine.body.joints import SMPL_JOINTS, mirrored
from engine.errors import InputError
from engine.geometry.rotations import axis_angle_to_matrix, matrix_to_6d, sixd_to_matrix
from engine.perception.lifter_network import RATE, WINDOW

HELD_OUT_SINGLES = ("cmu_03_", "cmu_14_", "cmueval_washwindow", "cmueval_directing_traffic_4")
_JOINT_MIRROR = list(mirrored(SMPL_JOINTS))
_ARM_JOINTS = [
    i
    for i, name in enumerate(SMPL_JOINTS)
    if any(part in name for part in ("collar", "shoulder", "elbow", "wrist", "hand"))
]
_WALKING = ("cmueval_walking", "cmu_07_", "cmu_08_", "cmueval_running")
_GROUP_SHARES = {"pairs": 0.4, "single": 0.42, "walking": 0.06, "posed": 0.12}
"""How often a training window comes from each kind of motion."""


@dataclass(frozen=True)
class Clip:
    """A stretch of frames of one person in a `MotionLibrary`."""

    start: int
    stop: int
    group: str
    """A key of `_GROUP_SHARES`; "posed" has key frames without real timing."""


@dataclass(frozen=True)
class MotionLibrary:
    """Motions of single people, one after another, 30 Hz (key frames for posed clips)."""

    sixd: Float[Tensor, "N 24 6"]
    pelvis: Float[Tensor, "N 3"]
    clips: tuple[Clip, ...]


@dataclass(frozen=True)
class MotionWindows:
    """B windows of motion in a world with y up."""

    rotations: Float[Tensor, "B F 24 3 3"]
    pelvis: Float[Tensor, "B F 3"]


def load_library(directory: Path, split: str) -> MotionLibrary:
    """Motions of a split: "train", "pairs_val" or "single_val". Raises InputError without any."""
    files = sorted((directory / "single").glob("*.npz"))
    held_out = [f for f in files if f.name.startswith(HELD_OUT_SINGLES)]
    if split == "train":
        chosen = sorted((directory / "pairs_train").glob("*.npz"))
        chosen += [f for f in files if f not in held_out]
        chosen += sorted(directory.glob("grapplemap.npz"))
    else:
        pairs = sorted((directory / "pairs_val").glob("*.npz"))
        chosen = {"pairs_val": pairs, "single_val": held_out}[split]
    if not chosen:
        raise InputError(
            f"There is no {split} motion in {directory}",
            expected="the folders pairs_train, pairs_val and single with .npz files",
        )
    sixd, pelvis, clips, length = [], [], [], 0
    for file in chosen:
        for rotation, place, group in _read_clips(file):
            clips.append(Clip(length, length + len(place), group))
            length += len(place)
            sixd.append(rotation)
            pelvis.append(place)
    return MotionLibrary(torch.cat(sixd), torch.cat(pelvis), tuple(clips))


def _read_clips(file: Path) -> list[tuple[Tensor, Tensor, str]]:
    with np.load(file, allow_pickle=False) as data:
        poses, trans = data["poses"], data["trans"]
        valid = data["valid"] if "valid" in data.files else np.ones(len(poses), bool)
        starts = data["seq_start"] if "seq_start" in data.files else None
    group = "pairs" if poses.ndim == 4 else "single"
    if file.name.startswith(_WALKING):
        group = "walking"
    if starts is not None:
        group, edges = "posed", starts
    else:
        edges = np.concatenate([[0], np.flatnonzero(np.diff(valid)) + 1, [len(valid)]])
    people = poses if poses.ndim == 4 else poses[:, None]
    places = trans if poses.ndim == 4 else trans[:, None]
    sixd = matrix_to_6d(axis_angle_to_matrix(torch.from_numpy(people.astype(np.float32))))
    pelvis = torch.from_numpy(places.astype(np.float32))
    shortest = 2 if group == "posed" else WINDOW // 2
    return [
        (sixd[a:b, person], pelvis[a:b, person], group)
        for a, b in pairwise(edges.tolist())
        for person in range(people.shape[1])
        if valid[a] and b - a >= shortest
    ]


class WindowSampler:
    """Draws windows of motion, resampled in time, from a library."""

    def __init__(self, library: MotionLibrary) -> None:
        self._library = library
        lengths = torch.tensor([float(c.stop - c.start) for c in library.clips])
        groups = [c.group for c in library.clips]
        self._weights = torch.zeros_like(lengths)
        for group, share in _GROUP_SHARES.items():
            members = torch.tensor([g == group for g in groups])
            self._weights[members] = share * lengths[members] / lengths[members].sum()
        self._starts = torch.tensor([c.start for c in library.clips])
        self._lengths = lengths
        self._posed = torch.tensor([g == "posed" for g in groups])

    def draw(self, count: int, generator: torch.Generator) -> MotionWindows:
        """Random windows at 0.8 to 1.25 times the speed; key poses last 0.4 to 1.2 s."""
        clip = torch.multinomial(self._weights, count, replacement=True, generator=generator)
        speed = uniform((count,), -0.22, 0.22, generator).exp()
        keyed = 1 / (uniform((count,), 0.4, 1.2, generator) * RATE)
        step = torch.where(self._posed[clip], keyed, speed)
        slack = (self._lengths[clip] - 1 - step * (WINDOW - 1)).clamp_min(0)
        first = torch.rand(count, generator=generator) * slack
        return self._at(clip, first, step)

    def every(self, stride: int) -> MotionWindows:
        """All windows at their own speed, `stride` frames apart."""
        pairs = [
            (index, float(first))
            for index, length in enumerate(self._lengths.tolist())
            for first in range(0, max(int(length) - WINDOW, 0) + 1, stride)
        ]
        clip = torch.tensor([index for index, _ in pairs])
        first = torch.tensor([start for _, start in pairs])
        return self._at(clip, first, torch.ones(len(pairs)))

    def _at(self, clip: Tensor, first: Tensor, step: Tensor) -> MotionWindows:
        position = first[:, None] + step[:, None] * torch.arange(WINDOW)
        position = torch.minimum(position, (self._lengths[clip] - 1)[:, None])
        low = position.floor().long()
        high = torch.minimum(low + 1, (self._lengths[clip] - 1).long()[:, None])
        part = (position - low)[..., None]
        low, high = low + self._starts[clip][:, None], high + self._starts[clip][:, None]
        sixd, pelvis = self._library.sixd, self._library.pelvis
        mixed = sixd[low] + (sixd[high] - sixd[low]) * part[..., None]
        place = pelvis[low] + (pelvis[high] - pelvis[low]) * part
        return MotionWindows(sixd_to_matrix(mixed), place)


def mirror(windows: MotionWindows) -> MotionWindows:
    """The same motion with x -> -x and left and right joints exchanged."""
    flip = torch.tensor([-1.0, 1.0, 1.0])
    rotations = windows.rotations[:, :, _JOINT_MIRROR] * flip[:, None] * flip
    return MotionWindows(rotations, windows.pelvis * flip)


def augment(windows: MotionWindows, generator: torch.Generator) -> MotionWindows:
    """Mirror, turn about the vertical, lean, exchange arms between people, bend joints a little."""
    rotations, pelvis = windows.rotations.clone(), windows.pelvis
    count = len(pelvis)
    other = torch.randperm(count, generator=generator)
    swapped = torch.rand(count, generator=generator) < 0.3
    donor = rotations[other]
    arms = torch.zeros(24, dtype=torch.bool)
    arms[_ARM_JOINTS] = True
    take = swapped[:, None, None] & arms
    rotations = torch.where(take[..., None, None], donor, rotations)
    bend = torch.randn(count, 1, 24, 3, generator=generator) * 0.07
    bend[:, :, 0] *= 1.5
    bend = bend * (torch.rand(count, 1, 1, 1, generator=generator) < 0.6)
    rotations = rotations @ axis_angle_to_matrix(bend)
    turned = mirror(MotionWindows(rotations, pelvis))
    chosen = torch.rand(count, generator=generator) < 0.5
    rotations = torch.where(chosen[:, None, None, None, None], turned.rotations, rotations)
    pelvis = torch.where(chosen[:, None, None], turned.pelvis, pelvis)
    yaw = torch.zeros(count, 3)
    yaw[:, 1] = uniform((count,), -np.pi, np.pi, generator)
    heading = axis_angle_to_matrix(yaw)[:, None]
    root = (heading @ rotations[:, :, 0])[:, :, None]
    return MotionWindows(torch.cat([root, rotations[:, :, 1:]], 2), pelvis @ heading[:, 0].mT)


def uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)
