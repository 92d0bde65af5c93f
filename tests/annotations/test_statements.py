"""What people said stays in canonical form, so a swap can be taken back exactly."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from annotations.ranges import cut, from_mask, union
from annotations.statements import (
    canonical_contacts,
    canonical_depth,
    iou,
    swapped_boxes,
    swapped_contacts,
    swapped_depth,
    swapped_edits,
    swapped_masks,
    with_box,
    with_contact,
    with_depth,
    with_keypoint,
    with_mark,
    with_mask,
    with_pins,
    without_box,
    without_mask,
)
from engine.structures import (
    BoxEdit,
    ContactLabel,
    DepthOrder,
    FrameRange,
    KeypointEdit,
    MaskEdit,
    RunLengthMask,
)

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


CORNERS = st.integers(0, 60).map(float)


@st.composite
def boxes(draw) -> BoxEdit:
    """Of few frames and places, so that they meet."""
    x, y = draw(CORNERS), draw(CORNERS)
    box = x, y, x + draw(st.sampled_from([40.0, 44.0])), y + draw(st.sampled_from([60.0, 66.0]))
    kind = draw(st.sampled_from(["person", "identity", "someone_else", "not_a_person"]))
    person = draw(st.integers(0, 1)) if kind in ("person", "identity") else None
    return BoxEdit(draw(st.integers(0, 3)), box, kind, person)


MASKS = st.builds(
    MaskEdit,
    person=st.integers(0, 1),
    frame=st.integers(0, FRAMES - 1),
    mask=st.sampled_from([RunLengthMask((2, 2), (1, 3)), RunLengthMask((2, 2), (0, 4))]),
)


def drawn(found) -> tuple[BoxEdit, ...]:
    made: tuple[BoxEdit, ...] = ()
    for edit in found:
        made = with_box(made, edit)
    return made


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


def is_canonical(edits) -> bool:
    """One box of each person in a frame; marks apart."""
    people = [(e.frame, e.person) for e in edits if e.person is not None]
    marks = [e for e in edits if e.person is None]
    return len(people) == len(set(people)) and all(
        iou(a.box, b.box) <= 0.5 for a, b in combinations(marks, 2) if a.frame == b.frame
    )


@given(st.lists(boxes(), max_size=10), boxes())
def test_the_newest_box_is_kept_and_the_form_is_canonical(found, newest):
    before = drawn(found)
    after = with_box(before, newest)
    assert newest in after and is_canonical(after) and set(after) <= {*before, newest}
    assert with_box(after, newest) == after
    gone = set(before) - set(after)
    assert all(edit.frame == newest.frame for edit in gone)
    assert set(without_box(after, newest)) == set(after) - {newest}


@given(st.lists(boxes(), max_size=10))
def test_boxes_are_in_one_order(found):
    made = drawn(found)
    assert list(made) == sorted(made, key=made.index)
    again: tuple[BoxEdit, ...] = ()
    for edit in reversed(made):
        again = with_box(again, edit)
    assert again == made


@given(st.lists(boxes(), max_size=10), st.integers(0, 3), st.integers(1, 4))
def test_swapping_boxes_twice_gives_back_what_was_there(found, start, stop):
    before, window = drawn(found), FrameRange(start, max(start + 1, stop))
    once = swapped_boxes(before, window, WHO)
    assert is_canonical(once)
    assert {e for e in once if e.person is None} == {e for e in before if e.person is None}
    assert all(
        replace(e, person=1 - e.person) in once
        for e in before
        if e.person is not None and e.frame in window
    )
    assert swapped_boxes(once, window, WHO) == before


@given(st.lists(boxes(), max_size=10), st.lists(boxes(), max_size=4))
def test_pins_replace_pins_and_nothing_else(found, added):
    before = drawn(found)
    pins = [replace(e, kind="identity", person=e.person or 0) for e in added]
    after = with_pins(before, pins)
    assert is_canonical(after)
    assert [e for e in after if e.kind != "identity"] == [e for e in before if e.kind != "identity"]
    spoken_for = {(e.frame, e.person) for e in after if e.person is not None}
    assert {(e.frame, e.person) for e in pins} <= spoken_for


@given(st.lists(boxes(), max_size=10), boxes())
def test_a_dismissal_leaves_what_was_said_of_people(found, mark):
    before, mark = drawn(found), replace(mark, kind="someone_else", person=None)
    after = with_mark(before, mark)
    assert mark in after and is_canonical(after)
    assert [e for e in after if e.person is not None] == [e for e in before if e.person is not None]


def test_a_person_and_nobody_cannot_be_at_the_very_same_place():
    box = (10.0, 10.0, 50.0, 90.0)
    near, same_place = (14.0, 10.0, 54.0, 90.0), (10.5, 10.0, 50.5, 90.0)
    person = BoxEdit(0, box, "person", 0)
    assert with_box((person,), BoxEdit(0, same_place, "someone_else")) == (
        BoxEdit(0, same_place, "someone_else"),
    )
    assert with_box((BoxEdit(0, same_place, "not_a_person"),), person) == (person,)
    # In an embrace boxes share most of their area: somebody stands behind.
    assert len(with_box((person,), BoxEdit(0, near, "someone_else"))) == 2


@given(st.lists(MASKS, max_size=10), ranges())
def test_masks_are_painted_once_and_swapped_back(found, window):
    before: tuple[MaskEdit, ...] = ()
    for edit in found:
        before = with_mask(before, edit)
        assert edit in before
    assert len({(e.person, e.frame) for e in before}) == len(before)
    once = swapped_masks(before, window, WHO)
    assert swapped_masks(once, window, WHO) == before
    if before:
        gone = without_mask(before, before[0].person, before[0].frame)
        assert gone == before[1:]


def test_boxes_that_are_not_known_or_do_not_meet_share_nothing():
    box = (0.0, 0.0, 2.0, 2.0)
    assert iou(box, box) == 1.0
    assert iou(box, (1.0, 0.0, 3.0, 2.0)) == 1 / 3
    assert iou(box, (2.0, 0.0, 3.0, 2.0)) == 0.0
    assert iou(box, (float("nan"),) * 4) == 0.0


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
