"""Videos whose every frame carries its number as black and white blocks, so that truth is known."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from engine.errors import VideoError
from engine.structures import FrameRange
from engine.video import VideoReader, probe

BITS = 10
WIDTH, HEIGHT = 160, 96


def numbered(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """RGB frame whose top row of blocks spells its number in binary; the bottom half is red."""
    image = np.full((height, width, 3), 30, np.uint8)
    block = width // BITS
    for bit in range(BITS):
        if number >> bit & 1:
            image[: height // 2, bit * block : (bit + 1) * block] = 225
    image[height // 2 :] = (200, 30, 30)
    return image


def number_in(image: np.ndarray) -> int:
    block = image.shape[1] // BITS
    rows = slice(image.shape[0] // 8, image.shape[0] * 3 // 8)
    lit = [image[rows, b * block + 4 : (b + 1) * block - 4].mean() > 128 for b in range(BITS)]
    return sum(1 << bit for bit, on in enumerate(lit) if on)


def write_video(
    path: Path,
    ticks: list[int],
    *,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    rotation: tuple[float, bool] | None = None,
    audio: bool = False,
) -> Path:
    """Encode frames 0..n-1 shown at `ticks` sixtieths of a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=60)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p" if size[0] % 2 == 0 and size[1] % 2 == 0 else "yuv444p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 60)
        stream.options = {
            "g": "250",
            "bf": "3",
            "crf": "18",
            "preset": "veryfast",
            **(options or {}),
        }
        if rotation is not None:
            stream.set_display_rotation(rotation[0], hflip=rotation[1])
        sound = container.add_stream("aac", rate=16000) if audio else None
        for number, tick in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(numbered(number, *size), format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 60)
            container.mux(stream.encode(frame))
            if sound is not None:
                container.mux(sound.encode(_silence(number)))
        container.mux(stream.encode(None))
        if sound is not None:
            container.mux(sound.encode(None))
    return path


def _silence(number: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = 16000, number * 1024, Fraction(1, 16000)
    return frame


def irregular_ticks(count: int, seed: int = 0) -> list[int]:
    return np.cumsum(np.random.default_rng(seed).integers(1, 9, count)).tolist()


@pytest.fixture(scope="module")
def variable_rate(tmp_path_factory) -> tuple[Path, list[int]]:
    """300 frames at irregular times, B-frames, a key frame every 250."""
    ticks = irregular_ticks(300)
    return write_video(tmp_path_factory.mktemp("video") / "vfr.mp4", ticks), ticks


def test_times_are_the_presentation_times_of_the_file(variable_rate):
    path, ticks = variable_rate
    info = probe(path)
    assert (info.width, info.height, info.frame_count) == (WIDTH, HEIGHT, 300)
    np.testing.assert_allclose(info.times, (np.array(ticks) - ticks[0]) / 60, atol=1e-6)


def test_any_frame_in_any_order_is_the_frame_of_that_number(variable_rate):
    with VideoReader(variable_rate[0]) as reader:
        for index in [*np.random.default_rng(1).permutation(300)[:50].tolist(), 299, 0, 250, 249]:
            assert number_in(reader.frame(index)) == index


def test_one_pass_and_steps_backward_give_the_same_frames(variable_rate):
    with VideoReader(variable_rate[0]) as reader:
        assert [number_in(image) for _, image in reader.frames()] == list(range(300))
        assert [number_in(reader.frame(i)) for i in range(120, 90, -1)] == list(range(120, 90, -1))
        part = list(reader.frames(FrameRange(245, 255)))
        assert [index for index, _ in part] == [number_in(image) for _, image in part]
        assert [index for index, _ in part] == list(range(245, 255))


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("open-gop.mp4", "libx264", {"g": "12", "x264-params": "open-gop=1"}),
        ("broadcast.mkv", "mpeg2video", {"g": "12", "bf": "2", "b": "2000000"}),
        ("stream.ts", "libx264", {"g": "20"}),
        ("film.mkv", "libx264", {}),
        ("old.avi", "mpeg4", {"bf": "0", "g": "12"}),
        ("web.webm", "libvpx", {"g": "30", "deadline": "realtime"}),
        ("raw.h264", "libx264", {"bf": "0"}),
    ],
)
def test_every_container_is_frame_exact(tmp_path, name, codec, options):
    path = write_video(tmp_path / name, list(range(0, 160, 2)), codec=codec, options=options)
    with VideoReader(path) as reader:
        assert reader.info.frame_count == 80
        for index in np.random.default_rng(2).permutation(80)[:25].tolist():
            assert number_in(reader.frame(index)) == index
        assert not reader.damaged


