"""A command that cannot be used says why, and what comes first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.actions import ACTIONS
from app.availability import DETECTING, Situation, obstacle

EMPTY = Situation()
IMPORTED = Situation(project=True, clip=True)
DETECTED = replace(IMPORTED, people=True)
FITTED = replace(DETECTED, bodies=True)


def why_not(name: str, now: Situation) -> str:
    return obstacle(next(spec for spec in ACTIONS if spec.id == name), now)


@pytest.mark.parametrize(
    ("name", "now", "advice"),
    [
        ("swap", EMPTY, "Import a video"),
        ("swap", IMPORTED, "Detect the people first"),
        ("accept", DETECTED, "Fit the bodies first"),
        ("accept", replace(DETECTED, fitting=True), "being fitted"),
        ("keep", FITTED, "no new bodies"),
        ("export", EMPTY, "Open a project"),
        ("undo", FITTED, "nothing to undo"),
        ("redo", FITTED, "nothing to do again"),
        ("cancel_job", FITTED, "Nothing is running"),
    ],
)
def test_what_is_missing_is_named_first_things_first(name, now, advice):
    assert advice in why_not(name, now)


@pytest.mark.parametrize("name", ["detect", "detect_again"])
def test_people_are_not_detected_twice_at_once(name):
    assert not why_not(name, DETECTED)
    assert why_not(name, replace(DETECTED, detecting=True)) == DETECTING


def test_what_needs_people_waits_for_those_that_are_being_detected():
    assert why_not("swap", replace(IMPORTED, detecting=True)) == DETECTING
    assert not why_not("tool_box", replace(IMPORTED, detecting=True))


def test_a_fit_can_be_discarded_before_it_has_shown_anything():
    assert not why_not("discard", replace(DETECTED, fitting=True))
    assert why_not("keep", replace(DETECTED, fitting=True))


def test_every_command_can_be_used_at_some_time():
    everything = Situation(
        project=True, clip=True, people=True, bodies=True, candidate=True, working=True,
        undo="Swap people", redo="Swap people",
    )  # fmt: skip
    assert [spec.id for spec in ACTIONS if obstacle(spec, everything)] == []
