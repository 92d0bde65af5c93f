"""What Dyad exports as COCO it reads back as the same observations."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotations.exporters import export
from annotations.importers import ImportOptions, read
from annotations.importers.taking import take_in
from annotations.store import Store
from engine.structures import BoxEdit, FrameRange, Observations
from tests.annotations.builders import make_fit, make_observations, make_video, same

FRAMES = 40


def detected(seed: int, layout: str, masks: bool) -> Observations:
    """Detections as perception leaves them: nothing is nowhere, with no confidence."""
    found = make_observations(make_video(FRAMES), seed=seed, masks=masks)
    random = np.random.default_rng(seed)
    count = 17 if layout == "coco17" else 26
    points, confidence = found.keypoints2d[:, :, :count].copy(), found.confidence[:, :, :count]
    confidence = confidence.copy()
    missing = random.random(confidence.shape) < 0.2
    points[missing], confidence[missing] = np.nan, 0.0
    return replace(found, keypoints2d=points, confidence=confidence, layout=layout)


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("template") / "empty.dyad"
    Store.create(path).close()
    return path


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 10_000),
    layout=st.sampled_from(["coco17", "halpe26"]),
    masks=st.booleans(),
    frames=st.tuples(st.integers(0, 20), st.integers(21, FRAMES)),
)
def test_exported_and_imported_observations_are_the_same(
    tmp_path_factory, template, seed, layout, masks, frames
):
    folder = tmp_path_factory.mktemp("export")
    video, observations = make_video(FRAMES), detected(seed, layout, masks)
    shutil.copyfile(template, folder / "p.dyad")
    with Store.open(folder / "p.dyad") as store:
        clip = store.add_clip(video).clip_id
        store.set_observations(clip, observations, {})
        whole = FrameRange(0, FRAMES)
        store.apply_fit(clip, make_fit(video), whole, store.head(clip).id)
        store.review(clip, FrameRange(*frames), "accepted")
        export(store, "coco-keypoints", folder / "out")
    name = "person_keypoints" + ("" if layout == "coco17" else "_halpe26")
    back = read(folder / "out" / f"{name}.json", video).observations()
    part = slice(*frames)
    assert back.layout == layout
    assert same(back.keypoints2d[:, part], observations.keypoints2d[:, part])
    assert same(back.confidence[:, part], observations.confidence[:, part])
    np.testing.assert_allclose(back.boxes[:, part], observations.boxes[:, part], rtol=1e-12)
    outside = np.ones(FRAMES, bool)
    outside[part] = False
    assert np.isnan(back.keypoints2d[:, outside]).all() and not back.confidence[:, outside].any()
    for person in range(2):
        kept = () if back.masks is None else back.masks[person][part]
        assert list(kept) == (list(observations.masks[person][part]) if masks else [])


class TestTakingIn:
    @pytest.fixture
    def exported(self, store, clip_id, tmp_path) -> Path:
        store.review(clip_id, FrameRange(0, 150), "accepted")
        export(store, "coco-keypoints", tmp_path / "out")
        return tmp_path / "out" / "person_keypoints_halpe26.json"

    def test_joints_become_the_detections_in_one_step(self, store, clip_id, exported):
        before = store.state(clip_id).observations
        found = read(exported, store.clip(clip_id).video)
        changes = take_in(store, clip_id, found)
        assert changes.label == "Import person_keypoints_halpe26.json"
        after = store.state(clip_id).observations
        assert same(after.keypoints2d, before.keypoints2d)
        assert after.others is None and after.layout == "halpe26"
        store.undo(clip_id)
        assert store.head(clip_id).kind == "review"

    def test_people_keep_their_numbers(self, store, clip_id, exported):
        content = json.loads(exported.read_text())
        for entry in content["annotations"]:
            entry["track_id"] = {0: 9, 1: 4}[entry["track_id"]]
        exported.write_text(json.dumps(content))
        before, video = store.state(clip_id).observations, store.clip(clip_id).video
        by_id = read(exported, video).observations()
        assert same(by_id.keypoints2d[0], before.keypoints2d[1])
        options = ImportOptions(known_boxes=before.boxes)
        kept = read(exported, video, options).observations()
        assert same(kept.keypoints2d, before.keypoints2d)

    def test_masks_join_the_detections(self, store, clip_id, exported):
        content = json.loads(exported.read_text())
        for entry in content["annotations"]:
            del entry["keypoints"], entry["keypoint_scores"]
        del content["categories"][0]["keypoints"]
        exported.write_text(json.dumps(content))
        before, video = store.state(clip_id).observations, store.clip(clip_id).video
        bare = replace(before, masks=None)
        store.set_observations(clip_id, bare, {})
        found = read(exported, video)
        assert found.kind == "masks"
        take_in(store, clip_id, found)
        after = store.state(clip_id).observations
        assert same(after.keypoints2d, before.keypoints2d) and after.masks == before.masks

    def test_boxes_say_who_is_where_in_one_step(self, store, tmp_path):
        video = make_video(60)
        clip = store.add_clip(video).clip_id
        lines = [
            f"{frame + 1},{person + 1},{10 + 40 * person},5,20,40,1,-1,-1,-1"
            for frame in range(60)
            for person in range(2)
        ]
        (tmp_path / "mot.txt").write_text("\n".join(lines))
        take_in(store, clip, read(tmp_path / "mot.txt", video))
        state = store.state(clip)
        assert state.observations is None
        assert BoxEdit(0, (10.0, 5.0, 30.0, 45.0), "identity", 0) in state.constraints.box_edits
        assert {e.frame for e in state.constraints.box_edits} == {0, 15, 30, 45, 59}
        store.undo(clip)
        assert not store.state(clip).constraints.box_edits

    def test_a_camera_is_stated(self, store, clip_id, tmp_path):
        from tests.annotations.importers.writers import calibration

        video = store.clip(clip_id).video
        path = calibration(tmp_path)
        found = read(path, video, ImportOptions(resolution=(320, 240)))
        take_in(store, clip_id, found)
        kept = store.state(clip_id).constraints.camera
        assert same(kept.K, found.camera.K) and same(kept.distortion, found.camera.distortion)
