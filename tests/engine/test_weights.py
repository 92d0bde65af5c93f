"""The manifest describes what lies in weights/; what is missing or altered is refused by name."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from engine import weights
from engine.errors import WeightError

CONTENT = b"numbers of a model"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of one weight file."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "net.onnx").write_bytes(CONTENT)
    write_manifest(folder, "net.onnx")
    return folder


def write_manifest(folder: Path, path: str) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    (folder / "manifest.toml").write_text(
        f'[[file]]\nname = "net"\npath = "{path}"\nsha256 = "{digest}"\n'
        'licence = "MIT"\nsource = "a test"\n'
    )


def test_every_file_of_the_repository_is_unaltered() -> None:
    states = {status.file.name: status.state for status in weights.status()}
    assert set(states.values()) == {"ok"}, states


def test_every_file_of_the_repository_is_licensed_and_small_enough() -> None:
    texts = "".join(path.name for path in (weights.WEIGHTS_DIR / "licences").iterdir())
    for status in weights.status():
        assert status.file.source
        assert status.file.licence == "MIT" or status.file.licence in texts
        assert 0 < status.size < 50 * 2**20


def test_the_open_bodies_take_at_most_two_mebibytes() -> None:
    sizes = [s.size for s in weights.status() if s.file.name.startswith("open-body")]
    assert len(sizes) == 4
    assert sum(sizes) <= 2 * 2**20


def test_find_gives_the_entry_of_a_good_file(root: Path) -> None:
    file = weights.find("net", root)
    assert file.path == root / "net.onnx"
    assert (file.licence, file.source) == ("MIT", "a test")
    weights.verify(file)


def test_an_unknown_name_is_refused_with_the_known_ones(root: Path) -> None:
    with pytest.raises(WeightError, match="'nett'; expected one of net"):
        weights.find("nett", root)


def test_a_missing_file_is_named(root: Path) -> None:
    (root / "net.onnx").unlink()
    with pytest.raises(WeightError, match=r"net\.onnx is missing.*git checkout"):
        weights.find("net", root)
    assert [s.state for s in weights.status(root)] == ["missing"]


def test_an_altered_file_is_refused_also_after_it_was_good(root: Path) -> None:
    file = weights.find("net", root)
    file.path.write_bytes(CONTENT + b"!")
    with pytest.raises(WeightError, match=r"net\.onnx is not the one"):
        weights.find("net", root)
    with pytest.raises(WeightError):
        weights.verify(file)
    assert [s.state for s in weights.status(root)] == ["altered"]


def test_a_verified_file_is_not_hashed_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights.find("net", root)
    hashed: list[Path] = []
    monkeypatch.setattr(weights, "sha256_of", lambda path: hashed.append(path) or "")
    weights.find("net", root)
    assert hashed == []
    os.utime(root / "net.onnx", (1, 1))
    with pytest.raises(WeightError):
        weights.find("net", root)
    assert hashed == [root / "net.onnx"]


def test_find_works_where_no_cache_can_be_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "net.onnx"))
    assert weights.find("net", root).name == "net"


def test_a_manifest_that_points_outside_is_refused(root: Path) -> None:
    (root.parent / "secret").write_bytes(CONTENT)
    write_manifest(root, "../secret")
    weights.read_manifest.cache_clear()
    with pytest.raises(WeightError, match="outside"):
        weights.find("net", root)


@pytest.mark.parametrize("text", ["", "[[file]]\nname = 1", "not toml ["])
def test_a_damaged_manifest_is_refused(root: Path, text: str) -> None:
    (root / "manifest.toml").write_text(text)
    weights.read_manifest.cache_clear()
    with pytest.raises(WeightError, match=r"manifest\.toml cannot be read"):
        weights.find("net", root)
