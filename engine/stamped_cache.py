"""Remembers what was found out about a file, for as long as its size and time stay the same.

Hashing or checking tens of megabytes at every start would be felt. The memory is one JSON file in
the user's cache folder; it may be deleted at any time, and without it everything is looked at anew.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path


def cache_folder() -> Path:
    """Dyad's folder among the user's caches (which may not exist yet)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dyad"


@dataclass(frozen=True)
class StampedCache:
    """One kind of finding: strings by file."""

    name: str
    """File name in the cache folder, without ending."""

    def get(self, path: Path) -> str | None:
        """What was stored for the file, if the file has not been touched since."""
        stamp, _, value = self._read().get(str(path), "").partition(" ")
        return value if stamp and stamp == _stamp(path) else None

    def put(self, path: Path, value: str) -> None:
        """Best effort: where the cache cannot be written, the next start looks again."""
        place = self._path()
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            partial = place.with_suffix(f".{os.getpid()}")
            entries = {**self._read(), str(path): f"{_stamp(path)} {value}"}
            partial.write_text(json.dumps(entries), encoding="utf-8")
            partial.replace(place)
        except OSError:
            return

    def _path(self) -> Path:
        return cache_folder() / f"{self.name}.json"

    def _read(self) -> dict[str, str]:
        try:
            content = json.loads(self._path().read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(content, dict):
            return {}
        return {key: value for key, value in content.items() if isinstance(value, str)}


def _stamp(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size}:{found.st_mtime_ns}"
