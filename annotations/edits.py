"""What each edit makes of a clip's state: pure functions from a ClipState to the next one.

They check that the edit makes sense and raise EditError otherwise. Parts that an edit leaves
alone stay the same objects; the store writes only the parts that are not. Here is what is said of
the people and the scene; annotations.people has who is who, annotations.drawn boxes and masks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from annotations import statements
from annotations.errors import EditError
from annotations.ranges import Ranges, cut, spoken, union
from annotations.records import ClipState, Gender, Identity
from annotations.review import without_acceptance
from engine.body.joints import KEYPOINT_NAMES
from engine.structures import (
    Camera,
    ContactLabel,
    DepthOrder,
    FocalSource,
    FrameRange,
    KeypointEdit,
    VideoInfo,
)

PERSON_COLORS = ("#2b78e4", "#d96709", "#0f8a62", "#b4559b")
"""Told apart with any colour vision (blue, orange, green, purple, after Okabe and Ito), and at
least 3:1 against light and dark grounds."""
HEIGHT_LIMITS = (0.4, 2.6)
"""Metres."""
RIGID_TOLERANCE = 1e-3
"""Largest entry of R R^T - I that is still called a rotation (files in single precision)."""


def default_identities(count: int) -> tuple[Identity, ...]:
    """Person 1, Person 2, ... : names that say nothing about who it is."""
    return tuple(
        Identity(index, f"Person {index + 1}", PERSON_COLORS[index % len(PERSON_COLORS)])
        for index in range(count)
    )


def is_default_name(name: str) -> bool:
    """Whether nobody has said who this is: Person 1, Person 2, ... of whatever index."""
    return re.fullmatch(r"Person \d+", name) is not None


def checked_frames(frames: FrameRange, frame_count: int) -> FrameRange:
    """The range itself, if it is a part of the clip."""
    if 0 <= frames.start < frames.stop <= frame_count:
        return frames
    raise EditError(
        "These frames are not a part of the clip",
        expected=f"0 <= start < stop <= {frame_count}",
        received=f"start {frames.start}, stop {frames.stop}",
    )


def checked_person(state: ClipState, person: int) -> None:
    """Raises EditError unless the clip has the person."""
    if not 0 <= person < len(state.identities):
        raise EditError(
            "There is no such person in this clip",
            expected=f"0 to {len(state.identities) - 1}",
            received=str(person),
        )


def touched(
    state: ClipState, frames: FrameRange, people: Collection[int] | None = None
) -> dict[str, Any]:
    """`edited` and `edited_people` with these frames of these people (None: of everybody) added.

    Empty while there is no motion to be out of date.
    """
    if state.motion is None:
        return {"edited": (), "edited_people": ()}
    edited = union([*state.edited, frames])
    rows = tuple(
        union([*state.edited_of(person), frames])
        if people is None or person in people
        else state.edited_of(person)
        for person in range(len(state.identities))
    )
    return due(edited, rows)


def due(edited: Ranges, people: Sequence[Ranges]) -> dict[str, Any]:
    """`edited` and `edited_people` of a state; people who all have the same need no rows."""
    return {"edited": edited, "edited_people": () if set(people) <= {edited} else tuple(people)}


def constrained(
    state: ClipState,
    frames: FrameRange | None,
    people: Collection[int] | None = None,
    **changes: Any,
) -> ClipState:
    """The state with other constraints; the frames of these people are due for a fit."""
    constraints = replace(state.constraints, **changes)
    if constraints == state.constraints:
        return state
    due = {} if frames is None else touched(state, frames, people)
    return replace(state, constraints=constraints, **due)


def edit_keypoint(state: ClipState, edit: KeypointEdit) -> ClipState:
    """A joint placed or hidden by hand, in place of what was said of it before."""
    checked_person(state, edit.person)
    count = len(KEYPOINT_NAMES[state.observations.layout if state.observations else "halpe26"])
    if not 0 <= edit.keypoint < count:
        raise EditError(
            "There is no such joint", expected=f"0 to {count - 1}", received=str(edit.keypoint)
        )
    if not np.isfinite([edit.x, edit.y]).all():
        raise EditError("A joint needs a place in the picture", received=f"{edit.x}, {edit.y}")
    edits = statements.with_keypoint(state.constraints.keypoint_edits, edit)
    frames = FrameRange(edit.frame, edit.frame + 1)
    after = constrained(state, frames, [edit.person], keypoint_edits=edits)
    return _reopened(state, after, frames)


def clear_keypoint(state: ClipState, person: int, frame: int, keypoint: int) -> ClipState:
    """What a person said of a joint is taken back: the detection counts again."""
    edits = statements.without_keypoint(state.constraints.keypoint_edits, person, frame, keypoint)
    frames = FrameRange(frame, frame + 1)
    return _reopened(state, constrained(state, frames, [person], keypoint_edits=edits), frames)


def _reopened(before: ClipState, after: ClipState, frames: FrameRange) -> ClipState:
    """Whoever moves a joint disagrees with the pose, so the frame is no longer accepted."""
    if after is before:
        return before
    return replace(after, reviews=without_acceptance(after.reviews, frames))


def _check_contact(state: ClipState, label: ContactLabel, frame_count: int) -> None:
    checked_frames(label.frames, frame_count)
    checked_person(state, label.person_a)
    checked_person(state, label.person_b)
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
    return constrained(state, label.frames, _sides(label), contacts=contacts)


def _sides(label: ContactLabel) -> tuple[int, int]:
    return label.person_a, label.person_b


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
    return constrained(state, old.frames, _sides(old), contacts=contacts)


def change_contact(state: ClipState, index: int, label: ContactLabel, count: int) -> ClipState:
    """Another label in place of one; `count` is the clip's number of frames."""
    old = _contact(state, index)
    _check_contact(state, label, count)
    kept = tuple(c for c in state.constraints.contacts if c is not old)
    contacts = statements.with_contact(kept, label)
    after = constrained(state, label.frames, _sides(label), contacts=contacts)
    return after if after is state else replace(after, **touched(after, old.frames, _sides(old)))


