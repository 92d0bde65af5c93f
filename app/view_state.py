"""What the window is looking at: one object that every view watches and no view owns.

A view reads it, connects to `<name>_changed` in its constructor, and may move the looking itself
(the frame, the selection, what is hovered). Whatever changes the annotation leaves a view as an
intent signal, goes through the store, and comes back here as a new `ClipState`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, get_args, overload

from PySide6.QtCore import QObject, Signal

from annotations.records import Changes, ClipRecord, ClipState
from engine.structures import BodyMotion, Camera, FitResult, FrameRange, PairProxemics

Tool = Literal["select", "contact", "depth", "pose", "trust", "box", "mask"]
TOOLS: tuple[Tool, ...] = get_args(Tool)
Region = tuple[int, str]
"""(person, region name of engine.body.regions)."""

BRUSH_LIMITS = (1.0, 400.0)
"""Radius of the mask brush in pixels of the picture."""
BRUSH_STEP = 1.25
"""Factor by which a key or a notch of the wheel changes the brush."""

T = TypeVar("T")


@dataclass(frozen=True)
class Candidate:
    """A fit that is not in the project: a preview while it runs, then a result to keep or discard.

    `motion` covers the whole clip; outside `frames` it equals the head's.
    """

    motion: BodyMotion
    camera: Camera
    frames: FrameRange
    base_revision: int
    """The head that the fit started from; it can be applied only while that is still the head."""
    result: FitResult | None = None
    """None while the fit runs."""

    @property
    def is_complete(self) -> bool:
        return self.result is not None


class _Observed(Generic[T]):
    """An attribute that passes a check and emits `<name>_changed(value)` when it really changes."""

    def __init__(self, default: T, check: Callable[[ViewState, T], T] | None = None) -> None:
        self._default = default
        self._check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> _Observed[T]: ...
    @overload
    def __get__(self, instance: ViewState, owner: type) -> T: ...
    def __get__(self, instance: ViewState | None, owner: type) -> Any:
        if instance is None:
            return self
        return instance._values.get(self._name, self._default)

    def __set__(self, instance: ViewState, value: T) -> None:
        if self._check is not None:
            value = self._check(instance, value)
        if value is self.__get__(instance, type(instance)) or _equal(
            value, self.__get__(instance, type(instance))
        ):
            return
        instance._values[self._name] = value
        getattr(instance, f"{self._name}_changed").emit(value)


def _equal(a: object, b: object) -> bool:
    """Equality for small values; records that hold arrays are compared by identity only."""
    small = (bool, int, float, str, tuple, FrameRange)
    return isinstance(a, small) and isinstance(b, small) and type(a) is type(b) and a == b


def _checked_frame(view_state: ViewState, frame: int) -> int:
    return max(0, min(int(frame), view_state.frame_count - 1))


def _checked_selection(view_state: ViewState, frames: FrameRange | None) -> FrameRange | None:
    if frames is None:
        return None
    start = max(0, frames.start)
    stop = min(frames.stop, view_state.frame_count)
    return FrameRange(start, stop) if stop > start else None


def _checked_tool(_: ViewState, tool: Tool) -> Tool:
    if tool not in TOOLS:
        raise ValueError(f"unknown tool; expected one of {TOOLS}, received {tool!r}")
    return tool


def _checked_person(view_state: ViewState, person: int | None) -> int | None:
    if person is not None:
        view_state.selected_other = None
    return person


def _checked_other(view_state: ViewState, other: int | None) -> int | None:
    if other is not None:
        view_state.selected_person = None
    return other


def _checked_pair(_: ViewState, pair: tuple[int, int]) -> tuple[int, int]:
    a, b = sorted(pair)
    if a == b:
        raise ValueError(f"a pair is two people; received {pair}")
    return a, b


def _checked_radius(_: ViewState, radius: float) -> float:
    least, most = BRUSH_LIMITS
    return float(min(max(radius, least), most))


def _checked_speed(_: ViewState, speed: float) -> float:
    if not speed:
        raise ValueError("speed must not be 0: set playing to False to stop")
    return float(speed)


class ViewState(QObject):
    """The shared state of looking. It validates and announces; it decides nothing."""

    clips_changed = Signal()
    clip_id_changed = Signal(object)
    state_changed = Signal(object)
    """Changes that led to the new state, or None when another clip is shown."""
    candidate_changed = Signal(object)
    frame_changed = Signal(int)
    selection_changed = Signal(object)
    playing_changed = Signal(bool)
    speed_changed = Signal(float)
    tool_changed = Signal(str)
    selected_person_changed = Signal(object)
    selected_other_changed = Signal(object)
    pair_changed = Signal(object)
    selected_contact_changed = Signal(object)
    overlays_visible_changed = Signal(bool)
    show_before_changed = Signal(bool)
    hovered_region_changed = Signal(object)
    picked_region_changed = Signal(object)
    brush_radius_changed = Signal(float)

    frame = _Observed[int](0, _checked_frame)
    """The current frame; clamped to the clip."""
    selection = _Observed[FrameRange | None](None, _checked_selection)
    """Selected frames; clamped to the clip, None when nothing is left."""
    playing = _Observed[bool](False)
    speed = _Observed[float](1.0, _checked_speed)
    """Times the video's own pace; negative plays backwards."""
    tool = _Observed[Tool]("select", _checked_tool)
    selected_person = _Observed[int | None](None, _checked_person)
    """One of the clip's people. Of `selected_person` and `selected_other` at most one is set."""
    selected_other = _Observed[int | None](None, _checked_other)
    """Somebody else in view: a row of `state.observations.others`."""
    pair = _Observed[tuple[int, int]]((0, 1), _checked_pair)
    """The two people whose proxemics are looked at and stated, the lower row first."""
    selected_contact = _Observed[int | None](None)
    """Index in `state.constraints.contacts`."""
    overlays_visible = _Observed[bool](True)
    show_before = _Observed[bool](False)
    """While a candidate is shown: show the head's bodies instead."""
    hovered_region = _Observed[Region | None](None)
    """The body region under the mouse while the contact tool is on."""
    picked_region = _Observed[Region | None](None)
    """The first of a contact's two regions, waiting for the second."""
    brush_radius = _Observed[float](18.0, _checked_radius)
    """Radius of the mask brush in pixels of the picture; clamped to `BRUSH_LIMITS`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._values: dict[str, Any] = {}
        self._clips: tuple[ClipRecord, ...] = ()
        self._clip_id: int | None = None
        self._state: ClipState | None = None
        self._is_unsaved = False
        self._candidate: Candidate | None = None

    @property
    def clips(self) -> tuple[ClipRecord, ...]:
        """The project's clips, in the order of the list."""
        return self._clips

    @clips.setter
    def clips(self, clips: tuple[ClipRecord, ...]) -> None:
        self._clips = tuple(clips)
        self.clips_changed.emit()
        if self._clip_id is not None and self.clip is None:
            self.clip_id = None

    @property
    def clip_id(self) -> int | None:
        return self._clip_id

    @clip_id.setter
    def clip_id(self, clip_id: int | None) -> None:
        """Show another clip from its first frame. Its `state` follows from the store."""
        if clip_id == self._clip_id:
            return
        if clip_id is not None and all(clip.id != clip_id for clip in self._clips):
            raise ValueError(f"no such clip; expected one of the project's, received {clip_id}")
        self.playing = False
        self.candidate = None
        self.selection = None
        self.pair = (0, 1)
        self.selected_contact = None
        self.selected_other = None
        self.hovered_region = None
        self.picked_region = None
        self._clip_id = clip_id
        self._state = None
        self._is_unsaved = False
        self.frame = 0
        self.clip_id_changed.emit(clip_id)
        self.state_changed.emit(None)

    @property
    def clip(self) -> ClipRecord | None:
        """The record of the clip that is shown."""
        return next((clip for clip in self._clips if clip.id == self._clip_id), None)

    @property
    def frame_count(self) -> int:
        """Frames of the clip that is shown; at least 1, so that frame 0 always exists."""
        return max(1, self.clip.video.frame_count) if self.clip is not None else 1

    @property
    def state(self) -> ClipState | None:
        """What the shown revision says; None until the store has answered."""
        return self._state

    @property
    def is_unsaved(self) -> bool:
        """Whether the people on show are the preview of a clip's first detection.

        The project does not have them, and the detection may still change its mind about who is
        who: there is nothing yet that a correction could be about.
        """
        return self._is_unsaved

    def set_state(
        self, state: ClipState | None, changes: Changes | None = None, *, is_unsaved: bool = False
    ) -> None:
        """Show a new revision; `changes` says what to redraw (None: everything)."""
        self._state = state
        self._is_unsaved = is_unsaved
        contacts = state.constraints.contacts if state is not None else ()
        if self.selected_contact is not None and self.selected_contact >= len(contacts):
            self.selected_contact = None
        found = state.observations.others if state is not None and state.observations else None
        if self.selected_other is not None and (
            found is None or self.selected_other >= found.person_count
        ):
            self.selected_other = None
        self.state_changed.emit(changes)

    @property
    def candidate(self) -> Candidate | None:
        return self._candidate

    @candidate.setter
    def candidate(self, candidate: Candidate | None) -> None:
        if candidate is self._candidate:
            return
        self._candidate = candidate
        self.candidate_changed.emit(candidate)

    @property
    def is_previewing(self) -> bool:
        """Whether the bodies on show are those of a fit that runs: in a moment there are others."""
        shown = None if self.show_before else self._candidate
        return shown is not None and not shown.is_complete

    def motion_shown(self) -> BodyMotion | None:
        """The bodies that the views draw: the candidate's, or the head's."""
        if self._candidate is not None and not self.show_before:
            return self._candidate.motion
        return self._state.motion if self._state is not None else None

    def motion_compared(self) -> BodyMotion | None:
        """The other side of the comparison, for a ghost.

        None without a candidate, and where no eye could compare: in a preview that changes every
        moment, and in motion, where two more bodies would cost frames.
        """
        if self._candidate is None or self.playing or not self._candidate.is_complete:
            return None
        if self.show_before:
            return self._candidate.motion
        return self._state.motion if self._state is not None else None

    def proxemics_shown(self) -> tuple[PairProxemics, ...]:
        """How the bodies on show stand to each other: the candidate's, or the head's."""
        result = self._candidate.result if self._candidate is not None else None
        if result is not None and not self.show_before and result.proxemics:
            return result.proxemics
        return self._state.proxemics if self._state is not None else ()

    def camera_shown(self) -> Camera | None:
        """The camera that belongs to `motion_shown()`."""
        if self._candidate is not None and not self.show_before:
            return self._candidate.camera
        return self._state.camera if self._state is not None else None
