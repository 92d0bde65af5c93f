"""Training the prior: resumable in short pieces, the same on the CPU for the same seed.

`train` is a generator: close it at any time; what it last saved can be used and gone on from.
engine.prior.training_files says what stands beside the weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from engine.body.data import OPEN_BODY
from engine.body.smpl import BodyModel
from engine.prior import training_files as files
from engine.prior.augmentation import augment
from engine.prior.condition import condition
from engine.prior.dataset import Sampler, load_library
from engine.prior.denoiser import Denoiser
from engine.prior.diffusion import level_of, noised
from engine.prior.lessons import lesson
from engine.prior.losses import losses, weighted
from engine.prior.observing import observe
from engine.prior.skeleton import Skeleton
from engine.prior.training_config import TrainingConfig
from engine.prior.weight_file import write_weights


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training is."""

    step: int
    """Done, all pieces together."""
    steps: int
    """Asked for."""
    minutes: float
    """Of training so far, all pieces together."""
    losses: Mapping[str, float]
    """Means since the last progress."""
    saved: Path | None = None
    """Weights that were just written."""


def train(
    motion: Path,
    out: Path,
    *,
    steps: int,
    seed: int = 0,
    config: TrainingConfig | None = None,
) -> Generator[TrainingProgress, None, Path]:
    """Train until `steps` are done in all; returns the weights' path, which are written in half
    precision every `config.save_steps`.

    A number of steps other than the one a training began with bends the course of the learning
    rate from there on. Raises InputError where there is no motion, or none long enough; where the
    state beside `out` is of another training, or has more steps behind it; and where nothing can
    be written.
    """
    config = config or TrainingConfig()
    body = BodyModel.load(OPEN_BODY, density="1k2")
    run = _Run.start(out, config, seed, Skeleton.of(body))
    files.check_steps(out, run.step, steps)
    sampler = Sampler(load_library(motion, "train", config.kinds), config.sampling)
    _check_windows(sampler, config)
    with files.writing(out):
        files.curve(out).cut(run.step)
        files.validations(out).cut(run.step)
    sums: dict[str, float] = {}
    count = 0
    while run.step < steps:
        began = time.perf_counter()
        for name, value in run.one(sampler, body, run.step / steps).items():
            sums[name] = sums.get(name, 0.0) + value
        count += 1
        run.seconds += time.perf_counter() - began
        due = run.step % config.save_steps == 0 or run.step >= steps
        if due or run.step % config.report_steps == 0:
            means = {name: total / count for name, total in sums.items()}
            if due:
                run.save()
            progress = TrainingProgress(
                run.step, steps, run.seconds / 60, means, out if due else None
            )
            run.note(progress)
            yield progress
            sums, count = {}, 0
    if not out.exists():
        run.save()
    return out


