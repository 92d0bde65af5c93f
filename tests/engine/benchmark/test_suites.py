"""The same motion files give the same cases, and only frames that may be used are in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.benchmark import suites
from engine.benchmark.suites import captured_suite, make_suite, order_key, sources_in
from engine.errors import InputError
from engine.motion.prepared import write_prepared
from engine.structures import FrameRange
from engine.synthesis.order import SynthesisOrder
from engine.synthesis.timing import frame_times
from tests.engine.benchmark.conftest import FPS, swaying


def frame_count(order: SynthesisOrder) -> int:
    """Frames of the clip of an order at a steady rate."""
    assert order.frames is not None and order.fps is not None
    return len(frame_times((len(order.frames) - 1) / FPS, order.fps))


def test_the_same_folder_gives_the_same_suite(folder: Path) -> None:
    first, again = captured_suite(folder), captured_suite(folder)
    assert first == again
    assert first.digest == again.digest
    assert first.name == "captured"
    assert captured_suite(folder, quick=True).name == "captured-quick"


def test_a_suite_has_every_rate_and_camera_and_lengths_of_64_to_128(folder: Path) -> None:
    orders = captured_suite(folder).orders
    assert len(orders) == suites.CASES
    assert {(order.fps, order.variable_rate) for order in orders} == set(suites.RATES)
    assert {order.camera for order in orders} == set(suites.CAMERAS)
    assert all(64 <= frame_count(order) <= 128 for order in orders)
    assert len({frame_count(order) for order in orders}) > 2


def test_a_quick_suite_has_few_cases_of_64_frames(folder: Path) -> None:
    orders = captured_suite(folder, quick=True).orders
    assert len(orders) == suites.QUICK_CASES
    assert all(64 <= frame_count(order) <= 66 for order in orders)
    assert len({order.fps for order in orders}) > 2


def test_all_files_but_those_for_training_have_their_share(folder: Path) -> None:
    names = [order.motion.name for order in captured_suite(folder).orders]
    assert (names.count("a.npz"), names.count("b.npz")) == (8, 7)
    assert set(names) == {"a.npz", "b.npz"}


def test_windows_of_a_file_are_spread_over_it(folder: Path) -> None:
    starts = [o.frames.start for o in captured_suite(folder).orders if o.motion.name == "b.npz"]
    assert starts == sorted(starts)
    assert max(starts) - min(starts) > 150


def test_no_window_goes_over_a_cut_or_a_failure_of_the_capture(tmp_path: Path) -> None:
    content = replace(swaying(400), starts=(120, 260))
    valid = content.motion.valid.copy()
    valid[1, 300] = False
    write_prepared(
        tmp_path / "m.npz", replace(content, motion=replace(content.motion, valid=valid))
    )
    (source,) = sources_in(tmp_path)
    for start in source.starts(50).tolist():
        inside = range(start + 1, start + 50)
        assert not {120, 260} & set(inside)
        assert 300 not in (start, *inside)
    assert {0, 70, 120, 210, 301, 350} <= set(source.starts(50).tolist())
    assert not {71, 119, 211, 260, 300, 351} & set(source.starts(50).tolist())
    for order in captured_suite(tmp_path).orders:
        assert order.frames.start in source.starts(len(order.frames))


def test_the_digest_follows_the_motion_and_not_its_name(tmp_path: Path, folder: Path) -> None:
    order = SynthesisOrder(folder / "b.npz", frames=FrameRange(0, 9))
    (tmp_path / "renamed.npz").write_bytes((folder / "b.npz").read_bytes())
    assert order_key(replace(order, motion=tmp_path / "renamed.npz")) == order_key(order)
    assert order_key(replace(order, motion=folder / "a.npz")) != order_key(order)
    assert order_key(replace(order, fps=25.0)) != order_key(order)


def test_motion_that_is_short_gives_shorter_cases_at_every_rate_that_it_can(tmp_path: Path) -> None:
    write_prepared(tmp_path / "short.npz", swaying(70))
    orders = make_suite("short", tmp_path).orders
    assert {(order.fps, order.variable_rate) for order in orders} == set(suites.RATES)
    assert {frame_count(order) for order in orders if order.fps == 15} == {32}
    assert all(frame_count(order) >= 64 for order in orders if order.fps == 60)


def test_motion_too_short_for_a_rate_is_filmed_at_another(tmp_path: Path) -> None:
    write_prepared(tmp_path / "short.npz", swaying(40))
    orders = make_suite("short", tmp_path).orders
    assert {order.fps for order in orders} == {30.0, 60.0, 25.0}
    assert all(32 <= frame_count(order) <= 80 for order in orders)


def test_motion_too_short_for_any_rate_gives_shorter_cases(tmp_path: Path) -> None:
    write_prepared(tmp_path / "short.npz", swaying(25))
    assert [o.frames for o in make_suite("short", tmp_path, quick=True).orders] == [
        FrameRange(0, 25)
    ] * 4


def posed(folder: Path, frames: int = 12) -> Path:
    """Key poses at five a second, of which the sixth begins another sequence."""
    content = replace(swaying(frames, "posed"), kind="grappling", starts=(5,), fps=5.0)
    content = replace(content, motion=replace(content.motion, time=np.arange(frames) / 5.0))
    write_prepared(folder / "posed.npz", content)
    return folder


def test_key_poses_follow_each_other_at_a_pace_of_their_own(tmp_path: Path) -> None:
    suite = captured_suite(posed(tmp_path))
    assert suite.name == "grappling"
    for order in suite.orders:
        assert order.key_pose_seconds == suites.KEY_POSE_SECONDS
        assert not order.separate
        assert order.frames.start >= 5 or order.frames.stop <= 5
        seconds = (len(order.frames) - 1) * suites.KEY_POSE_SECONDS
        assert seconds >= 31 / order.fps - 1e-6


def test_other_motion_keeps_its_time_and_is_taken_apart(folder: Path) -> None:
    for order in captured_suite(folder).orders:
        assert order.key_pose_seconds is None and order.separate


def test_what_people_did_and_what_was_posed_are_one_suite_called_captured(tmp_path: Path) -> None:
    write_prepared(tmp_path / "b.npz", swaying(200))
    assert captured_suite(posed(tmp_path)).name == "captured"


def test_folders_inside_are_looked_into_where_asked(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    posed(tmp_path / "inside")
    write_prepared(tmp_path / "b.npz", swaying(200))
    assert [source.path.name for source in sources_in(tmp_path)] == ["b.npz"]
    found = sources_in(tmp_path, inside=True)
    assert [(source.path.name, source.kind) for source in found] == [
        ("b.npz", "generated"), ("posed.npz", "grappling"),
    ]  # fmt: skip


def test_of_many_files_some_are_taken_evenly(tmp_path: Path) -> None:
    for index in range(9):
        write_prepared(tmp_path / f"{index}.npz", swaying(70))
    taken = [order.motion.stem for order in make_suite("many", tmp_path, quick=True).orders]
    assert taken == ["0", "3", "5", "8"]


def test_a_folder_without_usable_motion_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no folder"):
        captured_suite(tmp_path / "absent")
    with pytest.raises(InputError, match="There is no motion in"):
        captured_suite(tmp_path)
    write_prepared(tmp_path / "trains.npz", replace(swaying(200), split="train"))
    with pytest.raises(InputError, match="There is no motion in"):
        captured_suite(tmp_path)
    np.savez(tmp_path / "other.npz", poses=np.zeros(3))
    with pytest.raises(InputError, match=r"other\.npz"):
        captured_suite(tmp_path)


def test_single_people_and_very_short_motion_make_no_cases(tmp_path: Path) -> None:
    content = swaying(200)
    rows = {
        name: getattr(content.motion, name)[:1]
        for name in ("betas", "global_orient", "body_pose", "transl", "valid", "provenance")
    }
    alone = replace(content, motion=replace(content.motion, **rows), kind="single")
    one = replace(alone, error_m=content.error_m[:1], moved_m=content.moved_m[:1])
    write_prepared(tmp_path / "one.npz", one)
    write_prepared(tmp_path / "short.npz", swaying(suites.SHORTEST - 1))
    with pytest.raises(InputError, match="There is no motion in"):
        captured_suite(tmp_path)
