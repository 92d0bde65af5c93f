"""What the curator changes besides the detections: each method is one gesture and one undo step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from annotations.records import ClipState, Verdict
from app.clip_edits import ClipEdits
from app.frame_evidence import beside, depth_order
from app.proxemics_words import said_here
from engine.structures import (
    ContactLabel,
    DepthOrder,
    FrameRange,
    ProxemicsStatement,
    SwapProposal,
    Trust,
)

CONTACT_SECONDS = 0.5
"""How long a new contact lasts on each side of the current frame, before its ends are dragged."""


class Editing(ClipEdits):
    """Names, contacts, depth, what is known, verdicts and history."""

    # -- names -------------------------------------------------------------------------------

    def rename(self, person: int, name: str) -> None:
        state = self._view_state.state
        if state is not None and name.strip() and state.identities[person].name != name.strip():
            self._edit(lambda store, clip: store.rename_identity(clip, person, name.strip()))

    # -- contacts and depth ---------------------------------------------------------------------

    def pick_region(self, person: int, region: str) -> None:
        """A click of the contact tool: the first region, then one on the other body."""
        first = self._view_state.picked_region
        if first is None or first[0] == person:
            self._view_state.picked_region = (person, region)
            if first is not None:
                self.hinted.emit(f"Now from {self._picked()}. Click the body that it touches.")
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

    def miss_region(self) -> None:
        """A click of the contact tool beside the bodies: what was picked stays picked."""
        picked = self._view_state.picked_region
        said = f" {self._picked()} is still picked." if picked is not None else ""
        self.hinted.emit(f"No body was under that click.{said}")

    def _picked(self) -> str:
        """E.g. "Ann's left palm"."""
        picked = self._view_state.picked_region
        return "" if picked is None else f"{self._name(picked[0])}'s {picked[1].replace('_', ' ')}"

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
        """A click of the depth tool: this person is nearer to the camera than whoever is beside
        them in this frame."""
        state = self._view_state.state
        other = None if state is None else beside(state, person, self._view_state.frame)
        if other is None:
            self.hinted.emit("Nobody else is seen in this frame to be in front of.")
            return
        order = DepthOrder(person, other, self._view_state.selection or self._around_here())
        self._view_state.tool = "select"
        self._edit(
            lambda store, clip: store.set_depth_order(clip, order), "E fits the bodies to it."
        )

    def take_back_depth(self) -> None:
        """Nothing is said any more of who is in front, in all frames that were said together."""
        order = depth_order(self._view_state.state, self._view_state.frame)
        if order is None:
            self.hinted.emit("Nobody was said to be in front in this frame.")
            return
        people = (order.front, order.back)
        self._edit(lambda store, clip: store.clear_depth_order(clip, people, order.frames))

    # -- how they stand, and whom to believe ----------------------------------------------------

    def stand(self, said: ProxemicsStatement) -> None:
        """State a zone, a distance or a facing in the selection, else around this frame.

        The frames of `said` do not matter.
        """
        frames = self._view_state.selection or self._around_here()
        placed = replace(said, frames=frames)
        self._edit(
            lambda store, clip: store.set_proxemics(clip, placed), "E fits the bodies to it."
        )

    def take_back_standing(self, said: ProxemicsStatement | None = None) -> None:
        """Nothing is said any more of how the two stand, where it was said (by default here)."""
        looked_at = self._view_state
        said = said or said_here(looked_at.state, looked_at.frame, looked_at.pair)
        if said is None:
            self.hinted.emit("Nothing was said of how they stand in this frame.")
            return
        people, frames = (said.person_a, said.person_b), said.frames
        self._edit(lambda store, clip: store.clear_proxemics(clip, people, frames))

    def trust(self, weight: float) -> None:
        """Believe the selected person's detections by a share: in the selection, else here."""
        person = self._view_state.selected_person
        if person is None:
            self.hinted.emit("Select a person first (1 or 2): whose detections are meant?")
            return
        here = self._view_state.frame
        frames = self._view_state.selection or FrameRange(here, here + 1)
        said = Trust(person, frames, weight)
        self._edit(lambda store, clip: store.set_trust(clip, said), "E fits the bodies to it.")

    def turn_down(self, proposal: SwapProposal) -> None:
        """The two people are who they are: the proposal to swap them does not come again."""
        people = proposal.person_a, proposal.person_b
        self._edit(lambda store, clip: store.keep_apart(clip, proposal.frames, people))

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


def _sides(contact: ContactLabel) -> set[tuple[int, str]]:
    return {(contact.person_a, contact.region_a), (contact.person_b, contact.region_b)}


def _covered(state: ClipState, frames: FrameRange) -> bool:
    """Whether every frame of the range is frozen."""
    missing = set(range(frames.start, frames.stop))
    for frozen in state.constraints.frozen:
        missing -= set(range(frozen.start, frozen.stop))
    return not missing
