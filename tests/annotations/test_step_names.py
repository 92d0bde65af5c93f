"""Every step of the history says what it was, and of whom."""

from __future__ import annotations

import pytest

from annotations import step_names
from engine.structures import BoxEdit, ContactLabel, DepthOrder, FrameRange, KeypointEdit

FRAMES = FrameRange(3, 9)
BOX = (1.0, 1.0, 30.0, 40.0)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            step_names.keypoint_step(KeypointEdit(0, 3, 10, 1.0, 1.0)),
            "Move right wrist of person 1",
        ),
        (
            step_names.keypoint_step(KeypointEdit(1, 3, 9, 1.0, 1.0, visible=False)),
            "Hide left wrist of person 2",
        ),
        (step_names.joint_step("Restore", 0, 99), "Restore joint of person 1"),
        (step_names.box_step(BoxEdit(3, BOX, "person", 1)), "Draw box of person 2"),
        (step_names.box_step(BoxEdit(3, BOX, "not_a_person")), "Mark not a person"),
        (
            step_names.contact_step("Mark", ContactLabel(0, "left_palm", 1, "right_hip", FRAMES)),
            "Mark contact left palm – right hip",
        ),
        (
            step_names.contact_step(
                "Change", ContactLabel(0, "left_palm", 1, "right_hip", FRAMES, "no_contact")
            ),
            "Change no contact left palm – right hip",
        ),
        (step_names.depth_step(DepthOrder(1, 0, FRAMES)), "Person 2 in front of person 1"),
        (step_names.height_step(0, 1.8), "Set height of person 1 to 1.80 m"),
        (step_names.height_step(1, None), "Forget height of person 2"),
    ],
)
def test_steps_are_told_apart_by_their_names(name, words):
    assert name == words
