"""What two people do with each other: who stands how, and which regions meet when.

Person 0 stands at the origin and faces +z; its left is +x. Each interaction is drawn anew from
random numbers, so that no two are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np

from engine.body.regions import mirror_region

Generator = np.random.Generator
ELBOW_CLEARANCE, HAND_CLEARANCE = 0.07, 0.12
"""Metres from the partner's side at which an elbow passes, and a hand on its way."""
Gait = Literal["standing", "walking", "walking up"]


@dataclass(frozen=True)
class Span:
    """Seconds."""

    start: float
    stop: float


@dataclass(frozen=True)
class Meeting:
    """A region of one person touches a region of the other."""

    person: int
    region: str
    other_region: str
    span: Span


@dataclass(frozen=True)
class Guide:
    """A joint passes beside a region of the partner on its way: an elbow beside the ribs."""

    person: int
    joint: str
    other_region: str
    clearance: float
    """Metres of the joint from that skin."""
    span: Span


@dataclass(frozen=True)
class Standing:
    """Where person 1 stands as person 0 sees it, and which way it faces."""

    left: float
    ahead: float
    """Metres."""
    yaw: float
    """Radians about the vertical; 0 faces the same way, pi faces person 0."""


@dataclass(frozen=True)
class Interaction:
    name: str
    standing: Standing
    seconds: float
    meetings: tuple[Meeting, ...]
    guides: tuple[Guide, ...] = ()
    gaits: tuple[Gait, Gait] = ("standing", "standing")
    lean: tuple[float, float] = (0.0, 0.0)
    """Radians by which each bends forwards while they touch."""

    @property
    def contact(self) -> Span:
        """From the first touch to the last."""
        return Span(
            min(m.span.start for m in self.meetings), max(m.span.stop for m in self.meetings)
        )


@dataclass
class _Timing:
    """When touches begin and end: near each other, not at once."""

    generator: Generator
    seconds: float
    start: float
    stop: float

    @classmethod
    def draw(cls, generator: Generator, *, hold: tuple[float, float]) -> _Timing:
        before, after = generator.uniform(0.8, 1.3), generator.uniform(0.6, 1.0)
        held = generator.uniform(*hold)
        return cls(generator, before + held + after, before, before + held)

    def span(self, spread: float = 0.12) -> Span:
        early, late = np.abs(self.generator.normal(0, spread, 2)).clip(0, 0.3)
        return Span(self.start + float(early), self.stop - float(late))


def _sides(generator: Generator) -> tuple[str, str]:
    return ("left", "right") if generator.random() < 0.5 else ("right", "left")


def _either(generator: Generator, *choices: str) -> str:
    return str(generator.choice(choices))


def _around(person: int, side: str, passed: str, span: Span) -> list[Guide]:
    """An arm that goes round the partner past `passed`: the elbow while they touch, the hand a
    moment before and after.
    """
    before = Span(span.start - 0.35, span.start - 0.12)
    after = Span(span.stop + 0.12, span.stop + 0.35)
    return [
        Guide(person, f"{side}_elbow", passed, ELBOW_CLEARANCE, span),
        Guide(person, f"{side}_wrist", passed, HAND_CLEARANCE, before),
        Guide(person, f"{side}_wrist", passed, HAND_CLEARANCE, after),
    ]


def _abreast(generator: Generator, walking: float) -> tuple[Gait, Gait]:
    return ("walking", "walking") if generator.random() < walking else ("standing", "standing")


def _approach(generator: Generator, both: float, one: float) -> tuple[Gait, Gait]:
    """Who walks up: both, one of the two, or nobody, with these probabilities."""
    drawn = generator.random()
    if drawn < both:
        return ("walking up", "walking up")
    if drawn < both + one:
        return (
            ("walking up", "standing") if generator.random() < 0.5 else ("standing", "walking up")
        )
    return ("standing", "standing")


