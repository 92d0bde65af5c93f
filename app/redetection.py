"""What was corrected by hand since the people were detected: what another run would make use of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from annotations import ranges
from annotations.records import RevisionRecord
from engine.structures import FrameRange

CORRECTIONS = frozenset({"swap", "keypoint", "box", "mask", "assign", "dismiss"})
"""Kinds of revisions that perception listens to."""


@dataclass(frozen=True)
class Corrections:
    """Corrections that the detections on show do not know of."""

    count: int
    frames: tuple[FrameRange, ...]
    """Where, as far as it is said."""


def corrections_since_detection(
    history: Sequence[RevisionRecord], head: RevisionRecord
) -> Corrections:
    """Those on the way from the last detection to the head; none where nothing was detected."""
    by_id = {revision.id: revision for revision in history}
    found: list[RevisionRecord] = []
    revision: RevisionRecord | None = head
    while revision is not None and revision.kind not in ("observations", "import"):
        if revision.kind in CORRECTIONS:
            found.append(revision)
        revision = by_id.get(revision.parent_id) if revision.parent_id is not None else None
    frames = ranges.union(r.frames for r in found if r.frames is not None)
    return Corrections(len(found), frames)
