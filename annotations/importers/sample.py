"""The first look at a file or folder, from which its format is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from annotations.importers.json_stream import JsonItems
from annotations.importers.values import shown
from engine.errors import InputError

_HEAD = 1 << 16
_ITEMS, _BYTES = 2000, 16 << 20
"""Looked at of a JSON file."""
_ENTRIES = 5000


@dataclass(frozen=True)
class Sample:
    """A file's beginning, or a folder's entries."""

    path: Path
    is_folder: bool = False
    files: tuple[str, ...] = ()
    """Names of a folder's files, the first thousands."""
    folders: tuple[str, ...] = ()
    head: str = ""
    """The first characters of a file."""
    is_json: bool = False
    is_object: bool = False
    first: Mapping[str, Any] = field(default_factory=dict)
    """Of a JSON object: the first item under each key that was reached; of a list: under ""."""

    @property
    def item(self) -> Mapping[str, Any]:
        """The first item of a JSON list, if it is an object."""
        found = self.first.get("")
        return found if isinstance(found, dict) else {}

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()

    @classmethod
    def of(cls, path: Path) -> Sample:
        """Look at what is there. Raises InputError where nothing is, or it cannot be opened."""
        try:
            if path.is_dir():
                entries = sorted(islice(path.iterdir(), _ENTRIES))
                files = tuple(e.name for e in entries if e.is_file())
                folders = tuple(e.name for e in entries if e.is_dir())
                return cls(path, True, files, folders)
            if not path.is_file():
                raise InputError(f"There is no file {shown(path.name)} at this place")
            with path.open("rb") as file:
                head = file.read(_HEAD)
        except OSError as error:
            raise InputError(f"Cannot open {path.name}", received=error.strerror or "") from error
        text = head.decode("utf-8-sig", "replace")
        if text.lstrip()[:1] not in ("{", "["):
            return cls(path, head=text)
        first, is_object = _first_items(path, text)
        return cls(path, head=text, is_json=True, is_object=is_object, first=first)


def _first_items(path: Path, text: str) -> tuple[dict[str, Any], bool]:
    items = JsonItems(path)
    first: dict[str, Any] = {}
    for key, item in islice(items, _ITEMS):
        first.setdefault(key, item)
        if key == "" or items.bytes_read > _BYTES:
            break
    for key in items.keys:
        first.setdefault(key, None)
    return first, text.lstrip()[:1] == "{"