def set_height(state: ClipState, person: int, metres: float | None, frame_count: int) -> ClipState:
    """How tall a person is; None: unknown again."""
    checked_person(state, person)
    low, high = HEIGHT_LIMITS
    if metres is not None and not low <= metres <= high:
        raise EditError(
            "A height is in metres", expected=f"{low} to {high}", received=f"{metres:g}"
        )
    heights = list(state.constraints.heights or [None] * len(state.identities))
    heights[person] = metres
    known = tuple(heights) if any(h is not None for h in heights) else ()
    return constrained(state, FrameRange(0, frame_count), [person], heights=known)


def set_focal(state: ClipState, focal_px: float | None, frame_count: int) -> ClipState:
    """The focal length in pixels; None: unknown again."""
    if focal_px is not None and not (np.isfinite(focal_px) and focal_px > 0):
        raise EditError("A focal length is a positive number of pixels", received=f"{focal_px:g}")
    return constrained(state, FrameRange(0, frame_count), focal_px=focal_px)


def set_floor(state: ClipState, height: float | None, frame_count: int) -> ClipState:
    """World y of the floor in metres; None: estimated by the fit."""
    if height is not None and not np.isfinite(height):
        raise EditError("The height of the floor is a number of metres", received=f"{height:g}")
    return constrained(state, FrameRange(0, frame_count), floor_height=height)


def set_camera(state: ClipState, camera: Camera | None, video: VideoInfo) -> ClipState:
    """A camera that was measured, in any world; None: unknown again."""
    if camera is not None:
        camera = _checked_camera(camera, video)
    if _same_camera(camera, state.constraints.camera):
        return state
    constraints = replace(state.constraints, camera=camera)
    return replace(
        state, constraints=constraints, **touched(state, FrameRange(0, video.frame_count))
    )


