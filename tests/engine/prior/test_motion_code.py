"""The state of people's motion: there and back, and what does not change it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.geometry.rotations import axis_angle_to_matrix
from engine.prior.motion_code import (
    GROUPS,
    OFFSET,
    PLACE,
    SIZE,
    View,
    expected_offset,
    offsets,
    pack,
    pelvis_of,
    seen_in_view,
    spread_groups,
    unpack,
    view_of,
    view_of_seen,
    view_of_windows,
)
from engine.prior.windows import PairWindows, Seen
from tests.engine.prior.people import (
    close,
    generator,
    people,
    seen,
    swapped,
    swapped_seen,
    turned_seen,
    turns,
)

SEEDS = st.integers(0, 2**16)
quick = settings(max_examples=12, deadline=None, derandomize=True)


def same_view(first: View, second: View, atol: float = 1e-5) -> bool:
    return torch.allclose(
        first.R_virtual_camera, second.R_virtual_camera, atol=atol
    ) and torch.allclose(first.log_extent, second.log_extent, atol=atol)


@quick
@given(seed=SEEDS, persons=st.sampled_from([1, 2]), by_2d=st.booleans())
def test_the_state_gives_back_the_bodies(seed: int, persons: int, by_2d: bool) -> None:
    windows = people(persons=persons, seed=seed)
    view = view_of_seen(seen(windows)) if by_2d else view_of_windows(windows)
    back = unpack(pack(windows, view), view, windows.up)
    assert close(back, windows)
    assert torch.equal(back.up, windows.up)


@quick
@given(seed=SEEDS)
def test_of_three_people_the_state_keeps_rays_and_depths_between_them(seed: int) -> None:
    windows = people(persons=3, seed=seed)
    view = view_of_windows(windows)
    back = unpack(pack(windows, view), view, windows.up)
    assert close(back, windows)


@quick
@given(seed=SEEDS)
def test_unpacking_any_numbers_gives_rotations_and_people_before_the_camera(seed: int) -> None:
    view = view_of_windows(people(seed=seed))
    numbers = 3 * torch.randn(3, 2, 16, SIZE, generator=generator(seed))
    back = unpack(numbers, view, torch.tensor([0.0, -1.0, 0.0]).expand(3, 3))
    product = back.rotations @ back.rotations.mT
    assert torch.allclose(product, torch.eye(3).expand_as(product), atol=1e-4)
    along = (view.R_virtual_camera[:, None] @ back.pelvis.mT)[:, :, 2]
    assert (along > 0).all()


def test_the_numbers_are_near_zero_with_a_spread_near_one() -> None:
    windows = people(count=60)
    state = pack(windows, view_of_seen(seen(windows)))
    for part in state.split([144, 10, 2, 1, 3], dim=-1):
        assert float(part.mean().abs()) < 2.0
        assert 0.3 < float(part.std()) < 2.0


@quick
@given(seed=SEEDS)
def test_2d_alone_determines_the_view_and_the_place_of_a_mean_body(seed: int) -> None:
    windows = people(seed=seed)
    once = seen(windows)
    view = view_of_seen(once)
    assert same_view(view, view_of(once, people(seed=seed + 1)))
    ray = view.R_virtual_camera[:, 2]
    middle = torch.nn.functional.normalize(windows.pelvis.mean((1, 2)), dim=-1)
    assert ((ray * middle).sum(-1) > 0.99).all()
    placed = pack(windows, view)[..., 154 : 154 + PLACE].mean(2)
    guessed = seen_in_view(once, view).place
    assert float((placed - guessed)[..., :2].abs().max()) < 0.7
    assert float((placed - guessed)[..., 2].abs().max()) < 2.5


@quick
@given(seed=SEEDS)
def test_turning_the_camera_sideways_about_its_centre_leaves_the_state(seed: int) -> None:
    windows = people(seed=seed)
    yaw = torch.zeros(3, 3)
    yaw[:, 1] = torch.rand(3, generator=generator(seed)) * 0.6 - 0.3
    turned = windows.turned(axis_angle_to_matrix(yaw))
    before, after = (pack(w, view_of_windows(w)) for w in (windows, turned))
    assert torch.allclose(after, before, atol=1e-4)


@quick
@given(seed=SEEDS)
def test_turning_the_camera_any_way_leaves_depths_shapes_and_distances(seed: int) -> None:
    windows = people(seed=seed)
    turned = windows.turned(turns(3, 0.4, seed))
    before, after = (pack(w, view_of_windows(w)) for w in (windows, turned))
    assert torch.allclose(after[..., 144:154], before[..., 144:154], atol=1e-4)
    assert torch.allclose(after[..., 156], before[..., 156], atol=1e-4)
    lengths = [state[..., -OFFSET:].norm(dim=-1) for state in (before, after)]
    assert torch.allclose(*lengths, atol=1e-4)


@quick
@given(seed=SEEDS)
def test_the_seen_view_turns_with_the_camera(seed: int) -> None:
    once = seen(people(seed=seed))
    rotation = turns(3, 0.3, seed)
    view, turned = view_of_seen(once), view_of_seen(turned_seen(once, rotation))
    ray = (rotation @ view.R_virtual_camera[:, 2, :, None])[..., 0]
    assert torch.allclose(turned.R_virtual_camera[:, 2], ray, atol=1e-5)
    assert torch.allclose(turned.log_extent, view.log_extent, atol=1e-4)


@quick
@given(seed=SEEDS, factor=st.floats(0.5, 2.0))
def test_the_focal_length_changes_nothing_that_is_said_of_a_seen_person(
    seed: int, factor: float
) -> None:
    windows = people(seed=seed)
    centred = PairWindows(
        windows.rotations,
        windows.pelvis - windows.pelvis.mean((1, 2), keepdim=True) + torch.tensor([0.0, 0.0, 9.0]),
        windows.betas,
        windows.up,
    )
    once = seen(centred)
    zoomed = Seen(once.rays * factor, once.confidence)
    here, there = (seen_in_view(what, view_of_seen(what)) for what in (once, zoomed))
    # Nothing but the last number, which is that of the extent itself.
    assert torch.allclose(here.features[..., :-1], there.features[..., :-1], atol=0.03)
    assert torch.allclose(here.place, there.place, atol=0.03)


@quick
@given(seed=SEEDS)
def test_exchanging_the_people_exchanges_their_states(seed: int) -> None:
    windows = people(seed=seed)
    once, twice = seen(windows), swapped_seen(seen(windows))
    assert same_view(view_of_seen(once), view_of_seen(twice))
    view = view_of_seen(once)
    assert torch.allclose(pack(swapped(windows), view), pack(windows, view).flip(1), atol=1e-5)
    features = seen_in_view(once, view).features.flip(1)
    assert torch.allclose(seen_in_view(twice, view).features, features, atol=1e-5)


@quick
@given(seed=SEEDS)
def test_in_a_mirror_the_state_is_the_mirrored_one(seed: int) -> None:
    windows = people(seed=seed)
    view, mirrored = view_of_windows(windows), view_of_windows(windows.mirrored())
    flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    assert torch.allclose(mirrored.R_virtual_camera, flip @ view.R_virtual_camera @ flip, atol=1e-5)
    place, other = (
        pack(w, v)[..., -OFFSET - PLACE :]
        for w, v in ((windows, view), (windows.mirrored(), mirrored))
    )
    assert torch.allclose(other, place * torch.tensor([-1.0, 1, 1, -1, 1, 1]), atol=1e-4)
    assert close(windows.mirrored().mirrored(), windows, atol=0)
    once = seen(windows)
    from_mirror = view_of_seen(once.mirrored())
    expected = flip @ view_of_seen(once).R_virtual_camera @ flip
    assert torch.allclose(from_mirror.R_virtual_camera, expected, atol=1e-5)


def test_what_is_not_seen_does_not_move_the_view() -> None:
    once = seen(people())
    hidden = once.confidence.clone()
    hidden[:, 0, 3:9, 5:] = 0
    elsewhere = torch.where(hidden[..., None] > 0, once.rays, 5.0)
    view = view_of_seen(Seen(once.rays * (hidden > 0)[..., None], hidden))
    assert same_view(view, view_of_seen(Seen(elsewhere, hidden)))
    features = seen_in_view(Seen(elsewhere, hidden), view).features
    assert torch.equal(features, seen_in_view(Seen(once.rays, hidden), view).features)


def test_nobody_seen_is_looked_for_where_the_windows_say() -> None:
    windows = people()
    nobody = Seen.nothing(3, 2, 16)
    assert same_view(view_of(nobody, windows), view_of_windows(windows))
    alone = view_of_seen(nobody)
    assert torch.isfinite(alone.log_extent).all()
    assert torch.isfinite(seen_in_view(nobody, alone).features).all()
    assert (seen_in_view(nobody, alone).there == 0).all()


def test_offsets_point_to_the_mean_of_the_others() -> None:
    pelvis = torch.randn(2, 3, 5, 3, generator=generator())
    expected = (pelvis[:, 1] + pelvis[:, 2]) / 2 - pelvis[:, 0]
    assert torch.allclose(offsets(pelvis)[:, 0] * 0.5, expected, atol=1e-6)
    assert (offsets(pelvis[:, :1]) == 0).all()


def test_offsets_say_how_far_apart_people_are_in_depth_and_places_where_they_are() -> None:
    windows = people()
    view = view_of_windows(windows)
    place, offset = pack(windows, view)[..., 154:].split([PLACE, OFFSET], dim=-1)
    confused = place.clone()
    confused[:, 0, :, 2] += 0.4
    confused[:, 1, :, 2] -= 0.4
    apart = pelvis_of(place, offset, view)[..., 2].diff(dim=1)
    assert torch.allclose(pelvis_of(confused, offset, view)[..., 2].diff(dim=1), apart, atol=1e-4)


def test_the_expected_offset_is_that_of_the_places() -> None:
    windows = people(frames=2)
    still = windows.pelvis[:, :, :1].expand(-1, -1, 2, -1)
    view = view_of_windows(windows)
    state = pack(PairWindows(windows.rotations, still, windows.betas, windows.up), view)
    place, offset = state[:, :, 0, 154:].split([PLACE, OFFSET], dim=-1)
    assert torch.allclose(expected_offset(place, view), offset, atol=1e-4)


def test_groups_are_joints_shape_and_place() -> None:
    groups = torch.arange(float(GROUPS))
    spread = spread_groups(groups)
    assert spread.shape == (SIZE,)
    counts = torch.bincount(spread.long(), minlength=GROUPS)
    assert counts.tolist() == [6] * 24 + [10, 6]


@pytest.mark.parametrize("persons", [1, 2, 3])
def test_shape_is_the_mean_over_the_frames(persons: int) -> None:
    windows = people(persons=persons)
    view = view_of_windows(windows)
    state = pack(windows, view)
    state[:, :, ::2, 144:154] += 1.0
    back = unpack(state, view, windows.up)
    assert torch.allclose(back.betas, windows.betas + 0.5, atol=1e-5)
