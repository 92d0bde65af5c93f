"""Finds and verifies the weight files listed in `weights/manifest.toml` (standard library only).

Hashing 30 MB at every start would be felt, so `find` trusts a file whose size and modification
time equal those of its last verified hash (kept in the user's cache); `verify` hashes anew.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from engine.errors import WeightError
from engine.stamped_cache import StampedCache

WEIGHTS_DIR = Path(__file__).resolve().parent.parent / "weights"
_VERIFIED = StampedCache("verified-weights")
_ADVICE = "Restore the file from the release, or run `git checkout -- weights`."

State = Literal["ok", "missing", "altered"]


@dataclass(frozen=True)
class WeightFile:
    """One entry of the manifest."""

    name: str
    path: Path
    sha256: str
    licence: str
    """SPDX identifier."""
    source: str
    """Where the file comes from, for the record and for the reader."""


@dataclass(frozen=True)
class WeightStatus:
    """What a full check of one entry found."""

    file: WeightFile
    state: State
    size: int
    """Bytes; 0 where the file is missing."""


def find(name: str, root: Path = WEIGHTS_DIR) -> WeightFile:
    """The entry of that name, its file present and unaltered.

    Raises `WeightError` when the name is unknown, or the file missing or altered.
    """
    files = read_manifest(root)
    if name not in files:
        raise WeightError(
            f"No weight file is called {name!r}", expected="one of " + ", ".join(sorted(files))
        )
    file = files[name]
    state = _quick_state(file)
    if state != "ok":
        raise _error(file, state)
    return file


def verify(file: WeightFile) -> None:
    """Hash the whole file. Raises `WeightError` when it is missing or altered."""
    state = _full_state(file)
    if state != "ok":
        raise _error(file, state)


def status(root: Path = WEIGHTS_DIR) -> list[WeightStatus]:
    """Every entry of the manifest, hashed anew."""
    return [
        WeightStatus(
            file, _full_state(file), file.path.stat().st_size if file.path.is_file() else 0
        )
        for file in read_manifest(root).values()
    ]


@lru_cache(maxsize=8)
def read_manifest(root: Path = WEIGHTS_DIR) -> dict[str, WeightFile]:
    """Entries by name. Raises `WeightError` when the manifest is missing or malformed."""
    path = root / "manifest.toml"
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["file"]
        return {entry["name"]: _entry(entry, root) for entry in entries}
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise WeightError(
            f"The list of weight files {path.name} cannot be read",
            received=f"{type(error).__name__}: {error}",
            advice=_ADVICE,
        ) from error


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes as lower-case hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _entry(entry: dict[str, Any], root: Path) -> WeightFile:
    path = (root / entry["path"]).resolve()
    if root.resolve() not in path.parents:
        raise KeyError(f"{entry['name']} lies outside the folder of weights")
    return WeightFile(
        name=entry["name"],
        path=path,
        sha256=entry["sha256"],
        licence=entry["licence"],
        source=entry["source"],
    )


def _error(file: WeightFile, state: State) -> WeightError:
    if state == "missing":
        return WeightError(f"The weight file {file.path.name} is missing", advice=_ADVICE)
    return WeightError(
        f"The weight file {file.path.name} is not the one this version was built with",
        expected=f"sha256 {file.sha256[:12]}…",
        received="other content",
        advice=_ADVICE,
    )


def _full_state(file: WeightFile) -> State:
    if not file.path.is_file():
        return "missing"
    return "ok" if sha256_of(file.path) == file.sha256 else "altered"


def _quick_state(file: WeightFile) -> State:
    """`_full_state`, or the remembered answer while size and modification time stay the same."""
    if not file.path.is_file():
        return "missing"
    if _VERIFIED.get(file.path) == file.sha256:
        return "ok"
    state = _full_state(file)
    if state == "ok":
        _VERIFIED.put(file.path, file.sha256)
    return state
