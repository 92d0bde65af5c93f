"""Prepared motion: what is written is read back, what is wrong is refused in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.body.regions import region_names
from engine.errors import InputError, UnsafeFileError
from engine.motion.prepared import PreparedMotion, is_prepared, read_prepared, write_prepared
from engine.structures import BodyMotion, ContactLabel, FrameRange, Provenance
from engine.synthesis.casting import make_cast
from engine.synthesis.order import SynthesisOrder

FRAMES = 6
HAND, BACK = region_names()[:2]


@pytest.fixture
def prepared() -> PreparedMotion:
    generator = np.random.default_rng(0)
    valid = np.ones((2, FRAMES), bool)
    motion = BodyMotion(
        body="open-body",
        betas=generator.normal(size=(2, 10)),
        global_orient=generator.normal(size=(2, FRAMES, 3)),
        body_pose=generator.normal(size=(2, FRAMES, 23, 3)),
        transl=generator.normal(size=(2, FRAMES, 3)),
        valid=valid,
        provenance=np.full((2, FRAMES), Provenance.EDITED, np.uint8),
        time=np.arange(FRAMES) / 30,
        gravity="known",
    )
    return PreparedMotion(
        motion=motion,
        fps=30.0,
        name="two",
        source="Made for a test.",
        notice="",
        split="train",
        kind="captured",
        starts=(4,),
        error_m=np.full((2, FRAMES), 0.01),
        moved_m=np.zeros((2, FRAMES)),
        labels=(ContactLabel(0, HAND, 1, BACK, FrameRange(1, 4), "contact"),),
    )


def _changed(path: Path, content: PreparedMotion, /, **arrays: object) -> Path:
    write_prepared(path, content)
    written = dict(np.load(path))
    np.savez(path, **(written | arrays))  # type: ignore[arg-type]
    return path


def test_what_is_written_is_read_back(tmp_path: Path, prepared: PreparedMotion) -> None:
    write_prepared(tmp_path / "m.npz", prepared)
    again = read_prepared(tmp_path / "m.npz")
    for name in ("fps", "name", "source", "notice", "split", "kind", "starts", "labels"):
        assert getattr(again, name) == getattr(prepared, name)
    for name in ("betas", "global_orient", "body_pose", "transl", "valid", "provenance", "time"):
        np.testing.assert_allclose(
            getattr(again.motion, name), getattr(prepared.motion, name), rtol=1e-6
        )
    np.testing.assert_allclose(again.error_m, prepared.error_m, rtol=1e-6)
    assert again.motion.gravity == "known"


def test_prepared_motion_is_told_from_other_archives(
    tmp_path: Path, prepared: PreparedMotion
) -> None:
    write_prepared(tmp_path / "m.npz", prepared)
    np.savez(tmp_path / "other.npz", poses=np.zeros(3))
    assert is_prepared(tmp_path / "m.npz")
    assert not is_prepared(tmp_path / "other.npz")


def test_frames_where_the_capture_failed_hold_no_numbers(
    tmp_path: Path, prepared: PreparedMotion
) -> None:
    valid = np.ones((2, FRAMES), bool)
    valid[1, 2] = False
    write_prepared(
        tmp_path / "m.npz", replace(prepared, motion=replace(prepared.motion, valid=valid))
    )
    again = read_prepared(tmp_path / "m.npz")
    assert np.isnan(again.motion.body_pose[1, 2]).all()
    assert np.isfinite(again.motion.body_pose[valid]).all()
    assert again.motion.provenance[1, 2] == Provenance.MISSING


def test_a_cut_begins_at_zero_seconds_and_takes_its_labels_along(prepared: PreparedMotion) -> None:
    cut = prepared.cut(FrameRange(2, 4))
    assert cut.frame_count == 2
    assert cut.motion.time.tolist() == [0, 1 / 30]
    np.testing.assert_array_equal(cut.motion.transl, prepared.motion.transl[:, 2:4])
    assert cut.labels[0].frames == FrameRange(0, 2)
    assert prepared.cut(FrameRange(4, 6)).labels == ()


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [((2, 9), "expected A:B with 0 <= A < B <= 6"), ((3, 5), "begins in frame 4")],
)
def test_frames_that_are_not_one_sequence_are_refused(
    prepared: PreparedMotion, frames: tuple[int, int], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        prepared.cut(FrameRange(*frames))


def test_sequences_are_the_spans_between_starts(prepared: PreparedMotion) -> None:
    assert prepared.sequences() == (FrameRange(0, 4), FrameRange(4, 6))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"transl": np.full((2, FRAMES, 3), np.nan)}, "numbers in valid frames"),
        ({"body_pose": np.zeros((2, FRAMES, 21, 3))}, "the shape of body_pose"),
        ({"prepared": 2}, "expected 1 to 1, received 2"),
        ({"body": "smpl"}, "expected 'open-body', received 'smpl'"),
        ({"split": "test"}, "expected 'train' or 'validation', received 'test'"),
        ({"starts": [4, 4]}, "starts is wrong"),
        ({"starts": [FRAMES]}, "starts is wrong"),
        ({"label_people": [[0, 2]]}, "label_people is wrong; expected 0 to 1"),
        ({"label_regions": [["hand", "moon"]]}, "names of regions"),
        ({"label_frames": [[3, 3]]}, "label_frames is wrong"),
        ({"label_kinds": ["near"]}, "label_kinds is wrong"),
        ({"fps": 0.0}, "fps is wrong"),
    ],
)
def test_arrays_that_are_not_as_they_must_be_are_refused(
    tmp_path: Path, prepared: PreparedMotion, change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        read_prepared(_changed(tmp_path / "m.npz", prepared, **change))


def test_pickled_objects_are_refused(tmp_path: Path, prepared: PreparedMotion) -> None:
    with pytest.raises(UnsafeFileError):
        read_prepared(_changed(tmp_path / "m.npz", prepared, betas=np.array([{}], object)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"fps": 25.0}, "not evenly spaced"), ({"source": "x" * 300}, "too long")],
)
def test_what_would_not_be_read_back_is_not_written(
    tmp_path: Path, prepared: PreparedMotion, change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        write_prepared(tmp_path / "m.npz", replace(prepared, **change))  # type: ignore[arg-type]
    assert not (tmp_path / "m.npz").exists()


def test_clips_are_cast_with_it_as_it_is(tmp_path: Path, prepared: PreparedMotion) -> None:
    write_prepared(tmp_path / "m.npz", prepared)
    order = SynthesisOrder(tmp_path / "m.npz", tmp_path, frames=FrameRange(0, 3), separate=False)
    cast = make_cast(order)
    np.testing.assert_allclose(cast.motion.body_pose, prepared.motion.body_pose[:, :3], rtol=1e-6)
    np.testing.assert_allclose(cast.error_m, 0.01, rtol=1e-6)
