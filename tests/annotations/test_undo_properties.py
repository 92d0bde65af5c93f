"""Any sequence of edits can be taken back exactly and done again exactly."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from annotations.errors import EditError
from annotations.records import ClipState
from annotations.store import Store
from engine.structures import ContactLabel, DepthOrder, FrameRange, KeypointEdit
from tests.annotations.builders import make_fit, make_observations, make_video, same, unpinned

FRAMES = 70
"""More than one chunk."""
VIDEO = make_video(FRAMES)
OBSERVATIONS = [make_observations(VIDEO, seed=seed) for seed in range(2)]
FITS = [make_fit(VIDEO, seed=seed) for seed in range(3)]


@st.composite
def ranges(draw) -> FrameRange:
    start = draw(st.integers(0, FRAMES - 1))
    return FrameRange(start, draw(st.integers(start + 1, FRAMES)))


class History(RuleBasedStateMachine):
    """A clip beside a plain list of the states that it has had."""

    template: Path

    @initialize()
    def make(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "project.dyad"
        shutil.copyfile(self.template, self.path)
        self.store = Store.open(self.path)
        self.clip = self.store.add_clip(VIDEO).clip_id
        self.states: list[ClipState] = [self.store.state(self.clip)]
        self.position = 0

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        while self.store.can_undo(self.clip):
            self.store.undo(self.clip)
        assert same(self.store.state(self.clip), self.states[0])
        while self.store.can_redo(self.clip):
            self.store.redo(self.clip)
        assert same(self.store.state(self.clip), self.states[-1])
        self.store.close()
        shutil.rmtree(self.folder)

    def edit(self, change) -> None:
        before = self.store.head(self.clip).id
        try:
            change()
        except EditError:
            assert self.store.head(self.clip).id == before
        if self.store.head(self.clip).id != before:
            self.states = [*self.states[: self.position + 1], self.store.state(self.clip)]
            self.position += 1

    @rule(which=st.sampled_from(OBSERVATIONS))
    def observe(self, which) -> None:
        self.edit(lambda: self.store.set_observations(self.clip, which, {"detector": "x"}))

    @rule(which=st.sampled_from(FITS), frames=ranges())
    def fit(self, which, frames) -> None:
        base = self.store.head(self.clip).id
        self.edit(lambda: self.store.apply_fit(self.clip, which, frames, base))

    @rule(frames=ranges())
    def swap(self, frames) -> None:
        before = self.store.state(self.clip)
        self.edit(lambda: self.store.swap(self.clip, frames))
        self.edit(lambda: self.store.swap(self.clip, frames))
        after = self.store.state(self.clip)
        apart = {"edited": before.edited, "reviews": before.reviews}
        assert same(unpinned(replace(after, **apart)), unpinned(before))

    @rule(frames=ranges())
    def swap_once(self, frames) -> None:
        self.edit(lambda: self.store.swap(self.clip, frames))

    @rule(person=st.integers(0, 1), frame=st.integers(0, FRAMES), joint=st.integers(0, 26))
    def place(self, person, frame, joint) -> None:
        edit = KeypointEdit(person, frame, joint, 1.5, frame / 3)
        self.edit(lambda: self.store.edit_keypoint(self.clip, edit))

    @rule(frames=ranges(), a=st.integers(0, 1), kind=st.sampled_from(["contact", "no_contact"]))
    def contact(self, frames, a, kind) -> None:
        label = ContactLabel(a, "left hand", 1 - a, "back", frames, kind)
        self.edit(lambda: self.store.add_contact(self.clip, label))

    @rule(index=st.integers(0, 3), frames=ranges())
    def change_contact(self, index, frames) -> None:
        label = ContactLabel(0, "right hand", 1, "back", frames)
        self.edit(lambda: self.store.change_contact(self.clip, index, label))

    @rule(index=st.integers(0, 2))
    def remove_contact(self, index) -> None:
        self.edit(lambda: self.store.remove_contact(self.clip, index))

    @rule(frames=ranges(), front=st.integers(0, 1))
    def depth(self, frames, front) -> None:
        order = DepthOrder(front, 1 - front, frames)
        self.edit(lambda: self.store.set_depth_order(self.clip, order))

    @rule(person=st.integers(0, 1), metres=st.sampled_from([None, 1.6, 1.8]))
    def height(self, person, metres) -> None:
        self.edit(lambda: self.store.set_height(self.clip, person, metres))

    @rule(frames=ranges(), frozen=st.booleans())
    def freeze(self, frames, frozen) -> None:
        self.edit(lambda: self.store.set_frozen(self.clip, frames, frozen))

    @rule(frames=ranges(), verdict=st.sampled_from(["accepted", "sent back", "unusable"]))
    def review(self, frames, verdict) -> None:
        self.edit(lambda: self.store.review(self.clip, frames, verdict, "because"))

    @rule(person=st.integers(0, 1), name=st.sampled_from(["Ann", "Bo"]))
    def rename(self, person, name) -> None:
        self.edit(lambda: self.store.rename_identity(self.clip, person, name))

    @precondition(lambda self: self.position > 0)
    @rule(steps=st.integers(1, 3))
    def undo(self, steps) -> None:
        for _ in range(min(steps, self.position)):
            self.store.undo(self.clip)
            self.position -= 1

    @precondition(lambda self: self.position + 1 < len(self.states))
    @rule()
    def redo(self) -> None:
        self.store.redo(self.clip)
        self.position += 1

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = Store.open(self.path)

    @invariant()
    def the_state_is_the_one_on_the_list(self) -> None:
        if hasattr(self, "store"):
            assert same(self.store.state(self.clip), self.states[self.position])
            assert (self.store.can_undo(self.clip) is not None) == (self.position > 0)
            at_tip = self.position + 1 == len(self.states)
            assert (self.store.can_redo(self.clip) is None) == at_tip


@pytest.mark.timeout(300)
def test_any_history_can_be_undone_and_redone(empty_project: Path):
    History.template = empty_project
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=10,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
