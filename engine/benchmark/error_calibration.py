"""Fits the weights of `engine.fit.expected_error` to fits of motion that trains.

    python -m engine.benchmark.error_calibration DIR [DIR ...]

DIR is a folder of prepared motion; what is marked "train" in it is filmed as the benchmark films
what validates, observed as a detector does and exactly, and fitted. Prints the rank correlation of
each clip with weights from all others, then the weights from all clips. Every clip counts the same.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

from engine.benchmark.configurations import CONFIGURATIONS
from engine.benchmark.ranking import rank_correlation, true_errors
from engine.benchmark.running import BenchCase, Fitted, fit_suite
from engine.benchmark.suites import Suite, sources_in, suite_of
from engine.body.smpl import BodyModel
from engine.errors import InputError
from engine.files import FitFile
from engine.fit.expected_error import signs
from engine.fit.findings import findings_of
from engine.metrics import bodies_of

LEVELS = "detector", "clean"
PER_CLIP = 100.0
"""Frames that every clip counts for."""
RIDGE = 30.0
"""What keeps weights small: as much as so many frames of nothing."""
SEED = 500
"""Added to the seeds of the suite: noise that the benchmark does not meet."""


@dataclass(frozen=True)
class Sample:
    """The N person-frames of one clip."""

    name: str
    signs: Float[np.ndarray, "N S"]
    log_error: Float[np.ndarray, "N"]
    """Logarithm of metres."""


@dataclass(frozen=True)
class Calibrated:
    names: tuple[str, ...]
    weights: Float[np.ndarray, "S"]
    intercept: float

    def predict(self, values: Float[np.ndarray, "N S"]) -> Float[np.ndarray, "N"]:
        """Logarithm of metres."""
        return np.asarray(self.intercept + values @ self.weights)


def sample(case: BenchCase, level: str, fit: FitFile) -> tuple[tuple[str, ...], Sample]:
    """What speaks for errors in a clip, by name, and how large they are."""
    problem = case.problem(level)
    body = BodyModel.load(fit.motion.body, "1k2")
    at_camera = replace(
        fit.camera, T_camera_world=np.tile(np.eye(4), (fit.motion.frame_count, 1, 1))
    )
    found = findings_of(fit.motion, at_camera, problem.observations, problem.constraints, body)
    values = signs(found)
    error = true_errors(bodies_of(fit).joints, bodies_of(case.truth).joints)["pair"]
    known = np.isfinite(error) & found.valid
    stacked = np.stack([values[name][known] for name in values], axis=1)
    return tuple(values), Sample(f"{case.name}, {level}", stacked, np.log(error[known]))


def calibrate(names: tuple[str, ...], samples: Sequence[Sample]) -> Calibrated:
    """Weights that are not negative, by least squares with a ridge, of the standardised signs."""
    every = np.concatenate([one.signs for one in samples])
    mean, spread = every.mean(axis=0), every.std(axis=0) + 1e-9
    middle = float(np.mean([one.log_error.mean() for one in samples]))
    rows, wanted = [np.sqrt(RIDGE) * np.eye(len(names))], [np.zeros(len(names))]
    for one in samples:
        share = np.sqrt(PER_CLIP / len(one.log_error))
        rows.append(share * (one.signs - mean) / spread)
        wanted.append(share * (one.log_error - middle))
    weights = nnls(np.concatenate(rows), np.concatenate(wanted))[0] / spread
    return Calibrated(names, weights, middle - float(weights @ mean))


def main(arguments: Sequence[str]) -> None:
    if not arguments:
        raise InputError("Calibration needs motion", advice=str(__doc__).split("\n")[2])
    names: tuple[str, ...] = ()
    samples: list[Sample] = []
    for folder in arguments:
        sources = sources_in(Path(folder), split="train")
        plain = suite_of(Path(folder).name, sources)
        suite = Suite(plain.name, tuple(replace(o, seed=o.seed + SEED) for o in plain.orders))
        cases, fitted = _run(suite)
        for level in fitted:
            for case, fit in zip(cases, level.fits, strict=True):
                if fit is not None:
                    names, one = sample(case, level.level, fit)
                    samples.append(one)
    for line in report(names, samples):
        print(line)


def _run(suite: Suite) -> tuple[list[BenchCase], list[Fitted]]:
    work = fit_suite(suite, {"joint": CONFIGURATIONS["joint"]}, LEVELS)
    while True:
        try:
            next(work)
        except StopIteration as stop:
            found: tuple[list[BenchCase], list[Fitted]] = stop.value
            return found


def report(names: tuple[str, ...], samples: Sequence[Sample]) -> list[str]:
    """Each clip with weights from the others, then what goes into `engine.fit.expected_error`."""
    lines, ranks = [], []
    for one in samples:
        rest = [other for other in samples if other is not one] or list(samples)
        ranks.append(rank_correlation(calibrate(names, rest).predict(one.signs), one.log_error))
        lines.append(f"{ranks[-1]:6.2f}  {one.name}")
    lines.append(f"{np.nanmean(ranks):6.3f}  mean over {len(samples)} clips")
    found = calibrate(names, samples)
    lines += [f'    "{n}": {w:.4f},' for n, w in zip(names, found.weights, strict=True) if w > 0]
    return [*lines, f"INTERCEPT = {found.intercept:.4f}"]


if __name__ == "__main__":
    main(sys.argv[1:])
