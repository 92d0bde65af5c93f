"""Who is where in every frame: the whole frame searched now and then, between only near people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import UInt8

from engine.perception.detection import (
    NOBODY,
    Detections,
    box_heights,
    joined,
    look,
    merge,
    pad_box,
    search,
    union,
    without,
)
from engine.perception.runtime import PoseModels
from engine.structures import Box

Image = UInt8[np.ndarray, "H W 3"]

SEARCH_SECONDS = 0.5
"""The whole frame is searched this often; between, only where people were."""


class Finder:
    """The people of any frame. The frames that are searched whole come first."""

    def __init__(
        self,
        models: PoseModels,
        read: Callable[[int], Image],
        fresh: Sequence[int],
        every: int,
        *,
        least: int = 2,
    ) -> None:
        """`read` gives frame 0..count; `fresh` are frames that begin a shot, 0 and count too.

        Where fewer than `least` people are found, those found are painted over and the others
        looked for again.
        """
        self._models, self._read, self._least = models, read, least
        shots = list(pairwise(fresh))
        self.keys = sorted(
            {key for start, stop in shots for key in (*range(start, stop, every), stop - 1)}
        )
        """Frames that are searched whole."""
        self._shot_of = np.searchsorted(np.array(fresh), np.arange(fresh[-1]), side="right")

    def search(self, number: int) -> Detections:
        """People anywhere in key frame `number`."""
        return search(self._models, self._read(self.keys[number]), self._least)

    def near(
        self,
        frame: int,
        found: Sequence[Detections],
        before: Sequence[Detections],
        *,
        tall: float,
        drawn: Sequence[Box] = (),
    ) -> Detections:
        """People of a frame: `found` in the key frames, `before` in the frames until now.

        Looked for are those of more than `tall` pixels, and whoever was `drawn`.
        """
        slot = int(np.searchsorted(self.keys, frame, side="right")) - 1
        if self.keys[slot] == frame:
            return found[slot]
        shot = self._shot_of
        around = [
            found[k]
            for k in (slot, slot + 1)
            if k < len(self.keys) and shot[self.keys[k]] == shot[frame]
        ]
        around += [d for d in before[-1:] if shot[frame - 1] == shot[frame]]
        boxes = np.concatenate([d.boxes for d in around]) if around else np.zeros((0, 4))
        heights = box_heights(boxes)
        boxes = boxes[heights > tall]
        boxes = np.concatenate([boxes, np.asarray(drawn, np.float64).reshape(-1, 4)])
        if not len(boxes):
            return NOBODY
        height = float(np.median(box_heights(boxes)))
        image, window = self._read(frame), pad_box(union(boxes), 0.25)
        people = merge(image, look(self._models, image, window, height))
        if 0 < len(people) < self._least:
            behind = look(self._models, without(image, people), window, height)
            people = joined(people, merge(image, behind))
        return people


def prominent_height(found: Sequence[Detections]) -> float:
    """Above which height people count as prominent: half of the tallest."""
    heights = [float(box_heights(d.boxes).max()) for d in found if len(d)]
    return 0.5 * max(heights, default=0.0)
