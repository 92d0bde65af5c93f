"""Means over cases, and changes against rows that were kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.benchmark.baseline import FOLDER, frozen_rows
from engine.benchmark.configurations import BASELINE
from engine.benchmark.levels import LEVELS
from engine.benchmark.table import COMPARED, FROZEN, change_of, compared
from engine.errors import InputError


def row(configuration: str, level: str = "clean", digest: str = "abc", **numbers: float | None):
    names = {"suite": "tiny", "suite_digest": digest, "configuration": configuration}
    return {**names, "level": level, **numbers}


def test_rows_are_set_beside_the_frozen_one_of_their_level() -> None:
    frozen = [row(BASELINE, "clean", mpjpe_mm=50.0), row(BASELINE, "detector", mpjpe_mm=80.0)]
    now = [
        row("truth", "", mpjpe_mm=0.0),
        row("joint", "clean", mpjpe_mm=40.0),
        row("joint", "detector", mpjpe_mm=100.0),
    ]
    rows = compared(now, frozen)
    assert [(r["configuration"], r["level"]) for r in rows] == [
        (FROZEN, "clean"),
        (FROZEN, "detector"),
        ("truth", ""),
        ("joint", "clean"),
        ("joint", "detector"),
    ]
    assert rows[2]["mpjpe_change"] is None
    assert rows[3]["mpjpe_change"] == pytest.approx(-0.2)
    assert rows[4]["mpjpe_change"] == pytest.approx(0.25)
    assert rows[4]["inter_change"] is None


def test_rows_of_other_cases_are_not_compared() -> None:
    frozen = [row(BASELINE, digest="old", mpjpe_mm=50.0)]
    rows = compared([row("joint", mpjpe_mm=40.0)], frozen)
    assert [r["configuration"] for r in rows] == ["joint"]
    assert rows[0]["mpjpe_change"] is None


def test_each_compared_metric_has_a_column_of_its_own() -> None:
    assert len({change_of(name) for name in COMPARED}) == len(COMPARED)
    assert change_of("pair_pa_mpjpe_mm") == "pair_pa_mpjpe_change"


def test_what_was_kept_is_read_and_only_the_baseline_of_it(tmp_path: Path) -> None:
    rows = [row("truth", ""), row(BASELINE, mpjpe_mm=50.0), row("joint")]
    (tmp_path / "tiny.json").write_text(json.dumps(rows))
    assert frozen_rows("tiny", tmp_path) == [rows[1]]
    assert frozen_rows("another", tmp_path) == []
    assert frozen_rows("tiny", tmp_path, "joint") == [rows[2]]


@pytest.mark.parametrize("text", ["no json", "3", '["row"]', '[{"level": "clean"}]'])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "tiny.json").write_text(text)
    with pytest.raises(InputError, match=r"tiny\.json is not what the benchmark wrote"):
        frozen_rows("tiny", tmp_path)


def test_the_kept_baselines_are_good_enough_to_count() -> None:
    for path in FOLDER.glob("*.json"):
        rows = frozen_rows(path.stem)
        assert rows
        for kept in rows:
            assert kept["suite"] == path.stem
            assert kept["level"] in LEVELS
            assert kept["failed"] == 0
            if kept["level"] == "clean":
                assert kept["mpjpe_mm"] <= 60
