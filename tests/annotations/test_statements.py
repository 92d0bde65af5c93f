"""What people said stays in canonical form, so a swap can be taken back exactly."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from annotations.ranges import cut, from_mask, union
from annotations.statements import (
    canonical_contacts,
    canonical_depth,
    swapped_contacts,
    swapped_depth,
    swapped_edits,
    with_contact,
    with_depth,
    with_keypoint,
)
from engine.structures import ContactLabel, DepthOrder, FrameRange, KeypointEdit

FRAMES = 40
WHO = {0: 1, 1: 0}


@st.composite
def ranges(draw) -> FrameRange:
    start = draw(st.integers(0, FRAMES - 1))
    return FrameRange(start, draw(st.integers(start + 1, FRAMES)))


@st.composite
def contacts(draw) -> ContactLabel:
    a = draw(st.integers(0, 1))
    regions = st.sampled_from(["left hand", "right hand", "back"])
    kind = draw(st.sampled_from(["contact", "no_contact"]))
    return ContactLabel(a, draw(regions), 1 - a, draw(regions), draw(ranges()), kind)


@st.composite
def orders(draw) -> DepthOrder:
    front = draw(st.integers(0, 1))
    return DepthOrder(front, 1 - front, draw(ranges()))


KEYPOINTS = st.builds(
    KeypointEdit,
    person=st.integers(0, 1),
    frame=st.integers(0, FRAMES - 1),
    keypoint=st.integers(0, 3),
    x=st.floats(0, 100),
    y=st.floats(0, 100),
    visible=st.booleans(),
)


def said(labels) -> dict[tuple, set[int]]:
    """The frames in which each thing is said."""
    found: dict[tuple, set[int]] = {}
    for c in labels:
        ends = tuple(sorted([(c.person_a, c.region_a), (c.person_b, c.region_b)]))
        found.setdefault((*ends, c.kind), set()).update(range(c.frames.start, c.frames.stop))
    return found


def built(labels) -> tuple[ContactLabel, ...]:
    made: tuple[ContactLabel, ...] = ()
    for label in labels:
        made = with_contact(made, label)
    return made


@given(st.lists(contacts(), max_size=8))
def test_canonical_form_says_the_same_and_is_stable(labels):
    once = canonical_contacts(labels)
    assert said(once) == said(labels)
    assert canonical_contacts(once) == once == canonical_contacts(reversed(labels))


@given(st.lists(contacts(), max_size=8), contacts())
def test_the_newest_statement_wins_over_the_opposite(labels, newest):
    found = said(with_contact(built(labels), newest))
    for (a, b, kind), frames in found.items():
        opposite = "no_contact" if kind == "contact" else "contact"
        assert not frames & found.get((a, b, opposite), set())
    key = next(iter(said([newest])))
    assert said([newest])[key] <= found[key]


@given(st.lists(contacts(), max_size=8), ranges())
def test_swapping_contacts_twice_gives_back_what_was_there(labels, window):
    before = built(labels)
    once = swapped_contacts(before, window, WHO)
    assert swapped_contacts(once, window, WHO) == before


@given(st.lists(orders(), max_size=8), ranges())
def test_swapping_depth_orders_twice_gives_back_what_was_there(found, window):
    before: tuple[DepthOrder, ...] = ()
    for order in found:
        before = with_depth(before, order)
    assert canonical_depth(before) == before
    assert swapped_depth(swapped_depth(before, window, WHO), window, WHO) == before


@given(st.lists(KEYPOINTS, max_size=12), ranges())
def test_swapping_keypoint_edits_twice_gives_back_what_was_there(edits, window):
    before: tuple[KeypointEdit, ...] = ()
    for edit in edits:
        before = with_keypoint(before, edit)
    once = swapped_edits(before, window, WHO)
    assert all(
        (old.person != new.person) == (old.frame in window)
        for old, new in zip(
            sorted(before, key=lambda e: (e.frame, e.keypoint, e.x, e.y, e.visible)),
            sorted(once, key=lambda e: (e.frame, e.keypoint, e.x, e.y, e.visible)),
            strict=True,
        )
        if [(e.frame, e.keypoint) for e in before].count((old.frame, old.keypoint)) == 1
    )
    assert swapped_edits(once, window, WHO) == before


def test_a_contact_that_crosses_the_window_is_split_at_its_ends():
    label = ContactLabel(0, "left hand", 1, "back", FrameRange(0, 30))
    assert swapped_contacts([label], FrameRange(10, 20), WHO) == (
        ContactLabel(0, "left hand", 1, "back", FrameRange(0, 10)),
        ContactLabel(0, "back", 1, "left hand", FrameRange(10, 20)),
        ContactLabel(0, "left hand", 1, "back", FrameRange(20, 30)),
    )


@given(st.lists(ranges(), max_size=6), ranges())
def test_ranges_are_sets_of_frames(found, removed):
    frames = {f for r in found for f in range(r.start, r.stop)}
    merged = union(found)
    assert {f for r in merged for f in range(r.start, r.stop)} == frames
    assert all(a.stop < b.start for a, b in pairwise(merged))
    left = {f for r in cut(merged, removed) for f in range(r.start, r.stop)}
    assert left == frames - set(range(removed.start, removed.stop))


def test_runs_of_a_mask():
    mask = np.array([True, False, True, True])
    assert from_mask(mask) == (FrameRange(0, 1), FrameRange(2, 4))
