"""What a fit is told of a case. Focal lengths are always known: they come with the video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from engine.errors import InputError

ObservedHow = Literal["clean", "detector", "filmed", "perceived"]


@dataclass(frozen=True)
class Level:
    """Which observations a fit gets, and what is said besides."""

    observations: ObservedHow
    heights: bool
    """Everybody's height is stated."""
    says: str


LEVELS: Mapping[str, Level] = MappingProxyType(
    {
        "clean": Level("clean", True, "true pixels of all keypoints, heights stated"),
        "detector": Level("detector", False, "keypoints as noisy as a detector's"),
        "detector-heights": Level("detector", True, "the same, heights stated"),
        "filmed": Level(
            "filmed",
            False,
            "keypoints as noisy as a detector's, the drawn video, and true masks made rough",
        ),
        "perceived": Level("perceived", False, "what perception finds in the drawn video"),
    }
)
QUICK_LEVELS = ("clean", "detector")


def chosen_levels(names: tuple[str, ...], quick: bool = False) -> tuple[str, ...]:
    """Levels by name; where none is named all, or the two that say most if `quick`.

    Raises InputError for a name that no level has.
    """
    if unknown := [name for name in names if name not in LEVELS]:
        raise InputError(
            "There is no such level", expected=", ".join(LEVELS), received=unknown[0][:80]
        )
    return names or (QUICK_LEVELS if quick else tuple(LEVELS))
