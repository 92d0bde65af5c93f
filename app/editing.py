"""What the curator changes: each method is one gesture and one undo step of the shown clip.

Nothing here touches the annotation itself: a gesture becomes one call of a `Store` mutator in the
store thread, and comes back as `Operations.changed`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from annotations.records import Changes, ClipState, Verdict
from app.operations import Operations
from app.view_state import ViewState
from engine.structures import ContactLabel, DepthOrder, FrameRange, KeypointEdit

if TYPE_CHECKING:
    from annotations.store import Store

CONTACT_SECONDS = 0.5
"""How long a new contact lasts on each side of the current frame, before its ends are dragged."""

Mutation = Callable[["Store", int], Changes]


class Editing(QObject):
    """Turns gestures into store mutations, and says what is in the way where there is something."""

    hinted = Signal(str)
    """One sentence: why nothing happened, or what to do next."""
    done = Signal(str)
    """The label of an edit that was committed."""

    def __init__(
        self, view_state: ViewState, operations: Operations, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._view_state = view_state
        self._operations = operations

    # -- who is who -----------------------------------------------------------------------------

    def swap(self) -> None:
        """Swap the two people in the selection, else from here to the end of the clip."""
        here = FrameRange(self._view_state.frame, self._view_state.frame_count)
        self._swap(self._view_state.selection or here)

    def swap_frame(self) -> None:
        frame = self._view_state.frame
        self._swap(FrameRange(frame, frame + 1))

    def assign(self, identity: int) -> None:
        """Make the selected skeleton `identity`: with two people, a swap from here on."""
        person = self._view_state.selected_person
        if person is None:
            self.hinted.emit("Click a skeleton first, then say who it is.")
        elif person == identity:
            self.hinted.emit(f"The selected skeleton is {self._name(identity)} already.")
        else:
            self.swap()
            self._view_state.selected_person = identity

    def _swap(self, frames: FrameRange) -> None:
        self._edit(lambda store, clip: store.swap(clip, frames))

    def rename(self, person: int, name: str) -> None:
        state = self._view_state.state
        if state is not None and name.strip() and state.identities[person].name != name.strip():
            self._edit(lambda store, clip: store.rename_identity(clip, person, name.strip()))

    # -- evidence -------------------------------------------------------------------------------

    def move_keypoint(self, person: int, frame: int, keypoint: int, x: float, y: float) -> None:
        edit = KeypointEdit(person, frame, keypoint, float(x), float(y))
        self._edit(lambda store, clip: store.edit_keypoint(clip, edit))

    def hide_keypoint(self, person: int, frame: int, keypoint: int) -> None:
        """Say that a joint cannot be seen; one that is hidden already becomes visible again."""
        state = self._view_state.state
        if state is None or state.observations is None:
            return
        said = state.constraints.keypoint_edits
        mine = [e for e in said if (e.person, e.frame, e.keypoint) == (person, frame, keypoint)]
        if mine and not mine[-1].visible:
            self._edit(lambda store, clip: store.clear_keypoint(clip, person, frame, keypoint))
            return
        x, y = (float(v) for v in state.observations.keypoints2d[person, frame, keypoint])
        edit = KeypointEdit(person, frame, keypoint, x, y, visible=False)
        self._edit(lambda store, clip: store.edit_keypoint(clip, edit))

    # -- contacts and depth ---------------------------------------------------------------------

    def pick_region(self, person: int, region: str) -> None:
        """A click of the contact tool: the first region, then one on the other body."""
        first = self._view_state.picked_region
        if first is None or first[0] == person:
            self._view_state.picked_region = (person, region)
            return
        frames = self._view_state.selection or self._around_here()
        label = ContactLabel(*first, person, region, frames)
        self._view_state.picked_region = None
        self._view_state.tool = "select"
        self._edit(
            lambda store, clip: store.add_contact(clip, label),
            "Drag the ends of the contact on the timeline; E fits the bodies to it.",
            lambda: self._select_contact(label),
        )

    def _around_here(self) -> FrameRange:
        clip, here = self._view_state.clip, self._view_state.frame
        assert clip is not None
        span = max(1, round(CONTACT_SECONDS * clip.video.fps))
        return FrameRange(max(0, here - span), min(self._view_state.frame_count, here + span + 1))

    def _select_contact(self, label: ContactLabel) -> None:
        """The store may have put the two sides of a contact in the other order."""
        state = self._view_state.state
        for index, contact in enumerate(state.constraints.contacts if state is not None else ()):
            if contact.frames == label.frames and _sides(contact) == _sides(label):
                self._view_state.selected_contact = index

    def move_contact(self, index: int, frames: FrameRange) -> None:
        contact = self._contact(index)
        if contact is not None and contact.frames != frames and len(frames):
            self.change_contact(index, replace(contact, frames=frames))

    def change_contact(self, index: int, contact: ContactLabel) -> None:
        self._edit(lambda store, clip: store.change_contact(clip, index, contact))

    def remove_contact(self, index: int) -> None:
        if self._contact(index) is not None:
            self._edit(lambda store, clip: store.remove_contact(clip, index))

    def _contact(self, index: int) -> ContactLabel | None:
        state = self._view_state.state
        contacts = state.constraints.contacts if state is not None else ()
        return contacts[index] if 0 <= index < len(contacts) else None

    def put_in_front(self, person: int) -> None:
        """A click of the depth tool: this person is nearer to the camera than the other."""
        frames = self._view_state.selection or self._around_here()
        order = DepthOrder(person, 1 - person, frames)
        self._view_state.tool = "select"
        self._edit(
            lambda store, clip: store.set_depth_order(clip, order), "E fits the bodies to it."
        )

    # -- what is known --------------------------------------------------------------------------

    def set_height(self, person: int, metres: float | None) -> None:
        self._edit(lambda store, clip: store.set_height(clip, person, metres))

    def set_focal(self, pixels: float | None) -> None:
        self._edit(lambda store, clip: store.set_focal(clip, pixels))

    def toggle_frozen(self) -> None:
        """Freeze the selection (else this frame); where all of it is frozen, unfreeze it."""
        state = self._view_state.state
        if state is None:
            return
        here = self._view_state.frame
        frames = self._view_state.selection or FrameRange(here, here + 1)
        frozen = not _covered(state, frames)
        self._edit(lambda store, clip: store.set_frozen(clip, frames, frozen))

    # -- verdicts and history -------------------------------------------------------------------

    def review(
        self, verdict: Verdict, reason: str = "", then: Callable[[], object] | None = None
    ) -> None:
        """Judge the selection, else the whole clip."""
        if self._view_state.candidate is not None:
            self.hinted.emit("Keep (Enter) or discard (Backspace) the new bodies first.")
            return
        frames = self._view_state.selection or FrameRange(0, self._view_state.frame_count)
        self._edit(lambda store, clip: store.review(clip, frames, verdict, reason), then=then)

    def go_to_revision(self, revision_id: int) -> None:
        """Undo or redo to a step of the history."""
        self._edit(lambda store, clip: store.go_to(clip, revision_id), say="Now at: {}")

    def undo(self) -> None:
        self._edit(lambda store, clip: store.undo(clip), say="Undone: {}")

    def redo(self) -> None:
        self._edit(lambda store, clip: store.redo(clip), say="Done again: {}")

    # -- carrying it out ------------------------------------------------------------------------

    def _name(self, person: int) -> str:
        state = self._view_state.state
        return state.identities[person].name if state is not None else f"person {person + 1}"

    def _edit(
        self,
        mutate: Mutation,
        advice: str = "",
        then: Callable[[], object] | None = None,
        say: str = "{}. Ctrl+Z undoes it.",
    ) -> None:
        clip_id = self._view_state.clip_id
        if clip_id is None:
            return

        def committed(update: object) -> None:
            label = getattr(getattr(update, "changes", None), "label", "")
            if then is not None:
                then()
            if label:
                self.done.emit(f"{label}. {advice}" if advice else say.format(label))

        self._operations.edit(lambda store: mutate(store, clip_id), committed)


def _sides(contact: ContactLabel) -> set[tuple[int, str]]:
    return {(contact.person_a, contact.region_a), (contact.person_b, contact.region_b)}


def _covered(state: ClipState, frames: FrameRange) -> bool:
    """Whether every frame of the range is frozen."""
    missing = set(range(frames.start, frames.stop))
    for frozen in state.constraints.frozen:
        missing -= set(range(frozen.start, frozen.stop))
    return not missing
