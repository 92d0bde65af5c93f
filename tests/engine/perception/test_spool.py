from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from engine.errors import EngineError
from engine.perception.spool import LONGEST_SIDE, FrameSpool

WIDTH, HEIGHT = 96, 160
SIZE = (WIDTH, HEIGHT)


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A smooth picture that is unlike the others'."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    waves = [np.sin(x / (9 + c) + number) + np.cos(y / 11 - c * number) for c in range(3)]
    return np.clip(128 + 50 * np.stack(waves, axis=-1), 0, 255).astype(np.uint8)


def filled(folder: Path, count: int) -> None:
    with FrameSpool(folder, SIZE) as spool:
        for number in range(len(spool), count):
            spool.append(picture(number))


def is_picture(image: np.ndarray, number: int) -> bool:
    return np.abs(image.astype(float) - picture(number)).mean() < 3


def test_frames_come_back_in_any_order(tmp_path):
    with FrameSpool(tmp_path, SIZE) as spool:
        for number in range(5):
            spool.append(picture(number))
        assert len(spool) == 5 and spool.scale == 1.0
        for number in (4, 0, 2, 2):
            assert is_picture(spool[number], number) and not is_picture(spool[number], number + 1)
        with pytest.raises(IndexError):
            spool[5]


def test_reading_between_two_frames_does_not_disturb_what_is_written(tmp_path):
    with FrameSpool(tmp_path, SIZE) as spool:
        for number in range(6):
            spool.append(picture(number))
            assert is_picture(spool[number // 2], number // 2)
        assert all(is_picture(spool[number], number) for number in range(6))


@pytest.mark.parametrize(
    ("size", "kept"), [((3840, 2160), (1280, 720)), ((270, 2560), (135, 1280))]
)
def test_large_frames_are_kept_small(tmp_path, size, kept):
    with FrameSpool(tmp_path, size) as spool:
        spool.append(np.full((size[1], size[0], 3), (200, 90, 30), np.uint8))
        image = spool[0]
    assert spool.scale == LONGEST_SIDE / max(size)
    assert image.shape == (kept[1], kept[0], 3)
    np.testing.assert_allclose(image.mean(axis=(0, 1)), (200, 90, 30), atol=2)


def test_whole_frames_stay_as_large_as_they_are(tmp_path):
    with FrameSpool(tmp_path, (1600, 40), whole=True) as spool:
        spool.append(picture(0, 1600, 40))
        assert spool.scale == 1.0 and spool[0].shape == (40, 1600, 3)


class TestGoingOn:
    def test_what_was_kept_is_there_and_more_may_follow(self, tmp_path):
        filled(tmp_path, 3)
        filled(tmp_path, 5)
        with FrameSpool(tmp_path, SIZE) as spool:
            assert len(spool) == 5
            assert all(is_picture(spool[number], number) for number in range(5))

    @pytest.mark.parametrize("lost", [1, 200])
    def test_a_frame_torn_by_a_kill_is_written_again(self, tmp_path, lost):
        filled(tmp_path, 4)
        data = tmp_path / "frames.bin"
        data.write_bytes(data.read_bytes()[:-lost])
        self.assert_goes_on(tmp_path, whole=3)

    def test_a_torn_place_is_written_again(self, tmp_path):
        filled(tmp_path, 4)
        index = tmp_path / "frames.index"
        index.write_bytes(index.read_bytes()[:-7])
        self.assert_goes_on(tmp_path, whole=3)

    def test_a_frame_without_its_place_is_written_again(self, tmp_path):
        filled(tmp_path, 4)
        with (tmp_path / "frames.bin").open("ab") as data:
            data.write(b"half a frame")
        self.assert_goes_on(tmp_path, whole=4)

    def test_frames_from_a_damaged_one_on_are_written_again(self, tmp_path):
        filled(tmp_path, 4)
        data = bytearray((tmp_path / "frames.bin").read_bytes())
        data[len(data) // 2] ^= 0xFF  # in the second or third frame
        (tmp_path / "frames.bin").write_bytes(data)
        with FrameSpool(tmp_path, SIZE) as spool:
            whole = len(spool)
        assert whole in (1, 2)
        self.assert_goes_on(tmp_path, whole)

    @pytest.mark.parametrize("content", [b"", b"\xff" * 60, b"\x00" * 60])
    def test_places_that_are_nonsense_are_begun_anew(self, tmp_path, content):
        filled(tmp_path, 4)
        (tmp_path / "frames.index").write_bytes(content)
        self.assert_goes_on(tmp_path, whole=0)

    def assert_goes_on(self, folder: Path, whole: int) -> None:
        with FrameSpool(folder, SIZE) as spool:
            assert len(spool) == whole
        filled(folder, 6)
        with FrameSpool(folder, SIZE) as spool:
            assert len(spool) == 6
            assert all(is_picture(spool[number], number) for number in range(6))


@contextmanager
def full_disk() -> Iterator[None]:
    """Files may not grow beyond 20 kB, as on a disk that is full.

    Not a fixture: pytest writes its report, which may be a longer file, before fixtures end.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestNoRoom:
    def test_a_full_disk_is_one_sentence(self, tmp_path):
        with (
            full_disk(),
            pytest.raises(EngineError, match=r"Cannot keep frames.*Free some space on the disk"),
            FrameSpool(tmp_path, SIZE) as spool,
        ):
            for number in range(200):
                spool.append(picture(number))

    def test_what_was_kept_before_is_whole(self, tmp_path):
        with full_disk(), pytest.raises(EngineError):
            filled(tmp_path, 200)
        with FrameSpool(tmp_path, SIZE) as spool:
            assert 0 < len(spool) < 200
            assert all(is_picture(spool[number], number) for number in range(len(spool)))

    def test_a_folder_that_cannot_be_made_is_one_sentence(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(EngineError, match="Cannot keep frames"):
            FrameSpool(tmp_path / "file" / "frames", SIZE)
