"""What a person asks of perception, and how it answers when it cannot."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.errors import InputError
from engine.structures import BodyMotion, BoxEdit, Camera, FrameRange, KeypointEdit, MaskEdit

BUILT_IN = "dyad"
"""Name of the parts that come with Dyad."""


@dataclass(frozen=True)
class PerceptionParts:
    """Which detector, pose estimator, tracker and segmenter do the work, by name.

    Other names than "dyad" are those of installed plugins (engine.perception.plugins).
    """

    detector: str = BUILT_IN
    pose_estimator: str = BUILT_IN
    tracker: str = BUILT_IN
    segmenter: str = BUILT_IN


@dataclass(frozen=True)
class PerceptionRequest:
    """Which people to look for, where, and what is already known of them."""

    frames: FrameRange | None = None
    """The frames to look at; None is the whole video. The others stay empty (NaN)."""
    box_edits: tuple[BoxEdit, ...] = ()
    """What a user said of places in the picture. It is the truth: tracks pass through it."""
    keypoint_edits: tuple[KeypointEdit, ...] = ()
    """Joints (of Halpe-26) that a user placed or hid. They are the truth too."""
    mask_edits: tuple[MaskEdit, ...] = ()
    """Masks that a user painted."""
    person_count: int = 2
    """How many people the clip is about."""
    parts: PerceptionParts = field(default_factory=PerceptionParts)
    motion: BodyMotion | None = None
    """Fitted bodies of the clip, where there are any: they say whose mask is in front."""
    camera: Camera | None = None
    """The camera that `motion` was fitted with."""


class PeopleNotFoundError(InputError):
    """Nobody, or fewer people than the clip is about, are in view."""
