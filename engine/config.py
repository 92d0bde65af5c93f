"""Settings of the fit: frozen, one sentence under each field."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class TermWeights:
    """Weights of the terms; a term with weight zero is not computed.

    Every term is a sum over time in frames of 1/30 s, so the balance does not depend on the
    video's rate.
    """

    reprojection: float = 1.0
    """Robust squared distance to the keypoints in units of the keypoint noise."""
    edited: float = 4.0
    """The same for keypoints that a person placed, without the robust part."""
    pose: float = 0.7
    """Distance from the pose that the prior saw, per joint and radian."""
    limits: float = 20.0
    """Knees, elbows and the other joints that bend beyond what people do, per squared radian."""
    shape: float = 0.3
    """Squared betas (in standard deviations of the population), in every frame: clothes and
    detectors mislead about limbs in all frames alike, so more frames are not more evidence."""
    height: float = 16.0
    """A stated height, in units of one centimetre, per ten frames: bodies keep to it within
    5 mm also where the picture speaks for another one by 30 cm."""
    acceleration: float = 0.03
    """Squared acceleration of joints in m/s^2, divided by 24 joints."""
    rotation: float = 0.002
    """Squared acceleration of joint rotations (6D) per s^2, divided by 24 joints."""
    floor: float = 0.5
    """Feet below the floor and standing feet above it, in units of 2 cm."""
    skating: float = 0.5
    """Feet that stand do not slide, in units of 0.1 m/s."""
    focal: float = 1.0
    """An estimated focal length near the usual one, in units of 25 %."""
    gravity: float = 1.0
    """The direction of gravity near what the upright people say, in units of 0.1 rad."""
    penetration: float = 400.0
    """Depth of one body inside the other beyond the slack, in units of 1 cm, per 100 vertices."""
    contact: float = 3.0
    """Distance between regions that a person said touch, in units of 1 cm."""
    no_contact: float = 10.0
    """Regions that a person said do not touch, nearer than the clearance, in units of 1 cm."""
    depth_order: float = 5.0
    """Bodies that a person ordered in depth, in units of 5 cm."""
    proxemics: float = 5.0
    """Zone, distances and facing that a person stated, in units of 5 cm and of a cosine of 0.1."""
    behind: float = 1.5
    """How far behind each other the prior saw people, in its standard deviations, where nobody said
    who is in front or what touches."""


@dataclass(frozen=True)
class AppearanceConfig:
    """How avatars are learnt from the video and what they then say of the motion."""

    size: int = 128
    """Longer side, in pixels, of the crop around the people in which pictures are compared."""
    density: Literal["1k2", "2k5", "7k"] = "2k5"
    """Mesh of the body whose vertices carry one Gaussian each."""
    seed: int = 0
    """Of the order of the pictures and of what avatars begin with."""
    epochs: int = 6
    """How often all pictures are shown while avatars are learnt."""
    learning_frames: int = 40
    """Pictures of a window that avatars are learnt from, evenly spaced."""
    latent_rate: float = 5e-2
    """Adam's learning rate of the latents in the first epoch; it falls from epoch to epoch."""
    decoder_rate: float = 1e-2
    """The same of the decoders' weights."""
    structure: float = 0.2
    """Share of SSIM in the difference of two pictures; the rest is L1."""
    offset: float = 1e-3
    """Restraint of Gaussians to the skin, per squared distance in units of 2 cm."""
    scale: float = 1e-3
    """Restraint of their scales to one share of the distance between neighbours."""
    latent: float = 1e-3
    """Restraint of the latents to zero."""
    turns: int = 2
    """How often avatars are learnt and bodies then moved; avatars that are known are not learnt
    again, and bodies are then moved once."""
    rounds: int = 12
    """Refreshes of contact at most in each turn."""
    steps: int = 10
    """L-BFGS iterations between two refreshes."""
    settled: float = 0.001
    """Metres: `FitConfig.settled`, at least; pictures pull at single pixels and never rest."""
    stride: int = 2
    """Every so many frames are looked at, the same ones always: the frames between follow."""
    refit_stride: int = 4
    """The same where avatars of everybody are known, in a re-fit that somebody waits for."""
    photometric: float = 10000.0
    """Difference between rendering and picture (0..1), summed over pixels and divided by the pixels
    of the people's boxes."""
    identity: float = 2000.0
    """Squared difference between where people are rendered and their masks, likewise."""


