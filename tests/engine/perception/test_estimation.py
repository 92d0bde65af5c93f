from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.perception.detection import Detections, search
from engine.perception.estimation import Person, Sighting, estimate

PATIENCE = 30


@pytest.fixture(scope="module")
def found(models, sample_frames) -> Detections:
    """The man and the woman of frame 0."""
    return search(models, sample_frames[0])


def sightings(found: Detections, *, hide: int | None = None) -> list[Sighting]:
    order = np.argsort(found.boxes[:2, 0])
    return [
        Sighting(found.colors[d])
        if p == hide
        else Sighting(found.colors[d], found.boxes[d], found.variants[d])
        for p, d in enumerate(order)
    ]


@pytest.fixture(scope="module")
def first(models, sample_frames, found) -> list[Person]:
    people = estimate(models, sample_frames[0], sightings(found), [None, None], PATIENCE)
    return [person for person in people if person is not None]


def test_joints_are_in_the_pixels_of_the_frame(first):
    assert len(first) == 2
    nose = first[0].keypoints[0]
    np.testing.assert_allclose(nose[:2], (497, 415), atol=40)
    for person in first:
        x0, y0, x1, y1 = person.box
        seen = person.keypoints[person.keypoints[:, 2] > 0.3]
        assert ((seen[:, :2] >= (x0, y0)) & (seen[:, :2] <= (x1, y1))).all()


def test_a_person_whom_the_detector_missed_is_followed_with_less_confidence(
    models, sample_frames, found, first
):
    followed = [person.following for person in first]
    again = estimate(models, sample_frames[0], sightings(found, hide=0), followed, PATIENCE)
    seen, guessed = first[0].keypoints, again[0].keypoints
    core = [5, 6, 11, 12, 13, 14]
    assert np.abs(seen[core, :2] - guessed[core, :2]).max() < 25
    assert (guessed[core, 2] < seen[core, 2]).all()
    assert again[0].following.missed == 1
    assert again[1].following.missed == 0


def test_patience_ends(models, sample_frames, found, first):
    tired = [replace(p.following, missed=PATIENCE) for p in first]
    again = estimate(models, sample_frames[0], sightings(found, hide=0), tired, PATIENCE)
    assert again[0] is None
    assert again[1] is not None


def test_nobody_is_followed_into_darkness(models, sample_frames, found, first):
    black = np.zeros_like(sample_frames[0])
    unseen = [Sighting(found.colors[0]), Sighting(found.colors[1])]
    followed = [person.following for person in first]
    assert estimate(models, black, unseen, followed, PATIENCE) == [None, None]


def test_a_lost_person_does_not_turn_into_the_other(models, sample_frames, found, first):
    """The man's place was forgotten onto the woman: she is one person, not two."""
    followed = [first[1].following, first[1].following]
    people = estimate(models, sample_frames[0], sightings(found, hide=0), followed, PATIENCE)
    assert people[1] is not None
    np.testing.assert_allclose(people[1].box, first[1].box, atol=40)
    if people[0] is not None:
        hips = [person.keypoints[[11, 12], :2].mean(axis=0) for person in people]
        assert np.hypot(*(hips[0] - hips[1])) > 100


def test_without_sighting_or_past_there_is_nobody(models, sample_frames, found):
    unseen = [Sighting(found.colors[0]), Sighting(found.colors[1])]
    assert estimate(models, sample_frames[0], unseen, [None, None], PATIENCE) == [None, None]
