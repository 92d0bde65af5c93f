"""Windows of motion before a camera, as a keypoint detector sees them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from engine.body.smpl import BodyModel, PosedBody
from engine.prior.dataset import WorldWindows
from engine.prior.detecting import Sight, detections, meet
from engine.prior.detector_noise import DetectorNoise, corrupt
from engine.prior.hiding import levels
from engine.prior.skeleton import Skeleton, relative
from engine.prior.viewing import Views, draw_views
from engine.prior.windows import PairWindows, Seen
from engine.synthesis.detector import PairNoise
from engine.synthesis.noise import PersonNoise


@dataclass(frozen=True)
class ObservationNoise:
    """How the detectors of the training windows err."""

    person: PersonNoise = field(default_factory=PersonNoise)
    pair: PairNoise = field(default_factory=PairNoise)
    unlike: float = 0.3
    """Standard deviation of the logarithm of a window's errors over those of `person`."""
    generic: float = 0.3
    """Share of windows that err as any detector may, not as Dyad's perception does."""
    any_detector: DetectorNoise = field(default_factory=DetectorNoise)
    focal_mismatch: float = 0.1
    """Standard deviation of the logarithm of assumed over true focal length."""
    stride: int = 2
    """Who hides whom is looked up every so many frames."""


def observe(
    windows: WorldWindows,
    body: BodyModel,
    generator: torch.Generator,
    noise: ObservationNoise | None,
) -> tuple[PairWindows, Seen]:
    """One camera before each window, and the keypoints that are seen from it.

    Where the assumed focal length is wrong, rays are longer or shorter and the truth is where
    motion of the same size would give them: the middle of the people nearer or further, and they
    as far apart as they are. `noise` None gives exact keypoints with confidence 1 (0, and no ray,
    outside the picture).
    """
    views = draw_views(windows, generator)
    rotations = views.rotation[:, None, None, None] @ windows.rotations
    pelvis = views.see(windows.pelvis)
    keypoints, joints = _bodies(body, rotations, pelvis, windows.betas)
    depth = keypoints[..., 2]
    rays = keypoints[..., :2] / depth[..., None].clamp_min(0.2)
    inside = (rays.abs() < views.half[:, None, None, None]).all(-1) & (depth > 0.2)
    truth = PairWindows(rotations, pelvis, windows.betas, views.rotation[..., 1])
    if noise is None:
        return truth, Seen(rays * inside[..., None], inside.float())
    sight = Sight(rays, depth, levels(keypoints, joints, noise.stride), inside)
    rays, confidence = _detected(sight, keypoints, views, noise, generator)
    mismatch = (torch.randn(len(rays), generator=generator) * noise.focal_mismatch).exp()
    rays = rays * mismatch.view(-1, 1, 1, 1, 1) * (confidence > 0)[..., None]
    return _moved(truth, mismatch), Seen(rays, confidence)


def _bodies(
    body: BodyModel, rotations: Tensor, pelvis: Tensor, betas: Tensor
) -> tuple[Float[Tensor, "B P F 26 3"], Float[Tensor, "B P F 24 3"]]:
    """Keypoints and joints, in the frame of the orientations."""
    shape = pelvis.shape[:2]
    shapes, turns = betas.flatten(0, 1), rotations.flatten(0, 1)
    rest = body.rest_joints(shapes)[:, None]
    joints = Skeleton.of(body).joints(turns, shapes) + pelvis.flatten(0, 1)[..., None, :]
    offsets = joints[..., None] - turns @ rest[..., None]
    # Rotations relative to the parents are only asked of bodies whose skin depends on them.
    local = turns if body.posedirs is None else relative(turns)
    posed = PosedBody(body, shapes, local, torch.cat([turns, offsets], -1), joints)
    return posed.keypoints("halpe26").unflatten(0, shape), joints.unflatten(0, shape)


def _detected(
    sight: Sight,
    keypoints: Tensor,
    views: Views,
    noise: ObservationNoise,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Rays and confidence: of Dyad's perception, of any detector for some windows."""
    batch, people = sight.depth.shape[:2]
    severity = (torch.randn(batch, generator=generator) * noise.unlike).exp()
    rays, confidence = detections(sight, noise.person, severity, generator)
    generic = torch.nonzero(torch.rand(batch, generator=generator) < noise.generic)[:, 0]
    if len(generic):
        each = generic.repeat_interleave(people)
        other_rays, other_confidence = corrupt(
            keypoints[generic].flatten(0, 1),
            views.focal[each],
            views.half[each] * views.focal[each, None],
            generator=generator,
            noise=noise.any_detector,
        )
        rays[generic] = other_rays.unflatten(0, (-1, people))
        confidence[generic] = other_confidence.unflatten(0, (-1, people))
    return meet(rays, confidence, sight, noise.pair, generator)


def _moved(truth: PairWindows, mismatch: Float[Tensor, "B"]) -> PairWindows:
    """The people where rays `mismatch` times as long put them."""
    depth = truth.pelvis[..., 2]
    middle = depth.mean((1, 2))
    shift = middle / mismatch - middle
    return PairWindows(
        truth.rotations,
        truth.pelvis + F.pad(shift[:, None], (2, 0))[:, None, None],
        truth.betas,
        truth.up,
    )
