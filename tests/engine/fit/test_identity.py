"""People who are exchanged for a while are found by their joints and their clothes; nothing else
is taken for that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.fit.clothes import colors_of
from engine.fit.identity import followed, propose_swaps, propose_swaps_in
from engine.perception.detection import PARTS
from engine.structures import FrameRange, Observations, VideoInfo
from engine.video import probe

FRAMES, FPS, SIZE = 60, 30.0, (320, 240)
SHAPE = np.array(
    [[0, -80], [-4, -84], [4, -84], [-8, -82], [8, -82], [-18, -62], [18, -62], [-26, -38],
     [26, -38], [-28, -14], [28, -14], [-10, -10], [10, -10], [-12, 30], [12, 30], [-13, 68],
     [13, 68]], float,
)  # fmt: skip
"""COCO's joints of somebody who stands, pixels about the hips."""
SHIRTS = (200, 40, 40), (40, 60, 200)
TROUSERS = (30, 30, 30), (190, 180, 150)


def meeting(*, noise: float = 1.0, seed: int = 0) -> Observations:
    """Two people who walk towards each other, stand close, and walk away again."""
    rng = np.random.default_rng(seed)
    times = np.arange(FRAMES) / FPS
    away = 12 + 45 * np.abs(np.linspace(-1.6, 1.6, FRAMES)) ** 1.5
    away = np.minimum(away, 70)
    points = np.empty((2, FRAMES, 17, 2))
    swing = np.sin(2 * np.pi * times * 1.2)
    for person, side in ((0, -1), (1, 1)):
        points[person] = SHAPE + np.array([SIZE[0] / 2, 120])
        points[person, :, :, 0] += side * away[:, None]
        points[person, :, 9, 1] -= 10 * swing * side + 12 * person
        points[person, :, 10, 0] += 6 * swing
        points[person, :, 13:15, 0] += 4 * side
    points += rng.normal(0, noise, points.shape)
    return observed(points)


def observed(points: np.ndarray) -> Observations:
    known = np.isfinite(points).all(-1)
    low, high = np.nanmin(points, axis=2) - 4, np.nanmax(points, axis=2) + 4
    return Observations(
        keypoints2d=points,
        confidence=np.where(known, 0.9, 0.0),
        layout="coco17",
        boxes=np.concatenate([low, high], axis=-1),
        times=np.arange(points.shape[1]) / FPS,
        image_size=SIZE,
    )


def exchanged(seen: Observations, start: int, stop: int) -> Observations:
    span = slice(start, stop)
    arrays = {}
    for name in ("keypoints2d", "confidence", "boxes"):
        arrays[name] = getattr(seen, name).copy()
        arrays[name][:, span] = arrays[name][::-1, span].copy()
    return replace(seen, **arrays)


def lost(seen: Observations, person: int, start: int, stop: int) -> Observations:
    points, confidence = seen.keypoints2d.copy(), seen.confidence.copy()
    boxes, span = seen.boxes.copy(), slice(start, stop)
    points[person, span], confidence[person, span], boxes[person, span] = np.nan, 0.0, np.nan
    return replace(seen, keypoints2d=points, confidence=confidence, boxes=boxes)


def filmed(folder: Path, seen: Observations, dark: range = range(0)) -> VideoInfo:
    """Pictures of the people in their clothes, the second in front; frames of `dark` are black."""
    folder.mkdir(exist_ok=True)
    for frame in range(seen.frame_count):
        picture = np.full((SIZE[1], SIZE[0], 3), 110, np.uint8)
        for person in (0, 1):
            joints = seen.keypoints2d[person, frame]
            for index, part in enumerate(PARTS):
                color = TROUSERS[person] if index >= 6 else SHIRTS[person]
                corners = np.rint(joints[list(part)]).astype(np.int32)
                cv2.polylines(picture, [corners], len(part) > 2, color, 7)
                if len(part) == 4:
                    cv2.fillPoly(picture, [corners], color)
        if frame in dark:
            picture[:] = 0
        cv2.imwrite(str(folder / f"{frame:03d}.png"), picture[..., ::-1])
    return probe(folder)


def spans(proposals) -> list[tuple[int, int]]:
    return [(p.frames.start, p.frames.stop) for p in proposals]


def test_nobody_is_exchanged_where_nobody_is():
    assert propose_swaps(meeting()) == ()


@pytest.mark.parametrize(("start", "stop"), [(22, 30), (20, 38), (36, 60)])
def test_an_exchange_is_found_where_it_is_and_saves_nats(start, stop):
    (swap,) = propose_swaps(exchanged(meeting(), start, stop))
    assert (swap.person_a, swap.person_b) == (0, 1)
    assert spans([swap]) == [(start, stop)]
    assert swap.cost_after < swap.cost_before - 10


