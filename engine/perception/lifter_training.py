"""Training and judging the lifter: resumable, on one CPU thread.

`train` is a generator: close it at any time; what it last saved can be used and resumed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from engine.body.joints import SMPL_PARENTS
from engine.body.smpl import BodyModel, forward_kinematics
from engine.errors import InputError
from engine.perception.detector_noise import DetectorNoise
from engine.perception.lifter_data import WindowSampler, augment, load_library
from engine.perception.lifter_network import WINDOW, LifterNetwork, NetworkOutput, virtual_view
from engine.perception.synthetic_views import LifterBatch, observe


@dataclass(frozen=True)
class LifterTrainingConfig:
    batch: int = 96
    """Windows in a step."""
    judged_frames: int = 16
    """Frames of a window, anywhere in it, whose answers are judged in a step: judging costs as
    much as the network does, and the frames of a window teach much the same."""
    learning_rate: float = 1.5e-3
    """AdamW's, after warm-up; falls to 2 % by a cosine over the whole time."""
    matrix_learning_rate: float = 3e-3
    """Muon's, for the matrices inside the transformer's blocks, with the same course."""
    weight_decay: float = 0.03
    warm_up_steps: int = 200
    average_decay: float = 0.999
    """Of the exponential moving average of the weights, which is what is saved."""
    save_seconds: float = 120.0
    """Between saved weights."""
    rotation: float = 1.0
    local: float = 0.5
    root: float = 2.0
    joints: float = 8.0
    velocity: float = 8.0
    reprojection: float = 1.0
    depth: float = 1.0
    up: float = 1.0
    uncertainty: float = 0.02
    noise: DetectorNoise = field(default_factory=DetectorNoise)


@dataclass(frozen=True)
class LifterTrainingProgress:
    step: int
    minutes: float
    """Of training so far, all pieces together."""
    losses: Mapping[str, float]
    """Means since the last progress."""
    saved: Path | None = None
    """Weights that were just written."""


def train(
    motion_dir: Path | str,
    out: Path | str,
    minutes: float,
    seed: int = 0,
    config: LifterTrainingConfig | None = None,
) -> Generator[LifterTrainingProgress, None, Path]:
    """Train until `minutes` of training are done in all; returns the weights' path.

    Writes `out` (safetensors, half precision) and, beside it, `out` with the suffix
    ".training.pt" from which a later call goes on. Raises InputError where motion is missing.
    """
    config = config or LifterTrainingConfig()
    out = Path(out)
    run = _Run.start(out.with_suffix(".training.pt"), config, seed)
    sampler = WindowSampler(load_library(Path(motion_dir), "train"))
    body = BodyModel.load(density="1k2")
    run.average.pelvis_rest.copy_(body.J_template[0])
    sums: dict[str, float] = {}
    steps, saved_at = 0, run.seconds
    while run.seconds < minutes * 60:
        began = time.perf_counter()
        windows = augment(sampler.draw(config.batch, run.generator), run.generator)
        batch = observe(windows, body, run.generator, config.noise)
        for name, value in run.step(batch, body, run.seconds / (minutes * 60)).items():
            sums[name] = sums.get(name, 0.0) + value
        steps += 1
        run.seconds += time.perf_counter() - began
        due = run.seconds - saved_at >= config.save_seconds or run.seconds >= minutes * 60
        if due:
            run.save(out)
            saved_at = run.seconds
        if due or steps == 100:
            losses = {name: total / steps for name, total in sums.items()}
            yield LifterTrainingProgress(run.steps, run.seconds / 60, losses, out if due else None)
            sums, steps = {}, 0
    return out


