"""What is behind people: known where it was seen, and else said to be unknown."""

from __future__ import annotations

import numpy as np

from engine.appearance.background import background, nothing_known, occupied

SIZE = (80, 100)
"""Width, height."""


def scene(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(40, 200, (SIZE[1], SIZE[0], 3)).astype(np.uint8)


def walking(place: np.ndarray, frames: int, step: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """A white person 20 pixels wide, who moves `step` pixels a frame over a noisy place."""
    rng = np.random.default_rng(1)
    pictures, masks = [], []
    for frame in range(frames):
        picture = np.clip(place + rng.normal(0, 2, place.shape), 0, 255).astype(np.uint8)
        mask = np.zeros(place.shape[:2], bool)
        mask[20:90, frame * step : frame * step + 20] = True
        picture[mask] = 255
        pictures.append(picture)
        masks.append(mask)
    return pictures, masks


def test_the_place_is_found_behind_somebody_who_walks_by() -> None:
    place = scene(np.random.default_rng(0))
    found = background(*walking(place, 9, 7))
    assert found.known.all()
    assert np.abs(found.image.astype(int) - place).max() < 8


def test_what_nobody_ever_left_free_is_unknown() -> None:
    found = background(*walking(scene(np.random.default_rng(0)), 9, 0))
    assert not found.known[20:90, :20].any()
    assert found.known[:, 20:].all()


def test_where_the_camera_moves_nothing_is_known() -> None:
    place = scene(np.random.default_rng(0))
    pictures = [np.roll(place, 3 * frame, axis=1) for frame in range(9)]
    empty = [np.zeros(SIZE[::-1], bool)] * 9
    assert background(pictures, empty).known.mean() < 0.05
    assert not nothing_known(SIZE).known.any()


def test_who_has_no_mask_takes_up_the_box() -> None:
    boxes = np.array([[10.0, 10, 30, 60], [np.nan] * 4])
    taken = occupied([None, None], boxes, SIZE)
    assert taken[10:60, 10:30].all() and not taken[:, 60:].any()


def test_a_mask_is_widened_a_little() -> None:
    mask = np.zeros(SIZE[::-1], bool)
    mask[20:60, 20:40] = True
    taken = occupied([mask], np.array([[20.0, 20, 40, 60]]), SIZE)
    assert taken.sum() > mask.sum() and taken[19, 30] and not taken[15, 30]
