"""What each edit makes of a clip's state: pure functions from a ClipState to the next one.

They check that the edit makes sense and raise EditError otherwise. Parts that an edit leaves
alone stay the same objects; the store writes only the parts that are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from annotations import statements
from annotations.errors import EditError
from annotations.ranges import cut, spoken, union
from annotations.records import ClipState, Identity
from annotations.review import without_acceptance
from engine.body.joints import KEYPOINT_NAMES
from engine.structures import (
    BodyMotion,
    Constraints,
    ContactLabel,
    DepthOrder,
    Diagnostics,
    FrameRange,
    KeypointEdit,
    Observations,
    VideoInfo,
)

PERSON_COLORS = ("#2b78e4", "#d96709", "#0f8a62", "#b4559b")
"""Told apart with any colour vision (blue, orange, green, purple, after Okabe and Ito), and at
least 3:1 against light and dark grounds."""
HEIGHT_LIMITS = (0.4, 2.6)
"""Metres."""


def default_identities(count: int) -> tuple[Identity, ...]:
    """Person 1, Person 2, ... : names that say nothing about who it is."""
    return tuple(
        Identity(index, f"Person {index + 1}", PERSON_COLORS[index % len(PERSON_COLORS)])
        for index in range(count)
    )


def is_default_name(identity: Identity) -> bool:
    """Whether nobody has said who this is: Person 1, Person 2, ... of whatever index."""
    return re.fullmatch(r"Person \d+", identity.name) is not None


def checked_frames(frames: FrameRange, frame_count: int) -> FrameRange:
    """The range itself, if it is a part of the clip."""
    if 0 <= frames.start < frames.stop <= frame_count:
        return frames
    raise EditError(
        "These frames are not a part of the clip",
        expected=f"0 <= start < stop <= {frame_count}",
        received=f"start {frames.start}, stop {frames.stop}",
    )


def _checked_person(state: ClipState, person: int) -> None:
    if not 0 <= person < len(state.identities):
        raise EditError(
            "There is no such person in this clip",
            expected=f"0 to {len(state.identities) - 1}",
            received=str(person),
        )


def _touched(state: ClipState, frames: FrameRange) -> tuple[FrameRange, ...]:
    """`edited` with these frames added; empty while there is no motion to be out of date."""
    return union([*state.edited, frames]) if state.motion is not None else ()


def _constrained(state: ClipState, frames: FrameRange | None, **changes: Any) -> ClipState:
    """The state with other constraints; the frames are due for a fit."""
    constraints = replace(state.constraints, **changes)
    if constraints == state.constraints:
        return state
    edited = state.edited if frames is None else _touched(state, frames)
    return replace(state, constraints=constraints, edited=edited)


def set_observations(state: ClipState, observations: Observations, video: VideoInfo) -> ClipState:
    """Other detections of the whole clip. What people said (joints they placed too) stays."""
    _check_observations(observations, video)
    identities = state.identities
    if observations.person_count != len(identities):
        if state.motion is not None or state.constraints != Constraints():
            raise EditError(
                "The number of people differs from what this clip has been annotated with",
                expected=f"{len(identities)} people",
                received=f"{observations.person_count}",
            )
        identities = default_identities(observations.person_count)
    keypoint_count = len(KEYPOINT_NAMES[observations.layout])
    if any(e.keypoint >= keypoint_count for e in state.constraints.keypoint_edits):
        raise EditError(
            f"Joints were placed by hand that the layout {observations.layout} does not have",
            advice="Detect with the layout halpe26.",
        )
    return replace(
        state,
        identities=identities,
        observations=observations,
        edited=_touched(state, FrameRange(0, video.frame_count)),
    )


def _check_observations(observations: Observations, video: VideoInfo) -> None:
    people, frames = observations.person_count, video.frame_count
    names = KEYPOINT_NAMES.get(observations.layout, ())
    expected = (people, frames, len(names), 2)
    facts: tuple[tuple[str, object, object], ...] = (
        ("keypoints2d (P, F, K, 2)", expected, observations.keypoints2d.shape),
        ("confidence (P, F, K)", expected[:3], observations.confidence.shape),
        ("boxes (P, F, 4)", (people, frames, 4), observations.boxes.shape),
        ("times (F,)", (frames,), observations.times.shape),
        ("image size", tuple(video.image_size), tuple(observations.image_size)),
    )
    for name, wanted, received in facts:
        if wanted != received:
            raise EditError(
                f"These observations do not belong to this video: {name}",
                expected=str(wanted),
                received=str(received),
            )
    if people < 1:
        raise EditError("These observations hold nobody")
    masks = observations.masks
    if masks is not None and [len(row) for row in masks] != [frames] * people:
        raise EditError(
            "These observations do not belong to this video: masks",
            expected=f"{frames} for each of {people} people",
        )


def _exchanged(array: np.ndarray, frames: FrameRange, a: int, b: int) -> np.ndarray:
    """A copy of an array (P, F, ...) with two people exchanged over the frames."""
    swapped = array.copy()
    swapped[a, frames.as_slice()] = array[b, frames.as_slice()]
    swapped[b, frames.as_slice()] = array[a, frames.as_slice()]
    return swapped


def swap(state: ClipState, frames: FrameRange, persons: tuple[int, int] = (0, 1)) -> ClipState:
    """Two people exchanged over the frames: evidence, bodies and what was said of them.

    Betas, heights and names stay with the identity. Swapping twice gives the first state back
    (but for `edited` and for acceptances, which end where the bodies change).
    """
    a, b = persons
    for person in persons:
        _checked_person(state, person)
    if a == b:
        raise EditError("A swap needs two people", received=f"person {a} twice")

    def exchange(array: np.ndarray) -> np.ndarray:
        return _exchanged(array, frames, a, b)

    who = {a: b, b: a}
    said = state.constraints
    return replace(
        state,
        observations=_swapped_observations(state.observations, exchange, frames, persons),
        motion=_swapped_motion(state.motion, exchange),
        diagnostics=_swapped_diagnostics(state.diagnostics, exchange),
        constraints=replace(
            said,
            keypoint_edits=statements.swapped_edits(said.keypoint_edits, frames, who),
            contacts=statements.swapped_contacts(said.contacts, frames, who),
            depth_orders=statements.swapped_depth(said.depth_orders, frames, who),
        ),
        reviews=without_acceptance(state.reviews, frames),
        edited=_touched(state, frames),
    )


def _swapped_observations(
    observations: Observations | None,
    exchange: Callable[[np.ndarray], np.ndarray],
    frames: FrameRange,
    persons: tuple[int, int],
) -> Observations | None:
    if observations is None:
        return None
    masks = observations.masks
    if masks is not None:
        a, b = persons
        rows = [list(row) for row in masks]
        part = frames.as_slice()
        rows[a][part], rows[b][part] = rows[b][part], rows[a][part]
        masks = tuple(tuple(row) for row in rows)
    return replace(
        observations,
        keypoints2d=exchange(observations.keypoints2d),
        confidence=exchange(observations.confidence),
        boxes=exchange(observations.boxes),
        masks=masks,
    )


def _swapped_motion(
    motion: BodyMotion | None, exchange: Callable[[np.ndarray], np.ndarray]
) -> BodyMotion | None:
    if motion is None:
        return None
    return replace(
        motion,
        global_orient=exchange(motion.global_orient),
        body_pose=exchange(motion.body_pose),
        transl=exchange(motion.transl),
        valid=exchange(motion.valid),
        provenance=exchange(motion.provenance),
    )


def _swapped_diagnostics(
    diagnostics: Diagnostics | None, exchange: Callable[[np.ndarray], np.ndarray]
) -> Diagnostics | None:
    if diagnostics is None:
        return None
    return replace(diagnostics, reprojection_px=exchange(diagnostics.reprojection_px))


def edit_keypoint(state: ClipState, edit: KeypointEdit) -> ClipState:
    """A joint placed or hidden by hand, in place of what was said of it before."""
    _checked_person(state, edit.person)
    count = len(KEYPOINT_NAMES[state.observations.layout if state.observations else "halpe26"])
    if not 0 <= edit.keypoint < count:
        raise EditError(
            "There is no such joint", expected=f"0 to {count - 1}", received=str(edit.keypoint)
        )
    if not np.isfinite([edit.x, edit.y]).all():
        raise EditError("A joint needs a place in the picture", received=f"{edit.x}, {edit.y}")
    edits = statements.with_keypoint(state.constraints.keypoint_edits, edit)
    frames = FrameRange(edit.frame, edit.frame + 1)
    after = _constrained(state, frames, keypoint_edits=edits)
    return _reopened(state, after, frames)


def clear_keypoint(state: ClipState, person: int, frame: int, keypoint: int) -> ClipState:
    """What a person said of a joint is taken back: the detection counts again."""
    edits = statements.without_keypoint(state.constraints.keypoint_edits, person, frame, keypoint)
    frames = FrameRange(frame, frame + 1)
    return _reopened(state, _constrained(state, frames, keypoint_edits=edits), frames)


def _reopened(before: ClipState, after: ClipState, frames: FrameRange) -> ClipState:
    """Whoever moves a joint disagrees with the pose, so the frame is no longer accepted."""
    if after is before:
        return before
    return replace(after, reviews=without_acceptance(after.reviews, frames))


def _check_contact(state: ClipState, label: ContactLabel, frame_count: int) -> None:
    checked_frames(label.frames, frame_count)
    _checked_person(state, label.person_a)
    _checked_person(state, label.person_b)
    if label.person_a == label.person_b:
        raise EditError("A contact needs two people", received=f"person {label.person_a} twice")
    if not label.region_a or not label.region_b:
        raise EditError("A contact needs a region on each body")
    if label.kind not in ("contact", "no_contact"):
        raise EditError(
            "No such kind of contact", expected="contact or no_contact", received=label.kind
        )


def add_contact(state: ClipState, label: ContactLabel, frame_count: int) -> ClipState:
    """One more label. It joins an equal one that it touches, and wins over the opposite."""
    _check_contact(state, label, frame_count)
    contacts = statements.with_contact(state.constraints.contacts, label)
    return _constrained(state, label.frames, contacts=contacts)


def _contact(state: ClipState, index: int) -> ContactLabel:
    contacts = state.constraints.contacts
    if not 0 <= index < len(contacts):
        raise EditError(
            "There is no such contact", expected=f"fewer than {len(contacts)}", received=str(index)
        )
    return contacts[index]


def remove_contact(state: ClipState, index: int) -> ClipState:
    old = _contact(state, index)
    contacts = tuple(c for c in state.constraints.contacts if c is not old)
    return _constrained(state, old.frames, contacts=contacts)


def change_contact(state: ClipState, index: int, label: ContactLabel, count: int) -> ClipState:
    """Another label in place of one; `count` is the clip's number of frames."""
    old = _contact(state, index)
    _check_contact(state, label, count)
    kept = tuple(c for c in state.constraints.contacts if c is not old)
    after = _constrained(state, label.frames, contacts=statements.with_contact(kept, label))
    return after if after is state else replace(after, edited=_touched(after, old.frames))


