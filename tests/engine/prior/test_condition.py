"""What the network is told: nothing of what is hidden, and expectations of what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.prior.condition import Condition, Told, between_known, condition
from engine.prior.motion_code import GROUPS, SIZE, pack, view_of_seen, view_of_windows
from engine.prior.proxemics import measure
from engine.prior.windows import Seen
from tests.engine.prior.people import SKELETON, generator, people, seen, swapped, swapped_seen

SEEDS = st.integers(0, 2**16)
quick = settings(max_examples=12, deadline=None, derandomize=True)


def told(seed: int = 7, **changes: object) -> Told:
    """A bit of everything."""
    windows, by = people(seed=seed), generator(seed)
    whole = seen(windows)
    shown = (torch.rand(whole.confidence.shape, generator=by) < 0.7).float()
    partial = Seen(whole.rays * shown[..., None], shown)
    view = view_of_seen(partial)
    known = (torch.rand(3, 2, 16, GROUPS, generator=by) < 0.4).float()
    nothing = Told.nothing(view, 2, 16)
    return replace(
        nothing,
        seen=partial,
        state=pack(windows, view),
        known=known,
        proxemics=measure(windows, SKELETON),
        **changes,
    )


def same(first: Condition, second: Condition) -> bool:
    return all(torch.equal(value, getattr(second, name)) for name, value in vars(first).items())


@quick
@given(seed=SEEDS, instead=st.sampled_from([0.0, 1e6, float("nan"), float("inf")]))
def test_hidden_states_never_arrive(seed: int, instead: float) -> None:
    before = told(seed)
    shape = before.state.shape
    groups = before.known.repeat_interleave(torch.tensor([6] * 24 + [10, 6]), dim=-1)
    state = torch.where(groups > 0, before.state, torch.full(shape, instead))
    assert same(condition(before), condition(replace(before, state=state)))


@quick
@given(seed=SEEDS)
def test_hidden_keypoints_never_arrive(seed: int) -> None:
    before = told(seed)
    hidden = before.seen.confidence == 0
    elsewhere = torch.where(hidden[..., None], torch.tensor(3.0), before.seen.rays)
    after = replace(before, seen=Seen(elsewhere, before.seen.confidence))
    assert same(condition(before), condition(after))


def test_what_is_not_said_is_not_told() -> None:
    nothing = condition(replace(told(), heights=torch.full((3, 2), torch.nan)))
    heights = condition(replace(told(), heights=torch.full((3, 2), 1.8)))
    assert (nothing.windows[..., :2] == 0).all()
    assert torch.allclose(heights.windows[..., :2], torch.tensor([1.0, 1.0]))
    assert (nothing.windows[..., 2:6] == 0).all()


def test_up_is_told_in_the_virtual_camera() -> None:
    windows = people()
    view = view_of_windows(windows)
    ready = condition(replace(Told.nothing(view, 2, 16), up=windows.up))
    expected = (view.R_virtual_camera @ windows.up[..., None])[..., 0]
    assert torch.allclose(ready.windows[:, 0, 2:5], expected)
    assert (ready.windows[..., 5] == 1).all()


@quick
@given(seed=SEEDS)
def test_with_the_partner_cut_nothing_of_the_other_arrives(seed: int) -> None:
    before = replace(told(seed), partner=torch.zeros(3))
    other = told(seed + 1)

    def mixed(mine: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        return torch.stack([mine[:, 0], others[:, 1]], dim=1)

    after = replace(
        before,
        seen=Seen(
            mixed(before.seen.rays, other.seen.rays),
            mixed(before.seen.confidence, other.seen.confidence),
        ),
        state=mixed(before.state, other.state),
        known=mixed(before.known, other.known),
        heights=torch.tensor([[torch.nan, 1.9]] * 3),
        proxemics=other.proxemics,
    )
    first, second = condition(before), condition(after)
    for name in ("frames", "windows", "known", "state", "base"):
        assert torch.equal(getattr(first, name)[:, 0], getattr(second, name)[:, 0]), name
    # The metric offset to the partner is not among what is known or expected.
    assert (first.state[..., -3:] == 0).all()
    assert (first.base[..., -3:] == 0).all()


@quick
@given(seed=SEEDS)
def test_exchanging_the_people_exchanges_what_they_are_told(seed: int) -> None:
    windows = people(seed=seed)
    whole = seen(windows)
    view = view_of_seen(whole)
    known = (torch.rand(3, 2, 16, GROUPS, generator=generator(seed)) < 0.4).float()

    def ready(windows, whole, known):  # type: ignore[no-untyped-def]
        said = measure(windows, SKELETON)
        nothing = Told.nothing(view, 2, 16)
        state = pack(windows, view)
        return condition(replace(nothing, seen=whole, state=state, known=known, proxemics=said))

    before = ready(windows, whole, known)
    after = ready(swapped(windows), swapped_seen(whole), known.flip(1))
    for name in ("frames", "windows", "known", "state", "base"):
        expected = getattr(before, name).flip(1)
        assert torch.allclose(getattr(after, name), expected, atol=1e-4), name


class TestBetweenKnownFrames:
    def test_known_frames_are_as_they_are_and_the_flags_say_where_anything_is(self) -> None:
        state = torch.randn(2, 2, 12, SIZE, generator=generator())
        known = torch.zeros(2, 2, 12, GROUPS)
        known[0, :, [2, 3, 9]] = 1
        expected, there = between_known(state, known)
        assert torch.allclose(expected[0, :, [2, 3, 9]], state[0, :, [2, 3, 9]], atol=1e-6)
        assert (there[0] == 1).all() and (there[1] == 0).all()
        assert (expected[1] == 0).all()

    @pytest.mark.parametrize("gap", [slice(2, 3), slice(4, 9), slice(2, 14)])
    def test_even_movement_is_expected_to_go_on_evenly(self, gap: slice) -> None:
        time = torch.arange(16.0)[:, None]
        state = (2.0 + 0.3 * time).expand(1, 1, 16, SIZE)
        known = torch.ones(1, 1, 16, GROUPS)
        known[:, :, gap] = 0
        expected, _ = between_known(state * (known[..., :1] > 0), known)
        assert torch.allclose(expected, state, atol=1e-4)

    def test_a_parabola_between_known_speeds_is_met_more_closely_than_by_a_line(self) -> None:
        time = torch.linspace(-1, 1, 16)[:, None]
        state = (time**2).expand(1, 1, 16, SIZE)
        known = torch.ones(1, 1, 16, GROUPS)
        known[:, :, 3:13] = 0
        expected, _ = between_known(state, known)
        part = torch.linspace(0, 1, 12)[1:-1, None]
        line = state[0, 0, 2] * (1 - part) + state[0, 0, 13] * part
        off = (expected - state)[0, 0, 3:13].abs().max()
        assert float(off) < 0.2 * float((line - state[0, 0, 3:13]).abs().max())

    def test_beyond_the_last_known_frame_movement_fades(self) -> None:
        time = torch.arange(64.0)[:, None]
        state = (0.1 * time).expand(1, 1, 64, SIZE)
        known = torch.zeros(1, 1, 64, GROUPS)
        known[:, :, 20:30] = 1
        expected = between_known(state, known)[0][0, 0, :, 0]
        steps = expected.diff()
        assert (steps[29:] > 0).all() and (steps[29:].diff() <= 1e-6).all()
        assert (steps[:19] > 0).all() and (steps[:19].diff() >= -1e-6).all()
        assert float(expected[-1] - expected[29]) < 0.1 * 8.1

    def test_a_single_known_frame_is_expected_everywhere(self) -> None:
        state = torch.randn(1, 1, 16, SIZE, generator=generator())
        known = torch.zeros(1, 1, 16, GROUPS)
        known[:, :, 5] = 1
        expected, _ = between_known(state, known)
        assert torch.allclose(expected, state[:, :, 5:6].expand_as(state), atol=1e-6)

    def test_each_group_has_its_own_known_frames(self) -> None:
        state = torch.randn(1, 1, 16, SIZE, generator=generator())
        known = torch.zeros(1, 1, 16, GROUPS)
        known[..., 0, 3] = 0
        known[:, :, 4, 2] = 1
        _, there = between_known(state, known)
        assert (there[..., 2] == 1).all()
        assert float(there.sum()) == 16
