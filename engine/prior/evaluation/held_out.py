"""Motion that no prior trained on, by kind, as windows before cameras."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from engine.benchmark.suites import GENERATED
from engine.errors import InputError
from engine.motion.prepared import MotionKind
from engine.prior.dataset import MotionLibrary, Sampler, WorldWindows, load_library
from engine.prior.viewing import Views, draw_views
from engine.prior.windows import PairWindows

CAPTURED_KINDS: tuple[MotionKind, ...] = ("captured", "grappling")
"""What only a folder of prepared motion has; the generated kind ships."""
_SEED = 11


@dataclass(frozen=True)
class HeldOut:
    """Validation motion of one kind, of two people each."""

    kind: MotionKind
    library: MotionLibrary
    folder: Path
    """Where its files are, also in folders inside it."""

    def windows(self, frames: int, stride: int, most: int) -> WorldWindows:
        """Windows `stride` frames apart at the motion's own speed; evenly chosen where there are
        more than `most`."""
        found = Sampler(self.library).every(frames, stride, people=2)
        return found.select(taken(evenly(len(found.pelvis), most)))


def held_out(motion: Path | None) -> list[HeldOut]:
    """The generated contact that ships and, of a folder of prepared motion, what people captured or
    posed. Raises InputError where the folder has nothing of two people for validation."""
    found = [] if motion is None else _by_kind(motion, CAPTURED_KINDS)
    return [*found, *_by_kind(GENERATED, ("generated",))]


def _by_kind(folder: Path, kinds: tuple[MotionKind, ...]) -> list[HeldOut]:
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}", expected="a folder of prepared motion")
    library = load_library(folder, "validation", kinds)
    found = []
    for kind in kinds:
        clips = tuple(c for c in library.clips if c.kind == kind and len(c.tracks) > 1)
        if clips:
            found.append(HeldOut(kind, replace(library, clips=clips), folder))
    if not found:
        raise InputError(
            f"There is no motion in {folder} to judge a prior by",
            expected="prepared motion (.npz) of two people, of the split validation",
        )
    return found


def evenly(count: int, most: int) -> Int[Tensor, "N"]:
    """All of `count`, or `most` of them evenly chosen."""
    if count <= most:
        return torch.arange(count)
    return torch.linspace(0, count - 1, most).round().long()


def taken(index: Int[Tensor, "N"] | Bool[Tensor, "B"]) -> Callable[[Tensor], Tensor]:
    """For `select`: the windows at an index, or where a flag is set."""
    return lambda values: values[index]


def joined(parts: Sequence[PairWindows]) -> PairWindows:
    """One after another."""
    return PairWindows(
        torch.cat([part.rotations for part in parts]),
        torch.cat([part.pelvis for part in parts]),
        torch.cat([part.betas for part in parts]),
        torch.cat([part.up for part in parts]),
    )


def seen_from(windows: WorldWindows, views: Views) -> PairWindows:
    """The same people in the cameras' frames."""
    return PairWindows(
        views.rotation[:, None, None, None] @ windows.rotations,
        views.see(windows.pelvis),
        windows.betas,
        views.rotation[..., 1],
    )


def filmed(windows: WorldWindows) -> tuple[PairWindows, Views]:
    """The windows before cameras that are the same at every call."""
    views = draw_views(windows, torch.Generator().manual_seed(_SEED))
    return seen_from(windows, views), views
