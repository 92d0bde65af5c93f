"""Fits on another device than the CPU: told once, kept to, and no worse for little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from engine import aside, device
from engine.config import AppearanceConfig, FitConfig
from engine.errors import InputError
from engine.fit import solver, stages
from engine.fit.minimise import Minimiser
from engine.fit.problem import FitProblem
from engine.fit.solver import solve
from engine.geometry import hits
from engine.geometry.proximity import surface_query
from engine.structures import (
    Constraints,
    ContactLabel,
    DepthOrder,
    FitResult,
    FrameRange,
    ProxemicsStatement,
)
from tests.engine.fit.conftest import run, two_people
from tests.engine.fit.test_appearance_stage import filmed  # noqa: F401  a fixture
from tests.far_device import FAR, MixedDevices, far_device

FEW = FitConfig(
    placement_steps=2, hypothesis_steps=2, joint_steps=4, refit_steps=2, deep_steps=1,
    consulted_steps=2, label_steps=2, label_rounds=1, parting_rounds=1, contact_rounds=1,
    contact_steps=1, device="cpu",
)  # fmt: skip
EVERYTHING_SAID = Constraints(
    heights=(1.7, None),
    contacts=(
        ContactLabel(0, "left_palm", 1, "left_upper_back", FrameRange(1, 4)),
        ContactLabel(0, "head_top", 1, "left_belly", FrameRange(0, 3), kind="no_contact"),
    ),
    depth_orders=(DepthOrder(0, 1, FrameRange(0, 3)),),
    proxemics=(ProxemicsStatement(0, 1, FrameRange(0, 5), zone="personal", head_distance=0.7),),
)


class _Elsewhere(ThreadPoolExecutor):
    """Threads that know the stand-in, which is known to one thread alone."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        def done() -> Any:
            with far_device():
                return work(*args, **kwargs)

        return super().submit(done)


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Callable[[FitProblem, FitConfig], FitResult]:
    """Fits that take the stand-in for CUDA."""
    monkeypatch.setattr(Minimiser, "iterations_per_report", 1)
    monkeypatch.setattr(device, "cuda_trouble", lambda: "")
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "the stand-in")
    monkeypatch.setattr(solver, "on", lambda value, to: device.on(value, _REALLY.get(to, to)))

    def fit(problem: FitProblem, config: FitConfig) -> FitResult:
        with monkeypatch.context() as here, far_device():
            here.setattr(aside, "ThreadPoolExecutor", _Elsewhere)
            return run(solve(problem, replace(config, device="cuda")))

    return fit


_REALLY = {"cuda": FAR}


@pytest.fixture
def same_proximity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closest points by the CPU's code, so that nothing is computed otherwise than there."""
    monkeypatch.setattr(hits, "surface_query", lambda faces, count, _: surface_query(faces, count))


def close_together(frames: int = 6) -> FitProblem:
    scene = two_people(frames=frames, noise=1.0, apart=0.45)
    return FitProblem(scene.observations, camera=scene.camera)


def assert_same(result: FitResult, expected: FitResult, metres: float = 0.0) -> None:
    for name in ("betas", "global_orient", "body_pose", "transl"):
        found, wanted = getattr(result.motion, name), getattr(expected.motion, name)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=metres, err_msg=name)


@pytest.mark.usefixtures("same_proximity")
def test_a_fit_keeps_its_tensors_together_and_finds_the_same_bodies(far):
    problem = replace(close_together(), constraints=EVERYTHING_SAID)
    there, here = far(problem, FEW), run(solve(problem, FEW))
    assert_same(there, here)
    assert "Computed on the stand-in." in there.diagnostics.notes
    assert not any("Computed" in note for note in here.diagnostics.notes)
    warm = replace(problem, warm_start=here.motion, camera=here.camera, frames=FrameRange(2, 5))
    assert_same(far(warm, FEW), run(solve(warm, FEW)))


def test_pictures_and_the_denoising_prior_keep_their_tensors_together_too(far, filmed):  # noqa: F811
    look = AppearanceConfig(size=48, density="1k2", epochs=1, learning_frames=1, rounds=1, steps=1)
    config = replace(FEW, prior="denoise", denoise_draws=1, appearance=look)
    there, here = far(filmed, config), run(solve(filmed, config))
    assert there.appearance.keys() == here.appearance.keys() == {0, 1}
    # Closest points and pictures are computed by other code there.
    assert_same(there, here, metres=1e-3)


def test_a_tensor_that_is_left_behind_is_noticed(far, monkeypatch: pytest.MonkeyPatch):
    forgetful = stages.time_basis
    monkeypatch.setattr(
        stages, "time_basis", lambda *given: forgetful(*given).as_subclass(_Staying)
    )
    with pytest.raises(MixedDevices):
        far(close_together(), FEW)


class _Staying(torch.Tensor):
    """Somebody forgot to move it."""

    def to(self, *_: Any, **__: Any) -> torch.Tensor:
        return self.as_subclass(torch.Tensor)


def test_cuda_where_there_is_none_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(device, "cuda_trouble", lambda: "torch finds no GPU")
    with pytest.raises(InputError, match=r"CUDA was asked for .*: torch finds no GPU\. Fit on"):
        run(solve(close_together(), replace(FEW, device="cuda")))
    assert device.chosen("auto") == device.chosen("cpu") == "cpu"


def test_a_device_of_another_name_is_refused():
    with pytest.raises(InputError, match="expected auto, cpu or cuda, received tpu"):
        device.chosen("tpu")


def _cpu_refuses() -> None:
    torch.empty(1 << 50)


def _cuda_refuses() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


def _library_refuses() -> None:
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)")


@pytest.mark.parametrize("refuse", [_cpu_refuses, _cuda_refuses, _library_refuses])
def test_little_memory_is_known_by_what_torch_says(refuse: Callable[[], None]):
    with pytest.raises(RuntimeError) as found:
        refuse()
    assert device.out_of_memory(found.value)


def _raising(refuse: Callable[[], None]) -> Iterator[Any]:
    refuse()
    yield None


def test_other_errors_are_not_taken_for_little_memory(monkeypatch: pytest.MonkeyPatch):
    broken = partial(_raising, lambda: torch.zeros(2) @ torch.zeros(3))
    monkeypatch.setattr(solver, "_solve_window", lambda *_: broken())
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        run(solve(close_together(), FEW))
