"""All questions asked of an untrained network on a little motion: every row has every number."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from engine.benchmark.suites import CAMERAS, Suite
from engine.body.smpl import BodyModel
from engine.errors import InputError
from engine.motion.prepared import write_prepared
from engine.prior.denoiser import Denoiser, DenoiserConfig
from engine.prior.evaluation import estimating, running
from engine.prior.evaluation.estimating import COLUMNS, estimate_rows, suite_of_kind
from engine.prior.evaluation.held_out import HeldOut, held_out
from engine.prior.evaluation.running import Evaluation, Extent, evaluate
from engine.prior.skeleton import Skeleton
from engine.prior.weight_file import write_weights
from engine.structures import FrameRange
from engine.synthesis.cameras import CameraOrder
from engine.synthesis.order import SynthesisOrder
from tests.engine.benchmark.conftest import swaying
from tests.engine.prior.evaluation.conftest import returned

EXTENT = Extent(True, windows=2, partner_windows=3, samples=1, drawn=2, processes=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("motion")
    for name, frames in (("a", 110), ("b", 70)):
        content = swaying(frames, name)
        write_prepared(place / f"{name}.npz", content)
    return place


@pytest.fixture(scope="module")
def motion(folder: Path) -> HeldOut:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.prior.evaluation.held_out.GENERATED", folder)
        (found,) = held_out(None)
    return found


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    network = Denoiser(DenoiserConfig(width=24, blocks=1, heads=2, modulation=8))
    write_weights(path, network, Skeleton.of(BodyModel.load(density="1k2")))
    return path


@pytest.fixture(scope="module")
def suite(folder: Path) -> Suite:
    camera = CameraOrder(320, 240, focal=1.0, elevation=5.0, azimuth=60.0, roll=0.0)
    order = SynthesisOrder(folder / "a.npz", frames=FrameRange(0, 9), camera=camera)
    return Suite("tiny", (order,))


@pytest.fixture(scope="module")
def found(motion: HeldOut, weights: Path, suite: Suite) -> Evaluation:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "held_out", lambda _: [motion])
        patch.setattr(estimating, "suite_of_kind", lambda *_: suite)
        result: Evaluation = returned(evaluate({"small": weights}, None, EXTENT))
    return result


def test_a_network_and_all_interpolations_have_a_row(found: Evaluation) -> None:
    names = [(row["method"], row["motion"]) for row in found.numbers]
    methods = ["small", "linear", "spherical", "cubic"]
    assert names == [(method, "generated") for method in methods]


def test_the_networks_row_answers_every_question(found: Evaluation) -> None:
    row = found.numbers[0]
    numbers = {
        *COLUMNS, "cases", "infill_8_mm", "infill_16_mm", "infill_24_mm", "infill_16_change",
        "react_mm", "react_cut_mm", "react_pose_mm", "react_cut_pose_mm", "react_change",
        "same_trial_right", "same_trial_right_by_information", "other_trials_right",
        "other_trials_right_by_information",
    }  # fmt: skip
    assert numbers <= set(row)
    for name in numbers:
        value = row[name]
        assert isinstance(value, int | float) and math.isfinite(value), name
    assert row["infill_windows"] == 2
    # Nobody was fitted alone on these cases.
    assert row["pair_pa_change"] is None
    json.dumps(found.numbers)


def test_changes_are_against_the_better_interpolation(found: Evaluation) -> None:
    network, linear, spherical, _ = found.numbers
    base = min(linear["infill_16_mm"], spherical["infill_16_mm"])  # type: ignore[type-var]
    change = network["infill_16_mm"] / base - 1  # type: ignore[operator]
    assert network["infill_16_change"] == pytest.approx(change)


def test_samples_stand_beside_recorded_pairs(found: Evaluation) -> None:
    assert [(row["method"], row["motion"]) for row in found.pairs] == [
        ("recorded", "generated"), ("small", "samples"),
    ]  # fmt: skip
    recorded = found.pairs[0]
    # They stand 0.7 m apart and sway.
    assert recorded["pelvis_50_m"] == pytest.approx(0.7, abs=0.02)
    assert found.drawn["small"].pelvis.shape[:3] == (2, 2, running.DRAWN_FRAMES)
    assert {row["method"] for row in found.calibration} == {"small"}


def test_what_is_no_prior_is_refused_before_the_work(tmp_path: Path) -> None:
    path = tmp_path / "no.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"no\.safetensors"):
        next(evaluate({"no": path}, None, EXTENT))


def test_progress_goes_up_and_closing_ends_it(
    motion: HeldOut, weights: Path, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "held_out", lambda _: [motion])
    monkeypatch.setattr(estimating, "suite_of_kind", lambda *_: suite)
    work = evaluate({"small": weights}, None, EXTENT)
    told = [next(work) for _ in range(8)]
    work.close()
    fractions = [one.fraction for one in told]
    assert fractions == sorted(fractions) and fractions[-1] > 0
    assert told[0].stage == "Estimating generated motion"


class TestEstimates:
    def test_cases_are_those_of_the_benchmark(self, motion: HeldOut) -> None:
        quick = suite_of_kind(motion, quick=True)
        assert quick.name == "default-quick"
        assert {order.motion.name for order in quick.orders} == {"a.npz", "b.npz"}
        assert {order.camera for order in quick.orders} <= set(CAMERAS)

    def test_kept_rows_stand_beside_and_are_compared_with(
        self, motion: HeldOut, weights: Path, suite: Suite, tmp_path: Path
    ) -> None:
        names = {"suite": "tiny", "suite_digest": suite.digest, "level": "detector"}
        kept = [
            {**names, "configuration": "per-person", "pair_pa_mpjpe_mm": 1e3, "inter_mm": 1e3},
            {**names, "configuration": "lifter", "pair_pa_mpjpe_mm": 5.0},
            {**names, "configuration": "per-person", "level": "clean", "pair_pa_mpjpe_mm": 1.0},
        ]
        (tmp_path / "tiny.json").write_text(json.dumps(kept))
        work = estimating.estimating({"small": weights}, suite, quick=True, processes=0)
        scores = returned(work)
        rows = estimate_rows(suite, scores, motion.kind, tmp_path)
        assert [row["method"] for row in rows] == ["per-person (frozen)", "lifter", "small"]
        assert rows[1]["pair_pa_mpjpe_mm"] == 5.0
        change = rows[2]["pair_pa_mpjpe_mm"] / 1e3 - 1  # type: ignore[operator]
        assert rows[2]["pair_pa_change"] == pytest.approx(change)
        assert rows[2]["seconds_per_frame"] > 0  # type: ignore[operator]
        elsewhere = [{**row, "suite_digest": "other"} for row in kept]
        (tmp_path / "tiny.json").write_text(json.dumps(elsewhere))
        rows = estimate_rows(suite, scores, motion.kind, tmp_path)
        assert [row["method"] for row in rows] == ["small"]
        assert rows[0]["pair_pa_change"] is None
