"""Hands near somebody of which nobody said whether they touch."""

from __future__ import annotations

import numpy as np
import pytest

from engine.body.regions import region_vertices
from engine.body.smpl import BodyModel
from engine.fit.hands import hands_unsaid
from engine.structures import ContactLabel, FrameRange

FRAMES = 6
WHOLE = FrameRange(0, FRAMES)


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load("open-body", "1k2")


@pytest.fixture
def pair(body) -> np.ndarray:
    """The second person far to the side; in the frames 2 to 4 the first one's left palm is 2 cm
    before a point of the other's chest."""
    rest = body.v_template.numpy().astype(np.float64)
    vertices = np.repeat(np.stack([rest, rest + np.array([5.0, 0, 0])])[:, None], FRAMES, axis=1)
    palm = rest[region_vertices(body, "left_palm")].mean(0)
    chest = rest[region_vertices(body, "right_chest")[0]] + np.array([5.0, 0, 0.02])
    nearest = rest[region_vertices(body, "left_palm")]
    nearest = nearest[np.linalg.norm(nearest - palm, axis=1).argmin()]
    vertices[0, 2:5] += chest - nearest
    return vertices


def unsaid(vertices, body, *labels, part=WHOLE, valid=None):
    valid = np.ones((2, FRAMES), bool) if valid is None else valid
    return hands_unsaid(vertices[:, part.as_slice()], valid, body, labels, part)[0, 1]


def test_a_hand_near_the_other_is_found_where_it_is(pair, body):
    metres = unsaid(pair, body)
    assert (metres[2:5] <= 0.021).all()
    assert (metres[[0, 1, 5]] > 1).all()


@pytest.mark.parametrize("kind", ["contact", "no_contact"])
@pytest.mark.parametrize("region", ["left_fingers", "left_lower_arm_inner"])
def test_what_was_said_of_it_counts_either_way_in_its_frames(pair, body, kind, region):
    label = ContactLabel(0, region, 1, "right_chest", FrameRange(2, 4), kind)
    turned = ContactLabel(1, "right_chest", 0, region, FrameRange(2, 4), kind)
    for one in (label, turned):
        metres = unsaid(pair, body, one)
        assert (metres[2:4] > 0.03).all() and metres[4] <= 0.021


def test_what_was_said_of_another_hand_says_nothing(pair, body):
    labels = (
        ContactLabel(0, "right_palm", 1, "right_chest", WHOLE),
        ContactLabel(0, "left_shoulder", 1, "right_palm", WHOLE),
    )
    assert (unsaid(pair, body, *labels)[2:5] <= 0.021).all()


def test_outside_the_part_and_where_somebody_is_missing_nothing_is_known(pair, body):
    valid = np.ones((2, FRAMES), bool)
    valid[1, 3] = False
    metres = unsaid(pair, body, part=FrameRange(2, 5), valid=valid)
    assert np.isnan(metres[[0, 1, 3, 5]]).all() and np.isfinite(metres[[2, 4]]).all()
