"""What is said of touch: regions meet on their surfaces, or part."""

from __future__ import annotations

import pytest
import torch

from engine.body.regions import region_vertices
from engine.body.smpl import BodyModel
from engine.config import FitConfig
from engine.errors import InputError
from engine.fit.jacobian import TURNS, Jacobian
from engine.fit.labels import LIMB, Attachment, Labels, LabelTerm, _sliding
from engine.fit.state import Anchor, FitState, Posed, pose
from engine.geometry.rotations import matrix_to_6d
from engine.structures import ContactKind, ContactLabel, FrameRange

HIPS = ("left_hip", "right_hip")
MOVABLE = torch.ones(4, dtype=torch.bool)


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load("open-body", "1k2")


def standing(apart: float) -> FitState:
    """Two people in the rest pose over four frames, pelvises `apart` metres along x."""
    place = torch.tensor([0.0, 0.0, 4.0]).expand(2, 4, 3).clone()
    place[1, :, 0] = apart
    placement = torch.cat([place[..., :2] / place[..., 2:], place[..., 2:].log()], dim=-1)
    return FitState(
        betas=torch.zeros(2, 10),
        rotation=matrix_to_6d(torch.eye(3).expand(2, 4, 24, 3, 3)),
        placement=placement,
        log_focal=torch.tensor(0.0),
        up=torch.tensor([0.0, -1.0, 0.0]),
        floor=torch.tensor(0.0),
    )


def side_by_side(body: BodyModel, apart: float) -> Posed:
    return pose(standing(apart), body, Anchor())


def label(kind: ContactKind = "contact", stop: int = 3) -> ContactLabel:
    return ContactLabel(0, HIPS[0], 1, HIPS[1], FrameRange(1, stop), kind)


def cost(body: BodyModel, apart: float, kind: ContactKind) -> float:
    labels, posed = Labels(body, (label(kind),), MOVABLE), side_by_side(body, apart)
    found = labels.nearest(posed)
    return float(labels.costs(posed, found, torch.ones(4), FitConfig())[kind])


def width(body: BodyModel) -> float:
    """How far apart pelvises stand when the outermost points of the hips meet."""
    left = body.v_template[torch.as_tensor(region_vertices(body, HIPS[0]))]
    right = body.v_template[torch.as_tensor(region_vertices(body, HIPS[1]))]
    return float(left[:, 0].max() - right[:, 0].min())


def test_regions_that_touch_cost_nothing_and_cost_more_the_further_apart(body: BodyModel):
    near = width(body)
    costs = [cost(body, near + gap, "contact") for gap in (0.0, 0.05, 0.3, 0.6)]
    assert costs[0] < 0.5
    assert costs == sorted(costs)
    assert costs[3] < 2.2 * costs[2], "far apart, the pull does not grow"


def test_regions_that_are_said_not_to_touch_are_parted_also_from_inside(body: BodyModel):
    near = width(body)
    inside, touching, apart = (cost(body, near + gap, "no_contact") for gap in (-0.02, 0.0, 0.1))
    assert inside > touching > 1
    assert apart == 0


def curvatures(body: BodyModel, apart: float, kind: ContactKind) -> tuple[float, float]:
    """Second derivatives of a label's cost by the place (x/z) of the second person, the nearest
    points held: what the term says of itself, and by differences of its cost."""
    labels, config, step = Labels(body, (label(kind),), MOVABLE), FitConfig(), 0.0005
    there, depth = side_by_side(body, apart), 4.0
    term = LabelTerm(labels, labels.nearest(there), torch.ones(4), config)
    (left, here, right) = (
        float(term(side_by_side(body, apart + off))[kind]) for off in (-step, 0.0, step)
    )
    jacobian = Jacobian(standing(apart), there)
    said = term.rows(there, jacobian).row[:, 1, TURNS].square().sum()
    return float(said), (left - 2 * here + right) / (step / depth) ** 2


@pytest.mark.parametrize(
    ("kind", "gap"), [("contact", 0.02), ("no_contact", 0.005), ("no_contact", 0.02)]
)
def test_a_label_that_is_not_satisfied_says_how_stiff_it_is(
    body: BodyModel, kind: ContactKind, gap: float
):
    said, measured = curvatures(body, width(body) + gap, kind)
    assert said == pytest.approx(measured, rel=0.02)
    assert said > 1e4


@pytest.mark.parametrize("gap", [0.04, 0.08, 0.12])
def test_regions_that_are_clear_of_each_other_do_not_hold_bodies_where_they_are(
    body: BodyModel, gap: float
):
    said, measured = curvatures(body, width(body) + gap, "no_contact")
    assert said == measured == 0.0


def test_only_frames_of_the_label_that_may_move_are_looked_at(body: BodyModel):
    posed = side_by_side(body, 1.0)
    movable = torch.tensor([True, True, False, True])
    found = Labels(body, (label(stop=9),), movable).nearest(posed)
    assert [one.frame.tolist() for one in found] == [[1, 3], [1, 3]]
    assert not Labels(body, (label(),), torch.zeros(4, dtype=torch.bool))


def test_a_region_that_does_not_exist_is_refused(body: BodyModel):
    unknown = ContactLabel(0, "left_wing", 1, "palm", FrameRange(0, 2))
    with pytest.raises(InputError, match="No region of the body is called"):
        Labels(body, (unknown,), MOVABLE)


def test_the_nearest_place_slides_along_as_it_does_on_a_round_surface(body: BodyModel):
    """A point before a sphere as wide as a limb, moved across: its true distance, to the second
    order, where that to the place that was nearest grows four times as much."""
    away, radius = 0.01, LIMB
    one = Attachment(
        label(), 0, 1, *(torch.zeros(1, dtype=torch.long),) * 3,
        torch.zeros(1, 3, dtype=torch.long), torch.ones(1, 3), torch.tensor([[away, 0.0, 0.0]]),
    )  # fmt: skip
    for across in (0.0, 0.002, 0.004):
        offset = torch.tensor([[away, across, 0.0]])
        true = ((away + radius) ** 2 + across**2) ** 0.5 - radius
        assert float(_sliding(one, offset)) == pytest.approx(true, abs=3e-5)
    fixed = float(offset.norm()) - away
    assert fixed > 3 * (true - away)
