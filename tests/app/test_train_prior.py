"""`train-prior` on the command line: progress, tables, curves, going on, and bad input."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from app import cli, prior_training
from app.prior_training import TrainingOrder, panels, progress_line, run_training
from engine.motion.prepared import write_prepared
from engine.prior.denoiser import DenoiserConfig
from engine.prior.training import TrainingProgress
from engine.prior.training_config import TrainingConfig
from engine.prior.training_files import curve, steps_done, validations
from tests.engine.prior.motions import prepared, write_folder

SMALL = TrainingConfig(
    frames_per_step=64,
    lengths=(16,),
    length_shares=(1.0,),
    save_steps=2,
    report_steps=1,
    network=DenoiserConfig(width=16, blocks=1, heads=2, modulation=8),
)
Run = Callable[..., SimpleNamespace]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `train-prior` in this process: exit code, stdout, stderr."""

    def command(*arguments: object) -> SimpleNamespace:
        capsys.readouterr()
        code = cli.main(["train-prior", *map(str, arguments)])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return command


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("motion"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command trains a small network, and looks at it often and at little."""
    monkeypatch.setattr("engine.prior.training_config.TrainingConfig", lambda: SMALL)
    monkeypatch.setattr(prior_training, "VALIDATION_STEPS", 2)
    monkeypatch.setattr("engine.prior.validation.WINDOW_LIMIT", 2)


@pytest.mark.usefixtures("small")
class TestTraining:
    def test_it_says_how_it_goes_writes_and_goes_on(
        self, run: Run, motion: Path, tmp_path: Path
    ) -> None:
        out, plot = tmp_path / "new" / "prior.safetensors", tmp_path / "curves.png"
        order = ("--motion", motion, "--out", out, "--plot", plot)
        first = run(*order, "--steps", 3)
        assert first.code == 0, first.err
        assert "step 1 of 3" in first.out and "joints" in first.out
        assert first.out.count("pair_pa") == 2  # after 2 steps, and at the end
        assert first.out.endswith(f"Wrote {out}\n")
        again = run(*order, "--steps", 4)
        assert again.code == 0, again.err
        assert "step 4 of 4" in again.out and "step 3 of" not in again.out
        assert steps_done(out) == 4
        assert [row["step"] for row in validations(out).lines()] == [2, 3, 4]
        with Image.open(plot) as picture:
            assert picture.size[0] > 1000

    def test_ablations_reach_the_training(self, run: Run, motion: Path, tmp_path: Path) -> None:
        out = tmp_path / "prior.safetensors"
        order = ("--motion", motion, "--out", out)
        switches = ("--without", "grappling", "--without", "single", "--without-partner")
        done = run(*order, "--steps", 1, *switches, "--without-proxemics")
        assert done.code == 0, done.err
        other = run(*order, "--steps", 2)
        assert other.code == 2
        assert "a training with other settings; expected kinds" in other.err
        assert '"single"' in other.err and "and 3 more" in other.err

    def test_held_out_motion_may_be_elsewhere(self, run: Run, tmp_path: Path) -> None:
        train, held = tmp_path / "train", tmp_path / "held"
        for folder in (train, held):
            folder.mkdir()
        write_prepared(train / "a.npz", prepared(2, 80))
        write_prepared(held / "b.npz", prepared(2, 80, kind="grappling", split="validation"))
        order = ("--motion", train, "--out", tmp_path / "prior.safetensors", "--steps")
        assert "grappling" in run(*order, 1, "--validation", held).out
        # Without it, and with none in --motion: the generated contact that ships.
        assert "generated" in run(*order, 2).out


def test_stopped_by_hand_it_says_what_is_saved(motion: Path, tmp_path: Path) -> None:
    out = tmp_path / "prior.safetensors"
    script = (
        # Whoever starts the tests in the background makes them deaf to Ctrl-C, and their children.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from pathlib import Path; from app.prior_training import *; "
        "from tests.app.test_train_prior import SMALL; "
        f"run_training(TrainingOrder(Path({str(motion)!r}), Path({str(out)!r}), 10**6, 0, SMALL))"
    )
    environment = {**os.environ, "PYTHONPATH": ".", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("step 3 of"):
                process.send_signal(signal.SIGINT)
                break
        said = process.stdout.read()
    assert f"of {10**6} steps are saved beside {out}; the same command goes on" in said
    assert process.returncode != 0
    assert steps_done(out) >= 2


def test_stopped_before_anything_is_saved(
    motion: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(work: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(prior_training.cli_progress, "run", interrupted)
    out = tmp_path / "prior.safetensors"
    with pytest.raises(KeyboardInterrupt):
        run_training(TrainingOrder(motion, out, 5, 0, SMALL))
    assert "Nothing was saved yet" in capsys.readouterr().out


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ((), "--motion"),
            (("--motion", "{empty}"), "no motion to read"),
            (("--motion", "{motion}", "--out", "{empty}/x.pt"), "written as safetensors"),
            (("--motion", "{motion}", "--out", "{file}/x.safetensors"), "Cannot make the folder"),
            (("--motion", "{motion}", "--plot", "{empty}/x.jpg"), "Plots are drawn as PNG"),
            (("--motion", "{motion}", "--steps", "0"), "--steps"),
            (("--motion", "{motion}", "--without", "dancing"), "captured"),
            (
                ("--motion", "{motion}", *["--without", "captured"], *["--without", "grappling"],
                 *["--without", "generated"]),
                "No kind of motion of two people",
            ),
            (("--motion", "{motion}", "--validation", "{empty}"), "split validation"),
        ],
    )  # fmt: skip
    def test_it_is_one_sentence(
        self, run: Run, motion: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
    ) -> None:
        empty, file = tmp_path / "empty", tmp_path / "file"
        empty.mkdir()
        file.write_text("")
        filled = [part.format(motion=motion, empty=empty, file=file) for part in arguments]
        if "--out" not in filled:
            filled += ["--out", str(empty / "prior.safetensors")]
        refused = run(*filled)
        assert refused.code == 2
        assert said in refused.err
        assert refused.err.count("\n") == 1
        assert not list(empty.iterdir())

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_that_may_not_be_written(self, run: Run, motion: Path, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        refused = run("--motion", motion, "--out", tmp_path / "prior.safetensors")
        assert refused.code == 2 and "no permission" in refused.err


class TestWhatIsShown:
    NOW = TrainingProgress(200, 1000, 10.0, {"loss": 3.14159, "joints": 0.1, "interaction": 0.05})

    def test_the_line_has_steps_minutes_time_left_and_losses(self) -> None:
        expected = (
            "step 200 of 1000, 10 min, 40 left: loss 3.14, joints 100 mm, between people 50 mm"
        )
        assert progress_line(self.NOW) == expected
        assert progress_line(replace(self.NOW, step=1000)).startswith(
            "step 1000 of 1000, 10 min, 0"
        )

    def test_curves_are_thinned_and_validation_is_by_kind(self, tmp_path: Path) -> None:
        losses = [{"step": float(s), "loss": 1.0, "joints": 0.1, "interaction": 0.2}
                  for s in range(1000)]  # fmt: skip
        row = {"kind": "captured", "pair_pa": 90.0, "mpjpe": 80.0, "depth": 50.0, "fill": 10.0}
        drawn = panels(losses, [{"step": 500.0, **row, "line": 20.0}])
        by_title = {panel.title: panel for panel in drawn}
        (loss,) = by_title["loss"].lines
        assert len(loss.x) < 100 and set(loss.y) == {1.0}
        joints, _ = by_title["losses in mm"].lines
        assert list(joints.y) == pytest.approx([100.0] * len(joints.y))
        captured = by_title["hidden frames, over straight lines"].lines[0]
        assert (captured.name, list(captured.x), list(captured.y)) == ("captured", [500.0], [0.5])

    def test_nothing_yet_is_drawn_too(self, tmp_path: Path) -> None:
        assert curve(tmp_path / "x.safetensors").lines() == []
        assert all(panel.lines for panel in panels([], []))
