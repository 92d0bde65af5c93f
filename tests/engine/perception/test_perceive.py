"""From a video to observations, on frames of the bundled sample."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.body.joints import HALPE26
from engine.errors import InputError
from engine.perception import (
    PeopleNotFoundError,
    PerceptionRequest,
    perceive,
    scene,
)
from engine.structures import (
    BoxEdit,
    FrameRange,
    KeypointEdit,
    MaskEdit,
    Observations,
    PerceptionProgress,
    RunLengthMask,
)
from engine.video import probe
from tests.engine.perception.conftest import SAMPLE, run, write_folder

SHOULDERS = {0: ((350, 195), (530, 215)), 1: ((665, 1000), (920, 985))}
"""(left to right in the picture) of frame 0; the man faces the camera, the woman looks away."""


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
    hand = observations.confidence[1, :6, HALPE26.index("right_wrist")]
    assert (hand < observations.confidence[1, :6, HALPE26.index("left_wrist")] - 0.1).all()


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


def test_progress_rises_to_one_stage_by_stage(monkeypatch):
    monkeypatch.setattr(scene, "PROGRESS_SECONDS", 0.0)
    _, progress = run(probe(SAMPLE), frames=FrameRange(0, 2))
    fractions = [p.fraction for p in progress]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1
    stages = list(dict.fromkeys(p.stage for p in progress))
    assert stages == ["decoding", "searching", "detecting", "looking", "deciding", "done"]


def test_the_bystander_is_told_beside_the_pair(sample):
    observations, _ = sample
    others = observations.others
    assert others is not None and others.frame_count == 100
    assert others.boxes[:, 0, 2].min() < 200, "the bystander far left"
    assert np.isfinite(others.boxes[0, :6]).all() and np.isnan(others.boxes[0, 6:]).all()
    assert others.masks is None and others.others is None


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


def test_the_picture_s_size_does_not_move_joints(tmp_path, sample_frames, sample):
    """Frames are kept at 1,280 pixels at most: half the video gives the same people."""
    half = cv2.resize(sample_frames[0], (544, 960), interpolation=cv2.INTER_AREA)
    small, _ = run(probe(write_folder(tmp_path / "half", [half] * 2)))
    large, _ = sample
    assert small.masks[0][0].size == (960, 544)
    apart = np.linalg.norm(2 * small.keypoints2d[:, 0, :17] - large.keypoints2d[:, 0, :17], axis=-1)
    sure = np.minimum(small.confidence[:, 0, :17], large.confidence[:, 0, :17]) > 0.8
    assert sure.sum() > 25 and np.median(apart[sure]) < 12 and apart[sure].max() < 45


def test_what_was_painted_and_dragged_comes_back_exactly():
    painted = np.zeros((1920, 1088), bool)
    painted[700:710, 300:340] = True
    mask = RunLengthMask.encode(painted)
    nothing = RunLengthMask.encode(np.zeros((1920, 1088), bool))
    edits = tuple(KeypointEdit(0, 1, k, 100.25 + k, 200.75 + k) for k in range(26))
    observations, _ = run(
        probe(SAMPLE),
        frames=FrameRange(0, 2),
        mask_edits=(MaskEdit(1, 1, mask), MaskEdit(0, 0, nothing), MaskEdit(0, 50, mask)),
        keypoint_edits=edits,
    )
    assert observations.masks[1][1] == mask
    assert observations.masks[0][0] == nothing
    assert observations.masks[0][50] is None, "not one of the frames that were looked at"
    assert observations.masks[0][1] not in (None, mask)
    expected = [(100.25 + k, 200.75 + k) for k in range(26)]
    np.testing.assert_array_equal(observations.keypoints2d[0, 1], expected)
    assert (observations.confidence[0, 1] == 1).all()


def test_behind_a_cut_people_are_found_anew(tmp_path, sample_frames):
    small = cv2.resize(sample_frames[0], (544, 960), interpolation=cv2.INTER_AREA)
    other = np.ascontiguousarray(small[130:930, ::-1])
    other = cv2.resize(other, (544, 960), interpolation=cv2.INTER_AREA)
    video = probe(write_folder(tmp_path / "cut", [small] * 4 + [other] * 4))
    observations, _ = run(video)
    assert observations.cuts == (4,)
    assert any("cuts at frame 4" in note for note in observations.notes)
    assert np.isfinite(observations.boxes).all()
    middles = observations.boxes[..., ::2].mean(axis=-1)
    # The second shot is the mirror image of the first, and clothes tell who is who.
    np.testing.assert_allclose(middles[:, :4], np.tile([[359.0], [203.0]], 4), atol=25)
    np.testing.assert_allclose(middles[:, 4:], np.tile([[185.0], [341.0]], 4), atol=25)
    sure = observations.confidence[:, 3:5][..., [5, 6, 11, 12]]
    assert sure.min() > 0.5, "nothing was carried over the cut"


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
