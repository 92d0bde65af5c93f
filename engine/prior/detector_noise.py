"""How a 2D keypoint detector errs: what separates projected bodies from real detections.

Errors are in proportion to the person's size in the image and correlated in time; a detector
moves a joint for a whole clip (bias), loses or misplaces a limb for a while (bursts), takes left
for right, and is blind behind an occluder and at the border. Its confidence tells some of this.
Detectors differ, so that each clip is disturbed to another degree: a network learns from this. How
Dyad's own perception errs is in engine.synthesis.noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from engine.body.joints import HALPE26, mirrored

_INDEX = {name: i for i, name in enumerate(HALPE26)}
_GROUPS = (
    "left_elbow left_wrist", "right_elbow right_wrist", "left_wrist", "right_wrist",
    "left_shoulder left_elbow left_wrist", "right_shoulder right_elbow right_wrist",
    "left_knee left_ankle left_big_toe left_small_toe left_heel",
    "right_knee right_ankle right_big_toe right_small_toe right_heel",
    "left_ankle left_big_toe left_small_toe left_heel right_ankle right_big_toe right_small_toe "
    "right_heel",
    "left_knee left_ankle left_big_toe left_small_toe left_heel right_knee right_ankle "
    "right_big_toe right_small_toe right_heel",
    "nose left_eye right_eye left_ear right_ear head",
)  # fmt: skip
"""Keypoints that are lost or misplaced together."""
_OPTIONAL = ("head", "neck hip", "left_big_toe right_big_toe", "left_small_toe right_small_toe",
             "left_heel right_heel")  # fmt: skip
"""Beyond COCO-17; detectors give some, all or none of them."""
_PARTS = (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle", "toe", "heel"))
"""Arms and legs: what a detector exchanges between the sides at once."""
_FACE = [_INDEX[name] for name in ("nose", "left_eye", "right_eye")]
_BODY_HEIGHT = 1.7
_SPREAD = {"wrist": 1.4, "elbow": 1.2, "ankle": 1.3, "hip": 1.2, "toe": 1.5, "heel": 1.5,
           "knee": 1.1, "nose": 0.7, "eye": 0.7, "ear": 0.8, "head": 1.3}  # fmt: skip


@dataclass(frozen=True)
class DetectorNoise:
    """Sizes are shares of the person's height in the image."""

    jitter: tuple[float, float] = (0.005, 0.028)
    """Standard deviation of a keypoint, drawn per clip between these."""
    bias: float = 0.012
    """Standard deviation of a keypoint's displacement over a whole clip."""
    missing: float = 0.1
    """Largest share of single keypoints lost, drawn per clip."""
    limb_lost: float = 0.04
    """Probability that a group of keypoints is lost for a while, per group and clip."""
    limb_misplaced: float = 0.06
    """Probability that a group is misplaced for a while, per group and clip."""
    misplacement: float = 0.1
    occluded: float = 0.3
    """Probability of an occluder (another person, say) before a part of the body."""
    self_occluded_error: float = 1.5
    """How much more a keypoint errs that the own body hides."""
    occluded_lost: float = 0.4
    """Probability, per clip, that keypoints behind an occluder are lost."""
    swapped: float = 0.1
    """Probability that left and right are exchanged for a while."""
    optional_missing: float = 0.2
    """Probability that a detector gives COCO-17 only; half as much for each further group."""
    focal_mismatch: float = 0.1
    """Standard deviation of the logarithm of assumed over true focal length."""


