"""What people said, in canonical form, so that equal statements are equal values.

Contacts: person_a < person_b; labels of the same two regions and kind neither overlap nor touch
(they are one label then); a region pair is never said both to touch and not to touch in a frame;
sorted by first frame. Depth orders likewise. Keypoint edits: one per person, frame and joint.
Boxes: one per person and frame, drawn or pinned; marks (none of the people is there) of one frame
lie apart. Painted masks: one per person and frame.
In this form a statement is a set of frames, and swapping two people is a bijection of such sets,
which is why swapping twice gives back exactly what was there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from annotations.ranges import cut, overlap, union
from engine.structures import (
    Box,
    BoxEdit,
    ContactLabel,
    DepthOrder,
    FrameRange,
    KeypointEdit,
    MaskEdit,
)

Persons = Mapping[int, int]
"""Who becomes whom; people who are not mentioned stay."""
PLACED = ("person", "identity")
"""Kinds of boxes that say where a person of the clip is."""
ABOUT_THE_SAME = 0.5
"""Intersection over union above which two marks are of one thing."""
THE_VERY_SAME = 0.9
"""Intersection over union above which a place cannot be a person's and nobody's. Higher, because
people who embrace share most of their boxes, with each other and with whoever stands by."""


def _oriented(label: ContactLabel) -> ContactLabel:
    if label.person_a < label.person_b:
        return label
    return replace(
        label,
        person_a=label.person_b,
        region_a=label.region_b,
        person_b=label.person_a,
        region_b=label.region_a,
    )


def _contact_key(label: ContactLabel) -> tuple[int, str, int, str, str]:
    return label.person_a, label.region_a, label.person_b, label.region_b, label.kind


def canonical_contacts(labels: Iterable[ContactLabel]) -> tuple[ContactLabel, ...]:
    """The labels in canonical form (see the module)."""
    ranges: dict[tuple[int, str, int, str, str], list[FrameRange]] = {}
    first: dict[tuple[int, str, int, str, str], ContactLabel] = {}
    for label in map(_oriented, labels):
        key = _contact_key(label)
        ranges.setdefault(key, []).append(label.frames)
        first.setdefault(key, label)
    merged = [
        replace(first[key], frames=frames)
        for key, found in ranges.items()
        for frames in union(found)
    ]
    return tuple(sorted(merged, key=lambda c: (c.frames.start, c.frames.stop, *_contact_key(c))))


def with_contact(labels: Iterable[ContactLabel], added: ContactLabel) -> tuple[ContactLabel, ...]:
    """The labels and one more, which wins where an older one says the opposite."""
    added = _oriented(added)
    opposite = {"contact": "no_contact", "no_contact": "contact"}[added.kind]
    contradicted = (*_contact_key(added)[:4], opposite)
    kept: list[ContactLabel] = []
    for label in labels:
        if _contact_key(label) == contradicted:
            parts = cut([label.frames], added.frames)
            kept += [replace(label, frames=part) for part in parts]
        else:
            kept.append(label)
    return canonical_contacts([*kept, added])


def canonical_depth(orders: Iterable[DepthOrder]) -> tuple[DepthOrder, ...]:
    """The depth orders in canonical form (see the module)."""
    ranges: dict[tuple[int, int], list[FrameRange]] = {}
    for order in orders:
        ranges.setdefault((order.front, order.back), []).append(order.frames)
    merged = [
        DepthOrder(front, back, frames)
        for (front, back), found in ranges.items()
        for frames in union(found)
    ]
    return tuple(sorted(merged, key=lambda d: (d.frames.start, d.frames.stop, d.front, d.back)))


def with_depth(orders: Iterable[DepthOrder], added: DepthOrder) -> tuple[DepthOrder, ...]:
    """The orders and one more, which replaces what was said of these two in its frames."""
    pair = {added.front, added.back}
    kept: list[DepthOrder] = []
    for order in orders:
        if {order.front, order.back} == pair:
            kept += [replace(order, frames=part) for part in cut([order.frames], added.frames)]
        else:
            kept.append(order)
    return canonical_depth([*kept, added])


def without_depth(
    orders: Iterable[DepthOrder], persons: frozenset[int], frames: FrameRange
) -> tuple[DepthOrder, ...]:
    """The orders with nothing said of these two people in the frames."""
    kept: list[DepthOrder] = []
    for order in orders:
        if {order.front, order.back} == persons:
            kept += [replace(order, frames=part) for part in cut([order.frames], frames)]
        else:
            kept.append(order)
    return canonical_depth(kept)


def with_keypoint(edits: Iterable[KeypointEdit], added: KeypointEdit) -> tuple[KeypointEdit, ...]:
    """The edits and one more, which replaces an older one of the same joint and frame."""
    kept = without_keypoint(edits, added.person, added.frame, added.keypoint)
    return _sorted_edits([*kept, added])


def without_keypoint(
    edits: Iterable[KeypointEdit], person: int, frame: int, keypoint: int
) -> tuple[KeypointEdit, ...]:
    gone = (person, frame, keypoint)
    return tuple(e for e in edits if (e.person, e.frame, e.keypoint) != gone)


def _sorted_edits(edits: Iterable[KeypointEdit]) -> tuple[KeypointEdit, ...]:
    return tuple(sorted(edits, key=lambda e: (e.frame, e.person, e.keypoint)))


def swapped_contacts(
    labels: Iterable[ContactLabel], window: FrameRange, persons: Persons
) -> tuple[ContactLabel, ...]:
    """Contact ends exchanged inside the window; a label that crosses its end is split there."""
    parts: list[ContactLabel] = []
    for label in labels:
        exchanged = replace(
            label,
            person_a=persons.get(label.person_a, label.person_a),
            person_b=persons.get(label.person_b, label.person_b),
        )
        within = overlap(label.frames, window)
        if within is not None:
            parts.append(replace(exchanged, frames=within))
        parts += [replace(label, frames=part) for part in cut([label.frames], window)]
    return canonical_contacts(parts)


def swapped_depth(
    orders: Iterable[DepthOrder], window: FrameRange, persons: Persons
) -> tuple[DepthOrder, ...]:
    """Depth orders exchanged inside the window and split at its ends."""
    parts: list[DepthOrder] = []
    for order in orders:
        within = overlap(order.frames, window)
        if within is not None:
            front = persons.get(order.front, order.front)
            back = persons.get(order.back, order.back)
            parts.append(DepthOrder(front, back, within))
        parts += [replace(order, frames=part) for part in cut([order.frames], window)]
    return canonical_depth(parts)


def swapped_edits(
    edits: Iterable[KeypointEdit], window: FrameRange, persons: Persons
) -> tuple[KeypointEdit, ...]:
    """Keypoint edits inside the window handed to the other person."""
    return _sorted_edits(
        replace(edit, person=persons.get(edit.person, edit.person))
        if edit.frame in window
        else edit
        for edit in edits
    )


def box_at(boxes: Float[np.ndarray, "F 4"], frame: int) -> Box:
    """A track's box in a frame."""
    x0, y0, x1, y1 = np.asarray(boxes[frame], float).tolist()
    return x0, y0, x1, y1


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes; 0 where one of them is not known (NaN)."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = width * height
    either = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / either if width > 0 and height > 0 and either > 0 else 0.0


