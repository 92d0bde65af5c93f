from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.body.joints import HALPE26
from engine.perception.decision import boxes_of_people, decide, masks_of_frame, plausible
from engine.perception.looks import SoftMask, Witnesses
from tests.engine.perception.made_up import BLUE, RED, heard, standing, walking, witnesses

WIDTH, HEIGHT = 640, 520
COLORS = np.stack(
    [np.column_stack([np.tile(color, (10, 1)), np.full(10, 0.8)]) for color in (RED, BLUE)]
)


def oval(x: float, sure: float = 1.0, scale: float = 1.0) -> SoftMask:
    """A mask of somebody at x, in a window that the frame holds, for frames seen at a scale."""
    x0, y0, w, h = (round(v * scale) for v in (x - 100, 80, 200, 420))
    rows, columns = np.mgrid[0:105, 0:50]
    inside = ((columns - 24.5) / 22) ** 2 + ((rows - 52) / 50) ** 2 < 1
    return SoftMask((x0, y0, w, h), (255 * sure * inside).astype(np.uint8))


def halpe(x: float, scale: float = 1.0) -> np.ndarray:
    points = np.full((26, 3), np.nan)
    points[:, 2] = 0.0
    points[:17] = standing(x) * (scale, scale, 1.0)
    return points


def pair(left: float, right: float, scale: float = 1.0) -> tuple[list[Witnesses], np.ndarray]:
    """Two people with their masks and joints, in frames seen at a scale."""
    row = [
        witnesses(standing(x) * (scale, scale, 1.0), mask=oval(x, scale=scale))
        for x in (left, right)
    ]
    return row, np.stack([halpe(left, scale), halpe(right, scale)])


class TestGhosts:
    def undetected(self, truth: np.ndarray, presence: float) -> Witnesses:
        return replace(witnesses(truth), detected=False, presence=np.full(1, presence, dtype=float))

    def test_whom_the_detector_missed_and_another_model_sees_stays(self):
        row = [witnesses(standing(200)), self.undetected(standing(450), 0.9)]
        assert plausible(row) == row

    def test_whom_no_model_sees_is_dropped(self):
        row = [witnesses(standing(200)), self.undetected(standing(450), 0.2), None]
        assert plausible(row) == [row[0], None, None]

    def test_whoever_is_seen_where_the_other_one_is_detected_is_dropped(self):
        row = [self.undetected(standing(203), 0.9), witnesses(standing(200))]
        assert plausible(row) == [None, row[1]]

    def test_two_who_were_detected_are_never_ghosts(self):
        row = [witnesses(standing(200)), witnesses(standing(203))]
        assert plausible(row) == row


class TestJoints:
    def test_joints_lie_where_the_witnesses_say_and_are_sure(self):
        truth = [walking(8, 200.0), walking(8, 450.0)]
        rows = [heard(truth[0]), heard(truth[1], 7, color=BLUE)]
        points = decide(list(zip(*rows, strict=True)), np.arange(8) / 30, COLORS, ())
        assert points.shape == (2, 8, 26, 3)
        for person in range(2):
            apart = points[person, :, :17, :2] - truth[person][..., :2]
            assert np.linalg.norm(apart, axis=-1).max() < 6
        assert points[:, :, :17, 2].min() > 0.9
        assert (points[:, :, HALPE26.index("neck"), 2] > 0.9).all()

    def test_a_limb_in_the_other_one_s_colour_is_doubted(self):
        truth = [walking(8, 200.0), walking(8, 450.0)]
        rows = [heard(truth[0]), heard(truth[1], 7, color=BLUE)]
        for frame in rows[0]:
            frame.points[:, 9, 2] = 0.4
        plain = decide(list(zip(*rows, strict=True)), np.arange(8) / 30, COLORS, ())
        for frame in rows[0]:
            frame.colors[:, 4, :3] = BLUE
        other = decide(list(zip(*rows, strict=True)), np.arange(8) / 30, COLORS, ())
        assert (other[0, :, 9, 2] < plain[0, :, 9, 2]).all()
        np.testing.assert_array_equal(other[1], plain[1])

    def test_who_is_not_there_has_no_joints_and_no_box(self):
        rows = [heard(walking(6, 200.0)), heard(walking(6, 450.0), color=BLUE)]
        rows[1][2] = rows[1][3] = None
        frames = list(zip(*rows, strict=True))
        points = decide(frames, np.arange(6) / 30, COLORS, ())
        assert np.isnan(points[1, 2:4, :, :2]).all() and (points[1, 2:4, :, 2] == 0).all()
        boxes = boxes_of_people(points, frames)
        assert np.isnan(boxes[1, 2:4]).all()
        assert np.isfinite(boxes[0]).all() and np.isfinite(boxes[1, [0, 1, 4, 5]]).all()


