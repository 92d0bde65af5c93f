from __future__ import annotations

from collections.abc import Set

import numpy as np

from engine.perception.bystanders import MOST, Bystanders, bystanders, link, meant, rows_beside
from engine.perception.detection import NOBODY, Detections, keypoint_box
from engine.structures import BoxEdit
from tests.engine.perception.made_up import BLUE, GREEN, RED, person, seen

FPS = 10.0
NO_CUTS: frozenset[int] = frozenset()


def trio(frames: int = 12, speed: float = 8.0) -> list[Detections]:
    """Red and blue stand; green walks on to the right of them. The order alternates."""
    clip = []
    for f in range(frames):
        people = [
            person(200, RED, seed=f),
            person(500, BLUE, seed=f),
            person(800 + speed * f, GREEN),
        ]
        clip.append(seen(*(people if f % 2 else people[::-1])))
    return clip


def who(color: tuple, clip: list[Detections]) -> list[int]:
    """The detection of each frame that has a colour, -1 where none has."""
    return [next((d for d in range(len(f)) if f.colors[d, 0, 0] == color[0]), -1) for f in clip]


def pair(clip: list[Detections]) -> np.ndarray:
    return np.array([who(RED, clip), who(BLUE, clip)])


def others(
    clip: list[Detections], people: np.ndarray | None = None, searched: Set[int] = frozenset()
) -> Bystanders:
    people = pair(clip) if people is None else people
    rows = rows_beside(clip, link(clip, FPS, NO_CUTS), people, FPS, searched)
    return bystanders(rows, clip, FPS, searched)


class TestLinks:
    def test_each_person_is_one_tracklet(self):
        clip = trio()
        tracklets = {tuple(t) for t in link(clip, FPS, NO_CUTS)}
        assert tracklets == {tuple(enumerate(who(c, clip))) for c in (RED, BLUE, GREEN)}

    def test_nobody_is_followed_across_a_cut(self):
        tracklets = link(trio(), FPS, frozenset({5}))
        assert len(tracklets) == 6
        assert all(t[-1][0] < 5 or t[0][0] >= 5 for t in tracklets)

    def test_who_is_lost_for_long_is_another_tracklet(self):
        for gap, count in ((5, 1), (15, 2)):
            clip = [seen(person(200))] * 3 + [NOBODY] * gap + [seen(person(200))] * 3
            assert len(link(clip, FPS, NO_CUTS)) == count

    def test_somebody_dressed_otherwise_at_the_same_place_is_another(self):
        assert len(link([seen(person(200, RED)), seen(person(200, BLUE))], FPS, NO_CUTS)) == 2

    def test_every_detection_is_in_one_tracklet(self):
        clip = trio()
        members = [member for t in link(clip, FPS, NO_CUTS) for member in t]
        assert sorted(members) == [(f, d) for f in range(12) for d in range(3)]


class TestMarks:
    def mark(self, clip: list[Detections], frame: int, detection: int) -> BoxEdit:
        box = tuple((clip[frame].boxes[detection] + (8, -10, 12, 6)).tolist())
        return BoxEdit(frame, box, "someone_else")

    def test_a_mark_in_one_frame_means_the_person_in_all(self):
        clip = trio()
        green = who(GREEN, clip)
        said = meant([self.mark(clip, 4, green[4])], clip, link(clip, FPS, NO_CUTS))
        assert said == set(enumerate(green))

    def test_behind_a_cut_it_means_nobody(self):
        clip = trio()
        green = who(GREEN, clip)
        said = meant([self.mark(clip, 4, green[4])], clip, link(clip, FPS, frozenset({6})))
        assert said == set(list(enumerate(green))[:6])

    def test_a_mark_where_nobody_is_means_nobody(self):
        clip = trio()
        nowhere = BoxEdit(4, (2000.0, 0.0, 2100.0, 300.0), "not_a_person")
        beyond = self.mark(clip, 4, 0)
        beyond = BoxEdit(99, beyond.box, "someone_else")
        assert meant([nowhere, beyond], clip, link(clip, FPS, NO_CUTS)) == set()
        assert meant([self.mark(clip, 4, 0)], [NOBODY] * 12, []) == set()

    def test_one_of_the_people_is_not_meant_and_ends_what_is(self):
        clip = trio()
        green = who(GREEN, clip)
        people = {(2, green[2]), (8, green[8])}
        marks = [self.mark(clip, f, green[f]) for f in (2, 5)]
        said = meant(marks, clip, link(clip, FPS, NO_CUTS), people)
        assert said == {(f, green[f]) for f in range(3, 8)}


