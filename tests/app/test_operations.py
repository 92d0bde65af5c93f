"""Edits run in the store thread and come back as one signal."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.operations import Operations, Update
from engine.structures import FrameRange
from tests.annotations.builders import make_observations, make_video


@pytest.fixture
def operations(qapp) -> Iterator[Operations]:
    operations = Operations()
    yield operations
    operations.shutdown()


@pytest.fixture
def project(qtbot, operations, tmp_path: Path) -> Path:
    path = tmp_path / "project.dyad"
    with qtbot.waitSignal(operations.opened, timeout=10_000):
        operations.create(path, author="Ann")
    return path


def edit(qtbot, operations, mutate) -> Update:
    with qtbot.waitSignal(operations.changed, timeout=10_000) as changed:
        operations.edit(mutate)
    return changed.args[0]


def detected(qtbot, operations) -> int:
    video = make_video(40)
    clip_id = edit(qtbot, operations, lambda store: store.add_clip(video)).changes.clip_id
    observations = make_observations(video)
    edit(qtbot, operations, lambda s: s.set_observations(clip_id, observations, {"by": "test"}))
    return clip_id


def test_an_edit_brings_its_changes_and_the_state_after_it(qtbot, operations, project):
    clip_id = detected(qtbot, operations)
    update = edit(qtbot, operations, lambda store: store.swap(clip_id, FrameRange(3, 9)))
    assert update.changes.frames == FrameRange(3, 9)
    assert update.snapshot.clip_id == clip_id
    assert update.snapshot.undo_label == update.changes.label
    assert [revision.kind for revision in update.snapshot.history] == [
        "import", "observations", "swap",
    ]  # fmt: skip
    assert [clip.id for clip in update.clips] == [clip_id]


def test_edits_run_in_order_away_from_the_gui_thread(qtbot, operations, project):
    threads = []
    answers = []
    for number in range(20):
        operations.ask(
            lambda store, n=number: (threads.append(threading.current_thread()), n)[1],
            answers.append,
        )
    qtbot.waitUntil(lambda: len(answers) == 20)
    assert answers == list(range(20))
    assert len(set(threads)) == 1
    assert threads[0] is not threading.main_thread()


def test_a_refused_edit_is_one_sentence_and_changes_nothing(qtbot, operations, project):
    clip_id = detected(qtbot, operations)
    with qtbot.waitSignal(operations.failed) as failed, qtbot.assertNotEmitted(operations.changed):
        operations.edit(lambda store: store.swap(clip_id, FrameRange(30, 900)))
    assert failed.args[0].endswith(".")
    with qtbot.waitSignal(operations.changed) as shown:
        operations.show(clip_id)
    assert shown.args[0].snapshot.head.kind == "observations"


def test_an_unforeseen_failure_is_logged_and_the_thread_lives(qtbot, operations, project, caplog):
    with qtbot.waitSignal(operations.failed) as failed:
        operations.edit(lambda store: 1 / 0)
    assert "ZeroDivisionError" in failed.args[0]
    assert "Traceback" in caplog.text
    detected(qtbot, operations)


def test_without_a_project_an_edit_says_so(qtbot, operations):
    with qtbot.waitSignal(operations.failed) as failed:
        operations.edit(lambda store: store.undo(1))
    assert failed.args[0] == "No project is open. Open a project or import a video."


def test_a_project_that_cannot_be_opened_leaves_the_open_one_open(
    qtbot, operations, project, tmp_path
):
    clip_id = detected(qtbot, operations)
    foreign = tmp_path / "foreign.dyad"
    foreign.write_bytes(b"not a database" * 100)
    with qtbot.waitSignal(operations.failed):
        operations.open(foreign)
    assert foreign.read_bytes() == b"not a database" * 100
    with qtbot.waitSignal(operations.changed) as shown:
        operations.show(clip_id)
    assert shown.args[0].snapshot.clip_id == clip_id


def test_a_second_window_on_the_same_project_is_refused(qtbot, operations, project):
    second = Operations()
    try:
        with qtbot.waitSignal(second.failed) as failed:
            second.open(project)
        assert "open" in failed.args[0]
    finally:
        second.shutdown()


def test_everything_asked_before_shutdown_is_saved(qtbot, operations, project):
    clip_id = detected(qtbot, operations)
    operations.edit(lambda store: store.swap(clip_id, FrameRange(0, 5)))
    operations.shutdown()
    again = Operations()
    try:
        with qtbot.waitSignal(again.opened):
            again.open(project)
        with qtbot.waitSignal(again.changed) as shown:
            again.show(clip_id)
        assert shown.args[0].snapshot.head.kind == "swap"
        assert shown.args[0].snapshot.undo_label
    finally:
        again.shutdown()
