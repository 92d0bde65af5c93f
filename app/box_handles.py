"""A box taken by the mouse: which handle is under it, and what a drag makes of the box."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from PySide6.QtCore import QPointF, QRectF, Qt

from engine.structures import Box

Handle = Literal["nw", "n", "ne", "e", "se", "s", "sw", "w", "inside"]
HANDLE_GRIP = 7.0
"""View pixels around a corner or an edge in which the mouse takes it."""
LEAST_SIDE = 4.0
"""Picture pixels: a smaller box is a slip of the hand."""
_DIAGONAL, _OTHER_DIAGONAL = Qt.CursorShape.SizeFDiagCursor, Qt.CursorShape.SizeBDiagCursor
_LEVEL, _UPRIGHT = Qt.CursorShape.SizeHorCursor, Qt.CursorShape.SizeVerCursor
CURSORS: Mapping[Handle, Qt.CursorShape] = {
    "nw": _DIAGONAL, "se": _DIAGONAL, "ne": _OTHER_DIAGONAL, "sw": _OTHER_DIAGONAL,
    "n": _UPRIGHT, "s": _UPRIGHT, "e": _LEVEL, "w": _LEVEL,
    "inside": Qt.CursorShape.SizeAllCursor,
}  # fmt: skip


def handle_points(box: QRectF) -> dict[Handle, QPointF]:
    """Where the handles of a box are, corners first."""
    middle = box.center()
    return {
        "nw": box.topLeft(), "ne": box.topRight(), "se": box.bottomRight(),
        "sw": box.bottomLeft(), "n": QPointF(middle.x(), box.top()),
        "e": QPointF(box.right(), middle.y()), "s": QPointF(middle.x(), box.bottom()),
        "w": QPointF(box.left(), middle.y()),
    }  # fmt: skip


def handle_under(box: QRectF, at: QPointF) -> Handle | None:
    """The corner, edge or inside of a box in view pixels that a press at a point would take."""
    grip = HANDLE_GRIP
    if not box.adjusted(-grip, -grip, grip, grip).contains(at):
        return None
    vertical = _end(at.y(), box.top(), box.bottom(), ("n", "s"))
    level = _end(at.x(), box.left(), box.right(), ("w", "e"))
    return (vertical + level) or "inside"  # type: ignore[return-value]


def _end(value: float, low: float, high: float, names: tuple[str, str]) -> str:
    """Which end of an interval is near; of a narrow one each end has its own outer half."""
    grip = min(HANDLE_GRIP, (high - low) / 3)
    if value <= low + grip:
        return names[0]
    return names[1] if value >= high - grip else ""


def dragged(box: Box, handle: Handle, by: tuple[float, float], size: tuple[int, int]) -> Box:
    """The box with a handle moved, all in picture pixels, inside a picture (width, height).

    A corner or edge that is dragged past the opposite one turns the box over.
    """
    x0, y0, x1, y1 = box
    dx, dy = by
    if handle == "inside":
        dx = min(max(dx, -x0), size[0] - x1)
        dy = min(max(dy, -y0), size[1] - y1)
        return x0 + dx, y0 + dy, x1 + dx, y1 + dy
    x0, x1 = x0 + dx * ("w" in handle), x1 + dx * ("e" in handle)
    y0, y1 = y0 + dy * ("n" in handle), y1 + dy * ("s" in handle)
    return spanned((x0, y0), (x1, y1), size)


def spanned(a: tuple[float, float], b: tuple[float, float], size: tuple[int, int]) -> Box:
    """The box between two opposite corners, inside a picture of (width, height)."""
    x0, x1 = sorted(min(max(x, 0.0), float(size[0])) for x in (a[0], b[0]))
    y0, y1 = sorted(min(max(y, 0.0), float(size[1])) for y in (a[1], b[1]))
    return x0, y0, x1, y1


def is_large_enough(box: Box) -> bool:
    return min(box[2] - box[0], box[3] - box[1]) >= LEAST_SIDE
