"""Without a display the bundled sample leaves pictures, numbers, a project and exports.

Detection and fit are stood in for by known people, so that the numbers can be checked; that the
real ones run is tested where they live.
"""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace

import av
import numpy as np
import pytest

from annotations.store import Store
from app import headless, worker
from engine.errors import CannotFitError, InputError
from engine.files import read_fit, read_observations
from engine.structures import Camera, Diagnostics, FitResult, FrameRange, Outcome
from engine.video import probe
from tests.app.people import APART, camera, seen, standing_pair


@pytest.fixture(scope="module")
def video():
    return probe(headless.VIDEO)


@pytest.fixture(scope="module")
def stand_ins(video):
    """Two known people in place of the sample's; returns what a test may change."""
    count = video.frame_count
    near = camera(count)
    K = np.array([[1500.0, 0, video.width / 2], [0, 1500, video.height / 2], [0, 0, 1]])
    by = Camera(K, video.image_size, near.T_camera_world, "assumed")
    motion = replace(standing_pair(count), time=video.times)
    penetration = np.zeros(count)
    penetration[10:13] = 0.025
    diagnostics = Diagnostics(np.tile([[3.0], [5.0]], (1, count)), penetration, ("A note.",))
    result = {"fit": FitResult(motion, by, diagnostics, Outcome.CONVERGED)}

    def perceive(video, request, scratch=None):
        yield from ()
        return replace(seen(motion, by), times=video.times)

    def fit(problem, config):
        yield from ()
        return result["fit"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "perceive", perceive)
        patch.setattr(worker, "fit", fit)
        yield result


@pytest.fixture(scope="module")
def ran(stand_ins, tmp_path_factory):
    folder = tmp_path_factory.mktemp("headless") / "output"
    with contextlib.redirect_stdout(io.StringIO()) as out:
        run = headless.run_sample(folder, FrameRange(11, 14))
    return run, out.getvalue()


class TestRun:
    def test_it_leaves_what_it_says_and_says_where(self, ran):
        run, out = ran
        for path in (run.overlay, run.sheet, run.numbers, run.numbers_text, run.project):
            assert path.stat().st_size > 0 and str(path) in out
        assert read_observations(run.observations).observations.frame_count == 100
        assert read_fit(run.fit).outcome is Outcome.CONVERGED
        with av.open(str(run.overlay)) as container:
            assert sum(1 for _ in container.decode(video=0)) == 3

    def test_the_numbers_are_those_of_the_fit(self, ran):
        numbers = json.loads(ran[0].numbers.read_text())
        assert numbers["pelvis_distance_m_median"] == pytest.approx(APART, abs=1e-3)
        assert numbers["penetration_mm_deepest"] == 25 and numbers["penetrating_frames"] == 3
        assert [person["reprojection_px_median"] for person in numbers["people"]] == [3, 5]
        assert 1.5 < numbers["people"][0]["height_m"] < 1.9
        assert numbers["focal_px"] == 1500 and numbers["notes"] == ["A note."]
        assert set(numbers["seconds"]) == {"detect", "fit", "draw", "export"}

    def test_people_can_read_them_too(self, ran):
        text = ran[0].numbers_text.read_text()
        assert "Person 2: 1.7" in text and "deepest penetration: 25 mm" in text

    def test_each_format_is_exported_with_the_accepted_frames(self, ran):
        for name in headless.EXPORT_FORMATS:
            manifest = json.loads((ran[0].export / name / "manifest.json").read_text())
            assert manifest["format"] == name and manifest["counts"]["frames"] == 3

    def test_the_project_opens_and_is_reviewed(self, ran):
        with Store.open(ran[0].project) as store:
            state = store.state(store.clips()[0].id)
        assert state.motion is not None and state.reviews[0].frames == FrameRange(11, 14)


def test_another_run_replaces_the_results_of_the_one_before_and_nothing_else(stand_ins, tmp_path):
    folder = tmp_path / "output"
    stale = headless.SampleRun.within(folder).export / "smpl-npz" / "old" / "person.npz"
    stale.parent.mkdir(parents=True)
    stale.write_text("from before")
    (folder / "mine.txt").write_text("keep")
    (folder / "sample.dyad").write_text("from before")
    headless.run_sample(folder, FrameRange(0, 1))
    assert not stale.exists() and (folder / "mine.txt").read_text() == "keep"


def test_a_fit_that_does_not_settle_is_said(stand_ins, tmp_path, monkeypatch):
    diverged = replace(stand_ins["fit"], outcome=Outcome.DIVERGED, advice="Try again.")
    monkeypatch.setitem(stand_ins, "fit", diverged)
    with pytest.raises(CannotFitError, match=r"did not settle\. Try again"):
        headless.run_sample(tmp_path)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "output").write_text("a file")
    with pytest.raises(InputError, match="Cannot write into"):
        headless.run_sample(tmp_path / "output")
