"""What an importer finds in a file, and what of it becomes the clip's.

A reader fills a `Reading` with people frame by frame as the file has them. `assembly` puts it on
the clip's frames and pixels and follows people: an `Imported`. Nothing is taken in before a person
has seen it (see app.import_preview).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from annotations.importers.values import refusal
from engine.errors import InputError
from engine.structures import (
    Box,
    BoxEdit,
    Camera,
    Layout,
    Observations,
    RunLengthMask,
    VideoInfo,
)

FrameKey = int | str
"""A frame as the file names it: a number, or an image's name."""
Kind = Literal["keypoints", "boxes", "masks", "camera"]
INSTANCE_LIMIT = 1_000_000
"""People times frames of a file: 600 MB in memory."""
PIN_SECONDS = 0.5
"""Boxes without joints are kept about this often: they say who is where, not what was detected."""


@dataclass(frozen=True)
class ImportOptions:
    """What a person says of the file, where the file does not say it itself."""

    offset: int | None = None
    """The file's number of the clip's first frame (1 for files that count from 1)."""
    scale: tuple[float, float] | None = None
    """Factors from the file's pixels to the video's, or see `resolution`."""
    resolution: tuple[int, int] | None = None
    """(width, height) of the images that the file speaks of; (1, 1) for coordinates in 0..1."""
    people: tuple[str, ...] = ()
    """Names of the tracks of person 1, 2, ...; "3+7" joins two. Empty: the most prominent."""
    sequence: str | None = None
    """Which video or camera of a file that holds several."""
    person_count: int = 2
    known_boxes: Float[np.ndarray, "P F 4"] | None = None
    """Boxes of the people as the clip has them already: they keep their numbers."""
    metres_per_unit: float | None = None
    """Of the world of a file of cameras; None takes its units for metres and says so."""

    def factors(self, image_size: tuple[int, int]) -> tuple[float, float] | None:
        if self.resolution is not None:
            width, height = self.resolution
            return image_size[0] / width, image_size[1] / height
        return self.scale


@dataclass(frozen=True)
class Instance:
    """One person in one frame, in the file's own pixels."""

    frame: FrameKey
    keypoints: Float[np.ndarray, "K 3"] | None = None
    """x, y, confidence in the order of the reading's layout."""
    box: Box | None = None
    score: float = 1.0
    track: str | None = None
    mask: RunLengthMask | None = None


@dataclass
class Reading:
    """A file's content while it is read."""

    format: str
    source: str
    """The file's name."""
    instances: list[Instance] = field(default_factory=list)
    frames: set[FrameKey] = field(default_factory=set)
    """All frames that the file speaks of, also those without people."""
    exact: Mapping[FrameKey, int] = field(default_factory=dict)
    """Frame numbers that the file states, counted from 0."""
    first: int | None = None
    """The format's own number of a first frame, where it has a rule."""
    layout: Layout | None = None
    """Of the instances' keypoints; None without any."""
    source_layout: str = ""
    image_size: tuple[int, int] | None = None
    """(width, height) that the file states."""
    frame_count: int | None = None
    """Length of the video that the file states."""
    notes: list[str] = field(default_factory=list)
    files: tuple[Path, ...] = ()
    """The files of a folder that were read."""
    camera: Camera | None = None
    """Of a file of cameras, on the clip's frames and in its pixels already."""
    offset: int = 0
    """Of a file of cameras: its number of the clip's first frame."""

    def add(self, instance: Instance) -> None:
        """One more person in a frame; refuses more than any video has."""
        check_count(len(self.instances) + 1, self.source)
        self.instances.append(instance)

    def add_frame(self, frame: FrameKey) -> None:
        """A frame that the file speaks of."""
        check_count(len(self.frames) + 1, self.source)
        self.frames.add(frame)


def check_count(count: int, source: str) -> None:
    """Refuses more people or frames than any video has, before they fill the memory."""
    if count > INSTANCE_LIMIT:
        raise refusal(source, "the number of detections", f"at most {INSTANCE_LIMIT}", "more")


@dataclass(frozen=True)
class ImportedTrack:
    """One person of the file through the clip, in the clip's frames and pixels; N frames."""

    name: str
    """The file's id, or a number in the order of prominence where the file has none."""
    frames: Int[np.ndarray, "N"]
    keypoints2d: Float[np.ndarray, "N K 2"]
    confidence: Float[np.ndarray, "N K"]
    boxes: Float[np.ndarray, "N 4"]
    """x0, y0, x1, y1; NaN where there is none."""
    masks: tuple[RunLengthMask | None, ...]
    prominence: float
    """Share of the clip's frames times height over the image's, roughly."""


