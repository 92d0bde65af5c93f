"""Dyad's design tokens: colours, spacing, radii and text sizes, for light and dark."""

from __future__ import annotations

from dataclasses import dataclass

from annotations.edits import PERSON_COLORS

__all__ = ["DARK", "LIGHT", "PERSON_COLORS", "Tokens", "contrast", "mixed", "relative_luminance"]


@dataclass(frozen=True)
class Tokens:
    """The design decisions that everything else is made of. Colours are #rrggbb."""

    is_dark: bool
    window: str
    """Behind and between panels."""
    surface: str
    """Panels, lists, cards."""
    raised: str
    """Buttons, fields, menus, what lies on a surface."""
    hover: str
    pressed: str
    border: str
    text: str
    text_muted: str
    """Secondary text; still 4.5:1 on every background."""
    text_disabled: str
    accent: str
    """Selection, focus, the primary action."""
    accent_text: str
    """On the accent."""
    success: str
    warning: str
    danger: str
    viewport: str
    """Behind the video and the 3D scene (top)."""
    viewport_low: str
    """The 3D scene's lower background."""
    grid: str
    lane: str
    """A timeline lane's ground."""
    zones: tuple[str, str, str, str]
    """Of intimate, personal, social and public: the nearer the further from the ground."""

    space_1: int = 4
    space_2: int = 8
    space_3: int = 12
    space_4: int = 16
    radius_small: int = 4
    radius: int = 6
    radius_large: int = 10
    text_small: int = 11
    text_normal: int = 13
    text_large: int = 15
    text_title: int = 20


DARK = Tokens(
    is_dark=True,
    window="#14161a", surface="#1b1e24", raised="#272b33", hover="#31363f", pressed="#3a404b",
    border="#353b46", text="#e8ebf0", text_muted="#a0a8b6", text_disabled="#636b79",
    accent="#5c9dff", accent_text="#0b1220", success="#4cc38a", warning="#f0b849",
    danger="#ff7a76", viewport="#22262d", viewport_low="#14161a", grid="#4a515e", lane="#22262d",
    zones=("#e389bd", "#a65f8d", "#74506f", "#4d4455"),
)  # fmt: skip
LIGHT = Tokens(
    is_dark=False,
    window="#eef0f4", surface="#f8f9fb", raised="#ffffff", hover="#eef1f6", pressed="#e0e5ee",
    border="#d0d5de", text="#191c22", text_muted="#565f6e", text_disabled="#9aa2b0",
    accent="#1a63d8", accent_text="#ffffff", success="#15774a", warning="#8a5a00",
    danger="#c5221f", viewport="#fbfcfd", viewport_low="#e6eaf0", grid="#a9b2c0", lane="#f1f3f7",
    zones=("#8f1d62", "#b95c94", "#d79cc0", "#e6cfde"),
)  # fmt: skip


def relative_luminance(color: str) -> float:
    """WCAG 2.1, "relative luminance" of a #rrggbb colour, 0..1."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """WCAG 2.1 contrast ratio of two colours, 1..21."""
    high, low = sorted((relative_luminance(a), relative_luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def mixed(a: str, b: str, share: float) -> str:
    """`a` with `share` (0..1) of `b` in it."""
    pairs = [(int(a[i : i + 2], 16), int(b[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(x + (y - x) * share):02x}" for x, y in pairs)
