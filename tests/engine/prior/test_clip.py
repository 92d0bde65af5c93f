"""Clips on the prior's 30 Hz, in windows, and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.body.joints import COCO17, HALPE26
from engine.errors import InputError
from engine.prior.clip import (
    WINDOWS,
    Windowing,
    at_times,
    blended,
    blended_as_seen,
    check_clip,
    grid_of,
    rays_in_halpe26,
    resample_keypoints,
    seen_on_grid,
    windows_of,
)
from engine.prior.windows import PairWindows, Seen
from tests.engine.prior.people import close, people, seen

K = np.array([[900.0, 0, 320], [0, 880.0, 240], [0, 0, 1]])


@settings(deadline=None, max_examples=40, derandomize=True)
@given(frames=st.integers(1, 300))
def test_what_is_cut_and_blended_comes_back(frames: int) -> None:
    cut = Windowing.of(frames)
    values = torch.arange(float(frames))[:, None].expand(-1, 3).contiguous()
    windows = cut.cut(values)
    assert windows.shape[1:] == (cut.size, 3)
    assert cut.size in WINDOWS
    assert torch.allclose(cut.blend(windows), values, atol=1e-3)


@pytest.mark.parametrize(
    ("frames", "size"), [(1, 16), (16, 16), (17, 32), (33, 64), (64, 64), (65, 64), (900, 64)]
)
def test_a_clip_is_looked_at_in_the_shortest_window_that_holds_it(frames: int, size: int) -> None:
    assert Windowing.of(frames).size == size


def test_windows_fade_into_each_other() -> None:
    cut = Windowing.of(200)
    windows = torch.arange(len(cut.cut(torch.zeros(200, 1))) * 1.0)[:, None, None]
    steps = cut.blend(windows.expand(-1, 64, 1))[:, 0].diff()
    assert float(steps.min()) > -1e-5
    assert float(steps.max()) < 0.2


def test_a_clip_in_windows_is_the_clip_again() -> None:
    windows = people(count=1, frames=150)
    whole = seen(windows)
    cut = Windowing.of(150)
    rays, confidence = (v[0].transpose(0, 1) for v in (whole.rays, whole.confidence))
    pieces = windows_of(rays, confidence, cut)

    def cut_up(values: torch.Tensor) -> torch.Tensor:
        return cut.cut(values[0].transpose(0, 1)).transpose(1, 2)

    rotations = cut_up(windows.rotations)
    rotations[rotations.abs().sum((-1, -2)) == 0] = torch.eye(3)  # past the end
    parts = PairWindows(
        rotations,
        cut_up(windows.pelvis),
        windows.betas.expand(len(rotations), -1, -1),
        windows.up.expand(len(rotations), -1),
    )
    back = blended(parts, cut, pieces)
    assert close(back, windows, atol=1e-3)
    assert torch.allclose(back.up, windows.up, atol=1e-5)


class TestWhatIsSeenSaysWhichWindowCounts:
    CUT = Windowing.of(200)

    def windows(self) -> tuple[torch.Tensor, Seen]:
        """Each window says its own frame numbers, and is seen whole."""
        frames = torch.arange(200.0)
        values = self.CUT.cut(frames[:, None])[:, None].clone()
        return values, Seen.nothing(len(values), 1, 64)

    def seen_in(self, *indices: int) -> Seen:
        _, nothing = self.windows()
        confidence = nothing.confidence.clone()
        confidence[list(indices)] = 1.0
        return Seen(nothing.rays, confidence)

    def test_windows_in_which_nobody_is_seen_do_not_count(self) -> None:
        values, _ = self.windows()
        count = len(values)
        values[1] = 1e6
        only_others = self.seen_in(*(i for i in range(count) if i != 1))
        found = blended_as_seen(values, self.CUT, only_others)[:, 0, 0]
        assert torch.allclose(found, torch.arange(200.0), atol=1e-2)

    def test_frames_that_only_such_windows_have_lie_between_their_neighbours(self) -> None:
        values, _ = self.windows()
        last = len(values) - 1
        values[1:last] = -1e6
        found = blended_as_seen(values, self.CUT, self.seen_in(0, last))[:, 0, 0]
        assert torch.allclose(found[:144], torch.arange(144.0), atol=1e-2)

    def test_beyond_the_last_seen_window_the_last_frame_stays(self) -> None:
        values, _ = self.windows()
        values[1:] = -1e6
        found = blended_as_seen(values, self.CUT, self.seen_in(0))[:, 0, 0]
        assert torch.allclose(found[:64], torch.arange(64.0), atol=1e-3)
        assert torch.allclose(found[64:], torch.tensor(63.0), atol=1e-3)

    def test_with_nobody_seen_anywhere_all_count_the_same(self) -> None:
        values, nothing = self.windows()
        found = blended_as_seen(values, self.CUT, nothing)[:, 0, 0]
        assert torch.allclose(found[:190], torch.arange(190.0), atol=1e-2)


def test_the_grid_is_thirty_a_second() -> None:
    assert len(grid_of(np.array([2.0]))) == 1
    grid = grid_of(np.arange(50) / 25 + 7.0)
    assert len(grid) == 60
    assert np.allclose(np.diff(grid), 1 / 30)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(rate=st.floats(4, 130), frames=st.integers(1, 60), seed=st.integers(0, 99))
def test_even_movement_survives_the_grid_at_any_rate(rate: float, frames: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.5, 1.5, frames)) / rate
    rays = np.broadcast_to(times[None, :, None, None], (1, frames, 26, 2)).copy()
    there, confidence = seen_on_grid(rays, np.ones((1, frames, 26)), times)
    grid = torch.from_numpy(grid_of(times).clip(times[0], times[-1])).float()
    assert torch.allclose(there[:, 0, 0, 0], grid, atol=1e-5)
    assert bool((confidence == 1).all())
    back = at_times(there, times)[:, 0, 0, 0].numpy()
    inside = times < times[-1] - 1 / 30
    assert np.allclose(back[inside], times[inside], atol=1e-4)
    assert np.allclose(back, times, atol=1 / 60)


def test_a_missing_keypoint_is_not_invented() -> None:
    times = np.arange(10) / 10
    rays = np.ones((1, 10, 26, 2))
    confidence = np.full((1, 10, 26), 0.8)
    confidence[:, 4:7, 3] = 0
    rays[:, 4:7, 3] = 0
    there, seen_then = resample_keypoints(rays, confidence, times, grid_of(times))
    hidden = seen_then[0, :, 3] == 0
    # From half way to the first hidden frame until half way back.
    assert hidden.sum() == pytest.approx(9, abs=2)
    assert (there[0, hidden, 3] == 0).all()
    assert (there[0, ~hidden, 3] == 1).all()
    assert np.allclose(seen_then[0, ~hidden, 3], 0.8)


class TestRays:
    def pixels(self, names: tuple[str, ...] = HALPE26) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(3)
        return rng.uniform(0, 600, (2, 4, len(names), 2)), np.full((2, 4, len(names)), 0.7)

    def test_a_ray_is_projected_back_to_its_pixel(self) -> None:
        pixels, confidence = self.pixels()
        rays, found = rays_in_halpe26(pixels, confidence, "halpe26", K)
        again = np.stack([rays[..., 0] * 900 + 320, rays[..., 1] * 880 + 240], axis=-1)
        assert np.allclose(again, pixels)
        assert np.allclose(found, 0.7)

    def test_fewer_keypoints_stand_where_halpe_has_them(self) -> None:
        pixels, confidence = self.pixels(COCO17)
        rays, found = rays_in_halpe26(pixels, confidence, "coco17", K)
        knee = HALPE26.index("left_knee"), COCO17.index("left_knee")
        assert np.allclose(rays[..., knee[0], 0] * 900 + 320, pixels[..., knee[1], 0])
        assert (found > 0).sum() == 2 * 4 * 17

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_what_is_no_number_is_missing(self, bad: float) -> None:
        pixels, confidence = self.pixels()
        pixels[0, 1, 2, 0] = bad
        confidence[1, 2, 3] = bad
        confidence[1, 3, 4] = -0.5
        rays, found = rays_in_halpe26(pixels, confidence, "halpe26", K)
        for place in ((0, 1, 2), (1, 2, 3), (1, 3, 4)):
            assert found[place] == 0
            assert (rays[place] == 0).all()
        assert (found > 0).sum() == found.size - 3
        assert np.isfinite(rays).all()

    def test_keypoints_of_another_layout(self) -> None:
        pixels, confidence = self.pixels(COCO17)
        with pytest.raises(InputError, match="not halpe26; expected 26 keypoints, received 17"):
            rays_in_halpe26(pixels, confidence, "halpe26", K)


class TestClipsThatAreNone:
    def check(
        self,
        people: int = 2,
        times: np.ndarray | None = None,
        K: np.ndarray = K,
        heights: tuple[float | None, ...] = (),
        frames: int = 5,
    ) -> None:
        times = np.arange(frames) / 30 if times is None else times
        check_clip(np.ones((people, frames, 26)), K, times, heights)

    def test_a_clip_is_accepted(self) -> None:
        self.check()
        self.check(heights=(1.7, None))
        self.check(people=1, frames=1)

    @pytest.mark.parametrize(("people", "frames"), [(0, 5), (2, 0)])
    def test_nobody_and_nothing(self, people: int, frames: int) -> None:
        with pytest.raises(InputError, match="nobody to estimate"):
            self.check(people, frames=frames)

    @pytest.mark.parametrize(
        "times", [[0, 0.1, 0.1, 0.2, 0.3], [0, 1, np.nan, 3, 4], [4, 3, 2, 1, 0]]
    )
    def test_times_that_do_not_increase(self, times: list[float]) -> None:
        with pytest.raises(InputError, match="not increasing seconds"):
            self.check(times=np.array(times, float))

    def test_frames_that_are_years_apart(self) -> None:
        with pytest.raises(InputError, match="too far apart"):
            self.check(times=np.array([0, 1, 2, 3, 1e9]))

    @pytest.mark.parametrize("K", [np.zeros((3, 3)), np.full((3, 3), np.nan)])
    def test_intrinsics_of_no_camera(self, K: np.ndarray) -> None:
        with pytest.raises(InputError, match="intrinsics"):
            self.check(K=K)

    def test_heights_of_others(self) -> None:
        with pytest.raises(InputError, match="by person; expected 2, received 3"):
            self.check(heights=(1.7, 1.8, 1.9))
