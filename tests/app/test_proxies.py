"""Proxies: the right picture of every frame, whatever happens to cache, disk or video."""

from __future__ import annotations

import errno
import os
import random
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from annotations.store import Store
from app import cli, proxy_cache
from app.decoder import Decoder
from app.frame_source import FrameSource
from app.jobs import Jobs
from app.proxies import Proxies
from app.proxy_cache import FILLED, STAMP, ProxyFolder, folder_beside
from app.proxy_filling import Filled, fill
from app.proxy_pack import HEAD_BYTES, Media, Pack, PackWriter
from engine.errors import VideoError
from engine.structures import FrameRange, VideoInfo
from engine.video import VideoReader, probe
from tests.app.scenes import make_clip, make_view_state
from tests.engine.videos import number_in, numbered, write_video

COUNT = 40
PLENTY = 10**9
SIZE = (192, 112)


@pytest.fixture
def video(tmp_path: Path) -> VideoInfo:
    """40 numbered frames, one key frame."""
    return probe(write_video(tmp_path / "numbers.mp4", list(range(COUNT)), size=SIZE))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_beside(tmp_path / "study.dyad")


def filled(video: VideoInfo, folder: Path, limit: int = PLENTY, near: int = 0) -> Filled:
    """The cache filled to the end."""
    steps = fill(video, folder, limit, near)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def fill_partly(video: VideoInfo, folder: Path, count: int, near: int = 0) -> None:
    """The cache of `count` more frames, its filling then stopped from outside."""
    steps, before = fill(video, folder, PLENTY, near), len(frames_in(video, folder))
    while len(frames_in(video, folder)) < before + count:
        next(steps)
    steps.close()


def frames_in(video: VideoInfo, folder: Path, limit: int = PLENTY) -> frozenset[int]:
    clip = ProxyFolder(folder, limit).clip(video)
    if clip is None:
        return frozenset()
    frames = clip.frames
    clip.close()
    return frames


def place(video: VideoInfo, folder: Path, name: str = FILLED) -> Path:
    return folder / "proxies" / video.sha256 / name


class Broken(VideoReader):
    """A reader that must not be asked."""

    def frame(self, index: int, reduction: int = 1) -> np.ndarray:
        raise AssertionError(f"frame {index} was decoded")


@pytest.fixture
def source(video, folder) -> Iterator[FrameSource]:
    source = FrameSource(video, ProxyFolder(folder, PLENTY))
    yield source
    source.close()


# -- the right picture --------------------------------------------------------------------------


def test_every_frame_in_any_order_is_the_one_that_was_asked_for(video, folder, monkeypatch):
    assert filled(video, folder) == Filled((FrameRange(0, COUNT),), 1.0)
    monkeypatch.setattr("engine.video.VideoReader", Broken)
    source = FrameSource(video, ProxyFolder(folder, PLENTY))
    order = list(range(COUNT))
    random.Random(0).shuffle(order)
    assert [number_in(source.frame(index)) for index in order] == order
    source.close()


@pytest.mark.parametrize("size", [(192, 112), (93, 57), (400, 32)])
@pytest.mark.parametrize("reduction", [1, 2, 4, 8])
def test_a_proxy_is_the_decoded_frame_but_for_what_no_eye_sees(tmp_path, folder, size, reduction):
    video = probe(write_video(tmp_path / "v.mp4", [0, 1, 2], size=size))
    filled(video, folder)
    clip = ProxyFolder(folder, PLENTY).clip(video)
    with VideoReader(video) as reader:
        truth = reader.frame(2, reduction).astype(float)
    shown = clip.frame(2, reduction)
    clip.close()
    assert shown.shape == truth.shape
    # The blocks of these frames have no soft edges; those of 8 x 8 means differ by what is left out
    # of a block at the rim of a size that is no multiple of it.
    assert np.sqrt(np.mean((shown - truth) ** 2)) < (5 if reduction == 1 else 14)


def test_a_picture_of_a_camera_keeps_46_decibels(tmp_path):
    noise = np.random.default_rng(0).normal(128, 12, (60, 90, 3))
    camera = cv2.GaussianBlur(cv2.resize(noise, (720, 480)), (0, 0), 1.5).clip(0, 255)
    camera = camera.astype(np.uint8)
    shown = proxy_cache.decoded(proxy_cache.encoded(camera), (720, 480))
    assert 10 * np.log10(255**2 / np.mean((shown.astype(float) - camera) ** 2)) > 46