def _checked_camera(camera: Camera, video: VideoInfo) -> Camera:
    """The camera in double precision, if it can have taken the video."""

    def refused(what: str, expected: str, received: object) -> EditError:
        return EditError(
            f"This camera is not this video's: {what}", expected=expected, received=str(received)
        )

    if tuple(camera.image_size) != video.image_size:
        raise refused("image size", str(video.image_size), tuple(camera.image_size))
    shapes = {"K": (3, 3), "distortion": (5,), "T_camera_world": (video.frame_count, 4, 4)}
    arrays: dict[str, Any] = {name: np.array(getattr(camera, name), np.float64) for name in shapes}
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise refused(name, str(shape), arrays[name].shape)
        if not np.isfinite(arrays[name]).all():
            raise refused(name, "numbers", "values that are not numbers")
    K, transforms = arrays["K"], arrays["T_camera_world"]
    if K[0, 0] <= 0 or K[1, 1] <= 0 or K[2].tolist() != [0, 0, 1]:
        raise refused("K", "[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]", K.tolist())
    rotation = transforms[:, :3, :3]
    error = abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max()
    bottom = abs(transforms[:, 3] - [0, 0, 0, 1]).max()
    if error > RIGID_TOLERANCE or bottom > RIGID_TOLERANCE or (np.linalg.det(rotation) < 0).any():
        raise refused("T_camera_world", "rotations and translations", "something else")
    if camera.focal_source not in get_args(FocalSource):
        raise refused("focal_source", " or ".join(get_args(FocalSource)), camera.focal_source)
    return replace(camera, image_size=video.image_size, **arrays)


def _same_camera(a: Camera | None, b: Camera | None) -> bool:
    if a is None or b is None:
        return a is b
    same = a.image_size == b.image_size and a.focal_source == b.focal_source
    names = ("K", "distortion", "T_camera_world")
    return same and all(np.array_equal(getattr(a, n), getattr(b, n)) for n in names)


def set_depth_order(state: ClipState, order: DepthOrder) -> ClipState:
    """Who is nearer to the camera, in place of what was said of the two in these frames."""
    checked_person(state, order.front)
    checked_person(state, order.back)
    if order.front == order.back:
        raise EditError("A depth order needs two people", received=f"person {order.front} twice")
    orders = statements.with_depth(state.constraints.depth_orders, order)
    people = (order.front, order.back)
    return constrained(state, order.frames, people, depth_orders=orders)


def clear_depth_order(state: ClipState, persons: tuple[int, int], frames: FrameRange) -> ClipState:
    """Nothing is said any more of the two people's order in these frames."""
    orders = statements.without_depth(state.constraints.depth_orders, frozenset(persons), frames)
    return constrained(state, frames, persons, depth_orders=orders)


def set_frozen(state: ClipState, frames: FrameRange, frozen: bool) -> ClipState:
    """Frames that a fit leaves exactly as they are (or no longer)."""
    old = state.constraints.frozen
    return constrained(
        state, None, frozen=union([*old, frames]) if frozen else union(cut(old, frames))
    )


def rename_identity(state: ClipState, person: int, name: str) -> ClipState:
    """Who this is. The same name in another clip means the same person."""
    checked_person(state, person)
    name = " ".join(name.split())
    if not name or len(name) > 120 or not name.isprintable():
        raise EditError("A name has 1 to 120 printable characters", received=repr(name[:40]))
    if any(i.name == name and i.index != person for i in state.identities):
        raise EditError(f"Another person of this clip is already called {name}")
    if state.identities[person].name == name:
        return state
    renamed = (replace(i, name=name) if i.index == person else i for i in state.identities)
    return replace(state, identities=tuple(renamed))


def set_gender(state: ClipState, person: int, gender: Gender) -> ClipState:
    """A person's gender, for exports. The fit's body is the project's, whatever the gender."""
    checked_person(state, person)
    if gender not in get_args(Gender):
        raise EditError(
            "No such gender", expected=" or ".join(get_args(Gender)), received=str(gender)[:40]
        )
    if state.identities[person].gender == gender:
        return state
    changed = (replace(i, gender=gender) if i.index == person else i for i in state.identities)
    return replace(state, identities=tuple(changed))


def label_of(what: str, frames: FrameRange | None) -> str:
    """A revision's label, e.g. "Swap people, frames 120-180"."""
    return what if frames is None else f"{what}, {spoken(frames)}"
