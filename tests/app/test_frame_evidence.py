"""Who is beside whom in a picture."""

from __future__ import annotations

import numpy as np
import pytest

from annotations.edits import default_identities
from annotations.records import ClipState
from app.frame_evidence import beside
from engine.structures import Observations

NOWHERE = (np.nan,) * 4
FIRST = (100.0, 0.0, 200.0, 100.0)


def state(*boxes: tuple[float, ...]) -> ClipState:
    """People with these boxes in one frame."""
    return ClipState(
        default_identities(len(boxes)),
        Observations(
            keypoints2d=np.full((len(boxes), 1, 17, 2), np.nan),
            confidence=np.zeros((len(boxes), 1, 17)),
            layout="coco17",
            boxes=np.array(boxes, float)[:, None],
            times=np.zeros(1),
            image_size=(400, 100),
        ),
    )


@pytest.mark.parametrize(
    ("second", "third", "found"),
    [
        pytest.param((190, 0, 290, 100), (120, 0, 220, 100), 2, id="whose box covers most"),
        pytest.param((190, 0, 290, 100), (205, 0, 305, 100), 1, id="covers rather than touches"),
        pytest.param((230, 0, 330, 100), (10, 0, 90, 100), 2, id="else whose box is nearest"),
        pytest.param(NOWHERE, (380, 0, 400, 100), 2, id="whose box is known"),
        pytest.param(NOWHERE, NOWHERE, None, id="nobody whose box is unknown"),
    ],
)
def test_of_several_the_nearest_is_beside(second, third, found):
    assert beside(state(FIRST, second, third), 0, 0) == found


def test_of_two_the_other_is_beside_also_where_boxes_are_missing():
    assert beside(state(FIRST, NOWHERE), 0, 0) == 1
    assert beside(state(FIRST, NOWHERE), 1, 0) == 0


def test_beside_somebody_without_a_box_is_nobody_certain():
    assert beside(state(NOWHERE, FIRST, FIRST), 0, 0) is None


def test_somebody_alone_has_nobody_beside():
    assert beside(state(FIRST), 0, 0) is None
