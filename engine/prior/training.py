"""Training the prior: resumable in short pieces, the same on the CPU for the same seed.

`train` is a generator: close it at any time; what it last saved can be used and gone on from.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from engine.body.data import OPEN_BODY
from engine.body.smpl import BodyModel
from engine.errors import InputError
from engine.prior.augmentation import augment
from engine.prior.condition import condition
from engine.prior.dataset import Sampler, SamplingWeights, load_library
from engine.prior.denoiser import Denoiser, DenoiserConfig
from engine.prior.diffusion import level_of, noised
from engine.prior.lessons import LessonShares, lesson
from engine.prior.losses import LossWeights, losses, weighted
from engine.prior.observing import ObservationNoise, observe
from engine.prior.skeleton import Skeleton
from engine.prior.weight_file import write_weights


@dataclass(frozen=True)
class TrainingConfig:
    frames_per_step: int = 2048
    """Frames of two people in a step: windows times their length."""
    lengths: tuple[int, ...] = (16, 32, 64)
    """Frames of a window, one of these for each step."""
    length_shares: tuple[float, ...] = (0.15, 0.5, 0.35)
    alone: float = 0.2
    """Share of steps about single people."""
    learning_rate: float = 1.5e-3
    """AdamW's, after warm-up; falls to 2 % by a cosine over the whole of the training."""
    matrix_learning_rate: float = 3e-3
    """Muon's, for the matrices inside the blocks, with the same course."""
    weight_decay: float = 0.03
    warm_up_steps: int = 200
    average_decay: float = 0.999
    """Of the exponential moving average of the weights, which is what is saved."""
    save_steps: int = 250
    """Between saved weights."""
    report_steps: int = 25
    kinds: tuple[str, ...] = ("captured", "grappling", "generated", "single")
    """Kinds of motion to learn from."""
    network: DenoiserConfig = field(default_factory=DenoiserConfig)
    lessons: LessonShares = field(default_factory=LessonShares)
    losses: LossWeights = field(default_factory=LossWeights)
    sampling: SamplingWeights = field(default_factory=SamplingWeights)
    noise: ObservationNoise = field(default_factory=ObservationNoise)


@dataclass(frozen=True)
class TrainingProgress:
    step: int
    steps: int
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
    """Train until `steps` are done in all; returns the weights' path.

    Writes `out` (safetensors, half precision) and beside it what a later call goes on from
    (".training.pt") and the curve of the losses (".curve.jsonl"). A number of steps other than the
    one a training began with bends the course of the learning rate from there on. Raises
    InputError where there is no motion, or where the state beside `out` is of another training.
    """
    config = config or TrainingConfig()
    sampler = Sampler(load_library(motion, "train", config.kinds), config.sampling)
    body = BodyModel.load(OPEN_BODY, density="1k2")
    run = _Run.start(out, config, seed, Skeleton.of(body))
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
    return out


class _Run:
    """Network, its average, the optimisers and the random state: what going on needs."""

    def __init__(self, out: Path, config: TrainingConfig, seed: int, skeleton: Skeleton) -> None:
        self.out, self.config, self.skeleton = out, config, skeleton
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
        path = out.with_suffix(".training.pt")
        if not path.exists():
            return run
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True)
            run.network.load_state_dict(state["network"])
            run.average.load_state_dict(state["average"])
            for optimizer, values in zip(run.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(values)
            run.generator.set_state(state["generator"])
            run.step, run.seconds = int(state["step"]), float(state["seconds"])
        except Exception as error:  # torch.load raises whatever the damaged file leads it to
            raise InputError(
                f"{path.name} is not the state of a training of this network",
                received=str(error).splitlines()[0][:120],
                advice="Move it away to begin anew.",
            ) from error
        return run

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
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        self._update_average()
        told = {name: float(value.detach().mean()) for name, value in terms.items()}
        return {"loss": float(loss.detach()), **told}

    def save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "generator": self.generator.get_state(),
            "step": self.step,
            "seconds": self.seconds,
        }
        self.out.parent.mkdir(parents=True, exist_ok=True)
        partial = self.out.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.out.with_suffix(".training.pt"))
        write_weights(self.out, self.average, self.skeleton)

    def note(self, progress: TrainingProgress) -> None:
        """One more line of the curve."""
        line = {"step": progress.step, "minutes": round(progress.minutes, 3), **progress.losses}
        self.out.parent.mkdir(parents=True, exist_ok=True)
        with self.out.with_suffix(".curve.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

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