class TestBoxes:
    def test_a_box_is_around_the_joints_that_are_likely_right(self):
        points = halpe(300)
        points[9] = (3000.0, 40.0, 0.1)
        (box,) = boxes_of_people(points[None, None], [[witnesses(standing(300))]])[0]
        assert box[2] < 400
        seen = np.delete(standing(300)[:, :2], 9, axis=0)
        assert (box[:2] < seen.min(axis=0)).all() and (box[2:] > seen.max(axis=0)).all()

    def test_where_hardly_any_is_the_detected_box_stays(self):
        points = halpe(300)
        points[5:, 2] = 0.1
        known = witnesses(standing(300))
        (box,) = boxes_of_people(points[None, None], [[known]])[0]
        np.testing.assert_array_equal(box, known.box)


class TestMasks:
    def masks(self, row, points, scale: float = 1.0) -> list[np.ndarray]:
        coded = masks_of_frame(row, points, scale, (WIDTH, HEIGHT))
        return [mask.decode() for mask in coded]

    def test_people_apart_keep_their_masks(self):
        left, right = self.masks(*pair(150, 480))
        assert left.shape == right.shape == (HEIGHT, WIDTH)
        assert left[300, 150] and right[300, 480]
        assert not left[:, 300:].any() and not right[:, :330].any()

    @pytest.mark.parametrize("right", [230, 290, 340])
    def test_masks_that_meet_share_no_pixel(self, right):
        row, points = pair(200, right)
        a, b = self.masks(row, points)
        assert not (a & b).any()
        for mask, x in ((a, 200), (b, right)):
            outer = x - 60 if x == 200 else x + 60
            assert mask[300, outer] and mask.sum() > 5000

    @pytest.mark.parametrize("scale", [0.5, 1 / 3, 0.21])
    def test_masks_are_in_the_video_s_pixels_whatever_was_kept(self, scale):
        whole = self.masks(*pair(200, 330))
        small = self.masks(*pair(200, 330, scale), scale)
        for a, b in zip(whole, small, strict=True):
            assert a.shape == b.shape
            assert (a & b).sum() / (a | b).sum() > 0.95
        assert not (small[0] & small[1]).any()

    def test_a_doubtful_mask_is_empty(self):
        row, points = pair(150, 480)
        row[1] = replace(row[1], mask=oval(480, 0.3))
        points[1, :, 2] = 0.2  # and no limb is sure enough to be drawn
        left, right = self.masks(row, points)
        assert left.any() and not right.any()

    def test_a_mask_does_not_reach_beyond_its_person(self):
        row, points = pair(150, 480)
        wide = oval(150)
        row[0] = replace(row[0], mask=replace(wide, window=(0, 80, 640, 420)))
        left, _ = self.masks(row, points)
        assert left[300, 150] and not left[:, 330:].any()

    def test_at_the_border_of_the_picture_nothing_is_lost(self):
        row, points = pair(40, 600)
        row[0] = replace(row[0], mask=replace(oval(40), window=(0, 80, 140, 420)))
        row[1] = replace(row[1], mask=replace(oval(600), window=(500, 80, 140, 420)))
        left, right = self.masks(row, points)
        assert left[300, 40] and right[300, 600]

    def test_who_has_no_mask_gets_none(self):
        row, points = pair(150, 480)
        row[1] = replace(row[1], mask=None)
        a, b = masks_of_frame(row, points, 1.0, (WIDTH, HEIGHT))
        assert a is not None and b is None
        assert masks_of_frame([None, None], points, 1.0, (WIDTH, HEIGHT)) == [None, None]
