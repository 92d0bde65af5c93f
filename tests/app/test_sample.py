"""The bundled sample becomes a project of its own, analysed as far as its analysis ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from annotations.store import Store
from app import sample
from engine.body.data import load_body_data
from engine.body.display import DisplayBody
from engine.files import FitFile, ObservationsFile, write_fit, write_observations
from engine.geometry.frames import motion_to_camera
from tests.annotations.builders import make_fit, make_observations


@pytest.fixture
def store(tmp_path: Path):
    with Store.create(tmp_path / "sample.dyad") as made:
        yield made


@pytest.fixture
def shipped(tmp_path: Path, video, video_file, monkeypatch):
    """A sample whose analysis ships with it."""
    monkeypatch.setattr(sample, "VIDEO", video_file)
    monkeypatch.setattr(sample, "OBSERVATIONS", tmp_path / "observations.npz")
    monkeypatch.setattr(sample, "FIT", tmp_path / "fit.npz")
    observations, fit = make_observations(video, masks=False), make_fit(video)
    camera = fit.camera
    write_observations(sample.OBSERVATIONS, ObservationsFile(observations, camera.K, video.fps))
    motion = motion_to_camera(fit.motion, camera.T_camera_world, load_body_data())
    body = DisplayBody.load()
    joints = np.stack(
        [
            body.joints(*(getattr(motion, n)[p] for n in ("betas", "global_orient", "body_pose")),
                        motion.transl[p])
            for p in range(2)
        ]
    )  # fmt: skip
    content = FitFile(
        motion, joints, observations.keypoints2d, "halpe26", camera, fit.outcome, fit.diagnostics
    )
    write_fit(sample.FIT, content)
    return fit


def test_without_an_analysis_it_is_a_clip_to_be_detected(store, video_file, tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "VIDEO", video_file)
    monkeypatch.setattr(sample, "OBSERVATIONS", tmp_path / "none.npz")
    changes = sample.fill(store)
    assert changes.kind == "import"
    assert store.clips()[0].status == "new"


def test_with_its_analysis_the_bodies_are_there_at_once(store, shipped):
    sample.fill(store)
    clip = store.clips()[0]
    assert clip.status == "fitted"
    state = store.state(clip.id)
    np.testing.assert_allclose(state.motion.transl, shipped.motion.transl, atol=1e-5)
    np.testing.assert_allclose(
        state.diagnostics.penetration_m, shipped.diagnostics.penetration_m, atol=1e-6
    )
    assert state.edited == ()
