"""On a GPU: what the CPU finds, the same every time. Skipped without one.

Whole fits are not compared with the CPU's to the millimetre: they enlarge differences in rounding
(docs/decisions/0018-fits-on-a-gpu.md). What they are made of is, and so are re-fits.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.device import cuda_trouble
from engine.fit import solver, start
from engine.fit.as_file import fit_file
from engine.fit.objective import objective
from engine.fit.problem import FitProblem
from engine.fit.solver import solve
from engine.structures import FitResult, FrameRange
from tests.engine.fit.conftest import run, two_people
from tests.engine.fit.test_device import EVERYTHING_SAID, FEW

pytestmark = pytest.mark.skipif(bool(cuda_trouble()), reason=f"no CUDA: {cuda_trouble()}")
TENTH_OF_A_MILLIMETRE = 1e-4


@pytest.fixture(scope="module")
def problem() -> FitProblem:
    scene = two_people(frames=16, noise=1.0, apart=0.45)
    return FitProblem(scene.observations, camera=scene.camera)


def fitted(problem: FitProblem, config: FitConfig, device: str) -> FitResult:
    return run(solve(problem, replace(config, device=device)))


def joints_apart(a: FitResult, b: FitResult) -> np.ndarray:
    """Metres between the joints of two results."""
    first, second = (fit_file(one, "halpe26").joints for one in (a, b))
    return np.asarray(np.linalg.norm(first - second, axis=-1))


def test_every_term_and_its_gradient_are_those_of_the_cpu(problem: FitProblem):
    problem = replace(problem, constraints=EVERYTHING_SAID)
    body = BodyModel.load("open-body", "1k2")
    begin = start.prepare(problem, body, FEW)

    def terms(device: str) -> dict[str, list[torch.Tensor]]:
        setting, state, _ = solver._placed(begin, body, replace(FEW, device=device))
        names = ("betas", "rotation", "placement")
        leaves = {name: getattr(state, name).clone().requires_grad_() for name in names}
        found = {}
        for name in objective(setting.posed(state), setting.evidence, FEW):
            posed = setting.posed(replace(state, **leaves))
            cost = objective(posed, setting.evidence, FEW)[name].sum()
            every = list(leaves.values())
            pulls = (
                torch.autograd.grad(cost, every, materialize_grads=True)
                if cost.requires_grad
                else map(torch.zeros_like, every)
            )
            found[name] = [cost.detach().cpu(), *(pull.cpu() for pull in pulls)]
        return found

    here, there = terms("cpu"), terms("cuda")
    assert here.keys() == there.keys() and len(here) > 8
    for name, expected in here.items():
        for a, b in zip(expected, there[name], strict=True):
            assert float((a - b).norm()) <= 1e-4 * float(a.norm()) + 1e-6, name


def test_a_few_steps_end_where_they_end_on_the_cpu(problem: FitProblem):
    apart = joints_apart(fitted(problem, FEW, "cpu"), fitted(problem, FEW, "cuda"))
    assert apart.mean() < TENTH_OF_A_MILLIMETRE


def test_a_refit_ends_where_it_ends_on_the_cpu(problem: FitProblem):
    whole = fitted(problem, FitConfig(), "cpu")
    seen = problem.observations
    part = replace(
        problem,
        warm_start=whole.motion,
        camera=whole.camera,
        frames=FrameRange(4, 12),
        observations=replace(seen, keypoints2d=seen.keypoints2d + 2.0),
    )
    here, there = (fitted(part, FitConfig(), device) for device in ("cpu", "cuda"))
    assert joints_apart(here, whole).max() > 10 * TENTH_OF_A_MILLIMETRE
    assert joints_apart(here, there).mean() < TENTH_OF_A_MILLIMETRE


def test_the_same_fit_twice_is_the_same(problem: FitProblem):
    problem = replace(problem, constraints=EVERYTHING_SAID)
    first, second = (fitted(problem, FitConfig(), "cuda") for _ in range(2))
    assert joints_apart(first, second).max() < TENTH_OF_A_MILLIMETRE