def corrupt(
    keypoints: Float[Tensor, "B F 26 3"],
    focal: Float[Tensor, "B"],
    half_extent: Float[Tensor, "B 2"],
    *,
    generator: torch.Generator,
    noise: DetectorNoise | None,
) -> tuple[Float[Tensor, "B F 26 2"], Float[Tensor, "B F 26"]]:
    """Rays (x / z, y / z) and confidences that a detector gives for keypoints in the camera frame.

    The image reaches `half_extent / focal` to each side. Without noise: exact, 1 inside the image.
    """
    depth = keypoints[..., 2:].clamp_min(0.2)
    rays = keypoints[..., :2] / depth
    inside = (rays.abs() < (half_extent / focal[:, None])[:, None, None]).all(-1)
    if noise is None:
        return rays, inside.float()
    unit = _BODY_HEIGHT / depth.mean((1, 2, 3))
    batch, frames = rays.shape[:2]
    own = _turned_away(keypoints) & (torch.rand(batch, 1, 1, generator=generator) < 0.8)
    behind = _occluder(rays, unit, generator, noise.occluded)
    misplaced = _intervals(batch, frames, generator, noise.limb_misplaced)
    unsure = own | behind | misplaced
    more = torch.where(behind, 1.5, own * noise.self_occluded_error)
    error = _jitter(rays, generator, noise) * (1 + more[..., None])
    lure = torch.randn(batch, 1, 26, 2, generator=generator) * noise.misplacement
    error = error + misplaced[..., None] * lure
    honesty = torch.rand(batch, 1, 1, generator=generator)
    confidence = (-honesty * error.norm(dim=-1) / 0.05).exp()
    confidence = confidence * (0.7 + 0.3 * torch.rand(batch, frames, 26, generator=generator))
    told = torch.rand(batch, 1, 1, generator=generator) < 0.75
    doubt = 0.1 + 0.6 * torch.rand(batch, 1, 26, generator=generator)
    confidence = torch.where(unsure & told, confidence * doubt, confidence)
    confidence = confidence ** (0.4 + 1.4 * torch.rand(batch, 1, 1, generator=generator))
    rays = rays + error * unit[:, None, None, None]
    lost = _lost(batch, frames, generator, noise)
    lost |= behind & (torch.rand(batch, 1, 1, generator=generator) < noise.occluded_lost)
    lost |= ~inside & (torch.rand(batch, 1, 1, generator=generator) < 0.85)
    confidence = torch.where(inside, confidence, 0.4 * confidence).clamp(0.02, 1.0) * ~lost
    return _swap_sides(rays, confidence, generator, noise.swapped)


