"""Hall's zones, distances and facing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.geometry.rotations import axis_angle_to_matrix
from engine.prior.proxemics import FEATURES, Proxemics, measure, zone_of
from engine.prior.windows import PairWindows
from engine.structures import ZONES
from tests.engine.prior.people import SKELETON, people, swapped, turns

SEEDS = st.integers(0, 2**16)
quick = settings(max_examples=12, deadline=None, derandomize=True)
UP = torch.tensor([[0.0, -1.0, 0.0]])


def standing(*places: float, headings: tuple[float, ...]) -> PairWindows:
    """People of rest pose on a line along x, turned about the vertical from facing +x."""
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    turns = torch.tensor([[0.0, heading + torch.pi / 2, 0.0] for heading in headings])
    turned = upright @ axis_angle_to_matrix(turns)
    count = len(places)
    rotations = turned[None, :, None, None].expand(1, count, 4, 24, 3, 3)
    pelvis = torch.zeros(1, count, 4, 3)
    pelvis[..., 0] = torch.tensor(places)[:, None]
    pelvis[..., 2] = 4.0
    return PairWindows(rotations, pelvis, torch.zeros(1, count, 10), UP)


@pytest.mark.parametrize(
    ("metres", "zone"),
    [(0.0, 0), (0.44, 0), (0.45, 1), (1.19, 1), (1.2, 2), (3.59, 2), (3.6, 3), (90.0, 3)],
)
def test_a_zone_begins_at_its_edge(metres: float, zone: int) -> None:
    assert int(zone_of(torch.tensor([metres]))[0]) == zone
    assert len(ZONES) == 4


def test_people_in_front_of_each_other_face_each_other() -> None:
    found = measure(standing(0.0, 1.0, headings=(0.0, torch.pi)), SKELETON)
    assert torch.allclose(found.facing, torch.ones(1, 2, 4), atol=1e-4)
    assert torch.allclose(found.pelvis_distance, torch.ones(1, 4))
    assert (found.zone == 1).all()


def test_back_to_back_and_one_behind_the_other() -> None:
    away = measure(standing(0.0, 1.0, headings=(torch.pi, 0.0)), SKELETON)
    assert torch.allclose(away.facing, -torch.ones(1, 2, 4), atol=1e-4)
    queue = measure(standing(0.0, 1.0, headings=(0.0, 0.0)), SKELETON)
    assert torch.allclose(queue.facing[0, :, 0], torch.tensor([1.0, -1.0]), atol=1e-4)


def test_a_zone_is_that_of_the_heads_not_of_the_pelvises() -> None:
    windows = standing(0.0, 1.4, headings=(0.0, torch.pi))
    lean = axis_angle_to_matrix(torch.tensor([[0.0, 0.0, 0.6], [0.0, 0.0, -0.6]]))
    leaning = PairWindows(
        lean[None, :, None, None] @ windows.rotations, windows.pelvis, windows.betas, UP
    )
    found = measure(leaning, SKELETON)
    assert float(found.head_distance[0, 0]) < 1.2 < float(found.pelvis_distance[0, 0])
    assert (found.zone == 1).all()


@quick
@given(seed=SEEDS)
def test_the_camera_and_a_mirror_change_nothing(seed: int) -> None:
    windows = people(seed=seed)
    before = measure(windows, SKELETON)
    for same in (windows.turned(turns(3, 1.0, seed)), windows.mirrored()):
        after = measure(same, SKELETON)
        assert torch.allclose(after.pelvis_distance, before.pelvis_distance, atol=1e-5)
        assert torch.allclose(after.facing, before.facing, atol=1e-3)
    # The open body is not quite symmetric, so in the mirror heads may be millimetres apart.
    turned = measure(windows.turned(turns(3, 1.0, seed)), SKELETON)
    assert torch.allclose(turned.head_distance, before.head_distance, atol=1e-5)


@quick
@given(seed=SEEDS)
def test_exchanging_the_people_exchanges_who_faces(seed: int) -> None:
    windows = people(seed=seed)
    before, after = measure(windows, SKELETON), measure(swapped(windows), SKELETON)
    assert torch.allclose(after.facing, before.facing.flip(1), atol=1e-5)
    assert torch.allclose(after.head_distance, before.head_distance, atol=1e-5)
    assert torch.allclose(after.features(), before.features().flip(1), atol=1e-5)


def test_somebody_alone_has_no_proxemics() -> None:
    found = measure(people(persons=1), SKELETON)
    assert found.pelvis_distance.isnan().all()
    assert found.facing.isnan().all()
    assert (found.zone == -1).all()
    assert (found.features() == 0).all()


def test_of_three_people_the_nearest_two_count() -> None:
    found = measure(standing(0.0, 1.0, 5.0, headings=(0.0, 0.0, 0.0)), SKELETON)
    assert torch.allclose(found.pelvis_distance, torch.ones(1, 4))
    assert found.features().shape == (1, 3, 4, FEATURES)


def test_what_is_not_said_is_not_in_the_features() -> None:
    truth = measure(people(), SKELETON)
    no = torch.zeros(3, 16, dtype=torch.bool)
    yes = ~no
    assert (truth.only(no, no, no, no).features() == 0).all()
    assert (Proxemics.nothing(3, 2, 16).features() == 0).all()
    only_zone = truth.only(no, no, no, yes).features()
    assert (only_zone[..., :4].sum(-1) == 1).all()
    assert (only_zone[..., 4:] == 0).all()
    distance = truth.only(yes, no, no, no).features()
    assert torch.equal(distance[:, 0, :, 4], truth.pelvis_distance)
    assert (distance[..., 5] == 1).all()
    assert float(distance.abs().sum()) == pytest.approx(float(distance[..., 4:6].abs().sum()))


def test_a_word_for_one_person_is_told_to_both_as_own_and_as_the_partners() -> None:
    said = Proxemics.nothing(1, 2, 3)
    facing = said.facing.clone()
    facing[0, 0] = 0.5
    features = Proxemics(said.pelvis_distance, said.head_distance, facing, said.zone).features()
    assert features[0, 0, 0, 8:].tolist() == [0.5, 1.0, 0.0, 0.0]
    assert features[0, 1, 0, 8:].tolist() == [0.0, 0.0, 0.5, 1.0]
