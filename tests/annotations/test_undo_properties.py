"""Any sequence of edits can be taken back exactly and done again exactly."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
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

from annotations.corrections import effective_observations
from annotations.errors import EditError
from annotations.records import ClipState
from annotations.store import Store
from engine.structures import (
    BoxEdit,
    ContactLabel,
    DepthOrder,
    FrameRange,
    KeypointEdit,
    MaskEdit,
    ProxemicsStatement,
    RunLengthMask,
    Trust,
)
from tests.annotations.builders import (
    make_camera,
    make_crowd,
    make_disc,
    make_findings,
    make_fit,
    make_observations,
    make_video,
    same,
    unpinned,
)

FRAMES = 70
"""More than one chunk."""
VIDEO = make_video(FRAMES)
OBSERVATIONS = [make_observations(VIDEO), make_crowd(VIDEO, seed=1)]
FITS = [
    *(make_fit(VIDEO, seed=seed) for seed in range(2)),
    replace(make_fit(VIDEO, seed=2), masks=make_observations(VIDEO, seed=2).masks),
    *(make_findings(VIDEO, seed=seed) for seed in range(2)),
]
BOXES = [(4.0, 4.0, 30.0, 50.0), (5.0, 5.0, 31.0, 51.0), (50.0, 4.0, 80.0, 50.0)]
MASKS = [RunLengthMask.encode(make_disc(VIDEO, x)) for x in (20, 60)]


@st.composite
def ranges(draw) -> FrameRange:
    start = draw(st.integers(0, FRAMES - 1))
    return FrameRange(start, draw(st.integers(start + 1, FRAMES)))


class History(RuleBasedStateMachine):
    """A clip beside a plain list of the states that it has had."""

    template: Path

    @initialize(crowded=st.booleans())
    def make(self, crowded) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "project.dyad"
        shutil.copyfile(self.template, self.path)
        self.store = Store.open(self.path)
        self.clip = self.store.add_clip(VIDEO).clip_id
        self.states: list[ClipState] = [self.store.state(self.clip)]
        self.position = 0
        if crowded:
            self.observe(OBSERVATIONS[1])

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
        apart = {name: getattr(before, name) for name in ("edited", "reviews", "swaps")}
        assert same(unpinned(replace(after, **apart)), unpinned(before))

    @rule(frames=ranges())
    def swap_once(self, frames) -> None:
        self.edit(lambda: self.store.swap(self.clip, frames))

    @rule(person=st.integers(0, 1), frame=st.integers(0, FRAMES), joint=st.integers(0, 26))
    def place(self, person, frame, joint) -> None:
        edit = KeypointEdit(person, frame, joint, 1.5, frame / 3)
        self.edit(lambda: self.store.edit_keypoint(self.clip, edit))

    @rule(
        frame=st.integers(0, 8),
        box=st.sampled_from(BOXES),
        kind=st.sampled_from(["person", "identity", "someone_else", "not_a_person"]),
        person=st.integers(0, 1),
    )
    def box(self, frame, box, kind, person) -> None:
        edit = BoxEdit(frame, box, kind, person if kind in ("person", "identity") else None)
        self.edit(lambda: self.store.edit_box(self.clip, edit))
        assert edit in self.store.state(self.clip).constraints.box_edits

    @rule(index=st.integers(0, 5))
    def remove_box(self, index) -> None:
        said = self.store.state(self.clip).constraints.box_edits
        if index < len(said):
            self.edit(lambda: self.store.remove_box_edit(self.clip, said[index]))
            assert said[index] not in self.store.state(self.clip).constraints.box_edits

    @rule(person=st.integers(0, 1), frame=st.integers(0, 8), mask=st.sampled_from(MASKS))
    def paint(self, person, frame, mask) -> None:
        self.edit(lambda: self.store.edit_mask(self.clip, MaskEdit(person, frame, mask)))

    @rule(person=st.integers(0, 1), frame=st.integers(0, 8))
    def clear(self, person, frame) -> None:
        self.edit(lambda: self.store.clear_mask(self.clip, person, frame))

    @rule(person=st.integers(0, 1), other=st.integers(0, 2), frames=ranges())
    def assign(self, person, other, frames) -> None:
        before = self.store.state(self.clip)
        self.edit(lambda: self.store.assign(self.clip, person, other, frames))
        after = self.store.state(self.clip)
        placed = {edit.frame for edit in before.constraints.keypoint_edits}
        lost = seen_places(before) - seen_places(after)
        assert {frame for frame, _ in lost} <= placed  # whose the joint is now, it moved

    @rule(
        source=st.tuples(st.sampled_from(["person", "other"]), st.integers(0, 2)),
        frames=ranges(),
        kind=st.sampled_from(["someone_else", "not_a_person"]),
    )
    def dismiss(self, source, frames, kind) -> None:
        before = self.store.state(self.clip)
        self.edit(lambda: self.store.dismiss(self.clip, source, frames, kind))
        if kind == "someone_else":
            assert seen_places(before) == seen_places(self.store.state(self.clip))

    @rule(known=st.booleans())
    def camera(self, known) -> None:
        self.edit(lambda: self.store.set_camera(self.clip, make_camera(VIDEO) if known else None))

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

    @rule(person=st.integers(0, 2), frames=ranges(), weight=st.sampled_from([0.0, 0.5, 1.0]))
    def trust(self, person, frames, weight) -> None:
        self.edit(lambda: self.store.set_trust(self.clip, Trust(person, frames, weight)))

    @rule(
        frames=ranges(),
        a=st.integers(0, 1),
        zone=st.sampled_from([None, "intimate", "social"]),
        heads=st.sampled_from([None, 0.3, 2.0]),
        facing=st.sampled_from([(None, None), (1.0, None), (0.5, -1.0)]),
    )
    def stand(self, frames, a, zone, heads, facing) -> None:
        said = ProxemicsStatement(a, 1 - a, frames, zone, heads, None, facing)
        self.edit(lambda: self.store.set_proxemics(self.clip, said))

    @rule(frames=ranges())
    def unsay_how_they_stand(self, frames) -> None:
        self.edit(lambda: self.store.clear_proxemics(self.clip, (0, 1), frames))

    @rule(frames=ranges())
    def keep_apart(self, frames) -> None:
        self.edit(lambda: self.store.keep_apart(self.clip, frames))

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


def seen_places(state: ClipState) -> set[tuple]:
    """Every (frame, joints' places) where joints are known, whosever they are."""
    found = effective_observations(state)
    if found is None:
        return set()
    groups = [found] if found.others is None else [found, found.others]
    return {
        (frame, points.tobytes())
        for group in groups
        for row in group.keypoints2d
        for frame, points in enumerate(row)
        if np.isfinite(points).any()
    }


@pytest.mark.timeout(300)
def test_any_history_can_be_undone_and_redone(empty_project: Path):
    History.template = empty_project
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=10,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
