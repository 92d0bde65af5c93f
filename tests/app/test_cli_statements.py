"""How people stand, whom not to believe and who is exchanged, on the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from annotations.store import Store
from app import cli
from engine.structures import FrameRange, ProxemicsStatement, SwapProposal, Trust
from tests.annotations.builders import make_findings, same

NEAR, FAR = (SwapProposal(0, 1, FrameRange(a, a + 6), 60.5, 21.25) for a in (4, 20))


@pytest.fixture
def project(fitted_project: Path, video) -> Path:
    """A clip whose newest fit proposes two swaps."""
    with Store.open(fitted_project) as store:
        result = make_findings(video, swaps=(NEAR, FAR))
        store.apply_fit(1, result, FrameRange(0, video.frame_count), store.head(1).id)
    return fitted_project


@pytest.fixture
def run(project, capsys):
    """Runs a command on the project in this process: exit code, stdout, stderr."""

    def command(*arguments: object) -> SimpleNamespace:
        capsys.readouterr()
        code = cli.main([*(str(argument) for argument in arguments), "--project", str(project)])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return command


def state(project: Path):
    with Store.open(project) as store:
        return store.state(1)


class TestTrust:
    def test_is_said_listed_and_taken_back(self, project, run):
        words = run("trust", "--person", 2, "--frames", "3:9").out
        assert words == "Do not trust detections of person 2, frames 3-8\n"
        run("trust", "--person", 1, "--frames", "5", "--weight", 0.25)
        assert state(project).constraints.trust == (
            Trust(1, FrameRange(3, 9), 0.0), Trust(0, FrameRange(5, 6), 0.25),
        )  # fmt: skip
        assert run("trust").out == (
            "frames 3:9  person 2  not believed\nframes 5:6  person 1  believed by 25 %\n"
        )
        run("trust", "--person", 2, "--frames", "3:9", "--off")
        assert state(project).constraints.trust == (Trust(0, FrameRange(5, 6), 0.25),)

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--person", 2], "in which frames"),
            (["--person", 3, "--frames", "3:9"], "no such person"),
            (["--person", 1, "--frames", "3:900"], "not a part of the clip"),
            (["--person", 1, "--frames", "3:9", "--weight", 1.5], "less than or equal to 1"),
        ],
    )
    def test_nonsense_is_one_sentence(self, run, arguments, sentence):
        result = run("trust", *arguments)
        assert result.code == 2 and sentence in result.err and result.err.count("\n") == 1


class TestProxemics:
    def test_are_said_listed_and_taken_back(self, project, run):
        words = run("proxemics", "--frames", "3:9", "--zone", "personal", "--pelvises", 0.9).out
        assert words == "Say how they stand: personal, pelvises 0.90 m, frames 3-8\n"
        run("proxemics", "--frames", "3:9", "--facing", "2:away", "--facing", "1:0.5")
        said = ProxemicsStatement(0, 1, FrameRange(3, 9), "personal", None, 0.9, facing=(0.5, -1.0))
        assert state(project).constraints.proxemics == (said,)
        listed = run("proxemics").out.splitlines()
        assert listed[0].startswith("said   3:9  personal, pelvises 0.90 m, person 1 ")
        assert listed[1].startswith("found  0:") and "social" in listed[1]
        assert "intimate" in listed[-1]
        run("proxemics", "--frames", "3:9", "--off")
        assert state(project).constraints.proxemics == ()

    def test_of_every_frame_can_be_written_as_json(self, project, run, tmp_path):
        run("proxemics", "--frames", "3:9", "--heads", 0.8)
        run("proxemics", "--json", tmp_path / "rows.json")
        rows = json.loads((tmp_path / "rows.json").read_text())
        found = state(project).proxemics[0]
        assert len(rows) == len(found.zone)
        assert rows[4]["head_m"] == found.head_distance[4] and rows[4]["said_head_m"] == 0.8
        assert rows[4]["facing_b"] == found.facing[1, 4] and rows[9]["said_head_m"] is None

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--zone", "social"], "in which frames"),
            (["--frames", "3:9", "--zone", "cosy"], "cosy"),
            (["--frames", "3:9", "--facing", "1:up"], "PERSON:HOW"),
            (["--frames", "3:9", "--facing", "3:away"], "one of the two"),
            (["--frames", "3:9", "--zone", "social", "--heads", 0.2], "contradict"),
            (["--frames", "3:9", "--zone", "social", "--json", "x.json"], "for the list"),
        ],
    )
    def test_nonsense_is_one_sentence(self, run, arguments, sentence):
        result = run("proxemics", *arguments)
        assert result.code == 2 and sentence in result.err and result.err.count("\n") == 1


class TestSwaps:
    def test_are_listed_with_what_they_cost(self, run, tmp_path):
        out = run("swaps", "--json", tmp_path / "swaps.json").out
        assert "cost_before_nats" in out and "60.50" in out and "21.25" in out
        rows = json.loads((tmp_path / "swaps.json").read_text())
        assert [(r["number"], r["start"], r["stop"]) for r in rows] == [(1, 4, 10), (2, 20, 26)]

    def test_one_is_accepted_by_swapping_the_people_there(self, project, run):
        before = state(project)
        result = run("swaps", "--accept", 2)
        after = state(project)
        assert "Swap people, frames 20-25" in result.out and "Fit these frames" in result.out
        old, new = before.observations.keypoints2d, after.observations.keypoints2d
        assert same(new[0, 20:26], old[1, 20:26]) and same(new[:, :20], old[:, :20])
        assert after.open_swaps == (NEAR,) and after.edited == (FrameRange(20, 26),)

    def test_one_is_dismissed_for_good(self, project, run, video):
        run("swaps", "--dismiss", 1)
        assert state(project).open_swaps == (FAR,)
        with Store.open(project) as store:
            again = make_findings(video, swaps=(replace(NEAR, frames=FrameRange(3, 10)),))
            store.apply_fit(1, again, FrameRange(0, video.frame_count), store.head(1).id)
        assert run("swaps").out == "Nobody seems to be exchanged.\n"

    def test_there_must_be_such_a_proposal(self, run):
        result = run("swaps", "--accept", 3)
        assert result.code == 2 and "1 to 2" in result.err
        assert run("swaps", "--accept", 1, "--dismiss", 2).code == 2
