"""The gestures that the window offers, one store mutator each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from annotations.ranges import overlap
from annotations.records import Changes
from engine.structures import (
    BoxEdit,
    ContactLabel,
    DepthOrder,
    FrameRange,
    KeypointEdit,
    ProxemicsStatement,
)

if TYPE_CHECKING:
    from annotations.store import Store

Kind = Literal[
    "swap", "box", "drag", "hide", "contact", "no contact", "in front", "distance", "height",
    "freeze",
]  # fmt: skip
KINDS: tuple[Kind, ...] = (
    "swap", "box", "height", "contact", "no contact", "distance", "in front", "drag", "hide",
    "freeze",
)  # fmt: skip


class Gesture(ABC):
    """Something a curator does with the tool: one undo step."""

    kind: Kind

    @abstractmethod
    def apply(self, store: Store, clip_id: int) -> Changes:
        """Make it in a project."""

    @abstractmethod
    def repeats(self, made: Gesture) -> bool:
        """Whether it would say again what a gesture said."""


@dataclass(frozen=True)
class Swap(Gesture):
    """The two people are mixed up in these frames."""

    frames: FrameRange
    kind: ClassVar[Kind] = "swap"

    def apply(self, store: Store, clip_id: int) -> Changes:
        return store.swap(clip_id, self.frames)

    def repeats(self, made: Gesture) -> bool:
        return isinstance(made, Swap) and overlap(self.frames, made.frames) is not None


@dataclass(frozen=True)
class DrawBox(Gesture):
    """Somebody who was not found is here: detection looks there again."""

    edit: BoxEdit
    kind: ClassVar[Kind] = "box"

    def apply(self, store: Store, clip_id: int) -> Changes:
        return store.edit_box(clip_id, self.edit)

    def repeats(self, made: Gesture) -> bool:
        if not isinstance(made, DrawBox):
            return False
        return (self.edit.person, self.edit.frame) == (made.edit.person, made.edit.frame)


@dataclass(frozen=True)
class PlaceJoint(Gesture):
    """A joint is dragged to its place, or said to be hidden, in one frame."""

    edit: KeypointEdit

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        return "drag" if self.edit.visible else "hide"

    def apply(self, store: Store, clip_id: int) -> Changes:
        return store.edit_keypoint(clip_id, self.edit)

    def repeats(self, made: Gesture) -> bool:
        if not isinstance(made, PlaceJoint):
            return False
        mine, theirs = self.edit, made.edit
        return (mine.person, mine.frame, mine.keypoint) == (
            theirs.person, theirs.frame, theirs.keypoint,
        )  # fmt: skip


@dataclass(frozen=True)
class SayTouch(Gesture):
    """Two regions touch, or surely do not, for a while."""

    label: ContactLabel

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        return "contact" if self.label.kind == "contact" else "no contact"

    def apply(self, store: Store, clip_id: int) -> Changes:
        return store.add_contact(clip_id, self.label)

    def repeats(self, made: Gesture) -> bool:
        if not isinstance(made, SayTouch):
            return False
        mine, theirs = self.label, made.label
        regions = (mine.region_a, mine.region_b) == (theirs.region_a, theirs.region_b)
        return regions and overlap(mine.frames, theirs.frames) is not None


@dataclass(frozen=True)
class SayInFront(Gesture):
    """Who is nearer to the camera for a while."""

    order: DepthOrder
    kind: ClassVar[Kind] = "in front"

    def apply(self, store: Store, clip_id: int) -> Changes:
        return store.set_depth_order(clip_id, self.order)

    def repeats(self, made: Gesture) -> bool:
        if not isinstance(made, SayInFront):
            return False
        return overlap(self.order.frames, made.order.frames) is not None


@dataclass(frozen=True)
class SayDistance(Gesture):
    """How far apart the pelvises are for a while."""

    said: ProxemicsStatement
    kind: ClassVar[Kind] = "distance"

    def apply(self, store: Store, clip_id: int) -> Changes:
        return store.set_proxemics(clip_id, self.said)

    def repeats(self, made: Gesture) -> bool:
        if not isinstance(made, SayDistance):
            return False
        return overlap(self.said.frames, made.said.frames) is not None


@dataclass(frozen=True)
class SayHeight(Gesture):
    """How tall somebody is."""

    person: int
    metres: float
    kind: ClassVar[Kind] = "height"

    def apply(self, store: Store, clip_id: int) -> Changes:
        return store.set_height(clip_id, self.person, self.metres)

    def repeats(self, made: Gesture) -> bool:
        return isinstance(made, SayHeight) and self.person == made.person


@dataclass(frozen=True)
class Freeze(Gesture):
    """Frames that are good as they are."""

    frames: FrameRange
    kind: ClassVar[Kind] = "freeze"

    def apply(self, store: Store, clip_id: int) -> Changes:
        return store.set_frozen(clip_id, self.frames, True)

    def repeats(self, made: Gesture) -> bool:
        return isinstance(made, Freeze) and overlap(self.frames, made.frames) is not None
