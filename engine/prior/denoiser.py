"""The prior's network: a noisy state and what is known -> the state, how sure, and gravity.

One transformer with shared weights for everybody. Each block: attention over the person's own
time, attention to the partner's, a feed-forward layer, each behind an adaptive layer norm (Peebles
and Xie 2023, "Scalable Diffusion Models with Transformers") that knows the noise level and what is
told of the whole window. Time enters by rotary positions (Su et al. 2021, "RoFormer"), so that
windows of 16 to 64 frames go through the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from engine.prior.condition import FRAME_FEATURES, WINDOW_FEATURES, Condition
from engine.prior.motion_code import SIZE, shown_to

FRAMES_PER_TOKEN = 2


@dataclass(frozen=True)
class DenoiserConfig:
    """The network's shape; stands in the weight file, so that another shape is refused."""

    width: int = 192
    blocks: int = 4
    heads: int = 6
    expansion: int = 2
    """Width of the feed-forward layer over the width."""
    modulation: int = 64
    """Width of what the adaptive layer norms are computed from."""
    partner: bool = True
    """Whether there is attention to the partner; without it nobody knows of anybody."""

    def as_text(self) -> dict[str, str]:
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_text(cls, text: Mapping[str, str]) -> DenoiserConfig:
        """Raises KeyError or ValueError where something is missing or absurd."""
        numbers = {}
        for name in ("width", "blocks", "heads", "expansion", "modulation"):
            numbers[name] = int(text[name])
            if not 1 <= numbers[name] <= 4096:
                raise ValueError(f"{name} {text[name][:20]}")
        if numbers["width"] % (2 * numbers["heads"]) or numbers["blocks"] > 64:
            raise ValueError("a width that the heads do not divide, or too many blocks")
        return cls(**numbers, partner=text["partner"] == "True")


@dataclass(frozen=True)
class Denoised:
    """What the network says of B windows."""

    state: Float[Tensor, "B P F 160"]
    log_variance: Float[Tensor, "B P F 24"]
    """Logarithm of the expected squared angle (rad^2) of each rotation relative to its parent (the
    root: in the camera)."""
    up: Float[Tensor, "B 3"]
    """Unit vector against gravity, in the virtual camera."""


