from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.body.joints import HALPE26
from engine.perception import (
    PerceptionParts,
    PerceptionRequest,
    checkpoint,
    perceive,
    pipeline,
    scene,
)
from engine.perception.checkpoint import DETECTIONS, HEARD, Checkpoint, Codec, key_of
from engine.perception.detection import Detections
from engine.perception.looks import SoftMask, Source, Witnesses
from engine.perception.spool import FrameSpool
from engine.structures import BoxEdit, FrameRange, KeypointEdit, MaskEdit, RunLengthMask, VideoInfo
from engine.video import probe
from tests.engine.perception.conftest import SAMPLE

VIDEO = VideoInfo("clip.mp4", 64, 48, np.arange(90) / 30, "0" * 64)
WORDS = Codec(
    lambda items: {
        "lengths": np.array([len(i) for i in items]),
        "text": np.array(list("".join(items))),
    },
    lambda arrays: [
        "".join(part) for part in np.split(arrays["text"], np.cumsum(arrays["lengths"])[:-1])
    ],
)


def finish(steps) -> tuple[list, list[int]]:
    """What a stage returns, and what it reported."""
    reported = []
    while True:
        try:
            reported.append(next(steps))
        except StopIteration as stop:
            return stop.value, reported


def counted(calls: list[int]) -> Callable[[int, list[str]], str]:
    def work(number: int, before: list[str]) -> str:
        calls.append(number)
        assert len(before) == number
        return f"item {number} "

    return work


class TestStage:
    def run(self, folder: Path, count: int, name: str = "look") -> tuple[list[str], list[int]]:
        calls: list[int] = []
        done, reported = finish(Checkpoint(folder).stage(name, WORDS, count, counted(calls)))
        assert done == [f"item {number} " for number in range(count)]
        assert reported == sorted(reported) and reported[-1:] == [count] * (count > 0)
        return done, calls

    @pytest.mark.parametrize("count", [0, 1, checkpoint.CHUNK, checkpoint.CHUNK + 5])
    def test_finished_work_is_not_done_again(self, tmp_path, count):
        assert self.run(tmp_path, count)[1] == list(range(count))
        assert self.run(tmp_path, count)[1] == []

    def test_interrupted_work_goes_on_after_the_last_whole_chunk(self, tmp_path):
        calls: list[int] = []
        steps = Checkpoint(tmp_path).stage("look", WORDS, 100, counted(calls))
        for _ in range(checkpoint.CHUNK + 9):
            next(steps)
        steps.close()
        assert self.run(tmp_path, 100)[1] == list(range(checkpoint.CHUNK, 100))

    def test_stages_do_not_mix(self, tmp_path):
        self.run(tmp_path, 5)
        assert self.run(tmp_path, 5, "detect")[1] == list(range(5))

    def test_a_chunk_of_other_length_is_done_again(self, tmp_path):
        self.run(tmp_path, 5)
        assert self.run(tmp_path, 7)[1] == list(range(7))

    def test_on_a_full_disk_the_work_goes_on(self, tmp_path):
        (tmp_path / "file").write_text("no folder")
        assert self.run(tmp_path / "file", 5)[1] == list(range(5))

    def test_nothing_is_left_of_a_chunk_that_could_not_be_written(self, tmp_path):
        (tmp_path / "look-0000000.chunk").mkdir()
        assert self.run(tmp_path, 5)[1] == list(range(5))
        assert [path.name for path in tmp_path.iterdir()] == ["look-0000000.chunk"]


def random_points(rng: np.random.Generator, *shape: int) -> np.ndarray:
    points = rng.normal(0, 300, shape)
    points[rng.random(shape) < 0.1] = np.nan
    return points


def random_detections(rng: np.random.Generator) -> Detections:
    count = int(rng.integers(0, 4))
    return Detections(
        random_points(rng, count, 17, 3),
        random_points(rng, count, 4),
        rng.random(count),
        rng.random((count, 10, 4)),
        tuple(random_points(rng, int(rng.integers(0, 3)), 17, 3) for _ in range(count)),
    )


def random_witnesses(rng: np.random.Generator) -> Witnesses | None:
    if rng.random() < 0.2:
        return None
    count, looks = int(rng.integers(1, 6)), int(rng.integers(1, 3))
    height, width = (int(n) for n in rng.integers(1, 9, 2))
    window = tuple(int(n) for n in rng.integers(0, 900, 4))
    values = rng.integers(0, 256, (height, width)).astype(np.uint8)
    return Witnesses(
        box=random_points(rng, 4),
        detected=bool(rng.random() < 0.5),
        points=random_points(rng, count, 17, 3),
        sources=tuple(Source(int(s)) for s in rng.integers(0, 4, count)),
        presence=rng.random(looks),
        landmarks=random_points(rng, looks, 33, 3),
        colors=rng.random((count, 10, 4)),
        mask=None if rng.random() < 0.3 else SoftMask(window, values),
    )


