"""What a hand makes of what was meant: drags, ends of intervals and regions go astray."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from app.annotator.gestures import (
    Freeze,
    Gesture,
    PlaceJoint,
    SayDistance,
    SayInFront,
    SayTouch,
    Swap,
)
from engine.body.data import load_body_data
from engine.body.regions import region_names, vertex_regions
from engine.structures import FrameRange


@dataclass(frozen=True)
class Slips:
    """How far a hand strays."""

    drag_px: float = 4.0
    """Standard deviation of a dragged joint, each way, in pixels of the video."""
    interval_frames: float = 3.0
    """Standard deviation of an interval's end."""
    neighbour: float = 0.1
    """Probability that a region beside the meant one is clicked."""


@dataclass(frozen=True)
class Hand:
    """Makes the gesture of a curator out of the intended one. Its generator moves on."""

    slips: Slips
    generator: np.random.Generator
    frame_count: int

    def made(self, meant: Gesture) -> Gesture:
        """What comes out. Heights and frozen frames are typed and chosen, so they do not slip."""
        match meant:
            case PlaceJoint(edit) if edit.visible:
                dx, dy = self.generator.normal(0, self.slips.drag_px, 2).tolist()
                return PlaceJoint(replace(edit, x=edit.x + dx, y=edit.y + dy))
            case SayTouch(label):
                return SayTouch(
                    replace(
                        label,
                        region_a=self._clicked(label.region_a),
                        region_b=self._clicked(label.region_b),
                        frames=self._marked(label.frames),
                    )
                )
            case SayInFront(order):
                return SayInFront(replace(order, frames=self._marked(order.frames)))
            case SayDistance(said):
                return SayDistance(replace(said, frames=self._marked(said.frames)))
            case Swap(frames):
                return Swap(self._marked(frames))
            case Freeze():
                return meant
            case _:
                return meant

    def _marked(self, frames: FrameRange) -> FrameRange:
        """An end at the clip's own end is where it is: the window does not go further."""
        early, late = np.rint(self.generator.normal(0, self.slips.interval_frames, 2)).astype(int)
        start = 0 if frames.start == 0 else max(0, frames.start + int(early))
        stop = frames.stop
        if stop < self.frame_count:
            stop = min(self.frame_count, stop + int(late))
        start = min(start, self.frame_count - 1)
        return FrameRange(start, max(stop, start + 1))

    def _clicked(self, region: str) -> str:
        slipped = self.generator.random() < self.slips.neighbour
        beside = neighbours()[region]
        which = int(self.generator.integers(len(beside)))
        return beside[which] if slipped else region


@cache
def neighbours() -> dict[str, tuple[str, ...]]:
    """Regions that share an edge of the mesh with each region."""
    data = load_body_data("open-body", "7k")
    names, regions = region_names(), vertex_regions(data)
    corners = regions[data.faces]
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    touching = np.zeros((len(names), len(names)), bool)
    touching[edges[:, 0], edges[:, 1]] = True
    touching |= touching.T
    np.fill_diagonal(touching, False)
    return {
        name: tuple(names[i] for i in np.flatnonzero(row))
        for name, row in zip(names, touching, strict=True)
    }
