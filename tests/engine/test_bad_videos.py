"""Files that are damaged, odd, or not what they say: right frames, or one sentence."""

from __future__ import annotations

import os
import struct
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import VideoError
from engine.video import VideoReader, probe
from tests.engine.videos import number_in, numbered, write_video


def refusal(path: Path) -> str:
    """The sentence with which a file is refused."""
    with pytest.raises(VideoError) as caught:
        probe(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def remuxed(source: Path, target: Path, options: dict[str, str] | None = None) -> Path:
    """The same packets in another container."""
    with av.open(str(source)) as given, av.open(str(target), "w", options=options or {}) as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    return target


def cut(path: Path, share: float = 0.6) -> Path:
    """The first part of a file's bytes, as an interrupted copy leaves it."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """120 frames with B-frames and a key frame every 30."""
    folder = tmp_path_factory.mktemp("film")
    return write_video(folder / "film.mp4", list(range(0, 240, 2)), options={"g": "30"})


class TestCutShort:
    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("cut.mkv", {}),
            ("cut.ts", {}),
            ("cut.mov", {"movflags": "faststart"}),
            ("cut.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ],
    )
    def test_the_frames_that_are_there_are_exact_and_counted(self, tmp_path, film, name, options):
        path = cut(remuxed(film, tmp_path / name, options))
        with VideoReader(path) as reader:
            count = reader.info.frame_count
            assert 20 < count < 100
            assert [number_in(image) for _, image in reader.frames()] == list(range(count))
            assert not reader.damaged
            if not name.endswith("ts"):  # a transport stream does not say how long it is
                assert f"{count} " in reader.info.note
                assert reader.info.note.startswith("The file is cut short: ")

    @pytest.mark.parametrize("name", ["whole.mkv", "whole.ts", "whole.mov", "whole.avi"])
    def test_a_whole_file_is_not_said_to_be_cut(self, tmp_path, name):
        ticks, codec = list(range(0, 120, 2)), "mpeg4" if name.endswith("avi") else "libx264"
        options = {"bf": "0"} if name.endswith("avi") else {}
        info = probe(write_video(tmp_path / name, ticks, codec=codec, options=options))
        assert (info.frame_count, info.note) == (60, "")

    def test_an_avi_that_is_cut_is_told_from_its_header(self, tmp_path):
        path = write_video(
            tmp_path / "cut.avi", list(range(80)), codec="mpeg4", options={"bf": "0"}
        )
        info = probe(cut(path))
        assert info.note == f"The file is cut short: its first {info.frame_count} frames are there."

    def test_an_mp4_without_its_index_says_so(self, tmp_path, film):
        path = tmp_path / "unfinished.mp4"
        path.write_bytes(film.read_bytes())
        assert refusal(cut(path)) == (
            "unfinished.mp4 is cut short: the index of its frames, which MP4 keeps at the end, is "
            "missing. Copy or record it again."
        )

    def test_bytes_that_were_lost_in_the_middle_cost_only_the_frames_they_held(
        self, tmp_path, film
    ):
        path = remuxed(film, tmp_path / "scratched.mkv")
        data = bytearray(path.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 200] = bytes(200)
        path.write_bytes(bytes(data))
        with VideoReader(path) as reader:
            numbers = [number_in(image) for _, image in reader.frames()]
            assert numbers == np.round(reader.info.times * 30).astype(int).tolist()
            assert 60 <= len(numbers) < 120
            last = next(i for i in range(120) if numbers[i + 1] != i + 1)
            gone = numbers[last + 1] - last
            assert (
                reader.info.note == f"After frame {last} there is no frame for {gone / 30:.1f} s."
            )


class TestTimes:
    def test_a_clip_cut_out_by_an_edit_list_begins_at_its_start(self, tmp_path, film):
        """Phones trim so: frames before the start stay in the file, and are needed to decode."""
        path = tmp_path / "trimmed.mp4"
        with av.open(str(film)) as given, av.open(str(path), "w") as made:
            stream = made.add_stream_from_template(given.streams.video[0])
            for packet in given.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    shift = int(Fraction(20, 60) / packet.time_base)
                    packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                    made.mux(packet)
        with VideoReader(path) as reader:
            assert reader.info.frame_count == 110
            assert reader.info.note == ""
            assert [number_in(image) for _, image in reader.frames()] == list(range(10, 120))
            assert number_in(reader.frame(3)) == 13

    @pytest.mark.parametrize("start", [-90, 600])
    def test_times_count_from_the_first_frame(self, tmp_path, start):
        path = write_video(tmp_path / "late.mkv", [start + 2 * i for i in range(20)])
        with VideoReader(path) as reader:
            np.testing.assert_allclose(reader.info.times, np.arange(20) / 30, atol=0.0011)
            assert number_in(reader.frame(7)) == 7

    def test_frames_with_the_same_time_are_one(self, tmp_path):
        ticks = [0, 2, 4, 4, 6, 8, 8, 8, 10]
        path = write_raw_times(tmp_path / "twice.mkv", ticks)
        info = probe(path)
        assert info.frame_count == 6
        assert (np.diff(info.times) > 0).all()
        assert info.note == "3 frames have the time of another and are left out."

    def test_an_hour_is_indexed_in_seconds(self, tmp_path):
        path = hour_long(tmp_path / "hour.mkv")
        start = time.process_time()
        info = probe(path)
        assert time.process_time() - start < 8
        assert info.frame_count == 108_000
        assert info.times[-1] == pytest.approx(3600, abs=0.1)


def write_raw_times(path: Path, ticks: list[int]) -> Path:
    """Key frames only, muxed at `ticks` sixtieths of a second, in that order."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=60)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuvj420p"
        for number, tick in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 60)
            for packet in stream.encode(frame.reformat(format="yuvj420p")):
                packet.pts = packet.dts = tick
                packet.time_base = Fraction(1, 60)
                container.mux(packet)
    return path


