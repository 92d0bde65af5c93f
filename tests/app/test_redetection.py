"""What another run of perception would make use of."""

from __future__ import annotations

from datetime import UTC, datetime

from annotations.records import EditKind, RevisionRecord
from app.redetection import corrections_since_detection
from engine.structures import FrameRange

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def history(*kinds: EditKind, parents: dict[int, int] | None = None) -> list[RevisionRecord]:
    """Revisions 0, 1, ... each the child of the one before unless said; each of its own frame."""
    parents = parents or {}

    def revision(i: int, kind: EditKind) -> RevisionRecord:
        parent = parents.get(i, i - 1 if i else None)
        return RevisionRecord(i, 1, parent, kind, kind, FrameRange(10 * i, 10 * i + 1), "Ann", NOW)

    return [revision(i, kind) for i, kind in enumerate(kinds)]


def test_corrections_count_from_the_last_detection():
    made = history("import", "observations", "box", "observations", "swap", "height", "mask")
    found = corrections_since_detection(made, made[-1])
    assert found.count == 2
    assert found.frames == (FrameRange(40, 41), FrameRange(60, 61))


def test_what_was_undone_does_not_count():
    made = history("import", "observations", "box", "keypoint", parents={3: 1})
    assert corrections_since_detection(made, made[3]).frames == (FrameRange(30, 31),)
    assert corrections_since_detection(made, made[1]).count == 0


def test_a_fit_and_a_verdict_are_no_corrections():
    made = history("import", "observations", "fit", "review", "contact")
    assert corrections_since_detection(made, made[-1]).count == 0
