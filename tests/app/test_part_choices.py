"""Who does a part of the work is chosen in the preferences, and nobody is imported for that."""

from __future__ import annotations

import sys

import pytest
from PySide6.QtWidgets import QComboBox, QFormLayout, QLabel

from app.preferences import PreferencesDialog
from engine.perception.request import PerceptionParts


@pytest.fixture
def installed(install):
    source = "raise RuntimeError('a plugin never runs in the window')"
    groups = {
        "dyad.detectors": {"rtmdet": "never_here:D"},
        "dyad.body_initializers": {"hmr": "never_here:B"},
    }
    install("never_here", source, groups, distribution="dyad-example")


def rows(dialog: PreferencesDialog) -> dict[str, QComboBox]:
    """The boxes of the dialog by what stands before them."""
    (form,) = dialog.findChildren(QFormLayout)
    found = {}
    for box in dialog.findChildren(QComboBox):
        before = form.labelForField(box)
        assert isinstance(before, QLabel)
        found[before.text()] = box
    return found


def texts(box: QComboBox) -> list[str]:
    return [box.itemText(index) for index in range(box.count())]


class TestTheDialog:
    def test_without_plugins_there_is_nothing_to_choose(self, qtbot, preferences):
        dialog = PreferencesDialog(preferences)
        qtbot.addWidget(dialog)
        assert list(rows(dialog)) == ["Colours", "Fits run on"]

    def test_a_choice_is_offered_where_there_is_one_and_kept(self, qtbot, preferences, installed):
        dialog = PreferencesDialog(preferences)
        qtbot.addWidget(dialog)
        found = rows(dialog)
        assert list(found) == ["Colours", "Fits run on", "Detector", "Body initialiser"]
        assert texts(found["Detector"]) == ["Dyad's own", "rtmdet (dyad-example 0.3.1)"]
        found["Detector"].setCurrentIndex(1)
        dialog.accept()
        assert preferences.parts == PerceptionParts(detector="rtmdet")
        assert preferences.part("body_initializer") == "dyad"
        assert "never_here" not in sys.modules

    def test_where_fits_run_is_chosen_and_kept(self, qtbot, preferences):
        assert preferences.device == "cpu"
        dialog = PreferencesDialog(preferences)
        qtbot.addWidget(dialog)
        box = rows(dialog)["Fits run on"]
        assert texts(box) == ["The processor", "A GPU (CUDA)", "A GPU where there is one"]
        box.setCurrentIndex(1)
        dialog.accept()
        assert preferences.device == "cuda"

    def test_a_plugin_that_is_gone_stays_chosen_until_another_is(self, qtbot, preferences):
        preferences.keep_part("tracker", "bytetrack")
        dialog = PreferencesDialog(preferences)
        qtbot.addWidget(dialog)
        box = rows(dialog)["Tracker"]
        assert box.currentText() == "bytetrack (not installed)"
        dialog.accept()
        assert preferences.part("tracker") == "bytetrack"
        box.setCurrentIndex(0)
        dialog.accept()
        assert preferences.parts == PerceptionParts()


class TestTheJobs:
    @pytest.fixture
    def submitted(self, monkeypatch):
        from app.jobs import Jobs

        jobs: list = []
        monkeypatch.setattr(Jobs, "submit", lambda self, job: jobs.append(job))
        return jobs

    def test_detection_and_fit_are_told_who_does_them(
        self, qtbot, make_window, preferences, submitted, fitted_project
    ):
        preferences.keep_part("segmenter", "sam2")
        preferences.keep_part("body_initializer", "hmr")
        window = make_window()
        window.projects.open(fitted_project)
        qtbot.waitUntil(lambda: window.view_state.state is not None, timeout=10_000)
        window.fitting.detect_shown()
        window.fitting.fit_clip()
        detect, fit = submitted
        assert detect.arguments["request"]["parts"] == PerceptionParts(segmenter="sam2")
        assert fit.arguments["config"]["initializer"] == "hmr"
        assert fit.arguments["problem"]["video"].path == window.view_state.clip.video.path