def test_two_exchanges_are_two_proposals_the_surest_first():
    seen = exchanged(exchanged(meeting(), 19, 25), 30, 40)
    found = propose_swaps(seen)
    assert sorted(spans(found)) == [(19, 25), (30, 40)]
    saved = [p.cost_before - p.cost_after for p in found]
    assert saved == sorted(saved, reverse=True)


def test_people_far_apart_cannot_be_exchanged_however_they_jump():
    """Names change only where trackers can have mixed people up."""
    assert propose_swaps(exchanged(meeting(), 2, 9)) == ()


def test_clothes_tell_where_somebody_was_lost_for_too_long_for_joints_to_tell(tmp_path):
    seen = meeting()
    video = filmed(tmp_path / "clip", seen)
    gone = lost(lost(exchanged(seen, 44, 60), 0, 20, 44), 1, 20, 44)
    assert propose_swaps(gone) == ()
    (swap,) = propose_swaps(gone, video)
    assert spans([swap]) == [(44, 60)]
    assert propose_swaps(lost(lost(seen, 0, 20, 44), 1, 20, 44), video) == ()


def test_somebody_out_of_view_is_not_exchanged_with_anybody():
    assert propose_swaps(lost(meeting(), 1, 20, 50)) == ()
    assert propose_swaps(lost(meeting(), 0, 0, 60)) == ()


def test_black_frames_say_nothing(tmp_path):
    seen = meeting()
    video = filmed(tmp_path / "dark", seen, dark=range(20, 40))
    assert not colors_of(seen, video)[:, 20:40].any()
    gone = lost(lost(seen, 0, 20, 40), 1, 20, 40)
    assert propose_swaps(gone, video) == ()


def test_nothing_is_continuous_across_a_cut():
    """The other camera sees them from behind: left and right in the picture change."""
    seen = meeting()
    points = seen.keypoints2d.copy()
    points[:, 30:, :, 0] = SIZE[0] - points[:, 30:, :, 0]
    cut = replace(observed(points), cuts=(30,))
    assert propose_swaps(cut) == ()


def test_one_person_or_hardly_a_clip_has_nobody_to_exchange():
    seen = meeting()
    alone = observed(seen.keypoints2d[:1])
    assert propose_swaps(alone) == ()
    assert propose_swaps(observed(seen.keypoints2d[:, :2])) == ()


def test_a_part_of_a_clip_is_asked_with_what_is_around_it():
    seen = exchanged(meeting(), 20, 38)
    (swap,) = propose_swaps_in(seen, FrameRange(30, 45))
    assert spans([swap]) == [(20, 38)]
    assert propose_swaps_in(seen, FrameRange(45, 60)) == ()


class TestWhoseKeypointsBodiesAreAt:
    """Short exchanges are errors to a fit: its bodies stay with the people."""

    def bodies(self, seen: Observations) -> np.ndarray:
        """Of a fit: 26 keypoints, a little off."""
        points = np.zeros((2, FRAMES, 26, 2))
        points[:, :, :17] = seen.keypoints2d + 3.0
        return points

    def test_at_their_own_at_each_others_or_between(self):
        seen = meeting()
        own = self.bodies(seen)
        assert (followed(seen, own, (0, 1))[:15] > 0.8).all()
        swapped = followed(exchanged(seen, 0, 30), own, (0, 1))
        assert (swapped[:15] < -0.8).all() and (swapped[45:] > 0.8).all()
        between = np.repeat(own.mean(axis=0, keepdims=True), 2, axis=0)
        assert np.abs(followed(seen, between, (0, 1))).max() < 0.05

    def test_one_of_them_is_enough_and_nobody_says_nothing(self):
        seen = meeting()
        own = self.bodies(seen)
        alone = followed(lost(seen, 1, 0, 15), own, (0, 1))
        assert (alone[:15] > 0.8).all()
        nobody = followed(lost(lost(seen, 0, 0, 15), 1, 0, 15), own, (0, 1))
        assert (nobody[:15] == 0).all()

    def test_people_are_taken_by_their_rows(self):
        seen = exchanged(meeting(), 0, 60)
        own = self.bodies(meeting())
        np.testing.assert_allclose(followed(seen, own, (1, 0)), followed(seen, own, (0, 1)))


def test_what_others_say_of_who_is_who_counts():
    """Nothing else tells: both were lost for long, and there is no video."""
    seen = meeting()
    gone = lost(lost(seen, 0, 20, 44), 1, 20, 44)
    said = np.zeros(FRAMES)
    said[44:], said[:20] = 4.0, -4.0
    (swap,) = propose_swaps(gone, evidence={(0, 1): said})
    assert spans([swap]) == [(44, FRAMES)]