def with_box(edits: Iterable[BoxEdit], added: BoxEdit) -> tuple[BoxEdit, ...]:
    """The boxes and one more, which wins over what was said of the same before.

    A box of a person takes the place of that person's other box in the frame, a mark that of a
    mark at about the same place. A person and a mark at the very same place contradict each other.
    """
    return _sorted_boxes([*(e for e in edits if not _outdates(added, e)), added])


def _outdates(new: BoxEdit, old: BoxEdit) -> bool:
    if new.frame != old.frame:
        return False
    if new.kind in PLACED and old.kind in PLACED:
        return new.person == old.person
    limit = THE_VERY_SAME if new.kind in PLACED or old.kind in PLACED else ABOUT_THE_SAME
    return iou(new.box, old.box) > limit


def with_mark(edits: Iterable[BoxEdit], added: BoxEdit) -> tuple[BoxEdit, ...]:
    """The boxes and a mark that follows from a dismissal: it takes the place of marks alone."""
    kept = (e for e in edits if e.person is not None or not _outdates(added, e))
    return _sorted_boxes([*kept, added])


def without_box(edits: Iterable[BoxEdit], removed: BoxEdit) -> tuple[BoxEdit, ...]:
    return tuple(e for e in edits if e != removed)


def with_pins(edits: Iterable[BoxEdit], pins: Iterable[BoxEdit]) -> tuple[BoxEdit, ...]:
    """The boxes with identity pins that follow from an edit of identities.

    A pin replaces an older one of the person in the frame. Where the person's box is drawn it says
    nothing more, and is left out.
    """
    kept = {(e.person, e.frame): e for e in pins}
    rest = []
    for edit in edits:
        place = edit.person, edit.frame
        if edit.kind == "person":
            kept.pop(place, None)
        if edit.kind != "identity" or place not in kept:
            rest.append(edit)
    return _sorted_boxes([*rest, *kept.values()])


def _sorted_boxes(edits: Iterable[BoxEdit]) -> tuple[BoxEdit, ...]:
    def place(e: BoxEdit) -> tuple[int, bool, int, str, Box]:
        return e.frame, e.person is None, e.person or 0, e.kind, e.box

    return tuple(sorted(edits, key=place))


def swapped_boxes(
    edits: Iterable[BoxEdit], window: FrameRange, persons: Persons
) -> tuple[BoxEdit, ...]:
    """People's boxes inside the window handed to the other person; marks stay."""
    return _sorted_boxes(
        replace(edit, person=persons.get(edit.person, edit.person))
        if edit.person is not None and edit.frame in window
        else edit
        for edit in edits
    )


def with_mask(edits: Iterable[MaskEdit], added: MaskEdit) -> tuple[MaskEdit, ...]:
    """The masks and one more, which replaces an older one of the same person and frame."""
    return _sorted_masks([*without_mask(edits, added.person, added.frame), added])


def without_mask(edits: Iterable[MaskEdit], person: int, frame: int) -> tuple[MaskEdit, ...]:
    return tuple(e for e in edits if (e.person, e.frame) != (person, frame))


def _sorted_masks(edits: Iterable[MaskEdit]) -> tuple[MaskEdit, ...]:
    return tuple(sorted(edits, key=lambda e: (e.frame, e.person)))


def swapped_masks(
    edits: Iterable[MaskEdit], window: FrameRange, persons: Persons
) -> tuple[MaskEdit, ...]:
    """Painted masks inside the window handed to the other person."""
    return _sorted_masks(
        replace(edit, person=persons.get(edit.person, edit.person))
        if edit.frame in window
        else edit
        for edit in edits
    )