class _Run:
    """Network, its average, the optimisers and the random state: what going on needs."""

    def __init__(self, out: Path, config: TrainingConfig, seed: int, skeleton: Skeleton) -> None:
        self.out, self.config, self.skeleton, self.seed = out, config, skeleton, seed
        self.generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.network = Denoiser(config.network)
            self.average = Denoiser(config.network)
        self.average.load_state_dict(self.network.state_dict())
        self.optimizers = _optimizers(self.network, config)
        self.step, self.seconds = 0, 0.0

    @classmethod
    def start(cls, out: Path, config: TrainingConfig, seed: int, skeleton: Skeleton) -> _Run:
        """A new run, or the one whose state lies beside `out`."""
        run = cls(out, config, seed, skeleton)
        state = files.read_state(out)
        if not state:
            return run
        files.check_same_training(out, state.get("training"), run.training)
        try:
            run.network.load_state_dict(state["network"])
            run.average.load_state_dict(state["average"])
            for optimizer, values in zip(run.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(values)
            run.generator.set_state(state["generator"])
            run.step, run.seconds = int(state["step"]), float(state["seconds"])
        except Exception as error:  # whatever a part of another kind leads torch to
            raise files.foreign(out, str(error)) from error
        return run

    @property
    def training(self) -> dict[str, str]:
        """What tells this training from others."""
        return {**self.config.told_apart(), "seed": str(self.seed)}

    def one(self, sampler: Sampler, body: BodyModel, done: float) -> dict[str, float]:
        """One optimiser step; `done` is the share of the training that lies behind."""
        config, generator = self.config, self.generator
        self._set_rates(done)
        shares = torch.tensor(config.length_shares)
        frames = config.lengths[int(torch.multinomial(shares, 1, generator=generator))]
        alone = float(torch.rand(1, generator=generator)) < config.alone
        people = 1 if alone else 2
        count = config.frames_per_step * 2 // people // frames
        world = augment(sampler.draw(count, frames, people, generator), generator)
        windows, seen = observe(world, body, generator, config.noise)
        task = lesson(
            windows,
            seen,
            self.skeleton,
            heights=standing_heights(body, windows.betas),
            shares=config.lessons,
            generator=generator,
        )
        noise = torch.randn(task.state.shape, generator=generator)
        noisy = noised(task.state, noise, task.step)
        with torch.autocast("cpu", torch.bfloat16):
            answer = self.network(noisy, level_of(task.step), condition(task.told))
        terms = losses(answer, task, self.skeleton, windows.up)
        loss = weighted(terms, config.losses).mean()
        self.network.zero_grad()
        loss.backward()
        size = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        if torch.isfinite(size):
            for optimizer in self.optimizers:
                optimizer.step()
        self.step += 1
        self._update_average()
        told = {name: float(value.detach().mean()) for name, value in terms.items()}
        return {"loss": float(loss.detach()), **told}

    def save(self) -> None:
        """Write state and weights, each complete or not at all."""
        state = {
            "training": self.training,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "generator": self.generator.get_state(),
            "step": self.step,
            "seconds": self.seconds,
        }
        with files.writing(self.out):
            files.write_state(self.out, state)
            write_weights(self.out, self.average, self.skeleton)

    def note(self, progress: TrainingProgress) -> None:
        """One more line of the curve."""
        line = {"step": progress.step, "minutes": round(progress.minutes, 3), **progress.losses}
        with files.writing(self.out):
            files.curve(self.out).extend(line)

    def _set_rates(self, done: float) -> None:
        share = 0.51 + 0.49 * math.cos(math.pi * min(done, 1.0))
        share *= min(1.0, (self.step + 1) / self.config.warm_up_steps)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = share * optimizer.defaults["lr"]

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.average_decay, (self.step + 1) / (self.step + 10))
        pairs = zip(self.average.parameters(), self.network.parameters(), strict=True)
        for mean, value in pairs:
            mean.lerp_(value, 1 - decay)


def _check_windows(sampler: Sampler, config: TrainingConfig) -> None:
    """Raise InputError, before any work, where windows of some length could not be drawn."""
    aside = torch.Generator().manual_seed(0)
    for frames in config.lengths:
        for people in (1, 2) if config.alone else (2,):
            sampler.draw(1, frames, people, aside)


def standing_heights(body: BodyModel, betas: Float[Tensor, "B P 10"]) -> Float[Tensor, "B P"]:
    """Metres from sole to crown at rest."""
    up = body.rest_vertices(betas)[..., 1]
    height: Tensor = up.amax(-1) - up.amin(-1)
    return height


def _optimizers(
    network: Denoiser, config: TrainingConfig
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for the rest."""
    matrices = [p for p in network.blocks.parameters() if p.ndim == 2]
    chosen = {id(p) for p in matrices}
    rest = [p for p in network.parameters() if id(p) not in chosen]
    return (
        torch.optim.Muon(
            matrices,
            lr=config.matrix_learning_rate,
            weight_decay=config.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        ),
        torch.optim.AdamW(
            rest, lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
        ),
    )
