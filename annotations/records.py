"""What the store hands out: frozen values, never ORM rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from annotations.ranges import overlap
from engine.structures import (
    BodyMotion,
    Camera,
    Constraints,
    ContactLabel,
    Diagnostics,
    FrameRange,
    Observations,
    PairProxemics,
    SwapProposal,
    VideoInfo,
)

Verdict = Literal["accepted", "sent back", "unusable"]
Status = Literal["new", "detected", "fitted", "accepted", "sent back", "unusable"]
EditKind = Literal[
    "import", "observations", "swap", "keypoint", "contact", "height", "focal", "depth",
    "freeze", "fit", "review", "body", "identity", "assign", "dismiss", "box", "mask", "camera",
    "floor", "trust", "proxemics", "kept apart",
]  # fmt: skip
Gender = Literal["neutral", "female", "male"]
UNKNOWN_ZONE = -1
"""In `PairProxemics.zone` of a state: no fit has said it of this frame."""


@dataclass(frozen=True)
class ReviewMark:
    """A verdict on a range of frames."""

    frames: FrameRange
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class KeptApart:
    """Somebody looked, and these two people (the smaller index first) are who they are."""

    persons: tuple[int, int]
    frames: FrameRange


@dataclass(frozen=True)
class Identity:
    """A person of a clip: the index is the person axis of every array of the clip."""

    index: int
    name: str
    color: str
    """#rrggbb, the one colour of this person in every view."""
    gender: Gender = "neutral"


@dataclass(frozen=True)
class ClipRecord:
    """A video of the project."""

    id: int
    name: str
    video: VideoInfo
    head_revision: int
    imported_at: datetime
    status: Status


@dataclass(frozen=True)
class ClipState:
    """Everything a revision of a clip says. Mutators make a new one; none is ever changed."""

    identities: tuple[Identity, ...]
    observations: Observations | None = None
    motion: BodyMotion | None = None
    camera: Camera | None = None
    diagnostics: Diagnostics | None = None
    constraints: Constraints = field(default_factory=Constraints)
    reviews: tuple[ReviewMark, ...] = ()
    edited: tuple[FrameRange, ...] = ()
    """Frames whose evidence or constraints changed since the last fit: what `E` re-fits."""
    edited_people: tuple[tuple[FrameRange, ...], ...] = ()
    """Whose changed, per person; empty where it is everybody's. Read it with `edited_of`."""
    proxemics: tuple[PairProxemics, ...] = ()
    """How the bodies stand to each other, of every two people; `UNKNOWN_ZONE` in frames of which
    no fit has said it."""
    swaps: tuple[SwapProposal, ...] = ()
    """What the last fits thought of who is who. Those that wait: `open_swaps`."""
    kept_apart: tuple[KeptApart, ...] = ()
    avatars: Mapping[int, str] = field(default_factory=dict)
    """Digest of each person's avatar, by person; `Store.avatars` has the bytes."""

    def edited_of(self, person: int) -> tuple[FrameRange, ...]:
        """The part of `edited` in which this person's evidence or constraints changed."""
        if person >= len(self.edited_people):
            return self.edited
        mine = self.edited_people[person]
        shared = (overlap(a, b) for a in self.edited for b in mine)
        return tuple(frames for frames in shared if frames is not None)

    @property
    def open_swaps(self) -> tuple[SwapProposal, ...]:
        """Proposals to exchange two people of which nobody has said anything yet."""
        return tuple(s for s in self.swaps if not any(_answers(k, s) for k in self.kept_apart))


def _answers(kept: KeptApart, proposal: SwapProposal) -> bool:
    """Also where the next fit proposes it with other ends."""
    both = overlap(kept.frames, proposal.frames)
    pair = {proposal.person_a, proposal.person_b}
    return set(kept.persons) == pair and both is not None and 2 * len(both) > len(proposal.frames)


@dataclass(frozen=True)
class RevisionRecord:
    """One undo step, immutable."""

    id: int
    clip_id: int
    parent_id: int | None
    kind: EditKind
    label: str
    """What the history shows and what undo names, e.g. "Swap people, frames 120-180"."""
    frames: FrameRange | None
    author: str
    created_at: datetime
    fit_id: int | None = None


@dataclass(frozen=True)
class FitRecord:
    """What a fit was, whatever became of its motion."""

    id: int
    clip_id: int
    base_revision: int
    frames: FrameRange
    body: str
    outcome: str
    advice: str
    notes: tuple[str, ...]
    contacts: tuple[ContactLabel, ...]
    """Measured on the fitted bodies."""
    provenance: Mapping[str, str]
    created_at: datetime


@dataclass(frozen=True)
class ProjectInfo:
    """What holds for the whole project file."""

    path: Path
    body: str
    """Name of the body that every fit of this project is on."""
    body_sha256: str
    """Checksum of that body's file; empty where it was not known."""
    created_at: datetime
    schema_version: int


@dataclass(frozen=True)
class SplitAssignment:
    """Which split a clip belongs to. Clips of one group are never separated."""

    clip_id: int
    split: str
    group: str
    """Stable name of the group: equal for clips that share a source video or a person."""


@dataclass(frozen=True)
class SplitPlan:
    """How the newest assignment of clips to splits was made."""

    seed: int
    fractions: Mapping[str, float]
    assignments: tuple[SplitAssignment, ...]


@dataclass(frozen=True)
class ExportRecord:
    """An export that left the project."""

    id: int
    format: str
    path: str
    digest: str
    revisions: Mapping[int, int]
    """Head revision of each exported clip at that time."""
    created_at: datetime


@dataclass(frozen=True)
class Changes:
    """What a mutator changed; views decide from it what to redraw."""

    kind: str
    clip_id: int | None = None
    frames: FrameRange | None = None
    """None: the whole clip."""
    parts: frozenset[
        Literal[
            "clips", "observations", "motion", "constraints", "reviews", "identities", "history",
            "splits", "exports",
        ]
    ] = frozenset()  # fmt: skip
    label: str = ""