def set_height(state: ClipState, person: int, metres: float | None, frame_count: int) -> ClipState:
    """How tall a person is; None: unknown again."""
    _checked_person(state, person)
    low, high = HEIGHT_LIMITS
    if metres is not None and not low <= metres <= high:
        raise EditError(
            "A height is in metres", expected=f"{low} to {high}", received=f"{metres:g}"
        )
    heights = list(state.constraints.heights or [None] * len(state.identities))
    heights[person] = metres
    known = tuple(heights) if any(h is not None for h in heights) else ()
    return _constrained(state, FrameRange(0, frame_count), heights=known)


def set_focal(state: ClipState, focal_px: float | None, frame_count: int) -> ClipState:
    """The focal length in pixels; None: unknown again."""
    if focal_px is not None and not (np.isfinite(focal_px) and focal_px > 0):
        raise EditError("A focal length is a positive number of pixels", received=f"{focal_px:g}")
    return _constrained(state, FrameRange(0, frame_count), focal_px=focal_px)


def set_floor(state: ClipState, height: float | None, frame_count: int) -> ClipState:
    """World y of the floor in metres; None: estimated by the fit."""
    if height is not None and not np.isfinite(height):
        raise EditError("The height of the floor is a number of metres", received=f"{height:g}")
    return _constrained(state, FrameRange(0, frame_count), floor_height=height)


