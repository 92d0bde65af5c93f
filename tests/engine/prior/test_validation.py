"""The table that training shows."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from engine.errors import InputError
from engine.motion.prepared import write_prepared
from engine.prior import validation
from engine.prior.condition import Condition
from engine.prior.denoiser import Denoised, Denoiser, DenoiserConfig
from engine.prior.prior import Prior
from engine.prior.validation import held_out_windows, validate
from engine.prior.windows import PairWindows, Seen
from tests.engine.prior.motions import prepared
from tests.engine.prior.people import SKELETON


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("motion")
    pair = prepared(2, 130, split="validation", name="held-out")
    write_prepared(folder / "held-out.npz", pair)
    write_prepared(folder / "hug.npz", replace(pair, kind="generated", name="hug"))
    write_prepared(folder / "train.npz", prepared(2, 130, name="train"))
    write_prepared(folder / "one.npz", prepared(1, 130, split="validation", kind="single"))
    return folder


@pytest.fixture(scope="module")
def prior() -> Prior:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Denoiser(DenoiserConfig(width=16, blocks=1, heads=2, modulation=8))
    return Prior(network, SKELETON)


class Straight(Prior):
    """Answers what it is told to expect, and nothing of its own."""

    def __init__(self) -> None:
        super().__init__(Denoiser(DenoiserConfig(width=16, blocks=1, heads=2)), SKELETON)

    def _ask(self, noisy: torch.Tensor, level: float, told: Condition) -> Denoised:
        state = told.base * (1 - told.known) + told.state
        up = torch.tensor([0.0, -1.0, 0.0]).expand(len(state), 3)
        return Denoised(state, state.new_zeros(*state.shape[:3], 24), up)


def test_a_row_for_each_kind_of_held_out_pairs(prior: Prior, motion: Path) -> None:
    rows = validate(prior, motion)
    assert [row.kind for row in rows] == ["captured", "generated"]
    assert all(row.windows == 2 for row in rows)
    for row in rows:
        numbers = [value for name, value in asdict(row).items() if name != "kind"]
        assert all(value > 0 for value in numbers)
        assert row.pa < row.pair_pa
        assert row.pa < row.mpjpe


def test_the_same_at_every_call_and_other_noise_for_another_seed(
    prior: Prior, motion: Path
) -> None:
    first, again, other = (validate(prior, motion, seed)[0] for seed in (7, 7, 8))
    assert first == again
    assert first.mpjpe != other.mpjpe
    assert first.line == pytest.approx(other.line, rel=1e-3)


def test_training_motion_and_people_alone_are_not_looked_at(motion: Path) -> None:
    windows = held_out_windows(motion)
    assert windows.keys() == {"captured", "generated"}
    assert all(part.pelvis.shape[1:3] == (2, 64) for part in windows.values())


def test_the_numbers_tell_a_good_answer_from_a_bad_one(
    prior: Prior, motion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row, *_) = validate(Straight(), motion)
    assert row.fill < row.line

    class Knowing(Straight):
        truth: PairWindows | None = None

        def estimate_windows(self, seen: Seen, heights: torch.Tensor):  # type: ignore[no-untyped-def]
            found = super().estimate_windows(seen, heights)
            return replace(found, windows=self.truth)

    knowing = Knowing()
    observe = validation.observe

    def watched(*arguments):  # type: ignore[no-untyped-def]
        truth, seen = observe(*arguments)
        knowing.truth = truth
        return truth, seen

    monkeypatch.setattr(validation, "observe", watched)
    (best, *_) = validate(knowing, motion)
    assert max(best.mpjpe, best.pa, best.pair_pa, best.depth) < 0.1


def test_no_held_out_motion(prior: Prior, tmp_path: Path) -> None:
    write_prepared(tmp_path / "train.npz", prepared(2, 130))
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="no motion to read"):
            validate(prior, folder)
