"""The generated motions in weights/motion/ are what their page says."""

import numpy as np
import pytest
import torch

from engine.body.data import OPEN_BODY
from engine.body.regions import region_vertices
from engine.body.smpl import BodyModel
from engine.geometry.touching import find_touch
from engine.motion.prepared import read_prepared
from engine.weights import WEIGHTS_DIR, read_manifest

FILES = sorted((WEIGHTS_DIR / "motion").glob("*.npz"))


def test_there_are_many_kinds_and_little_to_carry():
    kinds = {path.stem.rsplit("-", 1)[0] for path in FILES}
    assert {"hug", "handshake", "body-lock", "arm-around", "push", "hand-in-hand"} <= kinds
    assert sum(path.stat().st_size for path in FILES) < 4 * 2**20


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_says_that_it_is_generated_and_owes_cmu(path):
    prepared = read_prepared(path)
    assert prepared.kind == "generated"
    assert "mocap.cs.cmu.edu" in prepared.notice
    assert prepared.labels
    assert prepared.motion.valid.all()


def test_the_manifest_lists_each():
    listed = {entry.path.name for entry in read_manifest().values()}
    assert {path.name for path in FILES} <= listed


@pytest.mark.parametrize("name", ["hug-60000", "body-lock-50036", "hand-in-hand-50001"])
def test_bodies_touch_where_the_labels_say_and_are_not_in_each_other(name):
    prepared = read_prepared(WEIGHTS_DIR / "motion" / f"{name}.npz")
    model = BodyModel.load(OPEN_BODY, "2k5")
    skins = model.pose_of(prepared.motion).vertices().numpy()
    part = slice(None, None, 5)
    assert find_touch(skins[0, part], skins[1, part], model.data).penetration_m.max() < 0.025
    for label in prepared.labels:
        frame = (label.frames.start + label.frames.stop) // 2
        a = skins[label.person_a, frame, region_vertices(model, label.region_a)]
        b = skins[label.person_b, frame, region_vertices(model, label.region_b)]
        assert float(torch.cdist(torch.from_numpy(a), torch.from_numpy(b)).min()) < 0.03


@pytest.mark.parametrize("path", FILES[::9], ids=lambda path: path.stem)
def test_nobody_leaves_the_floor_or_sinks_into_it(path):
    motion = read_prepared(path).motion
    lowest = BodyModel.load(OPEN_BODY, "1k2").pose_of(motion).vertices().numpy()[..., 1].min(axis=2)
    assert lowest.min() > -0.06
    assert np.median(lowest) < 0.05
