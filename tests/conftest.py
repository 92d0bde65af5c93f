"""Every test runs with shapes checked, one thread for numerics, and warnings as errors."""

from __future__ import annotations

import ast
import os

# Before anything imports NumPy or torch: one thread is fastest for small operations, and the
# same on every machine.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
# PyOpenGL must agree with Qt's xcb platform on GLX, also where Wayland is running.
os.environ.setdefault("QT_QPA_PLATFORM", "xcb")
os.environ.setdefault("PYOPENGL_PLATFORM", "x11")

from collections.abc import Iterator

import jaxtyping._import_hook as import_hook
import pytest

from tests.distributions import install  # noqa: F401  a fixture

_declines_checks = import_hook._is_no_type_check


def _is_exempt(decorator: ast.AST) -> bool:
    """Warp compiles a kernel from its source: a wrapper around it would hide that."""
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name):
        return call.value.id in {"wp", "warp"} or _declines_checks(decorator)
    return _declines_checks(decorator)


import_hook._is_no_type_check = _is_exempt
import_hook.install_import_hook(["engine", "annotations"], "beartype.beartype")


def _has_display() -> bool:
    import shutil

    return bool(os.environ.get("DISPLAY") or shutil.which("Xvfb"))


NO_DISPLAY = "no display and no Xvfb: install it with `apt install xvfb`"
GUI_FIXTURES = {"qtbot", "qapp", "qtmodeltester"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a display where there is none, and say what would run it."""
    if _has_display():
        return
    skip = pytest.mark.skip(reason=NO_DISPLAY)
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & GUI_FIXTURES or item.get_closest_marker("gui"):
            item.add_marker(skip)


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> Iterator[None]:
    """Where torch was loaded before this file set the environment."""
    import sys

    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
    yield
