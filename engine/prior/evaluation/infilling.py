"""Hidden frames, and a hidden person: how far off is what a prior puts there?"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from engine.metrics.joints import LSP14
from engine.prior.evaluation.held_out import joined, taken
from engine.prior.evaluation.interpolation import cubic, linear, spherical
from engine.prior.skeleton import Skeleton
from engine.prior.windows import PairWindows

FRAMES = 64
"""Of a window."""
HIDDEN = 8, 16, 24
"""Frames in its middle that are hidden, of everybody."""
LIMBS = list(LSP14[:12])
"""Ankles, knees, hips, wrists, elbows, shoulders: the joints of the errors."""
PLAIN = "linear", "spherical"
"""The interpolations that an infiller is compared with."""
INTERPOLATIONS = (*PLAIN, "cubic")
_BATCH = 32
_MM = 1000.0

Numbers = dict[str, float]


@runtime_checkable
class Infiller(Protocol):
    """What `engine.prior.prior.Prior` is here."""

    def infill(
        self, windows: PairWindows, known: Bool[Tensor, "B P F"], *, partner: bool = True
    ) -> PairWindows:
        """The windows with the frames that are not known filled in; shapes are known. `partner`
        False: nobody knows of the other."""
        ...


def interpolated_errors(windows: PairWindows, skeleton: Skeleton) -> dict[str, Numbers]:
    """Errors of `linear` and `cubic` interpolation of each joint's place and of `spherical`
    interpolation of rotations, by method, named as `infilled_errors` does."""
    truth = placed_joints(windows, skeleton)
    found: dict[str, Numbers] = {method: {} for method in INTERPOLATIONS}
    for count in HIDDEN:
        hidden = in_the_middle(windows.pelvis.shape[2], count)
        turned = placed_joints(spherical(windows, hidden), skeleton)
        guesses = linear(truth, hidden), turned, cubic(truth, hidden)
        for method, guess in zip(INTERPOLATIONS, guesses, strict=True):
            found[method][f"infill_{count}_mm"] = _error_mm(guess, truth, hidden)
    return found


def infilled_errors(
    prior: Infiller, windows: PairWindows, skeleton: Skeleton
) -> Generator[float, None, Numbers]:
    """Mean distance of the limb joints from where they were, in the world, over the hidden frames:
    `infill_8_mm` and so on. Yields the share that is done."""
    truth = placed_joints(windows, skeleton)
    shape = windows.pelvis.shape[:3]
    found: Numbers = {}
    for index, count in enumerate(HIDDEN):
        hidden = in_the_middle(shape[2], count)
        known = (~hidden).expand(shape)
        guess = _in_batches(lambda part, k: prior.infill(part, k), windows, known)
        found[f"infill_{count}_mm"] = _error_mm(placed_joints(guess, skeleton), truth, hidden)
        yield (index + 1) / len(HIDDEN)
    return found


@dataclass(frozen=True)
class _Reaction:
    name: str
    partner: bool


_REACTIONS = _Reaction("react", True), _Reaction("react_cut", False)


def reaction_errors(
    prior: Infiller, windows: PairWindows, skeleton: Skeleton
) -> Generator[float, None, Numbers]:
    """One person hidden for the whole window, each in turn: `react_mm`, the mean distance of the
    limb joints of the hidden one while the partner stays where the partner is, and
    `react_pose_mm`, the same with the pelvises aligned; `react_cut_mm` and `react_cut_pose_mm`
    where the network's attention to the partner is cut, and `react_change` from that to
    `react_mm`. Yields the share that is done."""
    truth = placed_joints(windows, skeleton)
    errors: dict[str, list[Tensor]] = {}
    people = range(windows.pelvis.shape[1])
    for index, person in enumerate(people):
        known = torch.ones(windows.pelvis.shape[:3], dtype=torch.bool)
        known[:, person] = False
        blind = _without(windows, person)
        for way in _REACTIONS:

            def fill(part: PairWindows, k: Tensor, partner: bool = way.partner) -> PairWindows:
                return prior.infill(part, k, partner=partner)

            guess = placed_joints(_in_batches(fill, blind, known), skeleton)[:, person]
            apart = guess - truth[:, person]
            errors.setdefault(f"{way.name}_mm", []).append(apart)
            errors.setdefault(f"{way.name}_pose_mm", []).append(apart - apart[:, :, :1])
        yield (index + 1) / len(people)
    found = {name: _mean_mm(torch.stack(values)) for name, values in errors.items()}
    cut = found["react_cut_mm"]
    return found | {"react_change": found["react_mm"] / cut - 1 if cut else float("nan")}


def change_of(metric: str) -> str:
    """Name of the column that compares an error with that of the better of `PLAIN`."""
    return metric.removesuffix("_mm") + "_change"


def placed_joints(windows: PairWindows, skeleton: Skeleton) -> Float[Tensor, "B P F 24 3"]:
    """Joints in the camera's frame, metres."""
    return skeleton.joints(windows.rotations, windows.betas) + windows.pelvis[..., None, :]


def in_the_middle(frames: int, count: int) -> Bool[Tensor, "F"]:
    """`count` frames in the middle of a window of so many."""
    first = (frames - count) // 2
    frame = torch.arange(frames)
    return (frame >= first) & (frame < first + count)


def _without(windows: PairWindows, person: int) -> PairWindows:
    """The windows with a person at rest in the partner's place: a prior that looks at whom it must
    not know finds nothing there."""
    others = [p for p in range(windows.pelvis.shape[1]) if p != person]
    rotations, pelvis = windows.rotations.clone(), windows.pelvis.clone()
    rotations[:, person] = torch.eye(3)
    pelvis[:, person] = pelvis[:, others].mean(1)
    return replace(windows, rotations=rotations, pelvis=pelvis)


def _in_batches(
    fill: Callable[[PairWindows, Tensor], PairWindows],
    windows: PairWindows,
    known: Bool[Tensor, "B P F"],
) -> PairWindows:
    parts = []
    for index in torch.arange(len(known)).split(_BATCH):
        with torch.no_grad():
            parts.append(fill(windows.select(taken(index)), known[index]))
    return joined(parts)


def _error_mm(guess: Tensor, truth: Tensor, hidden: Bool[Tensor, "F"]) -> float:
    return _mean_mm((guess - truth)[:, :, hidden])


def _mean_mm(apart: Float[Tensor, "*batch 24 3"]) -> float:
    value = float(apart[..., LIMBS, :].norm(dim=-1).mean()) * _MM
    return value if np.isfinite(value) else float("nan")
