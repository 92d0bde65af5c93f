"""Training: the same for a seed, in pieces as in one go, and never a mixture of two."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engine.errors import InputError
from engine.motion.prepared import read_prepared, write_prepared
from engine.prior.denoiser import DenoiserConfig
from engine.prior.prior import Prior
from engine.prior.training import TrainingProgress, standing_heights, train
from engine.prior.training_config import TrainingConfig, ablated
from engine.prior.training_files import curve, steps_done, validations
from engine.weights import WEIGHTS_DIR
from tests.engine.prior.motions import prepared, write_folder
from tests.engine.prior.people import BODY

SMALL = TrainingConfig(
    frames_per_step=64,
    lengths=(16, 32),
    length_shares=(0.5, 0.5),
    warm_up_steps=5,
    save_steps=3,
    report_steps=2,
    network=DenoiserConfig(width=32, blocks=1, heads=2, modulation=16),
)


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("motion"))


def trained(
    motion: Path, out: Path, steps: int = 6, config: TrainingConfig = SMALL, seed: int = 0
) -> list[TrainingProgress]:
    return list(train(motion, out, steps=steps, seed=seed, config=config))


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out)


def same(first: Path, second: Path) -> bool:
    mine, others = weights(first), weights(second)
    return all(torch.equal(mine[name], others[name]) for name in mine.keys() | others.keys())


class TestWhatItDoes:
    def test_a_seed_gives_the_same_weights_and_another_seed_others(
        self, motion: Path, tmp_path: Path
    ) -> None:
        outs = [tmp_path / name / "prior.safetensors" for name in "abc"]
        for out, seed in zip(outs, (0, 0, 1), strict=True):
            trained(motion, out, 2, seed=seed)
        assert same(outs[0], outs[1])
        assert not same(outs[0], outs[2])

    def test_in_pieces_it_is_bit_for_bit_what_it_is_in_one_go(
        self, motion: Path, tmp_path: Path
    ) -> None:
        whole, pieces = tmp_path / "whole.safetensors", tmp_path / "pieces.safetensors"
        trained(motion, whole, 9)
        for _ in range(5):  # each is stopped after its second progress, in part unsaved
            list(islice(train(motion, pieces, steps=9, config=SMALL), 2))
        trained(motion, pieces, 9)
        assert same(whole, pieces)
        assert [line["step"] for line in curve(pieces).lines()] == [2, 3, 4, 6, 8, 9]
        losses = [[line["loss"] for line in curve(out).lines()] for out in (whole, pieces)]
        assert losses[0] == losses[1]

    def test_the_loss_falls_on_a_few_motions(self, tmp_path: Path) -> None:
        for name in ("hug-60000", "handshake-50012"):
            shipped = read_prepared(WEIGHTS_DIR / "motion" / f"{name}.npz")
            write_prepared(tmp_path / f"{name}.npz", replace(shipped, split="train"))
        config = replace(SMALL, lengths=(16,), length_shares=(1.0,), frames_per_step=256)
        progress = trained(tmp_path, tmp_path / "x.safetensors", 24, config)
        first, last = progress[0].losses, progress[-1].losses
        for name in ("loss", "joints", "reprojection"):
            assert last[name] < 0.9 * first[name], name

    def test_progress_says_where_it_is_and_what_is_saved(
        self, motion: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "new" / "prior.safetensors"
        progress = trained(motion, out)
        assert [now.step for now in progress] == [2, 3, 4, 6]
        assert [now.saved for now in progress] == [None, out, None, out]
        assert all(now.steps == 6 for now in progress)
        assert all(a.minutes < b.minutes for a, b in pairwise(progress))
        assert progress[0].losses.keys() == {"loss", *vars(SMALL.losses)}
        assert steps_done(out) == 6
        assert Prior.load(out)
        names = {"prior.safetensors", "prior.training.pt", "prior.curve.jsonl"}
        assert {path.name for path in out.parent.iterdir()} == names

    def test_a_finished_training_is_left_as_it_is(self, motion: Path, tmp_path: Path) -> None:
        out = tmp_path / "prior.safetensors"
        trained(motion, out, 3)
        before = out.read_bytes()
        assert trained(motion, out, 3) == []
        assert out.read_bytes() == before
        kept = out.rename(tmp_path / "kept.safetensors")
        trained(motion, out, 3)
        assert same(out, kept)

    def test_the_callers_random_numbers_stay_his(self, motion: Path, tmp_path: Path) -> None:
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        first = list(islice(train(motion, tmp_path / "a.safetensors", steps=9, config=SMALL), 1))
        assert first and torch.equal(torch.rand(3), expected)

    def test_a_step_that_is_no_number_changes_nothing(self, motion: Path, tmp_path: Path) -> None:
        weights_of = replace(SMALL.losses, joints=float("nan"))
        out = tmp_path / "prior.safetensors"
        trained(motion, out, 3, replace(SMALL, losses=weights_of))
        assert all(torch.isfinite(value).all() for value in weights(out).values())

    def test_heights_are_from_sole_to_crown(self) -> None:
        betas = torch.zeros(2, 3, 10)
        assert standing_heights(BODY, betas).flatten().tolist() == pytest.approx(
            [1.68] * 6, abs=0.1
        )


class TestSettings:
    def test_ablations_leave_out_what_they_say(self) -> None:
        full = TrainingConfig()
        assert ablated(full) == full
        assert ablated(full, without=["grappling"]).kinds == ("captured", "generated", "single")
        assert not ablated(full, partner=False).network.partner
        untold = ablated(full, proxemics=False).lessons
        assert (untold.proxemics, untold.proxemics_free) == (0.0, 0.0)
        assert replace(untold, proxemics=full.lessons.proxemics, proxemics_free=0.5) == full.lessons

    @pytest.mark.parametrize("extra", [[], ["single"]])
    def test_somebody_must_be_left_to_be_close_to(self, extra: list[str]) -> None:
        with pytest.raises(InputError, match="No kind of motion of two people"):
            ablated(TrainingConfig(), without=["captured", "grappling", "generated", *extra])  # type: ignore[list-item]

    def test_settings_that_teach_something_else_are_told_apart(self) -> None:
        full = TrainingConfig()
        others = [
            ablated(full, without=["single"]),
            ablated(full, partner=False),
            ablated(full, proxemics=False),
            replace(full, learning_rate=1e-4),
            replace(full, noise=replace(full.noise, generic=0.4)),
        ]
        told = [json.dumps(config.told_apart(), sort_keys=True) for config in (full, *others)]
        assert len(set(told)) == len(told)
        assert replace(full, save_steps=7, report_steps=1).told_apart() == full.told_apart()

    @pytest.mark.parametrize(
        ("changed", "named"),
        [
            (ablated(SMALL, without=["single"]), "kinds"),
            (ablated(SMALL, proxemics=False), "lessons.proxemics"),
            (replace(SMALL, weight_decay=0.0), "weight_decay"),
            (replace(SMALL, losses=replace(SMALL.losses, up=2.0)), "losses.up"),
        ],
    )
    def test_a_training_is_not_gone_on_with_under_others(
        self, motion: Path, tmp_path: Path, changed: TrainingConfig, named: str
    ) -> None:
        out = tmp_path / "prior.safetensors"
        trained(motion, out, 1)
        before = out.read_bytes()
        with pytest.raises(InputError, match=f"other settings; expected {named}"):
            trained(motion, out, 2, changed)
        with pytest.raises(InputError, match="expected seed 5, received 0"):
            trained(motion, out, 2, seed=5)
        assert out.read_bytes() == before

    def test_a_state_of_before_settings_were_kept_is_gone_on_with(
        self, motion: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "prior.safetensors"
        trained(motion, out, 3)
        state = torch.load(out.with_suffix(".training.pt"), weights_only=True)
        del state["training"]
        torch.save(state, out.with_suffix(".training.pt"))
        assert trained(motion, out, 4)[-1].step == 4


class TestBadInput:
    def test_no_motion(self, tmp_path: Path) -> None:
        for folder in (tmp_path, tmp_path / "nowhere"):
            with pytest.raises(InputError, match="no motion to read"):
                trained(folder, tmp_path / "prior.safetensors")

    def test_motion_too_short_for_some_window_is_said_before_the_work(self, tmp_path: Path) -> None:
        write_prepared(tmp_path / "short.npz", prepared(2, 20))
        with pytest.raises(InputError, match="people for 32 frames"):
            trained(tmp_path, tmp_path / "prior.safetensors")
        assert not (tmp_path / "prior.training.pt").exists()

    def test_people_alone_only(self, tmp_path: Path) -> None:
        write_prepared(tmp_path / "alone.npz", prepared(1, 90, kind="single"))
        with pytest.raises(InputError, match="No motion has 2 people"):
            trained(tmp_path, tmp_path / "prior.safetensors")

    def test_fewer_steps_than_are_done(self, motion: Path, tmp_path: Path) -> None:
        out = tmp_path / "prior.safetensors"
        trained(motion, out, 3)
        with pytest.raises(InputError, match="has 3 steps behind it"):
            trained(motion, out, 2)

    @pytest.mark.parametrize("content", [b"", b"no state", b"PK\x03\x04" + b"\0" * 100])
    def test_a_damaged_state(self, motion: Path, tmp_path: Path, content: bytes) -> None:
        out = tmp_path / "prior.safetensors"
        out.with_suffix(".training.pt").write_bytes(content)
        for ask in (lambda: steps_done(out), lambda: trained(motion, out)):
            with pytest.raises(InputError, match="not the state of a training"):
                ask()

    @pytest.mark.parametrize(
        "state", [{"something": 1}, {"step": 3}, {"step": "x"}, {"step": 1, "training": 4}]
    )
    def test_a_state_of_something_else(
        self, motion: Path, tmp_path: Path, state: dict[str, object]
    ) -> None:
        out = tmp_path / "prior.safetensors"
        torch.save(state, out.with_suffix(".training.pt"))
        with pytest.raises(InputError, match="not the state of a training"):
            trained(motion, out)

    def test_a_hostile_state_runs_nothing(self, motion: Path, tmp_path: Path) -> None:
        class Hostile:
            def __reduce__(self) -> tuple[object, ...]:
                return os.mkdir, (str(tmp_path / "owned"),)

        out = tmp_path / "prior.safetensors"
        torch.save({"step": Hostile()}, out.with_suffix(".training.pt"))
        with pytest.raises(InputError, match="not the state of a training"):
            trained(motion, out)
        assert not (tmp_path / "owned").exists()

    def test_a_state_of_another_network(self, motion: Path, tmp_path: Path) -> None:
        out = tmp_path / "prior.safetensors"
        trained(motion, out, 1)
        state = torch.load(out.with_suffix(".training.pt"), weights_only=True)
        del state["training"]
        torch.save(state, out.with_suffix(".training.pt"))
        wider = replace(SMALL, network=replace(SMALL.network, width=64))
        with pytest.raises(InputError, match="not the state of a training of this network"):
            trained(motion, out, 2, wider)

    def test_a_place_that_cannot_be_written(self, motion: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match="Cannot write x"):
            trained(motion, tmp_path / "file" / "x.safetensors")

    def test_a_full_disk_leaves_what_was_saved(self, motion: Path, tmp_path: Path) -> None:
        out = tmp_path / "prior.safetensors"
        list(islice(train(motion, out, steps=6, config=SMALL), 2))
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        with room_for(20_000), pytest.raises(InputError, match="What was saved before is kept"):
            trained(motion, out, 6)
        after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        assert after.keys() == before.keys()
        for name in ("prior.safetensors", "prior.training.pt"):
            assert after[name] == before[name]
        whole = tmp_path / "whole" / "prior.safetensors"
        trained(motion, whole, 6)
        trained(motion, out, 6)
        assert same(whole, out)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Files of at most so many bytes can be written: what comes nearest to a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


class TestLogs:
    def test_lines_that_are_none_are_passed_over(self, tmp_path: Path) -> None:
        out = tmp_path / "prior.safetensors"
        log = curve(out)
        assert log.lines() == []
        log.extend({"step": 2, "loss": 1.5})
        with log.path.open("a") as file:
            file.write('nonsense\n[1]\n{"loss": 3}\n{"step": "x"}\n{"step": NaN}\n{"step": 4, "lo')
        assert log.lines() == [{"step": 2.0, "loss": 1.5}]

    def test_what_came_after_a_step_is_cut_off(self, tmp_path: Path) -> None:
        log = validations(tmp_path / "prior.safetensors")
        for step in (1, 2, 3):
            log.extend({"step": step, "kind": "captured"})
        log.cut(2)
        assert [line["step"] for line in log.lines()] == [1, 2]
        assert log.lines()[0]["kind"] == "captured"

    def test_a_log_that_is_a_folder(self, tmp_path: Path) -> None:
        log = curve(tmp_path / "prior.safetensors")
        log.path.mkdir()
        with pytest.raises(InputError, match="Cannot read"):
            log.lines()
