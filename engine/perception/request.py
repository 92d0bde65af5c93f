"""What a person asks of perception, and how it answers when it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.errors import InputError
from engine.structures import FrameRange, KeypointEdit

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""


@dataclass(frozen=True)
class PerceptionRequest:
    """Which people to look for, where, and what is already known of them."""

    frames: FrameRange | None = None
    """The frames to look at; None is the whole video. The others stay empty (NaN)."""
    boxes: Mapping[tuple[int, int], Box] = field(default_factory=dict)
    """(person, frame) -> the box a user drew. It is the truth: the track passes through it."""
    keypoint_edits: tuple[KeypointEdit, ...] = ()
    """Joints (of Halpe-26) that a user placed or hid. They are the truth too."""
    person_count: int = 2
    """How many people the clip is about."""


class PeopleNotFoundError(InputError):
    """Nobody, or fewer people than the clip is about, are in view."""
