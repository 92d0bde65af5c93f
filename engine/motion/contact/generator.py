"""Generated contact: an interaction, two bodies, two recordings, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

import numpy as np
import torch
from torch import Tensor

from engine.body.data import OPEN_BODY
from engine.body.smpl import BodyModel, PosedBody
from engine.errors import InputError
from engine.geometry.rotations import matrix_to_axis_angle
from engine.motion.contact.bases import FPS, Bases, Stretch, bases, columns
from engine.motion.contact.catalogue import CATALOGUE, Interaction, draw
from engine.motion.contact.closing import Closing
from engine.motion.contact.plausibility import Kept, Refused, judge
from engine.motion.contact.rehearsal import Rehearsal
from engine.motion.contact.stage import Stage
from engine.motion.hands import close_hands
from engine.motion.prepared import PreparedMotion, Split
from engine.motion.splits import CMU_NOTICE
from engine.structures import BodyMotion, Provenance

Costs = dict[str, Tensor]
REHEARSAL_STEPS = 150
ROUNDS, STEPS = 12, 25
"""How often it is looked anew who is in whom, and L-BFGS iterations between."""
SIGMAS = 0.012, 0.0025
"""Metres of penetration that weigh as much as anything else by its own sigma, first and last."""
GUIDANCE = 0.1
"""Weight of the rehearsal's plates and ways round while skins close."""
BETA_SIGMA, BETA_LIMIT = 0.8, 2.0


@dataclass(frozen=True)
class Attempt:
    """One try, and why it was thrown away if it was."""

    name: str
    seed: int
    result: PreparedMotion | None
    reason: str = ""


def generate(
    singles: Sequence[Stretch], split: Split, kinds: Sequence[str] = (), first_seed: int = 0
) -> Generator[Attempt, None, None]:
    """Attempts without end, the kinds in turn. The same seed and singles give the same motion.

    Raises InputError for a kind that is not in the catalogue, or where no stretch can be used.
    """
    kinds = kinds or tuple(CATALOGUE)
    for kind in kinds:
        if kind not in CATALOGUE:
            raise InputError(
                f"No interaction is called {kind}",
                expected=", ".join(CATALOGUE),
                received=kind,
            )
    if not singles:
        raise InputError(
            "No single person stands or walks upright for long enough in these recordings",
            advice="Prepare recordings of people who stand and walk.",
        )
    for seed in count(first_seed):
        yield attempt(singles, split, kinds[seed % len(kinds)], seed)


def attempt(singles: Sequence[Stretch], split: Split, kind: str, seed: int) -> Attempt:
    """One interaction of a kind from one seed."""
    generator = np.random.default_rng([seed, sorted(CATALOGUE).index(kind)])
    interaction = draw(kind, generator)
    betas = np.clip(generator.normal(0, BETA_SIGMA, (2, 10)), -BETA_LIMIT, BETA_LIMIT)
    found = bases(interaction, list(singles), betas, generator)
    if found is None:
        return Attempt(kind, seed, None, "no recording is long enough")
    stage = Stage(found)
    _act(stage, interaction)
    refined = close_hands(_motion(stage), FPS).motion
    verdict = judge(refined, found, interaction)
    if isinstance(verdict, Refused):
        return Attempt(kind, seed, None, verdict.reason)
    return Attempt(kind, seed, _prepared(refined, found, verdict, (f"{kind}-{seed:05d}", split)))


def _act(stage: Stage, interaction: Interaction) -> None:
    """Bring the joints together, then the skins."""
    rehearsal, closing = Rehearsal(stage, interaction), Closing(stage, interaction)
    _minimise(stage, REHEARSAL_STEPS, lambda: rehearsal.costs(stage.posed()))
    for sigma in np.geomspace(*SIGMAS, ROUNDS).tolist():
        found = closing.correspondences()

        skins = partial(closing.costs, found=found, depth_sigma=sigma)
        _minimise(stage, STEPS, partial(_both, stage, rehearsal, skins))


def _both(stage: Stage, rehearsal: Rehearsal, skins: Callable[[PosedBody], Costs]) -> Costs:
    posed = stage.posed()
    return rehearsal.costs(posed, GUIDANCE) | skins(posed)


def _minimise(stage: Stage, steps: int, costs: Callable[[], Costs]) -> None:
    optimiser = torch.optim.LBFGS(
        stage.variables, max_iter=steps, history_size=15, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        total = torch.stack(list(costs().values())).sum()
        total.backward()
        return total

    optimiser.step(closure)


@torch.no_grad()
def _motion(stage: Stage) -> BodyMotion:
    posed = stage.posed()
    turns = matrix_to_axis_angle(posed.rotmats).numpy()
    rest = stage.model.rest_joints(posed.betas)[:, None, 0]
    people, frames = turns.shape[:2]
    return BodyMotion(
        body=OPEN_BODY,
        betas=posed.betas.numpy(),
        global_orient=turns[:, :, 0],
        body_pose=turns[:, :, 1:],
        transl=(posed.joints[:, :, 0] - rest).numpy(),
        valid=np.ones((people, frames), bool),
        provenance=np.full((people, frames), Provenance.EDITED, np.uint8),
        time=np.arange(frames) / FPS,
        gravity="known",
    )


@torch.no_grad()
def _prepared(
    motion: BodyMotion, found: Bases, kept: Kept, called: tuple[str, Split]
) -> PreparedMotion:
    name, split = called
    moved = BodyModel.load(OPEN_BODY, "1k2").pose_of(motion).joints - found.joints
    part = columns(motion, kept.frames)
    return PreparedMotion(
        motion=part,
        fps=FPS,
        name=name,
        source=f"Generated from recordings of single people: {' and '.join(found.sources)}.",
        notice=CMU_NOTICE,
        split=split,
        kind="generated",
        starts=(),
        error_m=np.zeros(part.valid.shape),
        moved_m=moved.norm(dim=-1).mean(dim=-1).numpy()[:, kept.frames.as_slice()],
        labels=kept.labels,
    )