def hug(generator: Generator) -> Interaction:
    """Chest to chest; each arm goes over the partner's shoulder or under the partner's arm."""
    timing = _Timing.draw(generator, hold=(0.9, 2.2))
    style = _either(generator, "crossed", "crossed", "first under", "second under")
    near, far = _sides(generator)
    over = {
        "crossed": {(0, near), (1, near)},
        "first under": {(1, "left"), (1, "right")},
        "second under": {(0, "left"), (0, "right")},
    }[style]
    meetings: list[Meeting] = []
    guides: list[Guide] = []
    for person in (0, 1):
        for side in ("left", "right"):
            # Face to face, the partner's right is on one's left.
            beside = "right" if side == "left" else "left"
            above = (person, side) in over
            span = timing.span()
            # An arm over a shoulder stays on that side: across, the hand would go through the neck.
            across = beside if above or generator.random() < 0.5 else side
            low = "upper_back" if above else _either(generator, "upper_back", "lower_back")
            meetings.append(Meeting(person, f"{side}_palm", f"{across}_{low}", span))
            passed = (
                f"{beside}_shoulder" if above else f"{beside}_{_either(generator, 'ribs', 'waist')}"
            )
            guides += _around(person, side, passed, span)
    chest = timing.span()
    meetings.append(Meeting(0, f"{far}_chest", f"{far}_chest", chest))
    aside = 0.09 if style == "crossed" else 0.05
    standing = Standing(
        (1 if near == "left" else -1) * -generator.uniform(0.4, 1.2) * aside,
        generator.uniform(0.27, 0.36),
        np.pi + generator.normal(0, 0.1),
    )
    return Interaction(
        "hug", standing, timing.seconds, tuple(meetings), tuple(guides),
        lean=(generator.uniform(0.0, 0.2), generator.uniform(0.0, 0.2)),
        gaits=_approach(generator, 0.55, 0.45),
    )  # fmt: skip


def hug_from_behind(generator: Generator) -> Interaction:
    timing = _Timing.draw(generator, hold=(0.9, 2.2))
    high = generator.random() < 0.4
    meetings: list[Meeting] = []
    guides: list[Guide] = []
    for side in ("left", "right"):
        span = timing.span()
        across = ("right" if side == "left" else "left") if generator.random() < 0.6 else side
        target = "chest" if high else _either(generator, "belly", "ribs")
        meetings.append(Meeting(0, f"{side}_palm", f"{across}_{target}", span))
        passed = f"{side}_shoulder" if high else f"{side}_waist"
        guides += _around(0, side, passed, span)
    meetings.append(Meeting(0, "left_chest", "left_upper_back", timing.span()))
    standing = Standing(
        generator.normal(0, 0.04), generator.uniform(0.26, 0.34), generator.normal(0, 0.12)
    )
    lean = (generator.uniform(0.05, 0.25), generator.uniform(0.0, 0.1))
    return Interaction(
        "hug from behind",
        standing,
        timing.seconds,
        tuple(meetings),
        tuple(guides),
        lean=lean,
        gaits=("walking up", "standing"),
    )


def handshake(generator: Generator) -> Interaction:
    timing = _Timing.draw(generator, hold=(0.6, 1.6))
    side = "right" if generator.random() < 0.9 else "left"
    span = timing.span()
    meetings = [Meeting(0, f"{side}_palm", f"{side}_palm", span)]
    if generator.random() < 0.35:
        other = "left" if side == "right" else "right"
        where = _either(generator, f"{side}_lower_arm_outer", f"{side}_upper_arm_outer",
                        f"{side}_shoulder")  # fmt: skip
        meetings.append(Meeting(0, f"{other}_palm", where, timing.span()))
    standing = Standing(
        generator.normal(0, 0.06), generator.uniform(0.62, 0.82), np.pi + generator.normal(0, 0.15)
    )
    return Interaction(
        "handshake", standing, timing.seconds, tuple(meetings), gaits=_approach(generator, 0.3, 0.4)
    )


def both_hands(generator: Generator) -> Interaction:
    timing = _Timing.draw(generator, hold=(0.8, 2.0))
    meetings = [
        Meeting(0, f"{a}_palm", f"{b}_palm", timing.span())
        for a, b in (("left", "right"), ("right", "left"))
    ]
    standing = Standing(
        generator.normal(0, 0.05), generator.uniform(0.55, 0.85), np.pi + generator.normal(0, 0.12)
    )
    return Interaction(
        "both hands held",
        standing,
        timing.seconds,
        tuple(meetings),
        gaits=_approach(generator, 0.2, 0.4),
    )