class _Attention(nn.Module):
    """Multi-head attention with rotary positions; queries and keys may be of different people."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.project = nn.Linear(width, width)

    def forward(
        self, x: Float[Tensor, "N T D"], other: Float[Tensor, "N S D"], turn: tuple[Tensor, Tensor]
    ) -> Float[Tensor, "N T D"]:
        """`turn` are cosine and sine of the positions, (S, D / heads); S is a multiple of T."""
        count, length, width = x.shape
        query = self.query(x).view(count, length, self.heads, -1).transpose(1, 2)
        key_value = self.key_value(other).view(count, other.shape[1], 2, self.heads, -1)
        key, value = key_value.permute(2, 0, 3, 1, 4)
        cosine, sine = turn
        query = _turned(query, cosine[:length], sine[:length])
        key = _turned(key, cosine, sine)
        # Written out: on the CPU the fused kernel is many times slower for such short sequences.
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        attended = scores.softmax(-1).to(value.dtype) @ value
        out: Tensor = self.project(attended.transpose(1, 2).reshape(count, length, width))
        return out


class _Block(nn.Module):
    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        width = config.width
        self.own = _Attention(width, config.heads)
        self.partner = _Attention(width, config.heads) if config.partner else None
        self.expand = nn.Linear(width, config.expansion * width)
        self.contract = nn.Linear(config.expansion * width, width)
        self.modulate = nn.Linear(config.modulation, 9 * width)
        with torch.no_grad():
            self.modulate.weight.mul_(0.1)
            self.modulate.bias.zero_()

    def forward(
        self,
        x: Float[Tensor, "B P T D"],
        modulation: Float[Tensor, "B P M"],
        turn: tuple[Tensor, Tensor],
        together: Float[Tensor, "B"],
    ) -> Float[Tensor, "B P T D"]:
        people, length = x.shape[1:3]
        changes = self.modulate(modulation)[:, :, None].chunk(9, dim=-1)
        own = _changed(x, changes[0], changes[1]).flatten(0, 1)
        turn_own = turn[0][:length], turn[1][:length]
        attended = self.own(own, own, turn_own).view_as(x)
        x = x + (1 + changes[2]) * attended
        if self.partner is not None and people > 1:
            mine = _changed(x, changes[3], changes[4])
            attended = self.partner(mine.flatten(0, 1), _others(mine).flatten(0, 1), turn)
            x = x + (1 + changes[5]) * attended.view_as(x) * together[:, None, None, None]
        hidden = self.expand(_changed(x, changes[6], changes[7]))
        fed: Tensor = x + (1 + changes[8]) * self.contract(F.gelu(hidden, approximate="tanh"))
        return fed


class Denoiser(nn.Module):
    """x0-prediction; with the default configuration 2.4 M parameters."""

    def __init__(self, config: DenoiserConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or DenoiserConfig()
        width = config.width
        self.embed = nn.Linear((SIZE + FRAME_FEATURES) * FRAMES_PER_TOKEN, width)
        self.level = nn.Linear(2 * _LEVEL_WAVES, config.modulation)
        self.told = nn.Linear(WINDOW_FEATURES, config.modulation)
        self.mix = nn.Linear(config.modulation, config.modulation)
        self.blocks = nn.ModuleList([_Block(config) for _ in range(config.blocks)])
        self.head = nn.Linear(width, (SIZE + 24) * FRAMES_PER_TOKEN)
        self.up_head = nn.Linear(width, 3)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.up_head.weight.mul_(0.1)
            self.up_head.bias.copy_(torch.tensor([0.0, -1.0, 0.0]))

    def forward(
        self,
        noisy: Float[Tensor, "B P F 160"],
        level: Float[Tensor, "B"],
        told: Condition,
    ) -> Denoised:
        """`level` is the share of the noise steps, 0 to 1; F is even. Known values are answered
        as they are."""
        count, people, frames, _ = noisy.shape
        if told.partner.min() < 1:
            noisy = noisy * shown_to(told.partner)
        noisy = noisy * (1 - told.known) + told.state
        tokens = torch.cat([noisy, told.frames], dim=-1)
        tokens = tokens.reshape(count, people, frames // FRAMES_PER_TOKEN, -1)
        x = self.embed(tokens)
        modulation = self.level(_waves(level))[:, None] + self.told(told.windows)
        modulation = F.silu(self.mix(F.silu(modulation)))
        turn = self._positions(x.shape[2], max(people - 1, 1))
        for block in self.blocks:
            x = block(x, modulation, turn, told.partner.to(x.dtype))
        x = F.layer_norm(x, x.shape[-1:])
        up = F.normalize(self.up_head(x.mean((1, 2))).float(), dim=-1)
        values = self.head(x).float().reshape(count, people, frames, SIZE + 24)
        state = (values[..., :SIZE] + told.base) * (1 - told.known) + told.state
        return Denoised(state, values[..., SIZE:].clamp(-9, 4), up)

    def _positions(self, length: int, repeats: int) -> tuple[Tensor, Tensor]:
        size = self.config.width // self.config.heads
        rates = 100.0 ** (-torch.arange(0, size, 2) / size)
        angle = torch.arange(length)[:, None] * rates
        angle = torch.cat([angle, angle], dim=-1).repeat(repeats, 1)
        device, dtype = self.embed.weight.device, self.embed.weight.dtype
        return angle.cos().to(device, dtype), angle.sin().to(device, dtype)


_LEVEL_WAVES = 16


def _waves(level: Float[Tensor, "B"]) -> Float[Tensor, "B W"]:
    angle = level[:, None] * math.pi * (2.0 ** torch.linspace(-1, 6, _LEVEL_WAVES)).to(level)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def _changed(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift


def _turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    swapped = torch.cat([-x[..., half:], x[..., :half]], dim=-1)
    return x * cosine.to(x.dtype) + swapped * sine.to(x.dtype)


def _others(x: Float[Tensor, "B P T D"]) -> Float[Tensor, "B P S D"]:
    """Of every person the tokens of all others, one after the other."""
    people = x.shape[1]
    if people == 2:
        return x.flip(1)
    order = [[q for q in range(people) if q != p] for p in range(people)]
    return torch.stack([x[:, rows].flatten(1, 2) for rows in order], dim=1)
