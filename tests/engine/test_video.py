"""Any frame of any video: exact, whatever the container says."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from engine.errors import VideoError
from engine.structures import FrameRange
from engine.video import VideoReader, probe
from tests.engine.videos import HEIGHT, WIDTH, irregular_ticks, number_in, numbered, write_video


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


def test_a_truncated_file_gives_the_frames_that_are_there(tmp_path, variable_rate):
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


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


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
        with pytest.raises(VideoError, match=r"frame3\.png cannot be read as an image"):
            probe(tmp_path)

    def test_an_image_of_another_size_is_named(self, tmp_path):
        cv2.imwrite(str(self.folder(tmp_path) / "frame5.png"), np.zeros((10, 10, 3), np.uint8))
        with pytest.raises(VideoError, match=r"frame5\.png differs .* received 10 x 10"):
            probe(tmp_path)

    @pytest.mark.parametrize("broken", [b"nothing", None])
    def test_an_image_that_changed_after_import_is_named(self, tmp_path, broken):
        with VideoReader(self.folder(tmp_path)) as reader:
            path = tmp_path / "frame3.png"
            if broken is None:
                cv2.imwrite(str(path), np.zeros((10, 10, 3), np.uint8))
            else:
                path.write_bytes(broken)
            with pytest.raises(VideoError, match=r"frame3\.png"):
                reader.frame(3)

    def test_numbers_that_are_missing_are_said(self, tmp_path):
        (self.folder(tmp_path) / "frame4.png").unlink()
        with VideoReader(tmp_path) as reader:
            assert reader.info.note == (
                "1 number is missing between its images; they are taken to follow one another."
            )
            assert number_in(reader.frame(4)) == 5

    def test_names_that_are_times_are_not_counted(self, tmp_path):
        for number in range(3):
            (tmp_path / f"{1700000000 + 33 * number}.png").write_bytes(
                cv2.imencode(".png", numbered(number))[1].tobytes()
            )
        assert probe(tmp_path).note == ""

    @pytest.mark.parametrize("kind", ["16 bit", "grey", "alpha", "palette", "CMYK"])
    def test_images_of_every_kind_are_rgb(self, tmp_path, kind):
        image = numbered(5)
        if kind == "16 bit":
            cv2.imwrite(str(tmp_path / "0.png"), image[..., ::-1].astype(np.uint16) * 257)
        elif kind == "alpha":
            alpha = np.dstack([image[..., ::-1], np.full(image.shape[:2], 90, np.uint8)])
            cv2.imwrite(str(tmp_path / "0.png"), alpha)
        else:
            mode, name = {"grey": ("L", "0.png"), "palette": ("P", "0.png")}.get(
                kind, ("CMYK", "0.jpg")
            )
            Image.fromarray(image).convert(mode).save(tmp_path / name)
        with VideoReader(tmp_path) as reader:
            shown = reader.frame(0)
        assert shown.shape == image.shape
        assert number_in(shown) == 5
        if kind != "grey":
            np.testing.assert_allclose(shown[-8:].mean((0, 1)), image[-8:].mean((0, 1)), atol=20)

    def test_images_are_upright_as_exif_asks(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6  # stored turned by a quarter to the left
        turned = Image.fromarray(np.rot90(numbered(9)).copy())
        turned.save(tmp_path / "photo.jpg", exif=exif)
        with VideoReader(tmp_path) as reader:
            assert (reader.info.width, reader.info.height) == (WIDTH, HEIGHT)
            assert number_in(reader.frame(0)) == 9

    def test_a_single_image_is_a_video_of_one_frame(self, tmp_path):
        for name in ("still.jpg", "still.png", "still.bmp", "still.tif", "still.webp"):
            cv2.imwrite(str(tmp_path / name), numbered(3)[..., ::-1])
            with VideoReader(tmp_path / name) as reader:
                assert reader.info.frame_count == 1
                assert number_in(reader.frame(0)) == 3

    def test_images_larger_than_4k_are_reduced(self, tmp_path):
        cv2.imwrite(str(tmp_path / "0.jpg"), numbered(77, 5000, 3000)[..., ::-1])
        with VideoReader(tmp_path) as reader:
            assert (reader.info.width, reader.info.height) == (2500, 1500)
            assert reader.frame(0).shape == (1500, 2500, 3)
            assert number_in(reader.frame(0, reduction=4)) == 77
            assert "larger than 4K" in reader.info.note

    def test_an_image_of_a_gigabyte_is_refused_unread(self, tmp_path):
        (tmp_path / "0.png").write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + _chunk(b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0))
            + _chunk(b"IDAT", b"")
            + _chunk(b"IEND", b"")
        )
        with pytest.raises(VideoError, match=r"0\.png"):
            probe(tmp_path)

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
