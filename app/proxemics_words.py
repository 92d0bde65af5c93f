"""How two people stand to each other, and who is believed, in words and numbers. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from annotations.proxemics import at
from annotations.records import ClipState
from annotations.step_names import FACING_EDGE, proxemics_words
from engine.structures import ZONE_EDGES, ZONES, PairProxemics, ProxemicsStatement, Zone

FACINGS = {"Towards": 1.0, "Sideways": 0.0, "Away": -1.0}
"""What a curator says of facing with one click."""
UNKNOWN = "–"


def zone_span(zone: Zone) -> str:
    """Metres between the heads: "0.45 to 1.2 m"."""
    index = ZONES.index(zone)
    if index == 0:
        return f"below {ZONE_EDGES[0]:g} m"
    if index == len(ZONE_EDGES):
        return f"beyond {ZONE_EDGES[-1]:g} m"
    return f"{ZONE_EDGES[index - 1]:g} to {ZONE_EDGES[index]:g} m"


@dataclass(frozen=True)
class Standing:
    """A frame of what a fit found of two people."""

    zone: Zone
    heads: str
    """Metres with their deviation."""
    pelvises: str
    facing: tuple[tuple[str, str], tuple[str, str]]
    """Of a and of b: a word ("towards"), and the cosine with its deviation."""


def of_pair(found: Sequence[PairProxemics], people: tuple[int, int]) -> PairProxemics | None:
    """What was found of two people (the lower row first); None where no fit has said it."""
    return next((pair for pair in found if (pair.person_a, pair.person_b) == people), None)


def standing(
    found: Sequence[PairProxemics], frame: int, people: tuple[int, int] = (0, 1)
) -> Standing | None:
    """Two people in a frame; None where no fit has said it."""
    pair = of_pair(found, people)
    if pair is None or not 0 <= frame < len(pair.zone) or pair.zone[frame] < 0:
        return None
    cosines, deviations = pair.facing[:, frame].tolist(), pair.facing_deviation[:, frame].tolist()
    a, b = (
        (_direction(cosine), with_deviation(cosine, deviation))
        for cosine, deviation in zip(cosines, deviations, strict=True)
    )
    return Standing(
        ZONES[int(pair.zone[frame])],
        with_deviation(pair.head_distance[frame], pair.head_deviation[frame], " m"),
        with_deviation(pair.pelvis_distance[frame], pair.pelvis_deviation[frame], " m"),
        (a, b),
    )


def _direction(cosine: float) -> str:
    """The nearest of what a curator may say: "towards"."""
    if not np.isfinite(cosine):
        return ""
    meant = float(np.sign(cosine)) if abs(cosine) > FACING_EDGE else 0.0
    return next(words for words, value in FACINGS.items() if value == meant).lower()


def with_deviation(value: float, deviation: float, unit: str = "") -> str:
    """A number with what it may be off by: "0.78 ± 0.06 m"."""
    if not np.isfinite(value):
        return UNKNOWN
    known = f" ± {deviation:.2f}" if np.isfinite(deviation) else ""
    return f"{value:.2f}{known}{unit}"


def said_words(state: ClipState, said: ProxemicsStatement) -> str:
    """What somebody said, with the people's names: "intimate, heads 0.40 m, Ann faces Ben"."""
    return proxemics_words(said, [identity.name for identity in state.identities])


def pairs_of(state: ClipState | None) -> tuple[tuple[int, int], ...]:
    """Every two of a clip's people."""
    return () if state is None else tuple(combinations(range(len(state.identities)), 2))


def pair_words(state: ClipState, people: tuple[int, int]) -> str:
    """ "Ann and Ben"."""
    return " and ".join(state.identities[person].name for person in people)


def said_here(
    state: ClipState | None, frame: int, people: tuple[int, int] = (0, 1)
) -> ProxemicsStatement | None:
    """What was said of two people in a frame."""
    return None if state is None else at(state.constraints.proxemics, people, frame)


def frame_lines(state: ClipState, frame: int) -> list[str]:
    """Found and said of everybody in a frame, for a tooltip."""
    lines = []
    pairs = pairs_of(state)
    for people in pairs:
        whose = f"{pair_words(state, people)}, " if len(pairs) > 1 else ""
        found = standing(state.proxemics, frame, people)
        if found is not None:
            words = f"{whose}{found.zone}: heads {found.heads}, pelvises {found.pelvises}"
            lines.append(words[:1].upper() + words[1:])
        said = said_here(state, frame, people)
        if said is not None:
            lines.append(f"Said: {whose}{said_words(state, said)}")
    return lines


def trust_words(weight: float) -> str:
    """How far detections are believed, briefly."""
    return "not believed" if weight == 0 else f"believed by {100 * weight:.0f} %"
