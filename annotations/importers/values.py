"""Values of files from outside: bounded, checked, refused in a sentence that names the file."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from engine.errors import InputError

NUMBER_LIMIT = 1e9
"""No pixel, score or frame number is larger."""
TEXT_FILE_LIMIT = 256 << 20
"""Bytes of a text file (CSV, COLMAP, YAML) that is read line by line or whole."""
WHOLE_LIMIT = 1 << 53
"""No id is larger."""
SHOWN = 60


class ScaleNeeded(InputError):
    """The file's pixels are of another resolution than the video; see --scale."""


class OffsetNeeded(InputError):
    """The file's frame numbers do not say which frame is the clip's first; see --offset."""


class ChoiceNeeded(InputError):
    """The file holds several things (videos, cameras) of which one has to be named."""


def shown(value: object) -> str:
    """A value of a file as it may stand in a sentence: short, on one line."""
    text = repr(value)
    text = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
    return "".join(c if c.isprintable() else "?" for c in text)


def printable(text: str) -> str:
    """A name of a file (of a track, of a video) as it is shown and asked for: short, printable."""
    return "".join(c if c.isprintable() else "?" for c in text[:80])


def refusal(file: str, what: str, expected: str, received: object, advice: str = "") -> InputError:
    """One sentence: which file, what in it, what was expected, what is there."""
    plain = isinstance(received, str) and len(received) <= 2 * SHOWN and received.isprintable()
    said = str(received) if plain else shown(received)
    return InputError(f"{file}: {what} is wrong", expected=expected, received=said, advice=advice)


def regular_file(path: Path, limit: int) -> int:
    """Size in bytes of a plain file of at most `limit` bytes; a device or a pipe has no end."""
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"Cannot open {path.name}", received=error.strerror or "") from error
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path.name} is no regular file")
    if found.st_size > limit:
        raise InputError(
            f"{path.name} is too large to be read",
            expected=f"at most {limit >> 20} MiB",
            received=f"{found.st_size >> 20} MiB",
        )
    return found.st_size


def read_text(path: Path, limit: int = TEXT_FILE_LIMIT) -> str:
    """The text of a file in UTF-8, with or without a byte order mark."""
    regular_file(path, limit)
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"Cannot open {path.name}", received=error.strerror or "") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not a text file (UTF-8)") from error


def sha256_of(path: Path, files: Sequence[Path] = ()) -> str:
    """Hash of a file's bytes; of a folder's `files`: of their names and bytes."""
    digest = hashlib.sha256()
    folder = path if path.is_dir() else path.parent
    for each in files or (path,):
        if files:
            digest.update(
                f"{each.relative_to(folder).as_posix()}\0{each.stat().st_size}\0".encode()
            )
        with each.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def numbers(
    value: object, refuse: Callable[[str, object], InputError], count: int | None = None
) -> Float[np.ndarray, "N"]:
    """A flat list of JSON numbers; null and NaN are NaN ("missing"), infinity is refused.

    One level of nesting ([[x, y], ...]) is flattened. `refuse(expected, received)` makes the error.
    """
    if not isinstance(value, list):
        raise refuse("a list of numbers", value)
    flat: list[Any] = value
    if value and isinstance(value[0], list):
        if not all(isinstance(row, list) for row in value):
            raise refuse("a list of numbers", value)
        flat = [each for row in value for each in row]
    if count is not None and len(flat) != count:
        raise refuse(f"{count} numbers", f"{len(flat)} numbers")
    for each in flat:
        if type(each) not in (float, int) and each is not None:
            raise refuse("numbers", each)
    try:
        array = np.array([np.nan if each is None else each for each in flat], np.float64)
    except OverflowError as error:
        raise refuse("numbers of a usual size", "larger ones") from error
    large = abs(array) > NUMBER_LIMIT
    if large.any():
        raise refuse("finite numbers", f"{array[large][0]:g}")
    return array


def number(value: object, refuse: Callable[[str, object], InputError]) -> float:
    """One finite JSON number."""
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise refuse("a number", value)
    if not abs(value) <= NUMBER_LIMIT:
        raise refuse("a finite number", value)
    return float(value)


def whole(value: object, refuse: Callable[[str, object], InputError]) -> int:
    """One whole number, also where it was saved as 3.0 or "3"."""
    if isinstance(value, str) and value.strip().lstrip("-").isascii():
        text = value.strip()
        value = int(text) if text.lstrip("-").isdigit() and len(text) < 16 else value
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise refuse("a whole number", value)
    if not abs(value) <= WHOLE_LIMIT or value != round(value):
        raise refuse("a whole number", value)
    return int(value)
