"""Each term is zero at the truth and grows the right way."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from engine.body.smpl import BodyModel
from engine.config import FitConfig, TermWeights
from engine.fit import terms
from engine.fit.objective import FOOT_POINTS, Behind, Evidence, objective
from engine.fit.state import Anchor, FitState, Posed, pose
from engine.geometry.camera import project
from engine.geometry.rotations import axis_angle_to_matrix, matrix_to_6d
from engine.structures import DepthOrder, FrameRange, ProxemicsStatement


def bent(joint: int, axis: list[float]) -> torch.Tensor:
    pose = torch.zeros(1, 1, 24, 3)
    pose[0, 0, joint] = torch.tensor(axis)
    return terms.joint_limits(axis_angle_to_matrix(pose)).sum()


def test_reprojection_is_measured_in_units_of_the_noise():
    K = torch.tensor([[1000.0, 0, 500], [0, 1000.0, 500]])
    point = torch.tensor([[[[0.1, 0.2, 2.0]]]])
    observed = torch.tensor([[[[553.0, 604.0]]]])  # 3 and 4 pixels beside (550, 600)
    squared = terms.reprojection(point, observed, K, torch.tensor([[5.0]]))
    assert squared.item() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    ("joint", "natural", "broken"),
    [
        (4, [1.2, 0, 0], [-0.6, 0, 0]),
        (5, [1.2, 0, 0], [-0.6, 0, 0]),
        (18, [0, -1.2, 0], [0, 0.6, 0]),
        (19, [0, 1.2, 0], [0, -0.6, 0]),
        (12, [0.3, 0.4, 0], [0, 1.9, 0]),
        (7, [0.4, 0, 0], [0, 0, 1.8]),
    ],
)
def test_joints_bend_the_way_people_do(joint: int, natural: list[float], broken: list[float]):
    assert bent(joint, natural) < 1e-3
    assert bent(joint, broken) > 0.1


def test_a_joint_turned_right_round_is_not_mistaken_for_one_at_rest():
    assert bent(12, [0, math.pi - 1e-3, 0]) > 1.0


def test_acceleration_does_not_depend_on_the_spacing_of_frames():
    times = torch.tensor([0.0, 0.1, 0.15, 0.35, 0.4])
    falling = (-0.5 * 9.81 * times**2)[None, :, None]
    found = terms.acceleration(falling, times[1:] - times[:-1])
    torch.testing.assert_close(found, torch.full_like(found, -9.81), atol=1e-3, rtol=0)


def test_feet_may_stand_on_the_floor_but_not_in_it():
    height = torch.tensor([0.05, 0.0, -0.04])
    assert terms.below_floor(height).tolist() == pytest.approx([0, 0, 4])
    assert terms.on_floor(torch.tensor(10.0), 5.0) <= 25, "someone who jumps is not pulled down"


def test_who_is_behind_whom_pulls_the_less_the_more_it_is_mistaken():
    expected = torch.tensor([0.3, 0.3, 0.3, 0.3])
    metres = torch.tensor([0.3, 0.45, 0.15, 30.0])
    cost = terms.behind(metres, expected, torch.full((4,), 0.15))
    assert cost[:3].tolist() == pytest.approx([0.0, 0.9, 0.9])
    assert cost[3] == pytest.approx(9.0, rel=0.01)


def test_depth_order_is_satisfied_with_a_margin():
    front, back = torch.tensor([3.0, 3.0, 3.0]), torch.tensor([3.1, 3.0, 2.9])
    assert terms.depth_order(front, back).tolist() == pytest.approx([0, 1, 9], abs=1e-4)


def test_skin_may_overlap_by_the_slack():
    depth = torch.tensor([0.005, 0.010, 0.030])
    assert terms.penetration(depth, slack=0.010).tolist() == pytest.approx([0, 0, 4], abs=1e-4)
    deep = torch.tensor([0.05, 0.10], requires_grad=True)
    (push,) = torch.autograd.grad(terms.penetration(deep, slack=0.0).sum(), deep)
    assert push.tolist() == pytest.approx([600, 600]), "no harder the deeper"


def test_labels_pull_together_or_keep_apart():
    distance = torch.tensor([0.0, 0.025, 0.1])
    assert terms.contact(distance).tolist() == pytest.approx([0, 4, 48], abs=1e-3)
    assert terms.no_contact(distance, 0.03).tolist() == pytest.approx([9, 0.25, 0], abs=1e-4)


# At the truth, along the gradient, and with no weight --------------------------------------------

BODY = BodyModel.load("open-body", "1k2")
FRAMES = 6


def two_who_stand(dtype: torch.dtype = torch.float64) -> tuple[Posed, Evidence]:
    """Two people who stand still, feet on the floor, and evidence that is exactly theirs."""
    turns = torch.zeros(2, FRAMES, 24, 3)
    turns[:, :, 0, 0] = torch.pi
    turns[:, :, 16, 2], turns[:, :, 17, 2] = -1.0, 1.0
    turns[:, :, 4:6, 0] = 0.02
    placement = torch.tensor([[-0.1, 0.0, math.log(4.0)], [0.1, 0.0, math.log(4.2)]])
    state = FitState(
        betas=torch.zeros(2, 10),
        rotation=matrix_to_6d(axis_angle_to_matrix(turns)),
        placement=placement[:, None].expand(-1, FRAMES, -1).clone(),
        log_focal=torch.tensor(0.0),
        up=torch.tensor([0.0, -1.0, 0.0]),
        floor=torch.tensor(0.0),
    )
    posed = pose(as_type(state, dtype), as_type(BODY, dtype), Anchor())
    return posed, evidence_of(posed, dtype)


def as_type(value: Any, dtype: torch.dtype) -> Any:
    """A dataclass with its floating-point tensors in another precision."""
    found = {
        name: each.to(dtype)
        for name, each in vars(value).items()
        if torch.is_tensor(each) and each.is_floating_point()
    }
    return replace(value, **found)


def evidence_of(posed: Posed, dtype: torch.dtype) -> Evidence:
    K = torch.tensor([[900.0, 0, 320], [0, 900, 240], [0, 0, 1]], dtype=dtype)
    sole = (posed.keypoints[0, 0, list(FOOT_POINTS)] @ posed.up).detach()
    pelvis = posed.body.joints[:, :, 0].detach()
    ray = torch.nn.functional.normalize(pelvis[0] + pelvis[1], dim=-1)
    metres = ((pelvis[1] - pelvis[0]) * ray).sum(-1)
    everything = torch.ones(2, FRAMES, 26, dtype=dtype)
    edited = torch.zeros(2, FRAMES, 26, dtype=torch.bool)
    edited[0, 0, 5] = True
    return Evidence(
        K=K,
        observed=project(posed.keypoints_camera, K).detach(),
        weight=everything,
        edited=edited,
        noise_px=torch.full((2, FRAMES), 5.0, dtype=dtype),
        pose_target=posed.rotmats.detach(),
        pose_weight=torch.full((2, FRAMES, 24), 5.0, dtype=dtype),
        up_expected=posed.up.detach(),
        step=torch.full((FRAMES - 1,), 1 / 30, dtype=dtype),
        frame_weight=torch.ones(FRAMES, dtype=dtype),
        standing=torch.ones(2, FRAMES, len(FOOT_POINTS), dtype=dtype),
        on_feet=torch.ones(2, FRAMES, dtype=dtype),
        sole=sole,
        heights=torch.tensor([1.7, float("nan")], dtype=dtype),
        height_offset=torch.tensor(1.7, dtype=dtype),
        height_per_beta=torch.full((10,), 0.05, dtype=dtype),
        depth_orders=(DepthOrder(0, 1, FrameRange(0, FRAMES)),),
        proxemics=(ProxemicsStatement(0, 1, FrameRange(0, FRAMES), zone="personal"),),
        behind=(Behind(0, 1, ray, metres, torch.full_like(metres, 0.1), torch.ones_like(metres)),),
    )


TERMS = {
    "reprojection": "reprojection", "edited": "reprojection", "pose": "pose", "limits": "limits",
    "shape": "shape", "height": "height", "acceleration": "acceleration", "rotation": "rotation",
    "floor": "floor", "skating": "skating", "focal": "focal", "gravity": "gravity",
    "depth_order": "depth order", "proxemics": "proxemics", "behind": "behind",
}  # fmt: skip
"""The weights of the objective, and under which name their costs are told."""
SEARCHED = "penetration", "contact", "no_contact"
"""Those of terms that find nearest points first."""


def test_every_weight_is_looked_at_here() -> None:
    assert {field.name for field in fields(TermWeights)} == {*TERMS, *SEARCHED}


def test_nothing_is_paid_at_the_truth() -> None:
    posed, evidence = two_who_stand()
    costs = objective(posed, evidence, FitConfig())
    assert set(costs) == set(TERMS.values())
    focal = costs.pop("focal")  # the usual focal length is not everybody's
    assert torch.equal(focal, torch.zeros_like(focal))
    for name, cost in costs.items():
        assert float(cost.abs().max()) < 1e-6, name


@pytest.mark.parametrize("weight", TERMS)
def test_a_term_without_weight_is_not_computed(
    weight: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all others off too, no function of `terms` is called, and nothing is told of it."""
    posed, evidence = two_who_stand()
    nothing = TermWeights(**dict.fromkeys((*TERMS, *SEARCHED), 0.0))
    called: list[str] = []
    for name, function in inspect.getmembers(terms, inspect.isfunction):
        if function.__module__ == terms.__name__:
            monkeypatch.setattr(terms, name, counted(name, function, called))
    assert objective(posed, evidence, FitConfig(weights=nothing)) == {} and not called
    only = replace(nothing, **{weight: 1.0})
    assert set(objective(posed, evidence, FitConfig(weights=only))) == {TERMS[weight]}
    assert called


