"""Real, small distributions for tests of plugins: a module and its dist-info on the path."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution of one module: `install(module, source, {group: {name: target}})`.

    What was imported from it is forgotten after the test.
    """
    modules: list[str] = []

    def installed(
        module: str,
        source: str,
        entry_points: Mapping[str, Mapping[str, str]] | None = None,
        *,
        distribution: str = "",
        version: str = "0.3.1",
    ) -> None:
        folder = tmp_path / f"site-{len(modules)}"
        folder.mkdir()
        path = folder.joinpath(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
        modules.append(module)
        if entry_points:
            write_dist_info(folder, distribution or module, version, entry_points)
        monkeypatch.syspath_prepend(folder)

    yield installed
    for module in modules:
        for name in [n for n in sys.modules if n.split(".")[0] == module.split(".")[0]]:
            del sys.modules[name]


def write_dist_info(
    folder: Path, name: str, version: str, entry_points: Mapping[str, Mapping[str, str]]
) -> None:
    """What pip leaves beside an installed package, as far as importlib.metadata reads it."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, names in entry_points.items():
        lines.append(f"[{group}]")
        lines += [f"{key} = {target}" for key, target in names.items()]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
