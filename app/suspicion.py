"""Frames that look wrong, and why, in words that a curator reads. NumPy only.

What is wrong with bodies the fit found out itself (engine.fit.diagnostics); what is wrong with
detections is found here. Of fits made before they looked at themselves, only reprojection and
penetration are told, from what they measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float

from annotations import ranges
from annotations.corrections import effective_observations
from annotations.records import ClipState
from engine.structures import Diagnostics, FrameRange, Observations, Reason
from engine.suspicion_words import ISSUES, OF_BOTH, words

OUTLIER = 3.5
"""Robust standard deviations above the clip's median from which an error stands out."""
LEAST_REPROJECTION = 0.03
"""Share of the person's height in the image below which no reprojection error is suspicious."""
DEEP_PENETRATION = 0.03
"""Metres: deeper than soft skin explains."""
LOW_CONFIDENCE = 0.35
JUMP = 0.35
"""Heights of a box that its centre moves between two frames: an identity swap or a lost track."""
CROSSED = 1.5
"""How many times further people's joints are from where they were than from where the other's
were, when the two are mixed up from one frame to the next."""
LEAST_CROSSING = 0.05
"""Heights of a person that joints move then at least: two who are at one place change nothing."""
MERGE_GAP = 3
"""Frames between two findings of one kind that count as one."""
NEAR_SECONDS = 0.5
"""Between two frames of which one tells most of what the other does."""
USUAL_RATE = 30.0
"""Frames a second where nothing says when frames were taken."""


@dataclass(frozen=True)
class Suspicion:
    """A stretch of frames with one thing wrong."""

    frames: FrameRange
    worst: int
    """The frame where it is clearest."""
    person: int | None
    """None where it concerns both."""
    issue: str
    """Short name, for the list and the filter."""
    brief: str
    """Who and how much, in a few words."""
    reason: str
    """A sentence."""
    score: float
    """1 at the threshold; larger is worse."""


def suspicions(state: ClipState) -> tuple[Suspicion, ...]:
    """Everything suspicious in a clip, in order of time."""
    found = [*_of_observations(state), *_of_fit(state)]
    return tuple(sorted(found, key=lambda s: (s.frames.start, -s.score)))


def unreviewed(state: ClipState, found: tuple[Suspicion, ...]) -> tuple[Suspicion, ...]:
    """Those whose worst frame carries no verdict yet."""
    judged = ranges.union(mark.frames for mark in state.reviews)
    return tuple(s for s in found if not any(s.worst in frames for frames in judged))


def worst_first(state: ClipState, found: Iterable[Suspicion]) -> tuple[Suspicion, ...]:
    """In the order in which a look at them is worth most.

    By `ranking`; but what is within `NEAR_SECONDS` of something worse of the same people comes
    after all that is not, since whoever mends the one mends or sees the other; and where somebody
    corrected joints or boxes already, and what is left is believed to be as bad as before, last.
    """
    chosen: list[Suspicion] = []
    near: list[Suspicion] = []
    mended: list[Suspicion] = []
    for one in sorted(found, key=lambda s: (*(-rank for rank in ranking(state, s)), s.worst)):
        if _is_mended(state, one):
            mended.append(one)
        elif any(_is_near(state, one, worse) for worse in chosen):
            near.append(one)
        else:
            chosen.append(one)
    return (*chosen, *near, *mended)


def _is_near(state: ClipState, one: Suspicion, worse: Suspicion) -> bool:
    about_same = None in (one.person, worse.person) or one.person == worse.person
    return about_same and _seconds_between(state, one.worst, worse.worst) < NEAR_SECONDS


def _is_mended(state: ClipState, one: Suspicion) -> bool:
    """Whether somebody corrected the people of a finding around where it is worst."""
    said = state.constraints
    drawn = [edit for edit in said.box_edits if edit.kind == "person"]
    return any(
        one.person in (None, edit.person)
        and _seconds_between(state, one.worst, edit.frame) < NEAR_SECONDS / 2
        for edit in (*said.keypoint_edits, *drawn)
    )


def _seconds_between(state: ClipState, a: int, b: int) -> float:
    if state.observations is None:
        return abs(a - b) / USUAL_RATE
    times = state.observations.times
    return float(abs(times[a] - times[b]))