class _Run:
    """Network, its average, the optimiser and the random state: what resuming needs."""

    def __init__(self, config: LifterTrainingConfig, seed: int) -> None:
        torch.manual_seed(seed)
        self.config = config
        self.generator = torch.Generator().manual_seed(seed)
        self.network = LifterNetwork()
        self.average = LifterNetwork()
        self.average.load_state_dict(self.network.state_dict())
        self.average.requires_grad_(False)
        self.optimizers = _optimizers(self.network, config)
        self.steps = 0
        self.seconds = 0.0

    @classmethod
    def start(cls, path: Path, config: LifterTrainingConfig, seed: int) -> _Run:
        run = cls(config, seed)
        if not path.exists():
            return run
        try:
            state = torch.load(path, weights_only=True)
            run.network.load_state_dict(state["network"])
            run.average.load_state_dict(state["average"])
            for optimizer, values in zip(run.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(values)
            run.generator.set_state(state["generator"])
            run.steps, run.seconds = int(state["steps"]), float(state["seconds"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise InputError(
                f"{path} is no training state of this lifter", advice="Move it away to start anew."
            ) from error
        return run

    def save(self, out: Path) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "generator": self.generator.get_state(),
            "steps": self.steps,
            "seconds": self.seconds,
        }
        partial = out.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(out.with_suffix(".training.pt"))
        half = {k: v.half().contiguous() for k, v in self.average.state_dict().items()}
        save_file(half, str(partial))
        partial.replace(out)

    def step(self, batch: LifterBatch, body: BodyModel, done: float) -> dict[str, float]:
        """One optimiser step; `done` is the share of the training that lies behind."""
        share = 0.51 + 0.49 * math.cos(math.pi * min(done, 1.0))
        share *= min(1.0, (self.steps + 1) / self.config.warm_up_steps)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = share * optimizer.defaults["lr"]
        view = virtual_view(batch.rays, batch.confidence)
        last = WINDOW - self.config.judged_frames
        start = int(torch.randint(last + 1, (1,), generator=self.generator))
        judged = slice(start, start + self.config.judged_frames)
        with torch.autocast("cpu", torch.bfloat16):
            output = self.network(view, judged)
        terms = lifter_losses(output, batch.truth_at(judged), view.R_virtual_camera, body)
        weights = {name: getattr(self.config, name) for name in terms}
        loss = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
        self.network.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.steps += 1
        self._update_average()
        return {name: float(value.detach()) for name, value in terms.items()}

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.average_decay, (self.steps + 1) / (self.steps + 10))
        pairs = zip(self.average.parameters(), self.network.parameters(), strict=True)
        for mean, value in pairs:
            mean.lerp_(value, 1 - decay)


def _optimizers(
    network: LifterNetwork, config: LifterTrainingConfig
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for the rest.

    After 300 steps from scratch this stands where AdamW alone stood after 420.
    """
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


def lifter_losses(
    output: NetworkOutput,
    batch: LifterBatch,
    R_virtual_camera: Float[Tensor, "B 3 3"],
    body: BodyModel,
) -> dict[str, Tensor]:
    """Unweighted terms, all on the body of mean shape and robust (first powers)."""
    root = (R_virtual_camera[:, None] @ batch.rotations[:, :, 0])[:, :, None]
    true_local = torch.cat([root, batch.rotations[:, :, 1:]], 2)
    true_pelvis = batch.pelvis @ R_virtual_camera.mT
    bones = body.J_template - body.J_template[0]
    true_rotations, true_joints = forward_kinematics(true_local, bones)
    chord = _chord(output.rotations, true_rotations)
    local = _chord(output.local_rotations, true_local)
    joints = mean_body_joints(output.rotations, body)
    placed = joints + output.pelvis[..., None, :]
    true_placed = true_joints + true_pelvis[..., None, :]
    reach = true_pelvis[..., 2].clamp_min(0.2)[..., None, None]
    planar = placed[..., :2] / placed[..., 2:].clamp_min(0.2)
    true_planar = true_placed[..., :2] / true_placed[..., 2:].clamp_min(0.2)
    velocity = placed[:, 1:] - placed[:, :-1] - true_placed[:, 1:] + true_placed[:, :-1]
    depth = output.pelvis[..., 2].log() - true_pelvis[..., 2].clamp_min(0.2).log()
    true_up = (R_virtual_camera @ batch.up[..., None])[..., 0]
    # The error is detached so that the variance
    # learns from the rotations but never excuses them.
    squared_angle = local.detach().square() / 2
    variance = (squared_angle * (-output.log_variance).exp() + output.log_variance) / 2
    return {
        "rotation": chord[:, :, 1:].mean(),
        "local": local[:, :, 1:].mean(),
        "root": chord[:, :, 0].mean(),
        "joints": (joints - true_joints).norm(dim=-1).mean(),
        "velocity": velocity[..., :2].norm(dim=-1).mean() + 0.3 * velocity[..., 2].abs().mean(),
        "reprojection": ((planar - true_planar) * reach).norm(dim=-1).mean() * 4,
        "depth": depth.abs().mean(),
        "up": (output.up - true_up).norm(dim=-1).mean(),
        "uncertainty": variance.mean(),
    }


def _chord(
    first: Float[Tensor, "*batch 3 3"], second: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch"]:
    """Frobenius norm of the difference, 2 sqrt(2) sin(angle / 2)."""
    return ((first - second).square().sum((-1, -2)) + 1e-6).sqrt()


def mean_body_joints(
    rotations: Float[Tensor, "B F 24 3 3"], body: BodyModel
) -> Float[Tensor, "B F 24 3"]:
    """Joints of the mean body relative to the pelvis, from rotations in the camera's frame."""
    parents = list(SMPL_PARENTS[1:])
    bones = body.J_template[1:] - body.J_template[parents]
    turned = (rotations[:, :, parents] @ bones[..., None])[..., 0]
    return _CHAIN @ turned


def _chain() -> Float[Tensor, "24 23"]:
    """1 where a bone (named by its lower joint, 1 to 23) lies between the pelvis and a joint."""
    rows = torch.zeros(len(SMPL_PARENTS), len(SMPL_PARENTS))
    for joint in range(1, len(SMPL_PARENTS)):
        rows[joint] = rows[SMPL_PARENTS[joint]]
        rows[joint, joint] = 1
    return rows[:, 1:]


_CHAIN = _chain()
