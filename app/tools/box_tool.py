"""Boxes by hand: draw one around a person, or take one by a corner, an edge or its inside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter

from app import frame_evidence as evidence
from app.box_handles import (
    CURSORS,
    Handle,
    dragged,
    handle_under,
    is_large_enough,
    spanned,
)
from app.box_owner import nearest_box, owner_of_new_box
from app.box_painting import paint_handles, paint_mark, paint_rubber_band
from app.overlay_items import paint_hint
from app.theme import theme
from app.tools.frame_tool import FrameTool
from engine.structures import Box, BoxEdit

if TYPE_CHECKING:
    from app.frame_overlay import FrameOverlay
    from app.frame_view import FrameView

NUDGE = 2.0
"""View pixels that an arrow key moves a box."""
_ARROWS = {
    Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1),
}  # fmt: skip


@dataclass(frozen=True)
class BoxDrag:
    """A box in hand."""

    frame: int
    origin: tuple[float, float]
    """Where the mouse went down, in picture pixels."""
    person: int | None
    """None while it depends on where the box ends up."""
    handle: Handle | None = None
    """None: a new box is drawn."""
    start: Box = (0.0, 0.0, 0.0, 0.0)
    """The box before the drag; of no meaning for a new one."""
    box: Box | None = None
    """As it would be if let go now; None before the mouse has moved."""


class BoxTool(FrameTool):
    """Shift+drag draws a new box also where a press would take an old one.

    Without a mouse: Alt and the arrow keys move a box, with Shift its lower right corner; it is
    let go with Alt.
    """

    cursor = Qt.CursorShape.CrossCursor
    hides = frozenset({"bodies", "trails", "boxes"})
    stops_playing = True
    has_menu = True

    def __init__(self, view: FrameView) -> None:
        super().__init__(view)
        self._drag: BoxDrag | None = None
        self._sent: BoxEdit | None = None
        self._hovered: tuple[int, Handle] | None = None

    @property
    def is_busy(self) -> bool:
        return self._drag is not None

    def boxes(self) -> list[Box | None]:
        """Every person's box in the shown frame in picture pixels, the one in hand as dragged."""
        state, frame = self.view.view_state.state, self.view.shown_frame
        if state is None:
            return []
        found = [evidence.box(state, p, frame) for p in range(len(state.identities))]
        boxes: list[Box | None] = [None if b is None else _box(b) for b in found]
        if self._sent is not None and self._sent.frame == frame and self._sent.person is not None:
            boxes[self._sent.person] = self._sent.box
        if self._drag is not None and self._drag.handle is not None:
            assert self._drag.person is not None
            boxes[self._drag.person] = self._drag.box or self._drag.start
        return boxes

    def taken_at(
        self, at: QPointF, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
    ) -> tuple[int, Handle] | None:
        """Whose box a press would take, and by what; None where it would draw a new one.

        Handles come before insides, the selected person's before the other's, and a smaller box
        before a larger one. While one person has no box, an inside draws theirs.
        """
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            return None
        boxes, chosen = self.boxes(), self.view.view_state.selected_person
        found: list[tuple[tuple[bool, bool, float], int, Handle]] = []
        for person, box in enumerate(boxes):
            handle = None if box is None else handle_under(self._placed(box), at)
            if box is None or handle is None or (handle == "inside" and None in boxes):
                continue
            area = (box[2] - box[0]) * (box[3] - box[1])
            found.append(((handle == "inside", person != chosen, area), person, handle))
        if not found:
            return None
        _, person, handle = min(found)
        return person, handle

    # -- the mouse ------------------------------------------------------------------------------

    def press(self, event: QMouseEvent) -> bool:
        state = self.view.view_state.state
        if event.button() != Qt.MouseButton.LeftButton or state is None:
            return False
        frame, origin = self.view.shown_frame, self._at(event.position())
        taken = self.taken_at(event.position(), event.modifiers())
        if taken is None:
            owner = owner_of_new_box(state, frame, self.view.view_state.selected_person)
            self._drag = BoxDrag(frame, origin, owner)
        else:
            person, handle = taken
            start = self.boxes()[person]
            assert start is not None
            self._drag = BoxDrag(frame, origin, person, handle, start)
        return True

    def move(self, event: QMouseEvent) -> None:
        drag, size = self._drag, self.view.picture_size
        state = self.view.view_state.state
        if drag is None or size is None or state is None:
            return
        at = self._at(event.position())
        if drag.handle is not None:
            by = (at[0] - drag.origin[0], at[1] - drag.origin[1])
            self._drag = replace(drag, box=dragged(drag.start, drag.handle, by, size))
        else:
            box = spanned(drag.origin, at, size)
            chosen = self.view.view_state.selected_person
            owner = owner_of_new_box(state, drag.frame, chosen, box)
            self._drag = replace(drag, box=box, person=owner)
        self.view.update()

    def release(self, event: QMouseEvent, *, is_click: bool) -> None:
        if self._drag is None or event.button() != Qt.MouseButton.LeftButton:
            return
        if is_click:
            self._drag = None
            self._click(event.position())
        else:
            self._let_go()
        self.hover(event.position(), event.modifiers())
        self.view.update()

    def _let_go(self) -> None:
        drag, self._drag = self._drag, None
        assert drag is not None
        if drag.box is not None and drag.person is not None and is_large_enough(drag.box):
            # It stays where it was let go until the project answers with a new state.
            self._sent = BoxEdit(drag.frame, drag.box, "person", drag.person)
            self.view.box_drawn.emit(self._sent)

    def _click(self, at: QPointF) -> None:
        source = self.view.source_under(at)
        if source is not None:
            kind, index = source
            (self.view.body_clicked if kind == "person" else self.view.other_clicked).emit(index)

    def hover(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        taken = self.taken_at(at, modifiers)
        self.view.setCursor(self.cursor if taken is None else CURSORS[taken[1]])
        if taken != self._hovered:
            self._hovered = taken
            self.view.update()

    def leave(self) -> None:
        self._hovered = None

    def key(self, event: QKeyEvent, *, is_down: bool) -> bool:
        step = _ARROWS.get(Qt.Key(event.key()))
        if is_down and step is not None and event.modifiers() & Qt.KeyboardModifier.AltModifier:
            resizes = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._nudge(step, "se" if resizes else "inside")
            return True
        if not is_down and event.key() == Qt.Key.Key_Alt and self._drag is not None:
            self._let_go()
            return True
        return False

    def _nudge(self, step: tuple[int, int], handle: Handle) -> None:
        """Move or size the box of whoever a new one would be of; where there is none, the last."""
        state, size, frame = (
            self.view.view_state.state,
            self.view.picture_size,
            self.view.shown_frame,
        )
        if state is None or size is None:
            return
        drag = self._drag
        if drag is None:
            chosen = self.view.view_state.selected_person
            owner = owner_of_new_box(state, frame, chosen)
            owner = (chosen or 0) if owner is None else owner
            start = self.boxes()[owner] or _box(nearest_box(state, owner, frame, size))
            drag = BoxDrag(frame, (0.0, 0.0), owner, handle, start)
        box = drag.box or drag.start
        by = (
            step[0] * NUDGE / self.view.transform.scale,
            step[1] * NUDGE / self.view.transform.scale,
        )
        self._drag = replace(drag, handle=handle, box=dragged(box, handle, by, size))
        self.view.update()

    def cancel(self) -> None:
        self._drag = self._hovered = None

    def settle(self) -> None:
        self._sent = None

    def forget(self) -> None:
        self.cancel()
        self.settle()

    # -- painting -------------------------------------------------------------------------------

    def paint_above(self, painter: QPainter, overlay: FrameOverlay) -> None:
        state, frame = self.view.view_state.state, self.view.shown_frame
        if state is None:
            return
        for edit in state.constraints.box_edits:
            if edit.frame == frame and edit.kind in ("someone_else", "not_a_person"):
                paint_mark(painter, self._placed(edit.box), edit.kind, theme().tokens)
        chosen = self.view.view_state.selected_person
        for person, box in enumerate(self.boxes()):
            if box is not None:
                is_taken = self._hovered is not None and self._hovered[0] == person
                color = evidence.identity(state, person).color
                is_strong = is_taken or chosen == person
                paint_handles(painter, self._placed(box), color, is_strong=is_strong)
        self._paint_drag(painter, overlay)

    def _paint_drag(self, painter: QPainter, overlay: FrameOverlay) -> None:
        drag, state = self._drag, self.view.view_state.state
        if drag is None or drag.box is None or drag.person is None:
            return
        someone = evidence.identity(state, drag.person)
        placed = self._placed(drag.box)
        if drag.handle is None:
            paint_rubber_band(painter, placed, someone.color)
        width, height = drag.box[2] - drag.box[0], drag.box[3] - drag.box[1]
        lines = (f"{someone.name} · {width:.0f} × {height:.0f} px", "Esc to cancel")
        paint_hint(painter, placed.bottomRight(), lines, theme().tokens, overlay.bounds)

    # -- places ---------------------------------------------------------------------------------

    def _at(self, position: QPointF) -> tuple[float, float]:
        x, y = self.view.to_picture(position).tolist()
        return x, y

    def _placed(self, box: Box) -> QRectF:
        """A box in view pixels."""
        corners = self.view.transform.to_view(np.array(box).reshape(2, 2))
        return QRectF(QPointF(*corners[0]), QPointF(*corners[1]))


def _box(values: np.ndarray) -> Box:
    x0, y0, x1, y1 = values.tolist()
    return x0, y0, x1, y1