def ranking(state: ClipState, suspicion: Suspicion) -> tuple[float, float]:
    """Larger is worse: the metres by which joints are believed to be off there, where the fit has
    estimated them, then how suspicious it is."""
    diagnostics = state.diagnostics
    expected = diagnostics.expected_error if diagnostics is not None else None
    if expected is None:
        return 0.0, suspicion.score
    people = slice(None) if suspicion.person is None else suspicion.person
    off = expected[people, suspicion.frames.as_slice()]
    known = off[np.isfinite(off)]
    return float(known.max()) if known.size else 0.0, suspicion.score


def _of_observations(state: ClipState) -> list[Suspicion]:
    observations = effective_observations(state)
    if observations is None:
        return []
    found = []
    for person, identity in enumerate(state.identities[: observations.person_count]):
        boxes, name = observations.boxes[person], identity.name
        missing = np.isnan(boxes).any(axis=1)
        low = _low_confidence(observations.confidence[person], missing)
        jump = _jumps(boxes)
        for issue, score, reason in (
            ("Not seen", missing.astype(float), f"{name} was not found in the video."),
            ("Uncertain joints", low, f"Many joints of {name} are uncertain."),
            ("Jump", jump, f"{name} jumps between two frames: the two may be swapped here."),
        ):

            def say(_: int, name: str = name, reason: str = reason) -> tuple[str, str]:
                return name, reason

            found += _spans(score, person, issue, say)
    return [*found, *_exchanges(state, observations)]


def _exchanges(state: ClipState, observations: Observations) -> list[Suspicion]:
    """Frames in which two skeletons continue each other better than themselves."""
    found = []
    names = [identity.name for identity in state.identities]
    for a, b in combinations(range(min(len(names), observations.person_count)), 2):
        score = _crossing(observations, a, b) / CROSSED

        def say(_: int, a: int = a, b: int = b) -> tuple[str, str]:
            who = f"{names[a]} and {names[b]}"
            return who, f"{who} seem to change places between two frames."

        found += _spans(score, None, "Mixed up", say)
    return found


def _crossing(observations: Observations, a: int, b: int) -> Float[np.ndarray, "F"]:
    """How much better the joints of two people fit the other's of the frame before: a ratio."""
    points = observations.keypoints2d[[a, b]]
    before, after = points[:, :-1], points[:, 1:]
    own = _mean_distance(before, after)
    crossed = _mean_distance(before[::-1], after)
    boxes = observations.boxes[[a, b]]
    size = np.nanmean(boxes[..., 3] - boxes[..., 1]) if np.isfinite(boxes).any() else 1.0
    moved = own > LEAST_CROSSING * size
    return np.concatenate([[0.0], np.where(moved, own / np.maximum(crossed, 1e-6), 0.0)])


def _mean_distance(
    before: Float[np.ndarray, "2 F K 2"], after: Float[np.ndarray, "2 F K 2"]
) -> Float[np.ndarray, "F"]:
    """Over joints that both people have in both frames; 0 where there are fewer than five."""
    distance = np.linalg.norm(after - before, axis=-1)
    known = np.isfinite(before).all((0, -1)) & np.isfinite(after).all((0, -1))
    total = np.where(known, distance, 0.0).sum((0, 2))
    count = known.sum(-1)
    return np.where(count >= 5, total / np.maximum(2 * count, 1), 0.0)


def _of_fit(state: ClipState) -> list[Suspicion]:
    """What the fit found suspicious of itself; of frames that were fitted before it did, what can
    be told."""
    diagnostics = state.diagnostics
    if diagnostics is None:
        return []
    found = [
        one
        for reason, score in diagnostics.reasons.items()
        for one in _of_reason(state, diagnostics, reason, score)
    ]
    untold = _untold(diagnostics)
    if not untold.any():
        return found
    sizes = _sizes(state)
    for person in range(min(len(state.identities), len(diagnostics.reprojection_px))):
        error = diagnostics.reprojection_px[person]
        score = _outlier(error / sizes[person]) * untold
        found += _told(state, diagnostics, "reprojection", (person,), score)
    depth = np.nan_to_num(diagnostics.penetration_m) / DEEP_PENETRATION * untold
    everybody = tuple(range(len(state.identities)))
    return [*found, *_told(state, diagnostics, "penetration", everybody, depth)]


def _untold(diagnostics: Diagnostics) -> Bool[np.ndarray, "F"]:
    """Frames of which no fit said anything suspicious or not: it did not look at itself yet."""
    untold = np.ones(len(diagnostics.penetration_m), bool)
    for score in diagnostics.reasons.values():
        untold &= np.isnan(score).all(axis=0)
    return untold


