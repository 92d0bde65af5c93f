"""What the timeline shows of a clip: runs of equal status, packed contacts, curves, words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from annotations.records import ClipState
from app.frame_evidence import depth_order, identity
from app.proxemics_words import frame_lines, trust_words
from engine.structures import ContactLabel, FrameRange, Provenance

REPROJECTION_TOP_PX, PENETRATION_TOP_M = 12.0, 0.03
"""A lane is at least so high: small errors shall look small."""


class PersonStatus(IntEnum):
    """What is known of a person in a frame."""

    GAP = 0
    DETECTED = 1
    FITTED = 2
    INFILLED = 3
    """Fitted without being seen: carried by the frames around it."""


STATUS_WORDS = {
    PersonStatus.GAP: "not found",
    PersonStatus.DETECTED: "detected, not fitted",
    PersonStatus.FITTED: "fitted",
    PersonStatus.INFILLED: "fitted without being seen",
}


def person_status(state: ClipState, person: int, frame_count: int) -> Int[np.ndarray, "F"]:
    """`PersonStatus` per frame."""
    status = np.full(frame_count, PersonStatus.GAP, int)
    seen = np.zeros(frame_count, bool)
    observations, motion = state.observations, state.motion
    if observations is not None and person < observations.person_count:
        count = min(frame_count, observations.frame_count)
        known = np.isfinite(observations.keypoints2d[person, :count]).all(-1).any(-1)
        seen[:count] = known | np.isfinite(observations.boxes[person, :count]).all(-1)
        status[seen] = PersonStatus.DETECTED
    if motion is not None and person < motion.person_count:
        count = min(frame_count, motion.frame_count)
        fitted = np.zeros(frame_count, bool)
        provenance = np.asarray(motion.provenance[person, :count])
        fitted[:count] = np.asarray(motion.valid[person, :count]) & (
            provenance != Provenance.MISSING
        )
        infilled = np.zeros(frame_count, bool)
        infilled[:count] = provenance == Provenance.INFILLED
        status[fitted] = PersonStatus.FITTED
        status[fitted & (infilled | ~seen)] = PersonStatus.INFILLED
    return status


def runs(values: Int[np.ndarray, "F"]) -> list[tuple[FrameRange, int]]:
    """Stretches of equal values, in order."""
    if not len(values):
        return []
    edges = np.flatnonzero(np.diff(values)) + 1
    bounds = [0, *edges.tolist(), len(values)]
    return [(FrameRange(a, b), int(values[a])) for a, b in pairwise(bounds)]


def packed_rows(intervals: Sequence[FrameRange]) -> list[int]:
    """A row for each interval so that no two of a row overlap, as few rows as can be."""
    ends: list[int] = []
    rows = [0] * len(intervals)
    for index in sorted(range(len(intervals)), key=lambda i: (intervals[i].start, i)):
        interval = intervals[index]
        row = next((r for r, end in enumerate(ends) if end <= interval.start), len(ends))
        if row == len(ends):
            ends.append(0)
        ends[row] = interval.stop
        rows[index] = row
    return rows


def contact_words(label: ContactLabel) -> str:
    """As people say it: "left hand · upper back"."""
    words = f"{label.region_a} · {label.region_b}".replace("_", " ")
    return words if label.kind == "contact" else f"no contact: {words}"


@dataclass(frozen=True)
class Curve:
    """A quantity per frame, and the value that fills its lane."""

    values: Float[np.ndarray, "F"]
    top: float

    @classmethod
    def of(cls, values: Float[np.ndarray, "F"], least_top: float) -> Curve:
        """A lane high enough for 98 of 100 values: one outlier must not flatten the rest."""
        known = values[np.isfinite(values)]
        top = float(np.percentile(known, 98)) * 1.15 if len(known) else 0.0
        return cls(np.asarray(values, float), max(least_top, top))

    def columns(self, first: int, stop: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """At most `count` (frame, value) samples of a stretch, each the largest of its frames."""
        frames = np.arange(max(0, first), min(stop, len(self.values)))
        if len(frames) <= count:
            return frames + 0.5, self.values[frames]
        starts = np.linspace(0, len(frames), count, endpoint=False).astype(int)
        largest = np.fmax.reduceat(self.values[frames], starts)
        return frames[starts] + 0.5, largest


@dataclass(frozen=True)
class TimelineContent:
    """A state in the timeline's terms; worked out once, for it looks at every frame."""

    state: ClipState
    statuses: tuple[Int[np.ndarray, "F"], ...]
    """`PersonStatus` per person."""
    contact_rows: tuple[int, ...]
    depth: Curve | None
    """Penetration in metres."""
    errors: tuple[Curve, ...]
    """Reprojection in pixels per person, to one scale."""

    @property
    def zone_lanes(self) -> int:
        """0 where nothing is known of zones, 1 where a fit found or somebody said them, else 2."""
        return bool(self.state.proxemics) + bool(self.state.constraints.proxemics)

    @classmethod
    def of(cls, state: ClipState, frame_count: int) -> TimelineContent:
        people = range(len(state.identities))
        rows = packed_rows([label.frames for label in state.constraints.contacts])
        statuses = tuple(person_status(state, person, frame_count) for person in people)
        diagnostics = state.diagnostics
        if diagnostics is None:
            return cls(state, statuses, tuple(rows), None, ())
        errors = np.asarray(diagnostics.reprojection_px, float)
        top = Curve.of(errors.ravel(), REPROJECTION_TOP_PX).top
        curves = tuple(Curve(values, top) for values in errors)
        depth = Curve.of(np.asarray(diagnostics.penetration_m, float), PENETRATION_TOP_M)
        return cls(state, statuses, tuple(rows), depth, curves)


