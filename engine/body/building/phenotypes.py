"""Adults of all kinds: MakeHuman's macro controls, how they mix targets, and a population.

A control blends between anchors (say minimum, average and maximum muscle); the targets of a
family are products over several controls. Coefficients follow MakeHuman's own rules.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from engine.body.building.assets import MakeHumanAssets

GENDERS = ("male", "female")
AGES = ("young", "old")
MUSCLES = ("minmuscle", "averagemuscle", "maxmuscle")
WEIGHTS = ("minweight", "averageweight", "maxweight")
HEIGHTS = ("minheight", "maxheight")
PROPORTIONS = ("uncommonproportions", "idealproportions")
CUPS = ("mincup", "averagecup", "maxcup")
FIRMNESSES = ("minfirmness", "averagefirmness", "maxfirmness")
ANCESTRIES = ("african", "asian", "caucasian")

MEASURES = {
    "arms/measure-upperarm-length": 0.5,
    "arms/measure-lowerarm-length": 0.5,
    "legs/upperlegs-height": 0.1,
    "legs/lowerlegs-height": 0.1,
    "torso/torso-scale-vert": 0.08,
    "torso/torso-scale-horiz": 0.25,
    "hip/hip-scale-horiz": 0.3,
    "neck/neck-scale-vert": 0.12,
    "head/head-scale": 0.3,
    "torso/measure-shoulder-dist": 0.3,
}
"""Local measures, and the standard deviation of each control (1: the full target)."""
_HEAD_AXES = ("vert", "horiz", "depth")


@dataclass(frozen=True)
class Phenotypes:
    """Controls of n people, each in 0..1 unless said otherwise."""

    age: Float[np.ndarray, "n"]
    """0 young adult, 1 old."""
    gender: Float[np.ndarray, "n"]
    """0 male, 1 female."""
    muscle: Float[np.ndarray, "n"]
    weight: Float[np.ndarray, "n"]
    """0 minimum, 1 maximum; may go beyond."""
    height: Float[np.ndarray, "n"]
    proportions: Float[np.ndarray, "n"]
    ancestry: Float[np.ndarray, "n 3"]
    """Rows sum to one."""
    cup: Float[np.ndarray, "n"]
    firmness: Float[np.ndarray, "n"]
    measures: Float[np.ndarray, "n 10"]
    """-1..1 in the order of `MEASURES`."""


def sample_adults(count: int, generator: np.random.Generator) -> Phenotypes:
    """A population: half men, half women, body heights with a deviation of about 9 cm."""

    def control(mean: float, deviation: float) -> np.ndarray:
        return np.clip(generator.normal(mean, deviation, count), 0.02, 0.98)

    sexes = np.repeat([0.0, 1.0], [count - count // 2, count // 2])
    gender = np.clip(sexes + generator.normal(0, 0.12, count), 0, 1)
    metres = generator.normal(0.045, 0.065, count)  # around MakeHuman's 1.73 m and 1.59 m
    age = generator.beta(1, 2.5, count)
    muscle = np.clip(control(0.5, 0.2) + 0.08 * (0.5 - gender), 0.02, 0.98)
    weight = np.clip(0.62 + 0.42 * (generator.gamma(4, 0.5, count) - 2), -0.15, 2.0)
    deviations = np.array(list(MEASURES.values()))
    return Phenotypes(
        age=age,
        gender=gender,
        muscle=muscle,
        weight=weight,
        # The tall target adds 0.72 m at full strength, the short one takes 0.365 m.
        height=0.5 + np.where(metres > 0, metres / 1.44, metres / 0.73),
        proportions=control(0.5, 0.2),
        ancestry=generator.dirichlet([5, 5, 5], count),
        cup=control(0.5, 0.2),
        firmness=control(0.55, 0.2),
        measures=np.clip(generator.normal(0, 1, (count, len(MEASURES))) * deviations, -1, 1),
    )


def mix_targets(
    assets: MakeHumanAssets, people: Phenotypes
) -> tuple[Float[np.ndarray, "n T"], Float[np.ndarray, "T N 3"]]:
    """How strongly each person uses each target, and the targets' displacements in metres."""
    blends = _Blends(people)
    coefficients, changes = [], []
    for names, coefficient in itertools.chain(_macro_targets(blends), _measure_targets(blends)):
        coefficients.append(coefficient)
        changes.append(np.sum([assets.target(name) for name in names], axis=0))
    return np.stack(coefficients, -1), np.stack(changes)


