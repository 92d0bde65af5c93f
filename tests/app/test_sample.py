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
from engine.synthesis.truth import read_truth
from engine.video import probe
from tests.annotations.builders import make_fit, make_observations


@pytest.fixture
def store(tmp_path: Path):
    with Store.create(tmp_path / "sample.dyad") as made:
        yield made


@pytest.fixture
def shipped(tmp_path: Path, video, video_file, monkeypatch):
    """A sample of one clip whose analysis ships with it."""
    clip = sample.SampleClip(video_file, tmp_path / "observations.npz", tmp_path / "fit.npz")
    monkeypatch.setattr(sample, "CLIPS", (clip,))
    observations, fit = make_observations(video, masks=False), make_fit(video)
    camera = fit.camera
    write_observations(clip.observations, ObservationsFile(observations, camera.K, video.fps))
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
    write_fit(clip.fit, content)
    return fit


def test_without_an_analysis_it_is_a_clip_to_be_detected(store, video_file, tmp_path, monkeypatch):
    none = tmp_path / "none.npz"
    monkeypatch.setattr(sample, "CLIPS", (sample.SampleClip(video_file, none, none),))
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


def test_what_ships_is_a_real_and_a_drawn_clip_both_with_bodies(store):
    changes = sample.fill(store)
    reach, hug = store.clips()
    assert changes.clip_id == reach.id
    assert (reach.name, hug.name) == ("reach", "hug-synthetic")
    for clip in (reach, hug):
        assert clip.status == "fitted"
        motion = store.state(clip.id).motion
        assert motion.valid.mean() > 0.9


def test_the_truth_of_the_drawn_clip_ships_and_is_of_two_people_who_touch():
    truth = read_truth(sample.TRUTH)
    hug = sample.CLIPS[1]
    assert truth.fit.motion.valid.shape == (2, probe(hug.video).frame_count)
    assert len(truth.contacts) > 5
    assert truth.fit.diagnostics.penetration_m.max() < 0.012
