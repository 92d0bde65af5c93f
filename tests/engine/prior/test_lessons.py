"""Lessons come out as asked, and hide what they say they hide."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from engine.prior.diffusion import STEPS
from engine.prior.lessons import Lesson, LessonShares, lesson
from engine.prior.motion_code import pack, view_of_seen, view_of_windows
from engine.prior.windows import Seen
from tests.engine.prior.people import SKELETON, generator, people, seen

COUNT = 600
WINDOWS = people(count=COUNT)
SEEN = seen(WINDOWS)
HEIGHTS = torch.full((COUNT, 2), 1.7)


def deal(seed: int = 1, **shares: float) -> Lesson:
    return lesson(
        WINDOWS,
        SEEN,
        SKELETON,
        heights=HEIGHTS,
        shares=replace(LessonShares(), **shares),
        generator=generator(seed),
    )


def estimates_alone(**shares: float) -> Lesson:
    nothing_else = {"estimate": 1.0, "gap": 0.0, "unseen_person": 0.0, "some_known": 0.0}
    return deal(**{**nothing_else, **shares})


def share(flags: torch.Tensor) -> float:
    return float(flags.float().mean())


def test_the_same_generator_deals_the_same() -> None:
    first, second, third = deal(1), deal(1), deal(2)
    assert torch.equal(first.told.known, second.told.known)
    assert torch.equal(first.state, second.state)
    assert not torch.equal(first.told.known, third.told.known)


def test_tasks_come_in_their_shares() -> None:
    dealt = deal(estimate=0.4, infill=0.3, react=0.2, seen_too=0.0, some_known=0.0, gap=0.0)
    seen_at_all = dealt.told.seen.confidence.sum((1, 2, 3)) > 0
    joints_known = dealt.told.known[..., :24].amin(-1)
    by_person = joints_known.mean(2)
    reacts = (by_person == 1).any(1) & (by_person == 0).any(1)
    infills = ~seen_at_all & ~reacts & (joints_known.sum((1, 2)) > 0)
    assert share(seen_at_all) == pytest.approx(0.4, abs=0.06)
    assert share(reacts) == pytest.approx(0.2, abs=0.06)
    assert share(infills) == pytest.approx(0.3, abs=0.06)


def test_an_estimate_sees_everything_and_knows_nothing() -> None:
    told = estimates_alone().told
    assert torch.equal(told.seen.confidence, SEEN.confidence)
    assert torch.equal(told.seen.rays, SEEN.rays)
    assert (told.known == 0).all()


@pytest.mark.parametrize(
    ("name", "asked"), [("gap", 0.5), ("unseen_person", 0.3), ("some_known", 0.4)]
)
def test_parts_are_left_out_or_told_in_their_shares(name: str, asked: float) -> None:
    told = estimates_alone(**{name: asked}).told
    there = told.seen.confidence.amax(-1)
    by_person = there.mean(2)
    found = {
        "gap": ((by_person < 1) & (by_person > 0)).any(1),
        "unseen_person": (by_person == 0).any(1),
        "some_known": (told.known > 0).flatten(1).any(1),
    }
    assert share(found[name]) == pytest.approx(asked, abs=0.08)
    for other in found.keys() - {name}:
        assert share(found[other]) < 0.05


def test_an_unseen_person_has_a_partner_who_is_seen() -> None:
    there = estimates_alone(unseen_person=1.0).told.seen.confidence.amax((2, 3))
    assert torch.equal(there.sum(1), torch.ones(COUNT))


def test_hidden_frames_have_known_ones_around_and_none_are_all_known() -> None:
    dealt = deal(estimate=0.0, infill=1.0, react=0.0, seen_too=0.0)
    known = dealt.told.known[..., 0]
    assert share(known.flatten(1).any(1)) > 0.95
    assert share((known == 0).flatten(1).any(1)) > 0.95
    assert 0.3 < share(known) < 0.8
    assert (dealt.told.seen.confidence == 0).all()


def test_2d_of_what_is_hidden_is_there_as_often_as_asked() -> None:
    told = deal(estimate=0.0, infill=1.0, react=0.0, seen_too=0.3, gap=0.0, unseen_person=0.0).told
    assert share(told.seen.confidence.flatten(1).any(1)) == pytest.approx(0.3, abs=0.06)


def test_a_reaction_knows_one_person_whole_and_nothing_of_the_other() -> None:
    known = deal(estimate=0.0, infill=0.0, react=1.0).told.known
    assert set(known.mean((2, 3)).sum(1).tolist()) == {1.0}
    assert set(known.mean((2, 3)).flatten().tolist()) == {0.0, 1.0}


def test_free_motion_knows_nothing_and_begins_at_any_level() -> None:
    dealt = deal(estimate=0.0, infill=0.0, react=0.0, seen_too=0.0, no_state=1.0)
    assert (dealt.told.known == 0).all()
    assert (dealt.told.seen.confidence == 0).all()
    assert share(dealt.step == STEPS - 1) < 0.05
    assert int(dealt.step.min()) < 5 and int(dealt.step.max()) > STEPS - 5


@pytest.mark.parametrize("asked", [0.0, 0.6, 1.0])
def test_estimates_begin_from_nothing_as_often_as_asked(asked: float) -> None:
    from_nothing = share(estimates_alone(no_state=asked).step == STEPS - 1)
    assert from_nothing == pytest.approx(asked + (1 - asked) / STEPS, abs=0.06)


def test_what_is_said_besides_comes_in_its_shares() -> None:
    told = estimates_alone(heights=0.4, up=0.3, apart=0.2).told
    assert share(~told.heights.isnan()[:, 0]) == pytest.approx(0.4, abs=0.06)
    assert share(~told.up.isnan()[:, 0]) == pytest.approx(0.3, abs=0.06)
    assert share(told.partner == 0) == pytest.approx(0.2, abs=0.06)


def test_without_proxemics_nothing_of_it_is_ever_said() -> None:
    for dealt in (deal(proxemics=0.0, proxemics_free=0.0), deal(estimate=0.0, proxemics_free=0.0)):
        assert (dealt.told.proxemics.features() == 0).all()
    assert (deal().told.proxemics.features() != 0).any()


def test_the_camera_is_that_of_what_is_seen_else_that_of_the_people() -> None:
    dealt = deal()
    told = dealt.told
    visible = told.seen.confidence.sum((1, 2, 3)) > 0
    for view, chosen in (
        (view_of_seen(told.seen), visible),
        (view_of_windows(WINDOWS), ~visible),
    ):
        assert torch.equal(told.view.log_extent[chosen], view.log_extent[chosen])
    assert torch.equal(dealt.state, pack(WINDOWS, told.view))


def test_people_alone_have_no_partner_and_no_reactions() -> None:
    windows = people(count=50, persons=1)
    dealt = lesson(
        windows,
        seen(windows),
        SKELETON,
        heights=torch.full((50, 1), 1.7),
        shares=replace(LessonShares(), estimate=0.0, infill=0.0, react=1.0),
        generator=generator(),
    )
    assert (dealt.told.partner == 0).all()
    assert (dealt.told.known == 0).all()


def test_hidden_2d_is_zero() -> None:
    told = deal().told
    assert (told.seen.rays[told.seen.confidence == 0] == 0).all()
    assert isinstance(told.seen, Seen)