def frame_words(content: TimelineContent | None, frame: int, seconds: float) -> str:
    """Everything the timeline knows of a frame, a line each."""
    lines = [f"Frame {frame} · {seconds:.3f} s"]
    if content is None:
        return lines[0]
    state, diagnostics = content.state, content.state.diagnostics
    if state.observations is not None and frame in state.observations.cuts:
        lines.append("A cut: another shot begins here")
    for person, statuses in enumerate(content.statuses):
        status = PersonStatus(int(statuses[frame]))
        words = f"{identity(state, person).name}: {STATUS_WORDS[status]}"
        if diagnostics is not None and frame < diagnostics.reprojection_px.shape[1]:
            error = float(diagnostics.reprojection_px[person, frame])
            words += f", reprojection {error:.1f} px" if np.isfinite(error) else ""
        lines.append(words)
    if diagnostics is not None and frame < len(diagnostics.penetration_m):
        depth = float(diagnostics.penetration_m[frame])
        if depth > 0:
            lines.append(f"Deepest penetration {1000 * depth:.0f} mm")
    lines += [
        f"Contact: {contact_words(c)}" for c in state.constraints.contacts if frame in c.frames
    ]
    front = depth_order(state, frame)
    lines += [f"{identity(state, front.front).name} is in front"] if front is not None else []
    lines += frame_lines(state, frame)
    lines += _trust_words(state, frame)
    lines += ["Frozen: no fit changes it" for r in state.constraints.frozen if frame in r][:1]
    lines += _edited_words(state, frame)
    for mark in state.reviews:
        if frame in mark.frames:
            reason = f": {mark.reason}" if mark.reason else ""
            lines.append(f"Review: {mark.verdict}{reason}")
    return "\n".join(lines)


def _trust_words(state: ClipState, frame: int) -> list[str]:
    return [
        f"Detections of {identity(state, said.person).name}: {trust_words(said.weight)}"
        for said in state.constraints.trust
        if frame in said.frames
    ]


def _edited_words(state: ClipState, frame: int) -> list[str]:
    """Whose evidence changed here since the last fit."""
    if not any(frame in r for r in state.edited):
        return []
    people = range(len(state.identities))
    names = [identity(state, p).name for p in people if any(frame in r for r in state.edited_of(p))]
    whose = f" ({', '.join(names)})" if names and len(names) < len(people) else ""
    return [f"Edited since the fit{whose}; E fits it again"]
