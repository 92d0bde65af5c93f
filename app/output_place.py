"""Whether a file can be written: asked before the work, not after it."""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import InputError


def check_place(path: Path | None) -> None:
    """Raise InputError for a file that cannot be written; None is always right."""
    if path is None:
        return
    folder = path.absolute().parent
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder} to write into")
    if path.is_dir():
        raise InputError(f"Cannot write {path}", received="the name of a folder")
    if not os.access(folder, os.W_OK):
        raise InputError(f"Cannot write into {folder}", received="no permission")
