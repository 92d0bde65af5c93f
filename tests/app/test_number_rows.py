"""Numbers leave Dyad in one form: rows, as a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.number_rows import columns_of, print_table, table_lines, write_json
from app.output_place import check_place
from engine.errors import InputError

ROWS = [
    {"way": "ours", "level": "clean", "frames": 48, "mpjpe_mm": 61.234, "share": 0.5},
    {"way": "another", "level": "seen", "frames": 7, "mpjpe_mm": float("nan"), "note": "lost one"},
]


def test_columns_stand_in_order_of_appearance_over_all_rows():
    assert columns_of(ROWS) == ["way", "level", "frames", "mpjpe_mm", "share", "note"]


def test_a_table_names_its_columns_and_says_where_there_is_nothing():
    assert table_lines(ROWS) == [
        "way      level  frames  mpjpe_mm  share  note",
        "ours     clean      48     61.23  0.500  -",
        "another  seen        7         -      -  lost one",
    ]


def test_chosen_columns_stand_in_the_order_chosen(capsys):
    print_table(ROWS, ["way", "share"])
    assert capsys.readouterr().out.splitlines() == [
        "way      share",
        "ours     0.500",
        "another      -",
    ]


def test_all_numbers_of_a_column_have_as_many_decimals():
    rows = [{"ms": 1234.5}, {"ms": 0.01}]
    assert table_lines(rows) == ["  ms", "1234", "   0"]
    assert table_lines([{"m": 3.2e-7}, {"m": 0.0}]) == ["      m", "3.2e-07", "0.0e+00"]


def test_a_table_too_wide_goes_on_below_and_repeats_who_it_speaks_of():
    lines = table_lines(ROWS, width=32)
    assert lines[0].split() == ["way", "level", "frames", "mpjpe_mm"]
    assert lines[3] == ""
    assert lines[4].split() == ["way", "level", "share", "note"]
    assert lines[6].split() == ["another", "seen", "-", "lost", "one"]


def test_rows_without_text_have_no_leading_columns():
    lines = table_lines([{"a": 1, "b": 2}], width=1)
    assert lines == ["a", "1", "", "b", "2"]


def test_json_holds_the_columns_unrounded_and_null_for_what_is_no_number(tmp_path: Path):
    path = tmp_path / "rows.json"
    write_json(path, [*ROWS, {"way": "é", "frames": np.int64(3), "share": np.float32(0.25)}])
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert rows[0] == ROWS[0]
    assert rows[1]["mpjpe_mm"] is None
    assert rows[2] == {"way": "é", "frames": 3, "share": 0.25}
    assert [file.name for file in tmp_path.iterdir()] == ["rows.json"]


def test_a_file_that_cannot_be_written_is_named_and_keeps_what_it_held(tmp_path: Path):
    with pytest.raises(InputError, match=r"Cannot write .*rows\.json"):
        write_json(tmp_path / "absent" / "rows.json", ROWS)
    (tmp_path / "rows.json").write_text("before")
    with pytest.raises(TypeError):
        write_json(tmp_path / "rows.json", [{"way": object()}])  # type: ignore[dict-item]
    assert (tmp_path / "rows.json").read_text() == "before"


@pytest.mark.parametrize("name", ["absent/rows.json", "."])
def test_a_place_is_refused_before_the_work(tmp_path: Path, name: str):
    with pytest.raises(InputError):
        check_place(tmp_path / name)


def test_no_place_and_a_good_place_are_right(tmp_path: Path):
    check_place(None)
    check_place(tmp_path / "rows.json")
