"""A tiny suite from motion to rows: what a fit is told, what is counted, and that it repeats."""

from __future__ import annotations

import os
import pickle
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from engine.benchmark import running
from engine.benchmark.configurations import Configuration, PriorEstimate, configurations
from engine.benchmark.levels import LEVELS, QUICK_LEVELS, chosen_levels
from engine.benchmark.perceived import rough_mask
from engine.benchmark.running import TRUTH, BenchCase, CaseScore, run_suite
from engine.benchmark.suites import Suite
from engine.benchmark.table import mean_rows
from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.errors import InputError
from engine.metrics import METRICS, bodies_of
from engine.prior.denoiser import Denoiser, DenoiserConfig
from engine.prior.prior import Prior
from engine.prior.skeleton import Skeleton
from engine.prior.weight_file import write_weights
from engine.structures import Observations, RunLengthMask

HASTY = FitConfig(
    placement_steps=3, hypothesis_steps=3, joint_steps=8, contact_rounds=1, contact_steps=3
)
WAYS = {
    "per-person": Configuration("", HASTY, alone=True),
    "joint": Configuration("", HASTY),
}


def returned(work: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value


@pytest.fixture(scope="module")
def scores(tiny: Suite) -> list[CaseScore]:
    result: list[CaseScore] = returned(run_suite(tiny, WAYS, ("clean",), processes=0))
    return result


@pytest.fixture(scope="module")
def case(scores: list[CaseScore]) -> BenchCase:
    return scores[0].case


def test_there_is_a_score_for_the_truth_and_each_way_in_every_case(
    scores: list[CaseScore], tiny: Suite
) -> None:
    found = [(one.configuration, one.level, one.case.order.seed) for one in scores]
    assert found == [
        (TRUTH, "", 0), (TRUTH, "", 1),
        ("per-person", "clean", 0), ("per-person", "clean", 1),
        ("joint", "clean", 0), ("joint", "clean", 1),
    ]  # fmt: skip
    for one in scores:
        assert one.metrics is not None and list(one.metrics) == list(METRICS)


def test_the_truth_has_no_error_and_fits_have_some(scores: list[CaseScore]) -> None:
    for one in scores:
        assert one.metrics is not None
        if one.configuration == TRUTH:
            assert one.metrics["mpjpe_mm"] == 0
            assert np.isnan(one.seconds_per_frame)
        else:
            assert 1 < one.metrics["mpjpe_mm"] < 300
            assert one.metrics["keypoint_error_px"] < 60
            assert 0 < one.seconds_per_frame < 10
            assert one.peak_mb > 100


def test_two_runs_give_equal_rows(scores: list[CaseScore], tiny: Suite) -> None:
    again = returned(run_suite(tiny, WAYS, ("clean",), processes=0))
    measured = {"seconds_per_frame", "peak_mb"}
    for before, after in zip(mean_rows(tiny, scores), mean_rows(tiny, again), strict=True):
        assert before.keys() == after.keys()
        for name in before.keys() - measured:
            assert before[name] == after[name] or before[name] != before[name], name


def test_progress_goes_up_to_the_end(tiny: Suite) -> None:
    work = run_suite(tiny, {"joint": WAYS["joint"]}, ("clean",), processes=0)
    told = [next(work) for _ in range(6)]
    work.close()
    assert [p.stage for p in told] == [
        "Making cases", "Making cases: 1 of 2", "Making cases: 2 of 2",
        "Fitting", "Fitting: 1 of 1", "Comparing with the truth",
    ]  # fmt: skip
    fractions = [p.fraction for p in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.7


class TestWhatAFitIsTold:
    def test_heights_are_stated_at_the_levels_that_say_so(self, case: BenchCase) -> None:
        assert case.problem("clean").constraints.heights == case.heights
        assert case.problem("detector-heights").constraints.heights == case.heights
        assert case.problem("detector").constraints.heights == ()
        assert all(1.2 < height < 2.2 for height in case.heights)

    def test_only_keypoints_and_the_camera_are_known_besides(self, case: BenchCase) -> None:
        for level in ("clean", "detector", "detector-heights"):
            problem = case.problem(level)
            assert problem.observations is case.observations[LEVELS[level].observations]
            assert problem.observations.masks is None
            assert problem.observations.others is None
            np.testing.assert_array_equal(problem.K, case.K)
            assert problem.camera is problem.betas is problem.warm_start is None

    def test_clean_keypoints_are_the_true_ones_and_a_detectors_are_not(
        self, case: BenchCase
    ) -> None:
        true = case.truth.keypoints2d_reprojected
        assert np.nanmax(np.abs(case.observations["clean"].keypoints2d - true)) < 0.01
        assert np.nanmax(np.abs(case.observations["detector"].keypoints2d - true)) > 1

    def test_a_level_that_nobody_knows_is_refused(self) -> None:
        assert chosen_levels((), quick=True) == QUICK_LEVELS
        assert chosen_levels(()) == tuple(LEVELS)
        with pytest.raises(InputError, match="expected clean, detector"):
            chosen_levels(("clean", "loud"))


class TestConfigurations:
    def test_a_name_that_none_has_is_refused(self) -> None:
        assert list(configurations(("joint",))) == ["joint"]
        assert len(configurations(())) >= 3
        with pytest.raises(InputError, match="expected per-person, joint"):
            configurations(("joint", "by magic"))

    def test_alone_nobody_learns_from_the_partner(self, case: BenchCase) -> None:
        problem, way = case.problem("clean"), WAYS["per-person"]
        seen = problem.observations
        moved = seen.keypoints2d.copy()
        moved[1] += 40
        other = replace(problem, observations=replace(seen, keypoints2d=moved))
        mine, again = way.fit(problem), way.fit(other)
        np.testing.assert_array_equal(mine.joints[0], again.joints[0])
        assert np.abs(mine.joints[1] - again.joints[1]).max() > 0.01
        assert mine.motion.valid.shape == case.truth.motion.valid.shape

    def test_jointly_they_share_a_floor_and_gravity(self, case: BenchCase) -> None:
        problem, way = case.problem("clean"), WAYS["joint"]
        seen = problem.observations
        moved = seen.keypoints2d.copy()
        moved[1] += 40
        other = replace(problem, observations=replace(seen, keypoints2d=moved))
        assert np.abs(way.fit(problem).joints[0] - way.fit(other).joints[0]).max() > 1e-4


def test_people_who_cannot_be_fitted_are_counted_and_leave_the_rest_alone(
    case: BenchCase, tiny: Suite
) -> None:
    seen = case.observations["clean"]
    blind = replace(seen, confidence=np.zeros_like(seen.confidence))
    problems = [case.problem("clean"), replace(case.problem("clean"), observations=blind)]
    fitted = running._fitted("joint", "clean", WAYS["joint"], problems)
    assert fitted.fits[0] is not None and fitted.fits[1] is None
    scored = running._scored(case.truth, [("joint", "clean", fit) for fit in fitted.fits])
    assert scored[1] is not None and scored[2] is None
    as_case = [CaseScore(case, "joint", "clean", metrics, 0.1, 300.0) for metrics in scored[1:]]
    (row,) = mean_rows(tiny, as_case)
    assert (row["cases"], row["failed"]) == (2, 1)
    assert row["mpjpe_mm"] == scored[1]["mpjpe_mm"]
    assert row["frames"] == case.truth.motion.frame_count


def test_without_surfaces_only_what_is_measured_on_skin_is_unknown(
    case: BenchCase, scores: list[CaseScore]
) -> None:
    fit = WAYS["joint"].fit(case.problem("clean"))
    ways = [("joint", "clean", fit)]
    full, quick = (running._scored(case.truth, ways, surfaces)[1] for surfaces in (True, False))
    assert full is not None and quick is not None
    unknown = {name for name, value in quick.items() if np.isnan(value)}
    assert {"mpvpe_mm", "penetration_max_mm", "contact_f1_vertices"} <= unknown
    for name in quick.keys() - unknown:
        assert quick[name] == full[name], name
    assert not unknown & {"mpjpe_mm", "pair_pa_mpjpe_mm", "inter_mm", "keypoint_error_px"}


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> PriorEstimate:
    """An untrained network's."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    network = Denoiser(DenoiserConfig(width=24, blocks=1, heads=2, modulation=8))
    write_weights(path, network, Skeleton.of(BodyModel.load(density="1k2")))
    return PriorEstimate("untrained", path)


class TestPriorEstimate:
    def test_it_is_scored_as_a_fit_is(self, case: BenchCase, way: PriorEstimate) -> None:
        found = way.fit(case.problem("detector"))
        bodies = bodies_of(found)
        np.testing.assert_allclose(bodies.joints, found.joints, atol=1e-4)
        metrics = running._scored(case.truth, [("prior", "detector", found)])[1]
        assert metrics is not None and 0 < metrics["mpjpe_mm"] < 2000
        assert metrics["frames_left_out"] == 0

    def test_it_says_what_the_prior_says_in_the_cameras_frame(
        self, case: BenchCase, way: PriorEstimate
    ) -> None:
        problem = case.problem("detector-heights")
        seen = problem.observations
        estimate = Prior.load(way.weights).estimate(
            seen.keypoints2d, seen.confidence, seen.layout, case.K, seen.times,
            heights=case.heights,
        )  # fmt: skip
        found = way.fit(problem).motion
        np.testing.assert_allclose(found.transl, estimate.transl, atol=1e-5)
        np.testing.assert_allclose(found.betas, estimate.betas, atol=1e-5)
        turned, said = (
            Rotation.from_rotvec(v.reshape(-1, 3))
            for v in (found.global_orient, estimate.global_orient)
        )
        assert (turned * said.inv()).magnitude().max() < 1e-4

    def test_it_can_be_sent_to_a_process(self, way: PriorEstimate) -> None:
        assert pickle.loads(pickle.dumps(way)) == way


class TestProcesses:
    """The jobs are trivial: what is tested is who does them."""

    def test_each_row_is_made_by_a_process_of_its_own_with_one_thread(self) -> None:
        work = running._Work(2, total=2)
        jobs = [(_about_me, (index,)) for index in range(2)]
        told = list(_kept(work.done("working", jobs, ticks=1, fresh=True)))
        (*progress, results) = told
        assert [index for index, _, _ in results] == [0, 1]
        pids = {pid for _, pid, _ in results}
        assert len(pids) == 2 and os.getpid() not in pids
        assert {threads for _, _, threads in results} == {1}
        assert progress[-1].fraction == pytest.approx(0.99)

    def test_a_job_that_fails_ends_the_run_with_its_error(self) -> None:
        work = running._Work(1, total=2)
        with pytest.raises(InputError, match="no good"):
            returned(work.done("working", [(_fails, ()), (_about_me, (1,))], ticks=1))


def _about_me(index: int) -> tuple[int, int, int]:
    import torch

    running._tick()
    return index, os.getpid(), torch.get_num_threads()


def _fails() -> None:
    raise InputError("This is no good")


def _kept(work: Generator[Any, None, Any]) -> Generator[Any, None, None]:
    """What is yielded, then what is returned."""
    result = yield from work
    yield result


def test_what_perception_sees_is_kept_for_the_next_run(
    tiny: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = replace(tiny.orders[0], frames=replace(tiny.orders[0].frames, stop=3))
    first = running._made(order, ("perceived",), tmp_path).observations["perceived"]
    (kept,) = tmp_path.iterdir()
    assert kept.suffix == ".npz"

    def forbidden(*_: object) -> None:
        raise AssertionError("it was drawn again")

    monkeypatch.setattr("engine.benchmark.perceived.synthesize", forbidden)
    again: Observations = running._made(order, ("perceived",), tmp_path).observations["perceived"]
    np.testing.assert_array_equal(first.keypoints2d, again.keypoints2d)
    np.testing.assert_array_equal(first.confidence, again.confidence)
    with pytest.raises(AssertionError, match="drawn again"):
        running._made(replace(order, seed=7), ("perceived",), tmp_path)


def test_a_filmed_case_has_the_video_and_rough_masks(
    tiny: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the detector's keypoints; the video is drawn once."""
    order = replace(tiny.orders[0], frames=replace(tiny.orders[0].frames, stop=3))
    case = running._made(order, ("filmed",), tmp_path)
    problem = case.problem("filmed")
    assert problem.video is not None and problem.video.frame_count == 3
    np.testing.assert_array_equal(
        problem.observations.keypoints2d, case.observations["detector"].keypoints2d
    )
    assert case.problem("detector").video is None
    masks, true = problem.observations.masks, case.observations["clean"].masks
    assert masks is not None and true is None
    monkeypatch.delattr("engine.benchmark.perceived.synthesize")
    again = running._made(order, ("filmed",), tmp_path).problem("filmed")
    assert again.observations.masks == masks


def test_rough_masks_are_near_the_true_ones_and_not_equal() -> None:
    true = np.zeros((200, 160), bool)
    true[20:180, 50:100] = True
    rough = rough_mask(RunLengthMask.encode(true), np.random.default_rng(0))
    assert rough is not None
    overlap = (rough.decode() & true).sum() / (rough.decode() | true).sum()
    assert 0.85 < overlap < 0.99
    assert rough_mask(RunLengthMask.encode(0 * true), np.random.default_rng(0)) is None
