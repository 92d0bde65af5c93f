"""What visibly disagrees between the video and what the window shows, frame by frame.

Every mistake is measured by how far off it looks over how far off a person lets pass, so that the
largest is the one that a curator mends first; with it comes the gesture that would mend it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from app.annotator.desk import Desk
from app.annotator.gestures import (
    DrawBox,
    Gesture,
    PlaceJoint,
    SayDistance,
    SayHeight,
    SayInFront,
    SayTouch,
    Swap,
)
from app.annotator.sight import Sight
from engine.body.regions import region_names
from engine.structures import (
    BoxEdit,
    ContactLabel,
    DepthOrder,
    FrameRange,
    KeypointEdit,
    ProxemicsStatement,
)

OFF_JOINT = 0.04
"""Share of a person's height in the picture by which a joint is visibly off."""
OFF_GAP = 0.05
"""Metres between regions of the bodies that the video shows touching."""
OFF_DEPTH = 0.10
"""Metres by which the wrong body is in front."""
OFF_DISTANCE = 0.3
"""Share by which people are too near to each other or too far apart: twice what is misjudged."""
SAME_DISTANCE = 0.15
"""Share by which a distance changes that is said in one go."""
OFF_HEIGHT = 0.03
"""Metres by which a body is too tall or too short."""
TOUCHING = 0.02
"""Metres between regions of the bodies from which they look as if they touched."""
MIXED_UP = 2.0
"""How many times nearer another person's joints are to the skeleton than its own, or more."""
GLARING = 100.0
"""People who are mixed up are put right before all else."""
MISSED = 50.0
"""Then whoever is to be seen and was not found."""
MISSED_SECONDS = 0.1
"""For how long before and after nothing is drawn of them: motion goes on through shorter gaps."""
ENOUGH_SEEN = 5
"""Joints in sight from which somebody can be boxed."""
BOX_ROOM = 0.05
"""Room around the joints in a box by hand, as a share of its longer side."""
STOLEN = 2.0
"""As bad as a joint twice as far off as is just noticed: a joint on somebody else's."""
LASTING_SECONDS = 0.5
"""Of touches that last longer, one that lasts twice as long is as bad as one twice as far off."""
BRIEF = 5
"""Frames; touches shorter than this are nothing that a curator marks."""


@dataclass(frozen=True)
class Mistake:
    """Something that is visibly wrong in a frame."""

    severity: float
    """1 where it is just noticed."""
    mended_by: Gesture


def visible_mistakes(sight: Sight, desk: Desk, frame: int) -> list[Mistake]:
    """All that a curator sees wrong in a frame, the worst first."""
    mixed = _mixed_up(sight, desk, frame)
    if mixed is not None:
        return [mixed]  # whoever sees this sees nothing else before it is mended
    found = [
        *_missed(sight, desk, frame),
        *_heights(sight, desk),
        *_touches(sight, desk, frame),
        *_depth(sight, desk, frame),
        *_distance(sight, desk, frame),
        *_joints(sight, desk, frame),
    ]
    return sorted((m for m in found if m.severity >= 1), key=lambda m: -m.severity)


def stretch(holds: Callable[[int], bool], frame: int, count: int) -> FrameRange:
    """The frames around one over which something that can be seen goes on."""
    start = stop = frame
    while start > 0 and holds(start - 1):
        start -= 1
    while stop + 1 < count and holds(stop + 1):
        stop += 1
    return FrameRange(start, stop + 1)


def _mixed_up(sight: Sight, desk: Desk, frame: int) -> Mistake | None:
    def swapped(at: int) -> bool:
        drawn, true = desk.seen.keypoints2d[:, at], sight.pixels[:, at]
        own = np.linalg.norm(drawn - true, axis=-1)
        other = np.linalg.norm(drawn - true[::-1], axis=-1)
        both = np.isfinite(own) & np.isfinite(other)
        if both.sum() < 3:
            return False
        return bool(np.median(own[both]) > MIXED_UP * np.median(other[both]))

    if not swapped(frame):
        return None
    return Mistake(GLARING, Swap(stretch(swapped, frame, desk.frame_count)))


def _missed(sight: Sight, desk: Desk, frame: int) -> Iterator[Mistake]:
    """People in sight of whom nothing is drawn for a while."""
    now = np.abs(desk.seen.times - desk.seen.times[frame]) <= MISSED_SECONDS
    for person, points in enumerate(sight.pixels[:, frame]):
        seen = points[np.isfinite(points).all(-1)]
        if len(seen) < ENOUGH_SEEN or np.isfinite(desk.seen.keypoints2d[person, now]).any():
            continue
        low, high = seen.min(0), seen.max(0)
        room = BOX_ROOM * float((high - low).max())
        x0, y0 = (low - room).tolist()
        x1, y1 = (high + room).tolist()
        yield Mistake(MISSED, DrawBox(BoxEdit(frame, (x0, y0, x1, y1), "person", person)))


