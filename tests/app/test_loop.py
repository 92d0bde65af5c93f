"""The whole loop in one real window: video in, fix, mark, re-fit, undo, accept, restart."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

from app import projects, sample, window_start, worker
from app.fitting import topic_of
from engine.structures import BoxEdit, FrameRange
from tests.app import steps
from tests.engine.videos import write_video

KEY = Qt.Key
WAIT = 20_000


@pytest.fixture(autouse=True)
def quick_worker(monkeypatch):
    """The real worker process with tasks that need no models."""
    monkeypatch.setattr(worker, "perceive", steps.perceive)
    monkeypatch.setattr(worker, "fit", steps.fit)


def press(window, key, modifier=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(window.frame_view, key, modifier)


def kinds(window) -> list[str]:
    """The kinds of edit from the first to the head."""
    snapshot = window.history._snapshot
    if snapshot is None:
        return []
    by_id = {revision.id: revision for revision in snapshot.history}
    found, current = [], snapshot.head
    while current is not None:
        found.insert(0, current.kind)
        current = by_id.get(current.parent_id)
    return found


def wait_for(qtbot, window, *last_kinds):
    count = len(last_kinds)
    qtbot.waitUntil(lambda: kinds(window)[-count:] == list(last_kinds), timeout=WAIT)


def test_the_whole_loop(qtbot, make_window, video_file: Path, tmp_path: Path):
    window = make_window()
    mine = tmp_path / "meeting.mp4"
    shutil.copyfile(video_file, mine)

    # A dropped video makes a project beside it, is detected, and is fitted at once.
    window.projects.open_dropped([mine])
    wait_for(qtbot, window, "import", "observations", "fit")
    assert window.projects.path == tmp_path / "meeting.dyad"
    view_state = window.view_state
    assert view_state.candidate is None

    # S swaps from here to the end, in one step.
    view_state.frame = 10
    before = view_state.state.observations.keypoints2d.copy()
    press(window, KEY.Key_S)
    wait_for(qtbot, window, "swap")
    after = view_state.state.observations.keypoints2d
    np.testing.assert_array_equal(after[0, 10:], before[1, 10:])
    np.testing.assert_array_equal(after[:, :10], before[:, :10])

    # A dragged joint is one step.
    window.frame_view.keypoint_dragged.emit(0, 10, 9, 33.0, 21.0)
    wait_for(qtbot, window, "keypoint")

    # C, a region on one body, a region on the other, and an end dragged on the timeline.
    press(window, KEY.Key_C)
    window.mesh_view.region_clicked.emit(0, "left_hand")
    assert view_state.picked_region == (0, "left_hand")
    window.mesh_view.region_clicked.emit(1, "right_hand")
    wait_for(qtbot, window, "contact")
    assert view_state.tool == "select"
    assert view_state.selected_contact == 0
    window.timeline.contact_interval_changed.emit(0, FrameRange(4, 20))
    qtbot.waitUntil(lambda: view_state.state.constraints.contacts[0].frames == FrameRange(4, 20))

    # E fits what was touched; the bodies move while it runs; the result is a candidate.
    old = view_state.state.motion
    moved = []
    view_state.candidate_changed.connect(lambda c: moved.append(c))
    view_state.selection = FrameRange(4, 20)
    press(window, KEY.Key_E)
    qtbot.waitUntil(
        lambda: view_state.candidate is not None and view_state.candidate.is_complete, timeout=WAIT
    )
    assert any(c is not None and not c.is_complete for c in moved)
    new = view_state.motion_shown()
    assert not np.array_equal(new.transl[:, 4:20], old.transl[:, 4:20]) or not np.array_equal(
        new.body_pose[:, 4:20], old.body_pose[:, 4:20]
    )

    # B shows what was before, Enter keeps.
    QTest.keyPress(window.frame_view, KEY.Key_B)
    assert view_state.motion_shown() is view_state.state.motion
    QTest.keyRelease(window.frame_view, KEY.Key_B)
    press(window, KEY.Key_Return)
    wait_for(qtbot, window, "fit")
    assert view_state.candidate is None
    done = kinds(window)

    # Undo takes it all back, redo brings it again.
    for _ in range(3):
        count = len(kinds(window))
        press(window, KEY.Key_Z, Qt.KeyboardModifier.ControlModifier)
        qtbot.waitUntil(lambda n=count: len(kinds(window)) == n - 1, timeout=WAIT)
    for _ in range(3):
        count = len(kinds(window))
        press(window, KEY.Key_Y, Qt.KeyboardModifier.ControlModifier)
        qtbot.waitUntil(lambda n=count: len(kinds(window)) == n + 1, timeout=WAIT)
    assert kinds(window) == done

    # A accepts the clip.
    view_state.selection = None
    press(window, KEY.Key_A)
    wait_for(qtbot, window, "review")
    assert view_state.clip.status == "accepted"

    # What is accepted can be exported.
    window.projects.export("smpl-npz", tmp_path / "export")
    qtbot.waitUntil(lambda: bool(window.notifications.texts), timeout=WAIT)
    assert "40 frames of 1 clip" in window.notifications.texts[-1]
    assert (tmp_path / "export" / "manifest.json").exists()
    window.close()

    # After a restart everything is there, and can be undone.
    again = make_window()
    again.projects.open(tmp_path / "meeting.dyad")
    qtbot.waitUntil(lambda: kinds(again) == [*done, "review"], timeout=WAIT)
    press(again, KEY.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: kinds(again) == done, timeout=WAIT)


def test_nothing_accepted_is_nothing_to_export(qtbot, fitted_window, tmp_path):
    fitted_window.projects.export("smpl-npz", tmp_path / "export")
    qtbot.waitUntil(lambda: bool(fitted_window.notifications.texts), timeout=WAIT)
    assert "nothing to export yet" in fitted_window.notifications.texts[0]
    assert not (tmp_path / "export").exists()


def test_the_first_start_opens_the_sample_in_a_project_of_its_own(
    qtbot, window, video_file, tmp_path, monkeypatch
):
    none = tmp_path / "none.npz"
    monkeypatch.setattr(sample, "CLIPS", (sample.SampleClip(video_file, none, none),))
    monkeypatch.setattr(projects, "sample_project", lambda: tmp_path / "data" / "sample.dyad")
    window_start.open_first(window, None, None)
    wait_for(qtbot, window, "import", "observations", "fit")
    assert window.projects.path == tmp_path / "data" / "sample.dyad"


def test_splits_are_assigned_and_said(qtbot, fitted_window):
    fitted_window.projects.assign_splits(3)
    qtbot.waitUntil(lambda: "1 train" in fitted_window.status.passing.text(), timeout=WAIT)


def refit_running(qtbot, window, monkeypatch):
    monkeypatch.setattr(worker, "fit", steps.slow_fit)
    window.view_state.selection = FrameRange(5, 15)
    press(window, KEY.Key_E)
    qtbot.waitUntil(lambda: window.view_state.candidate is not None, timeout=WAIT)


def test_backspace_ends_a_running_fit_and_shows_what_is_saved(qtbot, fitted_window, monkeypatch):
    refit_running(qtbot, fitted_window, monkeypatch)
    press(fitted_window, KEY.Key_Backspace)
    assert fitted_window.jobs.running is None
    assert fitted_window.view_state.candidate is None
    assert kinds(fitted_window) == ["import", "observations", "fit"]


def detection_running(qtbot, window, video_file, tmp_path, monkeypatch) -> None:
    """The first detection of a new clip, with its preview on show."""
    monkeypatch.setattr(worker, "perceive", steps.slow_perceive)
    mine = tmp_path / "meeting.mp4"
    shutil.copyfile(video_file, mine)
    window.projects.open_dropped([mine])
    qtbot.waitUntil(lambda: window.view_state.is_unsaved, timeout=WAIT)


def test_a_cancelled_detection_says_what_is_kept_and_goes_on(
    qtbot, window, video_file, tmp_path, monkeypatch
):
    detection_running(qtbot, window, video_file, tmp_path, monkeypatch)
    window.status.cancel_requested.emit()
    assert window.jobs.running is None
    assert "cancelled" in window.notifications.texts[0]
    assert "goes on from there" in window.notifications.texts[0]
    monkeypatch.setattr(worker, "perceive", steps.perceive)
    window.notifications.findChild(QPushButton).click()
    wait_for(qtbot, window, "import", "observations", "fit")


def test_a_detection_that_an_edit_starts_again_was_not_cancelled(
    qtbot, window, video_file, tmp_path, monkeypatch
):
    detection_running(qtbot, window, video_file, tmp_path, monkeypatch)
    draw_box(window)
    wait_for(qtbot, window, "box")
    assert window.fitting.is_running("detect")
    assert window.notifications.texts == ()


def test_the_preview_of_a_first_detection_cannot_be_corrected(
    qtbot, window, video_file, tmp_path, monkeypatch
):
    detection_running(qtbot, window, video_file, tmp_path, monkeypatch)
    view = window.frame_view
    qtbot.waitUntil(lambda: view.shown_frame == 0 and view.picture_size is not None, timeout=WAIT)
    skeleton = view.skeletons()[0]
    at = QPointF(*skeleton.points[9].tolist())
    assert view.joint_under(at) is not None
    assert "preview" in window.status.mode.text()
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=at.toPoint())
    QTest.mouseMove(view, (at + QPointF(30, 0)).toPoint())
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=(at + QPointF(30, 0)).toPoint())
    QTest.mouseClick(view, Qt.MouseButton.RightButton, pos=at.toPoint())
    qtbot.wait(100)
    assert kinds(window) == ["import"]
    assert view.skeletons()[0].points[9].tolist() == skeleton.points[9].tolist()


def test_detecting_cannot_be_asked_for_twice_and_the_key_says_why(
    qtbot, window, video_file, tmp_path, monkeypatch
):
    detection_running(qtbot, window, video_file, tmp_path, monkeypatch)
    detect = window.actions_by_id["detect"]
    assert not detect.isEnabled()
    assert "being detected" in detect.toolTip()
    window.frame_view.setFocus()
    press(window, KEY.Key_S)
    assert "being detected" in window.status.passing.text()
    window.fitting.cancel()
    assert detect.isEnabled()
    assert "being detected" not in detect.toolTip()


def test_the_same_fit_is_not_started_over(qtbot, fitted_window, monkeypatch):
    refit_running(qtbot, fitted_window, monkeypatch)
    job = fitted_window.jobs.running
    press(fitted_window, KEY.Key_E)
    assert fitted_window.jobs.running is job
    assert "running already" in fitted_window.status.passing.text()


def test_while_a_fit_runs_the_window_says_what_becomes_of_a_correction(
    qtbot, fitted_window, monkeypatch
):
    refit_running(qtbot, fitted_window, monkeypatch)
    assert "the fit starts again" in fitted_window.status.mode.text()
    fitted_window.fitting.cancel()
    assert "bodies are as they were" in fitted_window.status.passing.text()


def test_an_error_about_a_fit_goes_when_it_is_tried_again(qtbot, fitted_window, monkeypatch):
    refit_running(qtbot, fitted_window, monkeypatch)
    os.kill(fitted_window.jobs.worker_pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: bool(fitted_window.notifications.texts), timeout=WAIT)
    press(fitted_window, KEY.Key_E)
    assert fitted_window.notifications.texts == ()


def test_an_error_about_a_clip_goes_with_the_clip(qtbot, fitted_window):
    window = fitted_window
    window.operations.failed.emit("A height is in metres.")
    window.fitting.problem.emit("The fit did not settle.", topic_of(window.view_state.clip_id))
    assert len(window.notifications.texts) == 2
    window.view_state.clip_id = None
    assert window.notifications.texts == ()


def test_escape_closes_a_message(qtbot, fitted_window):
    window = fitted_window
    window.view_state.selection = FrameRange(3, 9)
    window.operations.failed.emit("A height is in metres.")
    press(window, KEY.Key_Escape)
    assert window.notifications.texts == ()
    assert window.view_state.selection is not None


def test_of_two_refused_edits_the_newer_one_is_explained(fitted_window):
    fitted_window.operations.failed.emit("A height is in metres.")
    fitted_window.operations.failed.emit("A contact needs two people.")
    assert fitted_window.notifications.texts == ("A contact needs two people.",)


def test_a_killed_worker_is_one_sentence_and_the_next_fit_runs(qtbot, fitted_window, monkeypatch):
    refit_running(qtbot, fitted_window, monkeypatch)
    os.kill(fitted_window.jobs.worker_pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: bool(fitted_window.notifications.texts), timeout=WAIT)
    assert "nothing saved is lost" in fitted_window.notifications.texts[0]
    assert fitted_window.view_state.candidate is None
    monkeypatch.setattr(worker, "fit", steps.fit)
    press(fitted_window, KEY.Key_E)
    qtbot.waitUntil(
        lambda: (
            fitted_window.view_state.candidate is not None
            and fitted_window.view_state.candidate.is_complete
        ),
        timeout=WAIT,
    )


def test_an_edit_restarts_the_fit_that_it_touches(qtbot, fitted_window, monkeypatch):
    refit_running(qtbot, fitted_window, monkeypatch)
    first = fitted_window.jobs.running
    monkeypatch.setattr(worker, "fit", steps.fit)
    fitted_window.frame_view.keypoint_dragged.emit(0, 7, 9, 30.0, 20.0)
    qtbot.waitUntil(
        lambda: (
            fitted_window.view_state.candidate is not None
            and fitted_window.view_state.candidate.is_complete
        ),
        timeout=WAIT,
    )
    head = fitted_window.history._snapshot.head
    assert head.kind == "keypoint"
    assert fitted_window.view_state.candidate.base_revision == head.id
    assert fitted_window.jobs.running is not first


def draw_box(window) -> None:
    edit = BoxEdit(7, (4.0, 4.0, 40.0, 50.0), "person", 0)
    window.operations.edit(lambda store: store.edit_box(window.view_state.clip_id, edit))


@pytest.mark.parametrize(
    ("say", "kind"),
    [(lambda window: window.editing.rename(0, "Maria"), "identity"), (draw_box, "box")],
    ids=["a name", "a box"],
)
def test_what_no_fit_depends_on_does_not_cost_the_candidate(qtbot, fitted_window, say, kind):
    window = fitted_window
    window.view_state.selection = FrameRange(5, 15)
    press(window, KEY.Key_E)
    qtbot.waitUntil(
        lambda: window.view_state.candidate is not None and window.view_state.candidate.is_complete,
        timeout=WAIT,
    )
    say(window)
    wait_for(qtbot, window, kind)
    press(window, KEY.Key_Return)
    wait_for(qtbot, window, kind, "fit")


def test_an_edit_after_a_fit_makes_its_candidate_out_of_date(qtbot, fitted_window):
    window = fitted_window
    window.view_state.selection = FrameRange(5, 15)
    press(window, KEY.Key_E)
    qtbot.waitUntil(
        lambda: window.view_state.candidate is not None and window.view_state.candidate.is_complete,
        timeout=WAIT,
    )
    press(window, KEY.Key_S)
    wait_for(qtbot, window, "swap")
    assert window.view_state.candidate is None
    assert "out of date" in window.notifications.texts[0]


def test_accepted_frames_are_not_fitted_again(qtbot, fitted_window):
    window = fitted_window
    window.view_state.selection = FrameRange(5, 15)
    press(window, KEY.Key_A)
    wait_for(qtbot, window, "review")
    press(window, KEY.Key_E)
    assert window.jobs.running is None
    assert "accepted or frozen" in window.status.passing.text()


def test_sending_back_asks_for_a_reason_and_enter_alone_is_enough(qtbot, fitted_window):
    window = fitted_window
    press(window, KEY.Key_R)
    assert window.review.reason.isVisible()
    QTest.keyClicks(window.review.reason, "left hand drifts")
    QTest.keyClick(window.review.reason, KEY.Key_Return)
    wait_for(qtbot, window, "review")
    mark = window.view_state.state.reviews[-1]
    assert (mark.verdict, mark.reason) == ("sent back", "left hand drifts")


def test_only_one_person_in_view_is_said_and_the_clip_can_be_tried_again(
    qtbot, window, video_file, tmp_path, monkeypatch
):
    monkeypatch.setattr(worker, "perceive", steps.perceive_nobody)
    mine = tmp_path / "alone.mp4"
    shutil.copyfile(video_file, mine)
    window.projects.open_dropped([mine])
    qtbot.waitUntil(lambda: bool(window.notifications.texts), timeout=WAIT)
    assert window.notifications.texts[0].startswith("Only one person is in view.")
    assert kinds(window) == ["import"]
    assert "not been detected yet" in window.status.mode.text()
    monkeypatch.setattr(worker, "perceive", steps.perceive)
    window.actions_by_id["detect"].trigger()
    wait_for(qtbot, window, "import", "observations", "fit")


def test_several_videos_dropped_together_join_one_project(qtbot, window, video_file, tmp_path):
    files = [tmp_path / name for name in ("one.mp4", "two.mp4")]
    shutil.copyfile(video_file, files[0])
    write_video(files[1], list(range(0, 60, 2)))
    window.projects.open_dropped(files)
    qtbot.waitUntil(
        lambda: [c.status for c in window.view_state.clips] == ["fitted", "fitted"], timeout=WAIT
    )
    assert window.projects.path == tmp_path / "one.dyad"
    assert [clip.name for clip in window.view_state.clips] == ["one", "two"]
    window.projects.open_dropped([files[0]])
    qtbot.waitUntil(lambda: "already" in window.status.passing.text(), timeout=WAIT)
    assert len(window.view_state.clips) == 2


def test_heights_focal_length_and_names_are_edits_like_any_other(qtbot, fitted_window):
    window = fitted_window
    window.people.height_set.emit(1, 1.82)
    wait_for(qtbot, window, "height")
    window.fit.focal_set.emit(900.0)
    wait_for(qtbot, window, "height", "focal")
    constraints = window.view_state.state.constraints
    assert constraints.heights[1] == 1.82
    assert constraints.focal_px == 900.0


def test_the_history_leads_back_and_forth(qtbot, fitted_window):
    window = fitted_window
    press(window, KEY.Key_S)
    wait_for(qtbot, window, "swap")
    done = kinds(window)
    first, last = window.history._snapshot.history[0], window.history._snapshot.head
    window.history.revision_chosen.emit(first.id)
    wait_for(qtbot, window, "import")
    assert window.view_state.state.observations is None
    window.history.revision_chosen.emit(last.id)
    qtbot.waitUntil(lambda: kinds(window) == done, timeout=WAIT)