def _of_reason(
    state: ClipState, diagnostics: Diagnostics, reason: Reason, score: Float[np.ndarray, "P F"]
) -> list[Suspicion]:
    score = np.nan_to_num(score)[: len(state.identities)]
    if reason not in OF_BOTH:
        return [
            one
            for person, mine in enumerate(score)
            for one in _told(state, diagnostics, reason, (person,), mine)
        ]
    pairs = combinations(range(len(score)), 2)
    return [
        one
        for a, b in pairs
        for one in _told(state, diagnostics, reason, (a, b), np.minimum(score[a], score[b]))
    ]


def _told(
    state: ClipState,
    diagnostics: Diagnostics,
    reason: Reason,
    people: tuple[int, ...],
    score: Float[np.ndarray, "F"],
) -> list[Suspicion]:
    names = [state.identities[person].name for person in people]

    def say(frame: int) -> tuple[str, str]:
        measure = None
        if reason == "reprojection":
            measure = float(diagnostics.reprojection_px[people[0], frame])
        elif reason == "penetration" and len(state.identities) <= 2:
            measure = float(diagnostics.penetration_m[frame])
        return words(reason, float(score[frame]), names, measure)

    person = people[0] if len(people) == 1 else None
    return _spans(score, person, ISSUES[reason], say)


def _sizes(state: ClipState) -> Float[np.ndarray, "P F"]:
    """Height of each person in the image in pixels; the clip's median in gaps."""
    observations = effective_observations(state)
    if observations is None:
        return np.full((len(state.identities), 1), 500.0)
    height = observations.boxes[..., 3] - observations.boxes[..., 1]
    known = height[np.isfinite(height)]
    typical = float(np.median(known)) if known.size else 500.0
    return np.where(np.isfinite(height), np.maximum(height, 1.0), typical)


def _low_confidence(
    confidence: Float[np.ndarray, "F K"], missing: Bool[np.ndarray, "F"]
) -> Float[np.ndarray, "F"]:
    typical = np.median(confidence[:, :17], axis=1)  # the COCO joints, of every layout the first
    return np.where(missing, 0.0, LOW_CONFIDENCE / np.maximum(typical, 0.05))


def _jumps(boxes: Float[np.ndarray, "F 4"]) -> Float[np.ndarray, "F"]:
    centre = 0.5 * (boxes[:, :2] + boxes[:, 2:])
    height = boxes[:, 3] - boxes[:, 1]
    step = np.linalg.norm(np.diff(centre, axis=0), axis=1) / np.maximum(height[1:], 1.0)
    return np.concatenate([[0.0], np.nan_to_num(step)]) / JUMP


def _outlier(values: Float[np.ndarray, "F"]) -> Float[np.ndarray, "F"]:
    """1 at the threshold: `OUTLIER` robust deviations above the median, and not tiny."""
    known = values[np.isfinite(values)]
    if not known.size:
        return np.zeros_like(values)
    median = float(np.median(known))
    deviation = 1.4826 * float(np.median(np.abs(known - median)))
    threshold = max(LEAST_REPROJECTION, median + OUTLIER * deviation)
    return np.asarray(np.nan_to_num(values) / threshold)


def _spans(
    score: Float[np.ndarray, "F"],
    person: int | None,
    issue: str,
    say: Callable[[int], tuple[str, str]],
) -> list[Suspicion]:
    """Stretches where the score reaches 1; `say` puts the worst frame into words."""
    found = []
    for frames in _merged(ranges.from_mask(score >= 1)):
        worst = _middle_of_worst(score, frames)
        found.append(Suspicion(frames, worst, person, issue, *say(worst), float(score[worst])))
    return found


def _middle_of_worst(score: Float[np.ndarray, "F"], frames: FrameRange) -> int:
    """Where a stretch is worst; the middle of the longest run of frames that are equally so."""
    part = score[frames.as_slice()]
    run = max(ranges.from_mask(part == part.max()), key=len)
    return frames.start + (run.start + run.stop - 1) // 2


def _merged(spans: tuple[FrameRange, ...]) -> list[FrameRange]:
    joined: list[FrameRange] = []
    for span in spans:
        if joined and span.start - joined[-1].stop <= MERGE_GAP:
            joined[-1] = FrameRange(joined[-1].start, span.stop)
        else:
            joined.append(span)
    return joined