def hour_long(path: Path) -> Path:
    """One picture, shown 30 times a second for an hour."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuvj420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 30)
        (packet,) = [*stream.encode(frame.reformat(format="yuvj420p")), *stream.encode(None)]
        for number in range(108_000):
            copy = av.Packet(bytes(packet))
            copy.stream, copy.time_base, copy.is_keyframe = stream, Fraction(1, 30), True
            copy.pts = copy.dts = number
            container.mux(copy)
    return path


class TestOpenGop:
    """Frames shown before a key frame but stored after it need frames from before the key."""

    def test_frames_before_a_key_are_whole_after_a_seek_to_it(self, tmp_path):
        path = write_video(
            tmp_path / "open.mkv",
            list(range(0, 160, 2)),
            codec="mpeg2video",
            options={"g": "12", "bf": "2", "b": "2000000"},
        )
        with VideoReader(path) as reader:
            truth = [image.copy() for _, image in reader.frames()]
        with VideoReader(path) as reader:
            keys = [reader._source._rank[pts] for pts in reader._source._keys]
            assert len(keys) > 4
            for key in keys[2:]:
                reader.frame(key + 1)  # seeks to the key, and meets the frames shown before it
                for index in (key - 1, key - 2):
                    np.testing.assert_array_equal(reader.frame(index), truth[index])

    def test_frames_shown_before_the_key_are_not_kept(self, film):
        """Most decoders withhold them; one that shows them half decoded must not be believed."""
        with VideoReader(film) as reader:
            source = reader._source
            source._rewind()
            source._start_decoding(floor=source._pts[30])  # as after a seek to frame 30
            assert source._advance_to(33) is not None
            assert sorted(source._cache) == [30, 31, 32, 33]
            assert number_in(reader.frame(29)) == 29


class TestStreams:
    def test_sound_is_said_to_be_sound(self, tmp_path):
        path = tmp_path / "song.m4a"
        with av.open(str(path), "w") as container:
            write_silence(container, container.add_stream("aac", rate=16000))
        assert refusal(path) == "song.m4a holds only sound. Choose a video file."

    def test_the_picture_on_a_song_is_no_video(self, tmp_path):
        path = tmp_path / "album.mp3"
        with av.open(str(path), "w") as container:
            sound = container.add_stream("libmp3lame", rate=16000)
            cover = container.add_stream("png", rate=1)
            cover.width, cover.height, cover.pix_fmt = 160, 96, "rgb24"
            cover.disposition = av.stream.Disposition.attached_pic
            picture = av.VideoFrame.from_ndarray(numbered(1), format="rgb24")
            container.mux([*cover.encode(picture), *cover.encode(None)])
            write_silence(container, sound)
        assert refusal(path) == "album.mp3 holds only sound. Choose a video file."

    def test_of_several_videos_the_largest_is_read(self, tmp_path):
        path = tmp_path / "both.mkv"
        with av.open(str(path), "w") as container:
            streams = [container.add_stream("ffv1", rate=30) for _ in range(2)]
            for stream, size in zip(streams, [(80, 48), (160, 96)], strict=True):
                stream.width, stream.height, stream.pix_fmt = *size, "yuv444p"
            for number in range(3):
                for stream in streams:
                    image = numbered(number, stream.width, stream.height)
                    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                    frame.pts, frame.time_base = number, Fraction(1, 30)
                    container.mux(stream.encode(frame.reformat(format="yuv444p")))
            for stream in streams:
                container.mux(stream.encode(None))
        with VideoReader(path) as reader:
            assert reader.info.note == "It holds 2 videos; the largest is read."
            assert number_in(reader.frame(2)) == 2

    @pytest.mark.parametrize(("name", "codec"), [("dance.gif", "gif"), ("dance.apng", "apng")])
    def test_moving_pictures_are_videos(self, tmp_path, name, codec):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=20)
            stream.width, stream.height = 160, 96
            stream.pix_fmt = "rgb8" if codec == "gif" else "rgb24"
            for number in range(8):
                frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 20)
                container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
            container.mux(stream.encode(None))
        with VideoReader(path) as reader:
            assert reader.info.fps == pytest.approx(20, rel=0.01)
            for index in (5, 0, 7, 3):
                assert number_in(reader.frame(index)) == index

    def test_an_animated_webp_is_one_sentence(self, tmp_path):
        from PIL import Image

        first, *rest = (Image.fromarray(numbered(number)) for number in range(3))
        first.save(tmp_path / "dance.webp", save_all=True, append_images=rest)
        assert refusal(tmp_path / "dance.webp") == (
            "dance.webp is an animated WebP, which cannot be read. Convert it to MP4 or GIF."
        )


def write_silence(container: av.container.OutputContainer, stream: av.AudioStream) -> None:
    for number in range(20):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, 1024 * number, Fraction(1, 16000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


class TestNotWhatItSays:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"just words\n" * 90, "film.mp4 is a text file, not a video. Choose a video file."),
            (
                b"\r\n<!DOCTYPE HTML><html><body>404</body></html>",
                "film.mp4 is a web page, not a video. Download the video itself.",
            ),
            (b"", "film.mp4 is empty. Copy it again."),
            (
                b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n",
                "film.mp4 is a list of videos, not a video. Choose a video file.",
            ),
            (
                bytes(range(256)) * 40,
                "film.mp4 is not a video that can be opened (Invalid data found when processing "
                "input). If it plays elsewhere, convert it to MP4 (H.264).",
            ),
        ],
    )
    def test_it_is_one_sentence(self, tmp_path, content, sentence):
        (tmp_path / "film.mp4").write_bytes(content)
        assert refusal(tmp_path / "film.mp4") == sentence

    def test_a_list_of_other_files_opens_none_of_them(self, tmp_path, film):
        (tmp_path / "secret.mp4").write_bytes(film.read_bytes())
        path = tmp_path / "list.mp4"
        path.write_text("ffconcat version 1.0\nfile secret.mp4\n")
        assert "is a list of videos" in refusal(path)

    def test_a_name_with_a_pattern_is_a_name(self, tmp_path):
        from PIL import Image

        Image.fromarray(numbered(1)).save(tmp_path / "a1.png")
        (tmp_path / "a%d.png").write_bytes(b"nothing")
        assert "a%d.png" in refusal(tmp_path / "a%d.png")

    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.mp4")
        assert refusal(tmp_path / "pipe.mp4") == "pipe.mp4 is a device or a pipe, not a file."
        assert refusal(Path("/dev/zero")) == "zero is a device or a pipe, not a file."

    def test_a_file_that_may_not_be_read_is_named(self, tmp_path, film, monkeypatch):
        path = tmp_path / "private.mp4"
        path.write_bytes(film.read_bytes())

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("engine.video_source.av.open", refuse)  # root may read everything
        assert refusal(path) == "private.mp4 cannot be read (Permission denied)."

    @pytest.mark.parametrize("name", ["a b.mp4", 'say "hé".mp4', "two\nlines.mp4", "a:b%d*.mp4"])
    def test_any_name_will_do(self, tmp_path, film, name):
        (tmp_path / name).write_bytes(film.read_bytes())
        with VideoReader(tmp_path / name) as reader:
            assert number_in(reader.frame(31)) == 31

    def test_a_name_that_is_no_text_is_refused(self, tmp_path, film):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
        path.write_bytes(film.read_bytes())
        assert "is not text. Rename it." in refusal(path)

    def test_a_name_of_several_lines_is_said_on_one(self, tmp_path):
        (tmp_path / "two\nlines.mp4").write_bytes(b"words\n")
        assert "two\ufffdlines.mp4" in refusal(tmp_path / "two\nlines.mp4")


class TestWhileOpen:
    def test_a_file_that_is_removed_while_it_is_read_is_named(self, tmp_path, film):
        path = tmp_path / "here.mp4"
        path.write_bytes(film.read_bytes())
        with VideoReader(path) as reader:
            reader.frame(50)
            path.unlink()
            with pytest.raises(VideoError, match=r"here\.mp4 was changed or removed"):
                reader.frame(0)

    def test_a_file_that_is_replaced_while_it_is_read_is_named(self, tmp_path, film):
        path = tmp_path / "here.mp4"
        path.write_bytes(film.read_bytes())
        with VideoReader(path) as reader:
            reader.frame(50)
            write_video(path, list(range(40)))
            with pytest.raises(VideoError, match=r"here\.mp4 was changed or removed"):
                reader.frame(0)

    def test_the_end_that_is_torn_off_while_it_is_read_stands_in(self, tmp_path, film):
        ticks, still = list(range(120)), {"bf": "0", "q": "3"}
        path = tmp_path / "torn.avi"
        write_video(path, ticks, codec="mjpeg", size=(640, 384), options=still, pix_fmt="yuvj420p")
        assert path.stat().st_size > 400_000
        with VideoReader(path) as reader:
            assert number_in(reader.frame(20)) == 20
            os.truncate(path, path.stat().st_size // 2)
            try:
                shown = number_in(reader.frame(119))
            except VideoError as error:
                assert "torn.avi" in str(error)
            else:
                assert shown < 119
                assert 119 in reader.damaged


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", ["few.mp4", "few.mkv", "few.avi"])
def test_a_frame_or_two_are_a_video(tmp_path, count, name):
    path = write_video(tmp_path / name, list(range(count)), options={"bf": "0"})
    with VideoReader(path) as reader:
        assert reader.info.frame_count == count
        assert reader.info.note == ""
        assert [number_in(image) for _, image in reader.frames()] == list(range(count))


def test_a_video_of_no_frames_is_one_sentence(tmp_path):
    path = tmp_path / "none.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv444p"
        stream.codec_context.open()
        container.start_encoding()
    assert refusal(path) == "none.mkv ends before its first frame. Copy it again."


def test_odd_sides_stay_odd(tmp_path):
    with VideoReader(write_video(tmp_path / "odd.mp4", [0, 1, 2], size=(641, 359))) as reader:
        assert reader.info.image_size == (641, 359)
        assert reader.frame(1).shape == (359, 641, 3)
        assert reader.frame(1, reduction=2).shape == (180, 321, 3)
        assert number_in(reader.frame(2)) == 2


def test_sizes_that_boxes_state_do_not_send_the_reader_astray(tmp_path):
    """Boxes of no size and of a size that no file has."""
    for length in (0, 1, 7, 2**31):
        path = tmp_path / f"box{length}.mp4"
        path.write_bytes(struct.pack(">I", length) + b"ftypisom" + bytes(64))
        refusal(path)