def test_memory_is_bounded_by_the_cache(variable_rate, monkeypatch):
    monkeypatch.setattr("engine.video_stream.CACHE_BYTES", 5 * WIDTH * HEIGHT * 3 // 2)
    with VideoReader(variable_rate[0]) as reader:
        for _ in reader.frames(0, 60):
            pass
        assert len(reader._source._cache) == 5
        assert number_in(reader.frame(3)) == 3


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
@pytest.mark.parametrize("mirrored", [False, True])
def test_frames_are_upright_as_the_display_matrix_asks(tmp_path, degrees, mirrored):
    path = write_video(tmp_path / "phone.mp4", [0, 1, 2], rotation=(degrees, mirrored))
    truth = np.rot90(numbered(2), degrees // 90)  # counter-clockwise, as the matrix says
    truth = truth[:, ::-1] if mirrored else truth
    with VideoReader(path) as reader:
        image = reader.frame(2)
        assert (reader.info.width, reader.info.height) == truth.shape[1::-1]
        assert np.abs(image - truth.astype(float)).mean() < 8


def test_odd_sizes_and_sound_are_no_trouble(tmp_path):
    path = write_video(tmp_path / "odd.mkv", list(range(12)), size=(161, 97), audio=True)
    with VideoReader(path) as reader:
        assert reader.frame(7).shape == (97, 161, 3)
        assert [number_in(image) for _, image in reader.frames()] == list(range(12))


def test_colours_are_rgb(variable_rate):
    with VideoReader(variable_rate[0]) as reader:
        red = reader.frame(10)[-8:].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(red, (200, 30, 30), atol=12)


def test_a_truncated_file_gives_the_frames_that_are_there(tmp_path, variable_rate, caplog):
    fast = tmp_path / "fast.mp4"
    with (
        av.open(str(variable_rate[0])) as source,
        av.open(str(fast), "w", options={"movflags": "faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    cut = tmp_path / "cut.mp4"
    data = fast.read_bytes()
    cut.write_bytes(data[: len(data) * 6 // 10])
    with VideoReader(cut) as reader:
        count = reader.info.frame_count
        assert 20 < count < 300
        assert [number_in(image) for _, image in reader.frames()] == list(range(count))
        assert number_in(reader.frame(count // 2)) == count // 2
        assert reader.info.note == f"The file is cut short: {count} of 300 frames are there."
    assert "cut short" in caplog.text


def test_a_single_frame_is_a_video(tmp_path):
    with VideoReader(write_video(tmp_path / "one.mp4", [0])) as reader:
        assert reader.info.frame_count == 1
        assert reader.info.fps == 30
        assert number_in(reader.frame(0)) == 0


def test_the_hash_follows_the_content_and_not_the_name(tmp_path, variable_rate):
    copy = tmp_path / "other name.mp4"
    copy.write_bytes(variable_rate[0].read_bytes())
    assert probe(copy).sha256 == probe(variable_rate[0]).sha256
    copy.write_bytes(copy.read_bytes() + b"\0" * 8)
    assert probe(copy).sha256 != probe(variable_rate[0]).sha256


def test_a_file_that_changed_since_import_is_refused(tmp_path):
    path = write_video(tmp_path / "clip.mp4", list(range(10)))
    info = probe(path)
    write_video(path, list(range(7)))
    with pytest.raises(VideoError, match="expected 10 frames, received 7"):
        VideoReader(info)


def test_a_video_that_went_away_is_named(tmp_path):
    path = write_video(tmp_path / "gone.mp4", [0, 1])
    info = probe(path)
    path.unlink()
    with pytest.raises(VideoError, match=r"gone\.mp4 is no longer there"):
        VideoReader(info)


def test_frames_outside_the_video_are_refused(variable_rate):
    with VideoReader(variable_rate[0]) as reader:
        for index in (-1, 300):
            with pytest.raises(IndexError):
                reader.frame(index)


def _sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), "s16", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    "name", ["missing.mp4", "text.mp4", "empty.mp4", "header.mp4", "sound.wav", "folder"]
)
def test_what_is_not_a_video_is_one_sentence(tmp_path, name, variable_rate):
    path = tmp_path / name
    if name == "text.mp4":
        path.write_text("this is not a video\n" * 50)
    elif name == "empty.mp4":
        path.touch()
    elif name == "header.mp4":
        path.write_bytes(variable_rate[0].read_bytes()[:600])
    elif name == "sound.wav":
        _sound(path)
    elif name == "folder":
        path.mkdir()
    with pytest.raises(VideoError) as caught:
        probe(path)
    assert name.split(".")[0] in str(caught.value)
    assert "\n" not in str(caught.value)


class TestImageFolder:
    def folder(self, tmp_path: Path, count: int = 12) -> Path:
        for number in range(count):
            image = cv2.cvtColor(numbered(number), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(tmp_path / f"frame{number}.png"), image)
        (tmp_path / "notes.txt").write_text("not an image")
        return tmp_path

    def test_images_come_in_natural_order(self, tmp_path):
        with VideoReader(self.folder(tmp_path)) as reader:
            assert [number_in(image) for _, image in reader.frames()] == list(range(12))
            assert reader.info.fps == pytest.approx(30)

    def test_a_broken_image_is_named(self, tmp_path):
        (self.folder(tmp_path) / "frame3.png").write_bytes(b"nothing")
        with VideoReader(tmp_path) as reader, pytest.raises(VideoError, match=r"frame3\.png"):
            reader.frame(3)

    def test_an_image_of_another_size_is_named(self, tmp_path):
        cv2.imwrite(str(self.folder(tmp_path) / "frame5.png"), np.zeros((10, 10, 3), np.uint8))
        with VideoReader(tmp_path) as reader, pytest.raises(VideoError, match=r"frame5\.png"):
            reader.frame(5)

    def test_the_focal_length_comes_from_exif(self, tmp_path):
        _, jpeg = cv2.imencode(".jpg", numbered(1))
        tiff = b"II*\0" + struct.pack("<I", 8)
        tiff += struct.pack("<HHHIII", 1, 0x8769, 4, 1, 26, 0)
        tiff += struct.pack("<HHHIHHI", 1, 0xA405, 3, 1, 26, 0, 0)
        exif = b"Exif\0\0" + tiff
        data = jpeg.tobytes()
        data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
        (tmp_path / "photo.jpg").write_bytes(data)
        diagonal = float(np.hypot(WIDTH, HEIGHT))
        assert probe(tmp_path).focal_px == pytest.approx(26 / 43.2666 * diagonal)
