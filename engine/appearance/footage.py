"""The video as the appearance branch sees it: crops of frames, masks and background in memory.

Only crops are kept, as bytes: 5 bytes a pixel and 2 more for each person, so about 0.3 MB a frame.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from engine.appearance.background import Background, background, nothing_known, occupied
from engine.appearance.crop import Crops, Lens, cut_out, inside
from engine.appearance.gaussians import View
from engine.appearance.photometric import trusted_masks
from engine.device import on
from engine.structures import Observations, RunLengthMask, VideoInfo
from engine.video import VideoReader

BLACK = 16
"""A frame none of whose pixels in the crop is brighter (of 255) shows nothing."""
BACKGROUND_FRAMES = 21
"""Frames of a shot that its background is made of."""
SURE = 0.9
"""Share of a mask from which a pixel before an unknown background is surely the person's."""


@dataclass(frozen=True)
class Shown:
    """What some pictures show, as tensors; colours and masks 0..1."""

    image: Float[Tensor, "B H W 3"]
    background: Float[Tensor, "B H W 3"]
    counted: Float[Tensor, "B H W"]
    """1 where the rendering is to look like the image."""
    masks: Float[Tensor, "B H W P"]
    trusted: Bool[Tensor, "B H W P"]
    people: Float[Tensor, "B"]
    """Pixels that the people's boxes are large, to divide sums over pixels by."""
    view: View


@dataclass(frozen=True, eq=False)
class Footage:
    """Crops of S frames."""

    frames: Int[np.ndarray, "S"]
    """Frames of the window, increasing."""
    image: UInt8[np.ndarray, "S H W 3"]
    background: UInt8[np.ndarray, "S H W 3"]
    in_picture: Bool[np.ndarray, "S H W"]
    behind_known: Bool[np.ndarray, "S H W"]
    masks: UInt8[np.ndarray, "S H W P"]
    mask_known: Bool[np.ndarray, "S P"]
    mask_drawn: Bool[np.ndarray, "S P"]
    """Masks that a person drew."""
    boxes: Float[np.ndarray, "S P 4"]
    """Of the people, in pixels of the crop."""
    K: Float[np.ndarray, "S 3 3"]

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.image.shape[2], self.image.shape[1]

    def part(self, rows: Sequence[int] | Int[np.ndarray, "R"]) -> Footage:
        """Some of the pictures only."""
        at = np.asarray(rows, int)
        names = ("frames", *_KEPT, "boxes", "K")
        return replace(self, **{name: getattr(self, name)[at] for name in names})

    def shown(self, rows: Sequence[int], device: torch.device | str = "cpu") -> Shown:
        """Some of the pictures, on a device."""
        return on(self._shown(list(rows)), device)

    def _shown(self, at: list[int]) -> Shown:
        boxes = torch.tensor(self.boxes[at], dtype=torch.float32)
        masks = torch.from_numpy(self.masks[at]).float() / 255
        in_picture = torch.from_numpy(self.in_picture[at])
        counted = in_picture & (torch.from_numpy(self.behind_known[at]) | (masks.amax(-1) > SURE))
        width, height = self.size
        trusted = trusted_masks(
            boxes,
            torch.from_numpy(self.mask_known[at]),
            torch.from_numpy(self.mask_drawn[at]),
            self.size,
        )
        sides = (boxes[..., 2:] - boxes[..., :2]).clamp_min(1).prod(-1).sum(-1)
        return Shown(
            image=torch.from_numpy(self.image[at]).float() / 255,
            background=torch.from_numpy(self.background[at]).float() / 255,
            counted=counted.float(),
            masks=masks,
            trusted=trusted & in_picture[..., None],
            people=sides,
            view=View(torch.tensor(self.K[at], dtype=torch.float32), width, height),
        )


@dataclass(frozen=True)
class Filming:
    """What is filmed: all that is needed to cut the crops out."""

    video: VideoInfo
    observations: Observations
    """Of the whole clip, masks included; pixels of the video as it is."""
    drawn: frozenset[tuple[int, int]]
    """(person, frame) whose mask a person drew."""
    lens: Lens
    static: bool
    """The camera stands still, as far as anybody knows."""


