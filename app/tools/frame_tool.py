"""What a tool of the frame view is: a meaning of the mouse, and what it paints."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QWheelEvent

from engine.structures import KeypointEdit

if TYPE_CHECKING:
    from app.frame_overlay import FrameOverlay
    from app.frame_view import FrameView

DRAG_SLOP = 3
"""View pixels that a hand moves in a click."""


class FrameTool:
    """The default of every method is to do nothing; a tool says what it does differently.

    The view keeps panning and zooming to itself. A tool changes nothing but the looking: an edit
    leaves it as a signal of the view, once, when the mouse lets go.
    """

    cursor: ClassVar[Qt.CursorShape] = Qt.CursorShape.ArrowCursor
    hides: ClassVar[frozenset[str]] = frozenset()
    """Layers of the frame view that would lie in the way of this tool."""
    stops_playing: ClassVar[bool] = False
    """Whether a press stops the video at the frame that is seen."""
    has_menu: ClassVar[bool] = False
    """Whether a right click that it leaves alone opens the menu of who that is."""

    def __init__(self, view: FrameView) -> None:
        self.view = view

    @property
    def is_busy(self) -> bool:
        """Whether a drag is in hand: Esc belongs to it, and edits of the picture wait for it."""
        return False

    @property
    def pending_keypoints(self) -> tuple[KeypointEdit, ...]:
        """Joints that the project does not have yet: the drag in hand."""
        return ()

    def press(self, event: QMouseEvent) -> bool:
        """A left or right button went down. False leaves the click to the view."""
        return False

    def move(self, event: QMouseEvent) -> None:
        """The mouse moved with a button down."""

    def release(self, event: QMouseEvent, *, is_click: bool) -> None:
        """A button went up; `is_click` where the mouse has not moved since it went down."""

    def hover(self, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """The mouse moved, or Ctrl or Shift went down or up, with no button down."""

    def leave(self) -> None:
        """The mouse left the view."""

    def key(self, event: QKeyEvent, *, is_down: bool) -> bool:
        """A key of no action went down or up. False leaves it to the view."""
        return False

    def wheel(self, event: QWheelEvent) -> bool:
        """False leaves the wheel to the view, which zooms."""
        return False

    def cancel(self) -> None:
        """Drop what is in hand: Esc, another frame, another tool."""

    def settle(self) -> None:
        """The project has answered with a new state."""

    def forget(self) -> None:
        """The project refused what was sent to it: show what it says."""
        self.cancel()

    def paint_below(self, painter: QPainter) -> None:
        """On the picture, under skeletons and boxes."""

    def paint_above(self, painter: QPainter, overlay: FrameOverlay) -> None:
        """Over everything else."""
