"""What a fit finds besides bodies is kept with them, once, and comes back as it was."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from annotations import fitted
from annotations.errors import EditError, ProjectError
from annotations.store import Store
from engine.structures import FrameRange, Outcome, SwapProposal
from tests.annotations.builders import make_findings, make_fit, make_video, same
from tests.annotations.conftest import add_fitted

WHOLE = FrameRange(0, 150)


def apply(store: Store, clip: int, result, frames: FrameRange = WHOLE):
    return store.apply_fit(clip, result, frames, store.head(clip).id)


class TestDiagnostics:
    def test_come_back_as_they_were(self, store, clip_id, video):
        result = make_findings(video)
        apply(store, clip_id, result)
        state = store.state(clip_id)
        assert same(state.diagnostics, result.diagnostics)
        assert same(state.proxemics, result.proxemics) and state.swaps == result.swaps
        store.undo(clip_id)
        assert store.state(clip_id).diagnostics.reasons == {}
        assert store.state(clip_id).proxemics == ()

    def test_of_a_part_leave_the_rest(self, store, clip_id, video):
        old, new = make_findings(video), make_findings(video, seed=1)
        apply(store, clip_id, old)
        apply(store, clip_id, new, FrameRange(40, 60))
        found, was = store.state(clip_id).diagnostics, old.diagnostics
        assert same(found.expected_error[:, 40:60], new.diagnostics.expected_error[:, 40:60])
        assert same(found.expected_error[:, :40], was.expected_error[:, :40])
        assert same(found.reasons["identity"][:, 60:], was.reasons["identity"][:, 60:])

    def test_a_reason_that_only_one_fit_looked_at_is_unknown_elsewhere(self, store, clip_id, video):
        old, new = make_findings(video), make_findings(video, seed=1)
        score = new.diagnostics.reasons["identity"]
        looked = replace(new.diagnostics, reasons={"jerk": score}, expected_error=None)
        apply(store, clip_id, old)
        apply(store, clip_id, replace(new, diagnostics=looked), FrameRange(40, 60))
        found = store.state(clip_id).diagnostics
        assert same(found.reasons["jerk"][:, 40:60], score[:, 40:60])
        assert np.isnan(found.reasons["jerk"][:, :40]).all()
        assert np.isnan(found.reasons["identity"][:, 40:60]).all()
        assert np.isnan(found.expected_error[:, 40:60]).all()
        assert np.isfinite(found.reasons["identity"][:, 60:]).all()

    def test_of_other_frames_are_refused(self, store, clip_id, video):
        shorter = make_findings(make_video(149)).diagnostics
        for found in (replace(shorter, expected_error=None), replace(shorter, reasons={})):
            with pytest.raises(EditError, match="not whole"):
                apply(store, clip_id, replace(make_findings(video), diagnostics=found))

    def test_a_swap_costs_the_chunks_that_it_changes(self, store, clip_id, video):
        apply(store, clip_id, make_findings(video))
        before = chunks(store)
        store.swap(clip_id, FrameRange(3, 9))
        first = chunks(store) - before
        store.swap(clip_id, FrameRange(3, 9))
        assert 0 < first < 25 and chunks(store) == before + first


class TestProposals:
    def test_of_other_frames_stay_until_they_are_fitted_again(self, store, clip_id, video):
        near, far = (SwapProposal(0, 1, FrameRange(a, a + 5), 9.0, 2.0) for a in (10, 100))
        apply(store, clip_id, make_findings(video, swaps=(near, far)))
        apply(store, clip_id, make_findings(video, swaps=()), FrameRange(0, 20))
        assert store.state(clip_id).open_swaps == (far,)
        again = replace(far, frames=FrameRange(98, 103))
        apply(store, clip_id, make_findings(video, swaps=(again,)), FrameRange(30, 40))
        assert store.state(clip_id).open_swaps == (again,)

    def test_of_people_who_are_not_there_are_refused(self, store, clip_id, video):
        strange = SwapProposal(0, 2, FrameRange(0, 5), 9.0, 2.0)
        with pytest.raises(EditError, match="other people"):
            apply(store, clip_id, make_findings(video, swaps=(strange,)))

    def test_turning_one_down_is_a_step_that_can_be_undone(self, store, clip_id, video):
        apply(store, clip_id, make_findings(video))
        (proposal,) = store.state(clip_id).open_swaps
        changes = store.keep_apart(clip_id, proposal.frames)
        assert store.state(clip_id).open_swaps == () and "reviews" in changes.parts
        assert "observations" not in changes.parts and store.head(clip_id).kind == "kept apart"
        store.undo(clip_id)
        assert store.state(clip_id).open_swaps == (proposal,)


@pytest.mark.parametrize(
    "swaps", ["[[0, 1, 5]]", '[[0, 1, 5, 9, "dear", 1]]', "[[0, 0, 5, 9, 2, 1]]", "[7]"]
)
def test_proposals_that_are_rubbish_are_damage(store, clip_id, video, swaps):
    path = store.info().path
    apply(store, clip_id, make_findings(video))
    store.close()
    with sqlite3.connect(path) as rows:
        rows.execute("DROP TRIGGER motion_no_update")
        rows.execute("UPDATE motion SET swaps = ?", [swaps])
    rows.close()
    with Store.open(path) as again, pytest.raises(ProjectError, match="damaged"):
        again.state(clip_id)


class TestAvatars:
    def test_are_kept_once_and_fetched_for_the_next_fit(self, store, clip_id, video):
        result = make_findings(video)
        apply(store, clip_id, result)
        assert store.avatars(clip_id) == result.appearance
        count = chunks(store)
        apply(store, clip_id, result)
        assert chunks(store) == count

    def test_stay_where_a_fit_learns_none(self, store, clip_id, video):
        result = make_findings(video)
        apply(store, clip_id, result)
        apply(store, clip_id, make_fit(video, seed=3))
        apply(store, clip_id, replace(make_fit(video, seed=4), appearance={1: b"newer"}))
        assert store.avatars(clip_id) == {0: result.appearance[0], 1: b"newer"}

    def test_undo_gives_back_the_one_before(self, store, clip_id, video):
        apply(store, clip_id, make_findings(video))
        apply(store, clip_id, make_findings(video, seed=1))
        store.undo(clip_id)
        assert store.avatars(clip_id) == make_findings(video).appearance
        store.undo(clip_id)
        assert store.avatars(clip_id) == {}

    def test_are_offered_to_other_clips_of_who_has_the_same_name(self, store, clip_id, video):
        other = make_video(30, "later")
        later = add_fitted(store, other)
        store.rename_identity(clip_id, 1, "Ann")
        apply(store, clip_id, make_findings(video))
        assert store.avatars(later) == {}  # two clips may both have a Person 1
        store.rename_identity(later, 0, "ann")
        assert store.avatars(later) == {0: make_findings(video).appearance[1]}
        store.apply_fit(
            later, replace(make_fit(other), appearance={0: b"own"}), FrameRange(0, 30),
            store.head(later).id,
        )  # fmt: skip
        assert store.avatars(later) == {0: b"own"}
        assert store.avatars(clip_id)[1] == make_findings(video).appearance[1]

    def test_of_nobody_in_the_clip_are_refused(self, store, clip_id, video):
        with pytest.raises(EditError, match="other people"):
            apply(store, clip_id, replace(make_fit(video), appearance={2: b"who"}))

    def test_that_were_tampered_with_are_not_handed_out(self, store, clip_id, video):
        path = store.info().path
        apply(store, clip_id, make_findings(video))
        digest = store.state(clip_id).avatars[0]
        store.close()
        with sqlite3.connect(path) as rows:
            rows.execute("DROP TRIGGER array_chunk_no_update")
            rows.execute(
                "UPDATE array_chunk SET data = (SELECT data FROM array_chunk LIMIT 1) "
                "WHERE digest = (SELECT substr(chunks, 1, 16) FROM array WHERE hex(digest) = ?)",
                [digest.upper()],
            )
        rows.close()
        with Store.open(path) as again, pytest.raises(ProjectError, match="damaged"):
            again.avatars(clip_id)


class TestLastFit:
    def test_is_the_newest_that_the_head_descends_from(self, store, clip_id, video):
        result = replace(make_findings(video), outcome=Outcome.STEP_LIMIT)
        apply(store, clip_id, result, FrameRange(10, 20))
        store.set_height(clip_id, 0, 1.8)
        fit = store.last_fit(clip_id)
        assert fit is not None and fit.outcome == "step limit" and fit == store.fits(clip_id)[-1]
        store.undo(clip_id)
        store.undo(clip_id)
        assert store.last_fit(clip_id) == store.fits(clip_id)[0]

    def test_is_none_before_the_first(self, store, video):
        clip = store.add_clip(video).clip_id
        assert store.last_fit(clip) is None


def test_a_part_alone_may_come_without_the_clip_around_it(store, clip_id, video):
    """A result may hold the fitted frames alone."""
    state, part = store.state(clip_id), make_video(20)
    result = make_findings(part, swaps=())
    after = fitted.apply_fit(state, result, FrameRange(40, 60), video.times)
    assert same(after.proxemics[0].facing[:, 40:60], result.proxemics[0].facing)
    assert same(
        after.diagnostics.reasons["identity"][:, 40:60], result.diagnostics.reasons["identity"]
    )


def chunks(store: Store) -> int:
    with sqlite3.connect(f"file:{store.info().path}?mode=ro", uri=True) as rows:
        (count,) = rows.execute("SELECT count(*) FROM array_chunk").fetchone()
    rows.close()
    return int(count)
