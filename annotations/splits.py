"""Train, validation and test without a leak.

Two clips belong to one group when they share a source video (by hash) or a person (by name; the
names that nobody has changed, "Person 1" and so on, are of their clip only). That is stricter than
keeping the same pair together: nobody is ever on two sides. Groups are never separated.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import select
from sqlalchemy.orm import Session

from annotations.edits import is_default_name
from annotations.errors import EditError
from annotations.records import ClipRecord, Identity, SplitAssignment, SplitPlan
from annotations.schema import SplitPlanRow, SplitRow

FRACTIONS: Mapping[str, float] = MappingProxyType({"train": 0.7, "validation": 0.15, "test": 0.15})


@dataclass(frozen=True)
class Subject:
    """What of a clip decides with which others it must stay together."""

    clip_id: int
    name: str
    frame_count: int
    keys: frozenset[str]
    """Its source video and its named people."""


def subjects(clips: Iterable[tuple[ClipRecord, tuple[Identity, ...]]]) -> tuple[Subject, ...]:
    return tuple(
        Subject(
            clip_id=clip.id,
            name=clip.name,
            frame_count=clip.video.frame_count,
            keys=frozenset(
                [f"video:{clip.video.sha256}"]
                + [f"person:{i.name.casefold()}" for i in identities if not is_default_name(i.name)]
            ),
        )
        for clip, identities in clips
    )


def groups(found: Iterable[Subject]) -> tuple[tuple[Subject, ...], ...]:
    """The clips in groups that share nothing with each other (union-find over the keys)."""
    items = tuple(found)
    parent = list(range(len(items)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[str, int] = {}
    for index, item in enumerate(items):
        for key in item.keys:
            parent[root(index)] = root(first.setdefault(key, index))
    members: dict[int, list[Subject]] = {}
    for index, item in enumerate(items):
        members.setdefault(root(index), []).append(item)
    return tuple(tuple(group) for group in members.values())


def group_name(group: Iterable[Subject]) -> str:
    """A short name that depends only on what the group shares, not on the order of import."""
    keys = sorted(set().union(*(item.keys for item in group)))
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:12]


def assign(
    found: Iterable[Subject], seed: int, fractions: Mapping[str, float] = FRACTIONS
) -> tuple[SplitAssignment, ...]:
    """Every clip's split: groups in an order drawn by the seed, each to the split that lacks most.

    Sizes are counted in frames. With at least as many groups as splits, none stays empty.
    """
    wanted = _checked_fractions(fractions)
    named = {group_name(group): group for group in groups(found)}
    order = sorted(named)
    random.Random(seed).shuffle(order)
    sizes = {name: sum(item.frame_count for item in named[name]) for name in order}
    total = sum(sizes.values())
    held = dict.fromkeys(wanted, 0)
    result: list[SplitAssignment] = []
    for position, name in enumerate(order):
        empty = [split for split, frames in held.items() if frames == 0]
        # The last groups fill the splits that are still empty.
        reserved = empty if len(order) - position <= len(empty) else list(wanted)
        split = max(reserved, key=lambda s: wanted[s] * total - held[s])
        held[split] += max(sizes[name], 1)
        result += [SplitAssignment(item.clip_id, split, name) for item in named[name]]
    return tuple(sorted(result, key=lambda a: a.clip_id))


def _checked_fractions(fractions: Mapping[str, float]) -> dict[str, float]:
    values = list(fractions.values())
    if not values or any(not math.isfinite(v) or v < 0 for v in values) or sum(values) <= 0:
        raise EditError(
            "The fractions of a split are positive numbers", received=str(dict(fractions))
        )
    if not math.isclose(sum(values), 1.0, abs_tol=1e-6):
        raise EditError(
            "The fractions of a split add up to 1", received=f"a sum of {sum(values):g}"
        )
    return {name: value for name, value in fractions.items() if value > 0}


def leaks(assignments: Iterable[SplitAssignment], found: Iterable[Subject]) -> tuple[str, ...]:
    """Sentences about whatever is on two sides; empty if the assignment holds."""
    split_of = {a.clip_id: a.split for a in assignments}
    sides: dict[str, dict[str, str]] = {}
    for item in found:
        if item.clip_id in split_of:
            for key in item.keys:
                sides.setdefault(key, {})[split_of[item.clip_id]] = item.name
    return tuple(
        f"{key.replace(':', ' ', 1)} is in "
        + " and ".join(f"{split} ({clip})" for split, clip in sorted(where.items()))
        for key, where in sorted(sides.items())
        if len(where) > 1
    )


def manifest(
    assignments: Iterable[SplitAssignment],
    found: Iterable[Subject],
    *,
    seed: int,
    fractions: Mapping[str, float],
) -> dict[str, object]:
    """What an export says of the splits: counts, groups, and a digest of the assignment.

    The digest is of clips, groups and splits, so it is the same in every copy of the project.
    """
    by_id = {item.clip_id: item for item in found}
    chosen = [a for a in assignments if a.clip_id in by_id]
    clips = sorted(
        ({"clip": by_id[a.clip_id].name, "split": a.split, "group": a.group} for a in chosen),
        key=lambda c: c["clip"],
    )
    counts = {
        split: {
            "clips": sum(a.split == split for a in chosen),
            "groups": len({a.group for a in chosen if a.split == split}),
            "frames": sum(by_id[a.clip_id].frame_count for a in chosen if a.split == split),
        }
        for split in fractions
    }
    return {
        "seed": seed,
        "fractions": dict(fractions),
        "grouped_by": ["source video", "person"],
        "counts": counts,
        "clips": clips,
        "sha256": hashlib.sha256(json.dumps(clips, sort_keys=True).encode()).hexdigest(),
    }


def write(
    rows: Session,
    plan: Iterable[SplitAssignment],
    seed: int,
    fractions: Mapping[str, float],
    author: str,
) -> None:
    """Keep an assignment in the project; it is the newest one from now on."""
    row = SplitPlanRow(seed=seed, fractions=dict(fractions), author=author)
    row.assignments = [SplitRow(clip_id=a.clip_id, split=a.split, group=a.group) for a in plan]
    rows.add(row)


def read(rows: Session) -> SplitPlan | None:
    """The newest assignment, None where there is none."""
    row = rows.scalar(select(SplitPlanRow).order_by(SplitPlanRow.id.desc()).limit(1))
    if row is None:
        return None
    found = (SplitAssignment(a.clip_id, a.split, a.group) for a in row.assignments)
    return SplitPlan(seed=row.seed, fractions=row.fractions, assignments=tuple(found))
