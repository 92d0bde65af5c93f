"""Folders with one file per frame: which files, of which video, in which order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from annotations.importers.imported import ImportOptions, Reading
from annotations.importers.values import ChoiceNeeded, printable, refusal
from engine.errors import InputError
from engine.structures import VideoInfo

FILE_COUNT_LIMIT = 300_000


def files_of(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """The folder's plain files of a kind, sorted by name; links that lead out of it are left."""
    inside = folder.resolve()
    try:
        found = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in suffixes
            and path.is_file()
            and path.resolve().parent == inside
        ]
    except OSError as error:
        raise InputError(f"Cannot open {folder.name}", received=error.strerror or "") from error
    if len(found) > FILE_COUNT_LIMIT:
        raise refusal(folder.name, "the number of files", f"at most {FILE_COUNT_LIMIT}", len(found))
    return sorted(found)


def one_sequence(
    files: Sequence[Path], reading: Reading, video: VideoInfo, options: ImportOptions
) -> list[Path]:
    """The files of one video, where their names begin with the names of several."""
    groups: dict[str, list[Path]] = {}
    for path in files:
        prefix = printable(re.sub(r"[_.-]?\d*(_keypoints)?$", "", path.stem))
        groups.setdefault(prefix, []).append(path)
    if len(groups) == 1:
        return list(files)
    wanted = options.sequence or Path(video.path).stem
    if wanted not in groups:
        raise ChoiceNeeded(
            f"{reading.source} is of {len(groups)} videos",
            expected="one named as the clip is, or --sequence with one of "
            + ", ".join(sorted(groups)[:12]),
            received=wanted,
        )
    reading.notes.append(f"Of {len(groups)} videos in the folder this is {wanted}.")
    return groups[wanted]
