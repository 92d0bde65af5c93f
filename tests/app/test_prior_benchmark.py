"""`bench prior` on the command line: which weights, what it prints, draws and refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from app import prior_sheet
from app.cli import main
from app.prior_benchmark import (
    SHIPPED,
    TABLES,
    all_rows,
    networks,
    print_results,
    sheet_name,
)
from app.prior_sheet import upright, write_sheet
from engine.errors import InputError
from engine.prior.evaluation.running import Evaluation
from engine.prior.windows import PairWindows


@pytest.fixture
def two_files(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    for path in paths:
        path.write_bytes(b"")
    return paths


def test_weights_are_named_or_called_after_their_file(two_files):
    first, second = two_files
    assert networks(()) == {SHIPPED: None}
    found = networks((f"without grappling={first}", str(second)))
    assert found == {"without grappling": first, "b": second}
    assert list(found) == ["without grappling", "b"]


def test_a_name_that_is_taken_is_refused(two_files):
    first, second = two_files
    with pytest.raises(InputError, match="name for weights is taken; received x"):
        networks((f"x={first}", f"x={second}"))
    with pytest.raises(InputError, match="received linear"):
        networks((f"linear={first}",))


def people(count: int, frames: int = 6) -> PairWindows:
    """Two at rest, arms out, who walk past a camera that hangs upside down."""
    step = torch.arange(frames) * 0.1
    pelvis = torch.zeros(count, 2, frames, 3)
    pelvis[..., 0], pelvis[..., 2] = step, 4.0
    pelvis[:, 1, :, 0] += 1.2
    return PairWindows(
        torch.eye(3).expand(count, 2, frames, 24, 3, 3),
        pelvis,
        torch.zeros(count, 2, 10),
        torch.tensor([0.0, 1.0, 0.0]).expand(count, 3),
    )


FOUND = Evaluation(
    numbers=[
        {"method": "per-person (frozen)", "motion": "captured", "mpjpe_mm": 71.4},
        {"method": "ours", "motion": "captured", "mpjpe_mm": 50.0, "infill_8_mm": 20.0,
         "react_mm": 90.0, "same_trial_right": 0.81},
        {"method": "linear", "motion": "captured", "infill_8_mm": 29.0},
    ],
    calibration=[{"method": "ours", "asked": "zone intimate", "in_zone": 0.97}],
    pairs=[{"method": "recorded", "motion": "captured", "contact_share": 0.4}],
    drawn={"ours": people(1)},
)  # fmt: skip


def test_each_question_has_a_table_of_those_who_answer_it(capsys):
    print_results(FOUND)
    text = capsys.readouterr().out
    for table, methods in zip(
        TABLES, (["per-person (frozen)", "ours"], ["ours", "linear"], ["ours"], ["ours"]),
        strict=True,
    ):  # fmt: skip
        _, _, after = text.partition(table.title)
        first = after.strip().split("\n\n")[0].splitlines()
        assert [line.split("  ")[0] for line in first[1:]] == methods
    assert "zone intimate" in text and "recorded" in text
    for table in TABLES:
        assert table.title in text
        assert all(column in text for column in table.columns)


def test_the_file_has_every_row_with_its_table():
    rows = all_rows(FOUND)
    assert [row["table"] for row in rows] == ["numbers"] * 3 + ["calibration", "pairs"]
    assert rows[1]["same_trial_right"] == 0.81


def test_a_sheet_shows_each_window_and_moment(tmp_path, monkeypatch):
    monkeypatch.setattr(prior_sheet, "SIZE", (60, 66))
    write_sheet(tmp_path / "sheet.png", people(2))
    with Image.open(tmp_path / "sheet.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape == (2 * 66, prior_sheet.COLUMNS * 60, 3)
    blue, orange = pixels[..., 2] - pixels[..., 0] > 60, pixels[..., 0] - pixels[..., 2] > 60
    for shown in (blue, orange):
        places = shown.reshape(2, 66, prior_sheet.COLUMNS, 60)
        assert (places.sum(axis=(1, 3)) > 20).all()
    # They stand with their feet down: the widest part, the arms, is in the upper half.
    arms = (blue | orange)[:66, :60].sum(axis=1).argmax()
    assert arms < 33


def test_what_is_up_is_y_and_the_lowest_point_is_the_floor():
    points = np.array([[0.0, -1.0, 2.0], [0.5, 1.0, 2.5]])
    turned = upright(points, np.array([0.0, -1.0, 0.0]))
    np.testing.assert_allclose(turned[:, 1], [2.0, 0.0])
    assert np.linalg.norm(turned[0] - turned[1]) == pytest.approx(
        np.linalg.norm(points[0] - points[1])
    )


@pytest.mark.parametrize(
    ("name", "file"),
    [("prior", "prior.png"), ("without cross-attention", "without-cross-attention.png"),
     ("../a/b", "a-b.png")],
)  # fmt: skip
def test_a_sheet_is_called_after_its_network(name, file):
    assert sheet_name(name) == file


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--weights {0}/absent", "There is no file"),
        ("--weights x={0}/absent", "expected --weights NAME=FILE"),
        ("--weights {0}/no.safetensors", "no.safetensors is not a weight file of the prior"),
        ("--json {0}/absent/rows.json", "There is no folder"),
        ("--sheet {0}/no.safetensors/in", "Cannot make the folder"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path, capsys, words, sentence):
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    assert main(["bench", "prior", "--quick", *words.format(tmp_path).split()]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