def assert_same(a: object, b: object) -> None:
    """Equal to the bit, through dataclasses, sequences and arrays."""
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, (Detections, Witnesses, SoftMask)):
        for field in fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name))
    else:
        assert a == b


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_what_is_kept_comes_back_to_the_bit(seed, count):
    rng = np.random.default_rng(seed)
    found = [random_detections(rng) for _ in range(count)]
    assert_same(DETECTIONS.unpack(DETECTIONS.pack(found)), found)
    people = int(rng.integers(1, 4))
    heard = [[random_witnesses(rng) for _ in range(people)] for _ in range(count)]
    assert_same(HEARD.unpack(HEARD.pack(heard)), heard)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_a_damaged_chunk_is_done_again(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("chunks")
    rng = np.random.default_rng(4)
    heard = [[random_witnesses(rng), random_witnesses(rng)] for _ in range(3)]
    finish(Checkpoint(folder).stage("look", HEARD, 3, lambda n, _: heard[n]))
    (chunk,) = folder.iterdir()
    raw = bytearray(chunk.read_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        raw[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del raw[place:]
    chunk.write_bytes(raw)
    again, _ = finish(Checkpoint(folder).stage("look", HEARD, 3, lambda n, _: heard[n]))
    assert_same(again, heard)


class TestKey:
    plain = PerceptionRequest()
    box = (1.0, 2.0, 30.0, 40.0)

    @pytest.mark.parametrize(
        "other",
        [
            {"frames": FrameRange(0, 9)},
            {"person_count": 1},
            {"box_edits": (BoxEdit(3, box, "person", 1),)},
            {"parts": PerceptionParts(detector="other")},
        ],
    )
    def test_another_request_is_other_work(self, other):
        assert key_of(VIDEO, replace(self.plain, **other)) != key_of(VIDEO, self.plain)

    @pytest.mark.parametrize(
        "change",
        [{"frame": 4}, {"box": (1.0, 2.0, 30.0, 40.5)}, {"kind": "identity"}, {"person": 0}],
    )
    def test_whatever_is_said_of_a_place_counts(self, change):
        said = BoxEdit(3, self.box, "person", 1)
        a, b = (replace(self.plain, box_edits=(e,)) for e in (said, replace(said, **change)))
        assert key_of(VIDEO, a) != key_of(VIDEO, b)

    def test_what_is_put_in_last_is_the_same_work(self):
        mask = RunLengthMask.encode(np.ones((48, 64), bool))
        said = replace(
            self.plain,
            keypoint_edits=(KeypointEdit(0, 1, 3, 4.0, 5.0),),
            mask_edits=(MaskEdit(0, 1, mask),),
        )
        assert key_of(VIDEO, said) == key_of(VIDEO, self.plain)

    def test_another_video_is_other_work(self):
        assert key_of(replace(VIDEO, sha256="1" * 64), self.plain) != key_of(VIDEO, self.plain)
        shorter = replace(VIDEO, times=VIDEO.times[:80])
        assert key_of(shorter, self.plain) != key_of(VIDEO, self.plain)


class TestPerceive:
    """Six frames of the sample in chunks of two, interrupted in the fourth look."""

    request = PerceptionRequest(frames=FrameRange(0, 6))

    @pytest.fixture(autouse=True)
    def small_chunks(self, monkeypatch):
        monkeypatch.setattr(checkpoint, "CHUNK", 2)
        monkeypatch.setattr(scene, "PROGRESS_SECONDS", 0.0)

    @pytest.fixture
    def calls(self, monkeypatch) -> dict[str, int]:
        """How often each frame-wise part of the work was done."""
        counts = {"append": 0, "search": 0, "near": 0, "hear": 0}

        def count(owner: object, name: str) -> None:
            original = getattr(owner, name)

            def counting(*arguments, **named):
                counts[name] += 1
                return original(*arguments, **named)

            monkeypatch.setattr(owner, name, counting)

        count(FrameSpool, "append")
        count(pipeline.Finder, "search")
        count(pipeline.Finder, "near")
        count(pipeline, "hear")
        return counts

    def test_interrupted_work_goes_on_and_gives_the_same(self, tmp_path, calls):
        video = probe(SAMPLE)
        whole, _ = finish(perceive(video, self.request))
        alone = dict(calls)
        assert alone == {"append": 6, "search": 2, "near": 6, "hear": 6}

        steps = perceive(video, self.request, tmp_path)
        while calls["hear"] < alone["hear"] + 3:
            next(steps)
        steps.close()
        assert any(tmp_path.iterdir()), "what was found out is kept"

        before = dict(calls)
        # What is put in last does not make other work of it.
        edited = replace(self.request, keypoint_edits=(KeypointEdit(0, 1, 3, 4.0, 5.0),))
        resumed, _ = finish(perceive(video, edited, tmp_path))
        done = {name: calls[name] - before[name] for name in calls}
        assert done == {"append": 0, "search": 0, "near": 0, "hear": 4}
        assert list(tmp_path.iterdir()) == []

        same = np.ones(whole.confidence.shape, bool)
        same[0, 1, 3] = False
        np.testing.assert_array_equal(resumed.keypoints2d[same], whole.keypoints2d[same])
        np.testing.assert_array_equal(resumed.confidence[same], whole.confidence[same])
        np.testing.assert_array_equal(resumed.boxes, whole.boxes)
        assert resumed.keypoints2d.shape[2] == len(HALPE26)
        assert (resumed.masks, resumed.cuts, resumed.notes) == (
            whole.masks,
            whole.cuts,
            whole.notes,
        )

    def test_frames_that_were_decoded_are_not_decoded_again(self, tmp_path, calls):
        steps = perceive(probe(SAMPLE), self.request, tmp_path)
        while calls["append"] < 4:
            next(steps)
        steps.close()
        steps = perceive(probe(SAMPLE), self.request, tmp_path)
        while calls["append"] < 6:
            next(steps)
        steps.close()
        assert calls == {"append": 6, "search": 0, "near": 0, "hear": 0}