def _jitter(rays: Tensor, generator: torch.Generator, noise: DetectorNoise) -> Tensor:
    """Error in shares of the body: white, slow and constant parts."""
    batch, frames = rays.shape[:2]
    spread = torch.tensor(
        [next((v for k, v in _SPREAD.items() if k in name), 1.0) for name in HALPE26]
    )
    low, high = noise.jitter
    level = low + (high - low) * torch.rand(batch, 1, 1, 1, generator=generator)
    level = level * (0.35 * torch.randn(batch, 1, 26, 1, generator=generator)).exp()
    white = torch.randn(batch, frames, 26, 2, generator=generator)
    coarse = torch.randn(batch, 52, frames // 4 + 2, generator=generator)
    slow = F.interpolate(coarse, size=frames, mode="linear").transpose(1, 2) * 1.2
    moving = (0.55 * white + 0.8 * slow.reshape(batch, frames, 26, 2)) * level
    bias = noise.bias * torch.randn(batch, 1, 26, 2, generator=generator)
    return (moving + bias) * spread[:, None]


def _turned_away(keypoints: Tensor) -> Bool[Tensor, "B F 26"]:
    """Face keypoints that the head itself hides from the camera."""
    left, right = keypoints[:, :, _INDEX["left_ear"]], keypoints[:, :, _INDEX["right_ear"]]
    sight = F.normalize(keypoints[:, :, _INDEX["nose"]], dim=-1)
    forward = F.normalize(keypoints[:, :, _INDEX["nose"]] - (left + right) / 2, dim=-1)
    side = F.normalize(left - right, dim=-1)
    hidden = torch.zeros(keypoints.shape[:3], dtype=torch.bool)
    hidden[:, :, _FACE] = ((forward * sight).sum(-1) > 0.1)[..., None]
    hidden[:, :, _INDEX["left_ear"]] = (side * sight).sum(-1) > 0.3
    hidden[:, :, _INDEX["right_ear"]] = (side * sight).sum(-1) < -0.3
    return hidden


def _spans(shape: tuple[int, ...], frames: int, generator: torch.Generator) -> Tensor:
    """Boolean (*shape, frames): one random stretch of at least 3 frames each."""
    centre = torch.rand(shape, generator=generator)[..., None] * frames
    half = 1.5 + torch.rand(shape, generator=generator)[..., None] ** 2 * frames
    return (torch.arange(frames) - centre).abs() <= half


def _intervals(
    batch: int, frames: int, generator: torch.Generator, probability: float
) -> Bool[Tensor, "B F 26"]:
    """Groups of keypoints that are struck for a while."""
    struck = torch.rand(batch, len(_GROUPS), 1, generator=generator) < probability
    spans = _spans((batch, len(_GROUPS)), frames, generator) & struck
    return (spans.mT.float() @ _membership(_GROUPS)) > 0


def _membership(groups: tuple[str, ...]) -> Float[Tensor, "G 26"]:
    return torch.tensor([[float(name in g.split()) for name in HALPE26] for g in groups])


def _lost(
    batch: int, frames: int, generator: torch.Generator, noise: DetectorNoise
) -> Bool[Tensor, "B F 26"]:
    share = noise.missing * torch.rand(batch, 1, 1, generator=generator)
    lost = torch.rand(batch, frames, 26, generator=generator) < share
    lost |= _intervals(batch, frames, generator, noise.limb_lost)
    never = torch.rand(batch, len(_OPTIONAL), generator=generator) < noise.optional_missing / 2
    never |= torch.rand(batch, 1, generator=generator) < noise.optional_missing
    return lost | ((never.float() @ _membership(_OPTIONAL)) > 0)[:, None]


def _occluder(
    rays: Tensor, unit: Tensor, generator: torch.Generator, probability: float
) -> Bool[Tensor, "B F 26"]:
    """Keypoints behind a rectangle that moves across the body for a while."""
    batch, frames = rays.shape[:2]
    aim = torch.randint(26, (batch, 1, 1, 1), generator=generator).expand(-1, frames, 1, 2)
    target = rays.gather(2, aim).mean(1, keepdim=True)
    wander = torch.randn(batch, 2, 1, 2, generator=generator) * 0.15 * unit[:, None, None, None]
    path = torch.linspace(0, 1, frames)[:, None, None]
    centre = target + wander[:, :1] * (1 - path) + wander[:, 1:] * path
    size = 0.08 + 0.22 * torch.rand(batch, 1, 1, 2, generator=generator)
    within = ((rays - centre).abs() < size * unit[:, None, None, None]).all(-1)
    present = torch.rand(batch, 1, generator=generator) < probability
    return within & (_spans((batch,), frames, generator) & present)[..., None]


def _swap_sides(
    rays: Tensor, confidence: Tensor, generator: torch.Generator, probability: float
) -> tuple[Tensor, Tensor]:
    """Exchange left and right of the whole body, the arms or the legs for a while."""
    batch, frames = confidence.shape[:2]
    parts = torch.zeros(3, 26, dtype=torch.bool)
    parts[0] = True
    for row, words in zip(parts[1:], _PARTS, strict=True):
        row[[i for i, name in enumerate(HALPE26) if any(word in name for word in words)]] = True
    part = parts[torch.randint(3, (batch,), generator=generator)]
    struck = torch.rand(batch, 1, generator=generator) < probability
    span = _spans((batch,), frames, generator) & struck
    swap = span[..., None] & part[:, None]
    other = list(mirrored(HALPE26))
    rays = torch.where(swap[..., None], rays[:, :, other], rays)
    return rays, torch.where(swap, confidence[:, :, other], confidence)
