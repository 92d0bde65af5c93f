"""Each gesture is one undo step of a real project."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from annotations.store import Store
from app.annotator.gestures import (
    KINDS,
    DrawBox,
    Freeze,
    PlaceJoint,
    SayDistance,
    SayHeight,
    SayInFront,
    SayTouch,
    Swap,
)
from engine.structures import (
    BoxEdit,
    ContactLabel,
    DepthOrder,
    FrameRange,
    KeypointEdit,
    ProxemicsStatement,
)
from tests.annotations.builders import make_observations, make_video

SPAN = FrameRange(4, 9)
TOUCH = ContactLabel(0, "left_palm", 1, "right_shoulder", SPAN)
GESTURES = {
    "swap": Swap(SPAN),
    "box": DrawBox(BoxEdit(5, (10.0, 5.0, 40.0, 50.0), "person", 1)),
    "height": SayHeight(1, 1.66),
    "contact": SayTouch(TOUCH),
    "no contact": SayTouch(replace(TOUCH, kind="no_contact")),
    "in front": SayInFront(DepthOrder(1, 0, SPAN)),
    "distance": SayDistance(ProxemicsStatement(0, 1, SPAN, pelvis_distance=0.6)),
    "drag": PlaceJoint(KeypointEdit(0, 5, 9, 31.0, 42.0)),
    "hide": PlaceJoint(KeypointEdit(0, 5, 9, 31.0, 42.0, visible=False)),
    "freeze": Freeze(SPAN),
}


@pytest.fixture
def project(tmp_path):
    with Store.create(tmp_path / "p.dyad") as store:
        clip = store.add_clip(make_video(20)).clip_id
        store.set_observations(clip, make_observations(make_video(20), masks=False), {})
        yield store, clip


def test_there_is_one_of_every_kind():
    assert {kind: gesture.kind for kind, gesture in GESTURES.items()} == {k: k for k in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_gesture_is_one_revision_that_undo_takes_back(project, kind):
    store, clip = project
    before, revisions = store.state(clip).constraints, len(store.history(clip))
    assert GESTURES[kind].apply(store, clip).parts
    assert len(store.history(clip)) == revisions + 1
    store.undo(clip)
    assert store.state(clip).constraints == before


@pytest.mark.parametrize(
    ("kind", "field", "said"),
    [
        ("contact", "contacts", (TOUCH,)),
        ("no contact", "contacts", (replace(TOUCH, kind="no_contact"),)),
        ("in front", "depth_orders", (DepthOrder(1, 0, SPAN),)),
        ("box", "box_edits", (BoxEdit(5, (10.0, 5.0, 40.0, 50.0), "person", 1),)),
        ("distance", "proxemics", (ProxemicsStatement(0, 1, SPAN, pelvis_distance=0.6),)),
        ("height", "heights", (None, 1.66)),
        ("freeze", "frozen", (SPAN,)),
        ("drag", "keypoint_edits", (KeypointEdit(0, 5, 9, 31.0, 42.0),)),
        ("hide", "keypoint_edits", (KeypointEdit(0, 5, 9, 31.0, 42.0, visible=False),)),
    ],
)
def test_it_says_to_the_fit_what_was_meant(project, kind, field, said):
    store, clip = project
    GESTURES[kind].apply(store, clip)
    assert getattr(store.state(clip).constraints, field) == said


def test_a_swap_exchanges_the_detections(project):
    store, clip = project
    before = store.state(clip).observations.keypoints2d
    GESTURES["swap"].apply(store, clip)
    after = store.state(clip).observations.keypoints2d
    np.testing.assert_array_equal(after[0, 4:9], before[1, 4:9])
    np.testing.assert_array_equal(after[:, :4], before[:, :4])


def test_a_gesture_repeats_one_that_said_the_same():
    for kind, gesture in GESTURES.items():
        for other, made in GESTURES.items():
            same = kind == other or {kind, other} in ({"drag", "hide"}, {"contact", "no contact"})
            assert gesture.repeats(made) == same
    later = Swap(FrameRange(9, 12))
    assert not later.repeats(GESTURES["swap"])
