"""The look: contrast that can be measured, colours told apart by everyone, icons that follow."""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QGuiApplication, QIcon

from app import icons
from app.stylesheet import stylesheet
from app.theme import Theme, palette, theme
from app.tokens import DARK, LIGHT, PERSON_COLORS, contrast, mixed, relative_luminance
from tests.app.scenes import heard

BACKGROUNDS = ("window", "surface", "raised", "lane", "viewport", "viewport_low", "hover")
# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
DEFICIENCIES = {
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


@pytest.fixture(params=[DARK, LIGHT], ids=["dark", "light"])
def tokens(request):
    return request.param


@pytest.fixture
def restored(qapp):
    before = theme().scheme
    yield theme()
    theme().scheme = before


def test_contrast_is_wcag_s():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert relative_luminance("#ff0000") == pytest.approx(0.2126)


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("ink", ["text", "text_muted"])
def test_text_is_legible_on_every_background(tokens, background, ink):
    assert contrast(getattr(tokens, background), getattr(tokens, ink)) >= 4.5


@pytest.mark.parametrize("ink", ["accent", "success", "warning", "danger"])
def test_signal_colours_are_legible_on_panels(tokens, ink):
    assert contrast(tokens.surface, getattr(tokens, ink)) >= 4.5


def test_text_on_the_accent_is_legible(tokens):
    assert contrast(tokens.accent, tokens.accent_text) >= 4.5


@pytest.mark.parametrize("background", ["surface", "lane", "viewport"])
@pytest.mark.parametrize("color", PERSON_COLORS)
def test_people_stand_out_from_the_ground(tokens, background, color):
    assert contrast(getattr(tokens, background), color) >= 3.0


@pytest.mark.parametrize("deficiency", ["none", *DEFICIENCIES])
def test_people_are_told_apart_with_any_colour_vision(deficiency):
    matrix = np.array(DEFICIENCIES.get(deficiency, np.eye(3)))
    seen = [lab(matrix @ linear(color)) for color in PERSON_COLORS]
    distances = {pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]) for pair in PAIRS}
    assert distances[0, 1] > 40  # nearly every clip has just these two
    assert min(distances.values()) > 10


PAIRS = list(combinations(range(len(PERSON_COLORS)), 2))


def linear(color: str) -> np.ndarray:
    value = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    pixel = np.clip(rgb, 0, 1).astype(np.float32)[None, None]
    return cv2.cvtColor(pixel, cv2.COLOR_LRGB2LAB)[0, 0]


def test_mixing_goes_from_one_colour_to_the_other():
    assert mixed("#000000", "#ffffff", 0) == "#000000"
    assert mixed("#000000", "#ffffff", 1) == "#ffffff"
    assert mixed("#102030", "#304050", 0.5) == "#203040"


def test_the_style_sheet_uses_tokens_only(tokens):
    sheet = stylesheet(tokens)
    assert "$" not in sheet
    assert tokens.accent in sheet
    assert sheet.count("{") == sheet.count("}")


def test_the_palette_is_made_of_the_tokens(qapp, tokens):
    made = palette(tokens)
    assert made.window().color().name() == tokens.surface
    assert made.highlight().color().name() == tokens.accent
    disabled = made.color(made.ColorGroup.Disabled, made.ColorRole.Text)
    assert disabled.name() == tokens.text_disabled


def test_a_change_of_scheme_dresses_the_application_and_is_announced(restored):
    restored.scheme = "dark"
    changes = heard(restored.changed)
    restored.scheme = "light"
    assert restored.tokens is LIGHT
    assert QGuiApplication.palette().window().color().name() == LIGHT.surface
    restored.scheme = "light"
    assert len(changes) == 1
    restored.scheme = "dark"
    assert restored.tokens is DARK


def test_an_unknown_scheme_is_refused(restored):
    with pytest.raises(ValueError, match="system, light or dark"):
        restored.scheme = "sepia"


@pytest.mark.parametrize(
    ("system", "expected"),
    [(Qt.ColorScheme.Light, LIGHT), (Qt.ColorScheme.Dark, DARK), (Qt.ColorScheme.Unknown, DARK)],
)
def test_the_theme_follows_the_system(qapp, monkeypatch, system, expected):
    hints = type(QGuiApplication.styleHints())
    monkeypatch.setattr(hints, "colorScheme", lambda self: system)
    made = Theme()
    assert made.tokens is expected
    made.scheme = "light"
    assert made.tokens is LIGHT
    made.scheme = "system"
    assert made.tokens is expected


# -- icons --------------------------------------------------------------------------------------


def ink(icon: QIcon, mode: QIcon.Mode = QIcon.Mode.Normal) -> tuple[int, int]:
    """How many pixels are painted, and their mean lightness."""
    image = icon.pixmap(QSize(32, 32), mode).toImage()
    painted = [
        image.pixelColor(x, y)
        for x in range(image.width())
        for y in range(image.height())
        if image.pixelColor(x, y).alpha() > 200
    ]
    lightness = sum(color.lightness() for color in painted) // max(1, len(painted))
    return len(painted), lightness


@pytest.mark.parametrize("name", icons.GLYPHS)
def test_every_icon_has_a_glyph_of_its_own(qapp, name):
    assert icons.GLYPHS[name] in icons._codepoints()
    assert ink(icons.icon(name))[0] > 20


def test_an_icon_follows_the_theme_by_itself(restored):
    icon = icons.icon("accept")
    restored.scheme = "dark"
    light_ink = ink(icon)[1]
    restored.scheme = "light"
    assert ink(icon)[1] < light_ink - 100


def test_a_disabled_icon_is_paler_and_a_coloured_one_keeps_its_colour(restored):
    restored.scheme = "dark"
    assert ink(icons.icon("undo"), QIcon.Mode.Disabled)[1] < ink(icons.icon("undo"))[1] - 60
    pixmap = icons.icon("delete", "#ff0000").pixmap(QSize(32, 32)).toImage()
    hues = {
        pixmap.pixelColor(x, y).hue()
        for x in range(32)
        for y in range(32)
        if pixmap.pixelColor(x, y).alpha() > 200
    }
    assert hues == {0}


def test_an_unknown_icon_is_refused():
    with pytest.raises(ValueError, match="unknown icon"):
        icons.icon("unicorn")