def counted(name: str, function: Callable[..., Any], called: list[str]) -> Callable[..., Any]:
    def call(*args: Any, **more: Any) -> Any:
        called.append(name)
        return function(*args, **more)

    return call


def disturbed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same, a little off in everything, so that hardly any term is at a kink or at rest."""
    generator = torch.Generator().manual_seed(3)
    return {
        name: (value + 0.08 * torch.randn(value.shape, generator=generator, dtype=value.dtype))
        .detach()
        .requires_grad_()
        for name, value in state.items()
    }


@pytest.mark.parametrize("weight", TERMS)
def test_the_gradient_is_that_of_the_cost(weight: str) -> None:
    """In double precision, along a random direction (`torch.autograd.gradcheck`, fast mode)."""
    posed, evidence = two_who_stand()
    nothing = TermWeights(**dict.fromkeys((*TERMS, *SEARCHED), 0.0))
    config = FitConfig(weights=replace(nothing, **{weight: 1.0}))
    body = as_type(BODY, torch.float64)
    pelvis = posed.body.joints[:, :, 0]
    place = torch.cat([pelvis[..., :2] / pelvis[..., 2:], pelvis[..., 2:].log()], -1)
    if weight == "depth_order":
        evidence = replace(evidence, depth_orders=(DepthOrder(1, 0, FrameRange(0, FRAMES)),))
    if weight == "proxemics":
        word = ProxemicsStatement(0, 1, FrameRange(0, FRAMES), "intimate", 0.3, 0.4, (0.9, 0.7))
        evidence = replace(evidence, proxemics=(word,))
    values = {
        "betas": posed.betas, "rotation": posed.rotation, "placement": place,
        "log_focal": posed.log_focal, "up": posed.up, "floor": posed.floor,
    }  # fmt: skip
    values = disturbed(values)

    def cost(*inputs: torch.Tensor) -> torch.Tensor:
        now = pose(FitState(*inputs), body, Anchor())
        return torch.stack(list(objective(now, evidence, config).values())).sum()

    assert float(cost(*values.values()).detach()) > 1e-5, "the term is at work"
    assert torch.autograd.gradcheck(
        cost, tuple(values.values()), eps=1e-7, atol=1e-3, rtol=1e-3, fast_mode=True
    )