@dataclass(frozen=True)
class FitConfig:
    """How a fit runs; `FitConfig()` is what the window uses."""

    weights: TermWeights = TermWeights()
    """Balance of the terms."""
    placement_steps: int = 25
    """L-BFGS iterations on placement, shape, gravity and floor, with poses as they started."""
    hypothesis_steps: int = 20
    """L-BFGS iterations for each hypothesis of facing before the best is chosen per person."""
    joint_steps: int = 150
    """L-BFGS iterations on everything but penetration."""
    refit_steps: int = 12
    """The same, in Newton's coordinates, for a part of a clip beside bodies that are held."""
    label_rounds: int = 2
    """How often people are moved as wholes to where labelled regions can meet, while shapes are
    free as well."""
    label_steps: int = 25
    """L-BFGS iterations between two searches for the nearest points of labelled regions."""
    parting_rounds: int = 12
    """How often people are moved as wholes, to what they touch or out of each other, before
    anything is bent for it."""
    contact_rounds: int = 60
    """How often the correspondences of penetration and contact are refreshed."""
    whole_rounds: int = 24
    """The same at most, in a fit of frames that had no bodies."""
    contact_steps: int = 1
    """Steps between two refreshes: of Newton's beside walls one, those of L-BFGS after it."""
    steady: float = 0.002
    """Metres: a stage on the way is over once 95 % of all joints move less in a round."""
    settled: float = 0.0002
    """Metres: a fit has converged once 95 % of all joints move less in each of two refreshes, and
    would in all that follow if it went on like that."""
    whole_settled: float = 0.003
    """The same in a fit of frames that had no bodies."""
    keypoint_noise: float = 0.018
    """Standard deviation of a keypoint as a share of the person's size in the image."""
    robust_widths: tuple[float, float, float, float] = (40.0, 12.0, 6.0, 4.0)
    """Standard deviations beyond which a keypoint stops pulling: while placing, comparing facings,
    fitting, and resolving contact (graduated non-convexity, Blake and Zisserman 1987)."""
    penetration_slack: float = 0.0
    """Metres of penetration that cost nothing."""
    contact_slack: float = 0.02
    """The same inside regions that a person said touch: flesh gives way there."""
    clearance: float = 0.03
    """Metres that regions labelled "no contact" keep."""
    context: int = 6
    """Frames on each side of a re-fit range that are frozen and hold its ends."""
    prior: Literal["start", "denoise", "deep"] = "deep"
    """What the prior does in a whole fit after the first bodies: nothing more; it takes noise off
    the bodies as they are; its weights are fine-tuned to the clip (engine.fit.prior_stage)."""
    deep_steps: int = 45
    """Steps of Adam on the prior's weights; many more, and it learns the keypoints' noise."""
    deep_rate: float = 1e-4
    """Their learning rate, which fades to a twentieth."""
    denoise_level: int = 20
    """Steps of noise, of 100, that are put on the bodies."""
    denoise_draws: int = 4
    """Draws of that noise, whose answers are averaged."""
    consulted_steps: int = 60
    """L-BFGS iterations of `joint_steps`, half of them at most, that are left for what the prior
    then says."""
    window: int = 400
    """Longest stretch of frames solved at once, but for the overlap; longer clips are solved in
    turn."""
    overlap: int = 12
    """Frames of a window that are solved again with the next one, when it is known what follows."""
    initializer: str = "dyad"
    """Who makes the first bodies: "dyad" is the prior, other names are those of installed plugins
    (engine.perception.plugins). Where a plugin has no body the prior's stays."""
    appearance: AppearanceConfig | None = None
    """The appearance branch; None leaves it out: nothing of it is computed."""
    device: Device = "cpu"
    """What computes: the processor, or a GPU through CUDA; "auto" is CUDA where torch can use it.
    On the processor the same input gives the same output, bit for bit."""
    tolerance: float = 1e-4
    """Relative change of the cost over ten iterations below which a stage has converged."""


def longer(config: FitConfig, times: int) -> FitConfig:
    """The same fit, allowed so many times as many steps, and satisfied as much later."""
    look = config.appearance
    return replace(
        config,
        refit_steps=config.refit_steps * times,
        contact_rounds=config.contact_rounds * times,
        whole_rounds=config.whole_rounds * times,
        parting_rounds=config.parting_rounds * times,
        settled=config.settled / times,
        whole_settled=config.whole_settled / times,
        tolerance=config.tolerance / times,
        appearance=look and replace(look, rounds=look.rounds * times, settled=look.settled / times),
    )
