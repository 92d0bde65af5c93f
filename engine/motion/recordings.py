"""What files hold: which reader takes a file, which recordings are in it, who belongs together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.motion.captured import PERSON_LIMIT, CapturedMotion
from engine.motion.readers import READERS, Reader, ReadOptions

FILE_LIMIT = 100_000
LENGTH_TOLERANCE = 0.02
"""Share of the frames by which two people's files may differ in length."""


@dataclass(frozen=True)
class Recording:
    """One thing to prepare: a file, a part of it, or the files of several people."""

    name: str
    files: tuple[Path, ...]
    reader: Reader
    part: int = 0

    def read(self, options: ReadOptions) -> CapturedMotion:
        """At about `options.rate` frames a second. Raises InputError."""
        people = [self.reader.read(file, self.part, options) for file in self.files]
        first = people[0] if len(people) == 1 else together(people)
        return replace(first.thinned(options.rate), name=self.name)


def find_recordings(source: Path, other: Path | None = None) -> tuple[Recording, ...]:
    """All recordings of a file or of the files in a folder, in the order of their names.

    `other` is the file of a second person in the same world. Raises InputError where nothing can
    be read.
    """
    if other is not None:
        return (_pair(source, other),)
    if not source.is_dir():
        return tuple(_recordings_of(source, _reader_of(source)))
    found: list[Recording] = []
    for file in sorted(source.rglob("*"))[:FILE_LIMIT]:
        reader = next((r for r in READERS if r.takes(file)), None)
        if reader is not None and file.is_file():
            found += _recordings_of(file, reader)
    if not found:
        raise InputError(
            f"No motion file is in {source}",
            expected="files of " + ", ".join(r.endings for r in READERS),
        )
    return tuple(found)


def together(people: list[CapturedMotion]) -> CapturedMotion:
    """People whose files share world and time. Raises InputError where they cannot."""
    first = people[0]
    frames = min(p.frame_count for p in people)
    longest = max(p.frame_count for p in people)
    if any(abs(p.fps - first.fps) > 1e-3 * first.fps for p in people):
        rates = " and ".join(f"{p.fps:g}" for p in people)
        raise InputError("The two people have different frame rates", received=rates)
    if longest - frames > max(2, LENGTH_TOLERANCE * longest):
        counts = " and ".join(str(p.frame_count) for p in people)
        raise InputError("The two people's files differ in length", received=f"{counts} frames")
    if sum(p.person_count for p in people) > PERSON_LIMIT:
        raise InputError(f"More than {PERSON_LIMIT} people are not read")
    cut = [p.at(np.arange(frames)) for p in people]
    return replace(
        cut[0],
        poses=np.concatenate([p.poses for p in cut]),
        joints=np.concatenate([p.joints for p in cut]),
        valid=np.logical_and.reduce([p.valid for p in cut]),
        weights=np.minimum.reduce([p.weights for p in cut]),
        starts=tuple(s for s in first.starts if s < frames),
        notes=tuple(dict.fromkeys(note for p in cut for note in p.notes)),
    )


def _recordings_of(file: Path, reader: Reader) -> Iterator[Recording]:
    names = reader.parts(file)
    for part, name in enumerate(names):
        yield Recording(name, (file,), reader, part)


def _pair(first: Path, second: Path) -> Recording:
    readers = {_reader_of(first).name, _reader_of(second).name}
    if len(readers) > 1:
        raise InputError(
            "Two people's files are of different formats", received=" and ".join(sorted(readers))
        )
    return Recording(_pair_name(first.stem, second.stem), (first, second), _reader_of(first))


def _pair_name(first: str, second: str) -> str:
    """CMU's 60_01 and 61_01 are 60_61_01; others are put side by side."""
    a, b = (re.fullmatch(r"(\D*\d+)_(\d+)", stem) for stem in (first, second))
    if a and b and a[2] == b[2]:
        return f"{a[1]}_{b[1]}_{a[2]}"
    return f"{first}+{second}"


def _reader_of(file: Path) -> Reader:
    if not file.exists():
        raise InputError(f"There is no {file}")
    reader = next((r for r in READERS if r.takes(file)), None)
    if reader is None:
        raise InputError(
            f"{file.name} is of no format that is read",
            expected=", ".join(r.endings for r in READERS),
        )
    return reader