def set_depth_order(state: ClipState, order: DepthOrder) -> ClipState:
    """Who is nearer to the camera, in place of what was said of the two in these frames."""
    _checked_person(state, order.front)
    _checked_person(state, order.back)
    if order.front == order.back:
        raise EditError("A depth order needs two people", received=f"person {order.front} twice")
    orders = statements.with_depth(state.constraints.depth_orders, order)
    return _constrained(state, order.frames, depth_orders=orders)


def clear_depth_order(state: ClipState, persons: tuple[int, int], frames: FrameRange) -> ClipState:
    """Nothing is said any more of the two people's order in these frames."""
    orders = statements.without_depth(state.constraints.depth_orders, frozenset(persons), frames)
    return _constrained(state, frames, depth_orders=orders)


def set_frozen(state: ClipState, frames: FrameRange, frozen: bool) -> ClipState:
    """Frames that a fit leaves exactly as they are (or no longer)."""
    old = state.constraints.frozen
    return _constrained(
        state, None, frozen=union([*old, frames]) if frozen else union(cut(old, frames))
    )


def rename_identity(state: ClipState, person: int, name: str) -> ClipState:
    """Who this is. The same name in another clip means the same person."""
    _checked_person(state, person)
    name = " ".join(name.split())
    if not name or len(name) > 120 or not name.isprintable():
        raise EditError("A name has 1 to 120 printable characters", received=repr(name[:40]))
    if any(i.name == name and i.index != person for i in state.identities):
        raise EditError(f"Another person of this clip is already called {name}")
    if state.identities[person].name == name:
        return state
    renamed = (replace(i, name=name) if i.index == person else i for i in state.identities)
    return replace(state, identities=tuple(renamed))


def label_of(what: str, frames: FrameRange | None) -> str:
    """A revision's label, e.g. "Swap people, frames 120-180"."""
    return what if frames is None else f"{what}, {spoken(frames)}"
