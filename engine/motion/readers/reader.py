"""What a reader of a motion format is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.motion.captured import CapturedMotion


@dataclass(frozen=True)
class ReadOptions:
    """What files do not say of themselves."""

    rate: float = 30.0
    """Frames a second to keep: every n-th frame of faster captures."""
    metres: float | None = None
    """Metres per unit of length; None: the format's, or guessed from the person's height."""
    fps: float | None = None
    """Frames a second of files that do not say it, or say it wrongly."""
    skeleton: Path | None = None
    """The .asf of .amc files; None: the one beside them."""


@dataclass(frozen=True)
class Reader:
    """One format."""

    name: str
    endings: str
    """As they are shown: ".asf/.amc"."""
    takes: Callable[[Path], bool]
    """Whether a file is of this format, by ending and first bytes; never raises."""
    parts: Callable[[Path], tuple[str, ...]]
    """Names of the recordings in a file."""
    read: Callable[[Path, int, ReadOptions], CapturedMotion]
    """One of them, by its number. Raises InputError."""
