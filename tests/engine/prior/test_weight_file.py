"""The prior's weight file: back as it was written, and whatever else it may be is refused."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import InputError
from engine.prior.denoiser import Denoiser, DenoiserConfig
from engine.prior.prior import Prior
from engine.prior.weight_file import FORMAT, read_weights, write_weights
from tests.engine.prior.people import SKELETON

SMALL = DenoiserConfig(width=16, blocks=1, heads=2, modulation=8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "prior.safetensors"
    write_weights(path, Denoiser(SMALL), SKELETON)
    return path


def header(**changes: str) -> dict[str, str]:
    return {"format": FORMAT, "body": "open-body", **SMALL.as_text(), **changes}


def rewrite(path: Path, metadata: dict[str, str] | None, **changes: torch.Tensor) -> None:
    save_file({**load_file(path), **changes}, path, metadata=metadata)


@pytest.mark.parametrize("config", [SMALL, replace(SMALL, partner=False), replace(SMALL, blocks=2)])
def test_what_is_written_comes_back_in_half_precision(
    tmp_path: Path, config: DenoiserConfig
) -> None:
    network = Denoiser(config)
    write_weights(tmp_path / "x.safetensors", network, SKELETON)
    back, skeleton = read_weights(tmp_path / "x.safetensors")
    assert back.config == config
    for name, value in network.state_dict().items():
        assert torch.equal(back.state_dict()[name], value.half().float()), name
    assert torch.equal(skeleton.J_template, SKELETON.J_template)
    assert torch.equal(skeleton.J_shapedirs, SKELETON.J_shapedirs)
    assert not back.training


def test_a_prior_is_small_enough_to_ship(tmp_path: Path) -> None:
    write_weights(tmp_path / "x.safetensors", Denoiser(), SKELETON)
    assert (tmp_path / "x.safetensors").stat().st_size < 8e6


def test_nothing_else_is_left_beside_it(path: Path) -> None:
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no weight file nowhere\.safetensors"):
        Prior.load(tmp_path / "nowhere.safetensors")
    with pytest.raises(InputError, match="no weight file"):
        Prior.load(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"these are no weights\n" * 40,
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 40) + b"[" * 40,
        b"\x00" * 100,
    ],
    ids=["empty", "text", "huge header", "broken header", "zeros"],
)
def test_other_content(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a weight file of the prior") as refused:
        read_weights(path)
    assert len(str(refused.value)) < 400


def test_a_damaged_file(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="not a weight file of the prior"):
        read_weights(path)


def test_a_file_larger_than_any_prior(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(300 * 2**20)
    with pytest.raises(InputError, match="received a file of 300 MB"):
        read_weights(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"format": "x" * 5000}])
def test_safetensors_of_something_else(path: Path, metadata: dict[str, str] | None) -> None:
    rewrite(path, metadata)
    with pytest.raises(InputError, match="not a weight file of the prior") as refused:
        read_weights(path)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("body", ["smpl", "", "y" * 5000])
def test_a_prior_of_another_body(path: Path, body: str) -> None:
    rewrite(path, header(body=body))
    with pytest.raises(InputError, match="for another body; expected open-body") as refused:
        read_weights(path)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "changes",
    [
        {"width": "32"},
        {"blocks": "3"},
        {"partner": "False"},
        {"width": "9999999"},
        {"heads": "0"},
        {"width": "x" * 5000},
    ],
    ids=str,
)
def test_a_prior_of_another_architecture(path: Path, changes: dict[str, str]) -> None:
    rewrite(path, header(**changes))
    with pytest.raises(InputError, match="of another architecture") as refused:
        read_weights(path)
    assert len(str(refused.value)) < 500


def test_a_prior_that_does_not_say_its_architecture(path: Path) -> None:
    rewrite(path, {"format": FORMAT, "body": "open-body"})
    with pytest.raises(InputError, match="of another architecture"):
        read_weights(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["head.weight", "skeleton.J_template"])
def test_weights_that_are_not_numbers(path: Path, name: str, value: float) -> None:
    tensor = load_file(path)[name]
    tensor.view(-1)[3] = value
    rewrite(path, header(), **{name: tensor})
    with pytest.raises(InputError, match="not numbers"):
        read_weights(path)


def test_a_header_that_asks_for_more_memory_than_there_is_costs_none(path: Path) -> None:
    rewrite(path, header(width="4096", blocks="64", heads="2", expansion="4096"))
    with pytest.raises(InputError, match="of another architecture"):
        read_weights(path)


def test_a_skeleton_of_another_shape(path: Path) -> None:
    rewrite(path, header(), **{"skeleton.J_template": torch.zeros(22, 3)})
    with pytest.raises(InputError, match="of another architecture"):
        read_weights(path)
