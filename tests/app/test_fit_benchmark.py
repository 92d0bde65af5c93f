"""`bench fit` on the command line: what it prints, draws and refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.benchmark_plot import DRAWN, panels, write_plot
from app.cli import main
from app.fit_benchmark import FitResults, print_results
from engine.benchmark.table import COMPARED, change_of
from engine.metrics import METRICS


def row(configuration: str, level: str, mpjpe: float, change: float | None = None):
    numbers = dict.fromkeys(METRICS, 0.5) | {"mpjpe_mm": mpjpe}
    costs = {"seconds_per_frame": 0.1, "peak_mb": 500.0, "cases": 4, "failed": 0}
    changes = dict.fromkeys(map(change_of, COMPARED), change)
    return {"configuration": configuration, "level": level} | numbers | costs | changes


ROWS = [
    row("truth", "", 0.0),
    row("per-person", "clean", 50.0),
    row("per-person", "detector", 90.0),
    row("joint", "clean", 45.0, -0.1),
    row("joint", "detector", float("nan"), 0.25),
]


def test_means_and_changes_are_printed_as_tables(capsys):
    print_results(FitResults("Suite tiny", ROWS, []), cases=False)
    text = capsys.readouterr().out
    assert "Suite tiny" in text
    for name in (*METRICS, "seconds_per_frame", "peak_mb", "mpjpe_change"):
        assert name in text
    changed = text[text.index("Change against") :]
    assert "-0.100" in changed and "per-person" not in changed


def test_cases_are_printed_where_asked_for(capsys):
    cases = [{"suite": "tiny", "configuration": "joint", "level": "clean", "case": "a 0:64"}]
    print_results(FitResults("Suite tiny", ROWS, cases), cases=True)
    assert "joint          clean  a 0:64" in capsys.readouterr().out


def test_the_plot_has_a_panel_for_each_number_and_a_line_for_each_way():
    drawn = panels(ROWS)
    assert [panel.title for panel in drawn] == list(DRAWN)
    first = drawn[0]
    assert first.places == ("clean", "detector")
    assert [line.name for line in first.lines] == ["per-person", "joint"]
    assert list(first.lines[0].y) == [50.0, 90.0]
    assert first.lines[1].y[0] == 45.0 and np.isnan(first.lines[1].y[1])


def test_the_plot_is_a_picture(tmp_path: Path):
    write_plot(tmp_path / "plot.png", ROWS)
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.width > 1000
        assert len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) > 20


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--configuration magic", "There is no such configuration"),
        ("--level loud", "There is no such level"),
        ("--motion {0}", "There is no motion in"),
        ("--motion {0}/absent", "There is no folder"),
        ("--json {0}/absent/rows.json", "There is no folder"),
        ("--plot {0}", "Cannot write"),
        ("--plot {0}/plot.txt", "Plots are drawn as PNG; expected NAME.png, received plot.txt"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path, capsys, words, sentence):
    assert main(["bench", "fit", "--quick", *words.format(tmp_path).split()]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