def test_frames_that_are_not_cached_are_decoded(video, folder):
    fill_partly(video, folder, 10)
    source = FrameSource(video, ProxyFolder(folder, PLENTY))
    for index in (3, 35, 9, 10, 0, 39):
        assert number_in(source.frame(index)) == index
    source.close()


def test_after_a_proxy_nothing_is_decoded_in_advance_unless_it_follows(video, folder):
    fill_partly(video, folder, 10)
    source = FrameSource(video, ProxyFolder(folder, PLENTY))
    source.frame(9)
    assert source.is_near(8)
    assert not source.is_near(10)
    source.frame(10)
    assert source.is_near(11)
    source.close()


# -- filling ------------------------------------------------------------------------------------


def test_filling_goes_on_where_it_stopped(video, folder):
    fill_partly(video, folder, 12)
    before = place(video, folder).read_bytes()
    assert filled(video, folder).fraction == 1.0
    after = place(video, folder).read_bytes()
    assert after.startswith(before)
    assert frames_in(video, folder) == frozenset(range(COUNT))
    filled(video, folder)
    assert place(video, folder).read_bytes() == after, "nothing was left to do"


def test_filling_begins_at_the_frame_that_is_looked_at(video, folder):
    fill_partly(video, folder, 5, near=30)
    assert frames_in(video, folder) == frozenset(range(30, 35))
    assert filled(video, folder, near=30).fraction == 1.0


def test_a_folder_of_images_needs_no_proxies(tmp_path, folder):
    images = tmp_path / "images"
    images.mkdir()
    cv2.imwrite(str(images / "0.png"), numbered(1))
    assert filled(probe(images), folder) == Filled((), 0.0)
    assert not folder.exists()


