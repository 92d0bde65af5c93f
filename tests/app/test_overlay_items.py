"""Names over people: inside the view, whatever they are and wherever the people stand."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QImage, QPainter

from app.overlay_items import NAME_WIDTH, paint_name
from app.tokens import DARK, PERSON_COLORS

BOUNDS = QRectF(0, 0, 400, 200)


def painted(name: str, at: tuple[float, float], taken: tuple[QRectF, ...] = ()) -> np.ndarray:
    """Where something was painted in a view with room around it: rows and columns, (N, 2)."""
    image = QImage(600, 400, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(0)
    painter = QPainter(image)
    painter.translate(100, 100)
    paint_name(
        painter, QPointF(*at), name, PERSON_COLORS[0],
        tokens=DARK, is_selected=True, bounds=BOUNDS, taken=list(taken),
    )  # fmt: skip
    painter.end()
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(400, 600, 4)
    return np.argwhere(pixels[..., 3] > 0) - 100


@pytest.mark.parametrize("at", [(-50, -50), (395, 5), (395, 190), (-300, 100), (150, 100)])
@pytest.mark.parametrize("name", ["Ann", "Maximiliane " * 20])
def test_a_name_is_painted_inside_the_view(qapp, name, at):
    places = painted(name, at)
    assert len(places) > 100
    assert places.min() >= 0
    assert (places.max(0) < (BOUNDS.height(), BOUNDS.width())).all()
    assert np.ptp(places[:, 1]) <= NAME_WIDTH + 16


def test_a_name_stands_on_the_point_where_there_is_room(qapp):
    rows, columns = painted("Ann", (150, 100)).T
    assert abs(columns.min() - 150) <= 1
    assert 95 <= rows.max() <= 101


@pytest.mark.parametrize("height", [5, 100])
def test_a_name_does_not_cover_another(qapp, height):
    other = QRectF(140, height - 10, 60, 17)
    rows, _ = painted("Ann", (150, height), (other,)).T
    assert rows.max() < other.top() or rows.min() >= other.bottom() - 1
