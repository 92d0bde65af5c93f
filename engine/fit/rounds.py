"""Rounds of descent with correspondences that are found anew before each.

With shapes, gravity, floor and focal length held, only poses and places move, and the objective is
descended in coordinates in which it is round (`engine.fit.newton`). A refresh changes the
objective, so curvature is not remembered across it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from engine.aside import aside
from engine.fit.banded import Factor
from engine.fit.course import Course
from engine.fit.curvature import Look, curvature
from engine.fit.jacobian import Jacobian, upright
from engine.fit.newton import Moves, Point, descend, newton_step
from engine.fit.objective import objective
from engine.fit.setting import Setting
from engine.fit.state import FitState, Posed
from engine.fit.walls import walls_of
from engine.structures import FitProgress, Outcome

Report = Callable[[str, dict[str, float], FitState, float], FitProgress]
Found = Callable[[Posed], dict[str, Tensor]]
Search = Callable[[Posed], Found | Generator[None, None, Found]]
"""Finds nearest points with the bodies as they are, and returns what they cost; where that takes
long, in steps."""
Steps = Generator[FitProgress | None, None, tuple[FitState, Outcome]]
"""None is a breath: nothing to report, and a good moment to stop."""
STILL = 0.2
"""Share of what counts as settled below which a step ends its round."""
CALM = 2
"""Rounds in a row that must hardly move: the first after a refresh may rest on a saddle."""


@dataclass(frozen=True)
class Round:
    """What the rounds of a stage have in common."""

    name: str
    searches: tuple[Search, ...]
    rounds: int
    whole: bool = False
    """People are moved as wholes, and nobody is bent."""
    steady: bool = False
    """On the way only: it is over after one round that moves less than `config.steady`."""


def settle(setting: Setting, state: FitState, plan: Round, report: Report) -> Steps:
    """Until the bodies stay where they are, or all rounds are used up.

    A round goes on beyond its end by what the rounds after it would still bring if they crept on as
    they did (`engine.fit.course`). Bodies stay where they are once that and the round itself move
    them less than `config.settled`: a small step alone may be one of many.

    The state that comes back is the last that cost less than the one before, or in late rounds
    (`engine.fit.relaxation`) lies between two such states.
    """
    config = setting.config
    least, enough = (config.steady, 1) if plan.steady else (config.settled, CALM)
    course, calm = Course.at(setting, upright(state)), 0
    for _ in range(plan.rounds):
        state = course.state
        with torch.no_grad():
            posed = setting.posed(state)
        found = yield from _found(plan, posed)
        cost = cost_with(setting, found)
        jacobian = Jacobian(state, posed)
        moves = Moves(state, posed, jacobian, setting.movable, whole=plan.whole)
        begin = yield from aside(partial(moves.at, moves.zeros(), cost))
        if course.refused(begin.value):
            continue
        if not np.isfinite(begin.value):
            return state, Outcome.DIVERGED
        model = yield from _modelled(setting, (posed, jacobian), found, (moves, begin))
        end = state
        for step in descend(moves, cost, begin, model, config.contact_steps):
            if step is None:
                yield None
                continue
            end = step.state
            yield report(plan.name, step.costs, end, 1.0)
            if step.way < STILL * least:
                break
        course.go(end)
        calm = calm + 1 if movement(setting, state, course.state) < least else 0
        if calm == enough:
            return course.end, Outcome.CONVERGED
    return course.end, Outcome.STEP_LIMIT


def _found(plan: Round, posed: Posed) -> Generator[None, None, list[Found]]:
    """What every search finds."""
    found: list[Found] = []
    for search in plan.searches:
        found.append((yield from looked(search, posed)))
        yield None
    return found


def _modelled(
    setting: Setting,
    there: tuple[Posed, Jacobian],
    found: list[Found],
    begun: tuple[Moves, Point],
) -> Generator[None, None, tuple[Factor, Tensor]]:
    """Newton's step from where the bodies are, and the factor of its matrix."""
    look = Look(*there, setting.evidence, setting.config, setting.anchor)
    bands = yield from curvature(look, tuple(found))
    with torch.no_grad():
        walls = walls_of(found, *there)
    moves, begin = begun
    return (yield from newton_step(moves, bands, begin, walls))


def looked(search: Search, posed: Posed) -> Generator[None, None, Found]:
    """What a search finds, with a breath between its steps."""
    found = search(posed)
    if isinstance(found, Generator):
        found = yield from found
    return found


def cost_with(setting: Setting, found: list[Found]) -> Callable[[FitState], dict[str, Tensor]]:
    """The objective, and what was found besides."""

    def cost(now: FitState) -> dict[str, Tensor]:
        posed = setting.posed(now)
        costs = {k: v.sum() for k, v in objective(posed, setting.evidence, setting.config).items()}
        for term in found:
            costs |= term(posed)
        return costs

    return cost


@torch.no_grad()
def movement(setting: Setting, before: FitState, after: FitState) -> float:
    """How far joints moved, metres: the 95th percentile over people, frames and joints."""
    old, new = (setting.posed(state).joints for state in (before, after))
    distance = (new - old).norm(dim=-1)[:, setting.movable]
    return float(np.percentile(distance.cpu().numpy(), 95))