def hands_on_shoulders(generator: Generator) -> Interaction:
    timing = _Timing.draw(generator, hold=(0.7, 1.8))
    meetings = [
        Meeting(0, f"{a}_palm", f"{b}_{_either(generator, 'shoulder', 'upper_arm_outer')}",
                timing.span())
        for a, b in (("left", "right"), ("right", "left"))
    ]  # fmt: skip
    if generator.random() < 0.3:
        meetings = meetings[:1]
    standing = Standing(
        generator.normal(0, 0.05), generator.uniform(0.45, 0.65), np.pi + generator.normal(0, 0.15)
    )
    return Interaction(
        "hands on shoulders",
        standing,
        timing.seconds,
        tuple(meetings),
        gaits=_approach(generator, 0.2, 0.5),
    )


def arm_around(generator: Generator) -> Interaction:
    """Side by side, an arm around the partner's shoulder or waist, sometimes both ways."""
    timing = _Timing.draw(generator, hold=(1.0, 2.5))
    inner = "left"  # person 1 stands at person 0's left; mirrored by `draw`
    span = timing.span()
    high = generator.random() < 0.6
    far = "left"
    if high:
        target, passed = f"{far}_{_either(generator, 'shoulder', 'upper_arm_outer')}", "neck_back"
    else:
        target, passed = (
            f"{far}_{_either(generator, 'waist', 'lower_back', 'hip')}",
            "right_lower_back",
        )
    meetings = [Meeting(0, f"{inner}_palm", target, span)]
    guides = _around(0, inner, passed, span)
    if generator.random() < 0.5:
        back = timing.span()
        reached = (
            "right_waist" if high else _either(generator, "right_shoulder", "right_upper_back")
        )
        around = "left_lower_back" if high else "left_upper_back"
        meetings.append(Meeting(1, "right_palm", reached, back))
        guides += _around(1, "right", around, back)
    if generator.random() < 0.5:
        meetings.append(Meeting(0, "left_upper_arm_outer" if not high else "left_ribs",
                                "right_upper_arm_outer", timing.span()))  # fmt: skip
    standing = Standing(
        generator.uniform(0.38, 0.48), generator.normal(0.0, 0.04), generator.normal(0, 0.12)
    )
    gaits = _abreast(generator, 0.4)
    return Interaction(
        "arm around", standing, timing.seconds, tuple(meetings), tuple(guides), gaits=gaits
    )


def hand_in_hand(generator: Generator) -> Interaction:
    timing = _Timing.draw(generator, hold=(1.2, 2.5))
    meetings = (Meeting(0, "left_palm", "right_palm", timing.span()),)
    standing = Standing(
        generator.uniform(0.5, 0.65), generator.normal(0, 0.05), generator.normal(0, 0.1)
    )
    gaits = _abreast(generator, 0.6)
    return Interaction("hand in hand", standing, timing.seconds, meetings, gaits=gaits)


def push(generator: Generator) -> Interaction:
    """A short touch of one or both palms; who is pushed leans away."""
    timing = _Timing.draw(generator, hold=(0.35, 0.7))
    target = _either(generator, "chest", "shoulder")
    meetings = [
        Meeting(0, f"{a}_palm", f"{b}_{target}", timing.span(0.05))
        for a, b in (("left", "right"), ("right", "left"))
    ]
    if generator.random() < 0.25:
        meetings = meetings[:1]
    standing = Standing(
        generator.normal(0, 0.05), generator.uniform(0.5, 0.68), np.pi + generator.normal(0, 0.2)
    )
    lean = (generator.uniform(0.05, 0.25), -generator.uniform(0.05, 0.2))
    return Interaction(
        "push",
        standing,
        timing.seconds,
        tuple(meetings),
        lean=lean,
        gaits=_approach(generator, 0.1, 0.5),
    )


