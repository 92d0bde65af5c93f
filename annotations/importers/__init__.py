"""The registry of import formats, and the one way to import.

A file is looked at (`detect`), read (`read`, or `steps` with progress) and comes back as an
`Imported` on the clip's frames and in its pixels. Nothing is taken into a project here.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol

from annotations.importers.alphapose import AlphaPose
from annotations.importers.assembly import assembled
from annotations.importers.camera_colmap import Colmap
from annotations.importers.camera_opencv import OpenCvIntrinsics
from annotations.importers.camera_per_frame import PerFrameCameras
from annotations.importers.coco import Coco
from annotations.importers.imported import (
    Imported,
    ImportedTrack,
    ImportOptions,
    Reading,
)
from annotations.importers.mask_pngs import MaskPngs
from annotations.importers.mmpose import MMPose
from annotations.importers.mot import Mot
from annotations.importers.openpose import OpenPose
from annotations.importers.sample import Sample
from annotations.importers.values import sha256_of, shown
from engine.errors import InputError
from engine.structures import VideoInfo

__all__ = [
    "IMPORTERS",
    "ImportOptions",
    "Imported",
    "ImportedTrack",
    "Importer",
    "detect",
    "read",
    "steps",
]

Gives = Literal["detections", "camera"]


class Importer(Protocol):
    """One format."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str:
        """One line for the list of formats."""

    @property
    def gives(self) -> str:
        """ "detections" or "camera"."""

    def recognises(self, sample: Sample) -> bool:
        """Whether the file's beginning, or the folder's entries, are of this format."""

    def reading(
        self, path: Path, video: VideoInfo, options: ImportOptions
    ) -> Generator[float, None, Reading]:
        """Read; yields the fraction done. Raises InputError."""


IMPORTERS: Mapping[str, Importer] = MappingProxyType(
    {
        each.name: each
        for each in (
            Coco(),
            AlphaPose(),
            OpenPose(),
            MMPose(),
            Mot(),
            MaskPngs(),
            OpenCvIntrinsics(),
            Colmap(),
            PerFrameCameras(),
        )
    }
)


def detect(path: Path, gives: Gives | None = None) -> str:
    """The name of the format that the file's content is of.

    Raises InputError where it is none, or several (then the format has to be named).
    """
    sample = Sample.of(path)
    found = [name for name, each in IMPORTERS.items() if each.recognises(sample)]
    fitting = [name for name in found if gives in (None, IMPORTERS[name].gives)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise InputError(
            f"{path.name} may be of several formats",
            expected="--format with one of " + ", ".join(fitting),
        )
    if found:
        other = {"detections": "people", "camera": "a camera"}[IMPORTERS[found[0]].gives]
        raise InputError(
            f"{path.name} holds {other} ({found[0]})",
            advice=f"Use import-{IMPORTERS[found[0]].gives}.",
        )
    names = [name for name, each in IMPORTERS.items() if gives in (None, each.gives)]
    raise InputError(
        f"{path.name} is of no known format", expected=", ".join(names), received=_received(sample)
    )


def _received(sample: Sample) -> str:
    if sample.is_folder:
        names = [*sample.folders, *sample.files][:4]
        return "a folder with " + (", ".join(map(shown, names)) or "nothing")
    if sample.is_json:
        keys = list(sample.item or sample.first)[:6]
        return "JSON with " + (", ".join(map(shown, keys)) or "nothing")
    return shown(sample.head[:40]) if sample.head else "an empty file"


def steps(
    path: Path,
    video: VideoInfo,
    options: ImportOptions | None = None,
    format: str | None = None,
    gives: Gives | None = None,
) -> Generator[float, None, Imported]:
    """Read a file for a clip; yields the fraction done. `format` None: from its content.

    Raises InputError naming the file, what was expected and what is there.
    """
    path, options = Path(path), options or ImportOptions()
    if format is not None and format not in IMPORTERS:
        raise InputError("There is no such format", expected=", ".join(IMPORTERS), received=format)
    name = format or detect(path, gives)
    reading = yield from IMPORTERS[name].reading(path, video, options)
    digest = sha256_of(path, reading.files)
    if reading.camera is None:
        return assembled(reading, video, options, digest)
    return Imported(
        source=reading.source,
        format=reading.format,
        kind="camera",
        video=video,
        sha256=digest,
        camera=reading.camera,
        offset=reading.offset,
        notes=tuple(reading.notes),
    )


def read(
    path: Path,
    video: VideoInfo,
    options: ImportOptions | None = None,
    format: str | None = None,
    gives: Gives | None = None,
) -> Imported:
    """As `steps`, without progress."""
    reading = steps(path, video, options, format, gives)
    while True:
        try:
            next(reading)
        except StopIteration as stop:
            found: Imported = stop.value
            return found
