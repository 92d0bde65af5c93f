"""Slips of a hand: how large, how often, and where none are made."""

from __future__ import annotations

import numpy as np

from app.annotator.gestures import Freeze, PlaceJoint, SayHeight, SayInFront, SayTouch, Swap
from app.annotator.hand import Hand, Slips, neighbours
from engine.body.regions import region_names
from engine.structures import ContactLabel, DepthOrder, FrameRange, KeypointEdit

FRAMES = 1000
MANY = 2000


def hand(seed=0, slips=None):
    return Hand(slips or Slips(), np.random.default_rng(seed), FRAMES)


def test_drags_stray_by_four_pixels_each_way():
    one = hand()
    edit = KeypointEdit(0, 3, 5, 100.0, 200.0)
    made = [one.made(PlaceJoint(edit)).edit for _ in range(MANY)]
    strays = np.array([[e.x - 100, e.y - 200] for e in made])
    np.testing.assert_allclose(strays.std(0), 4, rtol=0.1)
    np.testing.assert_allclose(strays.mean(0), 0, atol=0.4)
    assert {(e.person, e.frame, e.keypoint, e.visible) for e in made} == {(0, 3, 5, True)}


def test_a_joint_that_is_hidden_is_clicked_not_placed():
    hide = PlaceJoint(KeypointEdit(0, 3, 5, 100.0, 200.0, visible=False))
    assert hand().made(hide) == hide


def test_ends_of_intervals_stray_by_three_frames():
    one = hand()
    made = [one.made(Swap(FrameRange(300, 600))).frames for _ in range(MANY)]
    ends = np.array([[f.start - 300, f.stop - 600] for f in made])
    np.testing.assert_allclose(ends.std(0), 3, rtol=0.1)
    np.testing.assert_allclose(ends.mean(0), 0, atol=0.3)


def test_the_ends_of_the_clip_are_met_and_intervals_are_never_empty():
    one = hand(slips=Slips(interval_frames=50))
    whole = FrameRange(0, FRAMES)
    assert one.made(Swap(whole)).frames == whole
    for _ in range(200):
        frames = one.made(SayInFront(DepthOrder(0, 1, FrameRange(995, 997)))).order.frames
        assert 0 <= frames.start < frames.stop <= FRAMES


def test_one_region_in_ten_is_a_neighbour():
    one = hand()
    label = ContactLabel(0, "left_palm", 1, "right_shoulder", FrameRange(10, 20))
    made = [one.made(SayTouch(label)).label for _ in range(MANY)]
    for end, meant in (("region_a", "left_palm"), ("region_b", "right_shoulder")):
        clicked = [getattr(m, end) for m in made]
        slipped = {c for c in clicked if c != meant}
        assert 0.08 < np.mean([c != meant for c in clicked]) < 0.12
        assert slipped and slipped <= set(neighbours()[meant])


def test_neighbours_share_an_edge_of_the_skin():
    beside = neighbours()
    assert set(beside) == set(region_names())
    for name, others in beside.items():
        assert others and name not in others
        assert all(name in beside[other] for other in others)
    assert "left_wrist" in beside["left_palm"] and "left_toes" not in beside["left_palm"]


def test_what_is_typed_or_chosen_does_not_slip():
    for gesture in (SayHeight(0, 1.7), Freeze(FrameRange(4, 5))):
        assert hand().made(gesture) == gesture


def test_the_same_seed_slips_the_same_way():
    label = SayTouch(ContactLabel(0, "left_palm", 1, "right_shoulder", FrameRange(10, 20)))
    first, second, other = hand(3), hand(3), hand(4)
    made = [[h.made(label) for _ in range(20)] for h in (first, second, other)]
    assert made[0] == made[1] != made[2]
