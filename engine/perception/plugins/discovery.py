"""Which plugins are installed, and how one of them is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions
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

    @property
    def source(self) -> str:
        return f"{self.distribution} {self.version}"


def available(kind: Kind) -> tuple[PluginInfo, ...]:
    """The installed plugins of a kind, by name. Imports none of them."""
    return tuple(info for info, _ in _installed(kind))


def names(kind: Kind) -> tuple[str, ...]:
    """What may be chosen for a kind: the built-in part, then the installed plugins."""
    return (BUILT_IN, *(info.name for info in available(kind)))


def require(kind: Kind, name: str) -> None:
    """Raise PluginError where neither a built-in part nor a plugin has this name."""
    if name != BUILT_IN:
        _found(kind, name)


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
    info, entry = _found(kind, name)
    try:
        plugin = entry.load()()
    except (Exception, SystemExit) as error:
        advice = f"Reinstall {info.source} with all that it needs, in Dyad's environment."
        raise failure(kind, name, "could not be loaded", error, advice) from error
    method = METHODS[kind]
    if not callable(getattr(plugin, method, None)):
        raise PluginError(
            f"The {spoken(kind)} plugin {name!r} is not one",
            expected=f"an object with a method {method!r}",
            received=type(plugin).__name__,
        )
    return CHECKED[kind](kind, name, plugin)


def _installed(kind: Kind) -> list[tuple[PluginInfo, EntryPoint]]:
    """In the order of their names; a distribution that is on the path twice counts once."""
    found: dict[tuple[str, str], tuple[PluginInfo, EntryPoint]] = {}
    for distribution in distributions():
        try:
            entries = distribution.entry_points.select(group=GROUPS[kind])
            if not entries:
                continue  # metadata are slow to read, and most distributions are no plugin
            name, version = distribution.name or "", distribution.version or ""
        except Exception:  # whatever is wrong with its records, other plugins are not to suffer
            continue
        for entry in entries:
            if entry.name != BUILT_IN:
                info = PluginInfo(entry.name, name, version)
                found.setdefault((entry.name, name), (info, entry))
    return [found[key] for key in sorted(found)]


def _found(kind: Kind, name: str) -> tuple[PluginInfo, EntryPoint]:
    installed = _installed(kind)
    found = [(info, entry) for info, entry in installed if info.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise PluginError(
            f"Several {spoken(kind)} plugins are called {name!r}",
            received=", ".join(info.source for info, _ in found),
            advice="Uninstall all but one of them.",
        )
    known = [BUILT_IN, *dict.fromkeys(info.name for info, _ in installed)]
    raise PluginError(
        f"There is no {spoken(kind)} called {name[:80]!r}",
        expected=" or ".join(map(repr, known)),
        advice="Install its plugin into Dyad's environment with .venv/bin/python -m pip install; "
        "docs/plugins.md shows how to write one.",
    )
