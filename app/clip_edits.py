"""What every controller of edits shares: one gesture is one call of a mutator of the shown clip."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from annotations.records import Changes
from app import frame_evidence as evidence
from app.operations import Operations
from app.view_state import ViewState

if TYPE_CHECKING:
    from annotations.store import Store

Mutation = Callable[["Store", int], Changes]


class ClipEdits(QObject):
    """Turns gestures into store mutations, and says what is in the way where there is something.

    Nothing here touches the annotation itself: an edit runs in the store thread and comes back as
    `Operations.changed`.
    """

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

    def _name(self, person: int) -> str:
        return evidence.identity(self._view_state.state, person).name

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
