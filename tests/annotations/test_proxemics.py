"""How two people stand to each other: as people say it, and as fits find it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotations import edits, fitted, observed, proxemics
from annotations.errors import EditError
from annotations.records import ClipState
from engine.structures import ZONES, FrameRange, ProxemicsStatement
from tests.annotations.builders import (
    make_findings,
    make_fit,
    make_observations,
    make_proxemics,
    same,
)

WINDOW, WHOLE = FrameRange(40, 60), FrameRange(0, 150)
VALUES = ("zone", "head_distance", "pelvis_distance", "facing")


@pytest.fixture
def state(video) -> ClipState:
    state = ClipState(edits.default_identities(2))
    state = observed.set_observations(state, make_observations(video), video)
    return fitted.apply_fit(state, make_fit(video), WHOLE, video.times)


def said(start: int, stop: int, **what) -> ProxemicsStatement:
    return ProxemicsStatement(0, 1, FrameRange(start, stop), **what)


class TestStatements:
    def test_what_is_left_open_stays_as_it_was_said(self, state):
        after = proxemics.set_proxemics(state, said(40, 60, zone="personal"))
        after = proxemics.set_proxemics(after, said(50, 70, pelvis_distance=0.9))
        assert after.constraints.proxemics == (
            said(40, 50, zone="personal"),
            said(50, 60, zone="personal", pelvis_distance=0.9),
            said(60, 70, pelvis_distance=0.9),
        )
        assert after.edited == (FrameRange(40, 70),)

    def test_the_other_order_of_the_two_means_the_same(self, state):
        turned = ProxemicsStatement(1, 0, WINDOW, facing=(1.0, None))
        after = proxemics.set_proxemics(state, turned)
        assert after.constraints.proxemics == (said(40, 60, facing=(None, 1.0)),)

    def test_a_new_zone_wins_over_a_distance_that_contradicts_it(self, state):
        after = proxemics.set_proxemics(state, said(40, 60, head_distance=0.8))
        near = proxemics.set_proxemics(after, said(40, 60, zone="personal"))
        assert near.constraints.proxemics == (said(40, 60, zone="personal", head_distance=0.8),)
        nearer = proxemics.set_proxemics(after, said(40, 60, zone="intimate"))
        assert nearer.constraints.proxemics == (said(40, 60, zone="intimate"),)

    def test_a_new_distance_wins_over_a_zone_that_contradicts_it(self, state):
        after = proxemics.set_proxemics(state, said(40, 60, zone="social"))
        after = proxemics.set_proxemics(after, said(40, 50, head_distance=0.4))
        assert after.constraints.proxemics == (
            said(40, 50, head_distance=0.4), said(50, 60, zone="social"),
        )  # fmt: skip

    def test_can_be_taken_back_in_a_part_of_their_frames(self, state):
        after = proxemics.set_proxemics(state, said(40, 60, zone="social"))
        after = proxemics.clear_proxemics(after, (1, 0), FrameRange(45, 50))
        assert [s.frames for s in after.constraints.proxemics] == [
            FrameRange(40, 45), FrameRange(50, 60),
        ]  # fmt: skip
        assert proxemics.at(after.constraints.proxemics, (1, 0), 47) is None
        assert proxemics.at(after.constraints.proxemics, (1, 0), 44).zone == "social"
        cleared = proxemics.clear_proxemics(after, (0, 1), WHOLE)
        assert cleared.constraints.proxemics == ()

    @pytest.mark.parametrize(
        ("what", "sentence"),
        [
            ({}, "Say how they stand"),
            ({"head_distance": -0.1}, "in metres"),
            ({"pelvis_distance": float("nan")}, "in metres"),
            ({"facing": (1.5, None)}, "cosine"),
            ({"zone": "social", "head_distance": 0.2}, "contradict"),
        ],
    )
    def test_nonsense_is_refused(self, state, what, sentence):
        with pytest.raises(EditError, match=sentence):
            proxemics.set_proxemics(state, said(40, 60, **what))

    def test_are_of_two_people(self, state):
        with pytest.raises(EditError, match="of two people"):
            proxemics.set_proxemics(state, ProxemicsStatement(0, 0, WINDOW, "social"))

    @pytest.mark.parametrize(
        ("metres", "zone"),
        [(0.44, "intimate"), (0.45, "personal"), (1.2, "social"), (3.6, "public")],
    )
    def test_zones_end_where_hall_says(self, metres, zone):
        assert proxemics.zone_of(metres) == zone

    @given(
        st.lists(
            st.tuples(
                st.integers(0, 9), st.integers(1, 5), st.sampled_from([*ZONES, None]),
                st.sampled_from([0.3, 1.0, None]), st.sampled_from([0.5, None]),
            ),
            max_size=6,
        )
    )  # fmt: skip
    def test_of_every_frame_the_newest_words_hold(self, words):
        """The canonical form against a plain table of frames."""
        table: list[dict] = [{} for _ in range(15)]
        kept: tuple[ProxemicsStatement, ...] = ()
        for start, length, zone, heads, pelvises in words:
            if zone is not None and heads is not None and proxemics.zone_of(heads) != zone:
                heads = None
            what = {"zone": zone, "head_distance": heads, "pelvis_distance": pelvises}
            what = {name: value for name, value in what.items() if value is not None}
            if not what:
                continue
            kept = proxemics.with_statement(kept, said(start, start + length, **what))
            for frame in range(start, start + length):
                entry = {**table[frame], **what}
                zone_now, heads_now = entry.get("zone"), entry.get("head_distance")
                if zone_now and heads_now and proxemics.zone_of(heads_now) != zone_now:
                    del entry["zone" if "head_distance" in what else "head_distance"]
                table[frame] = entry
        for frame, entry in enumerate(table):
            at = proxemics.at(kept, (0, 1), frame)
            assert (at is None) == (not entry)
            assert all(at is None or getattr(at, name) == entry.get(name) for name in VALUES[:3])
        assert all(
            a.frames.stop < b.frames.start or replace(a, frames=WINDOW) != replace(b, frames=WINDOW)
            for a, b in pairwise(kept)
        )


class TestFound:
    def test_a_fit_of_the_whole_clip_is_taken_over(self, state, video):
        result = make_findings(video)
        after = fitted.apply_fit(state, result, WHOLE, video.times)
        assert same(after.proxemics, result.proxemics)

    def test_a_fit_of_a_part_leaves_the_rest(self, state, video):
        old = fitted.apply_fit(state, make_findings(video), WHOLE, video.times)
        new = make_findings(video, seed=1)
        after = fitted.apply_fit(old, new, WINDOW, video.times).proxemics[0]
        before, fresh = old.proxemics[0], new.proxemics[0]
        assert same(after.facing[:, 40:60], fresh.facing[:, 40:60])
        assert same(after.facing[:, :40], before.facing[:, :40])
        assert same(after.head_deviation[60:], before.head_deviation[60:])

    def test_where_no_fit_said_it_nothing_is_known(self, state, video):
        after = fitted.apply_fit(state, make_findings(video), WINDOW, video.times).proxemics[0]
        assert (after.zone[:40] == -1).all() and (after.zone[40:60] >= 0).all()
        assert np.isnan(after.head_distance[60:]).all() and after.zone.dtype == np.int8

    def test_a_fit_that_does_not_say_it_makes_it_unknown(self, state, video):
        old = fitted.apply_fit(state, make_findings(video), WHOLE, video.times)
        after = fitted.apply_fit(old, make_fit(video), WINDOW, video.times).proxemics[0]
        assert (after.zone[40:60] == -1).all() and (after.zone[:40] >= 0).all()

    @pytest.mark.parametrize(
        ("found", "sentence"),
        [
            (make_proxemics(150, pair=(0, 2)), "other people"),
            (make_proxemics(149), "not whole: zone"),
        ],
    )
    def test_of_other_people_or_frames_it_is_refused(self, state, video, found, sentence):
        wrong = replace(make_fit(video), proxemics=(found,))
        with pytest.raises(EditError, match=sentence):
            fitted.apply_fit(state, wrong, WHOLE, video.times)
