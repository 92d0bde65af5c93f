"""Masks as PNG files: a label image per frame, or a folder per person with a mask per frame.

Label images: 8 bits, 0 is nobody, each other value (or palette index, as DAVIS and SAM 2 write
them) is a person. A folder per person (Hi4D's `seg/img_seg_mask/<camera>/{0,1}`, SAM 2's
`--per_obj_png_file`): every pixel that is not 0 belongs to the person; `all` is not read. Frames
are numbered by the files' names.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import UInt8

from annotations.importers import rle
from annotations.importers.folders import files_of, one_sequence
from annotations.importers.imported import ImportOptions, Instance, Reading
from annotations.importers.pixels import wrong_size
from annotations.importers.sample import Sample
from annotations.importers.values import ChoiceNeeded, printable, refusal, regular_file
from engine.errors import InputError
from engine.structures import RunLengthMask, VideoInfo

PNG_LIMIT = 64 << 20
PERSON_FOLDER_LIMIT = 64
LABEL_LIMIT = 32
"""Different values in one image; more is a photograph, not labels."""


class MaskPngs:
    """The importer of this format."""

    name: ClassVar[str] = "mask-png"
    description: ClassVar[str] = "A folder of mask PNGs: label values, or a folder per person"
    gives: ClassVar[str] = "detections"

    def recognises(self, sample: Sample) -> bool:
        if not sample.is_folder:
            return False
        if any(name.lower().endswith(".png") for name in sample.files):
            return True
        return any(_has_pngs(sample.path / name) for name in sample.folders)

    def reading(
        self, path: Path, video: VideoInfo, options: ImportOptions
    ) -> Generator[float, None, Reading]:
        reading = Reading("mask-png", path.name)
        if not path.is_dir():
            raise InputError(f"{path.name} is no folder", expected="a folder of PNG masks")
        folder, people = _people_folders(path, options)
        todo: list[tuple[str | None, Path]] = [
            (printable(person.name), file)
            for person in people
            for file in files_of(person, (".png",))
        ] or [(None, file) for file in files_of(folder, (".png",))]
        if not people and todo:
            kept = one_sequence([file for _, file in todo], reading, video, options)
            todo = [(None, file) for file in kept]
        reading.files = tuple(file for _, file in todo)
        runs = 0
        for count, (person, file) in enumerate(todo):
            runs += _add(reading, file, person, video, options)
            if runs > rle.TOTAL_RUN_LIMIT:
                raise refusal(
                    path.name, "the size of its masks", f"at most {rle.TOTAL_RUN_LIMIT} runs",
                    "more",
                )  # fmt: skip
            yield count / len(todo)
        return reading


def _has_pngs(folder: Path) -> bool:
    return bool(files_of(folder, (".png",)))


def _people_folders(path: Path, options: ImportOptions) -> tuple[Path, list[Path]]:
    """(the folder, a folder per person where there are such); one camera of several is named."""
    if _has_pngs(path):
        return path, []
    root = path.resolve()
    folders = [
        each
        for each in sorted(path.iterdir())
        if each.is_dir() and each.resolve().parent == root and each.name != "all"
    ]
    people = [folder for folder in folders if _has_pngs(folder)]
    if len(people) > PERSON_FOLDER_LIMIT:
        raise refusal(
            path.name, "the number of folders", f"at most {PERSON_FOLDER_LIMIT} people", len(people)
        )
    if people:
        return path, people
    named = [folder for folder in folders if folder.name == options.sequence]
    if not named:
        raise ChoiceNeeded(
            f"{path.name} holds no PNG masks itself",
            expected="--sequence with one of "
            + (", ".join(printable(folder.name) for folder in folders[:12]) or "its folders"),
        )
    return _people_folders(named[0], ImportOptions())


def _add(
    reading: Reading, file: Path, person: str | None, video: VideoInfo, options: ImportOptions
) -> int:
    """Adds the people of an image; the number of runs of their masks."""
    labels = _labels(file, video, options)
    reading.add_frame(file.name)
    if person is not None:
        found = {person: labels != 0} if labels.any() else {}
    else:
        values = np.unique(labels)
        if len(values) > LABEL_LIMIT:
            raise refusal(
                file.name, "the number of labels", f"at most {LABEL_LIMIT}", f"{len(values)}"
            )
        found = {str(value): labels == value for value in values.tolist() if value}
    runs = 0
    for track, pixels in found.items():
        mask = RunLengthMask.encode(pixels)
        runs += len(mask.counts)
        reading.add(Instance(file.name, track=track, mask=mask))
    return runs


def _labels(file: Path, video: VideoInfo, options: ImportOptions) -> UInt8[np.ndarray, "H W"]:
    """An image's label values or palette indices. Its header is checked before it is decoded."""
    from PIL import Image

    regular_file(file, PNG_LIMIT)
    try:
        with Image.open(file, formats=("PNG",)) as image:
            if image.size != video.image_size and options.factors(video.image_size) is None:
                raise wrong_size(file.name, "its size", image.size, video.image_size)
            if max(image.size) > rle.SIDE_LIMIT:
                raise refusal(file.name, "its size", f"at most {rle.SIDE_LIMIT} pixels", image.size)
            if image.mode.startswith("I"):
                raise refusal(file.name, "its depth", "8 bits a pixel", "16 bits")
            return _single_channel(np.asarray(image), image.mode, file.name)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{file.name} cannot be read as a PNG", received=str(error)[:80]
        ) from error


def _single_channel(pixels: np.ndarray, mode: str, name: str) -> UInt8[np.ndarray, "H W"]:
    if mode == "1":
        return pixels.astype(np.uint8)
    if pixels.ndim == 3:
        colors: Any = pixels[..., : 3 if mode.startswith("RGB") else 1]
        if (colors != colors[..., :1]).any():
            raise refusal(name, "its kind", "grey levels or a palette", "a picture in colour")
        pixels = colors[..., 0]
    return np.asarray(pixels, np.uint8)
