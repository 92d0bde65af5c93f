"""What a training of the prior learns from and how: motion, lessons, losses, network."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from engine.errors import InputError
from engine.motion.prepared import MotionKind
from engine.prior.dataset import KINDS, SamplingWeights
from engine.prior.denoiser import DenoiserConfig
from engine.prior.lessons import LessonShares
from engine.prior.losses import LossWeights
from engine.prior.observing import ObservationNoise

_BOOKKEEPING = {"save_steps", "report_steps"}
"""Fields of the configuration that change nothing of what is learnt."""


@dataclass(frozen=True)
class TrainingConfig:
    """What is learnt from what; a training goes on only under the one it began with."""

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
    kinds: tuple[MotionKind, ...] = KINDS
    """Kinds of motion to learn from."""
    network: DenoiserConfig = field(default_factory=DenoiserConfig)
    lessons: LessonShares = field(default_factory=LessonShares)
    losses: LossWeights = field(default_factory=LossWeights)
    sampling: SamplingWeights = field(default_factory=SamplingWeights)
    noise: ObservationNoise = field(default_factory=ObservationNoise)

    def told_apart(self) -> dict[str, str]:
        """Every number that a training depends on, by its name ("lessons.gap"), as JSON."""
        return {
            name: json.dumps(value)
            for name, value in _flat(asdict(self)).items()
            if name not in _BOOKKEEPING
        }


def ablated(
    config: TrainingConfig,
    *,
    without: Collection[MotionKind] = (),
    partner: bool = True,
    proxemics: bool = True,
) -> TrainingConfig:
    """The same training without some kinds of motion, without attention to the partner (`partner`
    False), or never told zones, distances and facing (`proxemics` False).

    Raises InputError where no motion of two people is left.
    """
    kinds = tuple(kind for kind in config.kinds if kind not in without)
    if not set(kinds) - {"single"}:
        raise InputError(
            "No kind of motion of two people is left to learn from",
            expected="one of captured, grappling, generated",
        )
    lessons = config.lessons
    if not proxemics:
        lessons = replace(lessons, proxemics=0.0, proxemics_free=0.0)
    network = replace(config.network, partner=config.network.partner and partner)
    return replace(config, kinds=kinds, lessons=lessons, network=network)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        inner = _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else None
        flat |= inner or {f"{prefix}{name}": value}
    return flat