def _heights(sight: Sight, desk: Desk) -> Iterator[Mistake]:
    for person in (0, 1):
        error = abs(desk.heights[person] - sight.heights[person])
        said = SayHeight(person, round(float(sight.heights[person]), 2))
        yield Mistake(float(error) / OFF_HEIGHT, said)


def _touches(sight: Sight, desk: Desk, frame: int) -> Iterator[Mistake]:
    """Bodies apart that touch in the video, and bodies that touch where the video shows a gap."""
    names, gaps = region_names(), desk.gaps(frame)
    for label in sight.contacts:
        a, b = names.index(label.region_a), names.index(label.region_b)
        if frame in label.frames and len(label.frames) >= BRIEF and sight.sees_pair(frame, a, b):
            times = desk.seen.times[label.frames.as_slice()]
            lasting = float(times[-1] - times[0]) / LASTING_SECONDS
            wide = float(gaps[a, b]) / OFF_GAP
            yield Mistake(wide * max(1.0, lasting) if wide >= 1 else wide, SayTouch(label))
    close = gaps < TOUCHING
    if not close.any():
        return
    wrong = np.argwhere(close & sight.apart(frame)).tolist()
    for a, b in wrong:

        def seen_apart(at: int, a: int = a, b: int = b) -> bool:
            return bool(sight.apart(at)[a, b])

        frames = stretch(seen_apart, frame, desk.frame_count)
        label = ContactLabel(0, names[a], 1, names[b], frames, "no_contact")
        yield Mistake(2 * TOUCHING / max(float(gaps[a, b]), TOUCHING), SayTouch(label))


def _depth(sight: Sight, desk: Desk, frame: int) -> Iterator[Mistake]:
    front = int(sight.front[frame])
    shown, by = desk.nearer(frame)
    if front < 0 or shown == front:
        return
    frames = stretch(lambda at: bool(sight.front[at] == front), frame, desk.frame_count)
    yield Mistake(by / OFF_DEPTH, SayInFront(DepthOrder(front, 1 - front, frames)))


def _distance(sight: Sight, desk: Desk, frame: int) -> Iterator[Mistake]:
    judged = float(sight.distance[frame])
    off = abs(desk.distance(frame) / judged - 1)

    def stays(at: int) -> bool:
        return abs(float(sight.distance[at]) / judged - 1) < SAME_DISTANCE

    frames = stretch(stays, frame, desk.frame_count)
    said = ProxemicsStatement(0, 1, frames, pelvis_distance=round(judged, 2))
    yield Mistake(off / OFF_DISTANCE, SayDistance(said))


def _joints(sight: Sight, desk: Desk, frame: int) -> Iterator[Mistake]:
    """Bodies beside where their joints are seen to be, and bodies that follow a joint of the other.

    A joint that is drawn in the wrong place does no harm while the body is in the right one.
    """
    drawn, true = desk.seen.keypoints2d[:, frame], sight.pixels[:, frame]
    bodies = desk.bodies_px(frame)
    off = np.linalg.norm(bodies - true, axis=-1)
    followed = np.linalg.norm(bodies - drawn, axis=-1)
    for person, joint in np.argwhere(np.isfinite(drawn).all(-1)).tolist():
        least = OFF_JOINT * desk.sizes_px[person]
        if np.isfinite(off[person, joint]):
            edit = KeypointEdit(person, frame, joint, *true[person, joint].tolist())
            yield Mistake(float(off[person, joint] / least), PlaceJoint(edit))
        elif followed[person, joint] < least and _is_stolen(sight, desk, (person, frame, joint)):
            x, y = drawn[person, joint].tolist()
            edit = KeypointEdit(person, frame, joint, x, y, visible=False)
            yield Mistake(STOLEN, PlaceJoint(edit))


def _is_stolen(sight: Sight, desk: Desk, joint: tuple[int, int, int]) -> bool:
    """Whether a joint that is covered in the video is drawn on that of the other person."""
    person, frame, keypoint = joint
    theirs = sight.pixels[1 - person, frame, keypoint]
    apart = np.linalg.norm(desk.seen.keypoints2d[joint] - theirs)
    shown = bool(sight.concealed[joint]) and not desk.hidden[joint]
    return shown and bool(apart < OFF_JOINT * desk.sizes_px[person])
