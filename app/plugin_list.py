"""Which parts of perception and of the fit may be chosen, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import EngineError
from engine.perception.plugins import GROUPS, available, load, spoken
from engine.perception.request import BUILT_IN


def plugin_lines() -> list[str]:
    """Every kind with what there is of it. Imports no plugin."""
    lines = []
    for kind in GROUPS:
        lines.append(f"{spoken(kind):<18} {BUILT_IN:<16} built in")
        lines += [f"{'':<18} {info.name:<16} {info.source}" for info in available(kind)]
    return lines


def broken_plugins() -> list[str]:
    """A sentence for each installed plugin that cannot be loaded. Imports and makes them all."""
    return list(_broken())


def _broken() -> Iterator[str]:
    for kind in GROUPS:
        for info in available(kind):
            try:
                with load(kind, info.name):
                    pass
            except EngineError as error:
                yield str(error)
