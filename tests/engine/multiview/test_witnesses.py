"""Matching people across views, with made-up detections of known people."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import InputError
from engine.multiview.cameras import project
from engine.multiview.witnesses import SLOTS, find_people, first_points, gather, match, settled
from engine.perception.runtime import PoseModels
from tests.engine.multiview.scene import cameras, person

NOBODY = np.full((len(SLOTS), 17, 3), np.nan)


def sighting(pixels: np.ndarray, confidence: float = 0.9) -> np.ndarray:
    """What MultiPose sees at both scales; the others are silent."""
    seen = NOBODY.copy()
    seen[:2] = np.column_stack([pixels, np.full(17, confidence)])
    return seen


def clip(people: list[np.ndarray], seed: int = 4):
    """found[v][f] in random order, and which of them is who."""
    rng = np.random.default_rng(seed)
    frames = len(people[0])
    found, truth = [], np.zeros((len(people), frames, 4), int)
    for v, camera in enumerate(cameras()):
        rows = []
        for f in range(frames):
            order = rng.permutation(len(people))
            rows.append([sighting(project(camera, people[i][f])[0]) for i in order])
            truth[:, f, v] = np.argsort(order)
        found.append(rows)
    return found, truth


def test_people_are_matched_by_lines_that_meet_and_then_followed():
    people = [person(x=-0.6, frames=6), person(x=0.5, z=0.4, turn=2.0, frames=6)]
    found, truth = clip(people)
    chosen = match(cameras(), found, 2)
    left_first = np.argsort(
        [np.nanmean(project(cameras()[0], p[0])[0][5:, 0]) for p in people]
    )  # fmt: skip
    np.testing.assert_array_equal(chosen, truth[left_first])


def test_a_bystander_whom_few_views_see_is_left_alone():
    people = [person(x=-0.6, frames=4), person(x=0.5, z=0.4, frames=4)]
    found, _ = clip(people)
    bystander = sighting(project(cameras()[0], person(x=1.6, z=-2.5)[0])[0])
    found[0] = [[*row, bystander] for row in found[0]]
    assert (match(cameras(), found, 2)[:, :, 0] < 2).all()


def test_a_person_lost_by_a_view_is_not_replaced_by_somebody_else():
    people = [person(x=-0.6, frames=6), person(x=0.5, z=0.4, frames=6)]
    found, truth = clip(people)
    found[1][3] = [found[1][3][int(truth[0, 3, 1])]]
    chosen = match(cameras(), found, 2)
    assert sorted(chosen[:, 3, 1].tolist()) == [-1, 0]
    assert (chosen[:, 4, 1] >= 0).all()


def test_too_few_people_are_refused():
    found, _ = clip([person(frames=3)])
    with pytest.raises(InputError, match="first frame"):
        match(cameras(), [[[] for _ in row] for row in found], 2)


def test_evidence_of_a_view_weighs_at_most_one():
    sure = np.ones((len(SLOTS), 17, 3))
    sure[1, :, :2] = np.nan
    evidence = gather([[sure], [NOBODY]])
    assert 0.5 < evidence.weight[0].sum(axis=1).max() < 1.0
    assert (evidence.weight[1] == 0).all()
    assert (evidence.weight[0, 0, 1] == 0).all()


def test_points_are_where_the_views_agree():
    true = person(frames=2)
    views = [[sighting(project(camera, x)[0]) for x in true] for camera in cameras()]
    np.testing.assert_allclose(first_points(cameras(), gather(views)), true, atol=1e-4)


def test_cameras_are_corrected_only_by_joints_on_which_witnesses_agree():
    true = person(frames=1)
    views = [[sighting(project(camera, x)[0]) for x in true] for camera in cameras()]
    views[2][0][1, 9, :2] += 120.0
    pixels, weight = settled(gather(views))
    assert pixels.shape == (12, 4, 2)
    wrist = 9 - 5
    np.testing.assert_array_equal(weight[wrist], (1, 1, 0, 1))
    assert np.delete(weight, wrist, axis=0).all()


class OneScale(PoseModels):
    """A detector that sees two people at one scale and, of the same, one at the other."""

    def __init__(self) -> None:
        self.called = 0

    def multipose(self, image: np.ndarray, scale: float) -> np.ndarray:
        rows = np.zeros((6, 56))
        for i, x in enumerate((100.0, 600.0)[: 2 - self.called]):
            points = np.column_stack([np.linspace(x, x + 150, 17), np.linspace(100, 700, 17)])
            rows[i, :51] = np.column_stack([points + self.called, np.full(17, 0.8)]).ravel()
            rows[i, 55] = 0.7
        self.called += 1
        return rows


def test_what_two_scales_see_of_one_person_is_one_person():
    found = find_people(OneScale(), np.zeros((800, 1000, 3), np.uint8))
    assert len(found) == 2
    np.testing.assert_allclose(found[0][1] - found[0][0], np.tile((1, 1, 0), (17, 1)))
    np.testing.assert_allclose(found[1][1], found[1][0])
    assert np.isnan(found[0][2:]).all()
