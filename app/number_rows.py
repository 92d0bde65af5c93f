"""The one form of all numbers: rows, printed as a table and written as JSON.

A row is flat; its keys are the columns, and the unit stands at the end of each name (`mpjpe_mm`,
`seconds_per_frame`, `peak_mb`). The JSON holds the same rows under the same names, unrounded.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import InputError

Value = str | int | float | None
Row = Mapping[str, Value]

NOTHING = "-"
DIGITS = 4
"""Significant digits of a column's largest number; its other numbers have as many decimals."""
TINY = 1e-4
"""A column whose numbers are all smaller than this is written with exponents."""
WIDEST = 160
"""Characters of a line where no terminal says how wide it is."""
_GAP = "  "


def print_table(rows: Sequence[Row], columns: Sequence[str] | None = None) -> None:
    """Print rows under the names of their columns; by default all, in order of appearance.

    What is too wide for the terminal goes on in a further table that repeats the leading columns of
    text.
    """
    print("\n".join(table_lines(rows, columns, shutil.get_terminal_size((WIDEST, 0)).columns)))


def table_lines(
    rows: Sequence[Row], columns: Sequence[str] | None = None, width: int = WIDEST
) -> list[str]:
    """The lines of `print_table`, each at most `width` characters where a column allows it."""
    names = columns_of(rows) if columns is None else list(columns)
    cells = {name: _column(name, [row.get(name) for row in rows]) for name in names}
    keys = []
    for name in names:
        if not all(isinstance(row.get(name), str) for row in rows):
            break
        keys.append(name)
    lines: list[str] = []
    for block in _blocks(cells, keys, width):
        padded = [cells[name] for name in (*keys, *block)]
        lines += ["", *(_GAP.join(line).rstrip() for line in zip(*padded, strict=True))]
    return lines[1:]


def columns_of(rows: Sequence[Row]) -> list[str]:
    """The names of all columns, in order of appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def write_json(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as a JSON list of flat objects; what is not a finite number is null.

    The file is complete or as it was. Raises InputError where it cannot be written.
    """
    plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
    text = json.dumps(plain, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"Cannot write {path}", received=error.strerror or str(error)) from error
    finally:
        partial.unlink(missing_ok=True)


def _plain(value: Any) -> Value:
    """Python's own for NumPy's scalars; None for what is not finite."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _column(name: str, values: Sequence[Value]) -> list[str]:
    """The heading and the cells of a column, equally wide."""
    values = [_plain(value) for value in values]
    style = _style(max((abs(v) for v in values if isinstance(v, float)), default=0.0))
    cells = [name]
    for value in values:
        written = format(value, style) if isinstance(value, float) else str(value)
        cells.append(NOTHING if value is None else written)
    wide = max(map(len, cells))
    words = any(isinstance(value, str) for value in values)
    return [cell.ljust(wide) if words else cell.rjust(wide) for cell in cells]


def _style(largest: float) -> str:
    """How to write the floats of a column."""
    if 0 < largest < TINY:
        return ".1e"
    whole = math.floor(math.log10(largest)) if largest > 0 else 0
    return f".{min(max(DIGITS - 1 - whole, 0), DIGITS - 1)}f"


def _blocks(cells: Mapping[str, list[str]], keys: Sequence[str], width: int) -> list[list[str]]:
    """The other columns in groups that fit beside the keys."""
    blocks: list[list[str]] = [[]]
    taken = start = sum(len(cells[name][0]) + len(_GAP) for name in keys)
    for name in cells:
        if name in keys:
            continue
        wide = len(cells[name][0]) + len(_GAP)
        if blocks[-1] and taken + wide - len(_GAP) > width:
            blocks.append([])
            taken = start
        blocks[-1].append(name)
        taken += wide
    return blocks
