"""Cuts, empty frames and camera motion on pictures of a made-up room, so that the truth is known.

Two people in patterned clothes, each moving on its own, stand before a textured wall.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from engine.perception.shots import ShotWatcher, camera_notes
from engine.video import VideoReader
from engine.weights import WEIGHTS_DIR

WIDTH, HEIGHT = 320, 180
Frames = list[np.ndarray]
Path = Callable[[int], tuple[float, float]]


def room(seed: int, width: int = 640, height: int = 360) -> np.ndarray:
    """A wall with texture of every size, in colours of its own."""
    rng = np.random.default_rng(seed)
    wall = np.zeros((height, width, 3), np.float32)
    for size in (4, 12, 40, 120):
        small = rng.normal(0, 1, (height // size + 2, width // size + 2, 3)).astype(np.float32)
        wall += size**0.4 * cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.normalize(wall, None, 20, 230, cv2.NORM_MINMAX).astype(np.uint8)


def with_people(wall: np.ndarray, clothes: np.ndarray, frame: int) -> np.ndarray:
    image = wall.copy()
    for person, speed in enumerate((1.5, -1.0)):
        x = int(wall.shape[1] * (0.42 + 0.13 * person) + 20 * np.sin(0.1 * speed * frame))
        y = wall.shape[0] // 4
        image[y : y + 150, x : x + 34] = clothes[:150, 40 * person : 40 * person + 34]
    return image


def shot(seed: int, frames: int, path: Path = lambda frame: (160.0, 90.0)) -> Frames:
    """The camera looks at WIDTH x HEIGHT pixels of the room from `path(frame)` on."""
    wall, clothes = room(seed), room(seed + 100)
    out = []
    for frame in range(frames):
        x, y = path(frame)
        M = np.array([[1.0, 0.0, -x], [0.0, 1.0, -y]])
        out.append(cv2.warpAffine(with_people(wall, clothes, frame), M, (WIDTH, HEIGHT)))
    return out


def watched(frames: Sequence[np.ndarray]) -> ShotWatcher:
    watcher = ShotWatcher()
    for index, image in enumerate(frames):
        watcher.see(index, image)
    return watcher


def blend(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    return cv2.addWeighted(a, 1 - share, b, share, 0)


class TestCuts:
    def test_a_shot_begins_where_the_picture_becomes_another(self):
        frames = shot(1, 24) + shot(2, 20) + shot(3, 16)
        assert watched(frames).cuts == (24, 44)

    @pytest.mark.parametrize("frames_of_the_last_shot", [2, 3, 9])
    def test_a_cut_near_the_end_is_found(self, frames_of_the_last_shot):
        assert watched(shot(1, 12) + shot(2, frames_of_the_last_shot)).cuts == (12,)

    def test_the_same_room_mirrored_is_another_shot(self):
        frames = shot(1, 40)
        assert watched(frames[:20] + [f[:, ::-1].copy() for f in frames[20:]]).cuts == (20,)

    def test_a_leap_of_the_picture_is_a_cut(self):
        before, after = shot(1, 20), shot(1, 20, lambda frame: (185.0, 100.0))
        assert watched(before + after).cuts == (20,)

    def test_a_cut_while_the_camera_pans_is_found(self):
        frames = shot(1, 20, lambda f: (40 + 8.0 * f, 90)) + shot(
            2, 20, lambda f: (240 - 8.0 * f, 90)
        )
        assert watched(frames).cuts == (20,)

    @pytest.mark.parametrize("length", [6, 16, 40])
    def test_a_dissolve_is_a_cut_in_its_middle(self, length):
        a, b = shot(1, 20 + length), shot(2, 20 + length)
        mixed = [blend(a[20 + i], b[i], (i + 1) / (length + 1)) for i in range(length)]
        (cut,) = watched(a[:20] + mixed + b[length:]).cuts
        assert abs(cut - (20 + length / 2)) <= max(2, length // 5)

    def test_a_fade_through_black_to_another_room_is_one_cut(self):
        a = [
            blend(f, np.zeros_like(f), min(1.0, max(0, i - 9) / 10))
            for i, f in enumerate(shot(1, 20))
        ]
        b = [blend(f, np.zeros_like(f), max(0.0, 1 - i / 10)) for i, f in enumerate(shot(2, 20))]
        (cut,) = watched(a + b).cuts
        assert 19 <= cut <= 22

    @pytest.mark.parametrize("gain", [0.4, 2.5])
    @pytest.mark.parametrize("length", [1, 3])
    def test_a_flash_is_none(self, gain, length):
        frames = shot(1, 30)
        for index in range(12, 12 + length):
            frames[index] = cv2.convertScaleAbs(frames[index], alpha=gain, beta=40)
        assert watched(frames).cuts == ()

    def test_light_that_is_switched_on_is_none(self):
        frames = [
            cv2.convertScaleAbs(f, alpha=0.4) if i < 15 else f for i, f in enumerate(shot(1, 30))
        ]
        assert watched(frames).cuts == ()

    def test_somebody_who_crosses_before_the_camera_is_none(self):
        frames = shot(1, 40)
        coat = room(9)[:HEIGHT, :150]
        for index in range(12, 28):
            x = -150 + 30 * (index - 12)
            left, right = max(0, x), min(WIDTH, x + 150)
            if right > left:
                frames[index][:, left:right] = coat[:, left - x : right - x]
        assert watched(frames).cuts == ()

    @pytest.mark.parametrize("speed", [2.0, 10.0, 25.0])
    def test_a_pan_is_none(self, speed):
        frames = shot(1, 40, lambda f: (160 + 150 * np.sin(speed * f / 150), 90))
        assert watched(frames).cuts == ()

    def test_a_whip_pan_is_none(self):
        frames = shot(1, 40, lambda f: (20 + 280 / (1 + np.exp(-(f - 20) / 1.2)), 90))
        assert watched(frames).cuts == ()

    def test_black_frames_within_a_shot_are_none(self):
        frames = shot(1, 40)
        for index in range(12, 23):
            frames[index][:] = 0
        watcher = watched(frames)
        assert watcher.cuts == ()
        assert watcher.black == tuple(range(12, 23))

    def test_the_sample_has_none(self):
        with VideoReader(WEIGHTS_DIR / "sample" / "reach.mp4") as reader:
            watcher = watched([image for _, image in reader.frames(0, 24)])
        assert watcher.cuts == watcher.black == ()
        assert watcher.camera_motion.kind == "static"
        assert watcher.camera_motion.drift_px < 1


class TestCameraMotion:
    def test_a_camera_that_stands_is_static_whoever_moves(self):
        motion = watched(shot(1, 40)).camera_motion
        assert motion.kind == "static"
        assert motion.drift_px < 0.2
        np.testing.assert_allclose(
            motion.H_frame_previous[1:], np.broadcast_to(np.eye(3), (39, 3, 3)), atol=0.2
        )

    def test_a_pan_is_measured(self):
        motion = watched(shot(1, 40, lambda f: (40 + 5.0 * f, 90 + 1.0 * f))).camera_motion
        assert motion.kind == "moving"
        np.testing.assert_allclose(motion.H_frame_previous[1:, 0, 2], -5, atol=0.3)
        np.testing.assert_allclose(motion.H_frame_previous[1:, 1, 2], -1, atol=0.3)
        assert motion.drift_px == pytest.approx(38.5 * np.hypot(5, 1), rel=0.02)

    def test_lengths_are_pixels_of_the_video(self):
        frames = [
            cv2.resize(f, None, fx=3, fy=3) for f in shot(1, 20, lambda f: (60 + 5.0 * f, 90))
        ]
        steps = watched(frames).camera_motion.H_frame_previous[1:, 0, 2]
        np.testing.assert_allclose(steps, -15, atol=0.9)

    def test_a_hand_that_shakes_is_told_from_a_pan(self):
        rng = np.random.default_rng(0)
        shakes = rng.normal((160, 90), 1.2, (40, 2))
        motion = watched(shot(1, 40, lambda f: tuple(shakes[f]))).camera_motion
        assert motion.kind == "shaky"

    def test_people_who_fill_the_picture_do_not_count_where_their_boxes_are_known(self):
        frames = shot(1, 30)
        coat = room(9)[: HEIGHT - 20, :190]
        boxes = np.full((1, 30, 4), np.nan)
        for index in range(30):
            x = 10 + 3 * index
            frames[index][10 : HEIGHT - 10, x : x + 190] = coat
            boxes[0, index] = x, 10, x + 190, HEIGHT - 10
        motion = watched(frames).camera_motion_behind(boxes)
        assert motion.kind == "static"
        assert motion.drift_px < 0.5

    def test_it_begins_anew_after_a_cut(self):
        motion = watched(shot(1, 20, lambda f: (60 + 5.0 * f, 90)) + shot(2, 20)).camera_motion
        assert np.isnan(motion.H_frame_previous[20]).all()
        assert np.nanmax(motion.shift_px[21:]) < 0.3

    def test_a_picture_of_noise_says_nothing(self):
        rng = np.random.default_rng(0)
        noise = [rng.integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8) for _ in range(10)]
        assert watched(noise).camera_motion.kind == "unknown"


class TestNotes:
    def test_a_quiet_video_has_none(self):
        assert watched(shot(1, 10)).notes(30.0) == ()

    def test_cuts_are_named_by_frame_and_time(self):
        assert watched(shot(1, 57) + shot(2, 10)).notes(30.0) == (
            "The picture cuts at frame 57 (1.9 s); people are followed within each shot.",
        )

    def test_black_frames_are_named(self):
        frames = shot(1, 30)
        for index in range(10, 23):
            frames[index][:] = 0
        assert watched(frames).notes(30.0) == ("Frames 10 to 22 are black.",)

    def test_frames_of_one_colour_are_named(self):
        frames = shot(1, 10)
        frames[4][:] = (0, 0, 255)
        assert watched(frames).notes(30.0) == ("Frame 4 is of one colour.",)

    def test_a_moving_camera_is_named(self):
        (note,) = watched(shot(1, 30, lambda f: (40 + 5.0 * f, 90))).notes(30.0)
        assert note.startswith("The camera moves: the background moves by up to 14")

    def test_a_video_that_was_not_seen_has_none(self):
        watcher = ShotWatcher()
        assert watcher.notes(30.0) == ()
        assert watcher.cuts == watcher.black == ()
        assert camera_notes(watcher.camera_motion) == ()

    def test_a_single_frame_has_none(self):
        assert watched(shot(1, 1)).notes(30.0) == ()


def test_frames_come_in_order():
    watcher = watched(shot(1, 2))
    with pytest.raises(ValueError, match="frame 1 after frame 1"):
        watcher.see(1, shot(1, 1)[0])


def test_what_is_kept_of_a_frame_is_bounded():
    watcher = watched(shot(1, 150))
    kept = sum(sight.places.nbytes for sight in watcher._follower.sights)
    assert kept <= 150 * 384
    assert len(watcher._glances) == 65
