"""What a curator sees wrong, and the gesture that mends it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.annotator.desk import Desk
from app.annotator.gestures import (
    DrawBox,
    PlaceJoint,
    SayDistance,
    SayHeight,
    SayInFront,
    SayTouch,
    Swap,
)
from app.annotator.mistakes import visible_mistakes
from engine.body.joints import HALPE26
from engine.body.regions import region_names
from engine.structures import ContactLabel, FrameRange, KeypointEdit
from tests.app.annotator.conftest import FRAMES, REGIONS, moved, state_of, with_joints
from tests.app.people import standing_pair

FRAME = 6
WRIST = HALPE26.index("left_wrist")
PALMS = "right_palm", "left_palm"


def worst(sight, state, frame=FRAME):
    return visible_mistakes(sight, Desk(state), frame)[0].mended_by


def test_where_all_is_right_nothing_is_wrong(sight, state):
    assert visible_mistakes(sight, Desk(state), FRAME) == []


def test_a_body_beside_a_joint_is_dragged_to_where_it_is_seen(sight, state):
    pixels = sight.pixels.copy()
    pixels[1, FRAME, WRIST] += 20
    gesture = worst(replace(sight, pixels=pixels), state)
    assert isinstance(gesture, PlaceJoint) and gesture.edit.visible
    assert (gesture.edit.person, gesture.edit.frame, gesture.edit.keypoint) == (1, FRAME, WRIST)
    assert [gesture.edit.x, gesture.edit.y] == pixels[1, FRAME, WRIST].tolist()


def test_a_joint_drawn_off_its_place_is_let_be_while_the_body_is_in_the_right_one(sight, state):
    points = state.observations.keypoints2d.copy()
    points[1, FRAME, WRIST] += 20
    assert visible_mistakes(sight, Desk(with_joints(state, keypoints2d=points)), FRAME) == []


def test_a_covered_joint_that_the_body_follows_onto_the_other_is_hidden(sight, state):
    pixels, concealed = sight.pixels.copy(), sight.concealed.copy()
    pixels[0, FRAME, WRIST] = pixels[1, FRAME, WRIST]
    pixels[1, FRAME, WRIST], concealed[1, FRAME, WRIST] = np.nan, True
    stolen = replace(sight, pixels=pixels, concealed=concealed)
    hidden = [
        mistake.mended_by.edit
        for mistake in visible_mistakes(stolen, Desk(state), FRAME)
        if mistake.mended_by.kind == "hide"
    ]
    x, y = state.observations.keypoints2d[1, FRAME, WRIST].tolist()
    assert hidden == [KeypointEdit(1, FRAME, WRIST, x, y, visible=False)]
    alone = replace(stolen, pixels=np.where(concealed[..., None], np.nan, sight.pixels))
    assert visible_mistakes(alone, Desk(state), FRAME) == []


def test_somebody_in_sight_who_was_not_found_is_boxed(sight, state):
    points = state.observations.keypoints2d.copy()
    points[1, FRAME - 3 : FRAME + 4] = np.nan
    lost = with_joints(state, keypoints2d=points)
    gesture = worst(sight, lost)
    assert isinstance(gesture, DrawBox)
    assert (gesture.edit.person, gesture.edit.frame, gesture.edit.kind) == (1, FRAME, "person")
    x0, y0, x1, y1 = gesture.edit.box
    seen = sight.pixels[1, FRAME]
    assert ((seen > [x0, y0]) & (seen < [x1, y1])).all()
    out = replace(sight, pixels=np.where(np.isnan(points), np.nan, sight.pixels))
    assert visible_mistakes(out, Desk(lost), FRAME) == []
    assert visible_mistakes(sight, Desk(lost), FRAME + 2) == []


def test_people_clearly_too_near_are_said_to_be_as_far_apart_as_they_look(sight, state):
    metres = Desk(state).distance(FRAME)
    judged = np.full(FRAMES, 1.5 * metres)
    judged[12:] = 3 * metres
    gesture = worst(replace(sight, distance=judged), state)
    assert isinstance(gesture, SayDistance)
    assert gesture.said.frames == FrameRange(0, 12)
    assert gesture.said.pelvis_distance == pytest.approx(1.5 * metres, abs=0.005)
    assert visible_mistakes(replace(sight, distance=judged / 1.4), Desk(state), FRAME) == []


def test_a_joint_off_by_little_is_let_pass(sight, state):
    points = state.observations.keypoints2d.copy()
    points[1, FRAME, WRIST] += 1
    assert visible_mistakes(sight, Desk(with_joints(state, keypoints2d=points)), FRAME) == []


def test_bodies_apart_that_touch_in_the_video_are_said_to_touch_for_as_long(sight, state):
    label = ContactLabel(0, PALMS[0], 1, PALMS[1], FrameRange(2, 20))
    sight = replace(sight, contacts=(label,))
    assert worst(sight, state) == SayTouch(label)
    assert visible_mistakes(sight, Desk(state), 21) == []


def test_a_touch_that_nobody_can_see_is_not_said(sight, state):
    label = ContactLabel(0, PALMS[0], 1, PALMS[1], FrameRange(2, 20))
    unseen = np.zeros_like(sight.visible_regions)
    sight = replace(sight, contacts=(label,), visible_regions=unseen)
    assert visible_mistakes(sight, Desk(state), FRAME) == []


def test_bodies_that_touch_across_a_gap_are_said_not_to(sight, state):
    apart = np.ones((REGIONS, REGIONS), bool)
    sight = replace(sight, apart=lambda frame: apart & (frame >= 4))
    together = moved(moved(state, 0, (0.3, 0, 0)), 1, (-0.3, 0, 0))
    said = [m.mended_by for m in visible_mistakes(sight, Desk(together), FRAME)]
    touches = [g.label for g in said if isinstance(g, SayTouch)]
    assert touches and {t.kind for t in touches} == {"no_contact"}
    assert {t.frames for t in touches} == {FrameRange(4, FRAMES)}
    assert {t.region_a for t in touches} <= set(region_names())


@pytest.mark.parametrize("nearer", [0, 1])
def test_the_wrong_body_in_front_is_put_behind(sight, state, nearer):
    """The test's camera looks from +z: a body that is pushed to -z is further away."""
    sight = replace(sight, front=np.where(np.arange(FRAMES) < 12, nearer, -1))
    wrong = moved(state, nearer, (0, 0, -0.3))
    said = [m.mended_by for m in visible_mistakes(sight, Desk(wrong), FRAME)]
    (order,) = (g.order for g in said if isinstance(g, SayInFront))
    assert (order.front, order.back, order.frames) == (nearer, 1 - nearer, FrameRange(0, 12))


def test_a_body_too_small_is_given_its_height(sight, state):
    heights = sight.heights + np.array([0.0, 0.08])
    sight = replace(sight, heights=heights)
    assert worst(sight, state) == SayHeight(1, round(float(heights[1]), 2))


def test_people_who_are_mixed_up_are_swapped_before_all_else(sight, state):
    points = state.observations.keypoints2d.copy()
    points[:, 5:] = points[::-1, 5:]
    sight = replace(sight, heights=sight.heights + 0.2)
    mixed = with_joints(state, keypoints2d=points)
    found = visible_mistakes(sight, Desk(mixed), FRAME)
    assert [m.mended_by for m in found] == [Swap(FrameRange(5, FRAMES))]
    assert all(not isinstance(g, Swap) for g in [worst(sight, mixed, 4)])


def test_bodies_are_measured_with_their_own_shape():
    motion = standing_pair(FRAMES)
    betas = motion.betas.copy()
    betas[0, 0] = 2.0
    heights = Desk(state_of(replace(motion, betas=betas))).heights
    assert abs(heights[0] - heights[1]) > 0.05
