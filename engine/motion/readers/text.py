"""Text files from outside: bounded, decoded, and numbers with a sentence for each slip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from engine.errors import InputError

BYTES_LIMIT = 1 << 29
"""Files that are larger are refused: an hour of captures is a tenth of this."""


def read_lines(path: Path) -> list[str]:
    """The lines of a text file. Raises InputError where it is none, too large or unreadable."""
    try:
        if not path.is_file():
            raise InputError(f"Cannot open {path.name}", received="no regular file")
        if (size := path.stat().st_size) > BYTES_LIMIT:
            raise InputError(
                f"{path.name} is too large to read",
                expected=f"at most {BYTES_LIMIT >> 20} MiB",
                received=f"{size >> 20} MiB",
            )
        text = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"Cannot open {path.name}", received=error.strerror or str(error)
        ) from error
    if b"\0" in text[:4096]:
        raise InputError(f"{path.name} is not a text file")
    return text.decode("utf-8", "replace").splitlines()


def numbers(words: Sequence[str], where: str) -> Float[np.ndarray, "N"]:
    """Finite numbers. `where` names the place in the sentence of the InputError."""
    try:
        values = np.array([float(word) for word in words])
    except ValueError as error:
        raise InputError(f"{where}: a number is wrong", received=str(error)[-60:]) from error
    if not np.isfinite(values).all():
        raise InputError(f"{where}: a number is not finite")
    return values


def count_of(word: str, where: str, limit: int) -> int:
    """A count from 1 to `limit`."""
    try:
        count = int(word)
    except ValueError as error:
        raise InputError(f"{where} is no whole number", received=repr(word[:40])) from error
    if not 0 < count <= limit:
        raise InputError(f"{where} is wrong", expected=f"1 to {limit}", received=str(count))
    return count