def test_a_process_that_is_killed_leaves_whole_frames(video, folder, tmp_path):
    """At any byte: SIGKILL cannot be heard, so nothing is tidied up."""
    script = (
        "import os, sys, signal; from pathlib import Path; from engine.video import probe\n"
        "from app import proxy_pack; from app.proxy_filling import fill\n"
        "steps = fill(probe(sys.argv[1]), Path(sys.argv[2]), 10**9)\n"
        "for _ in range(9): next(steps)\n"
        "pack = next(Path(sys.argv[2]).rglob('filled.pack'))\n"
        "with open(pack, 'ab') as file: file.write(pack.read_bytes()[-900:-500])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, video.path, folder], timeout=60)
    assert done.returncode < 0
    kept = frames_in(video, folder)
    assert 5 <= len(kept) < COUNT
    assert filled(video, folder).fraction == 1.0
    clip = ProxyFolder(folder, PLENTY).clip(video)
    assert [number_in(clip.frame(index)) for index in range(COUNT)] == list(range(COUNT))
    clip.close()


@pytest.mark.parametrize("cut", [1, 19, 20, 21, 300])
def test_a_torn_tail_is_not_there_and_is_overwritten(video, folder, cut):
    filled(video, folder)
    pack = place(video, folder)
    os.truncate(pack, pack.stat().st_size - cut)
    assert len(frames_in(video, folder)) == COUNT - 1
    assert filled(video, folder).fraction == 1.0
    assert frames_in(video, folder) == frozenset(range(COUNT))


def test_a_reader_sees_what_is_appended_while_it_reads(video, folder):
    fill_partly(video, folder, 5)
    clip = ProxyFolder(folder, PLENTY).clip(video)
    assert clip.frame(20) is None
    filled(video, folder)
    assert number_in(clip.frame(20)) == 20
    clip.close()


# -- a changed video, a deleted cache -----------------------------------------------------------


def test_a_changed_video_never_shows_old_frames(video, folder, tmp_path):
    filled(video, folder)
    other = write_video(tmp_path / "other.mp4", list(range(COUNT)), size=SIZE, options={"g": "5"})
    shutil.copy(other, video.path)
    assert ProxyFolder(folder, PLENTY).clip(video) is None
    report = filled(video, folder)
    assert report.frames == ()
    assert report.sentence == "numbers.mp4 is not the file it was."
    now = probe(video.path)
    assert now.sha256 != video.sha256
    assert filled(now, folder).fraction == 1.0


def test_a_video_that_was_only_copied_is_compared_and_known_again(video, folder):
    filled(video, folder)
    os.utime(video.path, (1, 1))
    assert ProxyFolder(folder, PLENTY).clip(video) is None
    steps = fill(video, folder, PLENTY)
    while not frames_in(video, folder):
        next(steps)
    steps.close()
    assert frames_in(video, folder) == frozenset(range(COUNT))


def test_the_pictures_of_one_video_are_not_taken_for_those_of_another(video, folder, tmp_path):
    filled(video, folder)
    other = probe(
        write_video(tmp_path / "b.mp4", list(range(COUNT)), size=SIZE, options={"g": "3"})
    )
    filled(other, folder)
    shutil.copy(place(video, folder), place(other, folder))
    assert frames_in(other, folder) == frozenset()
    shorter = replace(video, times=video.times[:-1])
    assert frames_in(shorter, folder) == frozenset()


def test_deleting_the_cache_while_it_is_read_costs_nothing_but_speed(video, folder):
    filled(video, folder)
    source = FrameSource(video, ProxyFolder(folder, PLENTY))
    assert number_in(source.frame(30)) == 30
    shutil.rmtree(folder)
    assert [number_in(source.frame(index)) for index in (30, 7)] == [30, 7]
    source.close()


def test_deleting_the_cache_while_it_is_filled_ends_the_filling(video, folder):
    steps = fill(video, folder, PLENTY)
    for _ in range(12):
        next(steps)
    shutil.rmtree(folder)
    with pytest.raises(StopIteration) as stop:
        for _ in range(COUNT):
            next(steps)
    assert stop.value.value == Filled((), 0.0)
    assert filled(video, folder).fraction == 1.0


def test_a_video_that_is_gone_is_said_even_if_it_is_cached(video, folder):
    filled(video, folder)
    Path(video.path).unlink()
    with pytest.raises(VideoError, match="no longer there"):
        FrameSource(video, ProxyFolder(folder, PLENTY))


# -- bounds -------------------------------------------------------------------------------------


@pytest.fixture
def three(tmp_path: Path) -> list[VideoInfo]:
    paths = (tmp_path / f"{name}.mp4" for name in "abc")
    return [
        probe(write_video(path, list(range(COUNT)), size=SIZE, options={"g": str(3 + i)}))
        for i, path in enumerate(paths)
    ]


def test_the_clips_that_were_not_looked_at_for_longest_make_room(three, folder):
    for age, video in enumerate(three[:2]):
        filled(video, folder)
        os.utime(place(video, folder, STAMP), (age, age))
    per_clip = ProxyFolder(folder, PLENTY).used() / 2
    ProxyFolder(folder, PLENTY).clip(three[0]).close()  # the first is looked at again
    limit = int(2.6 * per_clip)
    assert filled(three[2], folder, limit).fraction == 1.0
    assert [len(frames_in(video, folder)) for video in three] == [COUNT, 0, COUNT]
    assert ProxyFolder(folder, limit).used() <= limit


def test_one_clip_that_is_larger_than_the_cache_is_cached_in_part(video, folder):
    filled(video, folder)
    limit = ProxyFolder(folder, PLENTY).used() // 2
    ProxyFolder(folder, PLENTY).clear()
    report = filled(video, folder, limit)
    assert 0 < report.fraction < 1
    assert report.sentence.startswith("The scrubbing cache is full")
    assert ProxyFolder(folder, limit).used() <= limit


def test_a_nearly_full_disk_bounds_it_whatever_was_preferred(video, folder, monkeypatch):
    usage = shutil.disk_usage(folder.parent)._replace(free=4000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert ProxyFolder(folder, PLENTY).allowed() == 1000
    assert filled(video, folder).sentence.startswith("The disk is nearly full")
    assert frames_in(video, folder) == frozenset()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a limit on the size of files")
def test_a_disk_that_refuses_is_said_in_one_sentence_and_leaves_whole_frames(video, folder):
    """A limit on the size of files fails the very write that a full disk would fail."""
    script = (
        "import resource, signal, sys; from pathlib import Path; from engine.video import probe\n"
        "from app.proxy_filling import fill\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        "steps = fill(probe(sys.argv[1]), Path(sys.argv[2]), 10**9)\n"
        "while True:\n"
        "    try: next(steps)\n"
        "    except StopIteration as stop:\n"
        "        print(stop.value.sentence); break\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, video.path, folder],
        timeout=60, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "Frames are not cached for scrubbing: file too large."
    kept = frames_in(video, folder)
    assert 0 < len(kept) < COUNT
    pack = Pack(place(video, folder), Media.of(video))
    assert pack.end == place(video, folder).stat().st_size
    pack.close()


def test_a_folder_that_cannot_be_made_is_said(video, tmp_path):
    (tmp_path / "study.dyad-cache").write_text("not a folder")
    report = filled(video, tmp_path / "study.dyad-cache")
    assert report.sentence == "Frames are not cached for scrubbing: not a directory."


def test_clearing_deletes_what_is_ours_and_nothing_else(video, folder):
    filled(video, folder)
    theirs = place(video, folder).parent / "notes.txt"
    theirs.write_text("mine")
    assert ProxyFolder(folder, PLENTY).clear() > 0
    assert theirs.exists()
    theirs.unlink()
    theirs.parent.rmdir()
    ProxyFolder(folder, PLENTY).clear()
    assert not folder.exists()


# -- files from strangers -----------------------------------------------------------------------


def record(index: int, picture: bytes, **forged: int) -> bytes:
    length, crc = forged.get("length", len(picture)), forged.get("crc", zlib.crc32(picture))
    plain = struct.pack("<4sIII", b"frme", index, length, crc)
    return plain + struct.pack("<I", zlib.crc32(plain)) + picture


def jpeg(picture: np.ndarray) -> bytes:
    return proxy_cache.encoded(picture)


def png(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()


def progressive(picture: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()


def resized_head(picture: np.ndarray, width: int, height: int) -> bytes:
    """A JPEG whose header claims another size."""
    data = bytearray(jpeg(picture))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


PICTURE = numbered(5, *SIZE)


@pytest.mark.parametrize(
    "tail",
    [
        record(COUNT, jpeg(PICTURE)),
        record(2**32 - 1, jpeg(PICTURE)),
        record(5, b"", length=2**32 - 1),
        record(5, jpeg(PICTURE), length=2**31),
        record(5, b"x" * 10),
        record(5, jpeg(PICTURE), crc=1),
        record(5, png(PICTURE)),
        record(5, progressive(PICTURE)),
        record(5, jpeg(PICTURE[:64])),
        record(5, resized_head(PICTURE, 65000, 65000)),
        record(5, jpeg(PICTURE)[: len(jpeg(PICTURE)) // 2][:40] + b"\0" * 60),
        bytes(500),
        b"frme" * 200,
        os.urandom(300),
    ],
)
def test_nothing_in_a_pack_is_believed(video, folder, tail):
    fill_partly(video, folder, 3)
    with place(video, folder).open("ab") as file:
        file.write(tail)
    source = FrameSource(video, ProxyFolder(folder, PLENTY))
    assert number_in(source.frame(5)) == 5
    assert number_in(source.frame(1)) == 1
    source.close()
    filled(video, folder)


def test_a_pack_of_endless_records_is_read_to_a_bound(video, folder):
    fill_partly(video, folder, 1)
    small = record(7, b"\xff\xd8" + bytes(100))
    with place(video, folder).open("ab") as file:
        file.write(small * 20_000)
    pack = Pack(place(video, folder), Media.of(video))
    assert pack.end < HEAD_BYTES + 2 * COUNT * 10_000
    assert pack.end < place(video, folder).stat().st_size / 5
    pack.close()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b"[" * 200, b'{"size": 1e400, "time": 0}', b'{"size": "x"}', bytes(300)],
)
def test_a_stamp_that_makes_no_sense_is_no_stamp(video, folder, content):
    filled(video, folder)
    place(video, folder, STAMP).write_bytes(content)
    assert ProxyFolder(folder, PLENTY).clip(video) is None
    assert filled(video, folder).fraction == 1.0


@pytest.mark.parametrize("sha256", ["", "../../etc", "A" * 64, "g" * 64, "0" * 63])
def test_a_hash_that_is_none_names_no_folder(video, folder, sha256):
    odd = replace(video, sha256=sha256)
    assert ProxyFolder(folder, PLENTY).clip(odd) is None
    assert filled(odd, folder) == Filled((), 0.0)
    assert not folder.exists()


def test_links_are_not_followed(video, folder, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "letter").write_text("dear")
    filled(video, folder)
    pack = place(video, folder)
    pack.unlink()
    pack.symlink_to(precious / "letter")
    assert filled(video, folder).fraction == 1.0, "the link itself is replaced"
    assert not pack.is_symlink()
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "proxies").symlink_to(precious)
    assert "not cached" in filled(video, folder).sentence
    ProxyFolder(folder, PLENTY).clear()
    assert (precious / "letter").read_text() == "dear"
    assert list(precious.iterdir()) == [precious / "letter"]


def test_what_is_no_plain_file_is_not_opened(video, folder):
    filled(video, folder)
    place(video, folder).unlink()
    os.mkfifo(place(video, folder))
    assert frames_in(video, folder) == frozenset()


# -- what the window decodes anyway -------------------------------------------------------------


def test_a_decoded_frame_is_kept_once_the_file_is_known(video, folder):
    source = FrameSource(video, ProxyFolder(folder, PLENTY))
    source.frame(20)
    assert not source.has_to_keep, "nobody has compared the file with the project yet"
    ProxyFolder(folder, PLENTY).verify(video)
    source.use(ProxyFolder(folder, PLENTY))
    source.frame(21, 2)
    source.frame(22, 2)
    while source.has_to_keep:
        source.keep_one()
    assert frames_in(video, folder) == frozenset({21, 22})
    source.close()
    clip = ProxyFolder(folder, PLENTY).clip(video)
    assert number_in(clip.frame(22)) == 22
    clip.close()
    assert filled(video, folder).fraction == 1.0
    pack = Pack(place(video, folder), Media.of(video))
    assert pack.frames.isdisjoint({21, 22})
    pack.close()


def test_what_the_window_keeps_meanwhile_is_not_cached_twice(video, folder, monkeypatch):
    monkeypatch.setattr("app.proxy_filling.INTERVAL", 0.0)
    steps = fill(video, folder, PLENTY)
    while not frames_in(video, folder):
        next(steps)
    source = FrameSource(video, ProxyFolder(folder, PLENTY))
    source.frame(30)
    source.keep_one()
    source.close()
    with pytest.raises(StopIteration) as stop:
        while True:
            next(steps)
    assert stop.value.value.fraction == 1.0
    pack = Pack(place(video, folder), Media.of(video))
    assert pack.frames == frozenset(range(COUNT)) - {30}
    pack.close()


def test_a_full_cache_and_a_full_disk_keep_nothing(video, folder, monkeypatch):
    ProxyFolder(folder, PLENTY).verify(video)
    source = FrameSource(video, ProxyFolder(folder, 100))
    source.frame(3)
    source.keep_one()
    source.use(ProxyFolder(folder, PLENTY))
    source.frame(4)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(PackWriter, "append", refuse)
    source.keep_one()
    assert number_in(source.frame(5)) == 5
    source.close()
    assert frames_in(video, folder) == frozenset()


# -- in the window ------------------------------------------------------------------------------


@pytest.fixture
def decoder(qapp) -> Iterator[Decoder]:
    decoder = Decoder()
    yield decoder
    decoder.shutdown()


@pytest.fixture
def proxies(qapp, decoder, video, folder) -> Iterator[Proxies]:
    view_state = make_view_state()
    view_state.clips = (make_clip(video=video),)
    proxies = Proxies(view_state, decoder, jobs=Jobs(warm_modules=(), grace_seconds=1.0))
    proxies.limit = PLENTY
    yield proxies
    proxies.shutdown()


def asked(qtbot, decoder: Decoder, video: VideoInfo, index: int) -> np.ndarray:
    with qtbot.waitSignal(
        decoder.decoded, timeout=10_000, check_params_cb=lambda _, i, __: i == index
    ) as decoded:
        decoder.request(video, index)
    return decoded.args[2]


def test_the_decoder_shows_proxies_and_the_frames_between_them(qtbot, decoder, video, folder):
    fill_partly(video, folder, 20)
    decoder.use_proxies(ProxyFolder(folder, PLENTY))
    for index in (19, 3, 20, 39, 0, 18, 22):
        assert number_in(asked(qtbot, decoder, video, index)) == index
    decoder.use_proxies(None)
    assert number_in(asked(qtbot, decoder, video, 4)) == 4


def test_the_decoder_keeps_what_it_decodes_when_it_has_nothing_to_do(qtbot, decoder, video, folder):
    ProxyFolder(folder, PLENTY).verify(video)
    decoder.use_proxies(ProxyFolder(folder, PLENTY))
    assert number_in(asked(qtbot, decoder, video, 10)) == 10
    qtbot.waitUntil(lambda: bool(frames_in(video, folder)))
    assert frames_in(video, folder) <= frozenset(range(10, 20))


def test_the_shown_clip_is_cached_by_itself_and_said_quietly(qtbot, proxies, video, folder):
    said = []
    proxies.noticed.connect(said.append)
    whole = (FrameRange(0, COUNT),)
    with qtbot.waitSignal(
        proxies.cached_changed, timeout=30_000, check_params_cb=lambda frames: frames == whole
    ):
        proxies.open_project(folder.parent / "study.dyad")
    assert frames_in(video, folder) == frozenset(range(COUNT))
    assert said == []


def test_nothing_is_cached_while_a_clip_plays(qtbot, proxies, folder):
    proxies._view_state.playing = True
    proxies.open_project(folder.parent / "study.dyad")
    proxies._idle.setInterval(0)
    proxies._idle.start()
    qtbot.wait(50)
    assert proxies._jobs.running is None
    proxies._view_state.playing = False
    qtbot.waitUntil(lambda: proxies._jobs.running is not None)
    proxies._view_state.playing = True
    assert proxies._jobs.running is None


def test_another_project_ends_it_at_once(qtbot, proxies, folder):
    proxies._idle.setInterval(0)
    proxies.open_project(folder.parent / "study.dyad")
    qtbot.waitUntil(lambda: proxies._jobs.running is not None)
    proxies.open_project(None)
    assert proxies._jobs.running is None
    qtbot.wait(50)
    assert proxies._jobs.running is None


def test_trouble_with_the_disk_is_said_once(qtbot, proxies, folder):
    folder.write_text("not a folder")
    proxies._idle.setInterval(0)
    with qtbot.waitSignal(proxies.noticed, timeout=30_000) as noticed:
        proxies.open_project(folder.parent / "study.dyad")
    assert noticed.args == ["Frames are not cached for scrubbing: not a directory."]
    with qtbot.assertNotEmitted(proxies.noticed, wait=100):
        proxies._view_state.playing = True
        proxies._view_state.playing = False


def test_two_windows_on_two_projects_keep_out_of_each_others_way(
    qtbot, make_window, preferences, tmp_path, video
):
    preferences.cache_gigabytes = 1.0
    windows = []
    for name in ("one", "two"):
        with Store.create(tmp_path / f"{name}.dyad") as store:
            store.add_clip(video)
        window = make_window()
        window.proxies._idle.setInterval(0)
        window.projects.open(tmp_path / f"{name}.dyad")
        windows.append(window)
    places = [folder_beside(tmp_path / f"{name}.dyad") for name in ("one", "two")]
    for window, place_of in zip(windows, places, strict=True):
        qtbot.waitUntil(lambda p=place_of: len(frames_in(video, p)) == COUNT, timeout=30_000)
        window.view_state.frame = 33
        qtbot.waitUntil(lambda w=window: w.frame_view.shown_frame == 33)
        qtbot.waitUntil(lambda w=window: w.timeline._cached == (FrameRange(0, COUNT),))


# -- on the command line ------------------------------------------------------------------------


def test_a_command_makes_the_proxies_of_a_project_and_deletes_them(capsys, video, tmp_path):
    project, folder = tmp_path / "study.dyad", folder_beside(tmp_path / "study.dyad")
    with Store.create(project) as store:
        store.add_clip(video)
    assert cli.main(["proxies", str(project)]) == 0
    assert f"numbers: {COUNT} of {COUNT} frames cached" in capsys.readouterr().out
    assert frames_in(video, folder) == frozenset(range(COUNT))
    assert cli.main(["proxies", str(project), "--clip", "numbers", "--clear"]) == 2
    assert cli.main(["proxies", str(project), "--clear"]) == 0
    assert not folder.exists()
    assert cli.main(["proxies", str(project), "--gigabytes", "0"]) == 0
    assert f"numbers: 0 of {COUNT} frames cached" in capsys.readouterr().out
    assert cli.main(["proxies", str(tmp_path / "none.dyad")]) == 2
