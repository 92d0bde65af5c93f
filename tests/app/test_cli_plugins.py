"""Parts of detection and fit are listed and chosen by name on the command line."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from annotations.store import Store
from app import cli, worker
from app.doctor import examine
from engine.perception.request import PerceptionParts
from engine.structures import PerceptionProgress
from tests.annotations.builders import make_observations


@pytest.fixture
def run(capsys):
    def command(*arguments: object) -> SimpleNamespace:
        capsys.readouterr()
        code = cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return command


@pytest.fixture
def rtmdet(install):
    entry_points = {"dyad.detectors": {"rtmdet": "rtm:D"}, "dyad.trackers": {"byte": "rtm:T"}}
    source = "class D:\n    def detect(self, images): return []\n"
    install("rtm", source, entry_points, distribution="dyad-rtm", version="2.0")


@pytest.fixture
def project(tmp_path, video) -> Path:
    path = tmp_path / "study.dyad"
    with Store.create(path) as store:
        store.add_clip(video)
    return path


def test_every_kind_is_listed_with_what_there_is_of_it(run, rtmdet):
    done = run("plugins")
    assert done.code == 0
    assert [line.split() for line in done.out.splitlines()[:3]] == [
        ["detector", "dyad", "built", "in"],
        ["rtmdet", "dyad-rtm", "2.0"],
        ["pose", "estimator", "dyad", "built", "in"],
    ]


def test_a_check_loads_them_and_says_what_fails(run, rtmdet):
    done = run("plugins", "--check")
    assert done.code == 1
    assert "tracker plugin 'byte' could not be loaded: AttributeError" in done.out
    assert "Traceback" not in done.out + done.err


def test_a_check_without_plugins_finds_nothing_wrong(run):
    assert run("plugins", "--check").out.endswith("Every plugin can be loaded.\n")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("detect --project {0} --detector yolo", "no detector called 'yolo'; expected 'dyad' or"),
        ("detect --project {0} --tracker rtmdet", "no tracker called 'rtmdet'; expected 'dyad'"),
        ("detect --project {0} --pose-estimator x", "no pose estimator called 'x'"),
        ("detect --project {0} --segmenter sam2", "no segmenter called 'sam2'"),
        ("fit --project {0} --initializer hmr", "no body initialiser called 'hmr'"),
    ],
)
def test_what_is_not_installed_is_said_before_the_work(run, rtmdet, project, command, said):
    before = project.read_bytes()
    done = run(*command.format(project).split())
    assert done.code == 2 and said in done.err and done.err.count("\n") == 1
    assert project.read_bytes() == before


def test_who_detected_is_told_to_the_worker_and_kept(run, rtmdet, project, video, monkeypatch):
    asked = []

    def perceive(of, request, scratch):
        asked.append(request["parts"])
        yield PerceptionProgress("detecting", 0.5, None)
        return make_observations(of)

    monkeypatch.setattr(worker, "perceive", perceive)
    done = run("detect", "--project", project, "--detector", "rtmdet")
    assert done.code == 0, done.err
    assert asked == [PerceptionParts(detector="rtmdet")]
    with closing(sqlite3.connect(project)) as connection:
        ((provenance,),) = connection.execute("SELECT provenance FROM observation").fetchall()
    assert json.loads(provenance) == {
        "source": "perception",
        "detector": "rtmdet",
        "pose_estimator": "dyad",
        "tracker": "dyad",
        "segmenter": "dyad",
    }


def test_the_doctor_names_what_is_installed(rtmdet):
    (finding,) = [finding for finding in examine() if finding.subject == "plugins"]
    assert finding.state == "ok" and finding.detail == "dyad-rtm 2.0"
