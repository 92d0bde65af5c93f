"""Correcting detections: who is who, who is nobody, joints, boxes and masks by hand.

What is said here is the truth for the next run of perception, and survives it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from PySide6.QtCore import Signal

from annotations.people import NobodyKind, Source
from annotations.ranges import spoken
from app import frame_evidence as evidence
from app.clip_edits import ClipEdits
from engine.structures import BoxEdit, FrameRange, KeypointEdit, MaskEdit, SwapProposal

Reach = Literal["frame", "onward", "all"]
"""This frame; from here to the end of the shot, or the selection where there is one; every frame
of the clip (of somebody else: every frame in which they are seen)."""


class Correcting(ClipEdits):
    """Each method is one gesture and one undo step of the shown clip."""

    swapped = Signal(object)
    """FrameRange in which a proposed swap was made."""

    # -- which frames ---------------------------------------------------------------------------

    def frames(
        self, reach: Reach, frame: int | None = None, source: Source | None = None
    ) -> FrameRange:
        """What `reach` means at a frame (the current one). Never empty.

        Somebody else is followed for as long as they are seen: what a person has in later frames
        shall not be exchanged for nothing.
        """
        count = self._view_state.frame_count
        frame = self._view_state.frame if frame is None else frame
        if reach == "frame":
            return FrameRange(frame, frame + 1)
        seen = self._seen(source)
        if reach == "all":
            return FrameRange(*_ends(seen)) if len(seen) else FrameRange(0, count)
        chosen = self._view_state.selection
        if chosen is None:
            stop = evidence.segment_stop(self._view_state.state, frame, count)
            chosen = FrameRange(frame, stop)
        inside = seen[(seen >= chosen.start) & (seen < chosen.stop)]
        return FrameRange(*_ends(inside)) if len(inside) else chosen

    def _seen(self, source: Source | None) -> np.ndarray:
        """Frames in which somebody else is seen; none for the clip's people."""
        others = evidence.others(self._view_state.state)
        if source is None or source[0] == "person" or others is None:
            return np.zeros(0, int)
        return evidence.frames_seen(others, source[1])

    @property
    def selected(self) -> Source | None:
        """Whom commands speak of."""
        person, other = self._view_state.selected_person, self._view_state.selected_other
        if other is not None:
            return "other", other
        return ("person", person) if person is not None else None

    # -- who is who -----------------------------------------------------------------------------

    def swap(self, reach: Reach = "onward") -> None:
        """Exchange the two people."""
        frames = self.frames(reach)
        self._edit(lambda store, clip: store.swap(clip, frames))

    def accept_swap(self, proposal: SwapProposal) -> None:
        """Exchange two people where a fit proposes it, and offer to fit those frames again."""
        frames, people = proposal.frames, (proposal.person_a, proposal.person_b)
        self._edit(
            lambda store, clip: store.swap(clip, frames, people),
            then=lambda: self.swapped.emit(frames),
        )

    def assign(self, person: int, reach: Reach = "onward") -> None:
        """Say that the selected skeleton is `person`."""
        source = self.selected
        if source is None:
            self.hinted.emit("Click a skeleton first, then say who it is.")
        else:
            self.identify(source, person, self.frames(reach, source=source))

    def identify(self, source: Source, person: int, frames: FrameRange) -> None:
        """Say that a skeleton is `person` in these frames. The two change places."""
        kind, index = source
        if source == ("person", person):
            self.hinted.emit(f"The selected skeleton is {self._name(person)} already.")
            return
        seen = self._seen(source)
        if kind == "other" and not np.isin(seen, range(frames.start, frames.stop)).any():
            self.hinted.emit(f"They are not seen in {spoken(frames)}, so they are nobody there.")
            return

        def select() -> None:
            self._view_state.selected_person = person

        if kind == "person":
            self._edit(lambda store, clip: store.swap(clip, frames, (index, person)), then=select)
        else:
            self._edit(lambda store, clip: store.assign(clip, person, index, frames), then=select)

    def dismiss_selected(self, kind: NobodyKind, reach: Reach) -> None:
        """Say that the selected skeleton is none of the clip's people."""
        source = self.selected
        if source is None:
            self.hinted.emit("Click a skeleton first, then say what it is.")
        else:
            self.dismiss(source, self.frames(reach, source=source), kind)

    def dismiss(self, source: Source, frames: FrameRange, kind: NobodyKind) -> None:
        self._edit(
            lambda store, clip: store.dismiss(clip, source, frames, kind),
            then=self._select_nobody,
        )

    def _select_nobody(self) -> None:
        self._view_state.selected_person = self._view_state.selected_other = None

    # -- joints ---------------------------------------------------------------------------------

    def move_keypoint(self, person: int, frame: int, keypoint: int, x: float, y: float) -> None:
        edit = KeypointEdit(person, frame, keypoint, float(x), float(y))
        self._edit(lambda store, clip: store.edit_keypoint(clip, edit))

    def hide_keypoint(self, person: int, frame: int, keypoint: int) -> None:
        """Say that a joint cannot be seen; one that is hidden already becomes visible again."""
        state = self._view_state.state
        if state is None or state.observations is None:
            return
        said = evidence.said_of_joint(state, person, frame, keypoint)
        if said is not None and not said.visible:
            self.restore_keypoint(person, frame, keypoint)
            return
        shown = evidence.skeleton(state, person, frame)
        if shown is None or not np.isfinite(shown.points[keypoint]).all():
            return
        x, y = shown.points[keypoint].tolist()
        edit = KeypointEdit(person, frame, keypoint, x, y, visible=False)
        self._edit(lambda store, clip: store.edit_keypoint(clip, edit))

    def restore_keypoint(self, person: int, frame: int, keypoint: int) -> None:
        """Take back what was said of a joint: the detection counts again."""
        self._edit(lambda store, clip: store.clear_keypoint(clip, person, frame, keypoint))

    # -- boxes and masks ------------------------------------------------------------------------

    def draw_box(self, edit: BoxEdit) -> None:
        self._edit(lambda store, clip: store.edit_box(clip, edit))

    def take_back_box(self, person: int | None = None, frame: int | None = None) -> None:
        """The detected box counts again: of the selected person, or of whoever has a drawn one."""
        state = self._view_state.state
        frame = self._view_state.frame if frame is None else frame
        for candidate in self._candidates(person):
            drawn = evidence.drawn_box(state, candidate, frame) if state is not None else None
            if drawn is not None:
                self.take_back(drawn)
                return
        self.hinted.emit("No box was drawn in this frame.")

    def take_back(self, edit: BoxEdit) -> None:
        """Take back a drawn box, or a mark that somebody is none of the clip's people."""
        self._edit(lambda store, clip: store.remove_box_edit(clip, edit))

    def paint_mask(self, edit: MaskEdit) -> None:
        self._edit(lambda store, clip: store.edit_mask(clip, edit))

    def take_back_mask(self, person: int | None = None, frame: int | None = None) -> None:
        """The detected mask counts again."""
        state = self._view_state.state
        where = self._view_state.frame if frame is None else frame
        for candidate in self._candidates(person):
            if state is not None and evidence.painted_mask(state, candidate, where) is not None:
                self._edit(lambda store, clip, p=candidate: store.clear_mask(clip, p, where))
                return
        self.hinted.emit("No mask was painted in this frame.")

    def _candidates(self, person: int | None) -> tuple[int, ...]:
        """The person who was named, else the selected one, else everybody."""
        state, chosen = self._view_state.state, self._view_state.selected_person
        if person is not None or chosen is not None:
            return (person if person is not None else chosen,)  # type: ignore[return-value]
        return tuple(range(len(state.identities))) if state is not None else ()


def _ends(frames: np.ndarray) -> tuple[int, int]:
    """First frame, and the one after the last."""
    return int(frames[0]), int(frames[-1]) + 1