def grip(generator: Generator) -> Interaction:
    """Wrists or arms of the partner are held."""
    timing = _Timing.draw(generator, hold=(0.7, 1.8))
    part = _either(generator, "wrist", "lower_arm_outer", "upper_arm_outer")
    meetings = [
        Meeting(0, f"{a}_palm", f"{b}_{part}", timing.span())
        for a, b in (("left", "right"), ("right", "left"))
    ]
    if generator.random() < 0.4:
        meetings = meetings[:1]
    if part == "upper_arm_outer" and generator.random() < 0.6:
        meetings += [
            Meeting(1, f"{a}_palm", f"{b}_{_either(generator, 'lower_arm_outer', 'elbow')}",
                    timing.span())
            for a, b in (("left", "right"), ("right", "left"))
        ]  # fmt: skip
    standing = Standing(
        generator.normal(0, 0.06), generator.uniform(0.48, 0.7), np.pi + generator.normal(0, 0.2)
    )
    return Interaction(
        "grip", standing, timing.seconds, tuple(meetings), gaits=_approach(generator, 0.2, 0.5)
    )


def dance_hold(generator: Generator) -> Interaction:
    """A ballroom frame: hand on the back, hand on the arm, the other hands joined."""
    timing = _Timing.draw(generator, hold=(1.0, 2.2))
    span = timing.span()
    close = generator.random() < 0.5
    meetings = [
        Meeting(0, "right_palm", _either(generator, "left_upper_back", "left_lower_back"), span),
        Meeting(1, "left_palm", _either(generator, "right_shoulder", "right_upper_arm_outer"),
                timing.span()),
        Meeting(0, "left_palm", "right_palm", timing.span()),
    ]  # fmt: skip
    if close:
        meetings.append(Meeting(0, "right_ribs", "right_ribs", timing.span()))
    guides = _around(0, "right", "left_ribs", span)
    standing = Standing(
        generator.normal(-0.05, 0.03),
        generator.uniform(0.3, 0.36) if close else generator.uniform(0.38, 0.48),
        np.pi + generator.normal(0, 0.1),
    )
    return Interaction(
        "dance hold",
        standing,
        timing.seconds,
        tuple(meetings),
        tuple(guides),
        gaits=_approach(generator, 0.4, 0.6),
    )


def clinch(generator: Generator) -> Interaction:
    """Wrestlers' collar tie: a hand on the neck, the other on the arm, heads together."""
    timing = _Timing.draw(generator, hold=(0.9, 2.0))
    side, other = _sides(generator)
    meetings: list[Meeting] = []
    guides: list[Guide] = []
    for person in (0, 1):
        span = timing.span()
        meetings.append(Meeting(person, f"{side}_palm", "neck_back", span))
        guides += _around(person, side, f"{other}_shoulder", span)
        meetings.append(
            Meeting(person, f"{other}_palm",
                    f"{side}_{_either(generator, 'elbow', 'upper_arm_outer')}", timing.span())
        )  # fmt: skip
    if generator.random() < 0.5:
        meetings.append(Meeting(0, "forehead", _either(generator, "forehead", f"{other}_head_side"),
                                timing.span()))  # fmt: skip
    standing = Standing(
        generator.normal(0, 0.03), generator.uniform(0.5, 0.62), np.pi + generator.normal(0, 0.1)
    )
    lean = (generator.uniform(0.3, 0.55), generator.uniform(0.3, 0.55))
    return Interaction(
        "clinch",
        standing,
        timing.seconds,
        tuple(meetings),
        tuple(guides),
        lean=lean,
        gaits=_approach(generator, 0.6, 0.4),
    )


def body_lock(generator: Generator) -> Interaction:
    """Both arms around the partner's waist, the head beside the chest."""
    timing = _Timing.draw(generator, hold=(0.8, 1.8))
    behind = generator.random() < 0.4
    meetings: list[Meeting] = []
    guides: list[Guide] = []
    for side in ("left", "right"):
        span = timing.span()
        beside = side if behind else ("right" if side == "left" else "left")
        target = "belly" if behind else "lower_back"
        meetings.append(Meeting(0, f"{side}_palm", f"{beside}_{target}", span))
        guides += _around(0, side, f"{beside}_waist", span)
    resist = _either(generator, "shoulder", "upper_back")
    if not behind:
        meetings += [
            Meeting(1, f"{a}_palm", f"{b}_{resist}", timing.span())
            for a, b in (("left", "right"), ("right", "left"))
        ]
    standing = Standing(
        generator.normal(0, 0.05),
        generator.uniform(0.34, 0.46),
        (0 if behind else np.pi) + generator.normal(0, 0.15),
    )
    lean = (generator.uniform(0.3, 0.6), generator.uniform(0.0, 0.25))
    return Interaction(
        "body lock",
        standing,
        timing.seconds,
        tuple(meetings),
        tuple(guides),
        lean=lean,
        gaits=("walking up", "standing"),
    )


