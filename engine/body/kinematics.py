"""The order in which a joint tree is walked: whole levels at once instead of joint by joint."""

from __future__ import annotations

from dataclasses import dataclass

from engine.body.joints import SMPL_PARENTS


@dataclass(frozen=True)
class LevelStep:
    """The joints at one distance from the root."""

    joints: slice
    parents: list[int]
    """Their parents, as joint indices."""
    parents_in_level: list[int]
    """Their parents, as positions in the level above."""


def level_steps(parents: tuple[int, ...]) -> tuple[LevelStep, ...]:
    """Steps from the root's children to the ends of the limbs.

    Requires joints to be numbered level by level, as SMPL's are, so that the levels put one after
    another are in joint order. Raises `ValueError` otherwise.
    """
    depth: list[int] = []
    for parent in parents:
        depth.append(0 if parent < 0 else depth[parent] + 1)
    if depth != sorted(depth):
        raise ValueError(f"joints must be numbered by depth, received depths {depth}")
    steps = []
    for level in range(1, depth[-1] + 1):
        start, stop = depth.index(level), depth.index(level) + depth.count(level)
        above = list(parents[start:stop])
        first = depth.index(level - 1)
        steps.append(LevelStep(slice(start, stop), above, [joint - first for joint in above]))
    return tuple(steps)


LEVEL_STEPS = level_steps(SMPL_PARENTS)
