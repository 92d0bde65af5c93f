"""Nothing that a model could recognise is ever on two sides."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotations import splits
from annotations.errors import EditError
from annotations.splits import Subject
from engine.structures import VideoInfo
from tests.annotations.builders import make_video


@st.composite
def subjects(draw) -> tuple[Subject, ...]:
    count = draw(st.integers(1, 20))
    keys = st.frozensets(st.sampled_from([f"person:{n}" for n in "abcdefgh"]), max_size=2)
    return tuple(
        Subject(
            clip_id=index + 1,
            name=f"clip {index}",
            frame_count=draw(st.integers(1, 500)),
            keys=draw(keys) | {f"video:{draw(st.integers(0, 12))}"},
        )
        for index in range(count)
    )


@given(subjects(), st.integers(0, 2**32))
def test_no_video_and_no_person_is_on_two_sides(found, seed):
    assignments = splits.assign(found, seed)
    assert splits.leaks(assignments, found) == ()
    side = {a.clip_id: a.split for a in assignments}
    assert sorted(side) == [item.clip_id for item in found]
    for a in found:
        for b in found:
            if a.keys & b.keys:
                assert side[a.clip_id] == side[b.clip_id]


@given(subjects(), st.integers(0, 99))
def test_an_assignment_depends_on_the_seed_alone(found, seed):
    once = splits.assign(found, seed)
    assert splits.assign(reversed(found), seed) == once
    renumbered = [Subject(i.clip_id + 7, i.name, i.frame_count, i.keys) for i in found]
    moved = splits.assign(renumbered, seed)
    assert [(a.clip_id - 7, a.split, a.group) for a in moved] == [
        (a.clip_id, a.split, a.group) for a in once
    ]


@given(subjects(), st.integers(0, 99))
def test_no_split_is_empty_while_there_are_groups_for_it(found, seed):
    assignments = splits.assign(found, seed)
    group_count = len({a.group for a in assignments})
    assert len({a.split for a in assignments}) == min(3, group_count)


def independent(count: int) -> tuple[Subject, ...]:
    return tuple(
        Subject(n, f"clip {n}", 100, frozenset([f"video:{n}"])) for n in range(1, count + 1)
    )


def test_fractions_are_met_as_far_as_groups_allow():
    found = independent(100)
    sides = [a.split for a in splits.assign(found, 3)]
    assert [sides.count(s) for s in ("train", "validation", "test")] == [70, 15, 15]


def test_another_seed_gives_another_assignment():
    found = independent(30)
    plans = {tuple(a.split for a in splits.assign(found, seed)) for seed in range(5)}
    assert len(plans) == 5


def test_a_chain_of_shared_people_is_one_group():
    people = ["ann", "bo", "cy", "di"]
    found = tuple(
        Subject(n, f"clip {n}", 10, frozenset([f"video:{n}", f"person:{a}", f"person:{b}"]))
        for n, (a, b) in enumerate(pairwise(people), start=1)
    )
    assert len(splits.groups(found)) == 1


@pytest.mark.parametrize(
    "fractions", [{}, {"train": 0.5}, {"train": 1.5, "test": -0.5}, {"train": float("nan")}]
)
def test_fractions_that_are_none_are_refused(fractions):
    with pytest.raises(EditError, match="fractions"):
        splits.assign(independent(3), 0, fractions)


def test_a_split_may_be_left_out():
    fractions = {"train": 0.5, "validation": 0.0, "test": 0.5}
    assert {a.split for a in splits.assign(independent(10), 0, fractions)} == {"train", "test"}


class TestInAProject:
    def name_pair(self, store, clip: int, *names: str) -> None:
        for person, name in enumerate(names):
            store.rename_identity(clip, person, name)

    def test_clips_of_one_video_or_of_one_person_stay_together(self, store):
        videos = [make_video(50, f"video {n}") for n in range(6)]
        clips = [store.add_clip(v).clip_id for v in (*videos, videos[0])]
        self.name_pair(store, clips[1], "Ann", "Bo")
        self.name_pair(store, clips[2], "Cy", "ann")
        store.assign_splits(seed=4)
        group = {a.clip_id: a.group for a in store.splits()}
        assert group[clips[0]] == group[clips[6]]
        assert group[clips[1]] == group[clips[2]]
        assert len(set(group.values())) == 5

    def test_default_names_are_of_their_clip_only(self, store):
        for n in range(3):
            clip = store.add_clip(make_video(50, f"video {n}")).clip_id
            self.name_pair(store, clip, "Person 7")
        store.assign_splits(seed=0)
        assert len({a.group for a in store.splits()}) == 3

    def test_the_newest_assignment_counts_and_survives(self, store, video: VideoInfo):
        assert store.splits() == ()
        store.add_clip(video)
        changes = store.assign_splits(seed=1)
        assert changes.parts == {"splits"}
        store.assign_splits(seed=2, fractions={"test": 1.0})
        assert [a.split for a in store.splits()] == ["test"]
        plan = store.split_plan()
        assert plan is not None and (plan.seed, plan.fractions) == (2, {"test": 1.0})

    def test_a_leak_that_arises_later_is_named(self, store):
        clips = [store.add_clip(make_video(50, f"video {n}")).clip_id for n in range(3)]
        store.assign_splits(seed=0)
        self.name_pair(store, clips[0], "Ann")
        self.name_pair(store, clips[1], "Ann")
        found = splits.subjects((c, store.state(c.id).identities) for c in store.clips())
        (leak,) = splits.leaks(store.splits(), found)
        assert leak.startswith("person ann is in ")
