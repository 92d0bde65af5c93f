"""Videos as they come: cuts, a camera that moves, people who leave, too many people or too few.

All made of frames of the bundled sample at half its size: a man who walks, a woman who stands, a
bystander at the left edge.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.perception import PeopleNotFoundError, PerceptionRequest, perceive
from engine.structures import Observations
from engine.video import VideoReader, probe
from tests.engine.perception.conftest import SAMPLE, write_folder

Frames = list[np.ndarray]
WIDTH, HEIGHT = 544, 960
MAN_X, WOMAN_X = 215.0, 362.0
"""Middles of their boxes in the frames used here, to 30 pixels."""
COUNT = 8


@pytest.fixture(scope="module")
def frames() -> Frames:
    """Every third frame of the sample, 544 x 960."""
    with VideoReader(SAMPLE) as reader:
        return [reader.frame(index, reduction=2) for index in range(0, 3 * COUNT, 3)]


def seen(folder: Path, images: Frames, people: int = 2) -> Observations:
    steps = perceive(probe(write_folder(folder, images)), PerceptionRequest(person_count=people))
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def mirrored(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:, ::-1])


def cropped(image: np.ndarray, x: int, y: int, width: int, height: int) -> np.ndarray:
    return np.ascontiguousarray(image[y : y + height, x : x + width])


def middles(observations: Observations) -> np.ndarray:
    """(P, F) horizontal middles of the boxes."""
    return (observations.boxes[..., 0] + observations.boxes[..., 2]) / 2


def found(observations: Observations) -> list[float]:
    """Middles of everybody in the first frame, bystanders too, from left to right."""
    rows = [middles(observations)]
    if observations.others is not None:
        rows.append(middles(observations.others))
    first = np.concatenate(rows)[:, 0]
    return sorted(first[np.isfinite(first)].tolist())


def test_a_cut_is_found_and_people_are_followed_within_each_shot(tmp_path, frames):
    images = frames[:4] + [mirrored(image) for image in frames[4:]]
    observations = seen(tmp_path / "clip", images)
    assert observations.cuts == (4,)
    assert observations.notes == (
        "The picture cuts at frame 4 (0.1 s); people are followed within each shot.",
    )
    # The clothes say who is who on the other side.
    expected = np.array([[MAN_X] * 4 + [WIDTH - MAN_X] * 4, [WOMAN_X] * 4 + [WIDTH - WOMAN_X] * 4])
    np.testing.assert_allclose(middles(observations), expected, atol=35)


def test_a_camera_that_moves_is_said_to_move(tmp_path, frames):
    images = [cropped(f, 6 * i, 60 + 8 * i, 490, 810) for i, f in enumerate(frames)]
    observations = seen(tmp_path / "clip", images)
    (note,) = observations.notes
    assert note.startswith("The camera moves: the background moves by up to ")
    moved = 6 * np.arange(COUNT)
    np.testing.assert_allclose(middles(observations)[0] + moved, MAN_X, atol=35)
    np.testing.assert_allclose(middles(observations)[1] + moved, WOMAN_X, atol=35)


def test_nobody_is_invented_in_black_frames(tmp_path, frames):
    images = [np.zeros_like(f) if i in (3, 4) else f for i, f in enumerate(frames)]
    observations = seen(tmp_path / "clip", images)
    assert observations.notes == ("Frames 3 to 4 are black.",)
    assert observations.cuts == ()
    assert np.isnan(observations.boxes[:, 3:5]).all()
    assert (observations.confidence[:, 3:5] == 0).all()
    rest = [0, 1, 2, 5, 6, 7]
    np.testing.assert_allclose(middles(observations)[0, rest], MAN_X, atol=35)
    np.testing.assert_allclose(middles(observations)[1, rest], WOMAN_X, atol=35)


def test_who_comes_back_is_who_left(tmp_path, frames):
    """The view looks away, over bare wall, and comes back."""
    wall = cv2.resize(cropped(frames[0], 300, 0, 240, 130), (WIDTH, HEIGHT))
    images = [wall if i in (3, 4) else f for i, f in enumerate(frames)]
    observations = seen(tmp_path / "clip", images)
    rest = [0, 1, 2, 5, 6, 7]
    np.testing.assert_allclose(middles(observations)[0, rest], MAN_X, atol=35)
    np.testing.assert_allclose(middles(observations)[1, rest], WOMAN_X, atol=35)
    assert (observations.confidence[:, 3:5] < 0.5).all()


@pytest.mark.parametrize("people", [2, 3])
def test_of_three_people_the_clip_s_are_followed_and_the_others_shown(tmp_path, frames, people):
    images = [np.hstack([f, mirrored(cropped(f, 225, 0, 319, HEIGHT))]) for f in frames[:3]]
    observations = seen(tmp_path / "clip", images, people)
    assert observations.person_count == people
    assert np.isfinite(observations.boxes).all()
    places = np.array([MAN_X, WOMAN_X, WIDTH + 544 - WOMAN_X])
    nearest = np.abs(middles(observations)[..., None] - places).argmin(axis=2)
    assert (nearest == nearest[:, :1]).all()  # each stays with one of them
    assert len(set(nearest[:, 0])) == people
    everybody = found(observations)
    assert all(min(abs(x - place) for x in everybody) < 35 for place in places)


def test_of_eight_people_two_are_followed_and_everybody_is_shown(tmp_path, frames):
    images = [
        np.hstack([cv2.resize(g, (272, 480)) for g in (f, mirrored(f), f, mirrored(f))])
        for f in frames[:2]
    ]
    observations = seen(tmp_path / "clip", images)
    pairs = [(MAN_X, WOMAN_X), (WIDTH - MAN_X, WIDTH - WOMAN_X)] * 2
    places = np.array([272 * k + x / 2 for k, pair in enumerate(pairs) for x in pair])
    everybody = np.array(found(observations))
    assert np.isfinite(observations.boxes).all()
    assert sum(np.abs(everybody - place).min() < 20 for place in places) >= 7


def test_one_person_is_not_two(tmp_path, frames):
    images = [cropped(f, 75, 140, 225, 480) for f in frames[:3]]
    with pytest.raises(PeopleNotFoundError):
        seen(tmp_path / "clip", images, 2)
    alone = seen(tmp_path / "clip", images, 1)
    np.testing.assert_allclose(middles(alone)[0] + 75, MAN_X, atol=35)


@pytest.mark.parametrize("what", ["wall", "black"])
def test_where_nobody_is_nobody_is_found(tmp_path, frames, what):
    wall = cv2.resize(cropped(frames[0], 300, 0, 240, 130), (480, 260))
    with pytest.raises(PeopleNotFoundError) as caught:
        seen(tmp_path / "clip", [wall if what == "wall" else np.zeros_like(wall)] * 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("size", "count"), [((WIDTH, HEIGHT), 1), ((543, 959), 2), ((2160, 3840), 1)]
)
def test_a_frame_of_any_size_is_enough(tmp_path, frames, size, count):
    images = [cv2.resize(f, size, interpolation=cv2.INTER_CUBIC) for f in frames[:count]]
    observations = seen(tmp_path / "clip", images)
    assert observations.image_size == size
    scale = size[0] / WIDTH
    np.testing.assert_allclose(middles(observations)[0], MAN_X * scale, atol=35 * scale)
    np.testing.assert_allclose(middles(observations)[1], WOMAN_X * scale, atol=35 * scale)
