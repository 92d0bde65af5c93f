"""Why a frame is suspicious, in words. NumPy and the standard library only, for the window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from engine.structures import Reason

ISSUES: Mapping[Reason, str] = MappingProxyType(
    {
        "reprojection": "Off the joints",
        "silhouette": "Off the outline",
        "contact": "Contact broken",
        "touch": "Touch unsaid",
        "penetration": "Penetration",
        "jerk": "Jerk",
        "depth flip": "Depth unsure",
        "identity": "Exchanged",
        "prior": "Unlikely pose",
    }
)
"""Short names, for a list and its filter."""
OF_BOTH: frozenset[Reason] = frozenset({"contact", "touch", "penetration", "identity"})
"""Reasons that concern two people alike."""


def strength(value: float) -> str:
    """How far beyond its threshold (1) a reason is."""
    return "strongly" if value >= 2 else "clearly" if value >= 1.3 else "slightly"


def words(
    reason: Reason, value: float, names: Sequence[str], measure: float | None = None
) -> tuple[str, str]:
    """What a reason says of people, in a few words and in a sentence.

    `value`: 1 at the threshold. `names`: whom it concerns, one or two. `measure`: what was
    measured, where it is at hand: pixels that joints are missed by, metres of penetration.
    """
    who = " and ".join(names)
    return _SAY[reason](who, value, measure)


def _reprojection(who: str, value: float, pixels: float | None) -> tuple[str, str]:
    if pixels is None:
        return who, f"The body of {who} misses the joints {strength(value)}."
    amount = f"{pixels:.0f} px"
    return f"{who}, {amount}", f"The body of {who} misses the joints by {amount}."


def _penetration(who: str, value: float, metres: float | None) -> tuple[str, str]:
    if metres is None:
        return who, f"The bodies of {who} are {strength(value)} inside each other."
    amount = f"{100 * metres:.0f} cm"
    return f"{amount} deep", f"The bodies are {amount} inside each other."


def _plain(sentence: str) -> Callable[[str, float, float | None], tuple[str, str]]:
    def say(who: str, value: float, measure: float | None) -> tuple[str, str]:
        return who, sentence.format(who=who, strength=strength(value))

    return say


_SAY: Mapping[Reason, Callable[[str, float, float | None], tuple[str, str]]] = MappingProxyType(
    {
        "reprojection": _reprojection,
        "penetration": _penetration,
        "silhouette": _plain("The body of {who} is {strength} off the outline in the picture."),
        "contact": _plain("What was said of touch between {who} is not kept."),
        "touch": _plain("A hand is near the other body: say whether {who} touch here, and where."),
        "jerk": _plain("{who} moves {strength} more abruptly than people do."),
        "depth flip": _plain(
            "The depth of {who} may be the other way round: the picture hardly tells."
        ),
        "identity": _plain("{who} are probably exchanged here."),
        "prior": _plain("{who} stands or moves {strength} unlike what the joints suggest."),
    }
)


def error_words(metres: float, names: Sequence[str]) -> str:
    """An expected error, in a sentence."""
    return f"Joints of {' and '.join(names)} are believed to be {100 * metres:.0f} cm off."
