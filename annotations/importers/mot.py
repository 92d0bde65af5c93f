"""MOTChallenge CSV: boxes with track ids, no joints.

`frame, id, left, top, width, height, conf, ...` with 9 columns (ground truth: conf 0 is to be
ignored, then class and visibility; CVAT writes these) or 10 (results: conf, x, y, z). Frames and
ids are counted from 1. Sizes and length are read from `seqinfo.ini` beside the file or above it,
the class "person" or "pedestrian" from CVAT's `labels.txt`. An id of -1 is no id.
"""

from __future__ import annotations

import configparser
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from annotations.importers.imported import ImportOptions, Instance, Reading
from annotations.importers.sample import Sample
from annotations.importers.values import read_text, refusal, shown
from engine.errors import InputError
from engine.structures import VideoInfo

CSV_LIMIT = 64 << 20
"""Bytes: a million lines."""
_INI_LIMIT = 1 << 16
_GREATEST = 1_000_000_000
"""Of a width, a height, or a number of frames."""
_PLACES = ("gt/gt.txt", "det/det.txt", "gt.txt", "det.txt")
_PERSONS = ("person", "pedestrian", "human", "people")
_PEDESTRIAN = 1
"""Class of MOT16's ground truth."""
_COLUMNS = range(6, 11)


class Mot:
    """The importer of this format."""

    name: ClassVar[str] = "mot"
    description: ClassVar[str] = "MOTChallenge CSV: boxes and track ids (who is where, no joints)"
    gives: ClassVar[str] = "detections"

    def recognises(self, sample: Sample) -> bool:
        if sample.is_folder:
            return any((sample.path / place).is_file() for place in _PLACES)
        line = next((line for line in sample.head.splitlines() if line.strip()), "")
        fields = line.split(",")
        return sample.suffix in (".txt", ".csv") and len(fields) in _COLUMNS and _numeric(fields)

    def reading(
        self, path: Path, video: VideoInfo, options: ImportOptions
    ) -> Generator[float, None, Reading]:
        if path.is_dir():
            found = [path / place for place in _PLACES if (path / place).is_file()]
            if not found:
                raise InputError(f"{path.name} is no MOT sequence", expected="gt/gt.txt in it")
            reading = Reading("mot", path.name, first=1, files=(found[0],))
            path = found[0]
        else:
            reading = Reading("mot", path.name, first=1)
        _read_info(reading, path)
        lines = read_text(path, CSV_LIMIT).splitlines()
        wanted = _person_classes(path, lines)
        for count, line in enumerate(lines):
            if line.strip():
                _add(reading, line, count + 1, wanted)
            if count % 4096 == 0:
                yield count / len(lines)
        return reading


def _numeric(fields: list[str]) -> bool:
    try:
        return all(abs(float(field)) < 1e9 for field in fields)
    except ValueError:
        return False


def _read_info(reading: Reading, path: Path) -> None:
    """Image size and length from seqinfo.ini, if there is one."""
    places = [folder / "seqinfo.ini" for folder in (path.parent, path.parent.parent)]
    info = next((place for place in places if place.is_file()), None)
    if info is None:
        return
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(info, _INI_LIMIT))
        values = parser["Sequence"]
        width, height = values.getint("imWidth"), values.getint("imHeight")
        length = values.getint("seqLength")
    except (configparser.Error, KeyError, ValueError) as error:
        raise InputError(
            f"{info.name} is no description of a sequence",
            expected="[Sequence] with imWidth, imHeight and seqLength",
            received=str(error).splitlines()[0][:100],
        ) from error
    sizes = [number for number in (width, height, length) if number is not None]
    if not all(0 < number < _GREATEST for number in sizes):
        raise refusal(info.name, "a size", f"1 to {_GREATEST}", shown(sizes))
    if width is not None and height is not None:
        reading.image_size = width, height
    reading.frame_count = length


def _person_classes(path: Path, lines: list[str]) -> set[int] | None:
    """Classes that are people, None where all lines are to be taken."""
    labels = path.parent / "labels.txt"
    if labels.is_file():
        names = [name.strip().lower() for name in read_text(labels, _INI_LIMIT).splitlines()]
        found = {number for number, name in enumerate(names, start=1) if name in _PERSONS}
        return found or None
    rows = [line.split(",") for line in lines[:5000] if line.strip()]
    if not rows or any(len(row) != 9 for row in rows):
        return None
    classes = {row[7].strip() for row in rows}
    return {_PEDESTRIAN} if len(classes) > 1 and str(_PEDESTRIAN) in classes else None


def _add(reading: Reading, line: str, number: int, wanted: set[int] | None) -> None:
    refuse: Any = partial(refusal, reading.source, f"line {number}")
    fields = line.split(",")
    if len(fields) not in _COLUMNS:
        raise refuse("9 or 10 columns: frame, id, left, top, width, height, ...", shown(line))
    if not _numeric(fields):
        raise refuse("numbers between commas", shown(line))
    frame, id, left, top, width, height, *rest = (float(field) for field in fields)
    if frame != round(frame) or frame < 0 or id != round(id):
        raise refuse("a whole frame number and id", shown(line))
    reading.add_frame(int(frame))
    confidence = rest[0] if rest else 1.0
    is_truth = len(fields) == 9
    if is_truth and confidence == 0:
        return
    if is_truth and wanted is not None and int(rest[1]) not in wanted:
        return
    if not (width > 0 and height > 0):
        raise refuse("a box with a width and a height", f"{width:g} x {height:g}")
    box = (left, top, left + width, top + height)
    track = str(int(id)) if id >= 0 else None
    score = min(confidence, 1.0) if confidence > 0 else 1.0
    reading.add(Instance(int(frame), None, box, score, track))