class TestOthers:
    def test_a_third_person_is_told_in_every_frame(self):
        clip = trio()
        told = others(clip)
        green = who(GREEN, clip)
        assert told.boxes.shape == (1, 12, 4) and told.keypoints.shape == (1, 12, 26, 3)
        for f in range(12):
            np.testing.assert_array_equal(told.boxes[0, f], clip[f].boxes[green[f]])
            np.testing.assert_array_equal(told.keypoints[0, f, :17], clip[f].keypoints[green[f]])

    def test_between_sightings_the_person_is_on_the_way_and_doubted(self):
        clip = trio()
        for f in (4, 5, 6):
            clip[f] = clip[f].only([d for d in range(3) if d != who(GREEN, clip)[f]])
        told = others(clip)
        assert len(told.boxes) == 1
        steps = np.diff(told.boxes[0, :, 0])
        np.testing.assert_allclose(steps, 8, atol=1e-6)
        assert told.keypoints[0, [4, 5, 6], :, 2].max() <= 0.3 < told.keypoints[0, 3, 0, 2]

    def test_whoever_is_not_found_in_a_frame_that_was_searched_whole_is_not_there(self):
        clip = trio()
        for f in (4, 5, 6):
            clip[f] = clip[f].only([d for d in range(3) if d != who(GREEN, clip)[f]])
        told = others(clip, searched={0, 5, 10})
        assert np.isnan(told.boxes[0, 4:7]).all()

    def test_a_glimpse_twice_is_nobody(self):
        clip = trio(20, speed=0.0)
        for f in range(1, 10):
            clip[f] = clip[f].only([d for d in range(3) if d != who(GREEN, clip)[f]])
        for f in range(11, 20):
            clip[f] = clip[f].only([d for d in range(3) if d != who(GREEN, clip)[f]])
        assert len(others(clip, searched={0, 10}).boxes) == 1
        assert len(others(clip, searched={0, 2, 4, 6, 8, 10}).boxes) == 0

    def test_a_long_absence_stays_empty(self):
        clip = trio(30, speed=0.0)
        for f in range(5, 16):
            clip[f] = clip[f].only([d for d in range(3) if d != who(GREEN, clip)[f]])
        told = others(clip)
        absent = np.isnan(told.boxes[0, :, 0])
        assert absent[5:16].all() and not absent[:5].any() and not absent[16:].any()
        assert (told.keypoints[0, 5:16, :, 2] == 0).all()
        assert np.isnan(told.keypoints[0, 5:16, :, :2]).all()

    def test_nobody_beside_the_pair_is_nobody(self):
        clip = [seen(person(200, RED, seed=f), person(500, BLUE, seed=f)) for f in range(5)]
        assert others(clip).boxes.shape == (0, 5, 4)

    def test_neither_the_small_nor_the_brief_are_told(self):
        clip = [seen(person(200, RED, seed=f), person(500, BLUE, seed=f)) for f in range(12)]
        small = [person(800, GREEN, 90.0, seed=f) for f in range(12)]
        clip = [
            seen(*zip(c.keypoints, c.colors, strict=True), s)
            for c, s in zip(clip, small, strict=True)
        ]
        clip[7] = seen(*zip(clip[7].keypoints, clip[7].colors, strict=True), person(1200, GREEN))
        assert len(others(clip).boxes) == 0

    def test_the_most_prominent_comes_first(self):
        clip = trio()
        far = [person(1400, (200.0, 90.0, 60.0), 200.0, seed=f) for f in range(12)]
        clip = [
            seen(p, *zip(c.keypoints, c.colors, strict=True))
            for c, p in zip(clip, far, strict=True)
        ]
        told = others(clip)
        assert len(told.boxes) == 2
        heights = told.boxes[:, 0, 3] - told.boxes[:, 0, 1]
        assert heights[0] > 1.5 * heights[1]

    def test_in_a_crowd_rows_are_shared_and_nobody_drifts_from_one_to_another(self):
        """More people, one after another, than there are rows."""
        early = [person(700 + 300 * k, GREEN) for k in range(MOST)]
        late = [person(550 + 300 * k, GREEN) for k in range(MOST)]
        stay = [person(-300, RED), person(-50, BLUE)]
        clip = [seen(*stay, *early)] * 5 + [seen(*stay)] * 2 + [seen(*stay, *late)] * 5
        told = others(clip)
        assert len(told.boxes) == MOST
        assert np.isfinite(told.boxes[:, [0, 11]]).all()
        assert np.isnan(told.boxes[:, 5:7]).all()

    def test_where_one_of_the_pair_was_is_nobody_else(self):
        """A tracklet that tracking took for blue for three frames."""
        clip = trio()
        rows = pair(clip)
        green = who(GREEN, clip)
        rows[1, 4:7] = green[4:7]
        told = others(clip, rows)
        mostly = told.boxes[np.isfinite(told.boxes[..., 0]).sum(axis=1).argmax()]
        assert np.isnan(mostly[4:7]).all() and np.isfinite(mostly[[3, 7]]).all()

    def test_boxes_are_around_the_joints(self):
        told = others(trio())
        around = keypoint_box(told.keypoints[0, 0, :17])
        np.testing.assert_allclose(told.boxes[0, 0], around)
