"""Whether a file or folder can be written: asked before the work, not after it."""

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


def check_plot(path: Path | None) -> None:
    """As `check_place`, of a chart, which is drawn as a .png."""
    check_place(path)
    if path is not None and path.suffix.lower() != ".png":
        raise InputError("Plots are drawn as PNG", expected="NAME.png", received=path.name)


def check_folder(folder: Path) -> None:
    """Raise InputError for a folder that neither is there, writable, nor can be made."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise InputError(f"Cannot make the folder {folder}", received=f"{there}, which is a file")
    if not os.access(there, os.W_OK):
        raise InputError(f"Cannot write into {there}", received="no permission")
