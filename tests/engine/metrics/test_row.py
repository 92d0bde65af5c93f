"""A row of all metrics: what it says of known faults, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from engine.errors import InputError
from engine.files import FitFile
from engine.metrics import METRICS, Bodies, bodies_of, other_order, score, truth_row
from engine.structures import ContactLabel, FrameRange
from tests.engine.metrics.conftest import FRAMES, Moved, hugging, make_fit

OWN = ("penetration_mean_mm", "penetration_max_mm", "penetration_frames", "foot_skating_mm_s")
"""What the truth has of its own."""
ERRORS = tuple(n for n, metric in METRICS.items() if metric.better == -1 and n not in OWN)
SHARES = tuple(name for name, metric in METRICS.items() if metric.better == 1)
SURFACE = tuple(name for name in METRICS if name.startswith(("mpvpe", "pcc", "contact", "penetr")))


@pytest.fixture
def truth(fit: FitFile) -> Bodies:
    return bodies_of(fit, "1k2")


def of(fit: FitFile) -> Bodies:
    return bodies_of(fit, "1k2")


def test_a_row_has_every_metric_in_order(truth: Bodies) -> None:
    row = score(truth, truth)
    assert tuple(row) == tuple(METRICS)
    first = (
        "mpjpe_mm pa_mpjpe_mm mpvpe_mm pair_pa_mpjpe_mm inter_mm "
        "pcc_5cm pcc_10cm pcc_15cm pcc_20cm contact_f1_regions"
    )
    assert list(row)[:10] == first.split()
    assert all(isinstance(value, float | int) for value in row.values())


def test_the_truth_has_no_error_and_shows_its_own_contact_and_penetration(truth: Bodies) -> None:
    row = truth_row(truth)
    assert {name: row[name] for name in ERRORS} == pytest.approx(dict.fromkeys(ERRORS, 0), abs=1e-9)
    shares = [name for name in SHARES if name != "contact_recall_labelled"]
    assert {name: row[name] for name in shares} == dict.fromkeys(shares, 1)
    assert row["penetration_max_mm"] > row["penetration_mean_mm"] > 0
    assert row["penetration_max_mm"] == pytest.approx(
        1000 * max(touch.penetration_m.max() for touch in truth.touches)
    )


def test_a_person_who_stands_3_cm_too_far_is_an_error_of_the_pair_only(
    truth: Bodies, fit: FitFile, moved: Moved
) -> None:
    transl = fit.motion.transl.copy()
    transl[1, :, 2] += 0.03
    row = score(of(moved(transl=transl)), truth)
    for name in ("mpjpe_mm", "pa_mpjpe_mm", "mpvpe_mm"):
        assert row[name] == pytest.approx(0, abs=2e-3)  # meshes are in single precision
    assert row["relative_depth_mm"] == pytest.approx(30, abs=1e-3)
    assert row["root_error_mm"] == pytest.approx(15, abs=1e-3)
    assert row["pair_pa_mpjpe_mm"] > 5
    assert 0 < row["inter_mm"] <= 30
    assert 0 < row["contact_f1_vertices"] < 1


def test_people_apart_touch_nowhere(truth: Bodies, fit: FitFile, moved: Moved) -> None:
    transl = fit.motion.transl.copy()
    transl[1, :, 0] += 0.6
    row = score(of(moved(transl=transl)), truth)
    for name in ("contact_f1_regions", "contact_f1_intervals", "contact_f1_vertices", "pcc_20cm"):
        assert row[name] == 0
    assert row["penetration_max_mm"] == row["penetration_frames"] == 0


def test_distances_of_contacts_count_from_how_near_their_regions_are(
    truth: Bodies, fit: FitFile, moved: Moved
) -> None:
    transl = fit.motion.transl.copy()
    transl[1, :, 1] -= 0.12  # up along the other's chest
    row = score(of(moved(transl=transl)), truth)
    shares = [row[f"pcc_{r}cm"] for r in (5, 10, 15, 20)]
    assert shares == sorted(shares)
    assert shares[0] < shares[2]


turns = st.tuples(*[st.floats(-3, 3)] * 3)
shifts = st.tuples(*[st.floats(-0.3, 0.3)] * 3)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(turn=turns, shift=shifts)
def test_moving_the_whole_scene_changes_nothing_that_is_between_people(
    truth: Bodies, moved: Moved, fit: FitFile, turn: tuple[float, ...], shift: tuple[float, ...]
) -> None:
    rotation, motion = Rotation.from_rotvec(turn), fit.motion
    orient = (rotation * Rotation.from_rotvec(motion.global_orient.reshape(-1, 3))).as_rotvec()
    rest = truth.joints[:, :, 0] - motion.transl
    roots = rotation.apply(truth.joints[:, :, 0].reshape(-1, 3)) + shift
    transl = roots.reshape(motion.transl.shape) - rest
    there = of(moved(global_orient=orient.reshape(motion.transl.shape), transl=transl))
    assert there.joints[0, 0] == pytest.approx(rotation.apply(truth.joints[0, 0]) + shift, abs=1e-5)
    row = score(there, truth, quick=True)
    for name in ("pa_mpjpe_mm", "pair_pa_mpjpe_mm", "inter_mm", "pa_mpjpe_14_mm"):
        assert row[name] == pytest.approx(0, abs=2e-3)


def test_exchanging_the_people_on_both_sides_changes_no_number(
    truth: Bodies, fit: FitFile, moved: Moved
) -> None:
    rng = np.random.default_rng(0)
    wrong = moved(transl=fit.motion.transl + rng.normal(scale=0.02, size=fit.motion.transl.shape))
    row = score(of(wrong), truth)
    other = score(of(exchanged(wrong)), of(exchanged(fit)))
    assert other == pytest.approx(row, nan_ok=True, rel=1e-6)


def exchanged(fit: FitFile, frames: slice = slice(None)) -> FitFile:
    """Rows of people exchanged in some frames."""
    motion = fit.motion
    arrays = {}
    for name in ("global_orient", "body_pose", "transl"):
        array = getattr(motion, name).copy()
        array[:, frames] = array[::-1, frames]
        arrays[name] = array
    betas = motion.betas[::-1] if frames == slice(None) else motion.betas
    return make_fit(replace(motion, betas=betas, **arrays))


def test_exchanged_people_are_an_error_of_identity_and_the_other_order_is_named(
    truth: Bodies, fit: FitFile
) -> None:
    wrong = of(exchanged(fit))
    assert score(wrong, truth, quick=True)["idf1"] == 0
    assert score(wrong, truth, quick=True)["mpjpe_mm"] > 100
    assert other_order(wrong, truth) == (1, 0)
    assert other_order(truth, truth) is None


def test_people_exchanged_in_three_of_eight_frames(truth: Bodies, fit: FitFile) -> None:
    wrong = of(exchanged(fit, slice(0, 3)))
    assert score(wrong, truth, quick=True)["idf1"] == pytest.approx(5 / 8)


def test_who_walks_out_of_the_picture_is_no_error_of_identity(fit: FitFile, moved: Moved) -> None:
    transl = fit.motion.transl.copy()
    transl[1, 4:, 0] += 6
    leaving = of(moved(transl=transl))
    row = score(leaving, leaving, quick=True)
    assert row["idf1"] == row["pck_5"] == 1
    assert row["frames_left_out"] == 0


def test_frames_with_somebody_unknown_are_left_out_and_counted(
    truth: Bodies, fit: FitFile, moved: Moved
) -> None:
    transl, valid = fit.motion.transl.copy(), fit.motion.valid.copy()
    transl[1] += 0.01
    expected = score(of(moved(transl=transl)), truth)
    spoilt = transl.copy()
    spoilt[0, 2] = np.nan
    spoilt[1, 3] += 50
    valid[1, 3] = False
    orient = fit.motion.global_orient.copy()
    orient[0, 6] = np.nan
    row = score(of(moved(transl=spoilt, valid=valid, global_orient=orient)), truth)
    assert (row["frames"], row["frames_left_out"]) == (FRAMES, 3)
    for name in ("mpjpe_mm", "inter_mm", "pair_pa_mpjpe_mm", "root_error_mm", "mpvpe_mm"):
        assert row[name] == pytest.approx(expected[name], rel=0.1), name
    assert row["contact_f1_vertices"] > 0.5
    assert row["idf1"] == pytest.approx(2 * 13 / (13 + 16))


def test_the_truths_unknown_frames_are_left_out_too(truth: Bodies, moved: Moved) -> None:
    valid = np.ones((2, FRAMES), bool)
    valid[0, :5] = False
    row = score(truth, of(moved(valid=valid)))
    assert row["frames_left_out"] == 5
    assert row["mpjpe_mm"] == 0
    assert row["contact_f1_regions"] == row["contact_f1_vertices"] == 1


def test_nobody_known_at_all_is_a_row_of_nothing(truth: Bodies, moved: Moved) -> None:
    row = score(of(moved(valid=np.zeros((2, FRAMES), bool))), truth)
    assert row["frames_left_out"] == FRAMES
    assert np.isnan(row["mpjpe_mm"]) and np.isnan(row["penetration_max_mm"])
    assert row["idf1"] == 0


def test_quick_looks_at_no_mesh(truth: Bodies) -> None:
    row = score(truth, truth, quick=True)
    assert all(np.isnan(row[name]) for name in SURFACE)
    assert "vertices" not in vars(truth)
    full = score(truth, truth)
    assert {k: v for k, v in row.items() if k not in SURFACE} == {
        k: v for k, v in full.items() if k not in SURFACE
    }


def test_one_person_has_no_numbers_of_pairs(fit: FitFile) -> None:
    alone = of(make_fit(hugging(people=1)))
    row = score(alone, alone)
    assert row["mpjpe_mm"] == row["mpvpe_mm"] == 0
    assert all(np.isnan(row[name]) for name in ("inter_mm", "pair_pa_mpjpe_mm", "pcc_5cm"))


def test_three_people_are_compared_by_pairs() -> None:
    motion = hugging(people=3)
    transl = motion.transl.copy()
    transl[2, :, 2] += 0.09
    row = score(of(make_fit(replace(motion, transl=transl))), of(make_fit(motion)))
    assert row["relative_depth_mm"] == pytest.approx(60, abs=1e-3)  # 0, 90 and 90 mm
    assert row["root_error_mm"] == pytest.approx(30, abs=1e-3)


def test_what_was_labelled_is_told_apart(truth: Bodies, fit: FitFile, moved: Moved) -> None:
    transl = fit.motion.transl.copy()
    transl[1, :, 0] += 0.6
    apart = of(moved(transl=transl))
    true = truth.touches[0].labels
    stated = (replace(true[0], frames=FrameRange(0, FRAMES)), replace(true[0], kind="no_contact"))
    row = score(apart, truth, labelled=stated)
    assert row["contact_recall_labelled"] == 0
    assert score(truth, truth, labelled=stated)["contact_recall_labelled"] == 1
    everything = tuple(replace(label, frames=FrameRange(0, FRAMES)) for label in true)
    assert np.isnan(score(apart, truth, labelled=everything)["contact_f1_regions"])
    elsewhere = (ContactLabel(0, "head_top", 1, "left_toes", FrameRange(0, FRAMES)),)
    assert score(truth, truth, labelled=elsewhere)["contact_f1_regions"] == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frames": FRAMES + 1}, ("frames", str(FRAMES), str(FRAMES + 1))),
        ({"people": 3}, ("people", "2", "3")),
    ],
)
def test_other_people_or_frames_are_refused(
    truth: Bodies, change: dict[str, int], words: tuple[str, ...]
) -> None:
    other = of(make_fit(hugging(**change)))
    with pytest.raises(InputError) as caught:
        score(other, truth)
    text = str(caught.value)
    assert words[0] in text
    assert f"expected {words[1]}, received {words[2]}" in text


def test_another_frame_rate_is_refused(truth: Bodies, moved: Moved) -> None:
    slower = of(moved(time=np.arange(FRAMES) / 25))
    with pytest.raises(InputError, match="frames per second; expected 30, received 25"):
        score(slower, truth)


def test_other_presentation_times_at_the_same_rate_are_refused(truth: Bodies, moved: Moved) -> None:
    times = np.arange(FRAMES) / 30
    times[FRAMES // 2 :] += 0.05
    with pytest.raises(InputError, match="presentation times"):
        score(of(moved(time=times)), truth)
    assert score(of(moved(time=np.arange(FRAMES) / 30 + 0.001)), truth, quick=True)["frames"] == 8


def test_another_body_or_mesh_is_refused(truth: Bodies, fit: FitFile) -> None:
    assert truth.motion is not None
    other = replace(truth, motion=replace(truth.motion, body="smpl-neutral"))
    with pytest.raises(InputError, match="body; expected open-body, received smpl-neutral"):
        score(other, truth)
    with pytest.raises(InputError, match="mesh; expected 1k2, received 2k5"):
        score(bodies_of(fit, "2k5"), truth)


def test_a_missing_keypoint_is_wrong_and_has_no_distance(truth: Bodies) -> None:
    points = truth.keypoints2d + np.array([3.0, 4.0])
    points[:, :, :5] = np.nan
    row = score(replace(truth, keypoints2d=points), truth, quick=True)
    assert row["keypoint_error_px"] == pytest.approx(5)
    assert row["pck_5"] == pytest.approx(12 / 17)