class _Blends:
    """Each control as weights of its anchors, (n, anchors)."""

    def __init__(self, people: Phenotypes) -> None:
        self.gender = np.stack([1 - people.gender, people.gender], -1)
        self.age = np.stack([1 - people.age, people.age], -1)
        self.muscle = _three_anchors(people.muscle)
        self.weight = _three_anchors(people.weight)
        self.height = _two_sides(people.height)
        self.proportions = _two_sides(people.proportions)
        self.cup = _three_anchors(people.cup)
        self.firmness = _three_anchors(people.firmness)
        self.ancestry = people.ancestry
        self.measures = people.measures


def _three_anchors(x: np.ndarray) -> np.ndarray:
    """Linear between anchors at 0, 0.5 and 1, and straight on beyond them."""
    low = np.where(x < 0.5, 1 - 2 * x, 0)
    high = np.where(x < 0.5, 0, 2 * x - 1)
    return np.stack([low, 1 - low - high, high], -1)


def _two_sides(x: np.ndarray) -> np.ndarray:
    """Nothing at 0.5; the first target grows below it, the second above it."""
    return np.stack([np.clip(1 - 2 * x, 0, None), np.clip(2 * x - 1, 0, None)], -1)


def _macro_targets(b: _Blends) -> Iterator[tuple[list[str], np.ndarray]]:
    """(names of targets used together, their coefficient per person)."""
    axes = (GENDERS, AGES, MUSCLES, WEIGHTS)
    for g, a, m, w in itertools.product(*(range(len(axis)) for axis in axes)):
        stem = "-".join([GENDERS[g], AGES[a], MUSCLES[m], WEIGHTS[w]])
        base = b.gender[:, g] * b.age[:, a] * b.muscle[:, m] * b.weight[:, w]
        yield [f"macrodetails/universal-{stem}"], base
        for k, word in enumerate(HEIGHTS):
            yield [f"macrodetails/height/{stem}-{word}"], base * b.height[:, k]
        for k, word in enumerate(PROPORTIONS):
            yield [f"macrodetails/proportions/{stem}-{word}"], base * b.proportions[:, k]
        if GENDERS[g] == "female":
            yield from _breast_targets(stem, base, b)
    for r, g, a in itertools.product(range(len(ANCESTRIES)), range(2), range(2)):
        name = f"macrodetails/{ANCESTRIES[r]}-{GENDERS[g]}-{AGES[a]}"
        yield [name], b.ancestry[:, r] * b.gender[:, g] * b.age[:, a]


def _breast_targets(
    stem: str, base: np.ndarray, b: _Blends
) -> Iterator[tuple[list[str], np.ndarray]]:
    for (c, cup), (f, firmness) in itertools.product(enumerate(CUPS), enumerate(FIRMNESSES)):
        if (cup, firmness) != ("averagecup", "averagefirmness"):
            yield [f"breast/{stem}-{cup}-{firmness}"], base * b.cup[:, c] * b.firmness[:, f]


def _measure_targets(b: _Blends) -> Iterator[tuple[list[str], np.ndarray]]:
    for k, name in enumerate(MEASURES):
        for sign, word in ((1, "incr"), (-1, "decr")):
            parts = [f"-{axis}" for axis in _HEAD_AXES] if name == "head/head-scale" else [""]
            names = [f"{name}{part}-{word}" for part in parts]
            yield names, np.clip(sign * b.measures[:, k], 0, None)
