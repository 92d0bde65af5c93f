"""Imports in the window: dropped, looked at, set right, taken in as one step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent

from annotations.store import Store
from app.import_dialog import parsed_size
from app.imports import as_import, is_import
from engine.errors import InputError
from tests.annotations.importers import writers
from tests.annotations.importers.scene import FRAMES, joint
from tests.app.people import write_video


@pytest.fixture
def empty_clip(tmp_path) -> Path:
    """A project with the scene's video and no detections."""
    from engine.video import probe

    video = probe(write_video(tmp_path / "meeting.mp4", FRAMES))
    with Store.create(tmp_path / "study.dyad") as store:
        store.add_clip(video)
    return tmp_path / "study.dyad"


@pytest.fixture
def clip_window(qtbot, make_window, empty_clip):
    window = make_window()
    window.projects.open(empty_clip)
    qtbot.waitUntil(lambda: window.view_state.state is not None, timeout=10_000)
    return window


def drop(window, path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    window.dropEvent(QDropEvent(QPointF(50, 50), Qt.DropAction.CopyAction, data, left, none))


def looked(qtbot, window):
    """The dialog, when something is found."""
    qtbot.waitUntil(lambda: window.imports.dialog.found is not None, timeout=30_000)
    return window.imports.dialog


def test_a_dropped_file_is_shown_and_taken_in_as_one_step(qtbot, clip_window, tmp_path):
    drop(clip_window, writers.alphapose(tmp_path))
    dialog = looked(qtbot, clip_window)
    assert "alphapose, Halpe-26" in dialog._summary.text()
    assert not dialog._shown.pixmap().isNull()
    assert [box.currentText() for box in dialog._people] == [
        "track 1, 12 frames",
        "track 2, 11 frames",
    ]
    assert clip_window.view_state.state.observations is None
    dialog._take.click()
    qtbot.waitUntil(lambda: clip_window.view_state.state.observations is not None, timeout=10_000)
    found = clip_window.view_state.state.observations
    assert np.allclose(found.keypoints2d[0, 3, 0], joint(0, 3, "nose"))
    assert found.others.person_count == 1 and clip_window.imports.dialog is None
    clip_window.actions_by_id["undo"].trigger()
    qtbot.waitUntil(lambda: clip_window.view_state.state.observations is None, timeout=10_000)


def test_the_people_are_chosen_by_their_tracks(qtbot, clip_window, tmp_path):
    drop(clip_window, writers.alphapose(tmp_path))
    dialog = looked(qtbot, clip_window)
    first = dialog._people[0]
    first.setCurrentIndex(first.findData("2"))
    first.activated.emit(first.currentIndex())
    qtbot.waitUntil(lambda: dialog.found.people == ((1,), (0,)), timeout=30_000)
    # Who is chosen twice changes places with the other.
    assert [box.currentData() for box in dialog._people] == ["2", "1"]
    dialog._take.click()
    qtbot.waitUntil(lambda: clip_window.view_state.state.observations is not None, timeout=10_000)
    found = clip_window.view_state.state.observations
    assert np.allclose(found.keypoints2d[0, 3, 0], joint(1, 3, "nose"))


def test_what_is_wrong_can_be_set_right_in_the_dialog(qtbot, clip_window, tmp_path):
    path = writers.colmap(tmp_path, step=3)
    drop(clip_window, path)
    dialog = clip_window.imports.dialog
    qtbot.waitUntil(lambda: "--offset 0 or --offset 1" in dialog._problem.text(), timeout=30_000)
    assert not dialog._take.isEnabled()
    dialog._offset.setValue(1)
    dialog._again.click()
    looked(qtbot, clip_window)
    assert not dialog._people[0].isEnabled()
    dialog._take.click()
    state = clip_window.view_state
    qtbot.waitUntil(lambda: state.state.constraints.camera is not None, timeout=10_000)


def test_cancelled_it_leaves_nothing(qtbot, clip_window, tmp_path):
    drop(clip_window, writers.alphapose(tmp_path))
    looked(qtbot, clip_window)._cancel.click()
    assert clip_window.imports.dialog is None
    assert clip_window.view_state.state.observations is None


def test_without_a_clip_it_says_what_to_do(window, tmp_path):
    drop(window, writers.alphapose(tmp_path))
    assert "belongs to a clip" in window.notifications.texts[0]


def test_the_action_needs_a_clip(window, fitted_window):
    assert fitted_window.actions_by_id["import_detections"].isEnabled()


class TestWhatIsDropped:
    def test_videos_are_videos_and_detections_are_detections(self, tmp_path):
        assert not is_import(write_video(tmp_path / "a.mp4", 2))
        for write in (writers.alphapose, writers.mot, writers.calibration, writers.openpose):
            assert is_import(write(tmp_path))
        assert is_import(writers.colmap(tmp_path))
        assert is_import(writers.masks_palette(tmp_path))
        assert is_import(writers.masks_per_person(tmp_path))

    def test_a_folder_of_frames_is_a_video(self, tmp_path):
        for suffix in ("png", "jpg"):
            folder = tmp_path / suffix
            folder.mkdir()
            Image.new("RGB", (32, 24), (90, 80, 70)).save(folder / f"0001.{suffix}")
            assert not is_import(folder)

    def test_one_of_many_files_stands_for_its_folder(self, tmp_path):
        folder = writers.openpose(tmp_path)
        assert as_import(sorted(folder.iterdir())[0]) == folder
        assert as_import(tmp_path / "results.json") == tmp_path / "results.json"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", (None, None)),
        ("2", ((2.0, 2.0), None)),
        ("960x540", (None, (960, 540))),
        ("1 × 1", (None, (1, 1))),
    ],
)
def test_sizes_as_typed(text, expected):
    assert parsed_size(text) == expected


@pytest.mark.parametrize("text", ["big", "0", "0x5", "-1", "1x2x3", "nan"])
def test_sizes_that_are_none(text):
    with pytest.raises(InputError, match="WIDTHxHEIGHT"):
        parsed_size(text)