def film(
    filming: Filming,
    crops: Crops,
    boxes: Float[np.ndarray, "F P 4"],
    frames: Int[np.ndarray, "S"],
    first: int,
) -> Generator[float, None, Footage]:
    """Read frames `first` + `frames` of the video. Yields the share that is done.

    `crops` and `boxes` (of the people, undistorted pixels) are of frames 0, 1, ... of the window.
    Raises VideoError where the video cannot be read.
    """
    reduction = max(1, int(1 / float(np.median(crops.scale))))
    lens = Lens(filming.lens.K, filming.lens.distortion, reduction)
    kept: list[tuple[np.ndarray, ...]] = []
    rows = []
    with VideoReader(filming.video) as reader:
        shots = _Shots(filming, reader, reduction)
        for count, frame in enumerate(frames.tolist()):
            picture = reader.frame(first + frame, reduction)
            places = lens.places(crops.pixels(frame))
            shrink = 1 / float(crops.scale[frame]) / reduction
            image = cut_out(picture, places, shrink)
            yield (count + 1) / len(frames)
            if image.max() <= BLACK:
                continue
            behind = shots.behind(first + frame)
            masks = _masks(filming, first + frame, reduction)
            empty = np.zeros(picture.shape[:2], np.uint8)
            cut = [cut_out(empty if m is None else m, places, shrink) for m in masks]
            known = cut_out(behind.known.astype(np.uint8) * 255, places, shrink) == 255
            # Where it is not known the picture itself stands in: half covered it looks no darker.
            behind_people = np.where(known[..., None], cut_out(behind.image, places, shrink), image)
            kept.append((
                image,
                behind_people,
                inside(places, (picture.shape[1], picture.shape[0])),
                known,
                np.stack(cut, axis=-1),
                np.array([m is not None for m in masks]),
                np.array([(p, first + frame) in filming.drawn for p in range(len(masks))]),
            ))  # fmt: skip
            rows.append(frame)
    return _footage(filming, crops, boxes, rows, kept)


def _footage(
    filming: Filming,
    crops: Crops,
    boxes: np.ndarray,
    rows: list[int],
    kept: list[tuple[np.ndarray, ...]],
) -> Footage:
    people, shape = filming.observations.person_count, (crops.height, crops.width)
    if kept:
        columns = [np.stack(column) for column in zip(*kept, strict=True)]
    else:
        colors, seen = np.zeros((0, *shape, 3), np.uint8), np.zeros((0, *shape), bool)
        masks, known = np.zeros((0, *shape, people), np.uint8), np.zeros((0, people), bool)
        columns = [colors, colors, seen, seen, masks, known, known]
    at = np.array(rows, int)
    placed = (boxes[at] - np.tile(crops.origin[at], 2)[:, None]) * crops.scale[at, None, None]
    named = dict(zip(_KEPT, columns, strict=True))
    return Footage(frames=at, boxes=placed, K=crops.intrinsics(filming.lens.K)[at], **named)


_KEPT = (
    "image", "background", "in_picture", "behind_known", "masks", "mask_known", "mask_drawn",
)  # fmt: skip
"""What is kept of every frame, in the order in which `film` finds it."""


class _Shots:
    """The background of each shot, made when it is first asked for."""

    def __init__(self, filming: Filming, reader: VideoReader, reduction: int) -> None:
        self._filming, self._reader, self._reduction = filming, reader, reduction
        self._found: dict[int, Background] = {}

    def behind(self, frame: int) -> Background:
        cuts = (0, *sorted(self._filming.observations.cuts), self._filming.video.frame_count)
        shot = max(i for i, begin in enumerate(cuts[:-1]) if begin <= frame)
        if shot not in self._found:
            self._found[shot] = self._of(cuts[shot], cuts[shot + 1])
        return self._found[shot]

    def _of(self, begin: int, stop: int) -> Background:
        filming, n = self._filming, self._reduction
        chosen = np.unique(np.linspace(begin, stop - 1, BACKGROUND_FRAMES).round().astype(int))
        if not filming.static:
            chosen = chosen[:1]
        frames, taken = [], []
        for frame in chosen.tolist():
            frames.append(self._reader.frame(frame, n))
            size = frames[-1].shape[1], frames[-1].shape[0]
            masks = [None if m is None else m > 127 for m in _masks(filming, frame, n)]
            taken.append(occupied(masks, filming.observations.boxes[:, frame] / n, size))
        if not filming.static:
            return nothing_known(size)
        return background(frames, taken)


def _masks(filming: Filming, frame: int, reduction: int) -> list[UInt8[np.ndarray, "H W"] | None]:
    """Masks of the people in a frame, 0..255 and reduced as the frame is; None where unknown."""
    masks = filming.observations.masks
    if masks is None:
        return [None] * filming.observations.person_count
    return [None if row[frame] is None else _reduced(row[frame], reduction) for row in masks]


def _reduced(mask: RunLengthMask | None, reduction: int) -> UInt8[np.ndarray, "h w"]:
    assert mask is not None
    pixels = mask.decode().astype(np.uint8) * 255
    if reduction == 1:
        return pixels
    height, width = pixels.shape
    size = -(-width // reduction), -(-height // reduction)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
