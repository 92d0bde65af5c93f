"""Line charts as pictures: panels side by side, each with lines of one unit over a common axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from annotations.edits import PERSON_COLORS
from engine.errors import InputError

COLORS = (*PERSON_COLORS, "#555555", "#a6761d")
WIDTH, HEIGHT = 420, 300
"""Pixels of a panel."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 34, 46
_FINE = 2
"""Drawn so many times larger, then made smaller: smooth lines."""
_INK, _GRID, _GROUND = "#222222", "#dddddd", "#ffffff"


@dataclass(frozen=True)
class Line:
    """One curve; values that are not finite leave a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Panel:
    """Lines of one unit."""

    title: str
    across: str
    """What the horizontal axis is."""
    lines: tuple[Line, ...]
    places: tuple[str, ...] = ()
    """Names that stand at 0, 1, … of the horizontal axis in place of numbers."""
    from_zero: bool = False
    """The vertical axis begins at 0: small changes look small."""


def write_chart(path: Path, panels: Sequence[Panel], columns: int = 3) -> None:
    """Write the panels as a picture (.png). Raises InputError where it cannot be written."""
    try:
        draw_chart(panels, columns).save(path)
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot write {path}", received=str(error)) from error


def draw_chart(panels: Sequence[Panel], columns: int = 3) -> Image.Image:
    """The panels in rows; a line of one name has one colour in all of them."""
    columns = max(1, min(columns, len(panels)))
    rows = math.ceil(len(panels) / columns)
    names = list(dict.fromkeys(line.name for panel in panels for line in panel.lines))
    size = (columns * WIDTH, rows * HEIGHT + 28)
    picture = Image.new("RGB", (size[0] * _FINE, size[1] * _FINE), _GROUND)
    pen = _Pen(ImageDraw.Draw(picture))
    for index, panel in enumerate(panels):
        _draw_panel(pen, panel, ((index % columns) * WIDTH, (index // columns) * HEIGHT), names)
    _draw_names(pen, names, rows * HEIGHT + 6)
    return picture.resize(size, Image.Resampling.LANCZOS)


class _Pen:
    """Draws in pixels of the finished picture."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw
        self._fonts = {size: ImageFont.load_default(size * _FINE) for size in (11, 13)}

    def line(self, points: Sequence[tuple[float, float]], color: str, width: float = 1) -> None:
        fine = [(x * _FINE, y * _FINE) for x, y in points]
        self._draw.line(fine, fill=color, width=round(width * _FINE), joint="curve")

    def dot(self, x: float, y: float, color: str) -> None:
        box = [(x - 2.5) * _FINE, (y - 2.5) * _FINE, (x + 2.5) * _FINE, (y + 2.5) * _FINE]
        self._draw.ellipse(box, fill=color)

    def text(self, x: float, y: float, text: str, anchor: str, size: int = 11) -> None:
        place = (x * _FINE, y * _FINE)
        self._draw.text(place, text, fill=_INK, font=self._fonts[size], anchor=anchor)


def _draw_panel(pen: _Pen, panel: Panel, corner: tuple[float, float], names: list[str]) -> None:
    x0, y0 = corner
    left, right = x0 + _LEFT, x0 + WIDTH - _RIGHT
    top, bottom = y0 + _TOP, y0 + HEIGHT - _BOTTOM
    across = _ticks([v for line in panel.lines for v in line.x])
    if panel.places:
        across = [-0.5, *range(len(panel.places)), len(panel.places) - 0.5]
    least = [0.0] if panel.from_zero else []
    up = _ticks([*least, *(v for line in panel.lines for v in line.y)])

    def place(x: float, y: float) -> tuple[float, float]:
        share = (x - across[0]) / (across[-1] - across[0]), (y - up[0]) / (up[-1] - up[0])
        return left + share[0] * (right - left), bottom - share[1] * (bottom - top)

    pen.text((left + right) / 2, y0 + 16, panel.title, "mm", 13)
    pen.text((left + right) / 2, bottom + 30, panel.across, "mm")
    for tick in up:
        height = place(across[0], tick)[1]
        pen.line([(left, height), (right, height)], _GRID)
        pen.text(left - 6, height, f"{tick:g}", "rm")
    named = dict(enumerate(panel.places))
    for tick in named or across:
        pen.text(place(tick, up[0])[0], bottom + 12, named.get(int(tick), f"{tick:g}"), "mm")
    for line in panel.lines:
        color = COLORS[names.index(line.name) % len(COLORS)]
        pairs = zip(line.x, line.y, strict=True)
        known = [place(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]
        if len(known) > 1:
            pen.line(known, color, 2)
        for point in known:
            pen.dot(*point, color)


def _draw_names(pen: _Pen, names: list[str], y: float) -> None:
    x = 20.0
    for index, name in enumerate(names):
        pen.line([(x, y + 8), (x + 24, y + 8)], COLORS[index % len(COLORS)], 3)
        pen.text(x + 30, y + 8, name, "lm")
        x += 50 + 7 * len(name)


def _ticks(values: Sequence[float]) -> list[float]:
    """Four to eight round numbers around all values; two where there is nothing."""
    known = [v for v in values if math.isfinite(v)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(n * step, 10) for n in range(first, last + 1)]
