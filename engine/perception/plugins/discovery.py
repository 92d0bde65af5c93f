"""Which plugins are installed, and how one of them is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Literal, overload

from engine.perception.plugins.checks import (
    CHECKED,
    Checked,
    CheckedBodyInitializer,
    CheckedDetector,
    CheckedPoseEstimator,
    CheckedSegmenter,
    CheckedTracker,
    failure,
)
from engine.perception.plugins.protocols import GROUPS, METHODS, Kind, PluginError, spoken
from engine.perception.request import BUILT_IN


@dataclass(frozen=True)
class PluginInfo:
    """An installed plugin, as its distribution describes it."""

    name: str
    distribution: str
    version: str


def available(kind: Kind) -> tuple[PluginInfo, ...]:
    """The installed plugins of a kind, by name. Imports none of them."""
    described = (
        PluginInfo(e.name, e.dist.name if e.dist else "", e.dist.version if e.dist else "")
        for e in _entry_points(kind)
    )
    return tuple(sorted(described, key=lambda info: info.name))


def names(kind: Kind) -> tuple[str, ...]:
    """What may be chosen for a kind: the built-in part, then the installed plugins."""
    return (BUILT_IN, *(info.name for info in available(kind)))


def require(kind: Kind, name: str) -> None:
    """Raise PluginError where neither a built-in part nor a plugin has this name."""
    if name != BUILT_IN:
        _entry_point(kind, name)


@overload
def load(kind: Literal["detector"], name: str) -> CheckedDetector: ...
@overload
def load(kind: Literal["pose_estimator"], name: str) -> CheckedPoseEstimator: ...
@overload
def load(kind: Literal["tracker"], name: str) -> CheckedTracker: ...
@overload
def load(kind: Literal["segmenter"], name: str) -> CheckedSegmenter: ...
@overload
def load(kind: Literal["body_initializer"], name: str) -> CheckedBodyInitializer: ...
@overload
def load(kind: Kind, name: str) -> Checked: ...
def load(kind: Kind, name: str) -> Checked:
    """Import and make an installed plugin; the object checks what it returns.

    Raises PluginError where there is no such plugin, or it cannot be made.
    """
    entry = _entry_point(kind, name)
    try:
        plugin = entry.load()()
    except (Exception, SystemExit) as error:
        advice = f"Reinstall {_source(entry)} with all that it needs, in Dyad's environment."
        raise failure(kind, name, "could not be loaded", error, advice) from error
    method = METHODS[kind]
    if not callable(getattr(plugin, method, None)):
        raise PluginError(
            f"The {spoken(kind)} plugin {name!r} is not one",
            expected=f"an object with a method {method!r}",
            received=type(plugin).__name__,
        )
    return CHECKED[kind](kind, name, plugin)


def _entry_points(kind: Kind) -> list[EntryPoint]:
    return [e for e in entry_points(group=GROUPS[kind]) if e.name != BUILT_IN]


def _entry_point(kind: Kind, name: str) -> EntryPoint:
    installed = _entry_points(kind)
    found = [e for e in installed if e.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise PluginError(
            f"Several {spoken(kind)} plugins are called {name!r}",
            received=", ".join(sorted(_source(e) for e in found)),
            advice="Uninstall all but one of them.",
        )
    raise PluginError(
        f"There is no {spoken(kind)} called {name[:80]!r}",
        expected=" or ".join(repr(known) for known in names(kind)),
        advice="Install its plugin into Dyad's environment with .venv/bin/python -m pip install; "
        "docs/plugins.md shows how to write one.",
    )


def _source(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
