"""From a video to observations, on frames of the bundled sample."""

from __future__ import annotations

import numpy as np
import pytest

from engine.body.joints import HALPE26
from engine.errors import InputError
from engine.perception import PeopleNotFoundError, PerceptionRequest, perceive
from engine.structures import BoxEdit, FrameRange, KeypointEdit, Observations, PerceptionProgress
from engine.video import probe
from tests.engine.perception.conftest import SAMPLE, write_folder

SHOULDERS = {0: ((350, 195), (530, 215)), 1: ((665, 1000), (920, 985))}
"""(left to right in the picture) of frame 0; the man faces the camera, the woman looks away."""


def run(video, **request) -> tuple[Observations, list[PerceptionProgress]]:
    steps = perceive(video, PerceptionRequest(**request))
    progress = []
    while True:
        try:
            progress.append(next(steps))
        except StopIteration as stop:
            return stop.value, progress


@pytest.fixture(scope="module")
def sample() -> tuple[Observations, list[PerceptionProgress]]:
    return run(probe(SAMPLE), frames=FrameRange(0, 6))


def joint(observations: Observations, person: int, name: str, frame: int = 0) -> np.ndarray:
    return observations.keypoints2d[person, frame, HALPE26.index(name)]


def test_both_people_are_found_and_the_bystander_is_not(sample):
    observations, _ = sample
    assert observations.layout == "halpe26"
    assert observations.keypoints2d.shape == (2, 100, 26, 2)
    middles = (observations.boxes[:, :6, 0] + observations.boxes[:, :6, 2]) / 2
    np.testing.assert_allclose(middles[0], 400, atol=50)
    np.testing.assert_allclose(middles[1], 750, atol=50)


def test_left_and_right_are_the_person_s_own(sample):
    observations, _ = sample
    for name in ("shoulder", "hip", "knee", "ankle"):
        man = [joint(observations, 0, f"{side}_{name}")[0] for side in ("left", "right")]
        assert man[0] > man[1]  # he faces the camera
        woman = [joint(observations, 1, f"{side}_{name}")[0] for side in ("left", "right")]
        assert woman[0] < woman[1]  # she turns her back to it


def test_a_hidden_joint_is_doubted_and_a_plain_one_is_not(sample):
    observations, _ = sample
    plain = [HALPE26.index(f"{s}_{n}") for s in ("left", "right") for n in ("hip", "shoulder")]
    assert observations.confidence[:, :6, plain].min() > 0.5
    # The woman's right hand is in front of her body, away from the camera.
    assert observations.confidence[1, :6, HALPE26.index("right_wrist")].max() < 0.35


def test_the_joints_lie_on_the_masks(sample):
    observations, _ = sample
    for person in range(2):
        mask = observations.masks[person][0].decode()
        assert mask.shape == (1920, 1088)
        assert 0.02 < mask.mean() < 0.2
        for name in ("left_hip", "right_hip", "left_shoulder", "right_knee", "neck"):
            x, y = joint(observations, person, name).astype(int)
            assert mask[y, x]
    assert not (observations.masks[0][0].decode() & observations.masks[1][0].decode()).any()


def test_frames_not_asked_for_stay_empty(sample):
    observations, _ = sample
    assert np.isnan(observations.keypoints2d[:, 6:]).all()
    assert (observations.confidence[:, 6:] == 0).all()
    assert np.isnan(observations.boxes[:, 6:]).all()
    assert observations.masks[0][6] is None


def test_progress_rises_to_one_and_shows_what_is_known(sample):
    observations, progress = sample
    fractions = [p.fraction for p in progress]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert {p.stage for p in progress} >= {"searching", "estimating", "done"}
    shown = [p.observations for p in progress if p.observations is not None]
    assert shown
    assert all(o.keypoints2d.shape == observations.keypoints2d.shape for o in shown)
    assert all(o.masks is None for o in shown)  # too much to send several times a second


def test_what_a_user_drew_is_the_truth():
    box = (440.0, 760.0, 1040.0, 1790.0)
    edits = (
        KeypointEdit(0, 1, HALPE26.index("right_wrist"), 812.0, 1111.0),
        KeypointEdit(1, 1, HALPE26.index("left_knee"), 10.0, 20.0, visible=False),
    )
    observations, _ = run(
        probe(SAMPLE),
        frames=FrameRange(0, 3),
        box_edits=(BoxEdit(1, box, "person", 0),),
        keypoint_edits=edits,
    )
    np.testing.assert_array_equal(observations.boxes[0, 1], box)
    middle = (observations.boxes[0, :3, 0] + observations.boxes[0, :3, 2]) / 2
    np.testing.assert_allclose(middle, 750, atol=50)  # the woman is now person 0
    np.testing.assert_array_equal(joint(observations, 0, "right_wrist", 1), (812.0, 1111.0))
    assert observations.confidence[0, 1, HALPE26.index("right_wrist")] == 1
    assert observations.confidence[1, 1, HALPE26.index("left_knee")] == 0


def test_closing_early_frees_the_video(tmp_path, sample_frames):
    folder = write_folder(tmp_path / "clip", [sample_frames[0]] * 3)
    steps = perceive(probe(folder), PerceptionRequest())
    next(steps)
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)


def test_a_single_frame_is_enough(tmp_path, sample_frames):
    observations, _ = run(probe(write_folder(tmp_path / "one", [sample_frames[0]])))
    assert np.isfinite(observations.boxes).all()


def test_black_frames_are_gaps(tmp_path, sample_frames):
    black = np.zeros_like(sample_frames[0])
    clip = [black, sample_frames[0], sample_frames[0], *[black] * 2, sample_frames[10]]
    observations, _ = run(probe(write_folder(tmp_path / "cuts", clip)))
    gaps = np.isnan(observations.boxes[..., 0])
    assert not gaps[:, [1, 2, 5]].any()
    assert (observations.confidence[:, [0, 3, 4]] < 0.35).all()
    middles = (observations.boxes[:, [1, 2, 5], 0] + observations.boxes[:, [1, 2, 5], 2]) / 2
    assert (middles[0] < 520).all()
    assert (middles[1] > 640).all()


def test_nobody_in_view_is_one_sentence(tmp_path):
    grey = np.full((120, 160, 3), 90, np.uint8)
    with pytest.raises(PeopleNotFoundError, match="Nobody was found") as caught:
        run(probe(write_folder(tmp_path / "empty", [grey] * 2)))
    assert "draw a box" in str(caught.value)


def test_one_person_in_view_names_the_missing_one(tmp_path, sample_frames):
    alone = sample_frames[0][280:1180, 170:620]
    with pytest.raises(PeopleNotFoundError, match=r"Only 1 of 2 people .* person 2"):
        run(probe(write_folder(tmp_path / "alone", [alone] * 2)))


@pytest.mark.parametrize(
    "request_",
    [
        {"frames": FrameRange(90, 120)},
        {"frames": FrameRange(5, 5)},
        {"box_edits": (BoxEdit(0, (0.0, 0.0, 9.0, 9.0), "person", 2),)},
        {"keypoint_edits": (KeypointEdit(0, 100, 3, 1.0, 2.0),)},
        {"keypoint_edits": (KeypointEdit(0, 1, 26, 1.0, 2.0),)},
    ],
)
def test_what_is_not_in_the_video_is_refused(request_):
    with pytest.raises(InputError, match="expected"):
        run(probe(SAMPLE), **request_)