@dataclass(frozen=True)
class Imported:
    """Somebody else's detections or camera, on the clip's frames and in its pixels."""

    source: str
    format: str
    kind: Kind
    video: VideoInfo
    sha256: str
    tracks: tuple[ImportedTrack, ...] = ()
    """The most prominent first."""
    people: tuple[tuple[int, ...], ...] = ()
    """For person 1, 2, ...: indices of the tracks that are this person, without common frames."""
    left_out: tuple[int, ...] = ()
    """Indices of tracks that are too short to be shown as other people."""
    layout: Layout | None = None
    source_layout: str = ""
    camera: Camera | None = None
    offset: int = 0
    scale: tuple[float, float] = (1.0, 1.0)
    notes: tuple[str, ...] = ()

    @property
    def provenance(self) -> dict[str, str]:
        """What the clip's record keeps of where this is from."""
        said = {"source": self.source, "format": self.format, "sha256": self.sha256}
        if self.source_layout:
            said["layout"] = self.source_layout
        if self.offset:
            said["offset"] = str(self.offset)
        if self.scale != (1.0, 1.0):
            said["scale"] = "{:g} x {:g}".format(*self.scale)
        if self.people:
            names = ("+".join(self.tracks[t].name for t in person) for person in self.people)
            said["people"] = ", ".join(names)
        return said

    @property
    def other_tracks(self) -> tuple[int, ...]:
        """Indices of the tracks of people whom the clip is not about."""
        taken = {track for person in self.people for track in person} | set(self.left_out)
        return tuple(i for i in range(len(self.tracks)) if i not in taken)

    def with_people(self, names: Sequence[str]) -> Imported:
        """The same with other tracks as person 1, 2, ... ("3+7": both tracks are this person)."""
        people = tuple(self._tracks_named(name) for name in names)
        used = [track for person in people for track in person]
        if len(set(used)) != len(used):
            raise InputError("A track cannot be two people", received=", ".join(names))
        for person, tracks in enumerate(people):
            self._check_apart(person, tracks)
        kept = tuple(t for t in self.left_out if t not in used)
        return replace(self, people=people, left_out=kept)

    def _tracks_named(self, name: str) -> tuple[int, ...]:
        known = {track.name: index for index, track in enumerate(self.tracks)}
        parts = [part.strip() for part in name.split("+")]
        for part in parts:
            if part not in known:
                raise InputError(
                    f"There is no track {part[:40]!r} in {self.source}",
                    expected="one of " + ", ".join(list(known)[:20]),
                )
        return tuple(known[part] for part in parts)

    def _check_apart(self, person: int, tracks: Sequence[int]) -> None:
        frames = np.concatenate([self.tracks[t].frames for t in tracks])
        values, counts = np.unique(frames, return_counts=True)
        if (counts > 1).any():
            raise InputError(
                f"The tracks of person {person + 1} are in one frame at the same time",
                received=f"{(counts > 1).sum()} such frames, first {values[counts > 1][0]}",
            )

    def observations(self) -> Observations:
        """The people as evidence of the whole clip; everyone else is in `others`.

        Raises InputError where the file has no joints (see `box_edits`).
        """
        if self.layout is None:
            raise InputError(f"{self.source} holds no joints")
        own = self._rows([list(person) for person in self.people])
        others = [[index] for index in self.other_tracks]
        if not others:
            return own
        return replace(own, others=replace(self._rows(others), masks=None, notes=()))

    def _rows(self, rows: Sequence[Sequence[int]]) -> Observations:
        count, frames = self._joint_count, self.video.frame_count
        points = np.full((len(rows), frames, count, 2), np.nan)
        confidence = np.zeros((len(rows), frames, count))
        boxes = np.full((len(rows), frames, 4), np.nan)
        for row, indices in enumerate(rows):
            for track in (self.tracks[index] for index in indices):
                points[row, track.frames] = track.keypoints2d
                confidence[row, track.frames] = track.confidence
                boxes[row, track.frames] = track.boxes
        masks = self._mask_rows(rows)
        return Observations(
            keypoints2d=points,
            confidence=confidence,
            layout=self.layout or "halpe26",
            boxes=boxes,
            times=self.video.times,
            image_size=self.video.image_size,
            masks=masks if any(mask is not None for row in masks for mask in row) else None,
            notes=self.notes,
        )

    def _mask_rows(
        self, rows: Sequence[Sequence[int]]
    ) -> tuple[tuple[RunLengthMask | None, ...], ...]:
        masks: list[list[RunLengthMask | None]] = [[None] * self.video.frame_count for _ in rows]
        for row, indices in enumerate(rows):
            for track in (self.tracks[index] for index in indices):
                for frame, mask in zip(track.frames.tolist(), track.masks, strict=True):
                    masks[row][frame] = mask
        return tuple(tuple(row) for row in masks)

    @property
    def _joint_count(self) -> int:
        return 17 if self.layout == "coco17" else 26

    def masks(self) -> tuple[tuple[RunLengthMask | None, ...], ...]:
        """masks[p][f] of the people."""
        return self._mask_rows([list(person) for person in self.people])

    def box_edits(self) -> tuple[BoxEdit, ...]:
        """Where each person is, about every half second and at both ends of each stay in view.

        Perception takes them as the truth about who is who; it finds the joints itself.
        """
        step = max(1, round(PIN_SECONDS * self.video.fps))
        edits = [
            BoxEdit(frame, box, "identity", person)
            for person, indices in enumerate(self.people)
            for index in indices
            for frame, box in _pins(self.tracks[index], step, self.video.image_size)
        ]
        edits += [
            BoxEdit(frame, box, "someone_else")
            for index in self.other_tracks
            for frame, box in _pins(self.tracks[index], step, self.video.image_size)
        ]
        return tuple(sorted(edits, key=lambda e: (e.frame, e.kind, e.person or 0, e.box)))


def _pins(track: ImportedTrack, step: int, image_size: tuple[int, int]) -> list[tuple[int, Box]]:
    """(frame, box) at the ends of each unbroken run of frames and every `step` within it.

    Boxes are cut to the picture; one that has nothing in it is left out.
    """
    boxes = np.clip(track.boxes, 0, [*image_size, *image_size])
    seen = np.isfinite(boxes).all(axis=1) & ((boxes[:, 2:] - boxes[:, :2]) >= 2).all(axis=1)
    frames, boxes = track.frames[seen], boxes[seen]
    starts = np.flatnonzero(np.diff(frames, prepend=-2) > 1).tolist()
    picked: list[int] = []
    for start, stop in zip(starts, [*starts[1:], len(frames)], strict=True):
        picked += [*range(start, stop, step), stop - 1]
    pins = []
    for index in sorted(set(picked)):
        x0, y0, x1, y1 = boxes[index].tolist()
        pins.append((int(frames[index]), (x0, y0, x1, y1)))
    return pins