def back_to_back(generator: Generator) -> Interaction:
    timing = _Timing.draw(generator, hold=(0.8, 1.8))
    meetings = [
        Meeting(0, "left_upper_back", "right_upper_back", timing.span()),
        Meeting(0, "right_upper_back", "left_upper_back", timing.span()),
    ]
    standing = Standing(
        generator.normal(0, 0.03), -generator.uniform(0.26, 0.32), np.pi + generator.normal(0, 0.08)
    )
    lean = (-generator.uniform(0.0, 0.12), -generator.uniform(0.0, 0.12))
    return Interaction("back to back", standing, timing.seconds, tuple(meetings), lean=lean)


def comforting(generator: Generator) -> Interaction:
    """From the side: a hand on the back, perhaps the other on the arm."""
    timing = _Timing.draw(generator, hold=(0.8, 1.8))
    meetings = [Meeting(0, "left_palm", _either(generator, "left_upper_back", "right_upper_back",
                                                "left_lower_back"), timing.span())]  # fmt: skip
    if generator.random() < 0.5:
        meetings.append(
            Meeting(0, "right_palm", _either(generator, "right_lower_arm_outer",
                                             "right_upper_arm_outer", "right_shoulder"),
                    timing.span())
        )  # fmt: skip
    standing = Standing(
        generator.uniform(0.3, 0.4), generator.uniform(0.25, 0.35), generator.uniform(0.6, 1.1)
    )
    return Interaction(
        "comforting", standing, timing.seconds, tuple(meetings), gaits=("walking up", "standing")
    )


def high_five(generator: Generator) -> Interaction:
    timing = _Timing.draw(generator, hold=(0.2, 0.4))
    side = "right" if generator.random() < 0.85 else "left"
    meetings = (Meeting(0, f"{side}_palm", f"{side}_palm", timing.span(0.02)),)
    guides = tuple(
        Guide(person, f"{side}_wrist", f"{'left' if side == 'right' else 'right'}_face", 0.3,
              meetings[0].span)
        for person in (0, 1)
    )  # fmt: skip
    standing = Standing(
        generator.normal(0, 0.05), generator.uniform(0.6, 0.8), np.pi + generator.normal(0, 0.15)
    )
    return Interaction(
        "high five",
        standing,
        timing.seconds,
        meetings,
        guides,
        gaits=_approach(generator, 0.4, 0.4),
    )


CATALOGUE: Mapping[str, Callable[[Generator], Interaction]] = MappingProxyType(
    {
        "hug": hug,
        "hug-from-behind": hug_from_behind,
        "handshake": handshake,
        "both-hands": both_hands,
        "hands-on-shoulders": hands_on_shoulders,
        "arm-around": arm_around,
        "hand-in-hand": hand_in_hand,
        "push": push,
        "grip": grip,
        "dance-hold": dance_hold,
        "clinch": clinch,
        "body-lock": body_lock,
        "back-to-back": back_to_back,
        "comforting": comforting,
        "high-five": high_five,
    }
)


def draw(name: str, generator: Generator) -> Interaction:
    """An interaction of that name, as it is or seen in a mirror."""
    drawn = CATALOGUE[name](generator)
    return mirrored(drawn) if generator.random() < 0.5 else drawn


def mirrored(interaction: Interaction) -> Interaction:
    standing = interaction.standing
    return replace(
        interaction,
        standing=replace(standing, left=-standing.left, yaw=-standing.yaw),
        meetings=tuple(
            replace(m, region=mirror_region(m.region), other_region=mirror_region(m.other_region))
            for m in interaction.meetings
        ),
        guides=tuple(
            replace(g, joint=_other_side(g.joint), other_region=mirror_region(g.other_region))
            for g in interaction.guides
        ),
    )


def _other_side(joint: str) -> str:
    side, _, rest = joint.partition("_")
    return f"{'right' if side == 'left' else 'left'}_{rest}"
