"""A joint on somebody else's mask was found on the wrong body."""

from __future__ import annotations

import numpy as np
import pytest

from engine.fit.keypoint_gate import DOUBT, gated, inside
from engine.structures import Constraints, MaskEdit, Observations, RunLengthMask

SIZE = (120, 80)
"""Width, height."""


def mask(x0: int, x1: int) -> RunLengthMask:
    pixels = np.zeros(SIZE[::-1], bool)
    pixels[10:70, x0:x1] = True
    return RunLengthMask.encode(pixels)


def seen(
    stray: tuple[float, float], boxes: tuple[tuple[float, ...], ...], masked: bool = True
) -> Observations:
    """Two people; the first one's second joint is `stray`."""
    points = np.array([[[[30.0, 40.0], stray]], [[[90.0, 40.0], [92.0, 30.0]]]])
    return Observations(
        keypoints2d=points,
        confidence=np.full((2, 1, 2), 0.8),
        layout="coco17",
        boxes=np.array(boxes)[:, None],
        times=np.zeros(1),
        image_size=SIZE,
        masks=((mask(20, 50),), (mask(80, 110),)) if masked else None,
    )


APART = (20.0, 10.0, 50.0, 70.0), (80.0, 10.0, 110.0, 70.0)
OVERLAP = (20.0, 10.0, 95.0, 70.0), (80.0, 10.0, 110.0, 70.0)


def test_a_joint_on_the_others_mask_counts_for_little() -> None:
    confidence = gated(seen((100, 40), APART), Constraints()).confidence
    assert confidence[0, 0].tolist() == pytest.approx([0.8, 0.8 * DOUBT])
    assert (confidence[1] == 0.8).all()


def test_a_joint_beside_all_masks_is_left_as_it_is() -> None:
    """Masks miss hands."""
    assert (gated(seen((60, 40), APART), Constraints()).confidence == 0.8).all()


def test_where_boxes_overlap_masks_say_nothing() -> None:
    assert (gated(seen((85, 40), OVERLAP), Constraints()).confidence == 0.8).all()


def test_but_those_do_that_a_person_drew() -> None:
    said = Constraints(mask_edits=(MaskEdit(1, 0, mask(80, 110)),))
    confidence = gated(seen((85, 40), OVERLAP), said).confidence
    assert confidence[0, 0].tolist() == pytest.approx([0.8, 0.8 * DOUBT])
    own = Constraints(mask_edits=(MaskEdit(0, 0, mask(20, 90)),))
    assert (gated(seen((85, 40), OVERLAP), own).confidence == 0.8).all()
    assert gated(seen((60, 40), APART), Constraints(mask_edits=(MaskEdit(0, 0, mask(20, 50)),))
                 ).confidence[0, 0, 1] == pytest.approx(0.8 * DOUBT)  # fmt: skip


def test_without_masks_nothing_changes() -> None:
    observations = seen((100, 40), APART, masked=False)
    assert gated(observations, Constraints()) is observations


def test_a_mask_is_looked_up_as_it_would_decode() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.random(SIZE[::-1]) > 0.5
    points = rng.uniform(-5, 125, (300, 2))
    expected = [
        0 <= x < SIZE[0] and 0 <= y < SIZE[1] and bool(pixels[int(y), int(x)])
        for x, y in points.tolist()
    ]
    assert inside(RunLengthMask.encode(pixels), points).tolist() == expected
